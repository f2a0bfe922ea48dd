"""The study kit: blind pages, a browser that rates by keyboard, mistakes in input."""

import base64
import gzip
import json
import re

import numpy as np
import pytest

from madis_lib.experiments import study
from madis_lib.parts import axis_angles
from madis_lib.render import export
from madis_lib.reporting import study_kit
from tests.browser import Browser, needs_chromium

SYSTEMS = ("quetzal", "narwhal")  # words that no page would hold by chance
FPS = 25


def motion(seed, frames=8):
    rng = np.random.default_rng(seed)
    start, end = rng.normal(0, 0.2, (2, 133))
    steps = np.linspace(0, 1, frames)[:, None]
    clip = (1 - steps) * start + steps * end
    clip[:, [14, 17]] += [-1.0, 1.0]
    return clip.astype(np.float32)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two systems that sign four sentences, and the texts; the sentences' names say nothing."""
    root = tmp_path_factory.mktemp("outputs")
    names = [f"item{i}" for i in range(4)]
    for s, system in enumerate(SYSTEMS):
        (root / system).mkdir()
        for i, name in enumerate(names):
            export.write(root / system / f"{name}.npz", motion(10 * s + i, 8 + i), FPS)
    lines = [f"{n}\tSentence <b>{i}</b> & 你好." for i, n in enumerate(names)]
    (root / "texts.tsv").write_text("name\ttext\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def material(folders):
    return study_kit.read_folders([folders / s for s in SYSTEMS], folders / "texts.tsv", "zh")


@pytest.fixture
def kit(material, tmp_path):
    study_kit.make(material, tmp_path / "kit", raters=2, items=3)
    return tmp_path / "kit"


def scene_of(page):
    return json.loads(re.search(r'id="scene">(.*?)</script>', page, re.DOTALL)[1])


def test_a_page_shows_each_clip_once_in_the_order_of_the_key(kit, material):
    key = study.Key.load(kit / "key.json")
    assert sorted(p.stem for p in (kit / "raters").iterdir()) == list(key.orders)
    for rater, shown in key.orders.items():
        page = (kit / "raters" / f"{rater}.html").read_text(encoding="utf-8")
        scene = scene_of(page)
        packed = re.search(r'id="arrays">(.*?)</script>', page, re.DOTALL)[1]
        buffer = gzip.decompress(base64.b64decode(packed))
        for i, (name, system) in enumerate([key.practice, *shown]):
            a = scene["arrays"][f"clip{i}"]
            read = np.frombuffer(buffer, "<" + a["type"], a["length"], a["offset"])
            true = material.clips[system][name]
            assert scene["clips"][i] == {"text": material.texts[name], "frames": len(true)}
            found = read.reshape(len(true), -1, 3) * scene["rotationScale"]
            mean_hand = found - true[:, scene["moving"]]  # the same in every frame
            np.testing.assert_allclose(mean_hand, mean_hand[:1].repeat(len(true), 0), atol=1e-3)


def test_a_page_does_not_know_the_systems(kit):
    for path in (kit / "raters").iterdir():
        page = path.read_text(encoding="utf-8")
        assert not [w for w in (*SYSTEMS, "item0", "item1", "item2", "item3") if w in page]
        scene = scene_of(page)
        assert [set(clip) for clip in scene["clips"]] == [{"text", "frames"}] * 7
        # arrays differ in where they lie and how long they are, which the motion itself says
        types = {a["type"] for name, a in scene["arrays"].items() if name.startswith("clip")}
        assert types == {"i2"}
        assert not re.search(r"https?:|<link|<script[^>]+src|url\(|fetch\(", page)


def test_a_study_is_its_input_and_its_seed(material, tmp_path):
    made = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        made[name] = study_kit.make(material, tmp_path / name, raters=1, items=3, seed=seed)
    pages = {n: (tmp_path / n / "raters/rater-01.html").read_bytes() for n in made}
    assert pages["a"] == pages["b"] and made["a"] == made["b"]
    assert made["a"].study != made["c"].study  # answers of one never land in the other


def answers_of(page):
    return json.loads(page.evaluate("JSON.stringify(exported())"))


def rate(page, trial, key):
    """Rate the trial on the screen once its clip has played."""
    assert page.evaluate("root.dataset.trial") == str(trial)
    page.wait(f"root.dataset.seen === '{trial}'")
    page.press(key)
    page.press("Enter")


@needs_chromium
def test_a_rater_rates_by_keyboard_pauses_reloads_and_exports(kit, tmp_path):
    path = kit / "raters/rater-01.html"
    with Browser(tmp_path / "browser") as page:
        page.open(path)
        assert page.evaluate("root.dataset.state + root.dataset.screen") == "readyintro"
        assert page.evaluate("document.activeElement.id") == "begin"
        page.press("Enter")
        assert page.evaluate("byId('count').textContent") == "Practice"
        early = page.evaluate(  # in one go, so that the clip cannot end in between
            "(() => { byId('stop').click(); byId('resume').click();"
            " document.dispatchEvent(new KeyboardEvent('keydown', { key: '7' }));"
            " return [root.dataset.trial, byId('next').disabled] })()"
        )
        assert early == ["0", True]  # not seen yet
        rate(page, 0, "5")
        assert answers_of(page)["ratings"] == []  # practice does not count
        blue = page.picture().astype(int)
        shirt = (blue[..., 2] > blue[..., 0] + 25) & (blue.max(-1) < 160)
        assert 0.02 < shirt.mean() < 0.4  # somebody stands there
        rate(page, 1, "0")
        rate(page, 2, "3")
        page.press("Backspace")  # second thoughts
        assert page.evaluate("root.dataset.trial") == "2"
        rate(page, 2, "4")
        page.press("p")
        assert page.evaluate("root.dataset.screen") == "pause"
        page.press("9")  # nothing to rate here
        page.reload()
        assert page.evaluate("root.dataset.screen") == "pause"
        assert "2 of 6" in page.evaluate("byId('pause-text').textContent")
        page.press("Enter")  # the focused button goes on
        for trial, key in zip(range(3, 7), "1259", strict=True):
            rate(page, trial, key)
        assert page.evaluate("byId('pause-title').textContent") == "Done. Thank you!"
        shown = json.loads(page.evaluate("byId('copy').value"))
        page.press("Enter")
        key = study.Key.load(kit / "key.json")
        saved = tmp_path / "browser/downloads" / f"{key.study}-rater-01.json"
        page.until(saved.exists)
        assert json.loads(saved.read_text()) == shown
        # another browser goes on from a file: what is exported can be read back, and only there
        page.evaluate("answers.clear()")
        page.evaluate(f"adopt({json.dumps(saved.read_text())})")
        assert answers_of(page) == shown
        refusals = page.evaluate(
            "['{}', '[', JSON.stringify({...exported(), rater: 'rater-02'}),"
            " JSON.stringify({...exported(), ratings: [{trial: 2, rating: 1, seconds: 1}]}),"
            " JSON.stringify({...exported(), ratings: [{trial: 1, rating: 11, seconds: 1}]})]"
            ".map((text) => { try { adopt(text); return '' } catch (e) { return e.message } })"
        )
        assert all(refusals) and answers_of(page) == shown
    assert [r["rating"] for r in shown["ratings"]] == [10, 4, 1, 2, 5, 9]
    (kit / "ratings/back.json").write_text(saved.read_text())
    told = study_kit.analyse(kit)
    assert "6 ratings, 1 raters, 3 sentences, 2 systems" in told
    assert "unfinished: rater-02, no file" in told
    lines = (kit / "ratings.csv").read_text().splitlines()
    assert lines[0] == "rater,sentence,system,place,rating,seconds" and len(lines) == 7


def test_a_finished_preset_becomes_a_study(suite, tmp_path):
    suite.evaluated("how2sign")
    material = study_kit.from_suite(suite, "how2sign")
    assert list(material.clips) == [
        "truth", "MaDiS", "mean pose", "random clip", "shuffled text", "tokenizer round trip",
    ]  # fmt: skip
    true = suite.clips("how2sign", "test")
    for clip, features in zip(material.clips["truth"].values(), true, strict=True):
        np.testing.assert_array_equal(clip, axis_angles(features))
    key = study_kit.make(material, tmp_path / "kit", raters=1, items=3)
    ratings = study.Ratings(
        (), tuple(key.sentences), key.systems, *(np.zeros((0, 3, 6)),) * 3, unfinished={}
    )
    scores = study.read_scores(tmp_path / "kit/metrics.tsv", ratings)
    dtw = suite.evaluated("how2sign").result["scores"]["MaDiS"]["dtw_hands"]
    places = [suite.names("how2sign", "test").index(name) for name in key.sentences]
    np.testing.assert_allclose(scores["dtw_hands"][:, 1], np.array(dtw)[places])
    assert np.isnan(scores["dtw_hands"][:, 0]).all()  # the truth has no score


def test_a_missing_run_is_named_and_not_made(tmp_path):
    from madis_lib import presets
    from madis_lib.experiments.suite import Suite

    with pytest.raises(FileNotFoundError, match="madis reproduce --preset quick"):
        study_kit.from_suite(Suite(presets.get("quick"), tmp_path), "csl")
    assert not list(tmp_path.rglob("result.json"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: (d / "texts.tsv").write_text("name\tx\n"), "line 1: no column 'text'"),
        (lambda d: (d / "texts.tsv").write_text("name\ttext\na\t\n"), "line 2: no text"),
        (lambda d: (d / "texts.tsv").write_text("name\ttext\na\tx\na\ty\n"), "line 3: name 'a'"),
        (lambda d: (d / "texts.tsv").write_text("name\ttext\n../a\ty\n"), "holds a slash"),
        (lambda d: (d / "texts.tsv").write_text("name\ttext\n"), "holds no sentences"),
        (lambda d: (d / "texts.tsv").write_bytes(b"name\ttext\na\t\xff\n"), "not UTF-8"),
        (lambda d: (d / "narwhal/item1.npz").unlink(), "narwhal/item1.npz: no such motion"),
        (lambda d: (d / "narwhal/item1.npz").write_bytes(b"PK"), "not a readable npz"),
        (lambda d: np.savez(d / "narwhal/item1.npz", poses=np.zeros((3, 165))), "mocap_frame_rate"),
        (
            lambda d: np.savez(
                d / "narwhal/item1.npz", poses=np.zeros((3, 9)), mocap_frame_rate=25.0
            ),
            r"field 'poses' is float64 \(3, 9\)",
        ),
        (
            lambda d: np.savez(
                d / "narwhal/item1.npz", poses=np.full((3, 165), np.nan), mocap_frame_rate=25.0
            ),
            "NaN",
        ),
        (
            lambda d: export.write(d / "narwhal/item1.npz", motion(0), 30),
            "is 30, but 25 in .*gives the system away",
        ),
    ],
)
def test_bad_input_names_file_and_field(folders, tmp_path, change, says):
    import shutil

    root = tmp_path / "outputs"
    shutil.copytree(folders, root)
    change(root)
    with pytest.raises((ValueError, FileNotFoundError), match=says):
        study_kit.read_folders([root / s for s in SYSTEMS], root / "texts.tsv", "en")


def test_impossible_studies(material, folders, kit, tmp_path):
    for arguments, says in (
        ({"items": 4}, "4 sentences: 4 to rate and one for practice need 5"),
        ({"items": 1}, "items is 1"),
        ({"items": 3, "raters": 0}, "0 raters"),
        ({"items": 3, "views": 3}, "views is 3"),
        ({"items": 3, "question": " "}, "question is empty"),
    ):
        with pytest.raises(ValueError, match=says):
            study_kit.make(material, tmp_path / "new", **arguments)
    with pytest.raises(FileExistsError, match="holds files already"):
        study_kit.make(material, kit, items=3)
    with pytest.raises(ValueError, match="two folders are called 'quetzal'"):
        study_kit.read_folders([folders / "quetzal"] * 2, folders / "texts.tsv", "en")
    with pytest.raises(FileNotFoundError, match="no study here"):
        study_kit.analyse(tmp_path)
    with pytest.raises(ValueError, match="no ratings: put the files"):
        study_kit.analyse(kit)

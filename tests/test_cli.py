"""The command line: every mistake is one line on stderr, an exit code, and no file."""

import errno
import json
import os
import pickle
import re
import resource
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from madis_lib import cli, presets
from madis_lib.data import layouts
from madis_lib.data.signworld import grammar
from madis_lib.experiments import sign_tokenizer

ROOT = Path(__file__).parents[1]


@dataclass
class Answer:
    code: int
    out: str
    err: str


@pytest.fixture
def madis(tmp_path, monkeypatch, capsys):
    """Call the command in an empty folder: ``madis("runs")``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MADIS_DEBUG", raising=False)

    def call(*words: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["madis", *map(str, words)])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = end.code
        shown = capsys.readouterr()
        return Answer(code, shown.out, shown.err)

    return call


@pytest.fixture
def refused(madis, tmp_path):
    """Call the command; it must fail in one line that holds every one of ``words``."""

    def call(*arguments: object, says: tuple[str, ...]) -> None:
        before = sorted(tmp_path.rglob("*"))
        answer = madis(*arguments)
        assert answer.code not in (0, None)
        *progress, last = answer.err.splitlines()
        assert last.startswith("madis: error: ") and answer.err.count("madis: error") == 1
        assert not progress, answer.err
        assert "Traceback" not in answer.err + answer.out
        for word in says:
            assert word in last
        assert sorted(tmp_path.rglob("*")) == before

    return call


# --- generate ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "language", "says"),
    [
        ("", "en", ("text is empty",)),
        (" \n\t", "de", ("text is empty",)),
        ("x" * 10_000, "en", ("no word of this text", "try")),
        ("🎉 👋🏽", "zh", ("no word of this text", "try")),
        ("\x00\ud800", "en", ("not valid UTF-8",)),
        ("hello", "fr", ("unknown language 'fr'", "zh, de, en")),
    ],
)
def test_texts_that_cannot_be_signed(refused, checkpoint, text, language, says):
    refused("generate", text, "--language", language, "--checkpoint", checkpoint, says=says)


def test_a_text_of_ten_thousand_characters(refused, checkpoint, suite):
    sentence = suite.texts("how2sign", "test")[0]
    long = (f"{sentence} " * (10_000 // len(sentence) + 1))[:10_000]
    refused("generate", long, "--checkpoint", checkpoint, says=("more than 256", "in sentences"))


@pytest.mark.parametrize(
    ("out", "says"),
    [
        ("file/sign.html", ("file", "no such folder")),
        ("nowhere/sign.html", ("nowhere", "no such folder")),
        ("folder.html", ("is a folder",)),
        ("sign.mp4", (".mp4", ".webp")),
        ("n" * 300 + ".npz", ("File name too long",)),
    ],
)
def test_outputs_that_cannot_be_written(refused, checkpoint, suite, tmp_path, out, says):
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "folder.html").mkdir()
    text = suite.texts("how2sign", "test")[0]
    refused("generate", text, "--out", out, "--checkpoint", checkpoint, says=says)


def test_a_folder_without_permission(refused, checkpoint, monkeypatch, tmp_path):
    """Permissions do not stop root, so that the system's answer is made up."""

    def forbidden(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path))

    monkeypatch.setattr("tempfile.TemporaryFile", forbidden)
    refused("generate", "x", "--checkpoint", checkpoint, says=("cannot be written to", "elsewhere"))


@pytest.mark.parametrize("suffix", [".npz", ".html", ".glb"])
def test_a_file_that_becomes_too_large(madis, refused, checkpoint, suite, tmp_path, suffix):
    """The system really refuses to write on; the same way as where a disk is full."""
    text, out = suite.texts("how2sign", "test")[0], tmp_path / f"sign{suffix}"
    assert madis("generate", text, "--out", out, "--checkpoint", checkpoint).code == 0
    out.unlink()  # kernels are compiled and kept now: the one file left to write is the output
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        refused(
            "generate", text, "--out", f"sign{suffix}", "--checkpoint", checkpoint,
            says=(f"sign{suffix}", "File too large", "run the same command again"),
        )  # fmt: skip
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


def test_a_full_disk(refused, checkpoint, suite, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(source), None, str(target))

    monkeypatch.setattr(os, "replace", full)
    text = suite.texts("how2sign", "test")[0]
    says = ("sign.npz: No space left on device", "make room")
    refused("generate", text, "--out", "sign.npz", "--checkpoint", checkpoint, says=says)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("tokenizer.safetensors", b"not a tensor"),
        ("how2sign/model.safetensors", b""),
        ("how2sign/text/tokenizer.json", b"{"),
        ("provenance.json", b"[]"),
    ],
)
def test_a_corrupt_checkpoint(refused, checkpoint, suite, tmp_path, file, content):
    broken = tmp_path / "broken"
    shutil.copytree(checkpoint, broken)
    (broken / file).write_bytes(content)
    text = suite.texts("how2sign", "test")[0]
    where = "how2sign/text" if "text" in file else file
    refused("generate", text, "--checkpoint", broken, says=(str(broken / where),))


def test_a_sentence_without_quotes(refused):
    refused("generate", "Fry", "the", "onions", says=("quotes", 'madis generate "Fry the onions"'))
    refused("generate", "--out", "a.npz", says=("put the sentence in quotes",))


def test_no_checkpoint(refused, tmp_path):
    refused("generate", "x", "--checkpoint", tmp_path, says=("no checkpoint", "--checkpoint"))


def test_a_sentence_is_signed_and_unknown_words_are_named(madis, checkpoint, suite, tmp_path):
    text = suite.texts("how2sign", "test")[0]
    answer = madis("generate", f"{text} blorg", "--out", "a.npz", "--checkpoint", checkpoint)
    assert (answer.code, answer.out) == (0, "a.npz\n")
    assert answer.err == "madis: warning: no sign for blorg\n"
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]
    with np.load("a.npz") as motion:
        assert motion["poses"].shape[1:] == (165,)


# --- reproduce, report, runs, notebooks --------------------------------------------------------


@pytest.mark.parametrize("command", ["reproduce", "report", "runs", "notebooks"])
def test_a_wrong_preset(refused, command):
    refused(command, "--preset", "hurry", says=("unknown preset 'hurry'", "quick, laptop"))


@pytest.mark.parametrize("place", [".madis", "reports"])
def test_a_file_where_a_folder_is_needed(refused, suite, tmp_path, place):
    (tmp_path / place).write_text("not a folder")
    if place == ".madis":
        (tmp_path / "reports" / "tiny").mkdir(parents=True)
    refused("reproduce", "--preset", "tiny", says=(place, "is a file, not a folder"))


def test_training_on_a_full_disk(madis, suite, home, tmp_path, monkeypatch):
    """torch only says that its file is not as long as it should be."""
    shutil.copytree(suite.corpus.folder, tmp_path / ".madis/tiny" / suite.corpus.folder.name)

    def fail(*_):
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534")

    usage = shutil.disk_usage(tmp_path)
    # here, not in a worker
    monkeypatch.setattr("madis_lib.experiments.workers.at_once", lambda _: 1)
    monkeypatch.setattr("torch.save", fail)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=4096))
    answer = madis("reproduce", "--preset", "tiny", "--no-notebooks")
    assert answer.code == 2 and "Traceback" not in answer.err
    last = answer.err.splitlines()[-1]
    assert last.startswith("madis: error: .madis/tiny/vqvae-body-")
    assert last.endswith("checkpoint.pt: No space left on device; make room and run the same "
                         "command again")  # fmt: skip
    assert not list(tmp_path.rglob("checkpoint.pt")) and not list(tmp_path.rglob(".tmp-*"))


def test_report_does_not_train(refused):
    says = (".madis/quick/corpus-", "not finished", "madis reproduce --preset quick")
    refused("report", says=says)
    refused("report", "--seeds", "0", "7", says=("madis reproduce --preset quick --seeds 0 7",))


@pytest.mark.parametrize(
    ("command", "seeds"),
    [("reproduce", ("0", "-1")), ("report", ("0", "-1")), ("report", ())],
)
def test_wrong_seeds(refused, command, seeds):
    refused(command, "--seeds", *seeds, says=("seeds of rows", "give whole numbers from 0"))


def test_report_says_which_run_is_missing(refused, suite, home, tmp_path, monkeypatch):
    for corpus in layouts.LAYOUTS:
        suite.evaluated(corpus)
    assert sign_tokenizer.quality(suite).result
    kept = tmp_path / "home"
    shutil.copytree(home, kept)
    monkeypatch.setattr(cli, "HOME", kept)
    gone = suite.finetuned("phoenix").folder.name
    shutil.rmtree(kept / "tiny" / gone)
    refused("report", "--preset", "tiny", says=(gone, "madis reproduce --preset tiny"))


def test_report_from_finished_runs(madis, report, home, monkeypatch):
    monkeypatch.setattr(cli, "HOME", home)
    monkeypatch.setattr("madis_lib.reporting.reproduce._write_figures", lambda *_: None)
    page = report / "report.html"
    page.unlink()
    answer = madis("report", "--preset", "tiny", "--reports", report.parent)
    assert answer.code == 0, answer.err
    assert answer.out.splitlines()[-1] == f"The report: {page.resolve()}" and page.is_file()
    assert "done; " not in answer.out
    runs = json.loads((report / "provenance.json").read_text())["runs"]
    assert runs and not any(run["made_now"] for run in runs)


def test_runs_are_listed(madis, suite, home, monkeypatch):
    assert "madis reproduce --preset quick" in madis("runs").out
    run = suite.tokenizer_run
    monkeypatch.setattr(cli, "HOME", home)
    head, *lines = madis("runs", "--preset", "tiny").out.splitlines()
    assert head.split() == ["run", "key", "state", "seconds", "MB", "age", "what"]
    (line,) = (line for line in lines if line.split()[:2] == ["tokenizer", run.key])
    assert line.split()[2] == "done" and line.endswith("  sign tokenizer")


# --- corpus, check-data, and data that cannot be read ------------------------------------------

ROWS = [
    {"name": "a", "text": "Morgen regnet es", "glosses": "MORGEN REGEN", "language": "de"},
    {"name": "b", "text": "Kommt der Sturm?", "glosses": "STURM", "language": "de", "split": "val"},
    {"name": "c", "text": "cut the bread", "glosses": ["BREAD", "CUT"], "language": "en"},
]


def annotations(folder: Path, rows) -> Path:
    path = folder / "mine.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def test_annotations_become_corpora_that_check(madis, tmp_path):
    path = annotations(tmp_path, ROWS)
    answer = madis("corpus", "--annotations", path, "--out", "made")
    assert answer.code == 0, answer.err
    assert "phoenix: 2 sentences" in answer.out and "how2sign: 1 sentences" in answer.out
    assert "madis check-data made" in answer.out
    assert "phoenix: no sentence for test, but reproduce needs some" in answer.out
    assert "how2sign: no sentence for val and test, but" in answer.out
    checked = madis("check-data", "made")
    assert checked.code == 1 and "empty split (3):" in checked.out, checked.out
    assert [s.text for s in layouts.read(tmp_path / "made", "phoenix", "val")] == [ROWS[1]["text"]]
    answer = madis("reproduce", "--data", "made", "--no-notebooks")
    assert answer.code == 2 and "made: phoenix test: holds no clip; " in answer.err, answer.err


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([ROWS[0] | {"glosses": ""}], ("line 1", "'glosses'", "missing or empty")),
        ([ROWS[0], ROWS[1] | {"language": "fr"}], ("line 2", "language 'fr'", "zh")),
        ([ROWS[0], ROWS[0]], ("'a' appears twice",)),
        ([], ("no sentences",)),
        ([ROWS[0] | {"name": "../a"}], ("line 1", "'../a'", "plain relative name")),
        ([ROWS[0], ROWS[1] | {"name": "n" * 300}], ("line 2", "longer than 200 bytes")),
        ([ROWS[0] | {"glosses": ["A"] * 97}], ("line 1", "97 glosses", "1 to 96")),
        ([ROWS[0] | {"glosses": 7}], ("line 1", "'glosses'", "no list")),
        ([ROWS[0] | {"glosses": ["A", None]}], ("line 1", "'glosses[1]' is null, not a text")),
        ([ROWS[0] | {"glosses": [{"x": 2}]}], ("line 1", "'glosses[0]' is {\"x\": 2}, not")),
        ([ROWS[0] | {"glosses": ["A B"]}], ("line 1", "'glosses[0]' is \"A B\"", "blanks")),
        ([ROWS[0] | {"glosses": [""]}], ("line 1", "'glosses[0]'", "without blanks")),
        ([ROWS[0] | {"name": "\ud800"}], ("line 1", "is no file name")),
        ([ROWS[0] | {"text": "  "}], ("line 1", "'text'")),
    ],
)
def test_bad_annotations(refused, tmp_path, rows, says):
    path = annotations(tmp_path, rows)
    refused("corpus", "--annotations", path, says=(str(path), *says))


@pytest.mark.parametrize("line", ["{", "[" * 100_000, '{"name": ' + "1" * 5000 + "}"])
def test_lines_that_are_not_json(refused, tmp_path, line):
    path = tmp_path / "mine.jsonl"
    path.write_text(line)
    refused("corpus", "--annotations", path, says=(f"{path}, line 1: not JSON",))


def test_annotations_that_are_not_there_or_cannot_be_rendered_there(refused, tmp_path):
    refused("corpus", "--annotations", "none.tsv", says=("none.tsv", "no such"))
    path = annotations(tmp_path, ROWS[:1])
    out = path / "below-a-file"
    refused("corpus", "--annotations", path, "--out", out, says=("mine.jsonl", "not a folder"))


def test_annotations_in_another_encoding_or_without_a_header(refused, tmp_path):
    path = tmp_path / "mine.tsv"
    row = "a\tMorgen Schnee für alle\tSCHNEE\tde\n"
    path.write_bytes(b"name\ttext\tglosses\tlanguage\n" + row.encode("latin-1"))
    refused("corpus", "--annotations", path, says=("mine.tsv, line 2", "not UTF-8"))
    path.write_text(row, encoding="utf-8")
    refused("corpus", "--annotations", path, says=("mine.tsv, line 1", "no column 'name'"))


def test_a_corpus_is_never_written_over_and_appears_whole(madis, refused, tmp_path, monkeypatch):
    path = annotations(tmp_path, ROWS[:1])
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to("target")
    assert madis("corpus", "--annotations", path, "--out", "link").code == 0
    assert (tmp_path / "link").is_symlink() and list((tmp_path / "target").iterdir())
    refused("corpus", "--annotations", path, "--out", "target", says=("holds files already",))

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("madis_lib.data.signworld.annotations.write_world", stop)
    before = sorted(tmp_path.iterdir())
    assert madis("corpus", "--annotations", path, "--out", "other").code == 130
    assert sorted(tmp_path.iterdir()) == before


def test_a_corpus_with_every_split_is_ok(madis, tmp_path):
    rows = [ROWS[0] | {"name": split, "split": split} for split in layouts.SPLITS]
    answer = madis("corpus", "--annotations", annotations(tmp_path, rows), "--out", "made")
    assert answer.code == 0 and "reproduce" not in answer.out
    checked = madis("check-data", "made")
    assert checked.code == 0 and checked.out.startswith("made: ok"), checked.out


def test_two_at_once_and_what_a_killed_one_left(madis, refused, tmp_path, monkeypatch):
    path = annotations(tmp_path, ROWS[:1])
    left = tmp_path / ".made-unfinished"
    left.mkdir()
    says = (str(left), "another madis corpus", "remove the folder")
    refused("corpus", "--annotations", path, "--out", "made", says=says)
    left.rmdir()

    def meanwhile(made, world, progress):
        (tmp_path / "made").mkdir()
        (tmp_path / "made/file").touch()

    monkeypatch.setattr("madis_lib.data.signworld.annotations.write_world", meanwhile)
    answer = madis("corpus", "--annotations", path, "--out", "made")
    assert answer.code == 2 and f"{tmp_path}/made: holds files by now" in answer.err
    assert not left.exists() and [p.name for p in (tmp_path / "made").iterdir()] == ["file"]


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("pwned",)


def bad_clip(kind: str) -> bytes:
    if kind == "malicious":
        return pickle.dumps(Malicious())
    fields = dict.fromkeys(("smplx_root_pose", "smplx_body_pose"), np.zeros((40, 3), np.float32))
    return pickle.dumps(fields)[:-20] if kind == "truncated" else b""


@pytest.fixture
def data(tmp_path) -> Path:
    """Three small corpora in the real layouts; one clip of CSL-Daily will be spoilt."""
    root = tmp_path / "data"
    clip = np.random.default_rng(0).normal(size=(40, 133)).astype(np.float32)
    for corpus in layouts.LAYOUTS:
        for split in layouts.SPLITS:
            layouts.write(root, corpus, split, [(f"{split}/0", "text", clip, 24.0)])
    return root


def spoil(data: Path, kind: str) -> Path:
    path = data / "CSL-Daily/poses_video_level/train/0.pkl"
    if kind == "NaN":
        poses = pickle.loads(path.read_bytes())
        poses["smplx_lhand_pose"][3, 0] = np.nan
        path.write_bytes(pickle.dumps(poses))
    else:
        path.write_bytes(bad_clip(kind))
    return path


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("truncated", "cut short or damaged"),
        ("empty", "is empty"),
        ("malicious", "posix.mkdir, which could run code"),
        ("NaN", "lhand"),
    ],
)
def test_data_that_cannot_be_read(madis, suite, data, tmp_path, kind, says):
    path = spoil(data, kind)
    answer = madis("check-data", data)
    assert answer.code == 1 and "needs attention" in answer.out.splitlines()[0]
    (line,) = [line for line in answer.out.splitlines() if str(path) in line]
    assert says in line and ";" in line  # what is wrong; what to do
    answer = madis("reproduce", "--preset", "tiny", "--data", data, "--no-notebooks")
    assert answer.code == 2 and "Traceback" not in answer.err
    last = answer.err.splitlines()[-1]
    assert last.startswith(f"madis: error: {path}") and says in last
    assert not (tmp_path / "pwned").exists()
    assert not list(tmp_path.rglob("result.json")) and not list(tmp_path.rglob("*.html"))


def test_all_problems_can_be_listed(madis, data):
    for split in layouts.SPLITS:
        (data / f"CSL-Daily/poses_video_level/{split}/0.pkl").unlink()
    answer = madis("check-data", data, "--limit", 1)
    assert answer.code == 1 and "... and 2 more" in answer.out
    assert answer.out.splitlines()[-1] == f"list all with: madis check-data {data} --limit 3"
    answer = madis("check-data", data, "--limit", 3)
    assert "more" not in answer.out and "list all" not in answer.out
    assert answer.out.count("poses_video_level") >= 3


def test_nothing_to_check(refused, madis, tmp_path):
    refused("check-data", "nowhere", says=("nowhere", "no such folder"))
    answer = madis("check-data", tmp_path)
    assert answer.code == 1 and "give the folder that holds" in answer.out


def test_a_study_that_cannot_be_made(refused, tmp_path):
    refused("study", says=("--texts", "--preset"))
    refused("study", "--preset", "quick", "--texts", "t.tsv", says=("--preset",))
    refused("study", "nowhere", "--texts", "t.tsv", "--data", "d", says=("goes with --preset",))
    refused("study", "--preset", "quick", "--data", "nowhere", says=("nowhere",))
    refused("study", "nowhere", "--texts", "t.tsv", says=("nowhere", "no such folder"))
    (tmp_path / "system").mkdir()
    refused("study", "system", "--texts", "t.tsv", says=("t.tsv", "no such file"))
    refused("ratings", "nowhere", says=("key.json", "no study here"))


# --- the README --------------------------------------------------------------------------------


def test_the_readme_names_real_commands_and_files(madis):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`madis ([a-z-]+)", text)) | set(
        re.findall(r"bin/madis ([a-z-]+)", text)
    )
    offered = set(re.findall(r"[{,]([a-z-]+)(?=[,}])", madis("--help").out.split("]", 1)[1]))
    assert {"reproduce", "generate"} <= named <= offered
    for option in set(re.findall(r"--[a-z-]+", text)):
        asked = [madis(name, "--help").out for name in named]
        assert any(option in shown for shown in asked), option
    links = re.findall(r"\]\(([^)#]+)\)", text)
    missing = [link for link in links if not (ROOT / link).exists()]
    assert not missing
    notebooks = {str(p.relative_to(ROOT)) for p in (ROOT / "notebooks").glob("*.ipynb")}
    assert notebooks <= set(links), "a notebook is not in the README"


def test_the_sentence_of_the_readme_can_be_signed():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (sentence,) = re.findall(r'madis generate "([^"]+)" --language en', text)
    signs = presets.get("laptop").corpus.signs
    assert grammar.unknown_words(sentence, "how2sign", signs) == ([], True)


# --- stopping, debugging, the command itself ---------------------------------------------------


def test_output_that_cannot_be_printed():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "madis_lib", "runs"], cwd=ROOT, stdout=full,
            stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode not in (0, None) and "Traceback" not in done.stderr
    assert done.stderr.startswith("madis: error: cannot print: No space left on device")


def test_control_c_says_how_to_go_on(madis, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("madis_lib.reporting.reproduce.reproduce", stop)
    answer = madis("reproduce")
    assert answer.code == 130
    assert answer.err == "madis: stopped; run the same command again to go on\n"


@pytest.mark.slow
def test_control_c_in_the_middle_of_work(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "madis_lib", "reproduce", "--no-notebooks"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        # a shell's background job ignores Ctrl-C, and so would what it starts
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )  # fmt: skip
    while "corpus" not in (line := process.stdout.readline()):
        assert line or process.poll() is None
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in said
    last = said.replace("\r", "\n").strip().splitlines()[-1]
    assert last == "madis: stopped; run the same command again to go on"
    assert not list(tmp_path.rglob("result.json")) and not list(tmp_path.rglob("*.html"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--only", "--force"), ("--only has nothing behind it",)),
        (("--seeds", "--dry-run"), ("--seeds has nothing behind it",)),
        (("--max-minutes", "nan"), ("--max-minutes is nan",)),
        (("--max-minutes", "-1"), ("--max-minutes is -1",)),
    ],
)
def test_a_reproduction_that_cannot_be_meant(refused, arguments, says):
    refused("reproduce", *arguments, says=says)


def test_debugging_shows_where_an_error_comes_from(madis, monkeypatch):
    monkeypatch.setenv("MADIS_DEBUG", "1")
    with pytest.raises(ValueError, match="unknown preset"):
        madis("runs", "--preset", "hurry")


def test_the_module_is_the_command(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "madis_lib", "check-data", "nowhere"],
        capture_output=True, text=True, cwd=tmp_path, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("madis: error: nowhere: no such folder")

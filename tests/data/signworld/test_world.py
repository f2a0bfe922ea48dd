import json

import numpy as np
import pytest

from madis_lib.data import layouts, signworld
from madis_lib.data.signworld import world
from madis_lib.data.signworld.annotations import Annotation, read_annotations, render, worlds
from madis_lib.presets import CorpusConfig

SMALL = CorpusConfig(signs=40, train=60, dev=4, test=4, glosses=(2, 4))


@pytest.fixture(scope="module")
def small():
    return signworld.build("phoenix", SMALL)


@pytest.fixture(scope="module")
def written(small, tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus")
    few = {split: pairs[:3] for split, pairs in small.sentences.items()}
    shorter = world.SignWorld("phoenix", small.lexicon, few, small.seed)
    world.write_world(root, shorter, progress=False)
    return root, shorter


def test_sizes_names_and_rates(small):
    assert {split: len(s) for split, s in small.sentences.items()} == {
        "train": 60, "val": 4, "test": 4,
    }  # fmt: skip
    names = [name for pairs in small.sentences.values() for name, _ in pairs]
    assert len(set(names)) == len(names)
    assert {name.split("/")[0] for name in names} == {"train", "dev", "test"}
    assert small.fps == 25


def test_an_utterance_depends_on_its_name_alone(small):
    all_at_once = list(small.utterances("val"))
    name, sentence = small.sentences["val"][2]
    alone = signworld.build("phoenix", SMALL).utterance(name, sentence)
    assert np.array_equal(alone.features, all_at_once[2].features)
    assert alone.truth() == all_at_once[2].truth()


def test_truth_belongs_to_the_motion(small):
    for utterance in small.utterances("test"):
        assert [gloss for gloss, _, _ in utterance.timeline] == list(utterance.glosses)
        assert len(utterance.handedness) == len(utterance.glosses)
        assert utterance.timeline[-1][2] <= len(utterance.features)
        assert utterance.features.shape[1] == 133 and len(utterance.features) % 4 == 0
        assert small.oracle.read(utterance.features) == list(utterance.glosses)


def test_dictionary_has_every_sign_alone(small):
    motions = small.dictionary()
    assert list(motions) == list(small.lexicon.signs)
    correct = sum(small.oracle.read(motion) == [gloss] for gloss, motion in motions.items())
    assert correct >= 0.95 * len(motions)


def test_unknown_corpus():
    with pytest.raises(ValueError, match="unknown corpus"):
        signworld.build("asl", SMALL)


def test_written_corpus_reads_back(written):
    root, small = written
    for split in ("train", "val", "test"):
        samples = layouts.read(root, "phoenix", split)
        truth = signworld.read_truth(root, "phoenix", split)
        rendered = list(small.utterances(split))
        assert [s.name for s in samples] == [t["name"] for t in truth]
        for sample, entry, utterance in zip(samples, truth, rendered, strict=True):
            assert sample.text == utterance.text
            assert np.allclose(sample.features, utterance.features, atol=1e-6)
            assert entry == json.loads(json.dumps(utterance.truth()))


def test_written_lexicon_and_dictionary_read_back(written):
    root, small = written
    assert signworld.read_lexicon(root, "phoenix") == small.lexicon
    stored = signworld.read_dictionary(root, "phoenix")
    for gloss, motion in small.dictionary().items():
        assert np.array_equal(stored[gloss], motion)
    utterance = next(small.utterances("val"))
    assert signworld.read_oracle(root, "phoenix").read(utterance.features) == list(
        utterance.glosses
    )


def test_missing_truth_names_the_fix(tmp_path):
    with pytest.raises(FileNotFoundError, match="signworld.write"):
        signworld.read_truth(tmp_path, "csl", "train")


ROWS = [
    {"name": f"clip{i}", "text": f"Satz {i}", "glosses": f"A{i} B C", "language": "de", "split": s}
    for i, s in enumerate(["train", "train", "train", "dev", "test"])
]


def table(path, rows, separator):
    lines = [separator.join(rows[0])] + [separator.join(row.values()) for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8")


def test_tables_and_parallel_files_agree(tmp_path):
    table(tmp_path / "a.tsv", ROWS, "\t")
    table(tmp_path / "a.csv", ROWS, ",")
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in ROWS), encoding="utf-8")
    found = [read_annotations(tmp_path / f"a.{kind}") for kind in ("tsv", "csv", "jsonl")]
    assert found[0] == found[1] == found[2]
    assert found[0][0].glosses == ("A0", "B", "C")
    assert [a.split for a in found[0]] == ["train", "train", "train", "val", "test"]
    pairs = tmp_path / "pairs"
    pairs.mkdir()
    for name in ("train", "dev", "test"):
        rows = [row for row in ROWS if row["split"] == name]
        (pairs / f"{name}.de").write_text("\n".join(r["text"] for r in rows) + "\n")
        (pairs / f"{name}.gloss").write_text("\n".join(r["glosses"] for r in rows) + "\n")
    parallel = read_annotations(pairs)
    assert sorted((a.text, a.glosses, a.split) for a in parallel) == sorted(
        (a.text, a.glosses, a.split) for a in found[0]
    )
    assert read_annotations(pairs / "dev.de") == [a for a in parallel if a.split == "val"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{**ROWS[0], "glosses": ""}], "line 2.*glosses"),
        ([{**ROWS[0], "language": "xx"}], "line 2.*language 'xx'"),
        ([ROWS[0], {**ROWS[1], "split": "dew"}], "line 3.*split 'dew'"),
        ([ROWS[0], ROWS[0]], "'clip0' appears twice"),
    ],
)
def test_bad_annotations_are_named_by_line(tmp_path, rows, message):
    table(tmp_path / "a.tsv", rows, "\t")
    with pytest.raises(ValueError, match=message):
        read_annotations(tmp_path / "a.tsv")


def test_bad_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.tsv"):
        read_annotations(tmp_path / "nothing.tsv")
    (tmp_path / "a.jsonl").write_text('{"name": "x"\n')
    with pytest.raises(ValueError, match="line 1: not JSON"):
        read_annotations(tmp_path / "a.jsonl")
    (tmp_path / "train.de").write_text("eins\nzwei\n")
    with pytest.raises(FileNotFoundError, match=r"train\.gloss"):
        read_annotations(tmp_path / "train.de")
    (tmp_path / "train.gloss").write_text("EINS\n")
    with pytest.raises(ValueError, match="1 lines.*2"):
        read_annotations(tmp_path / "train.de")


def test_quotes_in_a_tsv_are_text(tmp_path):
    rows = [{**ROWS[0], "text": '"Hallo, sagte er'}, {**ROWS[1], "text": 'Er rief "jetzt"'}]
    lines = ["\t".join(rows[0])] + ["\t".join(row.values()) for row in rows]
    (tmp_path / "a.tsv").write_text("\n".join(lines), encoding="utf-8")
    assert [a.text for a in read_annotations(tmp_path / "a.tsv")] == [r["text"] for r in rows]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "./clip"}, "line 1: name"),
        ({"name": "a//b"}, "line 1: name"),
        ({"text": "a\ud800"}, "line 1.*printed"),
        ({"glosses": ["A", ""]}, r"line 1.*'glosses\[1\]' is \"\", not a text"),
        ({"glosses": ["A\ud800"]}, "line 1.*printed"),
        ({"language": ["de"]}, "line 1.*'language' is no text"),
        ({"split": ["train"]}, "line 1: split"),
    ],
)
def test_bad_values_are_named_by_line(tmp_path, change, message):
    (tmp_path / "a.jsonl").write_text(json.dumps({**ROWS[0], **change}))
    with pytest.raises(ValueError, match=message):
        read_annotations(tmp_path / "a.jsonl")


def test_without_splits_every_name_falls_into_one(tmp_path):
    rows = [
        {k: v for k, v in ROWS[0].items() if k != "split"} | {"name": f"n{i}"} for i in range(300)
    ]
    table(tmp_path / "a.tsv", rows, "\t")
    splits = [a.split for a in read_annotations(tmp_path / "a.tsv")]
    assert 10 < splits.count("val") < 60 and 10 < splits.count("test") < 60
    assert splits == [a.split for a in read_annotations(tmp_path / "a.tsv")]


def test_annotations_become_a_corpus(tmp_path):
    table(tmp_path / "a.tsv", ROWS, "\t")
    annotations = read_annotations(tmp_path / "a.tsv")
    assert render(annotations, tmp_path / "out", progress=False) == {"phoenix": 5}
    samples = layouts.read(tmp_path / "out", "phoenix", "train")
    assert [s.text for s in samples] == ["Satz 0", "Satz 1", "Satz 2"]
    oracle = signworld.read_oracle(tmp_path / "out", "phoenix")
    assert [oracle.read(s.features) for s in samples] == [[f"A{i}", "B", "C"] for i in range(3)]


def test_languages_become_corpora_of_their_own():
    from madis_lib.data.signworld.annotations import Annotation

    mixed = [Annotation(f"{lang}1", "x?", ("A",), lang, "train") for lang in ("de", "en", "zh")]
    found = worlds(mixed)
    assert [w.corpus for w in found] == ["csl", "how2sign", "phoenix"]
    (_, sentence) = found[0].sentences["train"][0]
    assert sentence.question == (0, 1)


def test_the_world_of_rendered_annotations_can_sign_them_again(tmp_path):
    sentences = (("a", "Is the house red?", "HOUSE RED"), ("b", "The red house.", "RED HOUSE"))
    found = [
        Annotation(name, text, tuple(glosses.split()), "en", "test")
        for name, text, glosses in sentences
    ]
    render(found, tmp_path / "data", progress=False)
    again = signworld.read_world(tmp_path / "data", "how2sign")
    written = {s.name: s.features for s in layouts.read(tmp_path / "data", "how2sign", "test")}
    for name, sentence in again.sentences["test"]:
        assert (sentence.question is not None) == (name == "a")
        same = again.utterance(name, sentence)
        np.testing.assert_allclose(same.features, written[name], atol=1e-6)
        other = again.utterance(name, sentence, other=True)
        assert other.signer != same.signer and other.glosses == same.glosses

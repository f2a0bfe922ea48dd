"""The language side of the embedded corpora: what splits promise, and how users' words are read."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from functools import cache

import pytest

from madis_lib.data.signworld import grammar
from madis_lib.presets import CorpusConfig

CORPORA = sorted(grammar.LANGUAGE)
SMALL = CorpusConfig(signs=48, train=600, dev=40, test=60, glosses=(2, 5))
LARGE = CorpusConfig(signs=120, train=500, dev=40, test=40, glosses=(3, 8), seed=3)
TIMES = {
    "csl": {"今天", "明天", "昨天", "早上", "晚上", "现在", "周末", "每天"},
    "phoenix": {"HEUTE", "MORGEN", "UEBERMORGEN", "MONTAG", "WINTER", "SOMMER", "JANUAR"},
    "how2sign": {"FIRST", "TODAY", "TOMORROW", "EVERY-DAY", "MORNING", "SUMMER"},
}
PLACES = {
    "csl": {"学校", "商店", "公园", "饭馆", "家"},
    "phoenix": {"BERG", "KUESTE", "NORDSEE", "BAYERN", "ALPEN"},
    "how2sign": {"KITCHEN", "GARAGE", "DRAWER", "FRIDGE"},
}
QUESTION_WORDS = {
    "csl": {"什么", "哪里", "谁", "什么时候", "为什么", "怎么", "多少"},
    "phoenix": {"WO", "WANN", "WIE", "WARUM", "WOHER", "WAS", "WER", "WOHIN"},
    "how2sign": {"WHERE", "HOW", "WHAT", "WHEN", "WHO", "WHY"},
}


@cache
def corpus_splits(corpus: str, config: CorpusConfig) -> dict[str, list[grammar.Sentence]]:
    return grammar.splits(corpus, config)


def everything(corpus: str, config: CorpusConfig) -> list[grammar.Sentence]:
    return [s for part in corpus_splits(corpus, config).values() for s in part]


both = pytest.mark.parametrize("config", [SMALL, LARGE], ids=["small", "large"])
each = pytest.mark.parametrize("corpus", CORPORA)


@each
def test_every_prefix_of_the_lexicon_has_names_of_its_own(corpus):
    names = grammar.concepts(corpus, 150)
    assert len(set(names)) == 150
    assert grammar.concepts(corpus, 40) == names[:40]
    for wanted in (TIMES, PLACES, QUESTION_WORDS):
        assert wanted[corpus] & set(names[:40])


@each
@pytest.mark.parametrize("num_signs", [0, 39, 10_000])
def test_too_few_or_too_many_signs_are_refused(corpus, num_signs):
    with pytest.raises(ValueError, match=f"{corpus}: signs={num_signs}"):
        grammar.concepts(corpus, num_signs)


def test_an_unknown_corpus_is_refused():
    with pytest.raises(ValueError, match="choose one of csl, phoenix, how2sign"):
        grammar.concepts("esperanto", 48)


@each
def test_no_word_belongs_to_two_signs(corpus):
    owner: dict[str, str] = {}
    language = grammar._LEXICON[corpus]
    for row in language.CONCEPTS:
        for form in row.words():
            for word in grammar.words(form, corpus):
                if word not in language.FUNCTION:
                    assert owner.setdefault(word, row.gloss) == row.gloss, word
    assert set(owner.values()) == set(grammar.concepts(corpus, len(language.CONCEPTS)))


@each
@both
def test_sizes_and_lengths_are_those_asked_for(corpus, config):
    parts = corpus_splits(corpus, config)
    assert {k: len(v) for k, v in parts.items()} == {
        "train": config.train,
        "val": config.dev,
        "test": config.test,
    }
    low, high = config.glosses
    lengths = {len(s.glosses) for s in everything(corpus, config)}
    assert lengths == set(range(low, high + 1))
    used = {g for s in everything(corpus, config) for g in s.glosses}
    assert used <= set(grammar.concepts(corpus, config.signs))


@each
@both
def test_splits_share_neither_texts_nor_gloss_sequences(corpus, config):
    parts = corpus_splits(corpus, config)
    texts = [s.text for s in everything(corpus, config)]
    assert len(set(texts)) == len(texts)
    sequences = {name: {s.glosses for s in part} for name, part in parts.items()}
    assert not sequences["train"] & sequences["val"]
    assert not sequences["train"] & sequences["test"]
    assert not sequences["val"] & sequences["test"]


@each
@both
def test_training_shows_every_word_and_every_sign(corpus, config):
    parts = corpus_splits(corpus, config)
    seen = {w for s in parts["train"] for w in grammar.words(s.text, corpus, config.signs)}
    for s in parts["val"] + parts["test"]:
        assert seen.issuperset(grammar.words(s.text, corpus, config.signs)), s.text
    counts = Counter(g for s in parts["train"] for g in s.glosses)
    assert min(counts[g] for g in grammar.concepts(corpus, config.signs)) >= 3


@each
@both
def test_the_content_words_of_a_text_are_exactly_its_glosses(corpus, config):
    content = grammar._content(corpus, config.signs)
    for s in everything(corpus, config):
        found = grammar.words(s.text, corpus, config.signs)
        assert {content[w] for w in found if w in content} == set(s.glosses), s.text
        assert len(set(s.glosses)) == len(s.glosses)
        assert grammar.unknown_words(s.text, corpus, config.signs) == ([], True)


@each
def test_time_comes_first_then_place(corpus):
    single = everything(corpus, SMALL)  # up to five signs are one clause
    timed = [s for s in single if TIMES[corpus] & set(s.glosses)]
    assert len(timed) > 30
    for s in timed:
        assert s.glosses[0] in TIMES[corpus], s
    placed = [s for s in timed if PLACES[corpus] & set(s.glosses[1:])]
    assert placed
    for s in placed:
        at = next(i for i, g in enumerate(s.glosses) if g in PLACES[corpus])
        assert all(g not in TIMES[corpus] for g in s.glosses[at:]), s


@each
@both
def test_questions_and_negation_span_their_clause(corpus, config):
    sentences = everything(corpus, config)
    for s in sentences:
        assert (s.question is not None) == any(mark in s.text for mark in "?？"), s.text
        for span in (s.question, s.negation):
            assert span is None or 0 <= span[0] < span[1] <= len(s.glosses)
        asked = [i for i, g in enumerate(s.glosses) if g in QUESTION_WORDS[corpus]]
        assert len(asked) <= 1
        if asked:  # the question word is the last sign of the question
            assert s.question is not None and asked[0] == s.question[1] - 1, s
    questions = sum(s.question is not None for s in sentences) / len(sentences)
    negations = sum(s.negation is not None for s in sentences) / len(sentences)
    assert 0.1 < questions < 0.5 and 0.05 < negations < 0.4
    if config is LARGE:  # some spans cover one clause of several
        assert any(s.question and s.question != (0, len(s.glosses)) for s in sentences)


@pytest.mark.parametrize(
    ("corpus", "markers"),
    [
        ("csl", set("不没别") | {"不要"}),
        ("phoenix", {"nicht", "kein", "keine", "keinen"}),
        ("how2sign", {"not", "never", "don't", "doesn't", "isn't", "aren't", "won't", "can't",
                      "cannot", "shouldn't"}),
    ],
)  # fmt: skip
def test_negation_is_marked_where_a_negative_word_stands(corpus, markers):
    for config in (SMALL, LARGE):
        for s in everything(corpus, config):
            negative = markers & set(grammar.words(s.text, corpus, config.signs))
            assert bool(negative) == (s.negation is not None), s.text


@each
def test_the_same_seed_gives_the_same_sentences_and_another_does_not(corpus):
    config = CorpusConfig(signs=48, train=150, dev=10, test=10, glosses=(2, 5), seed=5)
    other = CorpusConfig(signs=48, train=150, dev=10, test=10, glosses=(2, 5), seed=6)
    once = grammar.splits(corpus, config)
    assert grammar.splits(corpus, config) == once
    assert grammar.splits(corpus, other) != once


def test_another_process_draws_the_same_sentences():
    config = CorpusConfig(signs=48, train=40, dev=5, test=5, glosses=(2, 5))
    code = (
        "from madis_lib.data.signworld import grammar; from madis_lib.presets import CorpusConfig;"
        "print(ascii(grammar.splits('phoenix', CorpusConfig(48, 40, 5, 5, (2, 5)))))"
    )
    other = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        check=True,
        text=True,
    )
    assert other.stdout.strip() == ascii(grammar.splits("phoenix", config))


def test_what_cannot_be_supplied_is_refused():
    with pytest.raises(ValueError, match="no further sentence fits"):
        grammar.splits("how2sign", CorpusConfig(40, 0, 5, 5, (2, 3)))  # no word is in train
    with pytest.raises(ValueError, match="glosses"):
        grammar.splits("csl", CorpusConfig(48, 10, 1, 1, (5, 2)))


@pytest.mark.parametrize(
    ("corpus", "text", "unknown", "content"),
    [
        ("phoenix", "Morgen regnet es im Norden!", [], True),
        ("phoenix", "  MORGEN, regnet  es? ", [], True),
        ("phoenix", "Es ist im", [], False),
        ("phoenix", "Morgen brennt der Wald", ["brennt", "wald"], True),
        ("phoenix", "Schneit es u\u0308bermorgen?", [], True),  # a decomposed umlaut
        ("how2sign", "Don’t cut the onions.", [], True),
        ("how2sign", "CUT the quantum, the quantum 🙂", ["quantum", "🙂"], True),
        ("how2sign", "👩‍🍳☀️", ["👩🍳☀"], False),
        ("how2sign", "你好", ["你好"], False),
        ("how2sign", "12", ["12"], False),
        ("csl", "明天我吃苹果。", [], True),
        ("csl", "你吃恐龙吗？", ["恐龙"], True),
        ("csl", "今天 hello，world🙂", ["hello", "world🙂"], True),
        ("csl", "не знаю", ["не", "знаю"], False),
        ("csl", "的", [], False),
    ],
)
def test_unknown_words(corpus, text, unknown, content):
    assert grammar.unknown_words(text, corpus, 48) == (unknown, content)


@each
@pytest.mark.parametrize("text", ["", "   ", "?!…", "。，！", "\n\t\u200d\ufe0f", "-- '"])
def test_text_without_words_has_none_unknown_and_none_known(corpus, text):
    assert grammar.unknown_words(text, corpus, 48) == ([], False)


@each
def test_a_larger_lexicon_knows_more_words(corpus):
    small, large = grammar.known_words(corpus, 48), grammar.known_words(corpus, 150)
    assert small < large
    assert all(word == word.lower() for word in large)
    later = min(large - small)
    assert grammar.unknown_words(later, corpus, 150)[0] == []
    assert grammar.unknown_words(later, corpus, 48)[0] != []

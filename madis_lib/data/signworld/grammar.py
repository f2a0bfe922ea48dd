"""The sentences of the embedded (synthetic) corpora: spoken text and its glosses in sign order.

Three small languages mirror the real corpora: ``csl`` (Chinese, daily life), ``phoenix`` (German,
weather) and ``how2sign`` (English, how-to).  Signs come in their own order (time, place, topic,
object, quality, verb, question word), function words have no sign, and questions and negation are
non-manuals: spans over the glosses of their clause.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType

from madis_lib.data.signworld import words_de, words_en, words_zh
from madis_lib.data.signworld.words import Clause, Concept, NoWord, Pool
from madis_lib.presets import CorpusConfig

LANGUAGE = {"csl": "zh", "phoenix": "de", "how2sign": "en"}
MIN_SIGNS = 40
_LEXICON: dict[str, ModuleType] = {"csl": words_zh, "phoenix": words_de, "how2sign": words_en}
_CANDIDATES = 3  # sentences drawn for each one kept: the one with the rarest signs wins
_PATIENCE = 4_000  # draws without a new sentence before giving up


@dataclass(frozen=True)
class Sentence:
    """A text and its glosses; ``question`` and ``negation`` are spans [start, end) over glosses."""

    text: str
    glosses: tuple[str, ...]
    question: tuple[int, int] | None
    negation: tuple[int, int] | None


def _language(corpus: str) -> ModuleType:
    if corpus not in _LEXICON:
        raise ValueError(f"unknown corpus {corpus!r}: choose one of {', '.join(_LEXICON)}")
    return _LEXICON[corpus]


def _concepts(corpus: str, num_signs: int) -> tuple[Concept, ...]:
    known = _language(corpus).CONCEPTS
    if not MIN_SIGNS <= num_signs <= len(known):
        raise ValueError(
            f"{corpus}: signs={num_signs} is not possible: ask for {MIN_SIGNS} to {len(known)}"
        )
    return known[:num_signs]


def concepts(corpus: str, num_signs: int) -> list[str]:
    """Gloss names of the first ``num_signs`` signs; ValueError outside 40 ... lexicon size."""
    return [c.gloss for c in _concepts(corpus, num_signs)]


# --- sentences ------------------------------------------------------------------------------------


def _lengths(pool: Pool, total: int) -> list[int]:
    """Split a gloss count over clauses of two to about six glosses."""
    most = max(1, total // 2)
    fewest = -(-total // 6)
    count = max(fewest, min(most, round(total / pool.rng.uniform(3.5, 6.5))))
    lengths = [total // count + (i < total % count) for i in range(count)]
    pool.rng.shuffle(lengths)
    return lengths


def _clause(pool: Pool, language: ModuleType, before: Sequence[Clause], length: int) -> Clause:
    for _ in range(60):
        try:
            clause = pool.choice(language.TEMPLATES)(pool, before)
        except NoWord:
            continue
        if len(clause.signs) == length:
            return clause
    raise NoWord(f"no clause of {length} signs")


def _sentence(pool: Pool, language: ModuleType, length: int) -> Sentence:
    """Draw one sentence; NoWord when the draw led nowhere and should be repeated."""
    clauses: list[Clause] = []
    for part in _lengths(pool, length):
        clauses.append(_clause(pool, language, clauses, part))
    glosses = tuple(sign.gloss for clause in clauses for sign in clause.signs)
    if len(set(glosses)) < len(glosses):
        raise NoWord("a sign is repeated")
    spans: dict[str, tuple[int, int]] = {}
    start = 0
    for clause in clauses:
        span = (start, start + len(clause.signs))
        start = span[1]
        for name, holds in (("question", clause.mark in "?？"), ("negation", clause.negated)):
            if holds and name in spans:
                raise NoWord(f"a second {name}")
            if holds:
                spans[name] = span
    text = language.join(pool, clauses)
    return Sentence(text, glosses, spans.get("question"), spans.get("negation"))


def _draw(
    pool: Pool, language: ModuleType, glosses: tuple[int, int], fits: Callable[[Sentence], bool]
) -> Sentence:
    """The candidate, of a few that fit, whose signs have been used least."""
    found: list[Sentence] = []
    for attempt in range(_PATIENCE):
        if attempt % 50 == 0:  # keep to a length as long as it is possible
            length = pool.rng.randint(*glosses)
        try:
            sentence = _sentence(pool, language, length)
        except NoWord:
            continue
        if fits(sentence):
            found.append(sentence)
        if len(found) == _CANDIDATES:
            break
    if not found:
        raise ValueError(
            "no further sentence fits: ask for fewer sentences, for more signs or glosses, or "
            "(dev and test) for more training sentences"
        )
    best = max(found, key=lambda s: sum(1 / (1 + pool.used[g]) for g in s.glosses))
    pool.used.update(best.glosses)
    return best


def splits(corpus: str, config: CorpusConfig) -> dict[str, list[Sentence]]:
    """Sentences for train, val and test, the same for the same ``config``.

    Texts are distinct, no gloss sequence is in two splits, and every word of val and test is in
    train.  ValueError when the lexicon cannot supply what is asked.
    """
    language, pool_concepts = _language(corpus), _concepts(corpus, config.signs)
    shortest, longest = config.glosses
    if not 2 <= shortest <= longest <= 24:
        raise ValueError(f"glosses={config.glosses} is not possible: 2 <= low <= high <= 24")
    pool = Pool(pool_concepts, random.Random(f"{corpus} {config.seed}"))
    texts: set[str] = set()
    taken: set[tuple[str, ...]] = set()  # gloss sequences of the other splits
    seen: set[str] = set()  # words of train

    def add(to: list[Sentence], fits: Callable[[Sentence], bool]) -> None:
        sentence = _draw(pool, language, config.glosses, fits)
        texts.add(sentence.text)
        to.append(sentence)

    train: list[Sentence] = []
    for _ in range(config.train):
        add(train, lambda s: s.text not in texts)
        seen.update(words(train[-1].text, corpus))
    result = {"train": train}
    for split, size in (("val", config.dev), ("test", config.test)):
        taken.update(s.glosses for done in result.values() for s in done)
        pool.used.clear()
        result[split] = []
        for _ in range(size):
            add(
                result[split],
                lambda s: (
                    s.text not in texts
                    and s.glosses not in taken
                    and seen.issuperset(words(s.text, corpus))
                ),
            )
    return result


# --- words ----------------------------------------------------------------------------------------


@cache
def _content(corpus: str, num_signs: int | None = None) -> dict[str, str]:
    """Content word -> gloss, of the first ``num_signs`` concepts (None: of all)."""
    language = _language(corpus)
    rows = language.CONCEPTS if num_signs is None else _concepts(corpus, num_signs)
    table: dict[str, str] = {}
    for row in rows:
        for form in row.words():
            for word in [form] if LANGUAGE[corpus] == "zh" else _tokens(form):
                if word not in language.FUNCTION:
                    table[word] = row.gloss
    return table


def words_of_signs(corpus: str) -> dict[str, str]:
    """Every content word of an embedded corpus, lower-cased, to the gloss of its sign."""
    return dict(_content(corpus))


@cache
def known_words(corpus: str, num_signs: int) -> frozenset[str]:
    """Every lower-cased surface word of this lexicon, function words included."""
    return frozenset(_content(corpus, num_signs)) | _language(corpus).FUNCTION


def _clean(text: str) -> str:
    """Composed, lower-cased; joiners and variation selectors gone, punctuation to spaces."""
    text = unicodedata.normalize("NFC", text).replace("’", "'").lower()
    kept = []
    for char in text:
        category = unicodedata.category(char)
        if category in ("Cf", "Mn"):
            continue
        apart = category[0] in "ZC" or (category[0] == "P" and char not in "'-")
        kept.append(" " if apart else char)
    return "".join(kept)


def _tokens(text: str) -> list[str]:
    """Words of a text written with spaces; apostrophes and hyphens only count inside a word."""
    return [word for word in (w.strip("'-") for w in _clean(text).split()) if word]


def _segment(text: str, lexicon: frozenset[str]) -> list[str]:
    """Greedy longest match from the left; what matches nothing stays together as one run."""
    longest = max(map(len, lexicon))
    found: list[str] = []
    for chunk in re.split(r"[\s'-]+", _clean(text)):
        start, run = 0, ""
        while start < len(chunk):
            ends = range(min(len(chunk), start + longest), start, -1)
            word = next((chunk[start:end] for end in ends if chunk[start:end] in lexicon), "")
            if word and run:
                found.append(run)
                run = ""
            if word:
                found.append(word)
            else:
                run += chunk[start]
            start += len(word) or 1
        if run:
            found.append(run)
    return found


def words(text: str, corpus: str, num_signs: int | None = None) -> list[str]:
    """Words of a text, lower-cased, punctuation dropped (Chinese: longest match in the lexicon)."""
    if LANGUAGE.get(corpus) != "zh":
        _language(corpus)
        return _tokens(text)
    return _segment(text, frozenset(_content(corpus, num_signs)) | _language(corpus).FUNCTION)


def unknown_words(text: str, corpus: str, num_signs: int) -> tuple[list[str], bool]:
    """Words of ``text`` this lexicon does not have (in order, once each), and whether any word
    it does have stands for a sign."""
    known, content = known_words(corpus, num_signs), _content(corpus, num_signs)
    found = words(text, corpus, num_signs)
    unknown = list(dict.fromkeys(word for word in found if word not in known))
    return unknown, any(word in content for word in found)

"""What the three lexicons share: concepts, a sampler that keeps them even, and clauses.

A *concept* is one sign: a gloss, a word class (``kind``), and the surface words that express it.
Several words may share a gloss (synonyms, inflected forms), but no word belongs to two glosses,
so the text of a sentence determines its signs.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


class NoWord(LookupError):
    """A template asked for a concept that this (shortened) lexicon does not have."""


@dataclass(frozen=True, eq=False)
class Concept:
    """One sign: ``forms`` maps a form name to its words, ``tags`` say what it goes with."""

    gloss: str
    kind: str
    forms: dict[str, tuple[str, ...]]
    tags: frozenset[str] = frozenset()

    def words(self) -> list[str]:
        """Every surface form, in table order."""
        return [word for words in self.forms.values() for word in words]


def concept(gloss: str, kind: str, tags: str = "", **forms: str) -> Concept:
    """A table row: ``concept("KNIFE", "tool", "sharp", one="knife|blade", many="knives")``."""
    split = {name: tuple(words.split("|")) for name, words in forms.items() if words}
    return Concept(gloss, kind, split, frozenset(tags.split()))


def interleave(rows: Iterable[Concept]) -> tuple[Concept, ...]:
    """Order concepts so that every prefix holds each kind in the proportion of the whole."""
    rows = list(rows)
    size, rank = Counter(row.kind for row in rows), Counter[str]()
    keyed = []
    for row in rows:
        keyed.append((rank[row.kind] / size[row.kind], row))
        rank[row.kind] += 1
    return tuple(row for _, row in sorted(keyed, key=lambda pair: pair[0]))


class Pool:
    """The concepts in use and the random choices over them, rarely used concepts preferred."""

    def __init__(self, concepts: Sequence[Concept], rng: random.Random) -> None:
        self.rng = rng
        self.used: Counter[str] = Counter()
        self._by_gloss = {c.gloss: c for c in concepts}
        self._by_kind: dict[str, list[Concept]] = defaultdict(list)
        self._options: dict[tuple[str, str], list[Concept]] = {}
        for c in concepts:
            self._by_kind[c.kind].append(c)

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def choice(self, options: Sequence[T]) -> T:
        return self.rng.choice(options)

    def get(self, gloss: str) -> Concept:
        """The concept of this name; NoWord when the lexicon stops before it."""
        if gloss not in self._by_gloss:
            raise NoWord(gloss)
        return self._by_gloss[gloss]

    def pick(self, kinds: str, tags: str = "", without: Iterable[Concept] = ()) -> Concept:
        """A concept of one of ``kinds`` that has one of ``tags`` (if any are named)."""
        options = self._options.get((kinds, tags))
        if options is None:
            wanted = frozenset(tags.split())
            rows = [c for kind in kinds.split() for c in self._by_kind.get(kind, ())]
            options = [c for c in rows if not wanted or wanted & c.tags]
            self._options[kinds, tags] = options
        barred = [c.gloss for c in without]
        return self._draw([c for c in options if c.gloss not in barred], kinds)

    def among(self, glosses: str) -> Concept:
        """One of the named concepts, among those in use."""
        options = [self._by_gloss[g] for g in glosses.split() if g in self._by_gloss]
        return self._draw(options, glosses)

    def say(self, concept: Concept, form: str) -> str:
        """A word for the concept in this form (synonyms at random)."""
        if form not in concept.forms:
            raise NoWord(f"{concept.gloss}.{form}")
        return self.choice(concept.forms[form])

    def _draw(self, options: list[Concept], what: str) -> Concept:
        if not options:
            raise NoWord(what)
        weights = [1 / (1 + self.used[c.gloss]) ** 2 for c in options]
        return self.rng.choices(options, weights)[0]


@dataclass(frozen=True)
class Clause:
    """One clause: its words (no capital, no final mark), its signs in sign order, its mood."""

    text: str
    signs: tuple[Concept, ...]
    mark: str = "."  # "." statement, "!" request, "?" question, or their Chinese forms
    negated: bool = False
    topic: str = ""  # the domain a following clause should keep to
    alone: bool = False  # not to be linked with "and" (requests, "First, ...")


def words_of(table: str) -> frozenset[str]:
    """The set of words of a table written with spaces."""
    return frozenset(table.split())


def phrase(*words: str) -> str:
    """Join the words that are there with single spaces."""
    return " ".join(word for word in words if word)


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def link(
    pool: Pool, clauses: Sequence[Clause], and_: str, but: str, plain: str = ".", space: str = " "
) -> str:
    """One or more sentences: two plain statements may be linked, everything else stands alone."""
    text = capital(clauses[0].text)
    linked = False
    for left, right in itertools.pairwise(clauses):
        linkable = left.mark == right.mark == plain and not (left.alone or right.alone)
        linked = linkable and not linked and pool.chance(0.7)
        if linked:
            text += (and_ if left.negated == right.negated else but) + right.text
        else:
            text += f"{left.mark}{space}{capital(right.text)}"
    return text + clauses[-1].mark

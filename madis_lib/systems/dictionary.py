"""A sign dictionary, and what a sentence finds in it (SOKE's retrieval).

Words of the sentence are looked up, nothing else: no gloss, no name of a sample, no clip of a split.
So any sentence can be signed, also one that no corpus holds.  The release looks up keywords that were
chosen beforehand for each sample, and finds nothing for other text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

WORDS = 3  # looked up in a sentence at most, as in SOKE's release
POSITIONS = 10  # of a sign's tokens at most, evenly drawn
_WITHOUT_SPACES = re.compile(r"[\u3400-\u9fff]")  # Chinese: a word may begin anywhere


class SignDictionary:
    """Words to the tokens ``[L, 3]`` of a sign that was recorded by itself."""

    def __init__(self, entries: Mapping[str, np.ndarray]) -> None:
        self._entries = {word.lower(): tokens for word, tokens in entries.items()}
        longest_first = sorted(self._entries, key=lambda word: (-len(word), word))
        pattern = "|".join(map(_pattern, longest_first)) or r"(?!)"
        self._pattern = re.compile(pattern)

    def __len__(self) -> int:
        return len(self._entries)

    def words(self, sentence: str) -> list[str]:
        """Its words that have an entry, in order; of overlapping ones the longest."""
        return self._pattern.findall(sentence.lower())

    def lookup(
        self, sentence: str, words: int = WORDS, positions: int = POSITIONS
    ) -> list[np.ndarray]:
        """Tokens ``[<= positions, 3]`` of the first ``words`` words that have an entry."""
        found = []
        for word in self.words(sentence)[:words]:
            tokens = self._entries[word]
            if len(tokens) > positions:
                tokens = tokens[np.linspace(0, len(tokens) - 1, positions).round().astype(int)]
            found.append(tokens)
        return found


def _pattern(word: str) -> str:
    exact = re.escape(word)
    return exact if _WITHOUT_SPACES.match(word) else rf"(?<!\w){exact}(?!\w)"

"""SignWorld, the embedded corpus: synthetic signing with known truth."""

from madis_lib.data.signworld.grammar import words_of_signs
from madis_lib.data.signworld.lexicon import Lexicon
from madis_lib.data.signworld.oracle import Oracle
from madis_lib.data.signworld.world import (
    CORPORA,
    FPS,
    SignWorld,
    Utterance,
    build,
    read_dictionary,
    read_lexicon,
    read_oracle,
    read_truth,
    read_world,
    write,
)

__all__ = [
    "CORPORA",
    "FPS",
    "Lexicon",
    "Oracle",
    "SignWorld",
    "Utterance",
    "build",
    "read_dictionary",
    "read_lexicon",
    "read_oracle",
    "read_truth",
    "read_world",
    "words_of_signs",
    "write",
]

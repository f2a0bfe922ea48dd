from collections import Counter
from dataclasses import fields

import numpy as np
import pytest

from madis_lib.data.signworld import inventory as inv
from madis_lib.data.signworld.lexicon import (
    MIN_DISTANCE,
    MIN_DISTANCE_UNRELATED,
    Lexicon,
    differing,
    is_signable,
)
from madis_lib.data.signworld.motion import _hand, stable_seed
from madis_lib.data.signworld.observation import sign_vector

GLOSSES = [f"GLOSS{i}" for i in range(160)]


def build(corpus: str, size: int, seed: int = 0) -> Lexicon:
    return Lexicon.build(corpus, GLOSSES[:size], seed)


def distances(lexicon: Lexicon) -> np.ndarray:
    points = np.stack([sign_vector(sign) for sign in lexicon.signs.values()]).astype(float)
    squared = ((points[:, None] - points[None]) ** 2).sum(-1)
    np.fill_diagonal(squared, np.inf)
    return np.sqrt(squared)


def test_inventory_is_rich_enough():
    assert len(inv.HANDSHAPES) >= 14
    assert len(inv.LOCATIONS) >= 12
    assert len(inv.MOVEMENTS) >= 8
    assert len(inv.ORIENTATIONS) >= 5
    assert len(inv.NONMANUALS) >= 5


def test_handshapes_are_clearly_different():
    hands = np.stack([_hand(name) for name in inv.HANDSHAPES])
    apart = np.linalg.norm(hands[:, None] - hands[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    assert apart.min() > 0.6  # radians over the joints of a hand


def test_every_gloss_has_one_signable_sign():
    lexicon = build("csl", 48)
    assert list(lexicon.signs) == GLOSSES[:48]
    assert all(gloss == sign.gloss and is_signable(sign) for gloss, sign in lexicon.signs.items())
    assert len({sign.parameters for sign in lexicon.signs.values()}) == 48


@pytest.mark.parametrize("size", [40, 48, 120])
def test_five_minimal_pairs_per_parameter_differ_in_nothing_else(size):
    lexicon = build("phoenix", size)
    counts = Counter(parameter for _, _, parameter in lexicon.minimal_pairs)
    assert set(counts) == set(inv.PARAMETERS)
    assert min(counts.values()) >= 5
    for a, b, parameter in lexicon.minimal_pairs:
        first, second = lexicon[a], lexicon[b]
        assert differing(first, second) == [parameter]
        changed = [
            f.name
            for f in fields(first)
            if getattr(first, f.name) != getattr(second, f.name) and f.name != "gloss"
        ]
        assert changed == [parameter]


@pytest.mark.parametrize(("corpus", "size"), [("csl", 48), ("how2sign", 160)])
def test_signs_keep_the_stated_distance(corpus, size):
    lexicon = build(corpus, size)
    apart = distances(lexicon)
    assert apart.min() >= MIN_DISTANCE - 1e-4
    row = {gloss: i for i, gloss in enumerate(lexicon.signs)}
    for a, b, _ in lexicon.minimal_pairs:
        apart[row[a], row[b]] = apart[row[b], row[a]] = np.inf
    assert apart.min() >= MIN_DISTANCE_UNRELATED - 1e-4


def test_lexicon_depends_on_corpus_and_seed_only():
    assert build("csl", 40) == build("csl", 40)
    assert build("csl", 40).signs != build("phoenix", 40).signs
    assert build("csl", 40).signs != build("csl", 40, seed=1).signs


def test_repeated_glosses_are_refused():
    with pytest.raises(ValueError, match="repeat"):
        Lexicon.build("csl", ["A", "A"])


def test_a_sign_follows_from_its_name():
    names = [f"WORT-{i}" for i in range(60)]
    lexicon = Lexicon.from_names(names)
    again = Lexicon.from_names(reversed(names + names))
    assert lexicon.signs == again.signs
    assert len({sign.parameters for sign in lexicon.signs.values()}) == 60
    alone = Lexicon.from_names(["WORT-7"])
    kept = [Lexicon.from_names([n])[n] == lexicon[n] for n in names]
    assert alone["WORT-7"].gloss == "WORT-7"
    assert np.mean(kept) > 0.8  # only crowded signs are drawn again


def test_seeds_are_the_same_in_every_process():
    assert stable_seed("sign", "REGEN", 0) == 17504992251345332901
    assert stable_seed("ab", "c") != stable_seed("a", "bc")

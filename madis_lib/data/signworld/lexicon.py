"""A lexicon: one sign for every gloss, with minimal pairs and a guaranteed distance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from madis_lib.data.signworld import inventory as inv
from madis_lib.data.signworld.inventory import PARAMETERS, Sign
from madis_lib.data.signworld.motion import stable_seed
from madis_lib.data.signworld.observation import sign_vector

# Motion distances (see observation.sign_vector) that a lexicon guarantees.
MIN_DISTANCE = 1.0  # between any two signs
MIN_DISTANCE_UNRELATED = 1.5  # between two that are not a declared minimal pair
MIN_DISTANCE_BY_NAME = 1.0  # aimed at in a lexicon made from gloss names (large vocabularies)

VARIANTS = 3  # of a family's first sign, each in one parameter
ATTEMPTS = 400  # before a lexicon is declared too crowded
NAME_ATTEMPTS = 40
HANDEDNESS = ("one", "symmetric", "base")
_HANDEDNESS_WEIGHTS, _PLAIN_FACE = (0.5, 0.3, 0.2), 0.6
_LONG_MOVEMENTS = 0.25  # share of signs whose stroke is circular or repeated

VALUES = {
    "handshape": inv.HANDSHAPES,
    "location": tuple(inv.LOCATIONS),
    "movement": tuple(inv.MOVEMENTS),
    "orientation": tuple(inv.ORIENTATIONS),
    "handedness": HANDEDNESS,
    "nonmanual": tuple(inv.NONMANUALS),
}


def is_signable(sign: Sign) -> bool:
    """Two mirrored hands keep to their sides; a base hand works before the trunk."""
    if sign.handedness == "symmetric":
        return sign.location in inv.SYMMETRIC_LOCATIONS
    return sign.handedness == "one" or sign.location in inv.BASE_LOCATIONS


def differing(a: Sign, b: Sign) -> list[str]:
    """The parameters in which two signs differ."""
    return [p for p in PARAMETERS if getattr(a, p) != getattr(b, p)]


@dataclass(frozen=True)
class Lexicon:
    """Signs by gloss; ``minimal_pairs`` lists (gloss, gloss, the one parameter that differs)."""

    signs: dict[str, Sign]
    minimal_pairs: tuple[tuple[str, str, str], ...] = ()

    def __getitem__(self, gloss: str) -> Sign:
        return self.signs[gloss]

    def __len__(self) -> int:
        return len(self.signs)

    @classmethod
    def build(cls, corpus: str, glosses: Sequence[str], seed: int = 0) -> Lexicon:
        """A lexicon of families: a sign and up to three variants, each in one parameter.

        From 40 glosses on, every parameter has at least five minimal pairs.  All signs are at
        least ``MIN_DISTANCE`` apart, unrelated ones ``MIN_DISTANCE_UNRELATED``.  ValueError if
        glosses repeat or the inventory has no room for so many.
        """
        if len(set(glosses)) != len(glosses):
            raise ValueError(f"{corpus}: glosses repeat; give each sign its own name")
        rng = np.random.default_rng(stable_seed("lexicon", corpus, seed))
        names = [glosses[i] for i in rng.permutation(len(glosses))]
        families = min(len(names) // (VARIANTS + 1), max(12, len(names) // 8))
        crowd = _Crowd()
        pairs = []
        for family in range(families):
            turn = VARIANTS * family
            parameters = [PARAMETERS[(turn + k) % len(PARAMETERS)] for k in range(VARIANTS)]
            members = crowd.add_family([names.pop() for _ in range(VARIANTS + 1)], parameters, rng)
            first = members[0].gloss
            pairs += [(first, m.gloss, p) for m, p in zip(members[1:], parameters, strict=True)]
        while names:
            crowd.add_family([names.pop()], [], rng)
        by_gloss = {sign.gloss: sign for sign in crowd.signs}
        return cls({gloss: by_gloss[gloss] for gloss in glosses}, tuple(pairs))

    @classmethod
    def from_names(cls, glosses: Iterable[str], distance: float = MIN_DISTANCE_BY_NAME) -> Lexicon:
        """Each sign follows from its gloss: same name, same sign, wherever it appears.

        Only when a sign is taken, or closer than ``distance`` to an earlier one (glosses in
        sorted order), is the name drawn again; after some draws being unique is enough.
        """
        crowd, taken = _Crowd(), set()
        for gloss in sorted(set(glosses)):
            choices = (
                random_sign(gloss, np.random.default_rng(stable_seed("sign", gloss, attempt)))
                for attempt in range(50 * NAME_ATTEMPTS)
            )
            fresh = None
            for attempt, sign in enumerate(choices):
                if sign.parameters in taken:
                    continue
                fresh = fresh or sign
                if crowd.nearest(sign_vector(sign)) >= distance:
                    fresh = sign
                    break
                if attempt >= NAME_ATTEMPTS:
                    break
            if fresh is None:
                raise ValueError(f"no free sign for gloss {gloss!r}: use fewer glosses")
            taken.add(fresh.parameters)
            crowd.accept(fresh, sign_vector(fresh))
        return cls({sign.gloss: sign for sign in crowd.signs})


def random_sign(gloss: str, rng: np.random.Generator) -> Sign:
    """A signable sign drawn from the inventory."""
    handedness = HANDEDNESS[rng.choice(3, p=_HANDEDNESS_WEIGHTS)]
    places = {
        "one": tuple(inv.LOCATIONS),
        "symmetric": inv.SYMMETRIC_LOCATIONS,
        "base": inv.BASE_LOCATIONS,
    }[handedness]

    def draw(values: Sequence[str]) -> str:
        return values[int(rng.integers(len(values)))]

    long = rng.random() < _LONG_MOVEMENTS
    movements = [m for m, move in inv.MOVEMENTS.items() if (move.seconds == inv.LONG) == long]

    return Sign(
        gloss,
        draw(inv.HANDSHAPES),
        draw(places),
        draw(movements),
        draw(VALUES["orientation"]),
        handedness,
        "none" if rng.random() < _PLAIN_FACE else draw(VALUES["nonmanual"][1:]),
        draw(inv.BASE_HANDSHAPES),
    )


class _Crowd:
    """The signs accepted so far and where they lie."""

    def __init__(self) -> None:
        self.signs: list[Sign] = []
        self._points: list[np.ndarray] = []

    def accept(self, sign: Sign, point: np.ndarray) -> None:
        self.signs.append(sign)
        self._points.append(point)

    def nearest(self, point: np.ndarray) -> float:
        """Distance to the closest accepted sign."""
        if not self._points:
            return float("inf")
        return float(np.sqrt(((np.stack(self._points) - point) ** 2).sum(1).min()))

    def add_family(
        self, glosses: Sequence[str], parameters: Sequence[str], rng: np.random.Generator
    ) -> list[Sign]:
        """Accept a first sign and one variant per parameter, all far enough from the rest."""
        for _ in range(ATTEMPTS):
            first = random_sign(glosses[0], rng)
            family = [(first, sign_vector(first))]
            if self.nearest(family[0][1]) < MIN_DISTANCE_UNRELATED:
                continue
            for gloss, parameter in zip(glosses[1:], parameters, strict=True):
                variant = self._variant(family, gloss, parameter, rng)
                if variant is None:
                    break
                family.append(variant)
            if len(family) == len(glosses):
                for sign, point in family:
                    self.accept(sign, point)
                return [sign for sign, _ in family]
        raise ValueError(
            f"no room for another sign after {len(self.signs)}: use fewer signs or "
            "Lexicon.from_names"
        )

    def _variant(self, family, gloss: str, parameter: str, rng: np.random.Generator):
        first, origin = family[0]
        values = VALUES[parameter]
        for k in rng.permutation(len(values)):
            sign = replace(first, gloss=gloss, **{parameter: values[k]})
            if values[k] == getattr(first, parameter) or not is_signable(sign):
                continue
            point = sign_vector(sign)
            siblings = [np.linalg.norm(point - p) for _, p in family[1:]]
            if (
                np.linalg.norm(point - origin) >= MIN_DISTANCE
                and min(siblings, default=np.inf) >= MIN_DISTANCE_UNRELATED
                and self.nearest(point) >= MIN_DISTANCE_UNRELATED
            ):
                return sign, point
        return None

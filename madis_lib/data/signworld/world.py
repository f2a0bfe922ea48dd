"""SignWorld: the embedded synthetic corpora, rendered on demand and written like real ones.

Synthetic signing with known truth: sentences come from ``grammar``, signs from ``lexicon``, motion
from ``motion``.  An utterance depends only on its corpus, seed, name and sentence, so any subset
can be rendered alone and in any order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from tqdm import tqdm

from madis_lib.data import layouts
from madis_lib.data.signworld import grammar
from madis_lib.data.signworld.grammar import Sentence
from madis_lib.data.signworld.inventory import Sign
from madis_lib.data.signworld.lexicon import Lexicon
from madis_lib.data.signworld.motion import dictionary_signer, render, signers, stable_seed
from madis_lib.data.signworld.oracle import Oracle
from madis_lib.files import atomic_write
from madis_lib.presets import CorpusConfig

FPS = {"csl": 30.0, "phoenix": 25.0, "how2sign": 24.0}
CORPORA = tuple(FPS)
TRUTH_FOLDER = "signworld"
MOTION_VERSION = 1  # bump when the same sentence renders differently


@dataclass(frozen=True, eq=False)
class Utterance:
    """One signed sentence with its truth.

    ``timeline`` holds (gloss, start, end) in frames, the transition into the sign included;
    ``handedness`` is "one", "symmetric" or "base" per gloss; ``features`` float32 ``[T, 133]``.
    """

    name: str
    text: str
    glosses: tuple[str, ...]
    timeline: tuple[tuple[str, int, int], ...]
    handedness: tuple[str, ...]
    signer: str
    left_dominant: bool
    fps: float
    features: np.ndarray

    def truth(self) -> dict:
        """Everything but the motion, as JSON stores it."""
        return {
            "name": self.name,
            "text": self.text,
            "glosses": list(self.glosses),
            "timeline": [list(entry) for entry in self.timeline],
            "handedness": list(self.handedness),
            "signer": self.signer,
            "left_dominant": self.left_dominant,
            "frames": len(self.features),
        }


class SignWorld:
    """One synthetic corpus: named sentences, a lexicon, signers and an oracle."""

    def __init__(
        self,
        corpus: str,
        lexicon: Lexicon,
        sentences: Mapping[str, Sequence[tuple[str, Sentence]]],
        seed: int = 0,
    ):
        """``sentences`` maps a split to (name, sentence) pairs; names are unique."""
        self.corpus, self.fps, self.lexicon, self.seed = corpus, FPS[corpus], lexicon, seed
        self.sentences = {split: list(pairs) for split, pairs in sentences.items()}
        self._signers = signers(corpus, seed)

    def utterance(self, name: str, sentence: Sentence, other: bool = False) -> Utterance:
        """Render one sentence; its name decides signer and noise.

        ``other`` has it signed by somebody else: the next signer's habits and other noise, but the
        same dominant hand.
        """
        who = stable_seed("who", self.corpus, self.seed, name) % len(self._signers)
        signer = self._signers[who]
        seed: tuple[object, ...] = ("noise", self.corpus, self.seed, name)
        if other:
            following = self._signers[(who + 1) % len(self._signers)]
            signer = replace(following, left_dominant=signer.left_dominant)
            seed = (*seed, "other")
        signs = [self.lexicon[gloss] for gloss in sentence.glosses]
        rng = np.random.default_rng(stable_seed(*seed))
        try:
            motion = render(signs, self.fps, signer, sentence.question, sentence.negation, rng)
        except ValueError as error:
            raise ValueError(f"{self.corpus}, {name}: {error}") from error
        timeline = tuple(
            (g, *span) for g, span in zip(sentence.glosses, motion.timeline, strict=True)
        )
        return Utterance(
            name,
            sentence.text,
            tuple(sentence.glosses),
            timeline,
            tuple(sign.handedness for sign in signs),
            signer.name,
            signer.left_dominant,
            self.fps,
            motion.features,
        )

    def utterances(self, split: str) -> Iterator[Utterance]:
        """The utterances of a split, rendered as they are asked for."""
        return (self.utterance(name, sentence) for name, sentence in self.sentences[split])

    def dictionary(self) -> dict[str, np.ndarray]:
        """Every sign alone, by a signer who appears in no sentence; gloss to ``[T, 133]``."""
        signer = dictionary_signer(self.corpus, self.seed)
        motions = {}
        for gloss, sign in self.lexicon.signs.items():
            seed = stable_seed("dictionary", self.corpus, self.seed, gloss)
            rng = np.random.default_rng(seed)
            motions[gloss] = render([sign], self.fps, signer, rng=rng).features
        return motions

    @cached_property
    def oracle(self) -> Oracle:
        """Reads motion of this corpus back to glosses."""
        return Oracle(self.lexicon, self.fps)


def build(corpus: str, config: CorpusConfig) -> SignWorld:
    """The embedded corpus "csl", "phoenix" or "how2sign" at the size of ``config``."""
    if corpus not in FPS:
        raise ValueError(f"unknown corpus {corpus!r}: choose one of {', '.join(CORPORA)}")
    lexicon = Lexicon.build(corpus, grammar.concepts(corpus, config.signs), config.seed)
    return SignWorld(corpus, lexicon, _sentences(corpus, config), config.seed)


def _sentences(corpus: str, config: CorpusConfig) -> dict[str, list[tuple[str, Sentence]]]:
    return {
        split: [(_name(corpus, split, i), sentence) for i, sentence in enumerate(found)]
        for split, found in grammar.splits(corpus, config).items()
    }


def _name(corpus: str, split: str, number: int) -> str:
    """Names in the manner of the real corpora."""
    if corpus == "phoenix":
        return f"{'dev' if split == 'val' else split}/sw_{number:05d}"
    return f"sw_{split}_{number:05d}" + ("-1" if corpus == "how2sign" else "")


def write(
    root: str | Path, config: CorpusConfig, corpora: Sequence[str] = CORPORA, progress: bool = True
) -> None:
    """Write the embedded corpora under ``root`` in the real layouts, truth in ``signworld/``."""
    for corpus in corpora:
        write_world(root, build(corpus, config), progress)
    stored = {"motion_version": MOTION_VERSION, **asdict(config)}
    _write_json(_truth(root, "config.json"), stored)


def write_world(root: str | Path, world: SignWorld, progress: bool = True) -> None:
    """Write all splits, truth, lexicon and dictionary of one corpus."""
    for split, sentences in world.sentences.items():
        truth: list[dict] = []

        def items(split: str = split, truth: list = truth, total: int = len(sentences)):
            stream = world.utterances(split)
            label = f"{world.corpus} {split}"
            for item in tqdm(stream, label, total, disable=not progress, leave=False):
                truth.append(item.truth())
                yield item.name, item.text, item.features, item.fps

        layouts.write(root, world.corpus, split, items())
        _write_json(_truth(root, f"{world.corpus}.{split}.json"), truth)
    lexicon = {
        "fps": world.fps,
        "signs": [asdict(sign) for sign in world.lexicon.signs.values()],
        "minimal_pairs": [list(pair) for pair in world.lexicon.minimal_pairs],
    }
    _write_json(_truth(root, f"{world.corpus}.lexicon.json"), lexicon)
    motions = world.dictionary()
    with atomic_write(_truth(root, f"{world.corpus}.dictionary.npz")) as temporary:
        np.savez_compressed(
            temporary,
            glosses=np.array(list(motions)),
            lengths=np.array([len(motion) for motion in motions.values()]),
            features=np.concatenate(list(motions.values())),
        )


def read_truth(root: str | Path, corpus: str, split: str) -> list[dict]:
    """Truth of a written split, in the corpus's order (see :meth:`Utterance.truth`)."""
    return _read_json(_truth(root, f"{corpus}.{split}.json"))


def read_lexicon(root: str | Path, corpus: str) -> Lexicon:
    """The lexicon of a written corpus."""
    stored = _read_json(_truth(root, f"{corpus}.lexicon.json"))
    signs = {entry["gloss"]: Sign(**entry) for entry in stored["signs"]}
    return Lexicon(signs, tuple(tuple(pair) for pair in stored["minimal_pairs"]))


def read_oracle(root: str | Path, corpus: str) -> Oracle:
    """The oracle of a written corpus."""
    return Oracle(read_lexicon(root, corpus), FPS[corpus])


def annotated(text: str, glosses: Sequence[str]) -> Sentence:
    """A sentence of which text and glosses are all that is known: "?" at the end is a question."""
    question = (0, len(glosses)) if text.endswith(("?", "？")) else None
    return Sentence(text, tuple(glosses), question, None)


def read_world(root: str | Path, corpus: str, split: str = "test") -> SignWorld:
    """The world that wrote a corpus, able to render the sentences of ``split`` again.

    Of rendered annotations only text and glosses were kept; their seed is taken to be 0.
    """
    lexicon = read_lexicon(root, corpus)
    if _truth(root, "config.json").exists():
        stored = _read_json(_truth(root, "config.json"))
        values = {f.name: stored[f.name] for f in fields(CorpusConfig)}
        config = CorpusConfig(**values | {"glosses": tuple(values["glosses"])})
        return SignWorld(corpus, lexicon, _sentences(corpus, config), config.seed)
    truth = read_truth(root, corpus, split)
    found = [(t["name"], annotated(t["text"], t["glosses"])) for t in truth]
    return SignWorld(corpus, lexicon, {split: found})


def read_dictionary(root: str | Path, corpus: str) -> dict[str, np.ndarray]:
    """The isolated signs of a written corpus; gloss to ``[T, 133]``."""
    path = _truth(root, f"{corpus}.dictionary.npz")
    if not path.exists():
        raise FileNotFoundError(f"{path}: no dictionary; write the corpus with signworld.write")
    with np.load(path, allow_pickle=False) as stored:
        ends = np.cumsum(stored["lengths"])
        motions = np.split(stored["features"], ends[:-1])
        return dict(zip(stored["glosses"].tolist(), motions, strict=True))


def _truth(root: str | Path, name: str) -> Path:
    return Path(root) / TRUTH_FOLDER / name


def _write_json(path: Path, value: object) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def _read_json(path: Path):
    if not path.exists():
        raise FileNotFoundError(f"{path}: no truth here; write the corpus with signworld.write")
    return json.loads(path.read_text(encoding="utf-8"))

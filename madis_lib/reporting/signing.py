"""One sentence to a file: what ``madis generate`` does.

Imports are late, so that a wrong argument is answered at once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy as np

    from madis_lib.data.signworld import Oracle
    from madis_lib.experiments.suite import Suite
    from madis_lib.systems.madis import MaDiSSystem, Signing

CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"  # shipped with the package
CORPUS = {"zh": "csl", "de": "phoenix", "en": "how2sign"}
MAX_TEXT_TOKENS = 256
MAX_TEMPERATURE = 100.0  # the draw is long uniform; much more overflows
Out = TypeVar("Out")
SYNTHETIC = "Synthetic signing, not a real sign language."


@dataclass(frozen=True)
class Source:
    """A trained model, loaded when asked for."""

    about: str  # where it comes from, in one line
    system: Callable[[], MaDiSSystem]
    oracle: Callable[[], Oracle | None]  # None: real data
    world: World | None  # None: not SignWorld


@dataclass(frozen=True)
class World:
    """The synthetic corpora that a model was trained on."""

    path: Path
    signs: int  # per corpus
    seed: int  # of the lexicon
    about: dict[str, Any]


def generate(
    text: str,
    language: str,
    out: Path,
    checkpoint: Path | None = None,
    temperature: float = 0.0,
    seed: int = 0,
    suite: Suite | None = None,
) -> None:
    """Sign ``text`` into ``out`` (.html, .npz, .glb or .webp).

    Args:
        language: zh, de or en.
        checkpoint: folder with ``tokenizer.safetensors``, ``provenance.json`` and a folder per
            corpus; None takes the models shipped with the package.
        temperature: 0 is greedy; above it ``seed`` decides the draw.
        suite: take the model that it trained instead; nothing is trained here.

    Words a model of SignWorld has never seen are named in one line on stderr.

    Raises:
        ValueError: a bad argument, a text with no word the model knows, or a damaged file.
        OSError: a missing file or one that cannot be written.
    """
    corpus = check_request(text, language, out, temperature, seed)
    folder = CHECKPOINTS if checkpoint is None else Path(checkpoint)
    source = in_folder(folder, corpus) if suite is None else trained(suite, corpus)
    if source.world is not None:
        check_words(text, language, source.world)
    signed = sign(source.system(), text, temperature, seed)

    from madis_lib.data import signworld
    from madis_lib.render import export

    fps = signworld.FPS[corpus]
    if out.suffix.lower() != ".html":
        export.write(out, signed.features, fps)
        return
    oracle, caption, glosses = source.oracle(), [], []
    if oracle is not None:
        glosses = read_back(signed.features, fps, oracle)
        read = " ".join(gloss for gloss, _, _ in glosses) or "nothing"
        caption = [SYNTHETIC, f"Read back by the oracle: {read}"]
    export.write(out, signed.features, fps, text.strip(), [*caption, source.about], glosses)


def in_folder(folder: Path, corpus: str) -> Source:
    """The model of a corpus in a checkpoint folder; see :func:`read_world` for what it raises."""
    world = read_world(folder)
    return Source(
        provenance_line(corpus, world),
        lambda: load(folder, corpus),
        lambda: oracle_of(corpus, world),
        world,
    )


def command(suite: Suite) -> str:
    """What makes the runs of a suite."""
    more = "" if suite.data is None else f" --data {suite.data}"
    return f"madis reproduce --preset {suite.preset.name}{more}"


def trained(suite: Suite, corpus: str) -> Source:
    """The model that a suite trained; FileNotFoundError where it did not finish, or lacks the corpus."""
    from madis_lib.experiments.store import UnfinishedRunError

    if corpus not in suite.corpora:
        raise FileNotFoundError(
            f"{suite.data}: {corpus} is not there: {', '.join(suite.corpora)} are"
        )
    try:
        with suite.store.only_finding():
            run = suite.finetuned(corpus)
    except UnfinishedRunError as error:
        if not suite.store.root.is_dir():
            raise FileNotFoundError(
                f"{suite.store.root}: no runs of {suite.preset.name} here; go to the folder where madis "
                f"reproduce --preset {suite.preset.name} was run, or run it"
            ) from None
        raise FileNotFoundError(f"{error}; make it with: {command(suite)}") from None
    told = {"preset": suite.preset.name, "commit": str(run.made.get("commit", ""))[:12]}
    about = " · ".join(["MaDiS Companion", suite.corpus_name(corpus), *_told(told)])
    size = suite.preset.corpus
    world = World(run.folder, size.signs, size.seed, told) if suite.data is None else None

    def found(find: Callable[[str], Out]) -> Out:
        with suite.store.only_finding():
            return find(corpus)

    return Source(about, lambda: found(suite.system), lambda: found(suite.oracle), world)


def check_request(text: str, language: str, out: Path, temperature: float, seed: int) -> str:
    """The corpus of a language, or a ValueError or OSError that says what is wrong."""
    if not text.strip():
        raise ValueError("the text is empty: give a sentence to sign")
    if language not in CORPUS:
        raise ValueError(f"unknown language {language!r}: choose one of {', '.join(CORPUS)}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("the text is not valid UTF-8: save or type it as UTF-8") from None
    if not 0 <= temperature <= MAX_TEMPERATURE:
        raise ValueError(
            f"temperature {temperature} is not possible: give a number from 0 to {MAX_TEMPERATURE:g}"
        )
    if not 0 <= seed < 2**63:
        raise ValueError(f"seed {seed} is not possible: give a number from 0 to 2^63 - 1")

    from madis_lib.files import check_writable
    from madis_lib.render.export import check_path

    check_path(out)
    check_writable(out)
    return CORPUS[language]


def read_world(folder: Path) -> World:
    """What ``provenance.json`` of a checkpoint folder says; ValueError or FileNotFoundError."""
    path = folder / "provenance.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no checkpoint here; --checkpoint takes a folder as tools/ship_checkpoint.py writes it"
        )
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        signs, seed = int(about["signs"]), int(about.get("seed", 0))
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        raise ValueError(f"{path}: field 'signs' unusable ({error!r}); make it anew") from None
    return World(folder, signs, seed, about)


def check_words(text: str, language: str, world: World) -> None:
    """Warn of words without a sign; ValueError when not one word of ``text`` has a sign."""
    from madis_lib.data.signworld import grammar

    corpus = CORPUS[language]
    unknown, any_content = grammar.unknown_words(text, corpus, world.signs)
    if not any_content:
        examples = "; ".join(f'"{e}"' for e in example_sentences(corpus, world))
        raise ValueError(f"no word of this text has a sign in {language!r}: try {examples}")
    if unknown:
        print(f"madis: warning: no sign for {', '.join(map(_shown, unknown))}", file=sys.stderr)


def _shown(word: str) -> str:
    return word if len(word) <= 40 else word[:39] + "…"


def example_sentences(corpus: str, world: World, count: int = 3) -> list[str]:
    """A few sentences that a checkpoint can sign."""
    from madis_lib.data.signworld import grammar
    from madis_lib.presets import CorpusConfig

    config = CorpusConfig(world.signs, count, 0, 0, (2, 5), world.seed)
    return [s.text for s in grammar.splits(corpus, config)["train"]]


def load(folder: Path, corpus: str) -> MaDiSSystem:
    """The system of a corpus in a checkpoint folder."""
    from madis_lib.systems.madis import MaDiSSystem
    from madis_lib.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(folder / "tokenizer.safetensors")
    return MaDiSSystem.load(folder / corpus, tokenizer)


def sign(system: MaDiSSystem, text: str, temperature: float, seed: int) -> Signing:
    """Sign one sentence; ValueError when it is longer than the model was made for."""
    import torch

    count = len(system.text(text, add_special_tokens=False)["input_ids"])
    if count > MAX_TEXT_TOKENS:
        raise ValueError(
            f"the text has {count} text tokens, more than {MAX_TEXT_TOKENS}: give it in sentences"
        )
    generator = torch.Generator().manual_seed(seed)
    return system.generate([text], temperature=temperature, generator=generator)[0]


def oracle_of(corpus: str, world: World) -> Oracle:
    """The oracle of a synthetic corpus, which reads motion back to glosses."""
    from madis_lib.data import signworld
    from madis_lib.data.signworld import grammar

    glosses = grammar.concepts(corpus, world.signs)
    lexicon = signworld.Lexicon.build(corpus, glosses, world.seed)
    return signworld.Oracle(lexicon, signworld.FPS[corpus])


def read_back(features: np.ndarray, fps: float, oracle: Oracle) -> list[tuple[str, float, float]]:
    """What the oracle reads off a motion: (gloss, start, end) in seconds."""
    return [(s.gloss, s.start / fps, s.end / fps) for s in oracle.read_spans(features)]


def provenance_line(corpus: str, world: World) -> str:
    """Where a model comes from, in one line."""
    corpora = f"SignWorld {corpus}, {world.signs} signs"
    return " · ".join(["MaDiS Companion", corpora, *_told(world.about)])


def _told(about: dict[str, Any]) -> list[str]:
    return [f"{k} {about[k]}" for k in ("preset", "commit", "version") if about.get(k)]

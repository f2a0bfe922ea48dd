"""One sentence to a file: what ``madis generate`` does.

Imports are late, so that a wrong argument is answered at once.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from madis_lib.systems.madis import MaDiSSystem, Signing

CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"  # shipped with the package
CORPUS = {"zh": "csl", "de": "phoenix", "en": "how2sign"}
MAX_TEXT_TOKENS = 256
MAX_TEMPERATURE = 100.0  # the draw is long uniform; much more overflows
SYNTHETIC = "Synthetic signing, not a real sign language."


@dataclass(frozen=True)
class World:
    """What a checkpoint folder says about the synthetic corpora it was trained on."""

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
) -> None:
    """Sign ``text`` into ``out`` (.html, .npz, .glb or .webp).

    Args:
        language: zh, de or en.
        checkpoint: folder with ``tokenizer.safetensors``, ``provenance.json`` and a folder per
            corpus; None takes the models shipped with the package.
        temperature: 0 is greedy; above it ``seed`` decides the draw.

    Words the model has never seen are named in one line on stderr.

    Raises:
        ValueError: a bad argument, a text with no word the model knows, or a damaged file.
        OSError: a missing file or one that cannot be written.
    """
    corpus = check_request(text, language, out, temperature, seed)
    world = read_world(CHECKPOINTS if checkpoint is None else Path(checkpoint))
    check_words(text, language, world)
    system = load(world.path, corpus)
    signed = sign(system, text, temperature, seed)

    from madis_lib.data import signworld
    from madis_lib.render import export

    fps = signworld.FPS[corpus]
    if out.suffix.lower() != ".html":
        export.write(out, signed.features, fps)
        return
    glosses = read_back(signed.features, corpus, world)
    read = " ".join(gloss for gloss, _, _ in glosses) or "nothing"
    caption = [SYNTHETIC, f"Read back by the oracle: {read}", provenance_line(corpus, world)]
    export.write(out, signed.features, fps, text.strip(), caption, glosses)


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


def read_back(features: np.ndarray, corpus: str, world: World) -> list[tuple[str, float, float]]:
    """What the oracle reads off a motion: (gloss, start, end) in seconds."""
    from madis_lib.data import signworld
    from madis_lib.data.signworld import grammar

    glosses = grammar.concepts(corpus, world.signs)
    lexicon = signworld.Lexicon.build(corpus, glosses, world.seed)
    fps = signworld.FPS[corpus]
    spans = signworld.Oracle(lexicon, fps).read_spans(features)
    return [(s.gloss, s.start / fps, s.end / fps) for s in spans]


def provenance_line(corpus: str, world: World) -> str:
    """Where a model comes from, in one line."""
    told = [f"{k} {world.about[k]}" for k in ("preset", "commit", "version") if k in world.about]
    return " · ".join(["MaDiS Companion", f"SignWorld {corpus}, {world.signs} signs", *told])

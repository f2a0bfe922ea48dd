"""release: reading the authors' checkpoints, safely and completely or not at all."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from madis_lib.data import stats as statistics
from madis_lib.data import text as text_data
from madis_lib.data.errors import DataError, MissingDataError
from madis_lib.files import read_safetensors
from madis_lib.model import MaDiS
from madis_lib.parts import PARTS
from madis_lib.presets import ModelConfig, SiCLIPConfig
from madis_lib.release import model_names, shapes, tokenizer_names
from madis_lib.release import siclip as siclip_names
from madis_lib.release.generation import SIZE
from madis_lib.release.system import FORMAT, ReleasedMaDiS, ReleasedSiCLIP, Text
from madis_lib.release.torch_zip import TorchZip
from madis_lib.siclip import SiCLIP
from madis_lib.tokenizer import Tokenizer
from madis_lib.vocab import Vocab

Released = Tokenizer | ReleasedMaDiS | ReleasedSiCLIP
NAMED = 4  # tensors an error message lists


def load_checkpoint(
    path: str | Path, tokenizer_dir: str | Path | None = None, stats: str | Path | None = None
) -> Released:
    """A released model in the release's protocol, in float32 and evaluation mode.

    Nothing in the file is executed.  All sizes come from the file.  The authors' full size (459 M
    parameters in a float16 file, random here) loaded in 10 s with 4.6 GB at most, on two cores.

    Args:
        path: tokenizer.ckpt, pretrained.ckpt, sft_*.ckpt or siclip.ckpt; or a folder written by
            :meth:`ReleasedMaDiS.save`, which needs nothing else.
        tokenizer_dir: a Hugging Face tokenizer with ``map_ids.pkl``; needed by all but the sign
            tokenizer.
        stats: folder with ``mean.pt`` and ``std.pt``; without it motion stays normalised.

    Returns:
        Tokenizer, ReleasedMaDiS or ReleasedSiCLIP, whichever the file holds.

    Raises:
        ValueError (also FileNotFoundError where a file is missing): one line with file, field, fix.
    """
    if Path(path).is_dir():
        return load_converted(path)
    file = TorchZip(path)
    body, *_ = tokenizer_names.prefixes(file.tensors)
    found = shapes.relevant({name: stored.shape for name, stored in file.tensors.items()})
    kind = shapes.kind(found)
    sizes = _sizes(file.path, found, kind, body)
    state = file.read(sorted(found))
    if kind == "tokenizer":
        return _tokenizer(state, sizes, stats)
    if tokenizer_dir is None:
        raise DataError(path, "text tokenizer", "is needed", "give --tokenizer-dir")
    assert sizes.language is not None
    text = _text(tokenizer_dir, sizes.language.text_vocab, file.path)
    if kind == "siclip":
        return ReleasedSiCLIP(_siclip(state, sizes), text)
    tokenizer = _tokenizer(state, sizes, stats)
    return ReleasedMaDiS(tokenizer, text, _language(file.path, state, sizes, text, tokenizer))


def load_converted(folder: str | Path) -> ReleasedMaDiS:
    """Read what :meth:`ReleasedMaDiS.save` wrote; ValueError for another sign tokenizer than its own."""
    folder = Path(folder)
    path = folder / "model.safetensors"
    if not path.is_file():
        raise MissingDataError(path, "model", "no such file", "give a .ckpt or a converted folder")
    tokenizer = Tokenizer.load(folder / "tokenizer.safetensors")
    state, metadata = read_safetensors(path, FORMAT)
    try:
        belongs_to = metadata["tokenizer"]
        config = ModelConfig(**json.loads(metadata["config"]))
    except (KeyError, TypeError, ValueError) as error:
        fix = "convert the checkpoint again"
        raise DataError(path, "metadata", f"unusable ({error!r})", fix) from None
    if belongs_to != tokenizer.fingerprint():
        problem = (
            f"{belongs_to[:12]}, but the tokenizer beside it is {tokenizer.fingerprint()[:12]}"
        )
        raise DataError(path, "sign tokenizer", problem, "keep the two files of one conversion")
    text = _text(folder / "text", config.text_vocab, path)
    model = _empty(config, text, tokenizer)
    _check(path, {k: tuple(v.shape) for k, v in state.items()},
           {k: tuple(v.shape) for k, v in model.state_dict().items()})  # fmt: skip
    model.load_state_dict(state)
    return ReleasedMaDiS(tokenizer, text, model.eval())


def _sizes(path: Path, found: shapes.Shapes, kind: str, body: str) -> shapes.Sizes:
    """Sizes of the file, after every tensor was found to fit them."""
    try:
        sizes = shapes.sizes(found, body, SIZE)
    except (KeyError, IndexError, ZeroDivisionError) as error:
        name = error.args[0] if isinstance(error, KeyError) else "a tensor"
        fix = "give tokenizer.ckpt, pretrained.ckpt, sft_*.ckpt or siclip.ckpt of the release"
        raise DataError(path, "state_dict", f"{name} is missing or has too few axes", fix) from None
    wanted = shapes.expected(sizes, kind, body)
    optional = shapes.FINETUNING_ONLY if kind == "language" else ()
    if not any(name in found for name in optional):  # pretrained.ckpt
        wanted = {name: shape for name, shape in wanted.items() if name not in optional}
    _check(path, found, wanted)
    return sizes


def _check(path: Path, found: shapes.Shapes, wanted: shapes.Shapes) -> None:
    """DataError that lists missing, unexpected and mis-shaped tensors, a few of each."""
    misshaped = [
        f"{k} {list(found[k])} instead of {list(wanted[k])}"
        for k in sorted(found.keys() & wanted.keys())
        if found[k] != wanted[k]
    ]
    problems = {
        "missing": sorted(wanted.keys() - found.keys()),
        "unexpected": sorted(found.keys() - wanted.keys()),
        "of the wrong shape": misshaped,
    }
    said = []
    for problem, names in problems.items():
        if names:
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            said.append(f"{problem}: {', '.join(names[:NAMED])}{more}")
    if said:
        fix = "download the file again, or use the one this release belongs to"
        raise DataError(path, "tensors", "; ".join(said), fix)


def _tokenizer(
    state: Mapping[str, Tensor], sizes: shapes.Sizes, stats: str | Path | None
) -> Tokenizer:
    tokenizer = Tokenizer(sizes.tokenizer)
    for part, prefix in zip(PARTS, tokenizer_names.prefixes(state), strict=True):
        tokenizer.vqvaes[part].load_state_dict(tokenizer_names.from_release_names(state, prefix))
    if stats is not None:
        both = statistics.load(stats)
        tokenizer.set_statistics(torch.from_numpy(both.mean), torch.from_numpy(both.std))
    return tokenizer.eval().requires_grad_(False)


def _text(folder: str | Path, rows: int, checkpoint: Path) -> Text:
    """The text tokenizer, with exactly as many embedding rows as the checkpoint has for text."""
    if not Path(folder).is_dir():  # a name would be looked for elsewhere
        fix = "give the authors' tokenizer folder with --tokenizer-dir"
        raise MissingDataError(folder, "tokenizer", "no such folder", fix)
    tokenizer = text_data.load(folder)
    found = text_data.embedding_rows(folder)
    table = {i: i for i in range(len(tokenizer))} if found is None else found
    if len(table) != rows:
        source = "map_ids.pkl" if found is not None else "tokenizer without map_ids.pkl"
        problem = f"{len(table)} rows, but {checkpoint.name} has {rows} for text"
        raise DataError(folder, source, problem, "use the tokenizer folder of this checkpoint")
    for name in ("eos_token", "pad_token"):
        if tokenizer.convert_tokens_to_ids(getattr(tokenizer, name)) not in table:
            raise DataError(folder, name, "has no embedding row", "copy the folder again")
    return Text(tokenizer, table)


def _empty(config: ModelConfig, text: Text, tokenizer: Tokenizer) -> MaDiS:
    vocab = Vocab(config.text_vocab, text.eos, text.pad, tokenizer.config.codes, shapes.SPARE)
    return MaDiS(config, vocab, tokenizer.codebooks())


def _language(
    path: Path, state: Mapping[str, Tensor], sizes: shapes.Sizes, text: Text, tokenizer: Tokenizer
) -> MaDiS:
    assert sizes.language is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # of what the file lacks, if it lacks anything
        model = _empty(sizes.language, text, tokenizer)
    mine = model_names.from_release_names(state)
    for p, book in enumerate(tokenizer.codebooks()):
        if not torch.equal(mine.get(f"fusion.codebook{p}", book), book):
            problem = f"the {PARTS[p]} codes are not those of the VQ-VAE in the same file"
            raise DataError(path, "codebooks", problem, "download the file again")
    if model.load_state_dict(mine, strict=False).missing_keys:  # all or nothing of it: see _sizes
        warnings.warn(f"{path}: no mixture of parts in it, so that part is untrained", stacklevel=3)
    return model.eval()


def _siclip(state: Mapping[str, Tensor], sizes: shapes.Sizes) -> SiCLIP:
    assert sizes.language is not None
    t = sizes.tokenizer
    config = SiCLIPConfig(
        sizes.language, t.width, t.code_dim, t.depth, sizes.projection, sizes.embedding
    )
    model = SiCLIP(config)
    model.load_state_dict(siclip_names.from_release_names(state))
    return model.eval()

"""Text tokenizers: train a byte-level BPE on the corpus, or load any tokenizer folder (MaDiS §4)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from madis_lib.data import safe_pickle
from madis_lib.data.errors import DataError, MissingDataError

EOS = "<|endoftext|>"  # end and padding, as in Qwen3's base models
MIN_VOCAB = 257  # every byte, and EOS


def train(texts: Iterable[str], vocab_size: int, folder: str | Path) -> PreTrainedTokenizerBase:
    """Train a byte-level BPE of at most ``vocab_size`` entries and save it as a tokenizer folder.

    Every text in any script has a tokenization and is given back exactly.  The same texts give the
    same tokenizer.  ValueError when ``vocab_size`` is below 257 or there is no text.
    """
    if vocab_size < MIN_VOCAB:
        raise ValueError(f"vocab_size {vocab_size}: at least {MIN_VOCAB} are needed (bytes, {EOS})")
    texts = list(texts)
    if not any(texts):
        raise ValueError("texts: no text to train a tokenizer on; read a training split first")
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[EOS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token=EOS, pad_token=EOS, clean_up_tokenization_spaces=False
    )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".tmp-") as temporary:
        fast.save_pretrained(temporary)
        for file in sorted(Path(temporary).iterdir()):
            os.replace(file, folder / file.name)
    return load(folder)


def load(path_or_name: str | Path) -> PreTrainedTokenizerBase:
    """A tokenizer from a folder (no network is used) or by its hub name, such as Qwen3's.

    Its ``pad_token`` is its ``eos_token`` when it has none.  MissingDataError when a path does not
    exist, DataError when it holds no usable tokenizer.
    """
    folder = Path(path_or_name).expanduser()
    local = folder.is_dir()
    text = str(path_or_name)
    if not local and (text.startswith(("/", ".", "~")) or text.count("/") > 1 or folder.exists()):
        fix = "give a tokenizer folder or a hub name"
        raise MissingDataError(folder, "tokenizer", "no such folder", fix)
    if local and not any((folder / f).is_file() for f in ("tokenizer.json", "vocab.json")):
        fix = "train one, or copy the whole tokenizer folder"
        raise MissingDataError(folder, "tokenizer.json", "is missing", fix)
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(folder) if local else text,
            local_files_only=local,
            trust_remote_code=False,  # a folder may name code of its own; it is never run
        )
    except Exception as error:  # the loader raises many kinds, among them plain Exception
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if "trust_remote_code" in str(error):
            reason = "it wants to run code of its own, which is refused"
        fix = "copy the folder again" if local else "check the path or hub name, and the network"
        raise DataError(path_or_name, "tokenizer", f"cannot be loaded ({reason})", fix) from error
    if tokenizer.eos_token_id is None:
        fix = "set eos_token in tokenizer_config.json"
        raise DataError(path_or_name, "eos_token", "is missing", fix)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def embedding_rows(folder: str | Path) -> dict[int, int] | None:
    """Tokenizer id -> embedding row of a trimmed vocabulary (``map_ids.pkl``), None without one.

    The authors' Qwen3 keeps only the rows its three languages use; ids that are not in the map
    stand for padding.
    """
    path = Path(folder) / "map_ids.pkl"
    if not path.is_file():
        return None
    data = safe_pickle.load(path)
    numbers = (int, np.integer)
    if not isinstance(data, dict) or not all(
        isinstance(n, numbers) for item in data.items() for n in item
    ):
        raise DataError(path, "map", "is no dict of ids to rows", "copy the file again")
    rows = {int(old): int(new) for old, new in data.items()}
    if sorted(rows.values()) != list(range(len(rows))):
        raise DataError(path, "map", "rows are not 0, 1, 2, ...", "copy the file again")
    return rows

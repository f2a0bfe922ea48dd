"""release: its trained models as things one can use: sentences in, motion or similarities out."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from madis_lib.data.batches import pad_features, pad_tokens, valid_mask
from madis_lib.data.lengths import fit_length
from madis_lib.files import atomic_write
from madis_lib.model import MaDiS
from madis_lib.parts import FRAMES_PER_TOKEN
from madis_lib.release import generation
from madis_lib.release import siclip as quirk
from madis_lib.release.generation import Streams
from madis_lib.siclip import SiCLIP
from madis_lib.tokenizer import Tokenizer

FORMAT = "madis-release-1"
MAX_TEXT = 256
BATCH = 8  # of the release's test runs; its outputs depend on it


@dataclass(frozen=True)
class Text:
    """A tokenizer whose ids are looked up among the rows of a trimmed embedding matrix.

    Ids without a row stand for padding, but are read.
    """

    tokenizer: PreTrainedTokenizerBase
    rows: dict[int, int]

    @property
    def pad(self) -> int:
        return self.rows[self.tokenizer.pad_token_id]

    @property
    def eos(self) -> int:
        return self.rows[self.tokenizer.eos_token_id]

    def encode(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Rows, no eos behind them, int ``[B, Lt]``, and which are no padding, bool ``[B, Lt]``."""
        found = [self.tokenizer(s, add_special_tokens=False)["input_ids"] for s in sentences]
        ids = [[self.rows.get(i, self.pad) for i in row[:MAX_TEXT]] for row in found]
        padded, lengths = pad_tokens(ids, self.pad)
        return padded, valid_mask(lengths, padded.shape[1])

    def save(self, folder: Path) -> None:
        """Write tokenizer and ``map_ids.pkl``, as the authors keep them."""
        self.tokenizer.save_pretrained(folder)
        with atomic_write(folder / "map_ids.pkl") as temporary:
            temporary.write_bytes(pickle.dumps(self.rows, protocol=4))


@dataclass(frozen=True)
class Signed:
    """What is made of a sentence: raw features ``[T, 133]`` and three streams of tokens.

    Spare ids stay in the streams as the model said them; only decoding clamps them.
    """

    features: np.ndarray
    tokens: Streams


@dataclass(frozen=True)
class ReleasedMaDiS:
    """A released language model with the tokenizers it was trained with.

    The model may be moved to a GPU; the sign tokenizer stays where it is.
    """

    tokenizer: Tokenizer
    text: Text
    model: MaDiS
    name: str = "MaDiS (released)"

    @torch.no_grad()
    def generate(
        self, sentences: Sequence[str], batch_size: int = BATCH, steps: int = generation.STEPS
    ) -> list[Signed]:
        """Sign sentences as the release does; one depends on those it is batched with."""
        signed = []
        size, device = self.model.config.max_tokens, self.model.embed.weight.device
        for first in range(0, len(sentences), batch_size):
            ids, valid = self.text.encode(sentences[first : first + batch_size])
            ids, valid = ids.to(device), valid.to(device)
            for row in generation.generate(self.model, ids, valid, size, steps):
                tokens = generation.streams(row.cpu(), self.model.vocab)
                features = generation.decode(tokens, self.tokenizer)
                signed.append(Signed(self.tokenizer.denormalise(features).numpy(), tokens))
        return signed

    def save(self, folder: str | Path) -> None:
        """Write safetensors and the text tokenizer into ``folder``; load_checkpoint reads it.

        The model's file names the tokenizer it belongs to, so that no other is taken for it.
        """
        folder = Path(folder)
        metadata = {
            "format": FORMAT,
            "config": json.dumps(asdict(self.model.config)),
            "tokenizer": self.tokenizer.fingerprint(),
        }
        self.tokenizer.save(folder / "tokenizer.safetensors")
        self.text.save(folder / "text")
        state = {k: v.detach().cpu().contiguous() for k, v in self.model.state_dict().items()}
        with atomic_write(folder / "model.safetensors") as temporary:
            save_file(state, temporary, metadata=metadata)


Features = tuple[Tensor, Tensor, Tensor, Tensor]  # of texts and of signings, each with its mask


@dataclass(frozen=True)
class ReleasedSiCLIP:
    """A released SiCLIP: how well texts and signings agree."""

    model: SiCLIP
    text: Text

    @property
    def _scale(self) -> float:
        return float(self.model.logit_scale.exp())

    def _pool(self, texts: Sequence[str], motions: Sequence[Tensor], masked: bool) -> Features:
        ids, valid = self.text.encode(texts)
        # the rule for lengths is applied to predictions too
        clips = [motion[fit_length(len(motion))] for motion in motions]
        padded, lengths = pad_features(clips)
        sign = self.model.sign_features(padded, lengths if masked else None)
        sign_valid = valid_mask(lengths // FRAMES_PER_TOKEN, sign.shape[1])
        return self.model.text_features(ids, valid), valid, sign, sign_valid

    @torch.no_grad()
    def pools(self, texts: Sequence[str], motions: Sequence[Tensor]) -> list[np.ndarray]:
        """Scores of consecutive pools of 45 pairs, rows texts, as the release has them.

        Encoders read the padding of their pool, and the mask of the sign view is the row's.

        Args:
            motions: *normalised* features ``[T, 133]``.
        """
        found = []
        for first in range(0, len(texts), quirk.POOL):
            chosen = slice(first, first + quirk.POOL)
            features, scale = self._pool(texts[chosen], motions[chosen], False), self._scale
            found.append((quirk.views(*features, scale)[1] / scale).numpy())
        return found

    @torch.no_grad()
    def similarity(
        self, texts: Sequence[str], motions: Sequence[Tensor], block: int = 32
    ) -> np.ndarray:
        """Scores of all pairs ``[N, N]``, rows texts, each blind to what it is batched with."""
        starts = range(0, len(texts), block)
        blocks = [self._pool(texts[i : i + block], motions[i : i + block], True) for i in starts]
        rows = []
        for text, text_valid, _, _ in blocks:
            row = [
                self.model.similarity(text, text_valid, sign, valid) for _, _, sign, valid in blocks
            ]
            rows.append(torch.cat(row, 1))
        return torch.cat(rows).numpy()

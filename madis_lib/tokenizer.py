"""Signing as tokens: three VQ-VAEs, for upper body, left and right hand (MaDiS §3.1).

Four frames become a triple of tokens (body, left hand, right hand).  The parts share nothing but
the loss::

    loss = smoothL1(x, x') + 0.02 * sum over parts of |z - stop(e)|^2      x: normalised features
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from madis_lib import parts
from madis_lib.data.stats import divisor
from madis_lib.distributed import ALONE, World
from madis_lib.files import atomic_write, read_safetensors
from madis_lib.presets import TokenizerConfig
from madis_lib.vqvae import VQVAE, EMACodebook, Reconstruction, length_mask, masked_smooth_l1

__all__ = ["VQVAE", "EMACodebook", "Reconstruction", "Tokenizer", "masked_smooth_l1"]

COMMITMENT_WEIGHT = 0.02
FORMAT = "madis-tokenizer-1"


class Tokenizer(nn.Module):
    """Raw features ``[B, T, 133]`` to and from token triples ``[B, T/4, 3]`` (MaDiS §3.1).

    One that is not ``decoupled`` has a single stream ``[B, T/4, 1]`` for the whole body, as
    MotionGPT has.  ``mean`` and ``std`` ``[133]`` normalise the features; a feature that never varies (std 0) is
    only centred.  The triple is (body, left hand, right hand).
    """

    vqvaes: Mapping[str, VQVAE]
    mean: Tensor
    std: Tensor

    def __init__(
        self, config: TokenizerConfig, mean: Tensor | None = None, std: Tensor | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.world = ALONE
        widths = {"whole": parts.NUM_FEATURES}
        if config.decoupled:
            widths = {part: len(parts.COLUMNS[part]) for part in parts.PARTS}
        self.parts = tuple(widths)
        self.vqvaes = nn.ModuleDict(  # type: ignore[assignment]
            {
                part: VQVAE(
                    widths[part],
                    codes,
                    config.width,
                    config.code_dim,
                    config.depth,
                    config.decay,
                )
                for part, codes in zip(self.parts, config.codes, strict=True)
            }
        )
        self.register_buffer("mean", torch.zeros(parts.NUM_FEATURES))
        self.register_buffer("std", torch.ones(parts.NUM_FEATURES))
        if mean is not None and std is not None:
            self.set_statistics(mean, std)

    def _split(self, features: Tensor) -> Mapping[str, Tensor]:
        return parts.split(features) if self.config.decoupled else {"whole": features}

    def _join(self, found: Mapping[str, Tensor]) -> Tensor:
        return parts.join(found) if self.config.decoupled else found["whole"]

    def train_with(self, world: World) -> None:
        """Train as one of several processes: codebooks and losses are those of all their clips."""
        self.world = world
        for vqvae in self.vqvaes.values():
            vqvae.codebook.gather = world.gather

    def _weight(self, features: Tensor, lengths: Tensor | None) -> float:
        """Of this process's means over valid frames (and tokens, a quarter as many)."""
        batch, frames = features.shape[:2]
        valid = torch.full((batch,), frames) if lengths is None else lengths
        return self.world.weight(valid.sum().to(features.device))

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Set the normalisation; ValueError unless both are 133 finite numbers, std >= 0."""
        mean, std = torch.as_tensor(mean), torch.as_tensor(std)
        for name, value in (("mean", mean), ("std", std)):
            if value.shape != (parts.NUM_FEATURES,) or not bool(value.isfinite().all()):
                raise ValueError(f"{name} must be {parts.NUM_FEATURES} finite numbers")
        if bool((std < 0).any()):
            raise ValueError("std must not be negative")
        self.mean.copy_(mean)
        self.std.copy_(divisor(std))

    def normalise(self, features: Tensor) -> Tensor:
        """``(features - mean) / std``; ``[..., 133]``."""
        return (features - self.mean) / self.std

    def denormalise(self, features: Tensor) -> Tensor:
        """The inverse of :meth:`normalise`."""
        return features * self.std + self.mean

    def encode(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Tokens int64 ``[B, T/4, 3]`` of raw features; 0 beyond a clip's length (in frames)."""
        x = self._split(self.normalise(features))
        return torch.stack([self.vqvaes[p].encode(x[p], lengths) for p in self.parts], dim=-1)

    def decode(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Raw features ``[B, 4L, 133]`` of tokens ``[B, L, 3]``; zero beyond ``lengths`` tokens."""
        codes = [
            self.vqvaes[p].codebook.lookup(t)
            for p, t in zip(self.parts, tokens.unbind(-1), strict=True)
        ]
        features = self.denormalise(self.decode_latents(codes, lengths))
        mask = length_mask(lengths, len(tokens), tokens.shape[1], tokens.device)
        if mask is None:
            return features
        return features * mask.repeat_interleave(parts.FRAMES_PER_TOKEN, dim=1)[..., None]

    def decode_latents(self, latents: Sequence[Tensor], lengths: Tensor | None = None) -> Tensor:
        """*Normalised* features ``[B, 4L, 133]`` of three latents ``[B, L, D]``, differentiable."""
        pairs = zip(self.parts, latents, strict=True)
        return self._join({p: self.vqvaes[p].decode_latents(z, lengths) for p, z in pairs})

    def loss(
        self,
        features: Tensor,
        lengths: Tensor | None = None,
        generator: torch.Generator | None = None,
        among: Sequence[str] | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Smooth L1 of normalised features + 0.02 x the sum of three commitments, and its logs.

        Every term is a mean over valid frames: padding changes nothing.  In training mode the
        call also moves the codebooks.  With ``among`` only these parts are looked at, and add to the
        loss what they add among all: to train one after the other is to train all at once.
        """
        target = self.normalise(features)
        x = self._split(target)
        out = {p: self.vqvaes[p](x[p], lengths, generator) for p in among or self.parts}
        weight = self._weight(features, lengths)
        rebuilt = self._join({**x, **{p: o.recon for p, o in out.items()}})
        recon = weight * masked_smooth_l1(rebuilt, target, lengths)
        commitment = weight * torch.stack([o.commitment for o in out.values()]).sum()
        total = recon + COMMITMENT_WEIGHT * commitment
        logs = {"loss": total, "reconstruction": recon, "commitment": commitment}
        logs |= {f"perplexity_{p}": o.perplexity for p, o in out.items()}
        return total, {name: value.detach() for name, value in logs.items()}

    def autoencoder_loss(
        self,
        features: Tensor,
        lengths: Tensor | None = None,
        among: Sequence[str] | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Smooth L1 without the codes: a warm-up that leaves the codebooks untouched.

        The first batch of :meth:`loss` then initialises the codes among latents that already mean
        something, which saves a short run most of its dead codes.
        """
        target = self.normalise(features)
        x = self._split(target)
        tokens = None if lengths is None else lengths // parts.FRAMES_PER_TOKEN
        rebuilt = {}
        for p in among or self.parts:
            latents, _ = self.vqvaes[p].encode_latents(x[p], lengths)
            rebuilt[p] = self.vqvaes[p].decode_latents(latents, tokens)
        recon = masked_smooth_l1(self._join({**x, **rebuilt}), target, lengths)
        total = self._weight(features, lengths) * recon
        return total, {"reconstruction": total.detach()}

    forward = loss  # what a data-parallel wrapper calls

    def codebooks(self) -> tuple[Tensor, ...]:
        """The codes of body, left and right hand, each ``[K, D]``."""
        return tuple(self.vqvaes[p].codebook.embedding for p in self.parts)

    def fingerprint(self) -> str:
        """SHA-256 of all that decides what a token means: weights, codes, normalisation."""
        digest = hashlib.sha256()
        for name, value in sorted(_without_training_state(self.state_dict()).items()):
            value = value.detach().cpu().contiguous()
            digest.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
            digest.update(value.numpy().tobytes())
        return digest.hexdigest()

    def save(self, path: str | Path, half: bool = False) -> None:
        """Write one safetensors file, config inside.

        ``half`` is for shipping: weights and codes in float16, codebook sums and counts left out
        (after loading, training would start them anew).
        """
        state = {k: v.detach().cpu().contiguous() for k, v in self.state_dict().items()}
        if half:
            state = {
                k: v if k in ("mean", "std") else v.half()
                for k, v in _without_training_state(state).items()
            }
        metadata = {"format": FORMAT, "config": json.dumps(asdict(self.config))}
        with atomic_write(path) as temporary:
            save_file(state, temporary, metadata=metadata)

    @classmethod
    def load(cls, path: str | Path) -> Tokenizer:
        """Read what :meth:`save` wrote, in float32 and evaluation mode.

        Raises FileNotFoundError, or ValueError naming what is wrong with the file.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no tokenizer here; train one or give its path")
        state, metadata = read_safetensors(path, FORMAT)
        try:
            config = json.loads(metadata["config"])
            with torch.device("meta"):  # shapes only: no memory, no random numbers drawn
                tokenizer = cls(TokenizerConfig(**(config | {"codes": tuple(config["codes"])})))
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{path}: metadata 'config' is unusable ({error!r})") from None
        for name in [k for k in state if k.endswith("codebook.embedding")]:
            codes, book = state[name], name.removesuffix("embedding")
            state.setdefault(book + "code_sum", codes.clone())  # absent from a shipped file
            state.setdefault(book + "code_count", torch.ones(len(codes)))
            state.setdefault(book + "initialised", torch.tensor(True))
        expected = tokenizer.state_dict()
        for name in sorted(expected.keys() | state.keys()):
            have, want = (list(s[name].shape) if name in s else None for s in (state, expected))
            if have != want:
                raise ValueError(f"{path}: tensor {name!r} is {have}, its config says {want}")
            if not bool(state[name].isfinite().all()):
                raise ValueError(f"{path}: tensor {name!r} holds NaN or infinity; make it anew")
        state = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
        tokenizer.load_state_dict(state, assign=True)
        return tokenizer.eval()


_TRAINING_STATE = ("code_sum", "code_count", "initialised")


def _without_training_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k: v for k, v in state.items() if not k.endswith(_TRAINING_STATE)}

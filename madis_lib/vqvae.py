"""A VQ-VAE for one part of the body, blind to padding (MaDiS §3.1).

Frames ``x [B, T, d]`` become one latent per four frames, ``z [B, T/4, D]``; each latent is replaced
by its nearest code, ``i = argmin_k |z - e_k|^2``, and the codes are decoded::

    loss = smoothL1(x, decoder(e_i)) + 0.02 * |z - stop(e_i)|^2

Clips in a batch differ in length.  ``lengths`` counts valid steps along the time axis of the
*input* (frames where features go in, tokens where tokens or latents go in), and what lies beyond is
zero before every convolution: a clip gets the same tokens alone as in any batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from madis_lib import parts


class Quantised(NamedTuple):
    """Latents replaced by their codes; positions beyond a clip's length are zero."""

    latents: Tensor  # [B, L, D]; its gradient is handed to the encoder unchanged
    commitment: Tensor  # scalar, mean |z - stop(e)|^2 over valid numbers
    perplexity: Tensor  # scalar, codes in effective use
    indices: Tensor  # int64 [B, L]


class Reconstruction(NamedTuple):
    """What a part's VQ-VAE makes of a clip; see :class:`Quantised`."""

    recon: Tensor  # [B, T, d]
    commitment: Tensor
    perplexity: Tensor
    indices: Tensor  # int64 [B, T/4]


def length_mask(
    lengths: Tensor | None, batch: int, size: int, device: torch.device
) -> Tensor | None:
    """Valid steps, bool ``[batch, size]``; None when all are valid and nothing need be masked.

    Raises ValueError where ``lengths`` is not ``batch`` whole numbers from 0 to ``size``.
    """
    if lengths is None:
        return None
    lengths = torch.as_tensor(lengths)
    if lengths.shape != (batch,) or bool(((lengths < 0) | (lengths > size)).any()):
        raise ValueError(
            f"lengths must be {batch} numbers from 0 to {size}, got {lengths.tolist()}"
        )
    if bool((lengths == size).all()):
        return None
    return torch.arange(size, device=device) < lengths.to(device)[:, None]


def frame_mask(x: Tensor, lengths: Tensor | None) -> Tensor | None:
    """:func:`length_mask` of clips ``x [B, T, d]`` that an :class:`Encoder` may read.

    Raises ValueError where T or a length is not a multiple of four frames.
    """
    step = parts.FRAMES_PER_TOKEN
    ragged = lengths is not None and bool((torch.as_tensor(lengths) % step).any())
    if x.shape[1] % step or ragged:
        raise ValueError(
            f"clip and batch lengths must be multiples of {step} frames: crop or pad them "
            f"(batch of {x.shape[1]} frames)"
        )
    return length_mask(lengths, len(x), x.shape[1], x.device)


def keep(x: Tensor, mask: Tensor | None) -> Tensor:
    """``x`` where ``mask`` (broadcastable, same dtype, 0 or 1) is one, else zero."""
    return x if mask is None else x * mask


class ResidualBlock(nn.Module):
    """``x + conv1(relu(conv3(relu(x))))``; only conv3, dilated, looks at its neighbours."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.dilated = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.pointwise = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return keep(x + self.pointwise(F.relu(self.dilated(F.relu(x)))), mask)


class Stage(nn.Module):
    """One factor of two in time: a convolution that resamples and a stack of residual blocks."""

    blocks: Iterable[ResidualBlock]

    def __init__(self, resample: nn.Conv1d, depth: int) -> None:
        super().__init__()
        self.resample = resample
        width = resample.out_channels
        self.blocks = nn.ModuleList(  # type: ignore[assignment]
            ResidualBlock(width, 3**i) for i in reversed(range(depth))
        )


class Encoder(nn.Module):
    """Features ``[B, d, T]`` to latents ``[B, D, T/4]``."""

    stages: Iterable[Stage]

    def __init__(self, features: int, width: int, code_dim: int, depth: int) -> None:
        super().__init__()
        self.input = nn.Conv1d(features, width, 3, padding=1)
        self.stages = nn.ModuleList(  # type: ignore[assignment]
            Stage(nn.Conv1d(width, width, 4, stride=2, padding=1), depth) for _ in range(2)
        )
        self.output = nn.Conv1d(width, code_dim, 3, padding=1)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = keep(F.relu(self.input(keep(x, mask))), mask)
        for stage in self.stages:
            mask = None if mask is None else mask[..., ::2]
            x = keep(stage.resample(x), mask)
            for block in stage.blocks:
                x = block(x, mask)
        return keep(self.output(x), mask)


class Decoder(nn.Module):
    """Latents ``[B, D, L]`` to features ``[B, d, 4L]``."""

    stages: Iterable[Stage]

    def __init__(self, features: int, width: int, code_dim: int, depth: int) -> None:
        super().__init__()
        self.input = nn.Conv1d(code_dim, width, 3, padding=1)
        self.stages = nn.ModuleList(  # type: ignore[assignment]
            Stage(nn.Conv1d(width, width, 3, padding=1), depth) for _ in range(2)
        )
        self.hidden = nn.Conv1d(width, width, 3, padding=1)
        self.output = nn.Conv1d(width, features, 3, padding=1)

    def forward(self, z: Tensor, mask: Tensor | None) -> Tensor:
        x = keep(F.relu(self.input(keep(z, mask))), mask)
        for stage in self.stages:
            for block in stage.blocks:
                x = block(x, mask)
            mask = None if mask is None else mask.repeat_interleave(2, dim=-1)
            x = keep(stage.resample(x.repeat_interleave(2, dim=-1)), mask)
        x = keep(F.relu(self.hidden(x)), mask)
        return keep(self.output(x), mask)


class EMACodebook(nn.Module):
    """Codes ``e_k`` that follow the moving average of the latents assigned to them (MaDiS §3.1).

    In training each call first quantises, then updates ``N_k`` and ``S_k``, the count and the sum
    of the latents whose nearest code is k::

        N_k <- 0.99 N_k + 0.01 n_k        S_k <- 0.99 S_k + 0.01 s_k
        e_k <- S_k / N_k if N_k >= 1 else z_k

    ``z_k`` is the k-th latent of the batch: a code in too little use is put where data is.  The
    first batch sets ``e_k = S_k = z_k`` and ``N_k = 1``.  A batch with fewer than K latents is
    repeated until there are K, with noise of deviation ``0.01 / sqrt(D)``, so that no two codes
    coincide; but with well under K latents *every* code counts as dead, so train on several K.

    All state is saved, and a resumed run continues exactly.  Under data parallelism set ``gather``
    to a function that concatenates ``[n, ...]`` tensors of all ranks in rank order; one process and
    many then hold the same codes (give every rank an equally seeded generator).
    """

    embedding: Tensor
    code_sum: Tensor
    code_count: Tensor
    initialised: Tensor

    def __init__(self, codes: int, dim: int, decay: float = 0.99) -> None:
        super().__init__()
        self.decay = decay
        self.gather: Callable[[Tensor], Tensor] = lambda x: x
        self.register_buffer("embedding", torch.randn(codes, dim))
        self.register_buffer("code_sum", self.embedding.clone())
        self.register_buffer("code_count", torch.ones(codes))
        self.register_buffer("initialised", torch.tensor(False))

    def nearest(self, vectors: Tensor) -> Tensor:
        """Index of the code with least squared distance; ``[..., D] -> int64 [...]``."""
        codes = self.embedding
        with torch.autocast(codes.device.type, enabled=False):  # near ties need full precision
            z = vectors.to(codes.dtype)
            return (codes.square().sum(-1) - 2 * z @ codes.T).argmin(-1)  # |z|^2 is common to all

    def lookup(self, indices: Tensor) -> Tensor:
        """Codes of ``indices``; int64 ``[...] -> [..., D]``.  ValueError outside the codebook."""
        if bool(((indices < 0) | (indices >= len(self.embedding))).any()):
            raise ValueError(f"tokens must lie in 0..{len(self.embedding) - 1}")
        return F.embedding(indices, self.embedding)

    def forward(
        self, z: Tensor, mask: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Quantised:
        """Quantise ``z [B, L, D]``; only positions in ``mask`` (bool ``[B, L]``) count or learn."""
        if mask is None:
            mask = z.new_ones(z.shape[:2], dtype=torch.bool)
        with torch.autocast(z.device.type, enabled=False):
            valid = z[mask].to(self.embedding.dtype)  # [N, D]
            stopped = valid.detach()
            if self.training and not self.initialised:
                self._initialise(self.gather(stopped), generator)
            nearest = self.nearest(stopped)
            code = F.embedding(nearest, self.embedding)
            commitment = F.mse_loss(valid, code, reduction="sum") / max(valid.numel(), 1)
            through = code + (valid - stopped)  # exactly the code; gradient of the identity
            everyone = self.gather(nearest) if self.training else nearest
            perplexity = self.perplexity(everyone)
            if self.training:
                self._update(self.gather(stopped), everyone, generator)
        latents = through.new_zeros(z.shape).masked_scatter(mask[..., None], through)
        indices = nearest.new_zeros(mask.shape).masked_scatter(mask, nearest)
        return Quantised(latents, commitment, perplexity, indices)

    def perplexity(self, indices: Tensor) -> Tensor:
        """``exp(-sum_k p_k log(p_k + 1e-7))`` of the share p of each code in ``indices``."""
        counts = torch.bincount(indices.flatten(), minlength=len(self.embedding))
        p = counts.to(self.embedding.dtype) / counts.sum().clamp(min=1)
        return torch.exp(-(p * (p + 1e-7).log()).sum())

    def _candidates(self, vectors: Tensor, generator: torch.Generator | None) -> Tensor:
        """The batch's first K latents ``[K, D]``, repeated with noise where it has fewer."""
        codes, dim = self.embedding.shape
        if len(vectors) >= codes:
            return vectors[:codes]
        if len(vectors) == 0 or generator is None:
            raise ValueError(
                f"a batch of {len(vectors)} latents cannot fill {codes} codes: "
                "use larger batches, or pass a generator to repeat them with noise"
            )
        tiled = vectors.repeat(math.ceil(codes / len(vectors)), 1)[:codes]
        noise = torch.randn(tiled.shape, generator=generator, device=generator.device)
        return tiled + noise.to(tiled) * (0.01 / math.sqrt(dim))

    def _initialise(self, vectors: Tensor, generator: torch.Generator | None) -> None:
        self.embedding.copy_(self._candidates(vectors, generator))
        self.code_sum.copy_(self.embedding)
        self.code_count.fill_(1)
        self.initialised.fill_(True)

    def _update(self, vectors: Tensor, indices: Tensor, generator: torch.Generator | None) -> None:
        assigned = F.one_hot(indices, len(self.embedding)).to(vectors.dtype)  # [N, K]
        self.code_sum.lerp_(assigned.T @ vectors, 1 - self.decay)
        self.code_count.lerp_(assigned.sum(0), 1 - self.decay)
        alive = self.code_count[:, None] >= 1
        mean = self.code_sum / self.code_count[:, None]
        self.embedding.copy_(torch.where(alive, mean, self._candidates(vectors, generator)))


class VQVAE(nn.Module):
    """One part's tokenizer: encoder, codebook, decoder (MaDiS §3.1).  Time is the middle axis."""

    def __init__(
        self,
        features: int,
        codes: int,
        width: int,
        code_dim: int,
        depth: int = 3,
        decay: float = 0.99,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(features, width, code_dim, depth)
        self.codebook = EMACodebook(codes, code_dim, decay)
        self.decoder = Decoder(features, width, code_dim, depth)

    def forward(
        self,
        x: Tensor,
        lengths: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Reconstruction:
        """Encode, quantise (in training: and move the codes), decode ``x [B, T, d]``."""
        z, mask = self.encode_latents(x, lengths)
        quantised = self.codebook(z, mask, generator)
        recon = self._decode(quantised.latents, mask)
        return Reconstruction(recon, *quantised[1:])

    def encode_latents(
        self, x: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Latents before quantisation ``[B, T/4, D]`` and their mask (None: all valid).

        Raises ValueError where T or a length is not a multiple of four frames.
        """
        frames = frame_mask(x, lengths)
        z = self.encoder(x.transpose(1, 2), None if frames is None else frames[:, None].to(x))
        return z.transpose(1, 2), None if frames is None else frames[:, :: parts.FRAMES_PER_TOKEN]

    @torch.no_grad()
    def encode(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Tokens int64 ``[B, T/4]`` of ``x [B, T, d]``; 0 beyond a clip's length (in frames)."""
        z, mask = self.encode_latents(x, lengths)
        indices = self.codebook.nearest(z)
        return indices if mask is None else indices * mask

    def decode(self, indices: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Features ``[B, 4L, d]`` of tokens ``[B, L]``; ``lengths`` in tokens."""
        return self.decode_latents(self.codebook.lookup(indices), lengths)

    def decode_latents(self, z: Tensor, lengths: Tensor | None = None) -> Tensor:
        """As :meth:`decode`, of latents ``[B, L, D]``; differentiable."""
        return self._decode(z, length_mask(lengths, len(z), z.shape[1], z.device))

    def _decode(self, z: Tensor, mask: Tensor | None) -> Tensor:
        channels = None if mask is None else mask[:, None].to(z)
        return self.decoder(z.transpose(1, 2), channels).transpose(1, 2)


def masked_smooth_l1(
    prediction: Tensor,
    target: Tensor,
    lengths: Tensor | None = None,
) -> Tensor:
    """Smooth L1 (beta 1) of ``[B, T, d]`` over the first ``lengths`` frames of each clip; a scalar.

    The sum is divided by the count of valid numbers, so padding changes nothing; the release
    divides by the count of all B·T·d.
    """
    mask = length_mask(lengths, len(target), target.shape[1], target.device)
    if mask is None:
        return F.smooth_l1_loss(prediction, target)
    valid = mask[..., None].to(prediction)
    total = (F.smooth_l1_loss(prediction, target, reduction="none") * valid).sum()
    return total / (mask.sum().clamp(min=1) * target.shape[-1])

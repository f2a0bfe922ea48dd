from __future__ import annotations

import numpy as np
import pytest
import torch

from madis_lib.data import batches


def test_features_are_padded_with_zeros():
    clips = [np.full((n, 133), n, np.float64) for n in (8, 4)]
    batch, lengths = batches.pad_features(clips)
    assert batch.shape == (2, 8, 133) and batch.dtype == torch.float32
    assert lengths.tolist() == [8, 4] and lengths.dtype == torch.int64
    assert (batch[1, :4] == 4).all() and (batch[1, 4:] == 0).all()


def test_triples_and_text_are_padded_with_pad():
    batch, lengths = batches.pad_tokens([np.ones((2, 3), int), np.ones((1, 3), int)], pad=9)
    assert batch.tolist() == [[[1] * 3, [1] * 3], [[1] * 3, [9] * 3]] and lengths.tolist() == [2, 1]
    text, lengths = batches.pad_tokens([[], [5, 6]], pad=0)
    assert text.tolist() == [[0, 0], [5, 6]] and text.dtype == torch.int64
    assert batches.valid_mask(lengths, 2).tolist() == [[False, False], [True, True]]


def test_a_clip_is_the_same_alone_and_in_a_batch():
    rng = np.random.default_rng(0)
    clips = [rng.normal(size=(n, 133)).astype(np.float32) for n in (4, 12, 8)]
    batch, lengths = batches.pad_features(clips)
    for clip, row, n in zip(clips, batch, lengths, strict=True):
        assert torch.equal(batches.pad_features([clip])[0][0], row[:n])


def test_nothing_to_pad():
    with pytest.raises(ValueError, match="at least one"):
        batches.pad_features([])

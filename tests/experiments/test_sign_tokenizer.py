"""The sign tokenizer of a suite."""

import numpy as np

from madis_lib.experiments.sign_tokenizer import encode


def test_clips_in_any_order_keep_their_own_tokens(suite):
    rng = np.random.default_rng(0)
    clips = [rng.normal(size=(n, 133)).astype(np.float32) for n in (12, 40, 4, 16, 40)]
    found = encode(suite.tokenizer, clips, batch_size=2)
    for one, codes in zip(clips, found, strict=True):
        np.testing.assert_array_equal(codes, encode(suite.tokenizer, [one])[0])
        assert codes.shape == (len(one) // 4, 3)

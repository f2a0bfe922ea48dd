"""The release's protocol inside the shared training loop."""

import pytest
import torch

from madis_lib.objectives import Batch
from madis_lib.release import forward, training
from tests.tiny import small_model

LOSSES = (training.pretraining_loss, training.finetuning_loss)


def batch() -> Batch:
    g = torch.Generator().manual_seed(1)
    codes = torch.stack([torch.randint(0, k, (4, 9), generator=g) for k in (6, 5, 5)], -1)
    text, valid = torch.randint(1, 20, (4, 5), generator=g), torch.ones(4, 5, dtype=torch.bool)
    motion = torch.randn(4, 36, 133, generator=g)
    return Batch(text, valid, codes, torch.tensor([9, 7, 3, 9]), motion)


def decoders():
    g = torch.Generator().manual_seed(2)
    maps = [torch.randn(16, 4 * d, generator=g) for d in (43, 45, 45)]
    return [lambda h, _, w=w: (h @ w).reshape(len(h), -1, w.shape[1] // 4) for w in maps]


@pytest.mark.parametrize("loss", LOSSES)
def test_an_update_depends_on_its_generator_alone(loss):
    """So a killed run goes on to the same weights, dropout included."""
    model = small_model()
    forward.add_dropout(model.train())
    found = []
    for before in (0, 1):
        torch.manual_seed(before)  # whatever the process did earlier
        found.append(float(loss(model, decoders(), batch(), torch.Generator().manual_seed(3))[0]))
        after = torch.rand(())
        torch.manual_seed(before)
        assert after == torch.rand(())  # and it leaves no trace
    assert found[0] == found[1]
    model.eval()
    still = float(loss(model, decoders(), batch(), torch.Generator().manual_seed(3))[0])
    assert still != found[0]  # dropout did something


@pytest.mark.parametrize("loss", LOSSES)
def test_what_is_logged(loss):
    total, logs = loss(small_model(), decoders(), batch(), torch.Generator().manual_seed(3))
    weight = 1.0 if loss is training.pretraining_loss else 0.5
    expected = logs["sign"] + weight * (logs["latent"] + logs["physical"])
    assert total.detach() == pytest.approx(float(expected.detach()), rel=1e-5)
    assert "eos_share" not in logs and "text" not in logs

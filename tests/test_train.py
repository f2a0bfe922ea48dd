"""The loop: every sample once an epoch, the schedule, and resuming to the same weights."""

import pytest
import torch

from madis_lib import train
from madis_lib.presets import TrainConfig

CONFIG = TrainConfig(updates=30, batch_size=4, learning_rate=0.05, warmup=5)


class Toy(torch.nn.Module):
    """Fits noisy numbers; keeps a running statistic, as a codebook does."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.line = torch.nn.Linear(3, 1)
        self.register_buffer("seen", torch.zeros(()))
        self.x = torch.randn(11, 3, generator=torch.Generator().manual_seed(1))

    def loss(self, indices, generator, update):
        self.seen += indices.sum()
        noise = torch.randn(len(indices), 1, generator=generator)
        loss = (self.line(self.x[indices]) - 1 + 0.1 * noise).square().mean()
        return loss, {"twice": 2 * loss.detach()}


def run(path, module=None, config=CONFIG, seed=0):
    module = module or Toy()
    history = train.fit(module, module.loss, 11, config, path, seed)
    return module.state_dict(), history


def test_each_epoch_sees_each_sample_once():
    batches = [train.samples_of(u, 11, 4, seed=3) for u in range(11)]
    stream = torch.cat(batches)
    assert len(stream) == 44
    for epoch in range(4):
        assert sorted(stream[epoch * 11 : (epoch + 1) * 11].tolist()) == list(range(11))
    assert stream[:11].tolist() != stream[11:22].tolist()
    assert len(train.samples_of(0, 3, 8, seed=0)) == 8  # a batch larger than the set


def test_learning_rate_warms_up_then_falls_to_the_end():
    rates = [train.learning_rate(u, CONFIG) for u in range(CONFIG.updates + 1)]
    assert rates[0] == pytest.approx(0.01) and max(rates) == pytest.approx(0.05)
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[-1] == pytest.approx(CONFIG.final_learning_rate)


def test_same_seed_same_weights_other_seed_other_weights(tmp_path):
    (a, history), (b, _), (c, _) = (
        run(tmp_path / f"{i}.pt", seed=s) for i, s in enumerate([0, 0, 1])
    )
    assert all((a[k] == b[k]).all() for k in a)
    assert (a["line.weight"] != c["line.weight"]).any()
    assert history[-1]["update"] == 30 and history[-1]["loss"] < history[0]["loss"]
    assert history[0]["twice"] == pytest.approx(2 * history[0]["loss"])


@pytest.mark.parametrize("stop", [1, 7, 29])
def test_a_stopped_run_resumes_to_the_same_weights(tmp_path, stop, monkeypatch):
    expected, history = run(tmp_path / "whole.pt")
    monkeypatch.setattr(train, "SAVE_EVERY", -1.0)  # a checkpoint after every update
    module = Toy()
    plain, calls = module.loss, 0

    def dies(indices, generator, update):
        nonlocal calls
        calls += 1
        if calls > stop:
            raise KeyboardInterrupt
        return plain(indices, generator, update)

    module.loss = dies
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut.pt", module)
    resumed, resumed_history = run(tmp_path / "cut.pt", Toy())
    assert all((expected[k] == resumed[k]).all() for k in expected)
    assert resumed_history == history


def test_a_log_that_begins_late_is_averaged_over_its_own_updates(tmp_path, monkeypatch):
    """As the codebooks' logs do, which begin after the tokenizer's warm-up."""
    monkeypatch.setattr(train, "LOG_POINTS", 3)  # stretches of ten updates
    module = Toy()
    plain = module.loss

    def late(indices, generator, update):
        loss, logs = plain(indices, generator, update)
        return loss, logs | ({"late": torch.tensor(7.0)} if update >= 8 else {})

    module.loss = late
    _, history = run(tmp_path / "a.pt", module)
    assert [h["late"] for h in history] == [7.0, 7.0, 7.0]


def test_a_finished_run_is_not_trained_again(tmp_path):
    expected, history = run(tmp_path / "a.pt")
    module = Toy()
    module.loss = None
    again, same = run(tmp_path / "a.pt", module)
    assert all((expected[k] == again[k]).all() for k in expected) and same == history


def test_a_damaged_checkpoint_is_said_and_the_run_starts_anew(tmp_path, caplog):
    expected, _ = run(tmp_path / "a.pt")
    half = (tmp_path / "a.pt").read_bytes()[:300]
    (tmp_path / "b.pt").write_bytes(half)
    again, _ = run(tmp_path / "b.pt")
    assert all((expected[k] == again[k]).all() for k in expected)
    assert "damaged" in caplog.text and (tmp_path / ".tmp-damaged-b.pt").read_bytes() == half


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), MemoryError()])
def test_a_checkpoint_that_cannot_be_read_now_is_kept(tmp_path, monkeypatch, error):
    """A disk that fails for a moment must not cost days of training."""
    run(tmp_path / "a.pt")
    before = (tmp_path / "a.pt").read_bytes()

    def fails(*_, **__):
        raise error

    monkeypatch.setattr(train.torch, "load", fails)
    with pytest.raises(type(error)):
        run(tmp_path / "a.pt")
    assert (tmp_path / "a.pt").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.pt"]


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    module = Toy()
    module.loss = lambda indices, generator, update: (torch.tensor(float("nan")), {})
    with pytest.raises(FloatingPointError, match="update 0"):
        run(tmp_path / "a.pt", module)

"""The reverse process: exact pivots, eos, invariances."""

import pytest
import torch

from madis_lib import utc
from madis_lib.sampler import at_random, choose_triples, generate
from tests.tiny import small_model


def text(n=3):
    g = torch.Generator().manual_seed(0)
    ids = torch.randint(1, 20, (n, 7), generator=g)
    return ids, torch.arange(7) < torch.tensor([7, 3, 5])[:n, None]


@pytest.mark.parametrize("layout", ["uniform", "contiguous"])
@pytest.mark.parametrize("steps", [3, 5, 12])
def test_pivots_hold_exactly(steps, layout):
    model = small_model()
    out = generate(model, *text(), steps=steps, layout=layout)
    sizes = utc.stage_schedule(12, steps, layout=layout)
    edge = 0
    for pivot, counts in zip(utc.pivots(12, layout=layout), sizes, strict=True):
        edge += len(counts)
        known = (out.step >= 0) & (out.step < edge)
        assert (known == pivot).all()
    counts = utc.schedule(12, steps, layout=layout)
    for row in out.step:
        assert torch.bincount(row).tolist() == counts


def test_a_sentence_alone_equals_the_sentence_in_a_batch():
    model = small_model(torch.float64)
    ids, valid = text()
    batched = generate(model, ids, valid, steps=6)
    for b in range(3):
        n = int(valid[b].sum())
        alone = generate(model, ids[b : b + 1, :n], valid[b : b + 1, :n], steps=6)
        for field in ("codes", "lengths", "step"):
            assert (getattr(alone, field)[0] == getattr(batched, field)[b]).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_what_is_all_but_certain_is_drawn_in_any_precision(dtype):
    """Noise that is rounded to infinity would draw anything."""
    logits = [torch.zeros(2000, n, dtype=dtype) for n in (97, 193, 193)]
    for of in logits:
        of[:, 7] = 40
    codes, _ = choose_triples(logits, 1.0, torch.Generator().manual_seed(0))
    assert (codes == 7).all()


def test_codes_are_codes_and_lengths_end_at_the_first_eos(monkeypatch):
    model = small_model()
    plain = model.sign_logits

    def with_eos(hidden):
        logits = plain(hidden)
        logits[0][:2, 5, -1] += 100
        logits[0][:1, 3, -1] += 100
        logits[0][2, 0, -1] += 100  # a sentence has at least one sign, so this is refused
        return logits

    monkeypatch.setattr(model, "sign_logits", with_eos)
    out = generate(model, *text(), steps=12)
    assert out.lengths[:2].tolist() == [3, 5] and out.lengths[2] >= 1
    for row, length in zip(out.codes, out.lengths, strict=True):
        assert (row[:length] >= 0).all()
        assert (row[:length] < torch.tensor(model.vocab.codes)).all()


@pytest.mark.parametrize("wish", [100, -100])
def test_given_lengths_are_kept_whatever_the_model_wishes(monkeypatch, wish):
    model = small_model()
    plain = model.sign_logits

    def wishing(hidden):
        logits = plain(hidden)
        logits[0][..., -1] += wish  # for or against eos
        return logits

    monkeypatch.setattr(model, "sign_logits", wishing)
    given = torch.tensor([1, 7, 12])
    assert torch.equal(generate(model, *text(), steps=6, lengths=given).lengths, given)


@pytest.mark.parametrize("length", [0, 13])
def test_lengths_that_the_canvas_has_not_are_refused(length):
    given = torch.tensor([5, length, 5])
    with pytest.raises(ValueError, match=rf"lengths are \[5, {length}, 5\]: give 1 to 12"):
        generate(small_model(), *text(), steps=6, lengths=given)


def test_eos_belongs_to_the_body():
    eos_body = [torch.tensor([0.0, 0.0, 9.0]), torch.tensor([5.0, 0.0]), torch.tensor([5.0, 0.0])]
    triple, confidence = choose_triples(eos_body, 0.0, None)
    assert triple.tolist() == [2, 1, 1]
    mean = sum(torch.log_softmax(x, -1)[-1] for x in eos_body) / 3
    torch.testing.assert_close(confidence, mean)
    eos_hand = [torch.tensor([3.0, 0.0, 0.0]), torch.tensor([0.0, 9.0]), torch.tensor([0.0, 9.0])]
    triple, confidence = choose_triples(eos_hand, 0.0, None)
    assert triple.tolist() == [0, 0, 0]
    mean = sum(torch.log_softmax(x, -1)[0] for x in eos_hand) / 3  # with the eos they may not take
    torch.testing.assert_close(confidence, mean)


def test_confidence_decides_the_order_inside_a_stage():
    """With fixed logits the surest positions of each grid are written first."""

    class Fixed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            inner = small_model()
            self.vocab, self.config = inner.vocab, inner.config
            self.sure = torch.rand(12, generator=torch.Generator().manual_seed(3)) * 5

        def forward(self, text_ids, text_valid, ids, valid, mop):
            return None, self.sure.expand(len(ids), -1)

        def sign_logits(self, hidden):
            logits = []
            for k in self.vocab.codes:
                x = torch.zeros(*hidden.shape, k + 1)
                x[..., 0] = hidden
                logits.append(x)
            return logits

    model = Fixed()
    out = generate(model, *text(1), steps=12)
    quarter, half, everything = utc.pivots(12)
    none = torch.zeros_like(quarter)
    for grid, earlier in ((quarter, none), (half, quarter), (everything, half)):
        new = (grid & ~earlier).nonzero().flatten()
        by_time = new[out.step[0, new].argsort()]
        by_confidence = new[model.sure[new].argsort(descending=True)]
        assert by_time.tolist() == by_confidence.tolist()


def test_temperature_draws_reproducibly_and_zero_is_greedy():
    model = small_model()
    greedy = generate(model, *text(), steps=6).codes
    assert (greedy == generate(model, *text(), steps=6).codes).all()

    def drawn(seed):
        g = torch.Generator().manual_seed(seed)
        return generate(model, *text(), steps=6, temperature=1.0, generator=g).codes

    assert (drawn(0) == drawn(0)).all() and (drawn(0) != drawn(1)).any()


def test_a_random_order_knows_no_confidence_and_keeps_the_pivots():
    def order(seed):
        out = generate(small_model(seed=seed), *text(), steps=12, pick=at_random)
        assert (out.step == out.step[:1]).all()  # of every sentence
        return out.step[0]

    first = order(0)
    assert torch.equal(first, order(1)) and not torch.equal(first, first.sort().values)
    quarter, half = utc.grids(12)
    assert first[quarter].max() < first[~quarter].min() and first[half].max() < first[~half].min()

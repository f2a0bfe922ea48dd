"""What every row of Table 1 must do, whatever it is made of; then what each says of itself."""

import inspect

import numpy as np
import pytest
import torch

from madis_lib.data import text as text_data
from madis_lib.presets import TokenizerConfig
from madis_lib.systems import dictionary, soke, stacks
from madis_lib.systems.base import Example
from madis_lib.systems.dictionary import SignDictionary
from madis_lib.systems.madis import MaDiSSystem, MDLMSystem
from madis_lib.systems.motion_gpt import MotionGPTSystem
from madis_lib.systems.soke import SOKESystem
from madis_lib.tokenizer import Tokenizer
from tests import tiny

TEXTS = [
    "put the onion in the pan",
    "the dog sleeps",
    "cut bread and cheese for the children now",
    "you dance",
    "when does the train to the village leave today",
]
CODES = (12, 8, 8)
AUTOREGRESSIVE = ("soke_mbart", "soke_qwen3", "s_motiongpt")
KEYS = (*AUTOREGRESSIVE, "mdlm", "madis")
M = tiny.preset().model.max_tokens


def sign_tokenizer(decoupled: bool = True) -> Tokenizer:
    codes = CODES if decoupled else (sum(CODES),)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = TokenizerConfig(codes, width=12, code_dim=6, depth=1, decoupled=decoupled)
        tokenizer = Tokenizer(config, 0.1 * torch.randn(133), torch.rand(133) + 0.5)
    return tokenizer.eval()


def signs() -> SignDictionary:
    rng = np.random.default_rng(0)
    words = ("onion", "dog", "bread", "cheese", "dance", "train")
    return SignDictionary({w: rng.integers(0, 8, size=(12, 3)) for w in words})


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return text_data.train(TEXTS * 3, 280, tmp_path_factory.mktemp("text"))


def made(key, text, scale: float = 0.3):
    """Untrained, with larger weights than usual, so that sentences are signed differently."""
    preset = tiny.preset()
    if key == "s_motiongpt":
        system = MotionGPTSystem.untrained(preset, sign_tokenizer(False), text, 0)
    elif key.startswith("soke"):
        system = SOKESystem.untrained(
            preset, sign_tokenizer(), text, key.removeprefix("soke_"), 0, {"how2sign": signs()},
            "how2sign",
        )  # fmt: skip
    else:
        kind = MDLMSystem if key == "mdlm" else MaDiSSystem
        system = kind.untrained(preset, sign_tokenizer(), text, 0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in system.model.parameters():
            weight += scale * torch.randn(weight.shape, generator=generator)
    system.model.double().eval()
    system.tokenizer.requires_grad_(False)
    return system


@pytest.fixture(scope="module")
def systems(text):
    return {key: made(key, text) for key in KEYS}


def examples(width: int) -> list[Example]:
    rng = np.random.default_rng(1)
    lengths = (3, 7, 5, 2, 6)
    return [
        Example(t, "how2sign", rng.integers(0, 8, size=(n, width)))
        for t, n in zip(TEXTS, lengths, strict=True)
    ]


def loss_of(system, batch) -> torch.Tensor:
    return system.loss(batch, torch.Generator().manual_seed(0), "finetune")[0]


# -- every row ------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
def test_text_is_enough(systems, key):
    system = systems[key]
    given = list(inspect.signature(system.generate).parameters)
    assert given[:2] == ["sentences", "batch_size"]  # no length, no name, no motion
    signed = system.generate(TEXTS)
    assert len({s.tokens.tobytes() for s in signed}) == len(TEXTS)
    for s in signed:
        n = len(s.tokens)
        assert 1 <= n <= M and s.tokens.shape == (n, len(system.tokenizer.parts))
        assert s.features.shape == (4 * n, 133) and np.isfinite(s.features).all()


@pytest.mark.parametrize("key", KEYS)
def test_tokens_are_codes_and_all_that_is_decoded(systems, key):
    system = systems[key]
    for s in system.generate(TEXTS):
        assert (s.tokens >= 0).all() and (s.tokens < system.tokenizer.config.codes).all()
        again = system.tokenizer.decode(torch.tensor(s.tokens)[None])[0]
        np.testing.assert_allclose(s.features, again, atol=1e-5)


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("key", KEYS)
def test_a_sentence_is_signed_alike_in_any_batch(systems, key, size):
    """Among others: one that ends does not end another (SOKE's release does)."""
    together = systems[key].generate(TEXTS)
    alone = systems[key].generate(TEXTS[::-1], batch_size=size)[::-1]
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_array_equal(a.tokens, b.tokens)


@pytest.mark.parametrize("key", KEYS)
def test_a_card_says_what_it_is(systems, key):
    card = systems[key].card
    assert card.name and card.source and card.tokens and card.deviations
    assert card.dictionary == key.startswith("soke")


@pytest.mark.parametrize("key", KEYS)
def test_signing_takes_as_many_passes_as_it_should(text, systems, key):
    """One for each position and one for the end; the masked rows M / 4, however long the clip."""
    system, calls = systems[key], []
    (signed,) = system.generate(TEXTS[:1])
    if key in AUTOREGRESSIVE:
        stack = system.model.stack
        last = stack.decoder if hasattr(stack, "decoder") else stack.backbone
        expected = min(len(signed.tokens) + 1, M) + (last is getattr(stack, "backbone", None))
    else:
        last, expected = system.model.backbone, M // 4
    handle = last.register_forward_hook(lambda *_: calls.append(1))
    try:
        system.generate(TEXTS[:1])
    finally:
        handle.remove()
    if key != "s_motiongpt":  # which may write text in between, and drops it
        assert len(calls) == expected
    else:
        assert expected <= len(calls) <= M


# -- the rows that write from left to right ----------------------------------------------------------


@pytest.mark.parametrize("key", AUTOREGRESSIVE)
def test_the_cache_changes_nothing(systems, key):
    stack = systems[key].model.stack
    g = torch.Generator().manual_seed(0)
    d = tiny.preset().model.hidden_size
    prompt, sign = (torch.randn(3, n, d, generator=g).double() for n in (7, 9))
    valid = torch.arange(7) < torch.tensor([7, 4, 1])[:, None]
    with torch.no_grad():
        whole = stack(prompt, valid, sign)
        memory = stack.read(prompt, valid)
        steps = [stack.step(memory, sign[:, i : i + 1]) for i in range(9)]
    torch.testing.assert_close(torch.cat(steps, 1), whole, atol=1e-9, rtol=0)


@pytest.mark.parametrize("key", ["soke_mbart", "soke_qwen3"])
def test_signing_without_the_cache_is_the_same(systems, key):
    (a, n), (b, m) = (systems[key].write(TEXTS, cache=c) for c in (True, False))
    assert torch.equal(a, b) and torch.equal(n, m)


@pytest.mark.parametrize("key", AUTOREGRESSIVE)
def test_nothing_sees_what_comes_later(systems, key):
    stack = systems[key].model.stack
    g = torch.Generator().manual_seed(0)
    d = tiny.preset().model.hidden_size
    prompt, sign = (torch.randn(2, n, d, generator=g).double() for n in (5, 6))
    valid = torch.ones(2, 5, dtype=torch.bool)
    other = sign.clone()
    other[:, 4] *= -1
    with torch.no_grad():
        a, b = stack(prompt, valid, sign), stack(prompt, valid, other)
    torch.testing.assert_close(a[:, :4], b[:, :4], atol=1e-12, rtol=0)
    assert not torch.allclose(a[:, 4:], b[:, 4:])


@pytest.mark.parametrize("key", ["mdlm", "madis"])
def test_masked_rows_do_see_it(systems, key):
    model = systems[key].model
    ids = torch.full((1, M, 3), model.vocab.mask)
    other = ids.clone()
    other[:, 5] = model.vocab.to_ids(torch.tensor([1, 2, 3]))
    text, valid = torch.zeros(1, 2, dtype=torch.int64), torch.ones(1, 2, dtype=torch.bool)
    real = torch.ones(1, M, dtype=torch.bool)
    with torch.no_grad():
        a, b = (model(text, valid, x, real, mop=True)[1] for x in (ids, other))
    assert not torch.allclose(a[:, 0], b[:, 0])


@pytest.mark.parametrize("key", AUTOREGRESSIVE)
def test_padding_is_in_no_loss(systems, key):
    """The loss of a batch is the mean over its tokens of the losses of its sentences."""
    system = systems[key]
    batch = examples(len(system.tokenizer.parts))
    with torch.no_grad():
        alone = torch.stack([loss_of(system, [e]) for e in batch])
        together = loss_of(system, batch)
    counts = torch.tensor([len(e.tokens) + 1.0 for e in batch], dtype=torch.float64)
    torch.testing.assert_close(together, (alone * counts).sum() / counts.sum())


@pytest.mark.parametrize("key", AUTOREGRESSIVE)
def test_a_few_sentences_can_be_learnt_by_heart(text, key):
    """The end among them: what is signed is what was taught, and as long."""
    system = made(key, text, scale=0.0)
    system.model.float().train()
    batch = examples(len(system.tokenizer.parts))
    optimiser = torch.optim.AdamW(system.model.parameters(), lr=1e-2)
    first = None
    for _ in range(80):
        loss = loss_of(system, batch)
        first = first or loss.item()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.1 * first
    system.model.eval()
    more = {"temperature": 0.0} if key == "s_motiongpt" else {}
    for signed, example in zip(system.generate(TEXTS, **more), batch, strict=True):
        np.testing.assert_array_equal(signed.tokens, example.tokens)


# -- SOKE -------------------------------------------------------------------------------------------


def test_a_position_is_a_weighted_sum_of_three_streams(systems):
    model = systems["soke_qwen3"].model
    ids = model.vocab.to_ids(torch.tensor([[3, 1, 7]]))
    body, left, right = model.embed(ids)[0]
    a = soke.HANDS
    expected = (1 - 2 * a) * body + a * left + a * right
    torch.testing.assert_close(model.embed_triples(ids)[0], expected, atol=1e-6, rtol=0)


def test_three_heads_predict_a_position_at_once(systems):
    model = systems["soke_mbart"].model
    prompt = torch.zeros(2, 3, dtype=torch.int64)
    ids = model.vocab.to_ids(torch.zeros(2, 4, 3, dtype=torch.int64))
    tags = model.tag(["csl", "how2sign"], torch.device("cpu"))
    logits = model(prompt, torch.ones(2, 3, dtype=torch.bool), tags, ids)
    assert [tuple(x.shape) for x in logits] == [(2, 5, k + 1) for k in CODES]
    assert not torch.allclose(logits[0][0], logits[0][1])  # the language's tag is read


def test_each_sentence_ends_by_itself():
    """Sample i says the end at position i + 1; the stack is not asked for more than that."""

    class Counter(stacks.Stack):
        def forward(self, prompt, valid, signs):
            raise AssertionError("with a cache nothing is read again")

        def read(self, prompt, valid):
            return stacks.Memory(valid, stacks.DynamicCache())

        def step(self, memory, sign):
            return sign + 1

    def choose(hidden, position):
        ids = hidden[:, 0].long() * 0 + position
        return ids, torch.arange(3) < position

    start = torch.zeros(3, 1)
    ids, lengths = stacks.decode(
        Counter(), torch.zeros(3, 1, 1), torch.ones(3, 1, dtype=torch.bool), start, choose,
        lambda ids: ids[:, None].float(), most=9,
    )  # fmt: skip
    assert lengths.tolist() == [1, 2, 3] and ids.shape == (3, 4)


def test_a_prompt_holds_text_then_signs_of_its_words(systems):
    system = systems["soke_mbart"]
    vocab, keyword = system.model.vocab, system.model.keyword
    ids, valid = system.prompts(["the dog sleeps", "you"], ["how2sign"] * 2)
    row = ids[0][valid[0]].tolist()
    text = [*system.text("the dog sleeps", add_special_tokens=False)["input_ids"], vocab.eos]
    (sign,) = system.dictionaries["how2sign"].lookup("the dog sleeps")
    assert row[: len(text)] == text and row[len(text)] == keyword
    inserted = torch.tensor(row[len(text) + 1 :]).reshape(-1, 3)
    assert torch.equal(vocab.to_codes(inserted), torch.tensor(sign))
    assert keyword not in ids[1].tolist()
    bare, _ = system.prompts(["the dog sleeps"], ["csl"])  # of which there is no dictionary
    assert bare[0].tolist() == text


# -- the dictionary -----------------------------------------------------------------------------------


def test_words_are_found_in_order_the_longest_first():
    sign = np.zeros((2, 3), int)
    found = SignDictionary({w: sign for w in ("ice", "ice cream", "Onion", "cream")})
    assert found.words("Ice cream, onions, ICE and an onion.") == ["ice cream", "ice", "onion"]
    chinese = SignDictionary({w: sign for w in ("天", "今天", "商店")})
    assert chinese.words("今天商店很安静。") == ["今天", "商店"]
    assert SignDictionary({}).words("onion") == []


def test_a_sign_is_drawn_evenly_and_only_so_many_are():
    long = np.repeat(np.arange(31)[:, None], 3, 1)
    found = SignDictionary({w: long for w in ("a", "b", "c", "d")})
    signs = found.lookup("d c b a")
    assert len(signs) == dictionary.WORDS
    assert signs[0][:, 0].tolist() == [0, 3, 7, 10, 13, 17, 20, 23, 27, 30]
    assert len(SignDictionary({"a": long[:4]}).lookup("a")[0]) == 4


def test_retrieval_sees_the_sentence_only():
    assert list(inspect.signature(SignDictionary.lookup).parameters) == [
        "self", "sentence", "words", "positions",
    ]  # fmt: skip

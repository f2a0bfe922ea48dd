"""The three VQ-VAEs: agreement with the release, blindness to padding, exact resumption."""

from __future__ import annotations

import copy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from madis_lib import parts
from madis_lib.presets import TokenizerConfig
from madis_lib.release.tokenizer_names import from_release_names
from madis_lib.tokenizer import VQVAE, EMACodebook, Tokenizer, masked_smooth_l1

GOLDEN = Path(__file__).parent / "golden"
CONFIG = TokenizerConfig(codes=(12, 8, 8), width=12, code_dim=6)
CLOSE = {"rtol": 2e-5, "atol": 2e-5}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def tokenizer() -> Tokenizer:
    torch.manual_seed(0)
    stats = torch.randn(133, generator=seeded(1)), torch.rand(133, generator=seeded(2)) + 0.5
    return Tokenizer(CONFIG, *stats)


def clips(lengths: list[int], frames: int, seed: int = 3) -> torch.Tensor:
    """Random clips [B, frames, 133] whose padding is large garbage."""
    x = torch.randn(len(lengths), frames, 133, generator=seeded(seed))
    for clip, length in zip(x, lengths, strict=True):
        clip[length:] = 1e3
    return x


# --- the release's numbers ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "prefix", "features", "codes"),
    [("body", "vae", 43, 16), ("lhand", "hand_vae", 45, 24), ("rhand", "rhand_vae", 45, 24)],
)
def test_vqvae_matches_the_release(part, prefix, features, codes):
    file = load_file(GOLDEN / "vqvae.safetensors")
    golden = {k.removeprefix(part + "."): v for k, v in file.items() if k.startswith(part)}
    model = VQVAE(features, codes, width=24, code_dim=16).eval()
    state = load_file(GOLDEN / "weights.safetensors")
    model.load_state_dict(from_release_names(state, prefix))
    x = golden["x"]

    out = model(x)
    torch.testing.assert_close(out.recon, golden["recon"], **CLOSE)
    torch.testing.assert_close(out.commitment, golden["commit_loss"], **CLOSE)
    torch.testing.assert_close(out.perplexity, golden["perplexity"], **CLOSE)
    assert torch.equal(out.indices, golden["indices"])
    latents, mask = model.encode_latents(x)
    assert mask is None
    torch.testing.assert_close(latents.transpose(1, 2), golden["encoder_out"], **CLOSE)
    tokens = model.encode(x)
    assert torch.equal(tokens, golden["indices"])
    torch.testing.assert_close(model.codebook.lookup(tokens), golden["quantized"], **CLOSE)
    torch.testing.assert_close(model.decode(tokens), golden["decode_2d"], **CLOSE)
    torch.testing.assert_close(model.decode(tokens[:1]), golden["decode_1d"], **CLOSE)
    torch.testing.assert_close(
        model.decode(golden["random_codes"]), golden["random_decoded"], **CLOSE
    )


@pytest.mark.parametrize("padded", [False, True])
def test_codebook_matches_the_release_update_by_update(padded):
    golden = load_file(GOLDEN / "vq_ema.safetensors")
    codebook = EMACodebook(16, 8).train()
    for step in ("s0", "s1", "s2", "s3", "eval"):
        codebook.train(step != "eval")
        z = golden["s3.x" if step == "eval" else f"{step}.x"].transpose(1, 2)
        mask = torch.ones(z.shape[:2], dtype=torch.bool)
        if padded:  # the same numbers when garbage follows every clip
            z = torch.cat([z, torch.full((2, 3, 8), 50.0)], dim=1)
            mask = torch.cat([mask, torch.zeros(2, 3, dtype=torch.bool)], dim=1)
        out = codebook(z, mask)
        expected = {k.removeprefix(step + "."): v for k, v in golden.items() if k.startswith(step)}
        found = {
            "out": out.latents[:, :20].transpose(1, 2),
            "loss": out.commitment,
            "perplexity": out.perplexity,
            "codebook": codebook.embedding,
            "code_sum": codebook.code_sum,
            "code_count": codebook.code_count,
        }
        assert torch.equal(out.indices[:, :20].flatten(), expected["indices"])
        for name in expected.keys() & found.keys():
            torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-4)


def test_masked_smooth_l1_matches_the_release_and_ours_divides_by_valid():
    golden = load_file(GOLDEN / "vq_loss.safetensors")
    pred, target, lengths = golden["pred"], golden["target"], golden["lengths"]
    share = lengths.sum() / target.shape[:2].numel()  # of what the release divides by
    ours = masked_smooth_l1(pred, target, lengths)
    torch.testing.assert_close(ours * share, golden["loss"], **CLOSE)
    torch.testing.assert_close(masked_smooth_l1(pred, target), golden["no_length"], **CLOSE)
    valid = torch.cat([(p - t)[:n] for p, t, n in zip(pred, target, lengths, strict=True)]).abs()
    by_hand = torch.where(valid < 1, valid.square() / 2, valid - 0.5).mean()
    torch.testing.assert_close(ours, by_hand)


def test_release_names_refuse_other_checkpoints():
    state = load_file(GOLDEN / "weights.safetensors")
    with pytest.raises(ValueError, match="no tokenizer under 'motion_vae'"):
        from_release_names(state, "motion_vae")
    with pytest.raises(ValueError, match="encoder.model.9.weight"):
        from_release_names(state | {"vae.encoder.model.9.weight": torch.ones(1)}, "vae")


# --- padding -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_a_clip_alone_is_the_clip_in_any_batch(tokenizer, seed):
    tokenizer = tokenizer.double().eval()
    lengths = (torch.randint(1, 11, (5,), generator=seeded(seed)) * 4).tolist()
    x = clips(lengths, 40, seed).double()
    tokens = tokenizer.encode(x, torch.tensor(lengths))
    short = torch.tensor(lengths) // 4
    frames = tokenizer.decode(tokens, short)
    assert tokens.shape == (5, 10, 3) and frames.shape == x.shape
    for i, n in enumerate(lengths):
        alone = tokenizer.encode(x[i : i + 1, :n])
        assert torch.equal(alone[0], tokens[i, : n // 4])
        torch.testing.assert_close(tokenizer.decode(alone)[0], frames[i, :n])
        assert not tokens[i, n // 4 :].any() and not frames[i, n:].any()


def test_float32_reconstruction_ignores_padding(tokenizer):
    vqvae = tokenizer.eval().vqvaes["left"]
    x = clips([8, 24, 16], 24)[..., :45]
    recon = vqvae(x, torch.tensor([8, 24, 16])).recon
    for i, n in enumerate((8, 24, 16)):
        torch.testing.assert_close(
            recon[i, :n], vqvae(x[i : i + 1, :n]).recon[0], rtol=0, atol=1e-5
        )


def test_training_ignores_padding(tokenizer):
    """Loss, logs, gradients and codebooks are those of the same clips with less padding."""
    other = copy.deepcopy(tokenizer)
    lengths = torch.tensor([16, 8, 32, 24])
    x = clips(lengths.tolist(), 32)
    longer = torch.cat([x, torch.full((4, 12, 133), -7e2)], dim=1)
    for _ in range(3):
        loss, logs = tokenizer.loss(x, lengths, seeded())
        again, _ = other.loss(longer, lengths, seeded())
    torch.testing.assert_close(loss, again)
    loss.backward()
    again.backward()
    for (name, a), b in zip(tokenizer.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-6, msg=name)
    for a, b in zip(tokenizer.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(a, b)
    assert set(logs) == {
        "loss", "reconstruction", "commitment",
        "perplexity_body", "perplexity_left", "perplexity_right",
    }  # fmt: skip
    torch.testing.assert_close(logs["loss"], logs["reconstruction"] + 0.02 * logs["commitment"])


# --- the codebook --------------------------------------------------------------------------------


def test_first_batch_initialises_and_an_unused_code_moves_to_the_vector_of_its_index():
    codebook = EMACodebook(4, 2).train()
    first = torch.tensor([[[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [90.0, 90.0]]])
    codebook(first)
    assert torch.equal(codebook.embedding, first[0]) and codebook.initialised
    near_origin = torch.tensor([[[0.1, 0.0], [10.0, 0.0], [0.0, 10.0], [0.0, 0.2], [0.1, 0.1]]])
    codebook(near_origin)
    assert codebook.code_count[3] < 1 and (codebook.code_count[:3] >= 1).all()
    assert torch.equal(codebook.embedding[3], near_origin[0, 3])  # replaced
    expected = 0.01 * torch.tensor([0.2, 0.3]) / (0.99 + 0.03)  # S / N by hand
    torch.testing.assert_close(codebook.embedding[0], expected)


def test_a_batch_smaller_than_the_codebook_is_repeated_with_seeded_noise():
    z = torch.randn(1, 3, 4, generator=seeded())
    books = []
    for _ in range(2):
        book = EMACodebook(8, 4).train()
        book(z, generator=seeded(5))
        books.append(book.embedding)
    assert torch.equal(*books)
    assert len(books[0].unique(dim=0)) == 8
    for k in range(8):
        assert (books[0][k] - z[0, k % 3]).norm() < 0.05
    with pytest.raises(ValueError, match="3 latents cannot fill 8 codes"):
        EMACodebook(8, 4).train()(z)


def test_straight_through_gradient_and_exact_values():
    codebook = EMACodebook(5, 3).eval()
    z = torch.randn(2, 4, 3, generator=seeded(), requires_grad=True)
    out = codebook(z)
    assert torch.equal(out.latents, codebook.lookup(out.indices))
    brute = torch.cdist(z.detach(), codebook.embedding.expand(2, 5, 3)).argmin(-1)
    assert torch.equal(out.indices, brute)
    weight = torch.randn(z.shape, generator=seeded(1))
    (out.latents * weight).sum().backward()
    torch.testing.assert_close(z.grad, weight)


def test_commitment_pulls_latents_to_their_codes_and_leaves_padding_alone():
    codebook = EMACodebook(5, 3).eval()
    z = torch.randn(2, 4, 3, generator=seeded(), requires_grad=True)
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    out = codebook(z, mask)
    out.commitment.backward()
    pull = 2 * (z - codebook.lookup(out.indices)).detach() * mask[..., None] / (6 * 3)
    torch.testing.assert_close(z.grad, pull)


def test_gathering_ranks_equals_one_process():
    """Two ranks that see half a batch each hold the codes of one that sees it all."""
    z = torch.randn(4, 6, 3, generator=seeded())
    z = torch.stack([z, z.roll(1, 0) * 1.1])  # two batches of four clips
    single, rank = EMACodebook(5, 3).train(), EMACodebook(5, 3).train()
    for batch in z:
        single(batch)
        whole = batch.flatten(0, 1)
        if not rank.initialised:
            rank.gather = lambda _, whole=whole: whole
            rank._initialise(rank.gather(whole[:12]), None)
        everyone = {"float": whole, "int": rank.nearest(whole)}
        rank.gather = lambda x, e=everyone: e["float" if x.is_floating_point() else "int"]
        rank(batch[:2])
    for a, b in zip(single.buffers(), rank.buffers(), strict=True):
        torch.testing.assert_close(a, b)


def test_a_resumed_run_continues_exactly(tokenizer):
    batches = [clips([24, 16, 24, 12], 24, seed) for seed in range(6)]
    lengths = torch.tensor([24, 16, 24, 12])

    def train(model, optimiser, some):
        for batch in some:
            optimiser.zero_grad()
            model.loss(batch, lengths, seeded())[0].backward()
            optimiser.step()

    optimiser = torch.optim.AdamW(tokenizer.parameters(), 1e-3)
    train(tokenizer, optimiser, batches[:3])
    resumed = Tokenizer(CONFIG)
    resumed.load_state_dict(copy.deepcopy(tokenizer.state_dict()))
    again = torch.optim.AdamW(resumed.parameters(), 1e-3)
    again.load_state_dict(copy.deepcopy(optimiser.state_dict()))
    train(tokenizer, optimiser, batches[3:])
    train(resumed, again, batches[3:])
    for name, value in tokenizer.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


# --- the whole tokenizer -------------------------------------------------------------------------


def test_parts_trained_one_by_one_are_those_trained_at_once(tokenizer):
    def train(module, among):
        weights = [w for p in among or module.parts for w in module.vqvaes[p].parameters()]
        optimiser, losses = torch.optim.AdamW(weights, lr=1e-2), []
        for update in range(6):
            x = clips([24, 16, 20], 24, seed=update)
            given = (x, torch.tensor([24, 16, 20]))
            if update < 2:
                loss, _ = module.autoencoder_loss(*given, among)
            else:
                loss, _ = module.loss(*given, seeded(update), among)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        return torch.tensor(losses)

    at_once, one_by_one = copy.deepcopy(tokenizer), copy.deepcopy(tokenizer)
    whole = train(at_once, None)
    terms = torch.stack([train(one_by_one, (part,)) for part in tokenizer.parts])
    torch.testing.assert_close(terms.sum(0), whole)
    mine, theirs = one_by_one.state_dict(), at_once.state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_parts_keep_to_their_columns(tokenizer):
    tokenizer.eval()
    x = clips([16], 16)
    before, moved = tokenizer.encode(x), x.clone()
    moved[..., parts.COLUMNS["left"]] = torch.randn(16, 45, generator=seeded(9)) * 5
    after = tokenizer.encode(moved)
    assert torch.equal(before[..., [0, 2]], after[..., [0, 2]])
    assert not torch.equal(before[..., 1], after[..., 1])
    shapes = [tuple(c.shape) for c in tokenizer.codebooks()]
    assert shapes == [(12, 6), (8, 6), (8, 6)]


def test_normalisation_round_trip_and_constant_features(tokenizer):
    std = torch.rand(133, generator=seeded()) + 0.1
    std[7] = 0
    tokenizer.set_statistics(torch.full((133,), 2.0), std)
    x = torch.randn(3, 133, generator=seeded(1))
    assert tokenizer.normalise(x).isfinite().all()
    torch.testing.assert_close(tokenizer.denormalise(tokenizer.normalise(x)), x)
    # a shift and scale of features with the same shift and scale of statistics changes no token
    clip = clips([16], 16)
    tokens = tokenizer.double().encode(clip.double())
    tokenizer.set_statistics(3 * tokenizer.mean + 1, 3 * tokenizer.std)
    assert torch.equal(tokenizer.encode(3 * clip.double() + 1), tokens)


def test_latents_decode_with_a_gradient_and_codes_decode_as_latents(tokenizer):
    tokenizer.eval().requires_grad_(False)
    tokens = torch.randint(0, 8, (2, 5, 3), generator=seeded())
    codes = zip(tokenizer.codebooks(), tokens.unbind(-1), strict=True)
    latents = [c[t].requires_grad_() for c, t in codes]
    lengths = torch.tensor([5, 3])
    features = tokenizer.decode_latents(latents, lengths)
    raw = tokenizer.denormalise(features)
    torch.testing.assert_close(raw[1, :12], tokenizer.decode(tokens, lengths)[1, :12])
    features.square().sum().backward()
    for z in latents:
        assert (z.grad[0].abs().sum(-1) > 0).all() and (z.grad[1, :3].abs().sum(-1) > 0).all()
        assert not z.grad[1, 3:].any()


def test_save_load_fingerprint(tokenizer, tmp_path):
    x = clips([24], 24)
    tokenizer.loss(x.repeat(3, 1, 1), None, seeded())  # moves the codebooks
    tokenizer.save(tmp_path / "t.safetensors")
    state = torch.get_rng_state()
    loaded = Tokenizer.load(tmp_path / "t.safetensors")
    assert torch.equal(state, torch.get_rng_state())  # loading draws no random numbers
    assert loaded.config == CONFIG and not loaded.training
    assert all(p.requires_grad for p in loaded.parameters())
    for name, value in tokenizer.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name]), name
    assert loaded.fingerprint() == tokenizer.fingerprint()

    print_it = "import sys; from madis_lib.tokenizer import Tokenizer as T;"
    print_it += "print(T.load(sys.argv[1]).fingerprint())"
    command = [sys.executable, "-c", print_it, str(tmp_path / "t.safetensors")]
    found = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=GOLDEN.parents[1]
    )
    assert found.stdout.strip() == tokenizer.fingerprint()

    loaded.vqvaes["left"].codebook.embedding[0, 0] += 1e-6
    assert loaded.fingerprint() != tokenizer.fingerprint()
    loaded.load_state_dict(tokenizer.state_dict())
    loaded.mean[3] += 1
    assert loaded.fingerprint() != tokenizer.fingerprint()


def test_half_files_are_small_and_load_as_float32(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "full.safetensors")
    tokenizer.save(tmp_path / "half.safetensors", half=True)
    sizes = [(tmp_path / f"{n}.safetensors").stat().st_size for n in ("half", "full")]
    assert sizes[0] < 0.75 * sizes[1]
    half = Tokenizer.load(tmp_path / "half.safetensors")
    assert all(v.dtype in (torch.float32, torch.bool) for v in half.state_dict().values())
    assert torch.equal(half.mean, tokenizer.mean)
    x = clips([24], 24)
    recon, exact = (t.eval().decode(tokenizer.encode(x)) for t in (half, tokenizer))
    torch.testing.assert_close(recon, exact, rtol=0, atol=0.01)
    again = Tokenizer.load(tmp_path / "half.safetensors")
    assert again.fingerprint() == half.fingerprint()
    half.train().loss(x.repeat(3, 1, 1), None, seeded())[0].backward()  # can be trained on


def test_bad_files_are_named(tokenizer, tmp_path):
    path = tmp_path / "t.safetensors"
    with pytest.raises(FileNotFoundError, match="t.safetensors"):
        Tokenizer.load(path)
    tokenizer.save(path)
    whole = path.read_bytes()
    for broken in (whole[:-10], whole[:100], b"", b"x" * 400):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match="t.safetensors: damaged"):
            Tokenizer.load(path)
    state = {k: v.contiguous() for k, v in tokenizer.state_dict().items()}
    save_file(state, path)
    with pytest.raises(ValueError, match="'format' is None, not 'madis-tokenizer-1'"):
        Tokenizer.load(path)
    tokenizer.config = replace(CONFIG, codes=(12, 9, 8))
    tokenizer.save(path)
    with pytest.raises(ValueError, match=r"vqvaes.left.codebook.\w+'.* is \[8.*config says \[9"):
        Tokenizer.load(path)
    tokenizer.config = CONFIG
    tokenizer.std[5] = float("nan")
    tokenizer.save(path)
    with pytest.raises(ValueError, match="'std' holds NaN"):
        Tokenizer.load(path)


def test_bad_input_is_named(tokenizer):
    x = clips([16, 16], 16)
    with pytest.raises(ValueError, match="multiples of 4"):
        tokenizer.encode(x[:, :15])
    with pytest.raises(ValueError, match="multiples of 4"):
        tokenizer.loss(x, torch.tensor([16, 10]))
    for lengths in ([16, 20], [16, -4], [16]):
        with pytest.raises(ValueError, match="2 numbers from 0 to 16"):
            tokenizer.encode(x, torch.tensor(lengths))
    with pytest.raises(ValueError, match=r"0\.\.7"):
        tokenizer.decode(torch.full((1, 4, 3), 8))
    with pytest.raises(ValueError, match="std must be 133"):
        tokenizer.set_statistics(torch.zeros(133), torch.ones(179))
    with pytest.raises(ValueError, match="negative"):
        tokenizer.set_statistics(torch.zeros(133), -torch.ones(133))

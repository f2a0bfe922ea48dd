"""One place for every size: quick, laptop, gpu, paper.

A preset is a function that returns frozen dataclasses; its docstring says what it costs and what
to expect.  ``get("quick")`` looks one up by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

ProtocolName = Literal["paper", "release"]  # experiments.protocols has what each stands for
LEVELS = ("sign", "text", "latent", "physical")  # what pretraining predicts (MaDiS §3.2)


@dataclass(frozen=True)
class CorpusConfig:
    """Size of one embedded corpus (the same for the three languages)."""

    signs: int
    train: int
    dev: int
    test: int
    glosses: tuple[int, int]  # fewest and most signs in a sentence
    seed: int = 0


@dataclass(frozen=True)
class TokenizerConfig:
    """Three VQ-VAEs of one shape (MaDiS §3.1)."""

    codes: tuple[int, ...]  # codebook sizes of body, left hand, right hand
    width: int
    code_dim: int
    depth: int = 3  # residual blocks per stage, dilations 9, 3, 1
    decay: float = 0.99  # of the codebooks' running sums; short runs need a shorter memory
    decoupled: bool = True  # a VQ-VAE for each part, else one for the whole body


@dataclass(frozen=True)
class ModelConfig:
    """The masked diffusion language model (MaDiS §4: Qwen3-0.6B)."""

    hidden_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    intermediate_size: int
    max_tokens: int  # M, the canvas
    text_vocab: int  # size of the text tokenizer trained on the corpus
    qwen3: str | None = None  # start from this checkpoint and use its tokenizer: folder or name
    fusion: str = "dense"  # of the three part tokens (fusion.FUSIONS): the mixture of parts
    text_reads_signs: bool = True  # False: text attends to text only, so it need be read only once


@dataclass(frozen=True)
class SiCLIPConfig:
    """The joint embedding (MaDiS §3.4); the last two are what Table 6 varies."""

    text: ModelConfig  # the text tower: ``text_vocab`` rows and the stack
    width: int  # of the sign encoders, as the next two
    code_dim: int
    depth: int
    projection: int  # hidden width of both projections
    embedding: int  # of the space that text and signing share
    decoupled: bool = True  # an encoder for each part, else one for the whole body
    fine_grained: bool = True  # token to token, else one vector a text and a signing


@dataclass(frozen=True)
class TrainConfig:
    """AdamW with a cosine learning rate, for a number of updates or of ``epochs``."""

    updates: int  # where there are epochs, they say
    batch_size: int
    learning_rate: float
    warmup: int = 0
    final_learning_rate: float = 1e-6
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    grad_clip: float | None = None
    epochs: int | None = None

    def counted(self, num_samples: int) -> TrainConfig:
        """With as many updates as its epochs take: the last one may begin another epoch."""
        if self.epochs is None:
            return self
        updates = math.ceil(self.epochs * num_samples / self.batch_size)
        return replace(self, updates=updates, epochs=None)


@dataclass(frozen=True)
class Method:
    """What the paper's ablations change; the defaults are its method.

    A changed value counts in the key of every run it can alter, and in no other.
    """

    checkpoints: tuple[float, ...] = (0.75, 0.5)  # of UTC, in training and sampling (Table 3)
    layout: Literal["uniform", "contiguous"] = "uniform"  # which tokens they know (Table 3)
    weighting: Literal["paper", "bound"] = "paper"  # of L_tok; the bound that fits UTC is ours
    alpha: float = 0.5  # of the latent and physical losses in fine-tuning (supplement)
    levels: tuple[str, ...] = LEVELS  # of pretraining; none: no pretraining (Table 2)
    fusion: str = "dense"  # of the part tokens in fine-tuning (Table 4), of fusion.FUSIONS
    coarse: bool = False  # ours: fine-tuning shows the model the current grid of UTC only
    rule: str = "surest"  # which blank places the sampler writes, of sampler.RULES
    protocol: ProtocolName = "paper"  # losses, noise, sampler

    def __post_init__(self) -> None:
        wrong = set(self.levels) - set(LEVELS)
        if wrong or (self.levels and "sign" not in self.levels):
            raise ValueError(
                f"levels are {self.levels}: give none, or 'sign' and any of {', '.join(LEVELS[1:])}"
            )
        if self.protocol == "release" and set(self.changed()) - {"alpha", "protocol"}:
            raise ValueError("the release's protocol has its own method: change alpha only")

    def changed(self, *names: str) -> dict[str, object]:
        """Those of ``names`` (default: all) that are not as the paper has them, with their values."""
        names = names or tuple(f.name for f in fields(self))
        return {n: v for n in names if (v := getattr(self, n)) != getattr(Method, n)}


@dataclass(frozen=True)
class TranslatorConfig:
    """The causal sign-to-text model of back-translation (the paper names none, §3.4)."""

    hidden_size: int
    num_layers: int
    num_heads: int
    train: TrainConfig


@dataclass(frozen=True)
class Preset:
    """Everything a run of the suite needs to know about size, and the method it runs."""

    name: str
    corpus: CorpusConfig
    tokenizer: TokenizerConfig
    model: ModelConfig
    train_tokenizer: TrainConfig
    pretrain: TrainConfig
    finetune: TrainConfig
    siclip: SiCLIPConfig  # its text tower reads with the model's tokenizer
    train_siclip: TrainConfig
    tokenizer_window: int  # frames of a clip that one tokenizer update looks at
    tokenizer_warmup: int = 0  # first updates, without the codes
    tokens_per_step: int = 4  # k of Eq. 4
    panel_sentences: int = 200  # on which the metrics are held against the oracle, at most
    method: Method = Method()
    mbart: str | None = None  # SOKE (mBART) starts from it, with its tokenizer: folder or name
    rows: str | None = None  # preset in which ablations are run; None: this one
    # rows of ablations are trained for as long as each other; None: as long as the headline
    row_pretrain: TrainConfig | None = None
    row_finetune: TrainConfig | None = None
    row_sentences: int | None = None  # of the test set, on which rows are scored; None: all
    row_tokenizer: TrainConfig | None = None  # of the whole-body one; None: as the three parts'
    translator: TranslatorConfig = TranslatorConfig(
        512, 3, 8, TrainConfig(0, 64, 5e-4, warmup=1000, grad_clip=1.0, epochs=60)
    )
    gpu_memory: float = 4.0  # GB that a run takes at most: what is free says how many share a GPU
    seeds: tuple[int, ...] = (0,)
    languages: dict[str, str] = field(
        default_factory=lambda: {"csl": "zh", "phoenix": "de", "how2sign": "en"}
    )


def quick() -> Preset:
    """First run, CI and notebooks: the whole suite in about twelve minutes on two cores.

    Expect MaDiS to beat every bound on every metric, at 60 to 75 % gloss error, and the tokenizer
    to read back at 8 to 17 %: enough to see each part work, not to judge the paper.
    """
    model = ModelConfig(96, 3, 4, 2, 24, 256, max_tokens=36, text_vocab=512)
    return Preset(
        name="quick",
        corpus=CorpusConfig(signs=48, train=600, dev=40, test=60, glosses=(2, 5)),
        tokenizer=TokenizerConfig(codes=(192, 96, 96), width=64, code_dim=64, decay=0.9),
        model=model,
        train_tokenizer=TrainConfig(1700, 128, 3e-3, warmup=50),
        tokenizer_window=32,
        tokenizer_warmup=150,
        panel_sentences=16,
        pretrain=TrainConfig(700, 16, 4e-3, warmup=100, grad_clip=1.0),
        finetune=TrainConfig(800, 16, 3e-3, warmup=100, grad_clip=1.0),
        row_pretrain=TrainConfig(100, 16, 4e-3, warmup=20, grad_clip=1.0),
        row_finetune=TrainConfig(120, 16, 3e-3, warmup=20, grad_clip=1.0),
        row_sentences=16,
        row_tokenizer=TrainConfig(200, 64, 3e-3, warmup=20),
        siclip=SiCLIPConfig(replace(model, num_layers=2), 32, 32, 2, projection=128, embedding=64),
        train_siclip=TrainConfig(100, 48, 3e-3, warmup=20, grad_clip=1.0),
        translator=TranslatorConfig(96, 2, 4, TrainConfig(250, 32, 4e-3, 30, grad_clip=1.0)),
    )


def laptop() -> Preset:
    """Larger, for a laptop: about sixteen hours of one core, half that on two.

    Expect every bound beaten, about 30 % gloss error, and a tokenizer that reads back at 5 %.
    SiCLIP finds 92 to 99 % of 200 true test sentences, on every rung: SignWorld is easy for it.
    """
    model = ModelConfig(128, 4, 4, 2, 32, 384, max_tokens=52, text_vocab=1024)
    return Preset(
        name="laptop",
        corpus=CorpusConfig(signs=120, train=2400, dev=200, test=200, glosses=(3, 8)),
        tokenizer=TokenizerConfig(codes=(384, 192, 192), width=64, code_dim=64, decay=0.9),
        model=model,
        train_tokenizer=TrainConfig(3000, 256, 3e-3, warmup=100),
        tokenizer_window=32,
        tokenizer_warmup=300,
        pretrain=TrainConfig(5000, 16, 4e-3, warmup=200, grad_clip=1.0),
        finetune=TrainConfig(7000, 16, 3e-3, warmup=200, grad_clip=1.0),
        rows="rows",
        siclip=SiCLIPConfig(replace(model, num_layers=2), 48, 64, 2, projection=256, embedding=128),
        train_siclip=TrainConfig(600, 64, 2e-3, warmup=60, grad_clip=1.0),
        translator=TranslatorConfig(128, 3, 4, TrainConfig(2000, 32, 3e-3, 200, grad_clip=1.0)),
    )


def rows() -> Preset:
    """The world of ``laptop``'s ablations: small enough to train every row with five seeds.

    As large as ``quick``, with more test sentences.  A row takes one to two minutes of a core, all
    of them two to three hours, an hour or two more those of Table 1, and as long the map of UTC; expect
    about 60 % gloss error of the full method.
    """
    p = quick()
    return replace(
        p,
        name="rows",
        corpus=replace(p.corpus, dev=60, test=200),
        train_siclip=TrainConfig(400, 64, 2e-3, warmup=60, grad_clip=1.0),
        panel_sentences=200,
        row_pretrain=None,
        row_finetune=None,
        row_sentences=None,
        row_tokenizer=None,
        seeds=(0, 1, 2, 3, 4),
    )


def gpu() -> Preset:
    """SignWorld, larger, five seeds: meant for one recent GPU; not run yet."""
    model = ModelConfig(256, 6, 8, 4, 32, 768, max_tokens=52, text_vocab=2048)
    return replace(
        laptop(),
        name="gpu",
        gpu_memory=6.0,
        corpus=CorpusConfig(signs=160, train=6000, dev=300, test=300, glosses=(3, 8)),
        model=model,
        pretrain=TrainConfig(6000, 128, 1e-3, warmup=200),
        finetune=TrainConfig(6000, 128, 1e-3, warmup=200),
        siclip=SiCLIPConfig(
            replace(model, num_layers=3), 128, 128, 3, projection=512, embedding=256
        ),
        train_siclip=TrainConfig(4000, 192, 1e-3, warmup=200, grad_clip=1.0),
        seeds=(0, 1, 2, 3, 4),
    )


def paper() -> Preset:
    """The authors' setting (MaDiS §4), for the real corpora: give their folder with ``--data``.

    ``paper.CHOICES`` says of each value whether the paper gives it, the release, or neither.
    Needs Qwen3-0.6B-Base on disk, and GPUs that train together, four of 80 GB by our count: batches
    are those of all of them, 1,920 clips for the tokenizer (the authors: 6 x 320), 256 for the model
    (4 x 64).

    The model has 613.6 M parameters: 440.5 M in the layers, 155.8 M in the embedding rows, 14.2 M
    in the latent heads, 3.1 M in the mixture of parts; each VQ-VAE has 18.8 M.  ``madis bench
    paper`` measures what an update takes; not trained yet.  SiCLIP has the release's sizes; how the
    authors trained it is told nowhere, so its batch, rate and epochs are ours.
    """
    model = ModelConfig(
        1024, 28, 16, 8, 128, 3072, max_tokens=100, text_vocab=151_669, qwen3="Qwen/Qwen3-0.6B-Base"
    )
    return Preset(
        name="paper",
        corpus=laptop().corpus,  # of SignWorld, for a rehearsal without the real data
        tokenizer=TokenizerConfig(codes=(96, 192, 192), width=512, code_dim=512),
        model=model,
        train_tokenizer=TrainConfig(0, 1920, 2e-4, epochs=500),
        tokenizer_window=400,
        pretrain=TrainConfig(0, 256, 2e-4, epochs=200),
        finetune=TrainConfig(0, 256, 2e-4, epochs=150),
        siclip=SiCLIPConfig(
            replace(model, num_layers=14), 512, 512, 3, projection=3072, embedding=512
        ),
        train_siclip=TrainConfig(0, 256, 2e-4, epochs=100),
        mbart="facebook/mbart-large-cc25",
        gpu_memory=80.0,
        seeds=(1234,),
    )


PRESETS: dict[str, Callable[[], Preset]] = {
    "quick": quick,
    "laptop": laptop,
    "rows": rows,
    "gpu": gpu,
    "paper": paper,
}


def is_smoke(name: str) -> bool:
    """Whether a preset is too small for a verdict on the paper."""
    return name not in ("laptop", "rows", "gpu", "paper")


def get(name: str, **changes: Any) -> Preset:
    """The preset called ``name``, its :class:`Method` changed; ValueError names the choices."""
    if name not in PRESETS:
        raise ValueError(f"unknown preset {name!r}: choose one of {', '.join(PRESETS)}")
    return replace(PRESETS[name](), method=Method(**changes))

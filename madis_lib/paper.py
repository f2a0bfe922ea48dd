"""The paper as data: tables, quoted figures, equations, settings and claims (MaDiS, Zuo et al.).

Values stand as printed, as strings, so that nothing is rounded on the way; :meth:`Artefact.value`
reads one as a number.  They are *reported* numbers and never mix with measured ones.

A :class:`Claim` is one checkable sentence of the paper, in our words, with a rule that decides it:
which rows of which artefact to compare, in which columns.  Columns are called ``corpus.metric``;
artefacts are called as in the paper, ``table1`` … ``table6``, ``fig5`` … ``fig10``, and ``alpha``
for the sensitivity analysis of the supplement.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar

# --- Tables and figures ------------------------------------------------------------------------

NOT_APPLICABLE = "N/A"  # the method has no such number
NOT_REPORTED = "–"  # the authors do not give it
ONLY_DRAWN = "?"  # visible in a figure, or in the supplement, but not stated in the text
OURS = "ours"  # a row that the paper does not have, in a table of one's own
_NO_NUMBER = (NOT_APPLICABLE, NOT_REPORTED, ONLY_DRAWN, OURS)


@dataclass(frozen=True)
class Column:
    """One measured quantity; ``better`` says which direction is good (None: neither)."""

    key: str
    unit: str = ""
    better: Literal["low", "high"] | None = None


@dataclass(frozen=True)
class Row:
    """One method or setting and what is printed beside it, cell by cell."""

    key: str
    label: str
    printed: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True)
class Artefact:
    """A table, or what the text states of a figure."""

    key: str
    place: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    bold: str | None = None  # key of the row printed bold
    note: str = ""

    def row(self, key: str) -> Row:
        """The row called ``key``; ValueError if there is none."""
        return _find(self.rows, key, self.key, "row")

    def column(self, key: str) -> Column:
        """The column called ``key``; ValueError if there is none."""
        return _find(self.columns, key, self.key, "column")

    def printed(self, row: str, column: str) -> str:
        """The cell exactly as printed."""
        return self.row(row).printed[self.columns.index(self.column(column))]

    def value(self, row: str, column: str) -> float | None:
        """The cell as a number; None where the paper prints none.  Bounds lose their sign."""
        text = self.printed(row, column)
        return None if text in _NO_NUMBER else float(text.strip(">"))

    def best(self, column: str) -> set[str]:
        """Keys of the rows with the best number in ``column``."""
        better = self.column(column).better
        values = {row.key: self.value(row.key, column) for row in self.rows}
        numbers = [value for value in values.values() if value is not None]
        if better is None or not numbers:
            return set()
        top = min(numbers) if better == "low" else max(numbers)
        return {key for key, value in values.items() if value == top}


Named = TypeVar("Named", Row, Column)


def _find(items: tuple[Named, ...], key: str, artefact: str, kind: str) -> Named:
    for item in items:
        if item.key == key:
            return item
    choices = ", ".join(item.key for item in items)
    raise ValueError(f"{artefact} has no {kind} {key!r}: choose one of {choices}")


CORPORA = ("csl", "phoenix", "how2sign")
METRICS = ("dtw_body", "dtw_hands", "sibleu_body", "sibleu_hands", "r1")


def columns(corpora: Iterable[str] = CORPORA, metrics: Iterable[str] = METRICS) -> tuple[str, ...]:
    """Column keys ``corpus.metric``, corpora outermost, as the tables are printed."""
    metrics = tuple(metrics)
    return tuple(f"{corpus}.{metric}" for corpus in corpora for metric in metrics)


def _scores(corpora: Iterable[str], metrics: Iterable[str] = METRICS) -> tuple[Column, ...]:
    made = []
    for key in columns(corpora, metrics):
        if "dtw" in key:
            made.append(Column(key, "m, summed", "low"))
        else:
            made.append(Column(key, "0-100" if "sibleu" in key else "%", "high"))
    return tuple(made)


def _row(key: str, label: str, cells: str, note: str = "") -> Row:
    return Row(key, label, tuple(cell for cell in cells.split() if cell != "|"), note)


_BY_SOKE = "DTW errors as reported by SOKE"
_DICTIONARY = "uses an external sign dictionary"
_NO_TOKENS = "no tokenizer, so no SiBLEU"
_ONE_TOKENIZER = "one tokenizer for the whole body, so no SiBLEU of the hands"

# fmt: off
TABLE_1 = Artefact(
    "table1",
    "§4.1, Table 1",
    "Comparison with other methods",
    _scores(CORPORA),
    (
        _row("prog_trans", "Prog. Trans.",
             "16.30 32.63 N/A N/A 13.65 | 15.01 31.77 N/A N/A 14.03 | 14.74 30.17 N/A N/A 9.88",
             f"{_BY_SOKE}; {_NO_TOKENS}"),
        _row("text2mesh", "Text2Mesh",
             "13.76 30.37 N/A N/A 15.84 | 14.04 31.64 N/A N/A 12.08 | 15.50 32.97 N/A N/A 9.30",
             f"{_BY_SOKE}; {_NO_TOKENS}"),
        _row("t2s_gpt", "T2S-GPT",
             "12.32 15.43 2.11 N/A 20.03 | 11.65 19.09 1.93 N/A 22.10 | 12.65 18.44 2.13 N/A 12.58",
             f"{_BY_SOKE}; {_ONE_TOKENIZER}"),
        _row("nsa", "NSA",
             "– – N/A N/A – | – – N/A N/A – | 9.16 18.51 N/A N/A 15.04",
             f"reported on How2Sign only; {_NO_TOKENS}"),
        _row("s_motiongpt", "S-MotionGPT",
             "11.58 11.31 2.26 N/A 20.37 | 10.42 9.08 1.97 N/A 32.42 | 12.41 13.74 2.32 N/A 12.77",
             f"{_BY_SOKE}; {_ONE_TOKENIZER}"),
        _row("momask", "MoMask++",
             "8.93 10.57 1.53 N/A 22.62 | 8.16 9.96 1.49 N/A 37.88 | 9.06 11.34 1.58 N/A 20.39",
             _ONE_TOKENIZER),
        _row("soke_mbart", "SOKE (mBART)",
             "7.38 9.68 2.59 2.14 23.64 | 6.04 7.72 2.71 1.85 34.30 | 7.75 10.08 2.52 1.74 16.12",
             _DICTIONARY),
        _row("soke_qwen3", "SOKE (Qwen3)",
             "7.29 9.59 2.71 2.27 25.05 | 6.09 7.65 2.38 1.98 38.53 | 7.18 10.09 2.57 1.97 18.48",
             _DICTIONARY),
        _row("mdlm", "MDLM baseline",
             "7.12 9.57 3.17 2.55 29.17 | 5.98 7.58 2.36 2.14 44.25 | 7.02 10.16 2.73 1.79 25.78",
             "no pretraining, no UTC, no MoP"),
        _row("madis", "MaDiS (ours)",
             "5.99 7.96 4.87 4.08 38.61 | 4.97 6.59 4.54 3.33 57.94 | 6.59 9.45 4.41 3.46 34.27"),
    ),
    bold="madis",
)
# fmt: on

TABLE_2 = Artefact(
    "table2",
    "§4.2, Table 2",
    "Ablation of the tri-level cross-modal pretraining",
    _scores(["csl"]),
    (
        _row("none", "no pretraining", "6.93 9.27 3.48 2.84 31.49"),
        _row("sign", "sign tokens", "6.81 8.90 3.76 2.97 33.01"),
        _row("sign_text", "+ text tokens", "6.41 8.64 4.18 3.24 34.76"),
        _row("latent", "+ latent", "6.22 8.39 4.45 3.67 35.96"),
        _row("physical", "+ physical", "5.99 7.96 4.87 4.08 38.61"),
    ),
    bold="physical",
    note="The check marks of the last two rows are garbled in the text at hand; the prose adds one "
    "level after the other and the last row is the full model, so each row includes those above.",
)

TABLE_3 = Artefact(
    "table3",
    "§4.2, Table 3",
    "Ablation of unmasking with temporal checkpoints",
    _scores(["csl"]),
    (
        _row("none", "N/A", "6.61 9.05 3.87 3.11 32.81"),
        _row("uniform_75", "Uniform, t = 0.75", "6.33 8.73 4.15 3.52 34.09"),
        _row("uniform_50", "Uniform, t = 0.5", "6.18 8.23 4.63 3.94 36.73"),
        _row("uniform_75_50", "Uniform, t = 0.75/0.5", "5.99 7.96 4.87 4.08 38.61"),
        _row("contiguous_75_50", "Contiguous, t = 0.75/0.5", "6.28 8.44 4.31 3.80 34.85"),
    ),
    bold="uniform_75_50",
)

TABLE_4 = Artefact(
    "table4",
    "§4.2, Table 4",
    "Ablation of the mixture-of-parts embedding",
    _scores(["csl"]),
    (
        _row("average", "N/A: Average", "6.35 8.50 4.06 3.42 35.95", "random embeddings, as SOKE"),
        _row("codebook_average", "Codebook: Average", "6.19 8.25 4.45 3.73 36.98"),
        _row("codebook_mlp", "Codebook: MLP", "6.22 8.29 4.19 3.86 37.02"),
        _row("codebook_transformer", "Codebook: Transformer", "6.17 8.13 4.33 3.62 36.49"),
        _row("sparse_top1", "Codebook: Sparse MoE (Top-1)", "6.48 8.74 3.76 3.27 35.65"),
        _row("sparse_top2", "Codebook: Sparse MoE (Top-2)", "6.29 8.41 3.91 3.50 36.87"),
        _row("dense", "Codebook: Dense MoE (ours)", "5.99 7.96 4.87 4.08 38.61"),
    ),
    bold="dense",
)

TABLE_5 = Artefact(
    "table5",
    "§4.2, Table 5",
    "Mean gate weight of each part, by which hand signs",
    tuple(Column(f"csl.{hand}", "weight", "high") for hand in ("left", "right", "two")),
    (
        _row("body", "Body", ".41 .47 .32"),
        _row("left", "Left hand", ".47 .08 .31"),
        _row("right", "Right hand", ".12 .45 .37"),
    ),
    note="Printed as body/left/right per category; here one row per part. Columns sum to 1.",
)

TABLE_6 = Artefact(
    "table6",
    "§4.2, Table 6",
    "Ablation of SiCLIP, sign-to-text retrieval on ground truth",
    _scores(CORPORA, ("r1", "r5")),
    (
        _row("baseline", "Baseline (CLIP)", "41.07 81.97 | 58.41 88.01 | 9.27 28.47"),
        _row("decoupled", "+ Decoupled encoders", "45.07 85.88 | 61.84 90.03 | 12.13 38.48"),
        _row("fine_grained", "+ Fine-grained loss", "59.10 95.66 | 68.85 95.64 | 41.33 88.43"),
    ),
    bold="fine_grained",
)

_TRADE_OFF = tuple(
    Column(f"{corpus}.{metric}", unit, better)  # type: ignore[arg-type]
    for corpus in CORPORA
    for metric, unit, better in (("dtw", "m, summed", "low"), ("sibleu", "0-100", "high"))
)
FIG_6 = Artefact(
    "fig6",
    "§4.1, Fig. 6",
    "Throughput, and quality against sampling steps",
    (Column("throughput", "tokens/s", "high"), Column("seconds", "s per 100", "low"), *_TRADE_OFF),
    (
        _row("soke", "SOKE with KV caching", "? ? ? ? ? ? ? ?"),
        _row("mdlm", "MDLM baseline", "? ? ? ? ? ? ? ?"),
        _row("steps_100", "MaDiS, 100 steps, 1 token each", "? ? ? ? ? ? ? ?"),
        _row("steps_50", "MaDiS, 50 steps, 2 tokens each", "? ? ? ? ? ? ? ?"),
        _row("steps_25", "MaDiS, 25 steps, 4 tokens each", "132 0.76 ? ? ? ? ? ?", "the default"),
        _row("steps_10", "MaDiS, 10 steps, 10 tokens each", ">300 ? ? ? ? ? ? ?"),
    ),
    note="DTW and SiBLEU are averages of body and hands. A token is one triple of part tokens.",
)

FIG_7A = Artefact(
    "fig7a",
    "§4.1, Fig. 7a",
    "User study: mean rating from 1 to 10",
    (Column("csl.rating", "1-10", "high"),),
    (
        _row("soke", "SOKE", "4.6"),
        _row("madis", "MaDiS", "6.9"),
        _row("motion", "Ground-truth motion", "8.4"),
        _row("video", "Ground-truth video", "?"),
    ),
)

FIG_7B = Artefact(
    "fig7b",
    "§4.1, Fig. 7b",
    "Absolute Spearman correlation of metrics with ratings",
    (Column("csl.spearman", "", "high"),),
    (
        _row("dtw", "DTW-JPE, body and hands averaged", "?"),
        _row("sibleu", "SiBLEU, body and hands averaged", "?"),
        _row("siclip", "SiCLIP", "?"),
    ),
)

FIG_7C = Artefact(
    "fig7c",
    "§4.2, Fig. 7c",
    "Share of attention that falls on later positions",
    (Column("csl.future_attention", "%"),),
    (
        _row("all_heads", "Mean of all heads, penultimate layer, last step", "41"),
        _row("top_heads", "The three heads with most", "?"),
        _row("causal", "A causal model", "?", "ours, zero by construction"),
    ),
)

FIG_8 = Artefact(
    "fig8",
    "§4.2, Fig. 8",
    "Joint error of signs rebuilt from partly masked tokens",
    (Column("csl.mpjpe_body", "mm", "low"), Column("csl.mpjpe_hands", "mm", "low")),
    (
        _row("masked_25", "25 % of tokens masked", "24.79 5.64"),
        _row("tokenizer", "The tokenizer's own reconstruction", "? ?"),
    ),
    note="The sentence says t = 0.75 for 25 % masked; everywhere else t is the masked share.",
)

FIG_9 = Artefact(
    "fig9",
    "§4.2, Fig. 9",
    "Training loss and validation SiBLEU at the same epoch",
    (Column("csl.train_loss", "nats", "low"), Column("csl.val_sibleu", "0-100", "high")),
    (_row("none", "Without UTC", "? ?"), _row("utc", "With UTC", "? ?")),
)

ALPHA = Artefact(
    "alpha",
    "§3.3 and supplement",
    "Weight of the latent and physical losses in fine-tuning",
    _scores(["csl"]),
    (
        _row("0", "α = 0", "? ? ? ? ?"),
        _row("0.25", "α = 0.25", "? ? ? ? ?"),
        _row("0.5", "α = 0.5", "5.99 7.96 4.87 4.08 38.61", "the setting of the full model"),
        _row("1", "α = 1", "? ? ? ? ?"),
    ),
    note="The supplement is not at hand: all values but 0.5 are our choice.",
)

TABLES = (TABLE_1, TABLE_2, TABLE_3, TABLE_4, TABLE_5, TABLE_6)
FIGURES = (FIG_6, FIG_7A, FIG_7B, FIG_7C, FIG_8, FIG_9)
ARTEFACTS = {artefact.key: artefact for artefact in (*TABLES, *FIGURES, ALPHA)}


# --- Quoted numbers, settings, data sets, equations ----------------------------------------------


@dataclass(frozen=True)
class Quantity:
    """One number of the text: as printed, as a number, with its unit and place."""

    key: str
    printed: str
    value: float
    unit: str
    place: str
    note: str = ""


QUOTED = (
    Quantity("throughput", "132", 132, "tokens/s", "§4.1"),
    Quantity("throughput_gain", "40%", 40, "%", "abstract, §4.1", "over SOKE with KV caching"),
    Quantity("seconds_per_video", "0.76s", 0.76, "s", "§4.1", "400 frames, 100 tokens"),
    Quantity("throughput_10_steps", "exceeding 300", 300, "tokens/s", "§4.1", "a lower bound"),
    Quantity("rating_madis", "6.9", 6.9, "1-10", "§4.1, Fig. 7a"),
    Quantity("rating_soke", "4.6", 4.6, "1-10", "§4.1, Fig. 7a"),
    Quantity("rating_motion", "8.4", 8.4, "1-10", "§4.1, Fig. 7a", "ground-truth motion"),
    Quantity("future_attention", "41%", 41, "%", "§4.2"),
    Quantity("masked_mpjpe_body", "24.79", 24.79, "mm", "§4.2"),
    Quantity("masked_mpjpe_hands", "5.64", 5.64, "mm", "§4.2"),
    Quantity("coverage", "98%", 98, "%", "§4", "training videos of at most 400 frames"),
    Quantity("orders", r"2.9 \times 10^{123}", 2.9e123, "orders", "§3.3, Eq. 4", "M=100, k=4"),
    Quantity("order_reduction", "10^{41}", 1e41, "times", "abstract, §3.3, Eq. 5", "'over'"),
    Quantity("gloss_error", "over 60%", 60, "%", "§1", "of another work, a lower bound"),
    Quantity("signers", "five", 5, "people", "§4.1"),
    Quantity("signer_experience_min", "4", 4, "years", "§4.1"),
    Quantity("signer_experience_max", "13", 13, "years", "§4.1"),
    Quantity("study_signs", "15", 15, "signs per system", "§4.1"),
)

SETTINGS = (
    Quantity("features", "133", 133, "SMPL-X parameters per frame", "§3.1"),
    Quantity("parts", "three", 3, "VQ-VAEs", "§3.1"),
    Quantity("frames_per_token", "4x", 4, "frames", "§4"),
    Quantity("max_tokens", "100", 100, "tokens", "§4", "M"),
    Quantity("max_frames", "400", 400, "frames", "§4"),
    Quantity("tokens_per_step", "4", 4, "tokens", "§4", "k"),
    Quantity("steps", "25", 25, "sampling steps", "Fig. 6", "default; also 100, 50, 10"),
    Quantity("checkpoint_quarter", "0.75", 0.75, "noise level", "§3.3", "T/4 resolution"),
    Quantity("checkpoint_half", "0.5", 0.5, "noise level", "§3.3", "T/2 resolution"),
    Quantity("alpha", "0.5", 0.5, "weight", "§3.3"),
    Quantity("learning_rate", "2e-4", 2e-4, "", "§4", "AdamW, cosine schedule"),
    Quantity("batch_size", "64", 64, "per GPU", "§4"),
    Quantity("gpus", "4x", 4, "Nvidia GH200", "§4"),
    Quantity("study_signers", "five", 5, "professional CSL signers", "§4.1", "4 to 13 years"),
    Quantity("study_signs", "15", 15, "sentences per condition", "§4.1, Fig. 7a"),
    Quantity("study_scale", "10", 10, "highest rating", "§4.1", "from 1; sign and text match"),
    Quantity("pretrain_epochs", "200", 200, "epochs", "§4", "all three corpora together"),
    Quantity("finetune_epochs", "150", 150, "epochs", "§4", "each corpus on its own"),
    Quantity("parameters", "0.6B", 0.6e9, "parameters", "§4", "Qwen3-0.6B-Base"),
    Quantity("backbone_languages", "119", 119, "languages", "§4"),
)


@dataclass(frozen=True)
class Choice:
    """A value of preset ``paper``, and where it comes from.

    ``key`` is its place in the preset, such as "pretrain.batch_size", or the constant
    "module:NAME"; ``paper`` and ``release`` are what the paper says and what the authors' release
    does ("-": nothing; of the tokenizer, the release of SOKE, whose tokenizer the paper adopts);
    ``ours`` is the value itself (a test compares it with the preset).
    """

    key: str
    paper: str
    release: str
    ours: object
    why: str = ""


_SAME = "as both"
_PAPER = "as the paper"
_RELEASE = "as the release; the paper does not say"


def _training(
    stage: str, batch: tuple[str, str, int], epochs: tuple[str, str, int], rate: tuple[str, str]
) -> tuple[Choice, ...]:
    """A stage's rows; what the paper says, what the release does, ours."""
    stated = "2e-4" if stage != "train_tokenizer" else "-"
    return (
        Choice(f"{stage}.batch_size", *batch, "of all processes; any number that divides it"),
        Choice(f"{stage}.epochs", *epochs, "samples are counted, so that N epochs are N epochs"),
        Choice(f"{stage}.updates", "-", "-", 0, "none of its own: the epochs decide"),
        Choice(f"{stage}.learning_rate", stated, rate[0], 2e-4, rate[1]),
        Choice(
            f"{stage}.final_learning_rate",
            "cosine schedule" if stage != "train_tokenizer" else "-",
            "1e-6, a step each epoch",
            1e-6,
            "falls with every update",
        ),
        Choice(f"{stage}.warmup", "-", "none", 0, _RELEASE),
        Choice(f"{stage}.betas", "-", "0.9, 0.99", (0.9, 0.99), _RELEASE),
        Choice(f"{stage}.weight_decay", "-", "0", 0.0, _RELEASE),
        Choice(f"{stage}.grad_clip", "-", "none", None, _RELEASE),
    )


CHOICES = (
    Choice("tokenizer.codes", "-", "96 body, 192 each hand", (96, 192, 192), _RELEASE),
    Choice("tokenizer.width", "-", "512", 512, _RELEASE),
    Choice("tokenizer.code_dim", "-", "512", 512, _RELEASE),
    Choice("tokenizer.depth", "-", "3 blocks, dilations 9, 3, 1", 3, _RELEASE),
    Choice("tokenizer.decay", "-", "0.99", 0.99, _RELEASE),
    Choice("tokenizer.decoupled", "§3.1", "three", True, _SAME),
    Choice("madis_lib.tokenizer:COMMITMENT_WEIGHT", "-", "0.02", 0.02, _RELEASE),
    Choice("tokenizer_window", "-", "whole clips", 400, "whole clips: none is longer"),
    Choice("tokenizer_warmup", "-", "none", 0, "none: long runs revive their dead codes"),
    *_training(
        "train_tokenizer",
        ("-", "320 x 6 GPUs", 1920),
        ("-", "500", 500),
        ("2e-4", "as the tokenizer's release"),
    ),
    Choice("model.hidden_size", "Qwen3-0.6B-Base", "from its folder", 1024, "Qwen3-0.6B's"),
    Choice("model.num_layers", "Qwen3-0.6B-Base", "from its folder", 28, "Qwen3-0.6B's"),
    Choice("model.num_heads", "Qwen3-0.6B-Base", "from its folder", 16, "Qwen3-0.6B's"),
    Choice("model.num_kv_heads", "Qwen3-0.6B-Base", "from its folder", 8, "Qwen3-0.6B's"),
    Choice("model.head_dim", "Qwen3-0.6B-Base", "from its folder", 128, "Qwen3-0.6B's"),
    Choice(
        "model.intermediate_size",
        "Qwen3-0.6B-Base",
        "from its folder; also the latent heads",
        3072,
        "Qwen3-0.6B's",
    ),
    Choice("model.max_tokens", "M = 100", "100", 100, _SAME),
    Choice(
        "model.text_vocab",
        "-",
        "trimmed to English, Chinese and German",
        151_669,
        "the trimmed one is not in the code's repository; the whole one knows every word",
    ),
    Choice(
        "model.qwen3",
        "Qwen3-0.6B-Base",
        "Qwen3-0.6B-Base, trimmed",
        "Qwen/Qwen3-0.6B-Base",
        "as the paper",
    ),
    Choice(
        "mbart",
        "-",
        "-",
        "facebook/mbart-large-cc25",
        "SOKE's release starts from it, with a vocabulary trimmed to its corpora; this is the whole one",
    ),
    Choice("model.text_reads_signs", "yes: no causal mask", "yes", True, _SAME),
    Choice("model.fusion", "mixture of parts", "mixture of parts", "dense", _SAME),
    *_training(
        "pretrain",
        ("64 x 4 GPUs", "64 x 4 GPUs", 256),
        ("200", "200", 200),
        ("2e-4", _SAME),
    ),
    *_training(
        "finetune",
        ("64 x 4 GPUs", "64 x 4 GPUs", 256),
        ("150, each corpus", "150, each corpus", 150),
        ("2e-4; How2Sign 5e-4", "as the paper, for every corpus"),
    ),
    *(
        Choice(f"siclip.text.{name}", "-", "Qwen3's first 14 layers", value, _RELEASE)
        for name, value in (
            ("hidden_size", 1024),
            ("num_layers", 14),
            ("num_heads", 16),
            ("num_kv_heads", 8),
            ("head_dim", 128),
            ("intermediate_size", 3072),
        )
    ),
    Choice("siclip.text.max_tokens", "-", "-", 100, "the model's; a text tower has no canvas"),
    Choice("siclip.text.text_reads_signs", "-", "-", True, "there are no signs beside the text"),
    Choice("siclip.text.fusion", "-", "-", "dense", "the model's; a text tower reads no signs"),
    Choice("siclip.text.text_vocab", "-", "a trimmed vocabulary", 151_669, "all rows of Qwen3"),
    Choice("siclip.text.qwen3", "-", "trimmed Qwen3", "Qwen/Qwen3-0.6B-Base", "the untrimmed one"),
    Choice("siclip.width", "-", "512", 512, _RELEASE),
    Choice("siclip.code_dim", "-", "512", 512, _RELEASE),
    Choice("siclip.depth", "-", "3 blocks, dilations 9, 3, 1", 3, _RELEASE),
    Choice("siclip.projection", "-", "3072", 3072, _RELEASE),
    Choice("siclip.embedding", "-", "512", 512, _RELEASE),
    Choice("siclip.decoupled", "Table 6's best", "three encoders", True, _SAME),
    Choice("siclip.fine_grained", "Table 6's best", "token to token", True, _SAME),
    *(
        Choice(f"train_siclip.{name}", "-", "no SiCLIP training in it", value, "ours")
        for name, value in (
            ("epochs", 100),
            ("updates", 0),
            ("batch_size", 256),
            ("learning_rate", 2e-4),
            ("final_learning_rate", 1e-6),
            ("warmup", 0),
            ("betas", (0.9, 0.99)),
            ("weight_decay", 0.0),
            ("grad_clip", None),
        )
    ),
    Choice("method.alpha", "0.5", "0.5", 0.5, _SAME),
    Choice("method.checkpoints", "0.75 and 0.5", "0.75 and 0.5", (0.75, 0.5), _SAME),
    Choice("method.layout", "evenly spread", "evenly spread", "uniform", _SAME),
    Choice("method.weighting", "1/t, t uniform", "1/p, p = 0.999 t + 0.001", "paper", _PAPER),
    Choice("method.protocol", "-", "its own", "paper", "--protocol release trains by the other"),
    Choice("rows", "-", "-", None, "ablations are run in the same preset"),
    Choice("row_pretrain", "-", "-", None, "rows of ablations are trained as long as the rest"),
    Choice("row_finetune", "-", "-", None, "rows of ablations are trained as long as the rest"),
    Choice("row_sentences", "-", "-", None, "rows of ablations are scored on the whole test set"),
    Choice("row_tokenizer", "-", "-", None, "S-MotionGPT's is trained as long as the three"),
    Choice("method.levels", "all of §3.2", "all", ("sign", "text", "latent", "physical"), _SAME),
    Choice("method.fusion", "mixture of parts", "mixture of parts", "dense", _SAME),
    Choice("method.coarse", "the whole canvas", "the whole canvas", False, _SAME),
    Choice("method.rule", "the most confident", "the most confident", "surest", _SAME),
    Choice("tokens_per_step", "k = 4", "3, then 4 x 23, then 5", 4, "as the paper; pivots exact"),
    Choice(
        "panel_sentences", "15, in CSL", "-", 200, "SignWorld's oracle reads as many as there are"
    ),
    Choice("madis_lib.diffusion:T_MIN", "-", "0.001", 1e-3, _RELEASE),
    Choice("seeds", "-", "1234", (1234,), "as the release; one, so orderings stay inconclusive"),
)


@dataclass(frozen=True)
class Dataset:
    """A corpus as the paper states it; ``language`` is the true one."""

    key: str
    name: str
    pairs: str
    language: str
    note: str = ""


DATASETS = (
    Dataset("csl", "CSL-Daily", "20K", "Chinese Sign Language"),
    Dataset("phoenix", "Phoenix-2014T", "8K", "German Sign Language", "§4 lists it as American"),
    Dataset("how2sign", "How2Sign", "35K", "American Sign Language", "§4 lists it as German"),
)


@dataclass(frozen=True)
class Equation:
    """A formula of the paper; ``number`` is None where the paper gives none."""

    key: str
    number: int | None
    place: str
    latex: str
    says: str


# fmt: off
EQUATIONS = (
    Equation("forward", 1, "§3.1",
             r"q_{t|0}(x_t^i \mid x_0^i) = \begin{cases} 1 - t, & x_t^i = x_0^i \\"
             r" t, & x_t^i = |\mathbf{M}| \end{cases}",
             "each token is masked independently with probability t"),
    Equation("reverse", 2, "§3.1",
             r"q_{s|t}(x_s^i \mid x_t^i) = \begin{cases} 1, & x_s^i = x_t^i \neq |\mathbf{M}| \\"
             r" \frac{s}{t}, & x_s^i = x_t^i = |\mathbf{M}| \\"
             r" \frac{t-s}{t}\, q_{0|t}(x_s^i \mid x_t^i), & x_s^i \neq |\mathbf{M}|, x_t^i ="
             r" |\mathbf{M}| \\ 0, & \text{otherwise} \end{cases}",
             "a masked token stays masked with probability s/t, or takes a predicted value for good"),
    Equation("token_loss", 3, "§3.2",
             r"\mathcal{L}_{tok} = -\mathbb{E}_{t, x_0, x_t}\left[\frac{1}{t}"
             r" \sum_{i \in I_m} \log p_\theta(x_0^i \mid x_t)\right]",
             "cross-entropy of the masked tokens, weighted by 1/t"),
    Equation("orders", 4, "§3.3",
             r"N_u = \binom{M}{k}\binom{M-k}{k}\cdots\binom{k}{k} = \frac{M!}{(k!)^{M/k}}",
             "unmasking orders of M tokens, k a step"),
    Equation("orders_utc", 5, "§3.3",
             r"N_u^{\text{UTC}} = \frac{(M/4)!}{(k!)^{M/4k}} \cdot \frac{(M/4)!}{(k!)^{M/4k}}"
             r" \cdot \frac{(M/2)!}{(k!)^{M/2k}}",
             "the same with checkpoints after a quarter and after half of the tokens"),
    Equation("latent_loss", None, "§3.2",
             r"\mathcal{L}_{lat} = \sum_p \|\mathbf{H}_p - \hat{\mathbf{H}}_p\|_1",
             "smooth L1 between predicted and true code embeddings of the masked sign tokens"),
    Equation("physical_loss", None, "§3.2",
             r"\mathcal{L}_{phy} = \sum_p \|\mathcal{D}_p(\mathbf{H}_p) - \hat{\mathbf{S}}_p\|_1",
             "smooth L1 between the motion decoded from the prediction and the true one"),
    Equation("pretraining_loss", None, "§3.2",
             r"\mathcal{L}_{pre} = \mathcal{L}_{tok} + \mathcal{L}_{lat} + \mathcal{L}_{phy}",
             "the three levels count equally in pretraining"),
    Equation("finetuning_loss", None, "§3.3",
             r"\mathcal{L}_{sft} = \mathcal{L}_{tok} + \alpha(\mathcal{L}_{lat} + \mathcal{L}_{phy})",
             "latent and physical losses stay on in fine-tuning, at weight α"),
    Equation("part_embedding", None, "§3.3",
             r"\mathbf{E}_p = \text{FC}_p(\mathbf{c}_p^{i_p})",
             "a part's token is embedded from its codebook vector"),
    Equation("gate", None, "§3.3",
             r"\mathbf{G} = \{g_p\} = \text{softmax}(\text{MLP}(\text{cat}(\{\mathbf{c}_p^{i_p}\})))",
             "the gate sees the codebook vectors of all three parts"),
    Equation("fusion", None, "§3.3",
             r"\mathbf{E} = \sum_p g_p \cdot \mathbf{E}_p",
             "the sign embedding is the gated sum of the parts"),
    Equation("future_attention", None, "§4.2",
             r"\sum_{i,\, j>i} \mathbf{A}_{i,j} \Big/ \sum_{i,j} \mathbf{A}_{i,j}",
             "share of attention on later positions"),
)
# fmt: on


# --- Claims --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Better:
    """In every column, ``row`` is better than each row of ``than``."""

    artefact: str
    row: str
    than: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Close:
    """In every column the two rows differ by at most ``margin`` (a share of ``to``; our choice)."""

    artefact: str
    row: str
    to: str
    columns: tuple[str, ...]
    margin: float


@dataclass(frozen=True)
class Matches:
    """The measured cells equal the printed ones within ``tolerance`` (a share; our choice)."""

    artefact: str
    row: str
    columns: tuple[str, ...]
    tolerance: float = 0.05


@dataclass(frozen=True)
class Bound:
    """The measured cell lies between ``low`` and ``high``."""

    artefact: str
    row: str
    column: str
    low: float = float("-inf")
    high: float = float("inf")


@dataclass(frozen=True)
class Ratio:
    """``row`` divided by ``over`` lies between ``low`` and ``high`` in every column."""

    artefact: str
    row: str
    over: str
    columns: tuple[str, ...]
    low: float = float("-inf")
    high: float = float("inf")


@dataclass(frozen=True)
class GainShare:
    """Of the gain from ``start`` to ``end``, at least ``low`` comes after ``middle``."""

    artefact: str
    start: str
    middle: str
    end: str
    columns: tuple[str, ...]
    low: float = 0.5


@dataclass(frozen=True)
class Computed:
    """A number that needs no training lies between ``low`` and ``high``; ``what`` names it."""

    what: str
    low: float = float("-inf")
    high: float = float("inf")


@dataclass(frozen=True)
class Judged:
    """Someone has to look: the question to ask."""

    question: str


Rule = Better | Close | Matches | Bound | Ratio | GainShare | Computed | Judged
Kind = Literal["number", "ordering", "ratio", "derivation", "qualitative", "equivalence"]
Needs = Literal["synthetic", "real data", "people"]


@dataclass(frozen=True)
class Claim:
    """One checkable sentence of the paper and what decides it.

    ``needs`` is the least that can decide it: our synthetic corpora, the real ones, or people.
    """

    id: str
    place: str
    statement: str
    kind: Kind
    scope: str
    rule: Rule
    needs: Needs = "synthetic"


_SCOPES = {
    **dict.fromkeys(("table1", "table6", "fig6"), "three test sets"),
    **dict.fromkeys(("fig7a", "fig7b"), "15 CSL signs, 5 signers"),
}


def _claim(
    id: str,
    place: str,
    kind: Kind,
    rule: Rule,
    statement: str,
    scope: str | None = None,
    needs: Needs = "synthetic",
) -> Claim:
    """A claim whose scope, unless given, is what its artefact was measured on."""
    scope = scope or _SCOPES.get(id.split(".")[0], "CSL-Daily test")
    return Claim(id, place, statement, kind, scope, rule, needs)


def _better(
    id: str,
    place: str,
    row: str,
    than: Iterable[str],
    statement: str,
    columns: tuple[str, ...] | None = None,
    scope: str | None = None,
    needs: Needs = "synthetic",
) -> Claim:
    """An ordering of rows of the artefact that ``id`` names, by default in all its columns."""
    artefact = id.split(".")[0]
    rule = Better(artefact, row, tuple(than), columns or _all(artefact))
    return _claim(id, place, "ordering", rule, statement, scope, needs)


def _all(artefact: str) -> tuple[str, ...]:
    return tuple(column.key for column in ARTEFACTS[artefact].columns)


def _but(artefact: str, row: str) -> tuple[str, ...]:
    return tuple(other.key for other in ARTEFACTS[artefact].rows if other.key != row)


_DTW = columns(metrics=("dtw_body", "dtw_hands"))
_NO_TOKEN_METRICS = columns(metrics=("dtw_body", "dtw_hands", "r1"))
_ONE_STREAM_METRICS = columns(metrics=("dtw_body", "dtw_hands", "sibleu_body", "r1"))
_STEPS_DTW = columns(metrics=("dtw",))
_STEPS_SIBLEU = columns(metrics=("sibleu",))

# fmt: off
CLAIMS = (
    _better("table1.best_csl", "abstract, §4.1, Table 1", "madis", _but("table1", "madis"),
            "On CSL-Daily, MaDiS is better than every other method in every metric.",
            columns=columns(["csl"]), scope="CSL-Daily test"),
    _better("table1.best_phoenix", "abstract, §4.1, Table 1", "madis", _but("table1", "madis"),
            "On Phoenix-2014T, MaDiS is better than every other method in every metric.",
            columns=columns(["phoenix"]), scope="Phoenix-2014T test"),
    _better("table1.best_how2sign", "abstract, §4.1, Table 1", "madis", _but("table1", "madis"),
            "On How2Sign, MaDiS is better than every other method in every metric.",
            columns=columns(["how2sign"]), scope="How2Sign test"),
    _better("table1.madis_beats_prog_trans", "Table 1", "madis", ["prog_trans"],
            "MaDiS is better than Progressive Transformers wherever both have a number.",
            columns=_NO_TOKEN_METRICS),
    _better("table1.madis_beats_text2mesh", "Table 1", "madis", ["text2mesh"],
            "MaDiS is better than Text2Mesh wherever both have a number.",
            columns=_NO_TOKEN_METRICS),
    _better("table1.madis_beats_t2s_gpt", "Table 1", "madis", ["t2s_gpt"],
            "MaDiS is better than T2S-GPT wherever both have a number.",
            columns=_ONE_STREAM_METRICS),
    _better("table1.madis_beats_nsa", "Table 1", "madis", ["nsa"],
            "MaDiS is better than Neural Sign Actors wherever both have a number.",
            columns=columns(["how2sign"], ["dtw_body", "dtw_hands", "r1"]), scope="How2Sign test"),
    _better("table1.madis_beats_s_motiongpt", "Table 1", "madis", ["s_motiongpt"],
            "MaDiS is better than S-MotionGPT wherever both have a number.",
            columns=_ONE_STREAM_METRICS),
    _better("table1.madis_beats_momask", "Table 1", "madis", ["momask"],
            "MaDiS is better than MoMask++ wherever both have a number.",
            columns=_ONE_STREAM_METRICS),
    _better("table1.madis_beats_soke_mbart", "Table 1", "madis", ["soke_mbart"],
            "MaDiS is better than SOKE with mBART wherever both have a number."),
    _better("table1.madis_beats_soke_qwen3", "Table 1", "madis", ["soke_qwen3"],
            "MaDiS is better than SOKE with Qwen3 wherever both have a number."),
    _better("table1.madis_beats_mdlm", "Table 1", "madis", ["mdlm"],
            "MaDiS is better than the plain masked diffusion baseline wherever both have a "
            "number."),
    _better("table1.momask_below_soke", "§4.1", "soke_mbart", ["momask"],
            "MoMask++, whose masking schedule is a heuristic, is worse than SOKE.",
            columns=_ONE_STREAM_METRICS),
    _better("table1.qwen3_above_mbart", "§4.1", "soke_qwen3", ["soke_mbart"],
            "SOKE gets slightly better when Qwen3 replaces mBART at the same size.",
            needs="real data"),
    _claim("table1.mdlm_on_par_with_soke", "§4.1", "ratio",
           Ratio("table1", "mdlm", "soke_qwen3", _DTW, high=1.05),  # the margin is ours
           "Without a dictionary, the plain masked diffusion baseline comes as close to the "
           "truth as SOKE, which uses one: at most 5 % farther."),
    _better("table1.soke_above_earlier", "Table 1",
            "soke_mbart", ["prog_trans", "text2mesh", "t2s_gpt", "nsa", "s_motiongpt", "momask"],
            "SOKE has lower DTW errors than every earlier method.", columns=_DTW),
    _better("table1.mdlm_aligns_better_than_soke", "Table 1", "mdlm", ["soke_mbart", "soke_qwen3"],
            "The plain masked diffusion baseline is retrieved more often than SOKE.",
            columns=columns(metrics=["r1"])),
    _claim("table1.numbers", "Table 1", "number",
           Matches("table1", "madis", _all("table1")),
           "MaDiS reaches the printed scores on the real test sets.", needs="real data"),

    _better("table2.pretraining_helps", "§4.2, Table 2", "physical", ["none"],
            "Pretraining at all three levels is better than none."),
    _better("table2.sign_tokens_help", "Table 2", "sign", ["none"],
            "Pretraining on masked sign tokens alone is better than no pretraining."),
    _better("table2.text_tokens_help", "§4.2, Table 2", "sign_text", ["sign"],
            "Masking text tokens as well is better than masking sign tokens only."),
    _better("table2.latent_lowers_dtw", "§4.2, Table 2", "latent", ["sign_text"],
            "Predicting latent features on top lowers both DTW errors.",
            columns=columns(["csl"], ["dtw_body", "dtw_hands"])),
    _better("table2.latent_raises_alignment", "§4.2, Table 2", "latent", ["sign_text"],
            "Predicting latent features on top raises sentence-level semantic alignment.",
            columns=("csl.r1",)),
    _better("table2.latent_raises_sibleu", "Table 2", "latent", ["sign_text"],
            "Predicting latent features on top raises both SiBLEU scores.",
            columns=columns(["csl"], ["sibleu_body", "sibleu_hands"])),
    _better("table2.physical_helps", "§4.2, Table 2", "physical", ["latent"],
            "Adding the physical level is better than stopping at the latent one."),
    _better("table2.full_best", "§4.2, Table 2", "physical", _but("table2", "physical"),
            "All three levels together are better than every smaller choice."),

    _better("table3.quarter_helps", "§4.2, Table 3", "uniform_75", ["none"],
            "A uniform checkpoint at t = 0.75 alone is better than none."),
    _better("table3.half_helps", "§4.2, Table 3", "uniform_50", ["none"],
            "A uniform checkpoint at t = 0.5 alone is better than none."),
    _better("table3.half_beats_quarter", "Table 3", "uniform_50", ["uniform_75"],
            "Of the single checkpoints, t = 0.5 is better than t = 0.75."),
    _better("table3.both_beat_one", "§4.2, Table 3", "uniform_75_50", ["uniform_75", "uniform_50"],
            "Both checkpoints together are better than either alone."),
    _better("table3.fewer_orders_help", "§4.2, Table 3", "contiguous_75_50", ["none"],
            "Contiguous checkpoints, which cut the orders without going coarse to fine, beat "
            "none."),
    _better("table3.uniform_beats_contiguous", "§4.2, Table 3",
            "uniform_75_50", ["contiguous_75_50"],
            "Uniform checkpoints are better than contiguous ones: coarse to fine itself helps."),
    _better("table3.full_best", "§4.2, Table 3", "uniform_75_50", _but("table3", "uniform_75_50"),
            "Two uniform checkpoints are better than every other choice."),

    _better("table4.mop_beats_average", "§4.2, Table 4", "dense", ["average"],
            "Mixture-of-parts is better than averaging freshly initialised embeddings."),
    _better("table4.codebook_average_beats_average", "§4.2, Table 4",
            "codebook_average", ["average"],
            "The average of codebook vectors is better than averaging freshly initialised "
            "embeddings."),
    _better("table4.codebook_mlp_beats_average", "§4.2, Table 4", "codebook_mlp", ["average"],
            "An MLP of codebook vectors is better than averaging freshly initialised "
            "embeddings."),
    _better("table4.codebook_transformer_beats_average", "§4.2, Table 4",
            "codebook_transformer", ["average"],
            "A two-layer Transformer of codebook vectors is better than averaging freshly "
            "initialised embeddings."),
    _better("table4.dense_beats_codebook_average", "§4.2, Table 4", "dense", ["codebook_average"],
            "The dense gate is better than the plain average of the same codebook vectors."),
    _better("table4.dense_beats_codebook_mlp", "§4.2, Table 4", "dense", ["codebook_mlp"],
            "The dense gate is better than an MLP of the same codebook vectors."),
    _better("table4.dense_beats_codebook_transformer", "§4.2, Table 4",
            "dense", ["codebook_transformer"],
            "The dense gate is better than a Transformer of the same codebook vectors."),
    _better("table4.dense_beats_sparse_top1", "§4.2, Table 4", "dense", ["sparse_top1"],
            "The dense gate is better than a gate that keeps only the top part of the same "
            "codebook vectors."),
    _better("table4.dense_beats_sparse_top2", "§4.2, Table 4", "dense", ["sparse_top2"],
            "The dense gate is better than a gate that keeps only the top two parts of the same "
            "codebook vectors."),
    _better("table4.top2_beats_top1", "Table 4", "sparse_top2", ["sparse_top1"],
            "Among sparse gates, keeping two parts is better than keeping one."),
    _better("table4.full_best", "§4.2, Table 4", "dense", _but("table4", "dense"),
            "The dense gate is better than every other fusion."),

    _better("table5.left_handed", "§4.2, Table 5", "left", ["right"],
            "In left-handed signs the gate gives the left hand more weight than the right.",
            columns=("csl.left",)),
    _better("table5.right_handed", "§4.2, Table 5", "right", ["left"],
            "In right-handed signs the gate gives the right hand more weight than the left.",
            columns=("csl.right",)),
    _claim("table5.two_handed", "§4.2, Table 5", "equivalence",
           Close("table5", "left", "right", ("csl.two",), 0.25),
           "In two-handed signs both hands get comparable weight."),
    _claim("table5.body_weights", "Table 5", "number",
           Matches("table5", "body", _all("table5"), 0.1),
           "The mean weights of the body, by handedness, are those printed.", needs="real data"),
    _claim("table5.left_weights", "Table 5", "number",
           Matches("table5", "left", _all("table5"), 0.1),
           "The mean weights of the left hand, by handedness, are those printed.", needs="real data"),
    _claim("table5.right_weights", "Table 5", "number",
           Matches("table5", "right", _all("table5"), 0.1),
           "The mean weights of the right hand, by handedness, are those printed.", needs="real data"),

    _better("table6.decoupled_helps", "§4.2, Table 6", "decoupled", ["baseline"],
            "Separate encoders for the parts raise retrieval over a plain contrastive loss."),
    _better("table6.fine_grained_helps", "§4.2, Table 6", "fine_grained", ["decoupled"],
            "The fine-grained loss raises retrieval further."),
    _claim("table6.fine_grained_gives_most", "§4.2, Table 6", "ratio",
           GainShare("table6", "baseline", "decoupled", "fine_grained", _all("table6"), low=0.5),
           "Most of the gain over the baseline comes from the fine-grained loss."),
    _claim("table6.numbers", "Table 6", "number",
           Matches("table6", "fine_grained", _all("table6")),
           "SiCLIP reaches the printed retrieval on real ground truth.", needs="real data"),
    _claim("table6.on_par_with_motion_retrieval", "§4.2", "qualitative",
           Judged("Is the retrieval rate like that of TMR on its own data, at equal gallery size?"),
           "SiCLIP retrieves about as well as a leading model of text-to-motion retrieval.",
           needs="real data"),

    _claim("fig6.faster_than_soke", "abstract, §4.1, Fig. 6a", "ratio",
           Ratio("fig6", "steps_25", "soke", ("throughput",), low=1.35),
           "MaDiS emits about 40 % more tokens a second than SOKE with KV caching."),
    _claim("fig6.baseline_faster_than_soke", "§4.1", "ratio",
           Ratio("fig6", "mdlm", "soke", ("throughput",), low=1.35),
           "Already the plain masked diffusion baseline is about 40 % faster than SOKE."),
    _claim("fig6.throughput", "§4.1, Fig. 6a", "number",
           Matches("fig6", "steps_25", ("throughput",), 0.1),
           "With 25 steps MaDiS emits 132 tokens a second.", needs="real data"),
    _claim("fig6.seconds", "§4.1", "number",
           Matches("fig6", "steps_25", ("seconds",), 0.1),
           "A sign video of 400 frames takes 0.76 s.", needs="real data"),
    _claim("fig6.seconds_follow_from_throughput", "§4.1", "derivation",
           Computed("100 tokens / 132 tokens per second", low=0.755, high=0.765),
           "100 tokens at 132 a second are 0.76 s.", scope="arithmetic"),
    _claim("fig6.real_time", "§4.1", "number",
           Bound("fig6", "steps_25", "seconds", high=400 / 30),
           "Generation is faster than playback: 400 frames take less time than they last."),
    _claim("fig6.ten_steps_throughput", "§4.1, Fig. 6", "number",
           Bound("fig6", "steps_10", "throughput", low=300),
           "With 10 steps throughput exceeds 300 tokens a second.", needs="real data"),
    _better("fig6.steps_50_faster_than_steps_100", "§4.1, Fig. 6b-d", "steps_50", ["steps_100"],
            "50 sampling steps are faster than 100.", columns=("throughput",)),
    _better("fig6.steps_25_faster_than_steps_50", "§4.1, Fig. 6b-d", "steps_25", ["steps_50"],
            "25 sampling steps are faster than 50.", columns=("throughput",)),
    _better("fig6.steps_10_faster_than_steps_25", "§4.1, Fig. 6b-d", "steps_10", ["steps_25"],
            "10 sampling steps are faster than 25.", columns=("throughput",)),
    _better("fig6.hundred_steps_best_dtw", "§4.1, Fig. 6b-d",
            "steps_100", ["steps_50", "steps_25", "steps_10"],
            "One token a step gives the lowest DTW error.", columns=_STEPS_DTW),
    _better("fig6.hundred_steps_best_sibleu", "§4.1, Fig. 6b-d",
            "steps_100", ["steps_50", "steps_25", "steps_10"],
            "One token a step gives the highest SiBLEU.", columns=_STEPS_SIBLEU),
    _better("fig6.ten_steps_worse", "§4.1, Fig. 6b-d", "steps_25", ["steps_10"],
            "Ten steps cost quality against the default 25.", columns=_STEPS_DTW + _STEPS_SIBLEU),
    _claim("fig6.default_is_a_balance", "§4.1, Fig. 6b-d", "equivalence",
           Close("fig6", "steps_25", "steps_100", _STEPS_DTW + _STEPS_SIBLEU, 0.1),
           "With 25 steps quality stays close to that of 100."),

    _better("fig7a.madis_above_soke", "§4.1, Fig. 7a", "madis", ["soke"],
            "Signers rate MaDiS clearly above SOKE.", needs="people"),
    _better("fig7a.motion_above_madis", "§4.1, Fig. 7a", "motion", ["madis", "soke"],
            "Signers rate ground-truth motion above generated motion.", needs="people"),
    _claim("fig7a.rating_madis", "§4.1, Fig. 7a", "number",
           Matches("fig7a", "madis", _all("fig7a"), 0.1),
           "MaDiS is rated 6.9 of 10.", needs="people"),
    _claim("fig7a.rating_soke", "§4.1, Fig. 7a", "number",
           Matches("fig7a", "soke", _all("fig7a"), 0.1),
           "SOKE is rated 4.6 of 10.", needs="people"),
    _claim("fig7a.rating_motion", "§4.1, Fig. 7a", "number",
           Matches("fig7a", "motion", _all("fig7a"), 0.1),
           "Ground-truth motion is rated high (8.4): SMPL-X motion can carry sign language.",
           needs="people"),

    _better("fig7b.sibleu_above_dtw", "§4.1, Fig. 7b", "sibleu", ["dtw"],
            "SiBLEU follows human ratings more closely than DTW error does.", needs="people"),
    _better("fig7b.siclip_above_dtw", "§4.1, Fig. 7b", "siclip", ["dtw"],
            "SiCLIP follows human ratings more closely than DTW error does.", needs="people"),

    _claim("fig5.looks_better", "§4.1, Fig. 5", "qualitative",
           Judged("Shown both in random order beside the truth, which do signers prefer?"),
           "MaDiS signs look more precise and natural than SOKE's: hand shape, palm "
           "orientation, one- and two-handed signs, fingers.",
           scope="examples of three test sets", needs="people"),

    _claim("fig7c.future_attention", "§4.2", "number",
           Matches("fig7c", "all_heads", _all("fig7c"), 0.1),
           "On average 41 % of the attention falls on later positions.", needs="real data"),
    _claim("fig7c.uses_future", "§4.2, Fig. 7c", "number",
           Bound("fig7c", "all_heads", "csl.future_attention", low=20),
           "The model attends to later positions substantially, where a causal one cannot."),

    _claim("fig8.error_body", "§4.2, Fig. 8", "number",
           Matches("fig8", "masked_25", ("csl.mpjpe_body",)),
           "From 75 % of the tokens, body joints are rebuilt to 24.79 mm.", needs="real data"),
    _claim("fig8.error_hands", "§4.2, Fig. 8", "number",
           Matches("fig8", "masked_25", ("csl.mpjpe_hands",)),
           "From 75 % of the tokens, hand joints are rebuilt to 5.64 mm.", needs="real data"),
    _claim("fig8.on_par_with_tokenizer", "§4.2, Fig. 8", "equivalence",
           Close("fig8", "masked_25", "tokenizer", _all("fig8"), 0.25),
           "With a quarter of the tokens masked, reconstruction is comparable to the "
           "tokenizer's own."),

    _better("fig9.lower_loss", "§4.2, Fig. 9", "utc", ["none"],
            "At the end of equal trainings, the token loss is lower with UTC.",  # on other canvases
            columns=("csl.train_loss",), scope="CSL-Daily train"),
    _better("fig9.higher_validation", "§4.2, Fig. 9", "utc", ["none"],
            "At the end of equal trainings, validation SiBLEU is higher with UTC.",
            columns=("csl.val_sibleu",), scope="CSL-Daily validation"),

    _claim("fig10.active_hand", "§4.2, Fig. 10", "qualitative",
           Judged("Over the frames of each example, does the gate follow the signing hand?"),
           "In examples of one-handed signs the gate favours the hand that signs; in "
           "two-handed ones it balances both.", scope="four example signs"),

    _better("alpha.auxiliary_losses_help", "§3.3", "0.5", ["0"],
            "Keeping the pretraining losses on in fine-tuning helps."),
    _better("alpha.half_is_best", "§3.3", "0.5", _but("alpha", "0.5"),
            "A weight of 0.5 for them is the best of those tried."),

    _claim("eq4.count", "§3.3, Eq. 4", "derivation",
           Computed("utc.order_count(100, 4)", low=2.85e123, high=2.95e123),
           "100 tokens unmasked four at a time can appear in 2.9e123 orders.",
           scope="M = 100, k = 4"),
    _claim("eq5.reduction", "abstract, §3.3, Eq. 5", "derivation",
           Computed("utc.order_count(100, 4) / utc.order_count_utc(100, 4)", low=1e41),
           "Temporal checkpoints cut the number of orders by more than 1e41 (in whole groups of "
           "four; Eq. 5 as printed, whose exponents are no whole numbers, gives 1.3e43).",
           scope="M = 100, k = 4"),
    _claim("eq4.closed_form", "§3.3, Eq. 4", "derivation",
           Computed("product of binomials / closed form, largest deviation from 1", low=0, high=0),
           "The product of binomials equals M! / (k!)^(M/k) where k divides M.",
           scope="any M divisible by k"),
    _claim("eq2.time_free", "§3.1, Eq. 2", "derivation",
           Computed("largest change of q(x0 | xt) with t", low=0, high=1e-12),
           "The prediction of a masked token depends on the unmasked ones, not on the time t.",
           scope="any small distribution, by enumeration"),
    _claim("utc.pivots_are_uniform", "§3.3", "derivation",
           Computed("positions off the grid at the two pivots", low=0, high=0),
           "Under UTC exactly the quarter grid, then exactly the half grid, is unmasked.",
           scope="M = 100, 25 steps"),
    _claim("utc.training_states_are_feasible", "§3.3", "derivation",
           Computed("training states that generation cannot reach", low=0, high=0),
           "Training leaves out the states that unmasking with checkpoints cannot reach.",
           scope="M = 100, 500 draws"),
    _claim("frames.from_tokens", "§4", "derivation",
           Computed("max_tokens * frames_per_token", low=400, high=400),
           "100 tokens decode to 400 frames.", scope="tokenizer"),
    _claim("frames.coverage", "§4", "number",
           Computed("share of training clips of at most 400 frames, percent", low=97, high=99),
           "400 frames cover about 98 % of the training videos.",
           scope="three training sets", needs="real data"),
    _claim("dtw.is_a_minimum", "§3.4", "derivation",
           Computed("largest of (DTW-JPE - summed error along the diagonal)", high=0),
           "DTW error never exceeds the error at any fixed alignment, so it can flatter a "
           "model.", scope="any two clips"),
    _claim("dtw.procrustes_flatters", "§4", "derivation",
           Computed("largest of (squared error after Procrustes - after translation)", high=0),
           "Aligning rotations as well (Procrustes) would lower the error and hide wrong "
           "orientation.", scope="any two clips"),
    _claim("back_translation.has_its_own_errors", "§3.4", "number",
           Computed("BLEU-4 of true signing translated back, highest of the corpora", high=99.9),
           "Back-translation adds errors of its own: even true signing is not read perfectly.",
           scope="three test sets"),
    _claim("dtw.slower_than_sibleu", "§3.4", "ratio",
           Computed("seconds of DTW-JPE / seconds of SiBLEU, same sentences", low=1),
           "DTW error costs more to compute than SiBLEU.", scope="three test sets"),
)
# fmt: on


def claim(id: str) -> Claim:
    """The claim called ``id``; ValueError if there is none."""
    for item in CLAIMS:
        if item.id == id:
            return item
    raise ValueError(f"no claim {id!r}: see paper.CLAIMS for their ids")


def exceptions(rule: Better) -> list[tuple[str, str]]:
    """Where the paper's own numbers contradict an ordering: ``(column, row that is not worse)``.

    Cells without a printed number contradict nothing.
    """
    artefact = ARTEFACTS[rule.artefact]
    found = []
    for column in rule.columns:
        sign = 1 if artefact.column(column).better == "high" else -1
        mine = artefact.value(rule.row, column)
        for other in rule.than:
            theirs = artefact.value(other, column)
            if mine is not None and theirs is not None and sign * (mine - theirs) <= 0:
                found.append((column, other))
    return found

"""Where the paper, the authors' release and this library differ: the rows of notebook 12, as data.

Everything is in our own words.  What the release does was measured from it where it could run
without data and weights (``tests/golden``), and read where it could not; ``status`` says how much
of a row notebook 12 can show.  In ``here`` names in backticks are modules of the library, or what
is in them, without ``madis_lib.``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Status = Literal["checked here", "arithmetic only", "could not be checked"]
CHECKED: Status = "checked here"
ARITHMETIC: Status = "arithmetic only"
UNCHECKED: Status = "could not be checked"


@dataclass(frozen=True)
class Difference:
    """One place where the three disagree, or where the paper disagrees with itself.

    ``paper`` is what it says, in our words, and ``place`` where; ``release`` what its code does
    ("–": nothing on this); ``here`` what this library does and where; ``open`` what stays unchecked.
    """

    id: str
    group: str
    topic: str
    status: Status
    place: str
    paper: str
    release: str
    consequence: str
    here: str
    open: str = ""


# fmt: off
DIFFERENCES = (
    Difference(
        "E1", "sequence", "learning where to stop", CHECKED, "§3.2, §4",
        "A sign sequence ends with an end-of-sentence token; what is generated after it is discarded.",
        "Only codes are targets, never eos, which stays in the softmax and may be chosen at inference.",
        "Training can only push eos down: the length of a sentence is not learned.",
        "The canvas after the last sign is eos and is trained: `objectives.canvas`, `objectives.head_targets`. The other reading: `release.losses.sign_ids`.",
        "Reported, not rerun here: the authors' code, trained for 500 steps on 8 sentences, gave no eos, and an eos among the labels stops it with an error. What the released weights do is unknown."),
    Difference(
        "E2", "sequence", "separators", CHECKED, "§3.2",
        "The sequence is text, eos, signs, eos.",
        "Text and signs, nothing between or after.",
        "Follows from E1; text and signs are told apart by their ids only.",
        "Text, eos, signs, eos: `objectives.pretraining_loss`; without: `release.forward.pretraining_ids`."),
    Difference(
        "B1", "metrics", "order of SiBLEU", CHECKED, "§4, evaluation metrics",
        "SiBLEU-4, that is BLEU of tokens against the true ones.",
        "Clipped overlap of single tokens with a brevity penalty, which is BLEU-1; its description says 4.",
        "Random tokens score higher than every SiBLEU of the paper: printed values of this kind would mean that every method does worse than noise.",
        "`metrics.sibleu`, of order 4 unless told otherwise (1 is the release's)."),
    Difference(
        "L2", "metrics", "choosing a checkpoint", CHECKED, "not mentioned",
        "Which fine-tuned checkpoint is tested is not said.",
        "The one of highest validation SiBLEU of the body, so of BLEU-1 (B1).",
        "The choice is blind to order.",
        "The last update is used: `train`."),
    Difference(
        "D1", "metrics", "unit of DTW-JPE", CHECKED, "§4, evaluation metrics; Table 1",
        "DTW over joint position errors, without a unit.",
        "The sum along the path in metres, divided by nothing.",
        "Grows with length: values compare only on the same sentences, and outputs that do not stop (E1) pay for it.",
        "The same sum, `metrics.dtw_jpe`; `metrics.dtw_path` adds the length of the path for a mean in mm."),
    Difference(
        "U1", "sampling", "holding the pivots", CHECKED, "§3.3",
        "Both pivot states are enforced to hold evenly spread tokens.",
        "Counts are rounded down, so with 25 steps the quarter phase asks for 27 tokens of a grid of 25.",
        "Two or three tokens a sentence land where training never shows them, chosen by the sorting of ties.",
        "Exact pivots for every number of steps: `utc.stage_schedule`. With leaks: `release.generation.pick_with_leaks`."),
    Difference(
        "U2", "sampling", "how often UTC applies in training", UNCHECKED, "§3.3",
        "Infeasible states are filtered out during training; no mixture with plain masking is mentioned.",
        "Always (a constant of 1); a comment beside it speaks of a 0.2 mixture as the paper's.",
        "Comment or constant is out of date. Which of the two trained the released weights is unknown.",
        "Always: `objectives.finetuning_loss`, `release.noise.finetuning_noise`."),
    Difference(
        "U3", "sampling", "tokens per step", CHECKED, "§3.3, §4",
        "k = 4 tokens in each of 25 steps.",
        "3, then 4 (23 times), then 5.",
        "Small; it comes from times that end at 1e-5 and counts that are rounded down.",
        "Within a stage as even as whole numbers allow: `utc.schedule`; theirs: `release.generation.plan`."),
    Difference(
        "U4", "sampling", "weight of the fine-tuning loss", CHECKED, "Eq. 3, §3.3",
        "t uniform on (0, 1), each token masked with probability t, loss weighted by 1/t; then UTC changes what is masked, and the weight is not mentioned again.",
        "p = 0.999 t + 0.001, weight 1/p, under UTC too, where no position is masked with probability p.",
        "Odd positions count 1.69 times, those of the half grid 0.48, those of the quarter grid 0.14: no longer the diffusion bound.",
        "The paper's letter, hence the same: `objectives.finetuning_loss`. The weight that makes it a bound again is an option, `utc.bound_weight`, and notebook 05 goes into it."),
    Difference(
        "U5", "sampling", "whose confidence", CHECKED, "§3.3",
        "Tokens of highest confidence come first, the maximum of their probabilities; of which part is not said.",
        "The body's alone.",
        "Hands never influence the order.",
        "Mean log-probability of the triple: `sampler.choose_triples`; the body's: `release.generation.unmask`."),
    Difference(
        "U6", "sampling", "length of the grid", CHECKED, "§3.3",
        "Grids run over the M generated tokens.",
        "In training over the longest sentence of the batch, at inference over 100.",
        "The grid is the same; but the model trains on short canvases and signs on long ones.",
        "M positions in both: `objectives.finetuning_loss`."),
    Difference(
        "N1", "orders", "Eq. 4", ARITHMETIC, "Eq. 4, Fig. 3",
        "2.9e123 orders for M = 100, k = 4.",
        "–",
        "Right.",
        "`utc.order_count`, exactly."),
    Difference(
        "N2", "orders", "Eq. 5", ARITHMETIC, "abstract, Eq. 5, Fig. 3",
        "UTC leaves fewer by over 1e41 times.",
        "–",
        "True in every reading, but loose: 5.3e41 with exponents rounded down, 1.06e42 with whole groups, 1.28e43 as printed.",
        "`utc.eq5_readings` has all of them: `utc.log10_eq5` as printed, `utc.order_count_utc` with whole groups."),
    Difference(
        "N3", "orders", "orders of the release's own schedule", ARITHMETIC, "abstract, Eq. 5",
        "The same sentence.",
        "Its counts (U3) give 2.33e123 without grids; its grids, leaks taken as given, 5e43 to 8e45 times fewer.",
        "The same message with another number.",
        "`release.generation.plan` has the counts."),
    Difference(
        "P1", "losses", "frames of the physical loss", CHECKED, "§3.2",
        "L1 of decoded motion at masked indices, summed over the parts.",
        "Smooth L1, one mean over all frames of the padded batch, unmasked ones and padding too. The first public version kept masked frames only.",
        "Padding teaches the mean pose, and the size of the loss depends on how much of it there is.",
        "Frames of masked signs, a mean per part: `objectives.physical_loss`; theirs: `release.losses.physical_loss`."),
    Difference(
        "P2", "losses", "sum of the latent loss", CHECKED, "§3.2",
        "Smooth L1, summed over the parts.",
        "One mean over the concatenated numbers of the parts.",
        "A third of the sum of means; same direction.",
        "`objectives.latent_loss`; a third of it: `release.losses.latent_loss`."),
    Difference(
        "P3", "losses", "normaliser of the token loss", CHECKED, "Eq. 3",
        "A sum over the masked tokens of a sentence, divided by t.",
        "Divided further by the number of all real positions of the batch.",
        "A sentence weighs less beside long ones.",
        "Divided by the sentence's own positions: `diffusion.token_loss`; theirs: `release.losses.token_loss`."),
    Difference(
        "P4", "losses", "heads in pretraining", CHECKED, "§3.2, §3.3",
        "Tokens of the three parts are treated equally in pretraining.",
        "They also share one softmax over the whole vocabulary, asked for three tokens at once.",
        "The mean cross-entropy of the parts cannot fall below log 3.",
        "Three heads in both stages: `model.MaDiS.sign_logits`; one: `release.forward.pretraining_logits`."),
    Difference(
        "P5", "losses", "dropout", CHECKED, "not mentioned",
        "–",
        "0.1 on the gate's logits before their softmax and on predicted latents.",
        "A hidden regulariser; needed to train as the release does.",
        "None, as nothing is said; `release.forward.add_dropout` adds it."),
    Difference(
        "P6", "losses", "padding of texts", CHECKED, "not mentioned",
        "–",
        "Attended to in pretraining; in both stages signs are placed behind the batch's longest text.",
        "A sentence's output depends on those it is batched with.",
        "Padding is read by nothing, positions are per sentence: `model.positions_of`; theirs: `release.forward.row_positions`."),
    Difference(
        "V1", "vocabulary", "the language model's rows", CHECKED, "§4",
        "Qwen3-0.6B-Base.",
        "Its rows are trimmed to English, Chinese and German; three spare ids per part stay in the heads.",
        "Fewer parameters than 0.6B; a spare id can be generated and is clamped to the last code.",
        "No spare ids, each head over its codes and eos: `vocab.Vocab.head_ids`; with: `release.forward.head_rows`.",
        "How many rows are left is not in the release."),
    Difference(
        "L1", "settings", "learning rate", UNCHECKED, "§4",
        "2e-4 to begin with, in both stages.",
        "5e-4 in fine-tuning on How2Sign, else 2e-4.",
        "Unknown without training.",
        "2e-4 in the preset of the paper: `presets.paper`."),
    Difference(
        "S1", "siclip", "mask of the sign view", CHECKED, "§3.4 (details in the supplement)",
        "A fine-grained similarity of words and sign tokens.",
        "The mean over sign tokens uses the mask of the row's own signing for every column; right on the diagonal, wrong elsewhere.",
        "The length of the matching signing leaks: features without any content reach R@1 of 9 to 10 and R@5 of 34 in pools of 45, where chance is 2.2 and 11.1.",
        "Each signing's own mask: `siclip.views`; theirs: `release.siclip.views`.",
        "Whether the trained SiCLIP profits is unknown, and the supplement was not at hand."),
    Difference(
        "S2", "siclip", "direction of retrieval", CHECKED, "§4, Table 6",
        "Sign-to-text retrieval.",
        "Texts search signings.",
        "Another number: the two directions are two tasks.",
        "Both, each with its name: `experiments.released`."),
    Difference(
        "S3", "siclip", "size of the gallery", CHECKED, "§4, Tables 1 and 6",
        "R@1 of sentence-level retrieval.",
        "Within batches of 45 in the order of the split, the last one smaller.",
        "Chance is 2.3 %, not 0.1 %; not comparable with retrieval among all sentences.",
        "`metrics.retrieval`, with ``pool=45`` or without."),
    Difference(
        "T1", "settings", "throughput", ARITHMETIC, "§4.1, Fig. 6",
        "132 tokens a second, 0.76 s for 100 tokens.",
        "Times the sampler alone and divides by the batch size, 8 in its test settings.",
        "The two figures agree if a token is a triple and the batch is one sentence; with batches of 8 it would be batch throughput.",
        "Not compared: speed belongs to a machine. The printed figures: `paper.QUOTED`.",
        "Needs the authors' machine."),
    Difference(
        "X1", "text", "t = 0.75, masking 25 %", CHECKED, "§4.2",
        "Reconstruction at t = 0.75, that is with 25 % of the tokens masked.",
        "t is the share that is masked.",
        "Contradicts Eqs. 1 and 2: either t = 0.25, or 75 % are masked.",
        "t is the masked share: `diffusion.mask_independently`."),
    Difference(
        "X2", "text", "languages of the corpora", CHECKED, "§4, datasets",
        "CSL-Daily, Phoenix-2014T and How2Sign are listed as Chinese, American and German.",
        "–",
        "Two are swapped: Phoenix-2014T is German, How2Sign American.",
        "`paper.DATASETS`."),
    Difference(
        "X3", "text", "check marks of Table 2", UNCHECKED, "§4.2, Table 2",
        "Row 4 marks sign and latent, row 5 sign, text and physical.",
        "–",
        "Row 5 is the full model and the prose adds one level after the other, so row 4 should be sign, text, latent and row 5 all four.",
        "So read: `paper.TABLE_2`.",
        "The printed page was not at hand; the text extraction may have moved the marks."),
    Difference(
        "X4", "text", "reconstruction error of Fig. 8", UNCHECKED, "§4.2, Fig. 8",
        "24.79 and 5.64 mm on joints of body and hands.",
        "No such evaluation.",
        "Needs the data and the weights, and X1 leaves open at which t.",
        "The error itself is `metrics.mpjpe_mm`."),
    Difference(
        "X5", "text", "ablations", UNCHECKED, "§4.1, §4.2, Fig. 6, Tables 3 and 4",
        "Contiguous checkpoints, other fusions, an MDLM baseline, other numbers of steps.",
        "None of them; the number of steps is a constant.",
        "They have to be written anew.",
        "Checkpoints, layout and steps are arguments: `utc.pivots`, `sampler.generate`."),
    Difference(
        "X6", "data", "frames that are kept", CHECKED, "§4, datasets",
        "The poses of SOKE.",
        "Another file layout than SOKE's, and other frames when the frame rate is reduced.",
        "Tokens made with SOKE's script need not match the motion the release compares with.",
        "The release's frames, `data.lengths.reduce_fps`; both layouts are read: `data.layouts`."),
    Difference(
        "X7", "data", "shortest clip", CHECKED, "§4",
        "Clips of more than 400 frames are resampled to 400.",
        "Clips of fewer than 40 are also stretched to 40.",
        "Short clips are slowed down.",
        "The same: `data.lengths.fit_length`."),
    Difference(
        "X8", "text", "Table 5", ARITHMETIC, "§4.2, Table 5",
        "Mean gate weights by the hand that signs, run together in the text at hand.",
        "–",
        "Readable in one way only in which every triple sums to 1.",
        "`paper.TABLE_5`."),
    Difference(
        "R", "text", "printed R@k as counts", ARITHMETIC, "Tables 1-4 and 6",
        "R@k with two decimals.",
        "Hits divided by the number of sentences.",
        "Table 6 and the final rows are whole counts of 1,176 and 642 sentences; most other R@1 are not. They may be means of runs; the paper does not say, and nothing more should be read into it.",
        "`paper`, cell by cell as printed."),
)
# fmt: on


def of(*wanted: str) -> list[Difference]:
    """Rows with these ids or of these groups, in their order; all without arguments."""
    known = {d.id for d in DIFFERENCES} | {d.group for d in DIFFERENCES}
    if unknown := set(wanted) - known:
        raise ValueError(f"no rows {sorted(unknown)}: give ids or groups")
    return [d for d in DIFFERENCES if not wanted or d.id in wanted or d.group in wanted]


def counts(rows: Iterable[Difference] = DIFFERENCES) -> dict[Status, int]:
    """How many rows have which status."""
    found = Counter(d.status for d in rows)
    return {status: found[status] for status in (CHECKED, ARITHMETIC, UNCHECKED)}


def overview(rows: Sequence[Difference] = DIFFERENCES) -> str:
    """A Markdown table, one line a row: id, topic, status."""
    lines = [f"| {d.id} | {d.topic} | {d.status} |" for d in rows]
    return "\n".join(["| | topic | |", "|:--|:--|:--|", *lines])


def card(*wanted: str) -> str:
    """Rows in full as Markdown, one paragraph each, chosen as in :func:`of`."""
    return "\n\n".join(_paragraph(d) for d in of(*wanted))


def _paragraph(d: Difference) -> str:
    said = [
        f"**{d.id} · {d.topic}** ({d.status})",
        f"*Paper* ({d.place}): {d.paper}",
        f"*Release:* {d.release}",
        f"*Consequence:* {d.consequence}",
        f"*Here:* {d.here}",
    ]
    return "  \n".join([*said, *([f"*Open:* {d.open}"] if d.open else [])])

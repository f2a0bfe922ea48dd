"""Scores of a released checkpoint on a corpus, by the release's rules or by the paper's (MaDiS §4)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from madis_lib import body as bodies
from madis_lib import metrics, release, sampler
from madis_lib.body.model import DEFAULT_FILE
from madis_lib.data import layouts
from madis_lib.data import tokens as token_files
from madis_lib.data.errors import DataError
from madis_lib.experiments import evaluate
from madis_lib.experiments.evaluate import Reference
from madis_lib.files import atomic_write
from madis_lib.parts import FRAMES_PER_TOKEN
from madis_lib.release import ReleasedMaDiS, ReleasedSiCLIP
from madis_lib.release.generation import BETAS
from madis_lib.release.siclip import POOL
from madis_lib.release.system import BATCH, Signed

KS = (1, 5, 10)
VERIFIED = 8  # clips encoded again where stored tokens name no tokenizer


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    label: str
    value: float
    unit: str


Retrieval = Callable[[ReleasedSiCLIP, Sequence[str], Sequence[torch.Tensor]], list[Row]]


@dataclass(frozen=True)
class Protocol:
    """How a model signs and is scored."""

    sign: Callable[[ReleasedMaDiS, Sequence[str]], list[Signed]]  # one batch of sentences
    metrics: tuple[str, ...]  # of evaluate.METRICS
    max_order: int  # of SiBLEU
    betas: Sequence[float] | None
    retrieval: Retrieval


def sign_with_exact_pivots(system: ReleasedMaDiS, sentences: Sequence[str]) -> list[Signed]:
    """The paper's sampler (§3.3) on released weights, four tokens a step."""
    model = system.model
    ids, valid = (x.to(model.embed.weight.device) for x in system.text.encode(sentences))
    out = sampler.generate(model, ids, valid, model.config.max_tokens // 4)
    codes, lengths = out.codes.cpu(), out.lengths.cpu()
    with torch.no_grad():
        motion = system.tokenizer.decode(codes, lengths)
    signed = []
    for tokens, features, n in zip(codes, motion, lengths.tolist(), strict=True):
        body, left, right = tokens[:n].T.tolist()
        signed.append(Signed(features[: FRAMES_PER_TOKEN * n].numpy(), (body, left, right)))
    return signed


def text_to_sign_in_pools(
    siclip: ReleasedSiCLIP, texts: Sequence[str], motions: Sequence[torch.Tensor]
) -> list[Row]:
    """release: each text searched among the signings of its own pool, with its own mask."""
    pools = siclip.pools(texts, motions)
    hits = {k: np.concatenate([metrics.retrieval_hits(pool, k) for pool in pools]) for k in KS}
    label = f"text to sign, pools of up to {POOL}, release's mask"
    return [Row(f"R@{k} {label}", 100 * float(h.mean()), "%") for k, h in hits.items()]


def sign_to_text(
    siclip: ReleasedSiCLIP, texts: Sequence[str], motions: Sequence[torch.Tensor]
) -> list[Row]:
    """MaDiS §4: each signing searches the texts; all of them, and pools beside it."""
    similarity = siclip.similarity(texts, motions).T
    rows = []
    for pool, gallery in ((None, f"all {len(texts)}"), (POOL, f"pools of up to {POOL}")):
        found = metrics.retrieval(similarity, KS, pool, texts)
        rows += [
            Row(f"{name} sign to text, {gallery}", value, "%") for name, value in found.items()
        ]
    return rows


PROTOCOLS = {
    "release": Protocol(
        sign=ReleasedMaDiS.generate,
        metrics=("dtw_body", "dtw_hands", "sibleu_body", "sibleu_hands"),
        max_order=1,
        betas=BETAS,
        retrieval=text_to_sign_in_pools,
    ),
    "paper": Protocol(
        sign=sign_with_exact_pivots,
        metrics=("dtw_body", "dtw_hands", "mm_body", "mm_hands", "sibleu_body", "sibleu_hands"),
        max_order=4,
        betas=None,
        retrieval=sign_to_text,
    ),
}


@dataclass(frozen=True)
class Result:
    """What was measured on how many sentences, and what to know about it."""

    checkpoint: str
    corpus: str
    split: str
    protocol: str
    sentences: int
    rows: list[Row]
    notes: list[str]

    def __str__(self) -> str:
        width = max(len(row.label) for row in self.rows)
        head = f"{self.checkpoint}, {self.corpus} {self.split}, {self.sentences} sentences, "
        lines = [head + f"protocol {self.protocol}"]
        lines += [f"{r.label:<{width}}  {r.value:10.3f}  {r.unit}".rstrip() for r in self.rows]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def save(self, path: Path) -> None:
        """Write JSON."""
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def evaluate_checkpoint(
    checkpoint: Path,
    data: Path,
    corpus: str,
    protocol: str,
    tokenizer_dir: Path | None = None,
    stats: Path | None = None,
    siclip: Path | None = None,
    split: str = "test",
) -> Result:
    """Sign a split with a released model and score it.

    Args:
        checkpoint: sft_*.ckpt, or a converted folder, which brings tokenizer and statistics.
        data: folder with How2Sign/, CSL-Daily/ and Phoenix_2014T/.
        protocol: ``release`` or ``paper``.
        tokenizer_dir, stats: as for :func:`madis_lib.release.load_checkpoint`.
        siclip: siclip.ckpt, for retrieval.

    Raises:
        ValueError, FileNotFoundError: one line with file, field and fix.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"unknown protocol {protocol!r}: choose one of {', '.join(PROTOCOLS)}")
    if stats is None and checkpoint.is_file():
        fix = "give --stats, the folder with mean.pt and std.pt"
        raise DataError(checkpoint, "statistics", "are needed to score motion", fix)
    layouts.entries(data, corpus, split)  # what is wrong with the data is said before a long load
    chosen = PROTOCOLS[protocol]
    system = release.load_checkpoint(checkpoint, tokenizer_dir, stats)
    if not isinstance(system, ReleasedMaDiS):
        raise DataError(checkpoint, "model", "is no language model", "give sft_*.ckpt")
    scorer = None if siclip is None else _scorer(siclip, tokenizer_dir or checkpoint / "text")
    texts, reference, notes = _reference(system, data, corpus, split)

    system.model.to("cuda" if torch.cuda.is_available() else "cpu")
    signed: list[Signed] = []
    for first in tqdm(range(0, len(texts), BATCH), "signing"):
        signed += chosen.sign(system, texts[first : first + BATCH])
    body = bodies.load()
    if body.path == DEFAULT_FILE:
        notes.append("joints of the default body; set MADIS_SMPLX to compare DTW with the paper's")
    scores = evaluate.score(
        [s.features for s in signed], [s.tokens for s in signed], reference, body, None,
        chosen.max_order, chosen.betas,
    )  # fmt: skip
    rows = [_row(scores, name, chosen.max_order) for name in chosen.metrics]
    rows.append(Row("length, generated by true", float(np.mean(scores["length_ratio"])), ""))
    if scorer is not None:
        motions = [system.tokenizer.normalise(torch.from_numpy(s.features)) for s in signed]
        rows += chosen.retrieval(scorer, texts, motions)
    return Result(checkpoint.name, corpus, split, protocol, len(texts), rows, notes)


def _scorer(siclip: Path, tokenizer_dir: Path) -> ReleasedSiCLIP:
    scorer = release.load_checkpoint(siclip, tokenizer_dir)
    if not isinstance(scorer, ReleasedSiCLIP):
        raise DataError(siclip, "model", "is no SiCLIP", "give siclip.ckpt")
    return scorer


def _row(scores: dict, name: str, max_order: int) -> Row:
    metric = evaluate.METRICS[name]
    everything = np.arange(len(scores["dtw_body"]))
    label = metric.label.replace("SiBLEU", f"SiBLEU-{max_order}")
    return Row(label, evaluate.value(scores, name, everything), metric.unit)


def _reference(
    system: ReleasedMaDiS, data: Path, corpus: str, split: str
) -> tuple[list[str], Reference, list[str]]:
    """Sentences and true signing of a split, and where its tokens are from.

    Stored tokens must be the checkpoint's: by their fingerprint, else by encoding some clips again.
    """

    @torch.no_grad()
    def encode(features: np.ndarray) -> np.ndarray:
        return system.tokenizer.encode(torch.from_numpy(features)[None])[0].numpy()

    stored = (data / token_files.FOLDER).is_dir()
    fingerprint = system.tokenizer.fingerprint()
    read = layouts.read(data, corpus, split, tokens=stored, fingerprint=fingerprint)
    if not len(read):
        path = layouts.sentences_path(data, corpus, split)
        raise DataError(path, "sentences", "none are left to score", "check the corpus")
    if not stored:
        tokens = [encode(sample.features) for sample in read]
        note = "true tokens made by the checkpoint's tokenizer, as none are stored"
    else:
        tokens = [sample.tokens for sample in read if sample.tokens is not None]
        note = "true tokens as stored, of this tokenizer"
        if read.fingerprint is None:
            clips = min(VERIFIED, len(read))
            agreement = token_files.verify(read, encode, clips)
            note = f"true tokens as stored, by no named tokenizer; {clips} clips encoded again "
            note += f"give {agreement:.1%} of theirs"
    reference = Reference([sample.features for sample in read], tokens, None)
    return [sample.text for sample in read], reference, [note]

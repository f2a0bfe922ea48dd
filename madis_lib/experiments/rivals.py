"""The rows of Table 1 that are built here, as runs.

All have the same budget: batch and number of updates are those of MaDiS as a row of the ablations,
which is the row ``madis``, trained once for both.  The autoregressive rows see the sentences it sees,
in its order:
all corpora first, then the corpus they sign.  The MDLM baseline has no pretraining by definition; it
gets all the updates on its corpus, which is more of that corpus than the others see.  So there is
another of it, ours, that begins with all corpora.

Where rows have a budget of their own, the paper's are also trained with the headline's, on one corpus;
so is nothing of ours but S-MotionGPT without chance, which has the weights of the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from madis_lib import body as bodies
from madis_lib import presets, train
from madis_lib.data import signworld
from madis_lib.data import text as text_data
from madis_lib.experiments import ablations, embedding, sign_tokenizer
from madis_lib.experiments.ablations import OURS, corpus_of
from madis_lib.experiments.bounds import floors_and_ceiling
from madis_lib.experiments.evaluate import bleu_counts, score
from madis_lib.experiments.sign_tokenizer import encode
from madis_lib.experiments.store import CHECKPOINT, Run
from madis_lib.experiments.suite import Suite
from madis_lib.experiments.sweep import Contestant, Sign
from madis_lib.systems import dictionary, madis, motion_gpt, soke
from madis_lib.systems.base import Card, Example, Stage, System, TrainableSystem
from madis_lib.systems.dictionary import SignDictionary
from madis_lib.systems.madis import MDLMSystem
from madis_lib.systems.motion_gpt import GreedyMotionGPTSystem, MotionGPTSystem
from madis_lib.systems.soke import SOKESystem
from madis_lib.tokenizer import Tokenizer
from madis_lib.train import device, on_device, one_thread

MADE_WITH = ("rivals", "model", "sampler")
_PLAIN = {"checkpoints": (), "fusion": "average", "alpha": 0.0}  # its loss is Eq. 3 alone
# What each masked row changes of MaDiS; of its pretraining, signs alone make it the loss of MDLM.
MASKED: dict[str, dict[str, Any]] = {
    "mdlm": {**_PLAIN, "levels": ()},
    "mdlm_all": {**_PLAIN, "levels": ("sign",)},
    "madis": {},
}


@dataclass(frozen=True)
class Row:
    """A row of Table 1; ``place`` is empty where the paper prints it."""

    key: str
    card: Card
    stack: str = ""  # of SOKE
    place: str = ""
    weights: str = ""  # key of the row whose they are; none: its own

    @property
    def label(self) -> str:
        return self.card.name


ROWS = {
    row.key: row
    for row in (
        Row("s_motiongpt", motion_gpt.CARD),
        Row("s_motiongpt_greedy", motion_gpt.GREEDY, place=OURS, weights="s_motiongpt"),
        Row("soke_mbart", soke.card_of("mbart", True), "mbart"),
        Row("soke_mbart_alone", soke.card_of("mbart", False), "mbart", OURS),
        Row("soke_qwen3", soke.card_of("qwen3", True), "qwen3"),
        Row("soke_qwen3_alone", soke.card_of("qwen3", False), "qwen3", OURS),
        Row("mdlm", madis.MDLM),
        Row("mdlm_all", madis.MDLM_ALL, place=OURS),
        Row("madis", madis.CARD),
    )
}


def rows(suite: Suite) -> list[Row]:
    """Those of a report: real corpora come without a dictionary of isolated signs, and at smoke size
    the paper's rows are enough.
    """
    few = presets.is_smoke(suite.preset.name)
    return [
        row for row in ROWS.values()
        if (suite.synthetic or not row.card.dictionary) and not (few and row.place)
    ]  # fmt: skip


def corpora(suite: Suite) -> tuple[str, ...]:
    """Those Table 1 is made on; at smoke size the ablations' alone, to keep it short; none by a
    protocol that is not the paper's.
    """
    if not suite.protocol.claims:
        return ()
    if presets.is_smoke(suite.preset.name):
        return (corpus_of(suite),)
    return suite.corpora


# -- training ---------------------------------------------------------------------------------------


def sign_dictionary(suite: Suite, corpus: str) -> SignDictionary:
    """The words of a SignWorld corpus and the tokens of its isolated signs.

    They are signed by somebody who appears in no sentence.  Of rendered annotations, glosses are the
    words.
    """
    motion = signworld.read_dictionary(suite.root, corpus)
    tokens = dict(zip(motion, encode(suite.tokenizer, list(motion.values())), strict=True))
    words = {word: g for word, g in signworld.words_of_signs(corpus).items() if g in tokens}
    return SignDictionary(tokens | {word: tokens[gloss] for word, gloss in words.items()})


def whole_body_tokenizer(suite: Suite) -> Run:
    """S-MotionGPT's: one VQ-VAE for the whole body, with as many codes as the three parts have."""
    p = suite.preset
    size = replace(p.tokenizer, codes=(sum(p.tokenizer.codes),), decoupled=False)
    updates = p.row_tokenizer or p.train_tokenizer
    return sign_tokenizer.trained(suite, "tokenizer-whole", size, updates)


def _tokenizer(suite: Suite, row: Row) -> Tokenizer:
    if row.stack:
        return suite.tokenizer
    return Tokenizer.load(whole_body_tokenizer(suite).folder / "tokenizer.safetensors")


def untrained(suite: Suite, key: str, corpus: str, seed: int) -> TrainableSystem:
    """An autoregressive row that signs ``corpus``, before any training."""
    row, p = ROWS[key], suite.preset
    tokenizer, own = _tokenizer(suite, row), row.stack == "mbart" and p.mbart
    text = text_data.load(own) if own else suite.text_tokenizer
    if not row.stack:
        kind = GreedyMotionGPTSystem if row.weights else MotionGPTSystem
        return kind.untrained(p, tokenizer, text, seed)
    found = {}
    if row.card.dictionary:
        found = {c: sign_dictionary(suite, c) for c in suite.corpora}
    return SOKESystem.untrained(p, tokenizer, text, row.stack, seed, found, corpus)


def _examples(suite: Suite, tokenizer: Tokenizer, corpora: Sequence[str]) -> list[Example]:
    found: list[Example] = []
    for corpus in corpora:
        texts = suite.texts(corpus, "train")
        if tokenizer.config.decoupled:
            tokens = suite.tokens(corpus, "train")
        else:
            tokens = encode(tokenizer, suite.clips(corpus, "train"))
        pairs = zip(texts, tokens, strict=True)
        found += [Example(text, corpus, codes) for text, codes in pairs]
    return found


def _stage(suite: Suite, key: str, corpus: str | None, seed: int) -> Run:
    """Training on all corpora (None), or, from there, on one."""
    row, p = ROWS[key], suite.row(True, seed).preset
    stage: Stage = "pretrain" if corpus is None else "finetune"
    config: dict[str, object] = {
        "row": key, "tokens": suite.tokens_run, "model": p.model, "train": getattr(p, stage),
        "seed": seed,
    }  # fmt: skip
    if not row.stack:
        config["tokenizer"] = whole_body_tokenizer(suite)
    if row.stack == "mbart" and p.mbart:
        config["mbart"] = p.mbart
    if row.card.dictionary:
        config["dictionary"] = {"words": dictionary.WORDS, "positions": dictionary.POSITIONS}
    if corpus is not None:
        config |= {"start": _stage(suite, key, None, seed), "corpus": corpus}

    def work(folder: Path) -> dict[str, Any]:
        system = untrained(suite, key, corpus or suite.corpora[0], seed)
        if corpus is not None:
            _load(system, _stage(suite, key, None, seed))
        with one_thread():
            history = _fit(suite, system, stage, corpus, folder, seed)
        save_file(system.model.cpu().state_dict(), folder / "model.safetensors")
        return {"history": history}

    return suite.store.run(f"{key}-{corpus or 'all'}", config, MADE_WITH, work)


def _load(system: TrainableSystem, run: Run) -> None:
    system.model.load_state_dict(load_file(run.folder / "model.safetensors"))


def _fit(
    suite: Suite, system: TrainableSystem, stage: Stage, corpus: str | None, folder: Path, seed: int
) -> train.History:
    chosen = suite.corpora if corpus is None else (corpus,)
    examples = _examples(suite, system.tokenizer, chosen)
    system.model.to(device())

    def loss_of(indices: torch.Tensor, generator: torch.Generator, update: int):
        return system.loss([examples[i] for i in indices.tolist()], generator, stage)

    return train.fit(
        system.model, loss_of, len(examples), getattr(suite.row(True, seed).preset, stage),
        folder / CHECKPOINT, seed, f"{system.card.name} {' '.join(chosen)}",
    )  # fmt: skip


def trained(suite: Suite, key: str, corpus: str, seed: int) -> Run:
    """Training of a row for one corpus, with the budget of a row of the ablations."""
    if key in MASKED:
        return masked(suite, key, corpus, seed).finetuned(corpus)
    return _stage(suite, ROWS[key].weights or key, corpus, seed)


def pretrained(suite: Suite, key: str, seed: int) -> Run:
    """The training of an autoregressive row on all corpora, from which those on one go on."""
    return _stage(suite, key, None, seed)


def masked(suite: Suite, key: str, corpus: str, seed: int) -> Suite:
    """The variant that is a masked row of a corpus; without pretraining all updates are in its one
    training.
    """
    found = suite.row(True, seed, **MASKED[key])
    if found.preset.method.levels:
        return found
    p = found.preset
    on_all, on_one = (
        ablations.counted(suite, suite.corpora, p.pretrain),
        ablations.counted(suite, (corpus,), p.finetune),
    )
    updates = on_all.updates + on_one.updates
    return found.variant(replace(p, finetune=replace(on_one, updates=updates)), seed)


def system(suite: Suite, key: str, corpus: str, seed: int) -> System:
    """A trained row."""
    if key in MASKED:
        found = masked(suite, key, corpus, seed).system(corpus)
        if key == "madis":
            return found
        return MDLMSystem(found.tokenizer, found.text, found.model, found.steps)
    made = untrained(suite, key, corpus, seed)
    _load(made, trained(suite, key, corpus, seed))
    made.model.eval()
    return made


# -- measuring --------------------------------------------------------------------------------------


def measured(suite: Suite, key: str, corpus: str, seed: int) -> Run:
    """A row of Table 1, trained and scored sentence by sentence on the test set.

    The result is that of :func:`ablations.measured`, with the re-tokenised SiBLEU and what was signed:
    ``generated``, tokens of each sentence.
    """
    if suite.store.world.size > 1:
        trained(suite, key, corpus, seed)  # the masked rows by all processes
    p, body = suite.row(True, seed).preset, bodies.load()
    config = {
        "system": trained(suite.named, key, corpus, seed), "corpus": corpus, "split": "test",
        "sentences": p.row_sentences, "body": body.fingerprint(),
        "siclip": embedding.trained(suite.named),
    }  # fmt: skip
    if ROWS[key].weights:  # what tells it from the row whose they are
        config["row"] = key
    config |= suite.pace_key()

    def work(_: Path) -> dict[str, Any]:
        made, reference = system(suite, key, corpus, seed), ablations.reference(suite, corpus)
        with one_thread(), on_device(made.model):
            signed = made.generate(suite.texts(corpus, "test")[: p.row_sentences])
        motion, tokens = [s.features for s in signed], [s.tokens for s in signed]
        retokenised = encode(suite.tokenizer, motion)
        shared = made.tokenizer.config.decoupled
        scores = score(
            motion, tokens if shared else retokenised, reference, body, suite.oracle(corpus),
            similarity=embedding.load(suite).similarity, retokenised=retokenised,
        )  # fmt: skip
        if not shared:  # its own stream, against the truth in its own codes
            true = encode(made.tokenizer, list(reference.features))
            scores["bleu"] = bleu_counts(tokens, true, suite.protocol.max_order)
        return {
            "scores": scores,
            "sentences": len(signed),
            "parameters": {"all": sum(x.numel() for x in made.model.parameters())},
            "updates": updates(suite, key, corpus, seed),
            "generated": [t.tolist() for t in tokens],
        }

    return suite.store.run(
        f"row-{key}-{corpus}", config, ("rivals", "sampler", "metrics", "signworld"), work
    )


def updates(suite: Suite, key: str, corpus: str, seed: int) -> dict[str, int]:
    """Of the two stages; the MDLM baseline takes all in the second."""
    row = masked(suite, key, corpus, seed) if key in MASKED else suite.row(True, seed)
    p = row.preset
    return {
        "pretraining": ablations.counted(suite, suite.corpora, p.pretrain).updates
        if p.method.levels
        else 0,
        "finetuning": ablations.counted(suite, (corpus,), p.finetune).updates,
    }


def bounds(suite: Suite, corpus: str) -> Run:
    """The bounds of Table 1, on the sentences its rows are scored on."""
    body = bodies.load()
    n = suite.preset.row_sentences
    config = {
        "tokens": suite.named.tokens_run, "corpus": corpus, "sentences": n,
        "body": body.fingerprint(), "siclip": embedding.trained(suite.named),
    }  # fmt: skip

    def work(_: Path) -> dict[str, Any]:
        reference, similarity = ablations.reference(suite, corpus), embedding.load(suite).similarity
        return {
            "scores": {
                name: score(
                    motion, tokens, reference, body, suite.oracle(corpus), similarity=similarity,
                    retokenised=encode(suite.tokenizer, motion),
                )
                for name, (motion, tokens) in floors_and_ceiling(suite, corpus, reference).items()
            }
        }  # fmt: skip

    return suite.store.run(f"bounds-{corpus}", config, ("metrics", "signworld"), work)


def finished_bounds(world: Suite, corpus: str) -> Run | None:
    """The bounds of the rows' test sentences, where they are finished."""
    return world.store.look_for(partial(bounds, world, corpus))


def finished(world: Suite, corpus: str) -> dict[str, dict[int, Run]]:
    """The finished runs of every row of Table 1 by seed, of those that have one.

    Args:
        world: that of the ablations, or the suite itself for rows as long as the headline.
    """
    found = {
        row.key: world.store.finished(world.row_seeds, partial(measured, world, row.key, corpus))
        for row in rows(world)
    }
    return {key: runs for key, runs in found.items() if runs}


def contestant(suite: Suite, key: str, corpus: str, seed: int) -> Contestant:
    """SOKE in the sweep of speed and quality: with its cache, until its own end.

    ValueError for rows whose tokens are not the shared tokenizer's.
    """
    if not ROWS[key].stack:
        raise ValueError(f"{key!r} has no place in the sweep: only the rows of SOKE have")
    return Contestant(
        ROWS[key].label, trained(suite.named, key, corpus, seed),
        partial(_signer, suite, key, corpus, seed), (1,),
    )  # fmt: skip


def _signer(suite: Suite, key: str, corpus: str, seed: int) -> Sign:
    made = system(suite, key, corpus, seed)
    assert isinstance(made, SOKESystem)
    made.model.to(device())

    def sign(sentence: str, tokens_per_step: int) -> np.ndarray:
        codes, lengths = made.write([sentence])
        return codes[0, : int(lengths[0])].cpu().numpy()

    return sign

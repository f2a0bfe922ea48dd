"""Back-translation: signing is read back to text, and the text scored (MaDiS §3.4).

    p(text | signs) = prod_l p(y_l | signs, y_<l),    score = BLEU-4(greedy text, sentence)

The paper argues against this metric: it judges in text space, and the translator makes "unavoidable
errors" of its own.  Both can be measured here.  The score of the *true* signing is the metric's
ceiling; what it lacks to 100 is no system's fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sacrebleu.metrics import BLEU
from torch import Tensor, nn

from madis_lib import metrics, train
from madis_lib.backbone import Backbone
from madis_lib.data.batches import pad_tokens, valid_mask
from madis_lib.experiments.sign_tokenizer import encode
from madis_lib.experiments.store import CHECKPOINT, Run
from madis_lib.experiments.suite import Suite
from madis_lib.fusion import MixtureOfParts
from madis_lib.presets import ModelConfig, TranslatorConfig
from madis_lib.systems.madis import encode_texts
from madis_lib.train import device

TRUTH = "truth"
BATCH = 64  # clips decoded together


class Translator(nn.Module):
    """A causal language model over code triples, then text.

    Args:
        config: sizes.
        codebooks: the tokenizer's codes of the three parts, ``[K_p, code_dim]``.
        text_size: ids of the text tokenizer.
        eos: the one that opens and ends a text.
    """

    def __init__(
        self, config: TranslatorConfig, codebooks: Sequence[Tensor], text_size: int, eos: int
    ) -> None:
        super().__init__()
        d, heads = config.hidden_size, config.num_heads
        self.eos = eos
        self.embed = nn.Embedding(text_size, d)
        nn.init.normal_(self.embed.weight, std=d**-0.5)  # rows are also the output layer
        self.fusion = MixtureOfParts(codebooks, d)
        self.backbone = Backbone(
            ModelConfig(
                d, config.num_layers, heads, heads, d // heads, 3 * d,
                max_tokens=0, text_vocab=text_size,
            )
        )  # fmt: skip

    def forward(self, codes: Tensor, lengths: Tensor, text_ids: Tensor) -> Tensor:
        """Logits of the token after each text token, ``[B, Lt, text_size]``.

        Args:
            codes: int ``[B, Ls, 3]``, of which the first ``lengths [B]`` count.
            text_ids: int ``[B, Lt]``, eos first; padding behind is seen by nothing.
        """
        signs, words = codes.shape[1], text_ids.shape[1]
        valid = F.pad(valid_mask(lengths, signs), (0, words), value=True)
        at = torch.arange(max(signs, words), device=codes.device)
        positions = torch.cat([at[:signs].expand(len(codes), -1), lengths[:, None] + at[:words]], 1)
        embedded = torch.cat([self.fusion(codes), self.embed(text_ids)], 1)
        hidden = self.backbone(embedded, valid, positions, causal=True)[:, signs:]
        return F.linear(hidden, self.embed.weight)

    def loss(self, codes: Tensor, lengths: Tensor, text_ids: Tensor, text_valid: Tensor) -> Tensor:
        """Mean next-token cross-entropy; ``text_ids [B, Lt]`` end in eos, then padding."""
        logits = self(codes, lengths, self._opened(text_ids[:, :-1]))
        return F.cross_entropy(logits[text_valid], text_ids[text_valid])

    @torch.no_grad()
    def greedy(self, codes: Tensor, lengths: Tensor, longest: int) -> list[list[int]]:
        """The likeliest next token, again and again, to eos or ``longest`` tokens."""
        text = self._opened(codes.new_zeros(len(codes), 0))
        for _ in range(longest):
            following = self(codes, lengths, text)[:, -1].argmax(-1)
            text = torch.cat([text, following[:, None]], 1)
            if (text[:, 1:] == self.eos).any(1).all():
                break
        written = text[:, 1:].tolist()
        return [ids[: ids.index(self.eos)] if self.eos in ids else ids for ids in written]

    def _opened(self, text_ids: Tensor) -> Tensor:
        return F.pad(text_ids, (1, 0), value=self.eos)


def trained(suite: Suite) -> Run:
    """The translator, trained on the true signing of all corpora; ``longest`` text in tokens."""
    config = {
        "tokens": suite.tokens_run, "translator": suite.preset.translator, "seed": suite.preset.seeds[0],
    }  # fmt: skip

    def work(folder: Path) -> dict[str, Any]:
        codes = [t for c in suite.corpora for t in suite.tokens(c, "train")]
        texts = [t for c in suite.corpora for t in suite.texts(c, "train")]
        ids, valid = (x.to(device()) for x in encode_texts(suite.text_tokenizer, texts))

        def loss_of(indices: Tensor, generator: torch.Generator, update: int):
            chosen = indices.to(device())
            longest = int(valid[chosen].sum(1).max())
            signs, lengths = (x.to(device()) for x in pad_tokens([codes[i] for i in indices], 0))
            text = ids[chosen, :longest], valid[chosen, :longest]
            return translator.loss(signs, lengths, *text), {}

        translator = _untrained(suite).to(device())
        with train.one_thread():
            history = train.fit(
                translator, loss_of, len(texts), suite.preset.translator.train,
                folder / CHECKPOINT, suite.preset.seeds[0], "translator",
            )  # fmt: skip
        return {"history": history, "longest": int(valid.sum(1).max())}

    return suite.store.run("translator", config, ("model", "translator"), work)


def _untrained(suite: Suite) -> Translator:
    text = suite.text_tokenizer
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(suite.preset.seeds[0])
        return Translator(
            suite.preset.translator, suite.tokenizer.codebooks(), len(text), text.eos_token_id
        )


def translate(suite: Suite, tokens: Sequence[np.ndarray]) -> list[str]:
    """What the trained translator reads in clips of code triples ``[L, 3]``; greedy."""
    run, translator = trained(suite), _untrained(suite)
    saved = torch.load(run.folder / CHECKPOINT, weights_only=True, map_location="cpu")
    translator.load_state_dict(saved["module"])
    translator.eval().to(device())
    order = np.argsort([len(t) for t in tokens], kind="stable")
    found: dict[int, str] = {}
    for first in range(0, len(order), BATCH):
        chosen = order[first : first + BATCH]
        codes, lengths = (x.to(device()) for x in pad_tokens([tokens[i] for i in chosen], 0))
        written = translator.greedy(codes, lengths, run.result["longest"])
        for i, ids in zip(chosen, written, strict=True):
            found[int(i)] = suite.text_tokenizer.decode(ids)
    return [found[i] for i in range(len(tokens))]


def evaluated(suite: Suite, corpus: str) -> Run:
    """Texts read back from the true signing, MaDiS and every bound, and how they score.

    All motion is encoded by the one tokenizer first.  The result holds, by system, ``texts``,
    ``counts`` (BLEU statistics ``[N, 10]``, as ``metrics.sibleu_statistics``) and
    ``sentence_bleu`` ``[N]`` (orders that a short sentence lacks are left out).
    """
    config = {
        "translator": trained(suite.named), "scores": suite.named.evaluated(corpus),
        "split": "test",
    }  # fmt: skip

    def work(folder: Path) -> dict[str, Any]:
        tokens = {TRUTH: suite.tokens(corpus, "test")}
        for system, motion in suite.outputs(corpus).items():
            tokens[system] = encode(suite.tokenizer, motion)
        texts = {system: translate(suite, clips) for system, clips in tokens.items()}
        references = suite.texts(corpus, "test")
        language = suite.preset.languages[corpus]
        return {
            "texts": texts,
            "counts": {s: bleu_counts(t, references, language).tolist() for s, t in texts.items()},
            "sentence_bleu": {
                s: sentence_bleu(t, references, language).tolist() for s, t in texts.items()
            },
        }

    return suite.store.run(f"back-translation-{corpus}", config, ("translator", "metrics"), work)


def bleu_tokenizer(language: str) -> str:
    """sacrebleu's: characters for Chinese, which writes no spaces; words elsewhere."""
    return "zh" if language == "zh" else "13a"


def bleu_counts(texts: Sequence[str], references: Sequence[str], language: str) -> np.ndarray:
    """BLEU-4 statistics of each sentence, ``[N, 10]``: any choice of rows has its corpus BLEU."""
    words = BLEU(tokenize=bleu_tokenizer(language)).tokenizer
    hypotheses, wanted = ([words(t.rstrip()).split() for t in of] for of in (texts, references))
    return metrics.sibleu_statistics(hypotheses, wanted)


def sentence_bleu(texts: Sequence[str], references: Sequence[str], language: str) -> np.ndarray:
    """BLEU of each sentence by itself, ``[N]``; orders that a short one lacks are left out."""
    bleu = BLEU(tokenize=bleu_tokenizer(language), effective_order=True)
    pairs = zip(texts, references, strict=True)
    return np.array([bleu.sentence_score(text, [right]).score for text, right in pairs])


def bleu(run: Run, system: str) -> metrics.Interval:
    """Corpus BLEU-4 of a system with its 95 % bootstrap interval over sentences."""
    counts = np.array(run.result["counts"][system])
    drawn = metrics.bootstrap_draws(len(counts), resamples=1000)
    return metrics.percentile_interval(
        metrics.sibleu_from_statistics(counts), metrics.sibleu_from_statistics(counts[drawn])
    )

"""SOKE: three tokens of a position at once, from left to right, with signs looked up in a dictionary.

Zuo et al., ICCV 2025, as the MaDiS paper compares with it: on mBART, and on the Qwen3 that MaDiS has.
A position is embedded by a weighted sum of its parts, and three heads predict the next one::

    E_i = (1 - 2a) E^body + a E^left + a E^right
    loss = - sum_i sum_p log p(x_i^p | x_1 ... x_i-1, sentence, dictionary signs)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from madis_lib.data.batches import pad_tokens, valid_mask
from madis_lib.model import part_logits, start_rows
from madis_lib.objectives import canvas, head_targets
from madis_lib.presets import ModelConfig, Preset
from madis_lib.sampler import choose_triples
from madis_lib.systems import stacks
from madis_lib.systems.base import Card, Example, Signing, Stage, decoded
from madis_lib.systems.dictionary import SignDictionary
from madis_lib.systems.madis import vocab_for
from madis_lib.tokenizer import Tokenizer
from madis_lib.vocab import Vocab

HANDS = 1 / 3  # a, the weight of each hand: the paper's; the release has 0.4
LANGUAGES = ("csl", "phoenix", "how2sign")  # a tag for each: CSL, DGS, ASL


class SOKE(nn.Module):
    """p(next triple | prompt, language, triples so far).

    After the ids of ``vocab`` come the marker before a dictionary sign, and the languages' tags.

    Args:
        config: sizes.
        vocab: of text and codes.
        stack: "qwen3" or "mbart".
        mbart: a checkpoint whose sizes the latter has.
    """

    def __init__(
        self, config: ModelConfig, vocab: Vocab, stack: str, mbart: str | None = None
    ) -> None:
        super().__init__()
        self.config, self.vocab = config, vocab
        self.keyword, self.tags = vocab.size, vocab.size + 1
        d = config.hidden_size
        self.embed = nn.Embedding(self.tags + len(LANGUAGES), d)
        nn.init.normal_(self.embed.weight, std=d**-0.5)  # rows are also the output layer
        self.stack = stacks.build(stack, config, mbart)
        self.register_buffer("weights", torch.tensor([1 - 2 * HANDS, HANDS, HANDS]))

    weights: Tensor

    def embed_triples(self, ids: Tensor) -> Tensor:
        """E_i: ``[..., 3] -> [..., d]``."""
        return (self.read(ids) * self.weights[:, None]).sum(-2)

    def read(self, ids: Tensor) -> Tensor:
        """Embeddings as the stack takes them, ``[...] -> [..., d]``: mBART scales its input, not its
        output layer.
        """
        return self.stack.scale * self.embed(ids)

    def tag(self, corpora: Sequence[str], device: torch.device) -> Tensor:
        """Embedded language tags ``[B, d]``, from which the first triple is predicted."""
        ids = [self.tags + LANGUAGES.index(corpus) for corpus in corpora]
        return self.read(torch.tensor(ids, device=device))

    def forward(self, prompt: Tensor, valid: Tensor, tags: Tensor, ids: Tensor) -> list[Tensor]:
        """Logits ``3 x [B, L + 1, K_p + 1]`` of the triple after the tag and after each of ``ids``.

        Args:
            prompt: int ``[B, Lt]``; valid bool ``[B, Lt]``.
            tags: ``[B, d]``.
            ids: int ``[B, L, 3]``.
        """
        signs = torch.cat([tags[:, None], self.embed_triples(ids)], 1)
        hidden = self.stack(self.read(prompt), valid, signs)
        return part_logits(hidden, self.embed.weight, self.vocab)

    def loss(
        self, prompt: Tensor, valid: Tensor, tags: Tensor, codes: Tensor, lengths: Tensor
    ) -> Tensor:
        """Cross-entropy of codes ``[B, L, 3]`` and one eos: mean over them, parts summed."""
        size = codes.shape[1] + 1
        ids = canvas(codes, lengths, size, self.vocab)
        said = valid_mask(lengths + 1, size)
        logits = self(prompt, valid, tags, ids[:, :-1])
        targets = head_targets(ids, self.vocab)
        parts = [
            F.cross_entropy(of[said], x0[said]) for of, x0 in zip(logits, targets, strict=True)
        ]
        return torch.stack(parts).sum()


class SOKESystem:
    """SOKE for the signing of one corpus.

    Args:
        tokenizer: the sign tokenizer, MaDiS's too.
        text: the text tokenizer.
        model: trained, or to be.
        dictionaries: by corpus; empty: SOKE without retrieval.
        corpus: in whose language it signs.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        text: PreTrainedTokenizerBase,
        model: SOKE,
        card: Card,
        dictionaries: Mapping[str, SignDictionary],
        corpus: str,
    ) -> None:
        self.tokenizer, self.text, self.model, self.card = tokenizer, text, model, card
        self.dictionaries, self.corpus = dictionaries, corpus

    @classmethod
    def untrained(
        cls,
        preset: Preset,
        tokenizer: Tokenizer,
        text: PreTrainedTokenizerBase,
        stack: str,
        seed: int,
        dictionaries: Mapping[str, SignDictionary],
        corpus: str,
    ) -> SOKESystem:
        """Before any training: weights depend on ``seed``, and on the preset's checkpoint if any.

        ``text`` is the checkpoint's own, of mBART too.
        """
        vocab = vocab_for(text, tokenizer.config.codes)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = SOKE(preset.model, vocab, stack, preset.mbart)
            if preset.model.qwen3 and isinstance(model.stack, stacks.CausalStack):
                rows = model.stack.backbone.start_from_qwen3(preset.model.qwen3)
                start_rows(model.embed, rows, vocab.text_size)
            if preset.mbart and isinstance(model.stack, stacks.EncoderDecoderStack):
                rows = model.stack.start_from_mbart(preset.mbart)
                start_rows(model.embed, rows, vocab.text_size)
        return cls(tokenizer, text, model, card_of(stack, bool(dictionaries)), dictionaries, corpus)

    def prompts(self, sentences: Sequence[str], corpora: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Text, eos, then each dictionary sign behind a marker, its three streams interleaved.

        Returns:
            int ``[B, Lt]`` and which of it is real.
        """
        vocab, rows = self.model.vocab, []
        for sentence, corpus in zip(sentences, corpora, strict=True):
            ids = [*self.text(sentence, add_special_tokens=False)["input_ids"], vocab.eos]
            if corpus in self.dictionaries:
                for tokens in self.dictionaries[corpus].lookup(sentence):
                    sign = vocab.to_ids(torch.tensor(tokens)).flatten().tolist()
                    ids += [self.model.keyword, *sign]
            rows.append(ids[: stacks.PROMPT])
        padded, lengths = pad_tokens(rows, vocab.pad)
        return padded, valid_mask(lengths, padded.shape[1])

    def loss(
        self, batch: Sequence[Example], generator: torch.Generator, stage: Stage
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Of training, the same in both stages and without noise."""
        device = self.model.embed.weight.device
        corpora = [example.corpus for example in batch]
        prompt, valid = self.prompts([example.text for example in batch], corpora)
        codes, lengths = pad_tokens([example.tokens for example in batch], 0)
        prompt, valid, codes, lengths = (x.to(device) for x in (prompt, valid, codes, lengths))
        return self.model.loss(prompt, valid, self.model.tag(corpora, device), codes, lengths), {}

    @torch.no_grad()
    def generate(self, sentences: Sequence[str], batch_size: int = 32) -> list[Signing]:
        """Sign sentences greedily; one does not depend on its batch."""
        signed: list[Signing] = []
        for first in range(0, len(sentences), batch_size):
            written = self.write(sentences[first : first + batch_size])
            signed += decoded(self.tokenizer, *written)
        return signed

    @torch.no_grad()
    def write(self, sentences: Sequence[str], cache: bool = True) -> tuple[Tensor, Tensor]:
        """Codes ``[B, L, 3]`` of a batch, 0 behind the end, and lengths ``[B]``."""
        model, vocab = self.model, self.model.vocab
        device = model.embed.weight.device
        corpora = [self.corpus] * len(sentences)
        prompt, valid = (x.to(device) for x in self.prompts(sentences, corpora))

        def choose(hidden: Tensor, position: int) -> tuple[Tensor, Tensor]:
            logits = part_logits(hidden, model.embed.weight, vocab)
            if position == 0:
                logits[0][:, -1] = -torch.inf  # a sentence has at least one sign
            codes, _ = choose_triples(logits, 0.0, None)
            end = codes[:, 0] == vocab.codes[0]
            return vocab.to_ids(codes).masked_fill(end[:, None], vocab.eos), end

        ids, lengths = stacks.decode(
            model.stack, model.read(prompt), valid, model.tag(corpora, device), choose,
            model.embed_triples, model.config.max_tokens, cache,
        )  # fmt: skip
        real = valid_mask(lengths, ids.shape[1])
        return vocab.to_codes(ids).masked_fill(~real[..., None], 0), lengths


def card_of(stack: str, dictionary: bool) -> Card:
    """What is built here under SOKE's name."""
    name = {"mbart": "SOKE (mBART)", "qwen3": "SOKE (Qwen3)"}[stack]
    deviations = [
        "from random weights and with the text of the other rows, unless a preset names checkpoints",
        "trained on all corpora, then on the one it signs, as MaDiS is; SOKE is one model for all",
        "a = 1/3 as in its paper; its release has 0.4",
        "the body ends a sentence, each by itself; the release ends all of a batch at once",
    ]
    if stack == "qwen3":
        deviations.append("no code of this variant was published: the order of the prompt is ours")
    if dictionary:
        deviations.append("words are looked up in the sentence; the release has a list by sample")
        deviations.append("a marker before each sign, in place of the words in the release")
    else:
        name += ", no dictionary"
    source = "Zuo et al., ICCV 2025" + (", put on Qwen3 by MaDiS §4.1" if stack == "qwen3" else "")
    order = "three parts of a position at once, from left to right"
    return Card(name, source, order, tuple(deviations), dictionary)

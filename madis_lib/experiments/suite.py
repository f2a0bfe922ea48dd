"""The runs of one preset, from the corpus to the scores; each is made when first asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from madis_lib import body as bodies
from madis_lib import paper, train, utc
from madis_lib.data import layouts, signworld, stats
from madis_lib.data import text as text_data
from madis_lib.data import tokens as token_files
from madis_lib.data.batches import pad_features, pad_tokens
from madis_lib.data.errors import DataError
from madis_lib.data.layouts import Corpus
from madis_lib.distributed import ALONE, World
from madis_lib.experiments import bounds, embedding, protocols, sign_tokenizer
from madis_lib.experiments.evaluate import Reference, available, score, value
from madis_lib.experiments.protocols import Protocol
from madis_lib.experiments.registered import SOURCES
from madis_lib.experiments.store import CHECKPOINT, Run, Store
from madis_lib.objectives import Batch
from madis_lib.parts import FRAMES_PER_TOKEN, PARTS
from madis_lib.presets import Preset
from madis_lib.systems.madis import MaDiSSystem
from madis_lib.tokenizer import Tokenizer
from madis_lib.train import device, on_device, one_thread

log = logging.getLogger(__name__)
CORPORA = ("csl", "phoenix", "how2sign")
DATASET_NAMES = {d.key: d.name for d in paper.DATASETS}
SPLITS = ("train", "val", "test")
UTC = ("checkpoints", "layout", "weighting", "coarse")  # of Method: what fine-tuning masks
REPORTS = "reports"  # beside the runs' home: where results are kept


def _present(data: Path) -> tuple[str, ...]:
    """The corpora that a data folder holds; FileNotFoundError when it holds none."""
    found = tuple(c for c in CORPORA if layouts.path_of(data, c).is_dir())
    if not found:
        folders = ", ".join(f"{layout.folder}/" for layout in layouts.LAYOUTS.values())
        raise FileNotFoundError(
            f"{data}: none of {folders} is here; give the folder that holds one"
        )
    return found


def fit_canvas(features: np.ndarray, max_tokens: int) -> np.ndarray:
    """Clips longer than the canvas are sampled evenly to fill it (MaDiS §4)."""
    longest = max_tokens * FRAMES_PER_TOKEN
    if len(features) <= longest:
        return features
    return features[np.linspace(0, len(features) - 1, longest).astype(int)]


class Suite:
    """Every run of a preset.

    Args:
        preset: sizes.
        home: where runs are kept.
        data: folder with real corpora, at least one of the three; None writes SignWorld and uses
            that.
        seed: of the language model's weights and training.  The corpus has its own; the sign
            tokenizer and the judges are trained once, with the preset's first.
        world: the processes that train together; each asks for the same runs in the same order.
        kept: folder of results that are kept without their runs; None: of ``reports`` beside home.
        row_seeds: with which the rows of ablations are trained, here or in the world they have;
            None: the preset's of that world.
    """

    def __init__(
        self,
        preset: Preset,
        home: Path,
        data: Path | None = None,
        seed: int | None = None,
        world: World = ALONE,
        kept: Path | None = None,
        row_seeds: Collection[int] | None = None,
    ) -> None:
        self.preset, self.data = preset, data.resolve() if data else None
        self.corpora = CORPORA if data is None else _present(data)
        self.seed = preset.seeds[0] if seed is None else seed
        self._row_seeds = row_seeds
        kept = kept or home.parent / REPORTS / preset.name / "results"
        self.store = Store(home / preset.name, world, kept)
        self._clips: dict[tuple[str, str], list[np.ndarray]] = {}
        self._texts: dict[tuple[str, str], list[str]] = {}
        self._names: dict[tuple[str, str], list[str]] = {}

    def variant(
        self, preset: Preset | None = None, seed: int | None = None, **changes: Any
    ) -> Suite:
        """The suite with values of the :class:`Method` changed, perhaps of another size or seed.

        What the change cannot alter, such as the tokenizer, is one and the same run.
        """
        size = self.preset if preset is None else preset
        changed = replace(size, method=replace(self.preset.method, **changes))
        seed = self.seed if seed is None else seed
        found = Suite(changed, self.store.root.parent, self.data, seed, row_seeds=self._row_seeds)
        found.store = self.store  # one store: what it may do now holds for the variant too
        return found

    def beside(self, preset: Preset) -> Suite:
        """The suite of another preset on the same data; its results are kept with this one's."""
        found = Suite(preset, self.store.root.parent, self.data, row_seeds=self._row_seeds)
        found.store = self.store.beside(preset.name)
        return found

    def row(self, pretrain: bool = False, seed: int | None = None, **changes: Any) -> Suite:
        """A row of an ablation: its :class:`Method` changed, all else as in every other row.

        Rows have a number of updates of their own, and start from the same pretrained weights;
        with ``pretrain`` these are of the rows too, trained for as long as the preset says.
        """
        p = self.preset
        size = replace(p, finetune=p.row_finetune or p.finetune)
        if pretrain:
            size = replace(size, pretrain=p.row_pretrain or p.pretrain)
        return self.variant(size, seed, **changes)

    @cached_property
    def named(self) -> Suite:
        """The same suite, of which runs are only named: they have a key, and no result.

        What is found without the runs it was made from is configured by it.
        """
        twin = Suite(
            self.preset, self.store.root.parent, self.data, self.seed, row_seeds=self._row_seeds
        )
        twin.store = Store(self.store.root, names=True)
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        """For other processes (:mod:`workers`): the same runs, nothing read yet."""
        home, kept = self.store.root.parent, self.store.kept
        return Suite, (self.preset, home, self.data, self.seed, ALONE, kept, self._row_seeds)

    @property
    def row_seeds(self) -> tuple[int, ...]:
        """Of the rows that are trained here; where ablations have a world of their own, those rows
        are as long as the headline, and have its seeds.
        """
        asked = None if self.preset.rows else self._row_seeds
        return self.preset.seeds if asked is None else tuple(dict.fromkeys(asked))

    @property
    def protocol(self) -> Protocol:
        """How models are trained, sign and are scored: the paper's way or the release's."""
        return protocols.get(self.preset.method.protocol)

    @property
    def synthetic(self) -> bool:
        """Whether the signing is rendered: SignWorld, or annotations given to ``madis corpus``."""
        return self.data is None or (self.data / "signworld").is_dir()

    def corpus_name(self, corpus: str) -> str:
        """What to call a corpus in a table, so that nothing rendered passes for the real data."""
        if self.data is None:
            return f"SignWorld {corpus}"
        return f"rendered {corpus}" if self.synthetic else DATASET_NAMES[corpus]

    # -- the corpus -------------------------------------------------------------------------

    @cached_property
    def corpus(self) -> Run:
        """The corpora on disk, in the layouts of the real ones, and what is in them."""
        config: dict[str, object] = {"corpus": self.preset.corpus}
        if self.data:
            config = {"data": layouts.fingerprint(self.data)}

        def work(folder: Path) -> dict[str, Any]:
            root = self.data or folder / "data"
            if self.data is None:
                signworld.write(root, self.preset.corpus)
            found = {c: {s: layouts.read(root, c, s) for s in SPLITS} for c in self.corpora}
            for corpus, of in found.items():
                for split, clips in of.items():
                    if not len(clips):  # said before anything is trained
                        fix = "train, val and test need one at least"
                        raise DataError(root, f"{corpus} {split}", "holds no clip", fix)
            return {
                "sentences": {c: {s: len(v) for s, v in of.items()} for c, of in found.items()},
                "skipped": {c: {s: v.skipped for s, v in of.items()} for c, of in found.items()},
                "tokens": {
                    c: [len(sample.features) // FRAMES_PER_TOKEN for sample in of["train"]]
                    for c, of in found.items()
                },
            }

        return self.store.run("corpus", config, ("signworld",), work)

    def coverage(self, corpus: str) -> float:
        """Share of training clips that fit the canvas of M tokens (MaDiS §4: 98 % at M = 100)."""
        return float(
            np.mean(np.array(self.corpus.result["tokens"][corpus]) <= self.preset.model.max_tokens)
        )

    @property
    def root(self) -> Path:
        return self.data or self.corpus.folder / "data"

    def _read(self, corpus: str, split: str) -> None:
        if (corpus, split) not in self._clips:
            read: Corpus = layouts.read(self.root, corpus, split)
            size = self.preset.model.max_tokens
            self._clips[corpus, split] = [fit_canvas(s.features, size) for s in read]
            self._texts[corpus, split] = [s.text for s in read]
            self._names[corpus, split] = [s.name for s in read]

    def clips(self, corpus: str, split: str) -> list[np.ndarray]:
        """Raw features ``[T, 133]`` of a split."""
        self._read(corpus, split)
        return self._clips[corpus, split]

    def texts(self, corpus: str, split: str) -> list[str]:
        self._read(corpus, split)
        return self._texts[corpus, split]

    def names(self, corpus: str, split: str) -> list[str]:
        self._read(corpus, split)
        return self._names[corpus, split]

    def truth(self, corpus: str, split: str) -> list[dict[str, Any]] | None:
        """Gloss timelines; None on real data."""
        if not self.synthetic:
            return None
        by_name = {t["name"]: t for t in signworld.read_truth(self.root, corpus, split)}
        return [by_name[name] for name in self.names(corpus, split)]

    def oracle(self, corpus: str) -> signworld.Oracle | None:
        """Reads motion back to glosses; None on real data."""
        return signworld.read_oracle(self.root, corpus) if self.synthetic else None

    @cached_property
    def text_run(self) -> Run:
        """The text tokenizer of a model that starts from random weights: byte-level BPE."""
        config = {"corpus": self.corpus, "size": self.preset.model.text_vocab}

        def work(folder: Path) -> dict[str, Any]:
            texts = [t for c in self.corpora for t in self.texts(c, "train")]
            text = text_data.train(texts, self.preset.model.text_vocab, folder / "text")
            return {"size": len(text)}

        return self.store.run("text", config, (), work)

    @cached_property
    def text_tokenizer(self) -> Any:
        """Qwen3's own where the model starts from it, else one trained on the training texts."""
        qwen3 = self.preset.model.qwen3
        return text_data.load(qwen3 or self.text_run.folder / "text")

    @cached_property
    def statistics(self) -> stats.Stats:
        """Mean and spread of the features of all training clips."""
        clips = [clip for c in self.corpora for clip in self.clips(c, "train")]
        # SignWorld's fitting noise is half a degree: what moves less than a few is mostly noise
        return stats.compute(clips, floor=0.1 if self.synthetic else 0.0)

    # -- the sign tokenizer -----------------------------------------------------------------

    @cached_property
    def tokenizer_run(self) -> Run:
        """Three VQ-VAEs trained on all corpora together (§3.1)."""
        p = self.preset
        return sign_tokenizer.trained(self, "tokenizer", p.tokenizer, p.train_tokenizer)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        return Tokenizer.load(self.tokenizer_run.folder / "tokenizer.safetensors")

    @cached_property
    def tokens_run(self) -> Run:
        """All clips as token files."""

        def work(folder: Path) -> dict[str, Any]:
            tokenizer, counts = self.tokenizer, {}
            with on_device(tokenizer):
                for corpus in self.corpora:
                    for split in SPLITS:
                        items = zip(
                            self.names(corpus, split),
                            sign_tokenizer.encode(tokenizer, self.clips(corpus, split)),
                            strict=True,
                        )
                        counts[f"{corpus} {split}"] = token_files.write(
                            folder, corpus, split, items, tokenizer.fingerprint()
                        )
            return {"clips": counts}

        return self.store.run("tokens", {"tokenizer": self.tokenizer_run}, ("tokenizer",), work)

    def tokens(self, corpus: str, split: str) -> list[np.ndarray]:
        """Triples ``[L, 3]`` of a split."""
        folder = self.tokens_run.folder
        token_files.check_fingerprint(folder, self.tokenizer.fingerprint())
        return [token_files.read(folder, corpus, split, name) for name in self.names(corpus, split)]

    # -- the language model -----------------------------------------------------------------

    def _batches(self, system: MaDiSSystem, corpora: tuple[str, ...]):
        """How many training sentences there are, and a function from indices to their batch."""
        texts = [t for c in corpora for t in self.texts(c, "train")]
        codes = [t for c in corpora for t in self.tokens(c, "train")]
        with torch.no_grad():
            motion = [
                system.tokenizer.normalise(torch.tensor(x))
                for c in corpora
                for x in self.clips(c, "train")
            ]

        def batch(indices: torch.Tensor) -> Batch:
            chosen = indices.tolist()
            text_ids, text_valid = self.protocol.encode_texts(
                system.text, [texts[i] for i in chosen]
            )
            padded, lengths = pad_tokens([codes[i] for i in chosen], 0)
            frames, _ = pad_features([motion[i] for i in chosen])
            return Batch(text_ids, text_valid, padded, lengths, frames).to(device())

        return len(texts), batch

    def _train(
        self,
        system: MaDiSSystem,
        stage: str,
        corpora: tuple[str, ...],
        folder: Path,
        watch: Callable[[], Mapping[str, float]] | None = None,
    ) -> train.History:
        count, batch = self._batches(system, corpora)
        system.model.to(device())
        system.tokenizer.requires_grad_(False)
        decoders = [system.tokenizer.vqvaes[part].decode_latents for part in PARTS]
        world, method = self.store.world, self.preset.method
        self.protocol.prepare(system.model)

        def loss_of(indices: torch.Tensor, generator: torch.Generator, update: int):
            given = system.model, decoders, batch(indices), generator
            if stage == "pretrain":
                levels = method.changed("levels")
                return self.protocol.pretraining_loss(*given, world=world, **levels)
            return self.protocol.finetuning_loss(
                *given, method.alpha, world=world, **method.changed(*UTC)
            )

        with on_device(system.tokenizer):  # which others go on to use
            history = train.fit(
                system.model, loss_of, count, getattr(self.preset, stage),
                folder / CHECKPOINT, self.seed, f"{stage} {' '.join(corpora)}", world, watch,
            )  # fmt: skip
        system.save(folder / "model")
        return history

    @property
    def _method_modules(self) -> tuple[str, ...]:
        """Whose versions count for a trained model."""
        return ("model",) if self.protocol.name == "paper" else ("model", "release")

    @cached_property
    def pretrained(self) -> Run:
        """Tri-level pretraining on all corpora (§3.2)."""
        p = self.preset
        config = {
            "tokens": self.tokens_run, "model": p.model, "train": p.pretrain, "seed": self.seed,
            **p.method.changed("protocol", "levels"),
        }  # fmt: skip

        def work(folder: Path) -> dict[str, Any]:
            system = MaDiSSystem.untrained(p, self.tokenizer, self.text_tokenizer, self.seed)
            if not p.method.levels:
                system.save(folder / "model")
                return {"history": []}
            return {"history": self._train(system, "pretrain", self.corpora, folder)}

        return self.store.run("pretrained", config, self._method_modules, work, together=True)

    def finetuned(self, corpus: str) -> Run:
        """Fine-tuning on one corpus, with UTC and MoP (§3.3)."""

        def work(folder: Path) -> dict[str, Any]:
            system = self._start_of_finetuning()
            with one_thread():
                return {"history": self._train(system, "finetune", (corpus,), folder)}

        name, config = f"finetuned-{corpus}", self._finetuning(corpus)
        return self.store.run(name, config, self._method_modules, work, together=True)

    def _finetuning(self, corpus: str) -> dict[str, object]:
        """All that decides what fine-tuning makes."""
        p = self.preset
        return {
            "start": self.pretrained, "corpus": corpus, "train": p.finetune,
            "alpha": p.method.alpha, "seed": self.seed, **p.method.changed(*UTC),
            **self.method_key("fusion"),
        }  # fmt: skip

    def method_key(self, name: str) -> dict[str, object]:
        """What a part of the method that is not the paper's adds to a key: of a registered one, also
        its source.
        """
        changed = self.preset.method.changed(name)
        source = SOURCES.get(str(changed.get(name)))
        return changed | ({f"{name}_source": source} if source else {})

    def pace_key(self) -> dict[str, int]:
        """What tokens a step that are not the paper's add to a key."""
        k = self.preset.tokens_per_step
        return {} if k == Preset.tokens_per_step else {"tokens_per_step": k}

    def _start_of_finetuning(self) -> MaDiSSystem:
        """The pretrained system, with the row's fusion."""
        system = MaDiSSystem.load(self.pretrained.folder / "model", self.tokenizer)
        fusion = self.preset.method.fusion
        if fusion != system.model.config.fusion:
            system.model.change_fusion(fusion, self.seed)
        return system

    def watched(self, corpus: str, sentences: int) -> Run:
        """Fine-tuning again, with what it signs of ``val`` measured as it goes (Fig. 9).

        The result's history has, at every tenth of the updates, the metrics of
        :data:`evaluate.METRICS` on the first ``sentences`` of ``val``, called "val dtw_body" and so
        on.
        """
        if self.store.world.size > 1:
            _ = self.pretrained  # by all processes; what follows is the first one's own
        config = {**self.named._finetuning(corpus), "watched": sentences, **self.pace_key()}

        def work(folder: Path) -> dict[str, Any]:
            system, whole = self._start_of_finetuning(), self.reference(corpus, "val")
            texts, oracle, body = self.texts(corpus, "val"), self.oracle(corpus), bodies.load()
            glosses = None if whole.glosses is None else whole.glosses[:sentences]
            truth = Reference(whole.features[:sentences], whole.tokens[:sentences], glosses)

            def watch() -> dict[str, float]:
                signed = self.protocol.sign(system, texts[:sentences], self.preset.method)
                scores = score(
                    [s.features for s in signed], [s.tokens for s in signed], truth, body, oracle
                )
                chosen = np.arange(len(signed))
                return {f"val {m}": value(scores, m, chosen) for m in available(scores)}

            with one_thread():
                return {"history": self._train(system, "finetune", (corpus,), folder, watch)}

        modules = (*self._method_modules, "sampler", "metrics")
        return self.store.run(f"watched-{corpus}", config, modules, work)

    def system(self, corpus: str) -> MaDiSSystem:
        """The trained system of a corpus."""
        system = MaDiSSystem.load(self.finetuned(corpus).folder / "model", self.tokenizer)
        p = self.preset
        system.steps = utc.steps_for(p.model.max_tokens, p.tokens_per_step)
        return system

    # -- scores -----------------------------------------------------------------------------

    def reference(self, corpus: str, split: str = "test") -> Reference:
        """The true signing of a split."""
        truth = self.truth(corpus, split)
        glosses = None if truth is None else [t["glosses"] for t in truth]
        return Reference(
            self.clips(corpus, split), self.tokens(corpus, split), glosses,
            self.texts(corpus, split),
        )  # fmt: skip

    def evaluated(self, corpus: str, split: str = "test") -> Run:
        """Per-sentence scores of MaDiS and the bounds (design: never one without the other).

        Recall is that of :func:`embedding.trained`'s fine-grained SiCLIP.  Settings are chosen on
        ``val``; a report shows ``test``.
        """
        body = bodies.load()
        config = {
            "system": self.named.finetuned(corpus), "corpus": corpus, "split": split,
            "tokens_per_step": self.preset.tokens_per_step, "body": body.fingerprint(),
            "siclip": embedding.trained(self.named), **self.method_key("rule"),
        }  # fmt: skip

        def work(folder: Path) -> dict[str, Any]:
            similarity = embedding.load(self).similarity
            reference, oracle = self.reference(corpus, split), self.oracle(corpus)
            texts = self.texts(corpus, split)
            signed = self.protocol.sign(self.system(corpus), texts, self.preset.method)
            made = [s.features for s in signed], [s.tokens for s in signed]
            outputs = {"MaDiS": made} | bounds.with_shuffled_text(self, corpus, reference, made)
            scores = {
                name: score(
                    features, tokens, reference, body, oracle,
                    self.protocol.max_order, self.protocol.betas, similarity,
                    retokenised=sign_tokenizer.encode(self.tokenizer, features),
                )
                for name, (features, tokens) in tqdm(outputs.items(), f"scoring {corpus}")
            }  # fmt: skip
            generated = [self.protocol.plain_tokens(s.tokens) for s in signed]
            return {"scores": scores, "generated": generated, "texts": texts}

        name = f"evaluated-{corpus}" if split == "test" else f"evaluated-{corpus}-{split}"
        return self.store.run(name, config, ("sampler", "metrics", "signworld"), work)

    def outputs(self, corpus: str) -> dict[str, list[np.ndarray]]:
        """Motion ``[T, 133]`` of MaDiS and of every bound, as :meth:`evaluated` scored it."""
        tokens = self.evaluated(corpus).result["generated"]
        signed = [self.protocol.decode(t, self.tokenizer) for t in tokens]
        others = bounds.with_shuffled_text(self, corpus, self.reference(corpus), (signed, tokens))
        return {"MaDiS": signed} | {name: list(features) for name, (features, _) in others.items()}

"""The ``madis`` command.

Errors a user can mend are one line on stderr and exit code 2; ``MADIS_DEBUG=1`` shows where they
come from.
"""

from __future__ import annotations

import errno
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg
from tyro.extras import SubcommandApp

from madis_lib.presets import ProtocolName

app = SubcommandApp()
HOME = Path(".madis")


@app.command
def reproduce(
    preset: str = "quick",
    reports: Path = Path("reports"),
    data: Path | None = None,
    notebooks: bool = True,
    fsdp: bool = False,
    protocol: ProtocolName = "paper",
    only: tuple[str, ...] | None = None,
    seeds: tuple[int, ...] | None = None,
    force: bool = False,
    dry_run: bool = False,
    max_minutes: float | None = None,
) -> None:
    """Train, sign, measure, draw: everything a preset covers, ending in one HTML report.

    What is already done is not done again; a killed run goes on where it was.  Several processes,
    one for each GPU, train together: torchrun --nproc-per-node N -m madis_lib reproduce ...

    Args:
        preset: quick, laptop, gpu or paper.
        reports: where the report goes, in a folder named after the preset.
        data: folder with How2Sign/, CSL-Daily/ and Phoenix_2014T/; without it the embedded
            synthetic corpus is used.
        notebooks: execute the notebooks too.
        fsdp: of several processes, each holds a piece of the weights (FSDP2), not all (DDP).
        protocol: train, sign and measure DTW and SiBLEU as the paper says, or as the authors' code
            does; SiCLIP is ours in both.
        only: artefacts, such as table3 alpha fig9, and what they need.
        seeds: of the rows of ablations, in place of the preset's; the report shows these alone.
        force: make finished runs again: those of --only, or all.
        dry_run: say what would be made, and how long it takes; nothing is made.
        max_minutes: stop at a checkpoint after so many minutes, with exit status 3 if anything is
            left; the same command goes on.
    """
    from madis_lib import distributed
    from madis_lib.reporting import reproduce as run
    from madis_lib.train import OutOfTimeError

    for name, given in (("only", only), ("seeds", seeds)):
        if given == ():  # such as an empty variable of the shell
            raise ValueError(f"--{name} has nothing behind it: give some, or leave it out")
    only = only or ()
    if max_minutes is not None and not max_minutes > 0:
        raise ValueError(f"--max-minutes is {max_minutes:g}: give a number above 0")
    if dry_run:
        for line in run.dry_run(preset, HOME, reports, data, protocol, only, seeds, force):
            print(line)
        return
    until = None if max_minutes is None else time.time() + 60 * max_minutes
    try:
        with distributed.joined(fsdp) as world:
            if not world.first:
                return run.follow(preset, HOME, reports, data, world, protocol, only, seeds, until)
            page = run.reproduce(
                preset, HOME, reports, data, notebooks, world, protocol, only, seeds, until, force
            )
    except OutOfTimeError as error:
        print(f"\nThe time is over: {error}. Run the same command again to go on.")
        raise SystemExit(3) from None
    print(f"\nThe report: {page.resolve()}")


@app.command
def generate(
    text: Annotated[
        Positional[tuple[str, ...]],
        arg(
            metavar="TEXT", help="the sentence to sign, in quotes", help_behavior_hint="(required)"
        ),
    ],
    language: str = "en",
    out: Path = Path("sign.html"),
    checkpoint: Path | None = None,
    preset: str | None = None,
    data: Path | None = None,
    temperature: float = 0.0,
    seed: int = 0,
) -> None:
    """Sign a sentence: an interactive page, an AMASS-style npz, a GLB or a WebP.

    Args:
        language: zh (daily life), de (weather) or en (how-to); each signs its own synthetic
            sign language.
        out: the suffix chooses the format: .html, .npz, .glb or .webp.
        checkpoint: folder with tokenizer.safetensors and a folder per corpus; without it the
            models shipped with the package.
        preset: instead, the model that reproduce trained with this preset.
        data: as it was given to reproduce.
        temperature: 0 always signs a sentence the same way.
        seed: of the draw when temperature is above 0.
    """
    from madis_lib.reporting import signing

    if len(text) != 1:
        words = " ".join(text) or "a sentence"
        raise ValueError(f'put the sentence in quotes: madis generate "{words}"')
    if preset is not None and checkpoint is not None:
        raise ValueError("give --checkpoint or --preset, not both")
    if data is not None and preset is None:
        raise ValueError("--data goes with --preset: the one it was trained with")
    suite = None
    if preset is not None:
        from madis_lib import presets
        from madis_lib.experiments.suite import Suite

        suite = Suite(presets.get(preset), HOME, data)
    signing.generate(text[0], language, out, checkpoint, temperature, seed, suite)
    print(out)


@app.command
def evaluate(
    checkpoint: Path,
    data: Path,
    corpus: str,
    protocol: ProtocolName = "paper",
    tokenizer_dir: Path | None = None,
    stats: Path | None = None,
    siclip: Path | None = None,
    split: str = "test",
    out: Path | None = None,
) -> None:
    """Score a checkpoint of the authors on a corpus.

    Args:
        checkpoint: sft_csl.ckpt or another fine-tuned one, or a folder it was converted to.
        data: folder with How2Sign/, CSL-Daily/ and Phoenix_2014T/.
        corpus: csl, phoenix or how2sign.
        protocol: release signs and scores as the authors' code does; paper as the paper says.
        tokenizer_dir: the authors' text tokenizer, with map_ids.pkl.
        stats: the folder with mean.pt and std.pt.
        siclip: siclip.ckpt, to score retrieval too.
        split: train, val or test.
        out: write the numbers as JSON too.
    """
    from madis_lib.experiments import released
    from madis_lib.files import check_writable

    if out is not None:
        check_writable(out)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        result = released.evaluate_checkpoint(
            checkpoint, data, corpus, protocol, tokenizer_dir, stats, siclip, split
        )
    for said in dict.fromkeys(str(w.message) for w in caught if w.category is UserWarning):
        print(f"madis: warning: {said}", file=sys.stderr)
    print(result)
    if out is not None:
        result.save(out)


@app.command
def corpus(annotations: Path, out: Path = Path("rendered"), seed: int = 0) -> None:
    """Render sentences with glosses into a corpus in the real on-disk layout.

    Args:
        annotations: a .tsv, .csv or .jsonl with name, text, glosses, language (zh, de or en) and
            split, which is drawn where there is none; or a sentence file such as train.de with
            train.gloss beside it; or a folder of such pairs.
        out: folder that will hold the corpus; each language goes into its own corpus.
        seed: of signers and style.
    """
    from madis_lib.data.signworld import annotations as rendering

    found = rendering.read_annotations(annotations)
    counts = rendering.render(found, out, seed)
    for name, number in counts.items():
        print(f"{name}: {number} sentences, real text or yours, rendered signing")
    for name, splits in rendering.empty_splits(found).items():
        lacking = f"no sentence for {' and '.join(splits)}, but reproduce needs some"
        print(f"{name}: {lacking}; choose in a column split, or give dev.de, test.de and the like")
    print(f"written to {out}; look at it with: madis check-data {out}")


@app.command(name="check-data")
def check_data(
    path: Annotated[Positional[Path], arg(help="folder that holds the corpora")],
    limit: int = 5,
) -> None:
    """Say what is in a data folder, what is missing, and how to mend it.

    Args:
        limit: how many problems of a kind are listed; all are counted.
    """
    from madis_lib.data import check

    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such folder; give the one that holds the corpora")
    found = check.check(path, limit=limit)
    print(found)
    most = max(found.counts.values(), default=0)
    if most > limit:
        print(f"list all with: madis check-data {path} --limit {most}")
    if not found.ok:
        raise SystemExit(1)


@app.command
def report(
    preset: str = "quick",
    reports: Path = Path("reports"),
    data: Path | None = None,
    protocol: ProtocolName = "paper",
    seeds: tuple[int, ...] | None = None,
) -> None:
    """Build tables, figures and the page again from finished runs; nothing is trained.

    Args:
        preset: quick, laptop, gpu or paper.
        reports: where the report goes, in a folder named after the preset.
        data: as it was given to reproduce.
        protocol: as it was given to reproduce.
        seeds: as they were given to reproduce.
    """
    from madis_lib.reporting import reproduce as run

    page = run.rebuild(preset, HOME, reports, data, protocol, seeds)
    print(f"\nThe report: {page.resolve()}")


@app.command
def notebooks(preset: str = "quick", reports: Path = Path("reports")) -> None:
    """Execute the notebooks as reproduce does; runs they need are found, or made.

    Args:
        preset: quick, laptop, gpu or paper.
        reports: where the executed notebooks go, in PRESET/notebooks.
    """
    from madis_lib import presets
    from madis_lib.reporting import notebook_runs

    presets.get(preset)
    notebook_runs.execute(preset, HOME, reports / preset / "notebooks")


@app.command
def runs(preset: str = "quick", data: Path | None = None, check: bool = False) -> None:
    """List the runs of a preset: done or not, when, how large, which step of a reproduction.

    Args:
        preset: quick, laptop, gpu or paper; rows holds laptop's ablations.
        data: as it was given to reproduce, of whose runs steps are told.
        check: read every file of every finished run and name those that have changed since.
    """
    from madis_lib import presets
    from madis_lib.experiments import registry
    from madis_lib.experiments.suite import Suite

    suite = Suite(presets.get(preset), HOME, data)
    store = suite.store
    if check:
        wrong = store.damaged()
        for path in wrong:
            print(
                f"{path}: is not what the run left; remove its result.json to make the run again, or take what is kept"
            )
        print(f"{len(wrong)} damaged files in {store.root}")
        raise SystemExit(1 if wrong else 0)
    listing = store.listing(registry.titles(suite))
    if len(listing) == 1:
        print(f"no runs of {preset} in {HOME}; make them with: madis reproduce --preset {preset}")
        return
    for line in listing:
        print(line)


@app.command
def study(
    systems: Annotated[Positional[tuple[Path, ...]], arg(help="a folder of npz per system")] = (),
    texts: Path | None = None,
    preset: str | None = None,
    data: Path | None = None,
    corpus: str = "how2sign",
    out: Path = Path("study"),
    raters: int = 5,
    items: int = 15,
    views: int | None = None,
    question: str | None = None,
    language: str = "en",
    seed: int = 0,
) -> None:
    """Make a blind rating study: an offline page for each rater, and a key for you.

    Args:
        systems: NAME.npz per sentence, as generate writes it; the folder's name is the system's.
        texts: tab-separated, with columns name and text.
        preset: instead of folders, the truth, MaDiS and its bounds from finished runs.
        data: as it was given to reproduce.
        corpus: of the preset: csl, phoenix or how2sign.
        out: a new folder.
        raters: how many pages.
        items: sentences to rate, drawn from the texts; one more is for practice.
        views: of how many systems a rater sees each sentence; all unless given.
        question: what raters judge, in their language; the paper's unless given.
        language: of the texts in folders, such as zh.
        seed: of the draw and of the orders.
    """
    from madis_lib.reporting import study_kit

    if (preset is None) == (not systems) or (preset is None) != (texts is not None):
        raise ValueError("give folders of systems with --texts FILE, or --preset NAME alone")
    if data is not None and preset is None:
        raise ValueError("--data goes with --preset: the one it was trained with")
    if preset is None:
        assert texts is not None
        material = study_kit.read_folders(systems, texts, language)
    else:
        from madis_lib import presets
        from madis_lib.experiments.suite import Suite

        material = study_kit.from_suite(Suite(presets.get(preset), HOME, data), corpus)
    question = study_kit.QUESTION if question is None else question
    key = study_kit.make(material, out, raters, items, views, question, seed)
    clips = len(next(iter(key.orders.values())))
    print(f"{raters} pages of {clips} clips in {out / 'raters'}: hand these out, and only these")
    print(f"put what comes back into {out / 'ratings'}; then: madis ratings {out}")


@app.command
def ratings(
    folder: Annotated[Positional[Path], arg(help="the folder that madis study wrote")],
) -> None:
    """Analyse the ratings of a study: means with intervals, agreement, metrics against people."""
    from madis_lib.reporting import study_kit

    print(study_kit.analyse(folder))


@app.command
def bench(
    name: Annotated[
        Positional[Literal["dtw", "body", "evaluate", "paper", "sampler", "crossover"]],
        arg(help="what to measure"),
    ],
    shape: Literal["small", "paper"] = "small",
) -> None:
    """Measure the metric, the body, scoring a system, the sampler, where a cached autoregressive
    decoder overtakes it, or the full model (13 GB).

    Args:
        shape: of the backbone in crossover; paper, Qwen3-0.6B, needs a GPU.
    """
    from madis_lib.perf import (
        bench_body,
        bench_crossover,
        bench_dtw,
        bench_evaluate,
        bench_paper,
        bench_sampler,
    )

    if name == "crossover":
        bench_crossover.run(shape)
        return
    if shape != "small":
        raise ValueError(f"bench {name} has one shape: leave --shape out")

    benches = {
        "dtw": bench_dtw, "body": bench_body, "evaluate": bench_evaluate, "paper": bench_paper,
        "sampler": bench_sampler,
    }  # fmt: skip
    benches[name].run()


def main() -> None:
    """Run the command line."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing is fetched at run time
    warnings.filterwarnings("ignore", category=FutureWarning)
    try:
        app.cli(prog="madis", description=__doc__)
    except KeyboardInterrupt:
        print("madis: stopped; run the same command again to go on", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    except (ValueError, OSError, FloatingPointError) as error:
        if os.environ.get("MADIS_DEBUG"):
            raise
        print(f"madis: error: {_one_line(error)}", file=sys.stderr)
        raise SystemExit(2) from None


FIXES = {
    errno.ENOSPC: "make room and run the same command again",
    errno.EFBIG: "allow larger files (ulimit -f) and run the same command again",
    errno.EROFS: "choose a folder that can be written to",
    errno.EACCES: "choose another folder, or change its permissions",
    errno.ENOTDIR: "a part of this path is a file, not a folder; choose another",
    errno.ENOENT: "choose a folder that is there",
    errno.EINVAL: "give the name of a file",
}


def _one_line(error: Exception) -> str:
    """What went wrong, where, and what to do about it."""
    message = str(error)
    if isinstance(error, OSError) and error.errno is not None:
        if not error.filename:  # every file is written under its name; what is left is the terminal
            return f"cannot print: {error.strerror}; send the output elsewhere"
        message = f"{error.filename}: {error.strerror}"
        message += f"; {FIXES[error.errno]}" if error.errno in FIXES else ""
    return " ".join(message.split()) or type(error).__name__

"""Tables about the metrics themselves: SiCLIP's rungs (Table 6), back-translation, and the panel that
holds metrics against the oracle (Fig. 7b).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from madis_lib import metrics, paper
from madis_lib.experiments import back_translation, embedding, panel
from madis_lib.experiments.suite import DATASET_NAMES, Suite
from madis_lib.reporting.tables import AS_REPORTED, MARK, MEASURED


def siclip(suite: Suite) -> pd.DataFrame:
    """Table 6, tidy: the recall of SiCLIP's rungs on true signing; a row a number.

    Columns: preset, corpus, data, seed, rung, source, direction, pool, k, n, estimate, low, high,
    chance; percent, intervals 95 % (Wilson).  Rows as reported are the paper's, on real data and a
    gallery it does not name.
    """
    rows = []
    for corpus in suite.corpora:
        name, seed = suite.corpus_name(corpus), suite.preset.seeds[0]
        common = {"preset": suite.preset.name, "corpus": corpus, "data": name, "seed": seed}
        for rung in embedding.RUNGS:
            result = embedding.retrieved(suite, corpus, rung).result
            about = common | {"rung": rung, "source": MEASURED, "n": result["sentences"]}
            for found in result["rows"]:
                row = {k: v for k, v in found.items() if k != "hits"}
                rows.append(about | row | {"pool": found["pool"] or "all"})
        for rung in embedding.RUNGS:
            for k in (1, 5):
                reported = paper.TABLE_6.value(rung, f"{corpus}.r{k}")
                rows.append(
                    common
                    | {"rung": rung, "source": AS_REPORTED, "direction": embedding.DIRECTIONS[0]}
                    | {"pool": "not stated", "k": k, "estimate": reported}
                )
    return pd.DataFrame(rows)


def siclip_grid(frame: pd.DataFrame, corpus: str) -> pd.DataFrame:
    """What :func:`siclip` measured on a corpus as printed: a row a rung, and chance last."""
    found = frame[(frame.corpus == corpus) & (frame.source == MEASURED)]
    columns: dict[str, dict[str, str]] = {}
    for (direction, pool, k), cells in found.groupby(["direction", "pool", "k"], sort=False):
        if direction == embedding.DIRECTIONS[0] or k == 1:
            gallery = f"in {pool}" if pool != "all" else "of all"
            column = columns.setdefault(f"{direction}, R@{k} {gallery}", {})
            for row in cells.itertuples():
                column[_rung(row.rung)] = f"{row.estimate:.1f} [{row.low:.1f}, {row.high:.1f}]"
            column["chance"] = f"{cells.chance.iloc[0]:.1f}"
    return pd.DataFrame(columns).rename_axis("encoders and loss").reset_index()


def siclip_reported(suite: Suite) -> pd.DataFrame:
    """The paper's Table 6 for the suite's corpora."""
    rows = []
    for row in paper.TABLE_6.rows:
        cells = {
            f"{DATASET_NAMES[c]} R@{k}": paper.TABLE_6.printed(row.key, f"{c}.r{k}")
            for c in suite.corpora
            for k in (1, 5)
        }
        rows.append({AS_REPORTED: row.label} | cells)
    return pd.DataFrame(rows)


def _rung(key: str) -> str:
    return paper.TABLE_6.row(key).label


def siclip_gains(suite: Suite) -> pd.DataFrame:
    """What each rung adds to sign-to-text R@1, in points, with a paired 95 % interval over signings.

    Columns: corpus, data, rung (against the one before), pool, gain, low, high, verdict (✓ better,
    ✗ worse, – not separated).
    """
    rows = []
    for corpus in suite.corpora:
        hits = {rung: _r1_hits(suite, corpus, rung) for rung in embedding.RUNGS}
        for before, rung in pairwise(embedding.RUNGS):
            for pool in hits[rung]:
                gain = metrics.paired_interval(hits[rung][pool], hits[before][pool])
                better = True if gain.low > 0 else False if gain.high < 0 else None
                rows.append(
                    {"corpus": corpus, "data": suite.corpus_name(corpus), "rung": rung}
                    | {"pool": pool, "gain": gain.estimate, "low": gain.low, "high": gain.high}
                    | {"verdict": MARK[better]}
                )
    return pd.DataFrame(rows)


def _r1_hits(suite: Suite, corpus: str, rung: str) -> dict[Any, np.ndarray]:
    """Sign-to-text hits at k = 1 in percent, for each pool."""
    return {
        row["pool"] or "all": 100 * np.array(row["hits"])
        for row in embedding.retrieved(suite, corpus, rung).result["rows"]
        if row["direction"] == embedding.DIRECTIONS[0] and row["k"] == 1
    }


def siclip_sentence(suite: Suite) -> str:
    """Whether the order of Table 6 holds here, said plainly, with what does not."""
    gains = siclip_gains(suite)
    gains = gains[gains.pool == "all"]
    held = (gains.verdict == MARK[True]).sum()
    told = f"Each rung is better than the one before it in {held} of {len(gains)} comparisons"
    words = {MARK[False]: "worse", MARK[None]: "not separated"}
    missed = [
        f"{_rung(g.rung).lstrip('+ ').lower()} on {g.data} {words[g.verdict]} ({g.gain:+.1f} points)"
        for g in gains.itertuples()
        if g.verdict in words
    ]
    told += f"; not so: {', '.join(missed)}" if missed else ""
    total = gains.groupby("corpus", sort=False).gain.sum()
    fine = gains[gains.rung == embedding.BEST].set_index("corpus").gain
    most = sum(fine[c] > total[c] / 2 > 0 for c in total.index)
    first = [_r1_hits(suite, c, next(iter(embedding.RUNGS)))["all"].mean() for c in suite.corpora]
    return (
        f"The baseline finds {' / '.join(f'{r1:.0f}' for r1 in first)} %: what is left to 100 is all "
        f"that the others can gain. {told}. The fine-grained loss brings most of the gain over the baseline on {most} of "
        f"{len(total)} corpora (R@1 among all)."
    )


def back_translated(suite: Suite) -> pd.DataFrame:
    """BLEU-4 of what the sign-to-text model reads, with its 95 % interval; a row a corpus, system.

    The truth's is the ceiling: what it lacks to 100 are errors of the translation (MaDiS §3.4).
    """
    rows = []
    for corpus in suite.corpora:
        run = back_translation.evaluated(suite, corpus)
        for system, counts in run.result["counts"].items():
            found = back_translation.bleu(run, system)._asdict()
            row = {"corpus": suite.corpus_name(corpus), "system": system, "n": len(counts)}
            rows.append(row | {"BLEU-4": found.pop("estimate"), **found})
    return pd.DataFrame(rows)


def metrics_panel(suite: Suite) -> pd.DataFrame:
    """The metrics against the oracle (Fig. 7b), one number a row.

    ``statistic`` is ``rho`` or ``rho over DTW-JPE`` (by metric and level), either ``without one
    condition`` (least and most), ``seen`` and ``drop`` (by
    condition and metric; the verdict says blind or false alarm), ``share removed`` (by condition;
    the metric is "before to after"), ``mean`` (by condition and metric) or ``seconds a clip`` (by
    stage: DTW-JPE needs ``landmarks`` and ``dtw``, SiBLEU ``encoding`` and ``sibleu``).
    """
    rows: list[dict[str, Any]] = []
    for corpus in suite.corpora:
        found = panel.analysed(suite, corpus).result
        common = {"preset": suite.preset.name, "data": suite.corpus_name(corpus)}
        for statistic, part in (("rho", "rho"), ("rho over DTW-JPE", "over_dtw")):
            rows += [common | {"statistic": statistic} | row for row in found[part]]
        for row in found["without_one"]:
            cell = common | {"metric": row["metric"], "level": "clips"}
            for statistic, ends in (("rho", ""), ("rho over DTW-JPE", "over_dtw_")):
                told = cell | {"statistic": f"{statistic} without one condition"}
                rows.append(told | {e: row[ends + e] for e in ("low", "high")})
        for row in found["sight"]:
            cell = common | {k: row[k] for k in ("condition", "metric")}
            verdict = "blind" if row["blind"] else "false alarm" if row["false_alarm"] else ""
            rows += [
                cell | {"statistic": s, "estimate": row[s], "verdict": verdict}
                for s in ("seen", "drop")
            ]
        for row in found["removed"]:
            cell = {k: row[k] for k in ("condition", "estimate", "low", "high")}
            metric = f"{row['before']} to {row['after']}"
            rows.append(common | {"statistic": "share removed", "metric": metric} | cell)
        for row in found["means"]:
            cell = {k: row[k] for k in ("condition", "metric")}
            rows.append(common | {"statistic": "mean", "estimate": row["mean"]} | cell)
        seconds = panel.graded(suite, corpus).result["seconds"]
        rows += [
            common | {"statistic": "seconds a clip", "metric": stage, "estimate": value}
            for stage, value in seconds.items()
        ]
    columns = ("preset", "data", "statistic", "metric", "level", "condition")
    return pd.DataFrame(rows, columns=[*columns, "estimate", "low", "high", "verdict"])

"""What may be said of runs that are compared: each against nothing, against the best, and all of them against luck."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.comparison.groups import Entry, Group
from ofiml.comparison.trials import Trials
from ofiml.errors import ConfigError
from ofiml.labels import label_span
from ofiml.metrics import superiority as compared
from ofiml.metrics.bootstrap import MIN_BLOCKS, blocks
from ofiml.metrics.hac import overlap
from ofiml.metrics.overfitting import pbo
from ofiml.metrics.sharpe import deflated, sharpe
from ofiml.tracking.logged_run import BAR

Float = NDArray[np.float64]
Int = NDArray[np.int64]

MEASURES = ("ic", "r2", "sharpe")
LEVEL = 0.05
_FEWEST_TIMES = 100


@dataclass(frozen=True, slots=True)
class Together:
    """Performances (times, runs) of the entries over the times that all have, how far labels reach into later times,
    the number of each time's block, and the mean length of a block in times.
    """

    performance: Float
    overlap: int
    blocks: Int
    block: int


def judge(
    group: Group, measure: str, trials: Trials, *, benchmark: str | None, samples: int, seed: int
) -> dict[str, Any]:
    """Everything that is said of a group, ready for JSON but for NaN.

    `runs` has an entry a run, the best first; `tests` what is said of all, None where the common times are too few.
    Raises ConfigError for a `benchmark` that is not among the entries.
    """
    entries = group.entries
    ids = [entry.run.run_id for entry in entries]
    if benchmark is not None and benchmark not in ids:
        raise ConfigError(f"The benchmark {benchmark} cannot be compared: its tables are not those of a study.")
    rows = [_described(entry, group, measure) for entry in entries]
    _deflate(rows, entries, trials)
    together = _together(entries, measure)
    tests = None
    if together is not None:
        tests = _tests(rows, together, ids, benchmark, samples, seed)
        order = sorted(range(len(rows)), key=lambda i: -rows[i]["value"])
        tests["pairs"] = [[tests["pairs"][i][j] for j in order] for i in order]
        rows = [rows[i] for i in order]
    found = {"kind": group.kind, "heading": group.heading, "digest": group.digest, "measure": measure}
    return found | {"params": group.params, "runs": rows, "tests": tests, "left_out": group.left_out}


def _described(entry: Entry, group: Group, measure: str) -> dict[str, Any]:
    run = entry.run
    names = {
        "ic": "pooled/ic",
        "ic_low": "pooled/ic_low",
        "ic_high": "pooled/ic_high",
        "r2": "pooled/r2",
        "net": "backtest/net_pnl",
        "sharpe_annual": "backtest/sharpe_net",
    }
    numbers = {key: run.metrics.get(name, math.nan) for key, name in names.items()}
    tags = {key: run.tags.get(key, "") for key in ("model", "ofi", "features")}
    unknown = dict.fromkeys(("value", "error", "t", "p", "p_best", "set_p"), math.nan)
    rest = {"rows": entry.predictions.height, "repeated": group.again.get(run.run_id, 0), "in_set": None}
    return {"run": run.run_id, "name": run.name, **tags, **numbers, **unknown, **rest}


def _deflate(rows: list[dict[str, Any]], entries: list[Entry], trials: Trials) -> None:
    """Adds each run's deflated Sharpe ratio: of its net gains by block, against the best of all trials. The trials'
    Sharpe ratios vary as those of the runs do, or as chance alone would make them, whichever is more: runs that are
    much alike must not make luck look small.
    """
    gains = [None if entry.equity is None else _by_block(entry, _lengths(entries)) for entry in entries]
    ratios = [sharpe(each) for each in gains if each is not None]
    known = np.array([ratio for ratio in ratios if ratio == ratio])
    for row, each in zip(rows, gains, strict=True):
        enough = each is not None and len(each) >= MIN_BLOCKS
        row |= {"blocks": 0 if each is None else len(each), "sharpe_block": math.nan, "luck": math.nan, "dsr": math.nan}
        if each is not None and enough:
            variance = max(float(known.var(ddof=1)) if len(known) > 1 else 0.0, 1 / (len(each) - 1))
            found = deflated(each, trials.total, variance)
            row |= {"sharpe_block": found["sharpe"], "luck": found["benchmark"], "dsr": found["probability"]}


def _by_block(entry: Entry, lengths: set[int | None]) -> Float:
    """Net gains by block."""
    assert entry.equity is not None
    block = _blocks(entry.equity, entry.predictions, lengths)
    return np.bincount(block, weights=entry.equity["net"].to_numpy()).astype(np.float64)


def _blocks(rows: pl.DataFrame, predictions: pl.DataFrame, lengths: set[int | None]) -> Int:
    """The block of each row, by that of the runs' own `evaluation.block_length` whose blocks are longest: fewest."""
    span = label_span(predictions)
    session, close = rows["session"].to_numpy(), rows["bar_close"].to_numpy()
    return min((blocks(session, close, length, span) for length in lengths), key=lambda block: int(block.max()))


def _lengths(entries: list[Entry]) -> set[int | None]:
    return {entry.block for entry in entries}


def _together(entries: list[Entry], measure: str) -> Together | None:
    """None where fewer than 100 times are common to all, or a run has no equity that its Sharpe ratio could be of."""
    tables = [entry.equity if measure == "sharpe" else entry.predictions for entry in entries]
    known = [table for table in tables if table is not None]
    if len(known) < len(tables) or not tables:
        return None
    common = known[0].select(BAR)
    for table in known[1:]:
        common = common.join(table.select(BAR), on=BAR, how="semi", maintain_order="left")
    times = common["bar_close"].to_numpy()
    if len(np.unique(times)) < _FEWEST_TIMES:
        return None
    starts = np.flatnonzero(np.diff(times, prepend=times[0] - 1))
    aligned = [common.join(table, on=BAR, how="left", maintain_order="left") for table in known]
    labels = common.join(entries[0].predictions, on=BAR, how="inner", maintain_order="left")
    across = overlap(labels["label_start"].to_numpy(), labels["label_end"].to_numpy()) if labels.height else 0
    if measure == "sharpe":
        parts = [compared.of_sharpe(np.add.reduceat(table["net"].to_numpy(), starts)) for table in aligned]
    else:
        parts = [compared.averaged(_of_rows(table, measure), times) for table in aligned]
    block = np.unique(_blocks(common, entries[0].predictions, _lengths(entries))[starts], return_inverse=True)[
        1
    ].astype(np.int64)
    performance = np.stack(parts, axis=1)
    return Together(performance, across, block, max(across + 1, round(len(performance) / (block.max() + 1))))


def _of_rows(table: pl.DataFrame, measure: str) -> Float:
    y, y_hat, mean = (table[c].to_numpy() for c in ("y", "y_hat", "train_mean"))
    return compared.of_ic(y, y_hat) if measure == "ic" else compared.of_r2(y, y_hat, mean)


def _tests(
    rows: list[dict[str, Any]], together: Together, ids: list[str], benchmark: str | None, samples: int, seed: int
) -> dict[str, Any]:
    performance, across = together.performance, together.overlap
    means = performance.mean(axis=0)
    best = int(means.argmax())
    pairs = [
        [compared.diebold_mariano(performance[:, i] - performance[:, j], across)["p"] for j in range(len(ids))]
        for i in range(len(ids))
    ]
    against = performance if benchmark is None else performance - performance[:, [ids.index(benchmark)]]
    bootstrap = {"block": together.block, "samples": samples, "seed": seed}
    kept, which = compared.distinct(performance)
    set_p = compared.confidence_set(performance[:, kept], **bootstrap)[which]
    for i, row in enumerate(rows):
        zero = compared.diebold_mariano(performance[:, i], across)
        row |= {
            "value": float(means[i]),
            "error": zero["error"],
            "t": zero["t"],
            "p": zero["p"],
            "p_best": pairs[i][best],
        }
        row |= {"set_p": float(set_p[i]), "in_set": bool(set_p[i] > LEVEL)}
    return {
        "times": len(performance),
        "blocks": int(together.blocks.max()) + 1,
        "overlap": across,
        **bootstrap,
        "level": LEVEL,
        "benchmark": benchmark,
        "pairs": pairs,
        **compared.superior(against, together.blocks, samples=samples, seed=seed),
        "pbo": pbo(performance[:, kept]),
    }

"""Tests of compared runs: each against no skill and against the best, and the best against chance."""

import math
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.comparison.groups import Entry, Group
from ofiml.comparison.trials import Trials
from ofiml.errors import ConfigError
from ofiml.labels import measure_label_span
from ofiml.metrics import superiority as compared
from ofiml.metrics.bootstrap import MIN_BLOCKS, assign_blocks
from ofiml.metrics.hac import count_max_overlap
from ofiml.metrics.overfitting import Overfitting, estimate_pbo
from ofiml.metrics.sharpe import deflated_sharpe, sharpe
from ofiml.tracking.logged_run import BAR

Float = NDArray[np.float64]
Int = NDArray[np.int64]

MEASURES = ("ic", "r2", "sharpe")
LEVEL = 0.05
_FEWEST_TIMES = 100


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """A run of a group. Its own are IC with interval, R², net P&L, annualised Sharpe ratio and number of `rows`;
    `repeated` counts its repetitions, which are not listed. NaN and None where not known.

    `value` is the measure over the common times, `error` half the width of its 95 % interval, `t` and `p` its HAC test
    against 0, `p_best` Diebold-Mariano's against the best, `set_p` and `in_set` the model confidence set's.
    `sharpe_block` is the Sharpe ratio of the net gains of `blocks`, `luck` what the best of all trials reaches by
    chance, `dsr` the probability that the true ratio exceeds it.
    """

    run: str
    name: str
    model: str
    ofi: str
    features: str
    ic: float
    ic_low: float
    ic_high: float
    r2: float
    net: float
    sharpe_annual: float
    rows: int
    repeated: int
    value: float = math.nan
    error: float = math.nan
    t: float = math.nan
    p: float = math.nan
    p_best: float = math.nan
    set_p: float = math.nan
    in_set: bool | None = None
    blocks: int = 0
    sharpe_block: float = math.nan
    luck: float = math.nan
    dsr: float = math.nan


@dataclass(frozen=True, slots=True)
class GroupTests:
    """The tests of all runs of a group over their common `times`: Diebold-Mariano's p of each pair, in the order of
    the runs; p of superior ability (`spa`, `reality_check`), against the `benchmark` or (None) against no skill; and
    the probability of overfitting. Labels reach `overlap` times on; bootstraps draw blocks of about `block` times.
    """

    times: int
    blocks: int
    overlap: int
    block: int
    samples: int
    seed: int
    level: float
    benchmark: str | None
    pairs: list[list[float]]
    spa: float
    reality_check: float
    pbo: Overfitting


@dataclass(frozen=True, slots=True)
class ComparedGroup:
    """The comparison of a group: its runs, best first, and their tests, None where they share too few times. `left_out`
    gives the reason for each run that was left out.
    """

    kind: str
    heading: str
    digest: str
    measure: str
    params: dict[str, str]
    runs: list[ComparedRun]
    tests: GroupTests | None
    left_out: list[str]


@dataclass(frozen=True, slots=True)
class Together:
    """Performances (times, runs) of the entries over the times that all have, how far labels reach into later times,
    the number of each time's block, and the mean length of a block in times.
    """

    performance: Float
    overlap: int
    blocks: Int
    block: int


def compare_runs(
    group: Group, measure: str, trials: Trials, *, benchmark: str | None, samples: int, seed: int
) -> ComparedGroup:
    """Compare the runs of a group by `measure`, against no skill or against the run `benchmark`.

    Raises ConfigError for a `benchmark` that is not among the entries.
    """
    entries = group.entries
    ids = [entry.run.run_id for entry in entries]
    if benchmark is not None and benchmark not in ids:
        raise ConfigError(f"The benchmark {benchmark} cannot be compared: its tables are not valid.")
    runs = _deflate([_describe(entry, group) for entry in entries], entries, trials)
    together = _together(entries, measure)
    tests = None
    if together is not None:
        runs, tests = _test(runs, together, benchmark, samples, seed)
    return ComparedGroup(group.kind, group.heading, group.digest, measure, group.params, runs, tests, group.left_out)


def _describe(entry: Entry, group: Group) -> ComparedRun:
    run = entry.run

    def metric(name: str) -> float:
        return run.metrics.get(name, math.nan)

    return ComparedRun(
        run=run.run_id,
        name=run.name,
        model=run.tags.get("model", ""),
        ofi=run.tags.get("ofi", ""),
        features=run.tags.get("features", ""),
        ic=metric("pooled/ic"),
        ic_low=metric("pooled/ic_low"),
        ic_high=metric("pooled/ic_high"),
        r2=metric("pooled/r2"),
        net=metric("backtest/net_pnl"),
        sharpe_annual=metric("backtest/sharpe_net"),
        rows=entry.predictions.height,
        repeated=group.again.get(run.run_id, 0),
    )


def _deflate(runs: list[ComparedRun], entries: list[Entry], trials: Trials) -> list[ComparedRun]:
    """Each run with its deflated Sharpe ratio: of its net gains by block, against the best of all trials. The trials'
    Sharpe ratios vary as those of the runs do, or as chance alone would make them, whichever is more: runs that are
    much alike must not make luck look small.
    """
    gains = [None if entry.equity is None else _by_block(entry, _lengths(entries)) for entry in entries]
    ratios = [sharpe(each) for each in gains if each is not None]
    known = np.array([ratio for ratio in ratios if ratio == ratio])
    out = []
    for run, each in zip(runs, gains, strict=True):
        if each is not None:
            run = replace(run, blocks=len(each))
            if len(each) >= MIN_BLOCKS:
                variance = max(float(known.var(ddof=1)) if len(known) > 1 else 0.0, 1 / (len(each) - 1))
                ratio = deflated_sharpe(each, trials.total, variance)
                run = replace(run, sharpe_block=ratio.sharpe, luck=ratio.benchmark, dsr=ratio.probability)
        out.append(run)
    return out


def _by_block(entry: Entry, lengths: set[int | None]) -> Float:
    """Net gains by block."""
    assert entry.equity is not None
    block = _blocks(entry.equity, entry.predictions, lengths)
    return np.bincount(block, weights=entry.equity["net"].to_numpy()).astype(np.float64)


def _blocks(rows: pl.DataFrame, predictions: pl.DataFrame, lengths: set[int | None]) -> Int:
    """The block of each row, by that of the runs' own `evaluation.block_length` whose blocks are longest: fewest."""
    span = measure_label_span(predictions)
    session, close = rows["session"].to_numpy(), rows["bar_close"].to_numpy()
    return min((assign_blocks(session, close, length, span) for length in lengths), key=lambda block: int(block.max()))


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
    across = count_max_overlap(labels["label_start"].to_numpy(), labels["label_end"].to_numpy()) if labels.height else 0
    if measure == "sharpe":
        parts = [
            compared.compute_sharpe_contributions(np.add.reduceat(table["net"].to_numpy(), starts)) for table in aligned
        ]
    else:
        parts = [compared.average_by_time(_of_rows(table, measure), times) for table in aligned]
    block = np.unique(_blocks(common, entries[0].predictions, _lengths(entries))[starts], return_inverse=True)[
        1
    ].astype(np.int64)
    performance = np.stack(parts, axis=1)
    return Together(performance, across, block, max(across + 1, round(len(performance) / (block.max() + 1))))


def _of_rows(table: pl.DataFrame, measure: str) -> Float:
    y, y_hat, mean = (table[c].to_numpy() for c in ("y", "y_hat", "train_mean"))
    return (
        compared.compute_ic_contributions(y, y_hat)
        if measure == "ic"
        else compared.compute_r2_contributions(y, y_hat, mean)
    )


def _test(
    runs: list[ComparedRun], together: Together, benchmark: str | None, samples: int, seed: int
) -> tuple[list[ComparedRun], GroupTests]:
    """The runs with their tests, the best first, and the tests of all."""
    performance, across = together.performance, together.overlap
    means = performance.mean(axis=0)
    best, columns = int(means.argmax()), range(len(runs))
    pairs = [
        [compared.diebold_mariano(performance[:, i] - performance[:, j], across).p for j in columns] for i in columns
    ]
    ids = [run.run for run in runs]
    against = performance if benchmark is None else performance - performance[:, [ids.index(benchmark)]]
    kept, which = compared.find_distinct(performance)
    set_p = compared.confidence_set(performance[:, kept], block=together.block, samples=samples, seed=seed)[which]
    superior = compared.superior_ability(against, together.blocks, samples=samples, seed=seed)
    tested = []
    for i, run in enumerate(runs):
        zero = compared.diebold_mariano(performance[:, i], across)
        tested.append(
            replace(
                run,
                value=float(means[i]),
                error=zero.error,
                t=zero.t,
                p=zero.p,
                p_best=pairs[i][best],
                set_p=float(set_p[i]),
                in_set=bool(set_p[i] > LEVEL),
            )
        )
    order = sorted(columns, key=lambda i: -tested[i].value)
    tests = GroupTests(
        times=len(performance),
        blocks=int(together.blocks.max()) + 1,
        overlap=across,
        block=together.block,
        samples=samples,
        seed=seed,
        level=LEVEL,
        benchmark=benchmark,
        pairs=[[pairs[i][j] for j in order] for i in order],
        spa=superior.spa,
        reality_check=superior.reality_check,
        pbo=estimate_pbo(performance[:, kept]),
    )
    return [tested[i] for i in order], tests

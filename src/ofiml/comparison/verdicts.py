"""Test compared runs: each against no skill and against the best run, and the best against chance."""

import math
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from ofiml._typing import Float, Int64
from ofiml.comparison.groups import Entry, Group
from ofiml.comparison.trials import Trials
from ofiml.errors import ConfigError
from ofiml.labels import measure_label_span
from ofiml.labels.time_blocks import number_time_blocks
from ofiml.metrics import superiority
from ofiml.metrics.bootstrap import MIN_BLOCKS
from ofiml.metrics.hac import count_max_overlap
from ofiml.metrics.overfitting import Overfitting, estimate_pbo
from ofiml.metrics.sharpe import chance_variance, deflated_sharpe, sharpe
from ofiml.tracking.logged_run import BAR

MEASURES = ("ic", "r2", "sharpe")
LEVEL = 0.05
MIN_TIMES = 100  # common to all runs, for tests


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """A run of a group. Unknown numbers are NaN or None.

    Over the run's own bars: IC with interval, R², net P&L in `currency` ("" if the run does not name one), annualised
    Sharpe ratio and number of `rows`. `repeated` counts its repetitions, which are not listed. `choices` are its params
    in which the runs of the group differ.

    Over the common times: `value` is the measure, `error` half the width of its 95 % interval, `t` and `p` its HAC test
    against 0, `p_best` the Diebold-Mariano p-value against the best run, `set_p` and `in_set` those of the model
    confidence set.

    `sharpe_block` is the Sharpe ratio of net gains by block, `blocks` the number of blocks, `luck` the ratio that the
    best of all trials reaches by chance, `dsr` the probability that the true ratio exceeds `luck`.
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
    choices: dict[str, str]
    currency: str = ""
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
    """The tests of all runs of a group over their common `times`.

    `pairs` has the Diebold-Mariano p-value of each pair, in the order of the runs. `spa` and `reality_check` are
    p-values against the run `benchmark`, or against no skill if it is None. `pbo` is the probability of overfitting. A
    label overlaps up to `overlap` later times; bootstraps draw from `blocks` blocks of about `block` times.
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
    """The comparison of a group: its runs, best first, and their tests (None for one run, and for too few
    common times).

    `left_out` has the reason for each run that was left out.
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
class CommonTimes:
    """The times that all runs share.

    `performance` has shape (times, runs). A label overlaps up to `overlap` later times. `blocks` has the number of the
    block of each time, and `block` is the mean number of times per block.
    """

    performance: Float
    overlap: int
    blocks: Int64
    block: int


def compare_runs(
    group: Group, measure: str, trials: Trials, *, benchmark: str | None, samples: int, seed: int
) -> ComparedGroup:
    """Compare the runs of a group by `measure`, against the run `benchmark`, or against no skill if it is None.

    Raises ConfigError if `benchmark` is not among the entries.
    """
    entries = group.entries
    ids = [entry.run.run_id for entry in entries]
    if benchmark is not None and benchmark not in ids:
        raise ConfigError(
            f"The benchmark {benchmark} was left out: its tables are not valid, or it repeats another run."
        )
    runs, tests = [_describe_run(entry, group) for entry in entries], None
    if len(runs) > 1:
        runs = _deflate(runs, entries, trials)
    common = _align_runs(entries, measure) if len(runs) > 1 else None
    if common is not None:
        runs, tests = _test_runs(runs, common, benchmark, samples, seed)
    return ComparedGroup(group.kind, group.heading, group.digest, measure, group.params, runs, tests, group.left_out)


def _describe_run(entry: Entry, group: Group) -> ComparedRun:
    run = entry.run

    def metric(name: str) -> float:
        return run.metrics.get(name, math.nan)

    return ComparedRun(
        run=run.run_id,
        name=run.name,
        model=run.tags.get("model", ""),
        ofi=run.tags.get("ofi", ""),
        features=run.tags.get("features", ""),
        ic=metric("ic"),
        ic_low=metric("ic_low"),
        ic_high=metric("ic_high"),
        r2=metric("r2"),
        net=metric("net"),
        sharpe_annual=metric("net_sharpe"),
        rows=entry.predictions.height,
        repeated=group.repetitions.get(run.run_id, 0),
        choices={name: run.params[name] for name in group.list_differing_params()},
        currency=run.tags.get("backtest.currency", ""),
    )


def _deflate(runs: list[ComparedRun], entries: list[Entry], trials: Trials) -> list[ComparedRun]:
    """Add the deflated Sharpe ratio of net gains by block to each run.

    The variance of the trials' Sharpe ratios is that of the runs, but at least that of chance: very similar runs must
    not make luck look small.
    """
    gains = [None if entry.equity is None else _sum_by_block(entry, _list_block_lengths(entries)) for entry in entries]
    ratios = [sharpe(each) for each in gains if each is not None]
    known = np.array([ratio for ratio in ratios if ratio == ratio])
    out = []
    for run, each in zip(runs, gains, strict=True):
        if each is not None:
            run = replace(run, blocks=len(each))
            if len(each) >= MIN_BLOCKS:
                variance = max(float(known.var(ddof=1)) if len(known) > 1 else 0.0, chance_variance(len(each)))
                ratio = deflated_sharpe(each, trials.total, variance)
                run = replace(run, sharpe_block=ratio.sharpe, luck=ratio.benchmark, dsr=ratio.probability)
        out.append(run)
    return out


def _sum_by_block(entry: Entry, lengths: set[int | None]) -> Float:
    """Sum the net gains of each block."""
    assert entry.equity is not None
    block = _number_blocks(entry.equity, entry.predictions, lengths)
    return np.bincount(block, weights=entry.equity["net"].to_numpy()).astype(np.float64)


def _number_blocks(rows: pl.DataFrame, predictions: pl.DataFrame, lengths: set[int | None]) -> Int64:
    """Return the block of each row. Of the runs' block lengths, the one that makes the fewest blocks is used."""
    span = measure_label_span(predictions)
    return min((number_time_blocks(rows, length, span) for length in lengths), key=lambda block: int(block.max()))


def _list_block_lengths(entries: list[Entry]) -> set[int | None]:
    return {entry.block for entry in entries}


def _align_runs(entries: list[Entry], measure: str) -> CommonTimes | None:
    """Align the runs on their common times.

    Return None if there are fewer than `MIN_TIMES`, or if a run has no equity, which a Sharpe ratio needs.
    """
    tables = [entry.equity if measure == "sharpe" else entry.predictions for entry in entries]
    known = [table for table in tables if table is not None]
    if len(known) < len(tables) or not tables:
        return None
    common = known[0].select(BAR)
    for table in known[1:]:
        common = common.join(table.select(BAR), on=BAR, how="semi", maintain_order="left")
    times = common["bar_close"].to_numpy()
    if len(np.unique(times)) < MIN_TIMES:
        return None
    starts = np.flatnonzero(np.diff(times, prepend=times[0] - 1))
    aligned = [common.join(table, on=BAR, how="left", maintain_order="left") for table in known]
    labels = common.join(entries[0].predictions, on=BAR, how="inner", maintain_order="left")
    overlap = (
        count_max_overlap(labels["label_start"].to_numpy(), labels["label_end"].to_numpy()) if labels.height else 0
    )
    if measure == "sharpe":
        parts = [
            superiority.compute_sharpe_contributions(np.add.reduceat(table["net"].to_numpy(), starts))
            for table in aligned
        ]
    else:
        parts = [superiority.average_by_time(_measure_rows(table, measure), times) for table in aligned]
    block = np.unique(
        _number_blocks(common, entries[0].predictions, _list_block_lengths(entries))[starts], return_inverse=True
    )[1].astype(np.int64)
    performance = np.stack(parts, axis=1)
    return CommonTimes(performance, overlap, block, max(overlap + 1, round(len(performance) / (block.max() + 1))))


def _measure_rows(table: pl.DataFrame, measure: str) -> Float:
    y, y_hat, mean = (table[c].to_numpy() for c in ("y", "y_hat", "train_mean"))
    return (
        superiority.compute_ic_contributions(y, y_hat)
        if measure == "ic"
        else superiority.compute_r2_contributions(y, y_hat, mean)
    )


def _test_runs(
    runs: list[ComparedRun], common: CommonTimes, benchmark: str | None, samples: int, seed: int
) -> tuple[list[ComparedRun], GroupTests]:
    """Return the runs with their own tests, best first, and the tests of the whole group."""
    performance, overlap = common.performance, common.overlap
    means = performance.mean(axis=0)
    best, columns = int(means.argmax()), range(len(runs))
    pairs = [
        [superiority.diebold_mariano(performance[:, i] - performance[:, j], overlap).p for j in columns]
        for i in columns
    ]
    ids = [run.run for run in runs]
    against = performance if benchmark is None else performance - performance[:, [ids.index(benchmark)]]
    distinct, column_of = superiority.find_distinct(performance)
    set_p = superiority.confidence_set(performance[:, distinct], block=common.block, samples=samples, seed=seed)[
        column_of
    ]
    superior = superiority.superior_ability(against, common.blocks, samples=samples, seed=seed)
    tested_runs = []
    for i, run in enumerate(runs):
        zero = superiority.diebold_mariano(performance[:, i], overlap)
        tested_runs.append(
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
    order = sorted(columns, key=lambda i: -tested_runs[i].value)
    tests = GroupTests(
        times=len(performance),
        blocks=int(common.blocks.max()) + 1,
        overlap=overlap,
        block=common.block,
        samples=samples,
        seed=seed,
        level=LEVEL,
        benchmark=benchmark,
        pairs=[[pairs[i][j] for j in order] for i in order],
        spa=superior.spa,
        reality_check=superior.reality_check,
        pbo=estimate_pbo(performance[:, distinct]),
    )
    return [tested_runs[i] for i in order], tests

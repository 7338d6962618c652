"""The performance of the backtest: its summary, how certain it is, and what it rests on.

A profit survives costs if three conditions hold: the interval of the Sharpe ratio lies above 0, the HAC test of the
mean net gain has p below 0.05, and there are enough round trips. A bootstrap draw without a trade has no deviation; it
counts as a Sharpe ratio of 0, because a history without the lucky trade earns nothing.
"""

from dataclasses import dataclass, field, fields
from typing import Literal

import numpy as np
import polars as pl

from ofiml._typing import Float
from ofiml.backtest.result import BacktestResult
from ofiml.backtest.summary import Summary
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.evaluation.executable import ExecutableSkill, measure_executable_skill
from ofiml.evaluation.scores import count_overlaps
from ofiml.evaluation.timing import SkillBySession, split_skill
from ofiml.labels import measure_label_span
from ofiml.metrics.bootstrap import MIN_BLOCKS
from ofiml.metrics.hac import t_test
from ofiml.metrics.sharpe import chance_variance, deflated_sharpe

_SIGNIFICANT = 0.05

Obstacle = Literal["no_fills", "no_profit", "interval", "hac", "round_trips"]


@dataclass(frozen=True, slots=True)
class Deflation:
    """The Sharpe ratio of net gains by block, deflated by the run's own `trials`: itself and its tuning trials.

    `luck` is the ratio that the best of so many trials reaches by chance, and `probability` that of a true ratio above
    it, both for gains summed over `blocks` of time; NaN with fewer than 8 blocks or without any variation.
    """

    trials: int
    blocks: int
    sharpe_block: float
    luck: float
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance(Summary):
    """The summary of a backtest with the interval of its annualised net Sharpe ratio by the block bootstrap, and HAC t
    and p of the mean net gain of a bar; NaN where not defined.

    `obstacles` are the conditions of survival that do not hold; without any, the forecast survives its costs.
    `executable` compares the forecasts with executable returns, and `skill_by_session` says how much of the IC
    is timing inside sessions. `deflated` allows for the run's own trials; None in reports of earlier versions.
    """

    sharpe_low: float
    sharpe_high: float
    net_t: float
    net_p: float
    min_round_trips: int
    obstacles: list[Obstacle]
    executable: ExecutableSkill
    skill_by_session: SkillBySession
    deflated: Deflation | None = field(default=None)


def measure_performance(
    result: BacktestResult, predictions: pl.DataFrame, bootstrap: BlockBootstrap, min_round_trips: int, trials: int = 1
) -> Performance:
    """Measure the uncertainty of the profit, and what it rests on, from the labelled `predictions`.

    With several paths the gains of all are pooled. Fewer than `min_round_trips` give no verdict on costs. `trials`
    counts the run and its tuning trials.
    """
    equity = result.equity
    if "path" in equity.columns:
        by_path = equity.with_columns(pl.col("net").diff().fill_null(pl.col("net")).over("path"))
        equity = by_path.sort("bar_close", maintain_order=True)
        gains = equity["net"].to_numpy()
    else:
        gains = np.diff(equity["net"].to_numpy(), prepend=0.0)
    block = bootstrap.number_blocks(equity, measure_label_span(predictions))
    low, high = (result.annual * end for end in bootstrap.estimate_sharpe_interval(gains, block))
    mean = t_test(float(gains.mean()), gains, equity["bar_close"].to_numpy(), count_overlaps(predictions))
    summary = {f.name: getattr(result.summary, f.name) for f in fields(Summary)}
    return Performance(
        **summary,
        sharpe_low=low,
        sharpe_high=high,
        net_t=mean.t,
        net_p=mean.p,
        min_round_trips=min_round_trips,
        obstacles=_list_obstacles(result.summary, low, mean.p, min_round_trips),
        executable=measure_executable_skill(_join_quotes(predictions, result.executable), bootstrap),
        skill_by_session=split_skill(predictions),
        deflated=_deflate(np.bincount(block, weights=gains).astype(np.float64), trials),
    )


def _deflate(gains: Float, trials: int) -> Deflation:
    """Deflate the Sharpe ratio of gains by block. Tuning trials are not traded: their ratios vary as chance does."""
    if len(gains) < MIN_BLOCKS:
        return Deflation(trials, len(gains), *[float("nan")] * 3)
    ratio = deflated_sharpe(gains, trials, chance_variance(len(gains)))
    return Deflation(trials, len(gains), ratio.sharpe, ratio.benchmark, ratio.probability)


def _list_obstacles(summary: Summary, low: float, p: float, min_round_trips: int) -> list[Obstacle]:
    """List the conditions of survival that do not hold; NaN never holds."""
    if summary.fills == 0:
        return ["no_fills"]
    if summary.net_pnl <= 0:
        return ["no_profit"]
    conditions: dict[Obstacle, bool] = {
        "interval": low > 0,
        "hac": p < _SIGNIFICANT,
        "round_trips": summary.trades.round_trips >= min_round_trips,
    }
    return [obstacle for obstacle, holds in conditions.items() if not holds]


def _join_quotes(predictions: pl.DataFrame, quotes: pl.DataFrame) -> pl.DataFrame:
    on = ["symbol", "session", "bar_close", *(["path"] if "path" in predictions.columns else [])]
    rows = predictions.select(*on, "label_start", "label_end", "y", "y_hat")  # a join copies what it is given
    return rows.join(quotes, on=on, how="left", maintain_order="left")

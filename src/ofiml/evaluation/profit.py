"""The uncertainty of a backtest's profit: the interval of its Sharpe ratio and the t of its mean gain."""

from dataclasses import dataclass, fields

import numpy as np
import polars as pl

from ofiml.backtest.summary import Summary
from ofiml.backtest.taker import BacktestResult
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.evaluation.scores import count_overlaps
from ofiml.labels import measure_label_span
from ofiml.metrics.hac import t_test
from ofiml.metrics.sharpe import sharpe


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance(Summary):
    """The summary of a backtest, with the interval of its annualised net Sharpe ratio by the block bootstrap, and HAC t
    and p of the mean net gain of a bar; NaN where not defined.
    """

    sharpe_low: float
    sharpe_high: float
    net_t: float
    net_p: float


def measure_performance(result: BacktestResult, predictions: pl.DataFrame, bootstrap: BlockBootstrap) -> Performance:
    """Measure the uncertainty of the profit. `predictions` give the span of labels. With several paths the gains of all
    are pooled.
    """
    equity = result.equity
    if "path" in equity.columns:
        by_path = equity.with_columns(pl.col("net").diff().fill_null(pl.col("net")).over("path"))
        equity = by_path.sort("bar_close", maintain_order=True)
        gains = equity["net"].to_numpy()
    else:
        gains = np.diff(equity["net"].to_numpy(), prepend=0.0)
    block = bootstrap.number_blocks(equity, measure_label_span(predictions))
    low, high = bootstrap.estimate_interval(lambda rows: result.annual * sharpe(gains[rows]), block)
    mean = t_test(float(gains.mean()), gains, equity["bar_close"].to_numpy(), count_overlaps(predictions))
    summary = {f.name: getattr(result.summary, f.name) for f in fields(Summary)}
    return Performance(**summary, sharpe_low=low, sharpe_high=high, net_t=mean.t, net_p=mean.p)

"""The backtest of several paths: if bars are predicted several times, each path, a whole history, trades by itself."""

from statistics import fmean, stdev

import polars as pl

from ofiml.backtest.summary import Costs, PathSpread, PathSummary, Summary
from ofiml.backtest.taker import BacktestResult, backtest
from ofiml.config import Backtest
from ofiml.metrics.estimates import Spread
from ofiml.strategy.rules.threshold import ThresholdStrategy


def backtest_paths(
    rows: pl.DataFrame,
    closing: dict[tuple[str, str], dict[str, int]],
    config: Backtest,
    strategy: ThresholdStrategy,
    *,
    bar: str,
    size_unit: float,
) -> BacktestResult:
    """Backtest `rows` as `backtest` does; if they have a column `path`, each path by itself.

    With paths, every number of the summary is the mean over paths, and the tables have a column `path`.
    """
    if "path" not in rows.columns:
        return backtest(rows, closing, config, strategy, bar=bar, size_unit=size_unit)
    parts = {
        path: backtest(rows.filter(pl.col("path") == path), closing, config, strategy, bar=bar, size_unit=size_unit)
        for path in rows["path"].unique().sort().to_list()
    }

    def join_tables(name: str) -> pl.DataFrame:
        return pl.concat([getattr(p, name).with_columns(pl.lit(k, pl.Int32).alias("path")) for k, p in parts.items()])

    return BacktestResult(
        summary=_summarise({path: part.summary for path, part in parts.items()}),
        fills=join_tables("fills"),
        equity=join_tables("equity"),
        gains=join_tables("gains"),
        decided=join_tables("decided"),
        annual=fmean(part.annual for part in parts.values()),
    )


def _summarise(paths: dict[int, Summary]) -> Summary:
    """Summarise paths: the mean of each number, without NaN, and the spread over paths."""
    summaries = list(paths.values())
    spread = PathSpread(
        gross_pnl=_compute_spread([s.gross_pnl for s in summaries]),
        net_pnl=_compute_spread([s.net_pnl for s in summaries]),
        sharpe_net=_compute_spread([s.sharpe_net for s in summaries]),
        max_drawdown=_compute_spread([s.max_drawdown for s in summaries]),
    )
    return Summary(
        gross_pnl=spread.gross_pnl.mean,
        net_pnl=spread.net_pnl.mean,
        costs=_compute_spread([s.costs for s in summaries]).mean,
        costs_by_kind=Costs(
            spread=_compute_spread([s.costs_by_kind.spread for s in summaries]).mean,
            commission=_compute_spread([s.costs_by_kind.commission for s in summaries]).mean,
        ),
        fills=_compute_spread([s.fills for s in summaries]).mean,
        traded=_compute_spread([s.traded for s in summaries]).mean,
        unfilled=_compute_spread([s.unfilled for s in summaries]).mean,
        beyond_shown=_compute_spread([s.beyond_shown for s in summaries]).mean,
        sharpe_net=spread.sharpe_net.mean,
        sharpe_unit=summaries[0].sharpe_unit,
        max_drawdown=spread.max_drawdown.mean,
        paths=[
            PathSummary(
                path=path,
                gross_pnl=s.gross_pnl,
                net_pnl=s.net_pnl,
                sharpe_net=s.sharpe_net,
                max_drawdown=s.max_drawdown,
                costs=s.costs,
                fills=int(s.fills),
            )
            for path, s in paths.items()
        ],
        spread=spread,
    )


def _compute_spread(values: list[float]) -> Spread:
    """Compute the spread of the values that are not NaN. All is NaN without such values, the deviation with one."""
    known = [v for v in values if v == v]
    if not known:
        return Spread(*[float("nan")] * 4)
    deviation = stdev(known) if len(known) > 1 else float("nan")
    return Spread(fmean(known), deviation, min(known), max(known))

"""A backtest of each path: where a bar is predicted several times, each whole history trades by itself."""

from statistics import fmean, stdev

import polars as pl

from ofiml.backtest.summary import Costs, PathSpread, PathSummary, Summary
from ofiml.backtest.taker import BacktestResult, backtest
from ofiml.config import Backtest
from ofiml.metrics.estimates import Spread


def backtest_paths(
    rows: pl.DataFrame,
    closing: dict[tuple[str, str], dict[str, int]],
    config: Backtest,
    *,
    bar: str,
    size_unit: float,
) -> BacktestResult:
    """Trade `rows` as `backtest` does; where these have a `path`, each path by itself.

    Then every number of the summary is the mean over paths, and the tables have a column `path`.
    """
    if "path" not in rows.columns:
        return backtest(rows, closing, config, bar=bar, size_unit=size_unit)
    parts = {
        path: backtest(rows.filter(pl.col("path") == path), closing, config, bar=bar, size_unit=size_unit)
        for path in rows["path"].unique().sort().to_list()
    }

    def join(name: str) -> pl.DataFrame:
        return pl.concat([getattr(p, name).with_columns(pl.lit(k, pl.Int32).alias("path")) for k, p in parts.items()])

    return BacktestResult(
        summary=_summarise({path: part.summary for path, part in parts.items()}),
        fills=join("fills"),
        equity=join("equity"),
        gains=join("gains"),
        decided=join("decided"),
        annual=fmean(part.annual for part in parts.values()),
    )


def _summarise(paths: dict[int, Summary]) -> Summary:
    """The mean of each number over paths, NaN left out, and how far they differ."""
    summaries = list(paths.values())
    spread = PathSpread(
        gross_pnl=_spread([s.gross_pnl for s in summaries]),
        net_pnl=_spread([s.net_pnl for s in summaries]),
        sharpe_net=_spread([s.sharpe_net for s in summaries]),
        max_drawdown=_spread([s.max_drawdown for s in summaries]),
    )
    return Summary(
        gross_pnl=spread.gross_pnl.mean,
        net_pnl=spread.net_pnl.mean,
        costs=_spread([s.costs for s in summaries]).mean,
        costs_by_kind=Costs(
            spread=_spread([s.costs_by_kind.spread for s in summaries]).mean,
            commission=_spread([s.costs_by_kind.commission for s in summaries]).mean,
        ),
        fills=_spread([s.fills for s in summaries]).mean,
        traded=_spread([s.traded for s in summaries]).mean,
        unfilled=_spread([s.unfilled for s in summaries]).mean,
        beyond_shown=_spread([s.beyond_shown for s in summaries]).mean,
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


def _spread(values: list[float]) -> Spread:
    """NaN where no value is known, or one alone has no deviation."""
    known = [v for v in values if v == v]
    if not known:
        return Spread(*[float("nan")] * 4)
    deviation = stdev(known) if len(known) > 1 else float("nan")
    return Spread(fmean(known), deviation, min(known), max(known))

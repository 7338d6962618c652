"""A backtest of each path: where a bar is predicted several times, each whole history trades by itself."""

from statistics import fmean, stdev
from typing import Any

import polars as pl

from ofiml.backtest.taker import Result, backtest
from ofiml.config import Backtest

_SPREAD = ("gross_pnl", "net_pnl", "sharpe_net", "max_drawdown")


def by_path(
    rows: pl.DataFrame,
    closing: dict[tuple[str, str], dict[str, int]],
    config: Backtest,
    *,
    bar: str,
    size_unit: float,
) -> Result:
    """`backtest` of `rows`; where these have a `path`, of each path by itself.

    Then every number of the summary is the mean over paths; `paths` has each one's gross, net, costs, fills and Sharpe,
    `spread` the mean, standard deviation, least and most over paths. The tables have a column `path`.
    """
    if "path" not in rows.columns:
        return backtest(rows, closing, config, bar=bar, size_unit=size_unit)
    parts = {
        path: backtest(rows.filter(pl.col("path") == path), closing, config, bar=bar, size_unit=size_unit)
        for path in rows["path"].unique().sort().to_list()
    }
    summaries = [part.summary for part in parts.values()]
    shown = (*_SPREAD, "costs", "fills")
    summary = _mean(summaries) | {
        "paths": [{"path": path, **{k: part.summary[k] for k in shown}} for path, part in parts.items()],
        "spread": {name: _spread([s[name] for s in summaries]) for name in _SPREAD},
    }

    def joined(name: str) -> pl.DataFrame:
        return pl.concat([getattr(p, name).with_columns(pl.lit(k, pl.Int32).alias("path")) for k, p in parts.items()])

    annual = fmean(part.annual for part in parts.values())
    return Result(summary, joined("fills"), joined("equity"), joined("gains"), joined("decided"), annual)


def _mean(summaries: list[dict[str, Any]]) -> dict[str, Any]:
    """Each number's mean over summaries of the same names, NaN left out; what is no number is that of the first."""
    out: dict[str, Any] = {}
    for name, value in summaries[0].items():
        values = [s[name] for s in summaries]
        if isinstance(value, dict):
            out[name] = _mean(values)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            out[name] = _spread(values)["mean"]
        else:
            out[name] = value
    return out


def _spread(values: list[float]) -> dict[str, float]:
    """NaN where no value is known, or one alone has no deviation."""
    known = [v for v in values if v == v]
    if not known:
        return dict.fromkeys(("mean", "sd", "min", "max"), float("nan"))
    deviation = stdev(known) if len(known) > 1 else float("nan")
    return {"mean": fmean(known), "sd": deviation, "min": min(known), "max": max(known)}

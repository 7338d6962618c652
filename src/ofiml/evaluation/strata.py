"""The measures of parts of the predictions: is it there every day, at every hour, in calm and in wild markets?

A row's stratum is known at its bar's close, and its thresholds are of the fold's train rows: nothing is sorted by what
came later.
"""

from typing import Any

import numpy as np
import polars as pl

from ofiml.config import Config
from ofiml.labels import label_span
from ofiml.metrics.bootstrap import blocks, ic_interval
from ofiml.metrics.measured import Judged
from ofiml.units import SECOND

BARS, FEWEST_BARS = 30, 10  # that the trailing volatility is of
LARGE_TICK = 1.5  # ticks; a symbol whose typical spread is no wider has a large tick
HALF_HOUR, HOUR = 1800 * SECOND, 3600 * SECOND
UNKNOWN = "not known"

# Kinds of strata, and the column of each: features may be called as the last three are.
KINDS = {
    **{kind: kind for kind in ("fold", "symbol", "session")},
    **{kind: f"stratum_{kind}" for kind in ("time_of_day", "volatility", "tick_size")},
}
_ORDER = {
    "time_of_day": ("open", "midday", "close", "first third", "second third", "last third"),
    "volatility": ("calm", "middle", "wild", UNKNOWN),
    "tick_size": ("large tick", "small tick", UNKNOWN),
}
_MEASURES = ("ic", "rank_ic", "r2", "hit_rate")


def trailing_volatility(rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` with `trailing_volatility`: the root mean square of the mid's change from bar to bar, ticks, over the last
    30 bars of the session that have a mid; null with fewer than 10 changes. Known at the bar's close.
    """
    moved = pl.col("mid").diff().pow(2).rolling_mean(BARS, min_samples=FEWEST_BARS)
    trailing = moved.clip(0).sqrt().over("symbol", "session")
    return rows.with_columns(trailing.alias("trailing_volatility"))


def thresholds(train: pl.DataFrame) -> pl.DataFrame:
    """Per symbol of the train rows: `calm_to` and `wild_from`, the terciles of trailing volatility, and
    `typical_spread`, the median, ticks.
    """
    volatility = pl.col("trailing_volatility")
    return train.group_by("symbol", maintain_order=True).agg(
        volatility.quantile(1 / 3, "linear").alias("calm_to"),
        volatility.quantile(2 / 3, "linear").alias("wild_from"),
        pl.col("spread_ticks").median().alias("typical_spread"),
    )


def stratified(rows: pl.DataFrame, train: pl.DataFrame, hours: dict[tuple[str, str], tuple[int, int]]) -> pl.DataFrame:
    """A fold's predicted `rows` with the last three columns of `KINDS`; `hours` has open and close of each (symbol,
    session), ns.

    A session of 2 to 12 hours has its first 30 minutes as open and its last 30 as close; a shorter one, and a market
    that hardly closes, is cut into thirds. Volatility is calm up to the lower tercile of the symbol's train rows and
    wild above the upper one.
    """
    volatility, spread = pl.col("trailing_volatility"), pl.col("typical_spread")
    bounds = pl.DataFrame(
        [(*key, open_, close) for key, (open_, close) in hours.items()],
        schema={"symbol": pl.String, "session": pl.String, "opens": pl.Int64, "closes": pl.Int64},
        orient="row",
    )
    joined = rows.join(thresholds(train), on="symbol", how="left", maintain_order="left")
    joined = joined.join(bounds, on=["symbol", "session"], how="left", maintain_order="left")
    since, left = pl.col("bar_close") - pl.col("opens"), pl.col("closes") - pl.col("bar_close")
    lasts = pl.col("closes") - pl.col("opens")
    return joined.with_columns(
        pl.when(lasts.is_between(2 * HOUR, 12 * HOUR))
        .then(
            pl.when(since <= HALF_HOUR)
            .then(pl.lit("open"))
            .when(left < HALF_HOUR)
            .then(pl.lit("close"))
            .otherwise(pl.lit("midday"))
        )
        .when(3 * since <= lasts)
        .then(pl.lit("first third"))
        .when(3 * left < lasts)
        .then(pl.lit("last third"))
        .otherwise(pl.lit("second third"))
        .alias(KINDS["time_of_day"]),
        pl.when(volatility.is_null() | pl.col("calm_to").is_null())
        .then(pl.lit(UNKNOWN))
        .when(volatility <= pl.col("calm_to"))
        .then(pl.lit("calm"))
        .when(volatility <= pl.col("wild_from"))
        .then(pl.lit("middle"))
        .otherwise(pl.lit("wild"))
        .alias(KINDS["volatility"]),
        pl.when(spread.is_null())
        .then(pl.lit(UNKNOWN))
        .when(spread <= LARGE_TICK)
        .then(pl.lit("large tick"))
        .otherwise(pl.lit("small tick"))
        .alias(KINDS["tick_size"]),
    ).drop("calm_to", "wild_from", "typical_spread", "opens", "closes")


def strata(
    predictions: pl.DataFrame, traded: pl.DataFrame, gains: pl.DataFrame | None, config: Config
) -> list[dict[str, Any]]:
    """An entry for each stratum of each of `KINDS`: `kind`, `stratum`, `rows`, `ic`
    with `low` and `high`, `rank_ic`, `r2`, `hit_rate`, `net_pnl`.

    The interval is from blocks of time within the stratum, NaN with fewer than 8. `net_pnl` is what the bars of
    `traded` in the stratum have in `gains` (the backtest's, `net` in currency, a row a bar of a symbol), the mean over
    paths where there are several; None without a backtest. Bars without a label are traded, but have no other measure.
    """
    found = []
    if gains is not None:
        path = ["path"] * ("path" in traded.columns)
        on = ["symbol", "session", "bar_close", *path]
        gains = traded.select("bar_close", *KINDS.values(), *path).join(gains, on=on, how="left", maintain_order="left")
        paths = gains["path"].n_unique() if path else 1
    for kind, column in KINDS.items():
        names = [*predictions[column].unique(), *([] if gains is None else gains[column].unique())]
        for name in sorted(set(names), key=lambda n: (_place(kind, n), n)):
            gained = (
                None if gains is None else float(np.sum(gains.filter(pl.col(column) == name)["net"].to_numpy())) / paths
            )
            entry = {
                "kind": kind,
                "stratum": str(name),
                **_measured(predictions.filter(pl.col(column) == name), config),
            }
            found.append(entry | {"net_pnl": gained})
    return found


def _place(kind: str, name: str) -> int:
    order = _ORDER.get(kind, ())
    return order.index(name) if name in order else len(order)


def _measured(rows: pl.DataFrame, config: Config) -> dict[str, Any]:
    y, y_hat, mean = (rows[c].to_numpy() for c in ("y", "y_hat", "train_mean"))
    judged = Judged(y, y_hat, mean)
    values = {name: judged.measure(name) for name in _MEASURES}
    low, high = float("nan"), float("nan")
    if len(y):
        block = blocks_within(rows, label_span(rows), config)
        evaluation = config.evaluation
        low, high = ic_interval(
            y, y_hat, block, samples=evaluation.bootstrap_samples, level=evaluation.confidence_level, seed=config.seed
        )
    return {"rows": len(y), "ic": values.pop("ic"), "low": low, "high": high, **values}


def blocks_within(rows: pl.DataFrame, span: int, config: Config) -> Any:
    """The bootstrap's block of each row, for rows whose labels span at most `span` ns."""
    return blocks(rows["session"].to_numpy(), rows["bar_close"].to_numpy(), config.evaluation.block_ns, span)

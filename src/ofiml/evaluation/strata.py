"""The skill of the predictions by stratum: fold, symbol, session, time of day, volatility and tick size.

The stratum of a row is known at its bar's close, and the thresholds come from the fold's train rows. No row is assigned
by later data.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.metrics.measures import Forecast
from ofiml.units import SECOND

VOLATILITY_BARS, MIN_CHANGES = 30, 10  # of the trailing volatility
LARGE_TICK = 1.5  # ticks; a symbol with a typical spread of at most this has a large tick
HALF_HOUR, HOUR = 1800 * SECOND, 3600 * SECOND
UNKNOWN = "not known"

# The kinds of strata and their columns. The last three have a prefix because features may have their names.
KINDS = {
    **{kind: kind for kind in ("fold", "symbol", "session")},
    **{kind: f"stratum_{kind}" for kind in ("time_of_day", "volatility", "tick_size")},
}
_SCORED = ("session", "bar_close", "label_start", "label_end", "y", "y_hat", "train_mean")  # what scores read
_ORDER = {
    "time_of_day": ("open", "midday", "close", "first third", "second third", "last third"),
    "volatility": ("calm", "middle", "wild", UNKNOWN),
    "tick_size": ("large tick", "small tick", UNKNOWN),
}


@dataclass(frozen=True, slots=True)
class StratumScore:
    """The measures of one stratum of a `kind`, with the interval of the IC from blocks of time within it (NaN with
    fewer than 8).

    `net_pnl` (currency) is the gain of its bars in the backtest, the mean over paths if there are several; None without
    a backtest. It includes bars without a label, which have no other measure.
    """

    kind: str
    stratum: str
    rows: int
    ic: float
    low: float
    high: float
    rank_ic: float
    r2: float
    hit_rate: float
    net_pnl: float | None


def add_trailing_volatility(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `trailing_volatility`: the root mean square of the mid's change from bar to bar (ticks) over the last 30 bars
    of the session with a mid; null with fewer than 10 changes. Known at the bar's close.
    """
    mean_square = pl.col("mid").diff().pow(2).rolling_mean(VOLATILITY_BARS, min_samples=MIN_CHANGES)
    trailing = mean_square.clip(0).sqrt().over("symbol", "session")
    return rows.with_columns(trailing.alias("trailing_volatility"))


def compute_thresholds(train: pl.DataFrame) -> pl.DataFrame:
    """Compute thresholds for each symbol of the train rows: `calm_to` and `wild_from`, the terciles of trailing
    volatility, and `typical_spread`, the median spread, all in ticks.
    """
    volatility = pl.col("trailing_volatility")
    train = train.select("symbol", "trailing_volatility", "spread_ticks")
    return train.group_by("symbol", maintain_order=True).agg(
        volatility.quantile(1 / 3, "linear").alias("calm_to"),
        volatility.quantile(2 / 3, "linear").alias("wild_from"),
        pl.col("spread_ticks").median().alias("typical_spread"),
    )


def assign_strata(
    rows: pl.DataFrame, train: pl.DataFrame, hours: dict[tuple[str, str], tuple[int, int]]
) -> pl.DataFrame:
    """Assign a fold's predicted `rows` to strata: add the last three columns of `KINDS`. `hours` has the open and close
    (ns) of each (symbol, session).

    In a session of 2 to 12 hours, open is the first 30 minutes and close the last 30; a shorter or longer session is
    cut into thirds. Volatility is calm up to the lower tercile of the symbol's train rows and wild above the upper
    tercile.
    """
    volatility, spread = pl.col("trailing_volatility"), pl.col("typical_spread")
    bounds = pl.DataFrame(
        [(*key, open_, close) for key, (open_, close) in hours.items()],
        schema={"symbol": pl.String, "session": pl.String, "opens": pl.Int64, "closes": pl.Int64},
        orient="row",
    )
    joined = rows.select("symbol", "session", "bar_close", "trailing_volatility")  # a join copies what it is given
    joined = joined.join(compute_thresholds(train), on="symbol", how="left", maintain_order="left")
    joined = joined.join(bounds, on=["symbol", "session"], how="left", maintain_order="left")
    since_open, to_close = pl.col("bar_close") - pl.col("opens"), pl.col("closes") - pl.col("bar_close")
    length = pl.col("closes") - pl.col("opens")
    strata = joined.select(
        pl.when(length.is_between(2 * HOUR, 12 * HOUR))
        .then(
            pl.when(since_open <= HALF_HOUR)
            .then(pl.lit("open"))
            .when(to_close < HALF_HOUR)
            .then(pl.lit("close"))
            .otherwise(pl.lit("midday"))
        )
        .when(3 * since_open <= length)
        .then(pl.lit("first third"))
        .when(3 * to_close < length)
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
    )
    return rows.with_columns(strata.get_columns())


def score_strata(
    predictions: pl.DataFrame, traded: pl.DataFrame, gains: pl.DataFrame | None, bootstrap: BlockBootstrap
) -> list[StratumScore]:
    """Score each stratum of each of `KINDS`, kind by kind.

    `traded` are all predicted bars. `gains` has the `net` gain of each (currency, one row per bar and symbol); None
    without a backtest.
    """
    paths = 1
    if gains is not None:
        path = ["path"] * ("path" in traded.columns)
        on = ["symbol", "session", "bar_close", *path]
        gains = traded.select("bar_close", *KINDS.values(), *path).join(gains, on=on, how="left", maintain_order="left")
        paths = gains["path"].n_unique() if path else 1
    scores = []
    for kind, column in KINDS.items():
        # One kind at a time, and only the columns that are read: each division copies its rows.
        parts = _divide(predictions, column, _SCORED)
        traded_parts = {} if gains is None else _divide(gains, column, ("net",))
        empty = predictions.select(_SCORED).clear()
        for name in sorted({*parts, *traded_parts}, key=lambda n: (_find_place(kind, n), n)):
            net = None
            if gains is not None:
                net = float(np.sum(traded_parts[name]["net"].to_numpy())) / paths if name in traded_parts else 0.0
            scores.append(_score_stratum(kind, str(name), parts.get(name, empty), net, bootstrap))
    return scores


def _divide(rows: pl.DataFrame, column: str, columns: tuple[str, ...]) -> dict[str, pl.DataFrame]:
    """Divide the rows by the values of `column`, each part with the given `columns`, in the order of the rows."""
    parts = rows.select(pl.col(columns), pl.col(column).alias("part")).partition_by("part", as_dict=True)
    return {key[0]: part for key, part in parts.items()}


def _find_place(kind: str, name: str) -> int:
    order = _ORDER.get(kind, ())
    return order.index(name) if name in order else len(order)


def _score_stratum(
    kind: str, name: str, rows: pl.DataFrame, net: float | None, bootstrap: BlockBootstrap
) -> StratumScore:
    y, y_hat, mean = (rows[c].to_numpy() for c in ("y", "y_hat", "train_mean"))
    forecast = Forecast(y, y_hat, mean)
    low, high = float("nan"), float("nan")
    if rows.height:
        low, high = bootstrap.estimate_ic_interval(y, y_hat, bootstrap.number_blocks(rows))
    return StratumScore(
        kind=kind,
        stratum=name,
        rows=rows.height,
        ic=forecast.measure("ic"),
        low=low,
        high=high,
        rank_ic=forecast.measure("rank_ic"),
        r2=forecast.measure("r2"),
        hit_rate=forecast.measure("hit_rate"),
        net_pnl=net,
    )

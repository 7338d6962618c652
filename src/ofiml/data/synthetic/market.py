"""A day of the synthetic market: events in the event schema, and their truth."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import SyntheticDataset
from ofiml.data.quality import Quality
from ofiml.data.schema import (
    ACTION,
    F_LAST,
    ORDER_TIME,
    SIDE,
    TIME,
    Session,
    list_columns,
)
from ofiml.data.synthetic.books import GRID, ORDERS, ROW_COLUMNS, Levels, Out
from ofiml.data.synthetic.events import LARGE
from ofiml.data.synthetic.kernel import OFF_GRID, run
from ofiml.data.synthetic.rates import Plan, Rules
from ofiml.data.truth import Truth
from ofiml.errors import DataError
from ofiml.units import PRICE_SCALE, SECOND, parse_duration

Int64 = NDArray[np.int64]
Float = NDArray[np.float64]

_FIRST_OPEN = 1_704_119_400 * SECOND  # 2024-01-01 14:30 UTC; the following days open at the same time
_DAY = 24 * 3600 * SECOND
_MAX_EXPONENTIAL = 45.0  # more than numpy can draw: 7.7 - log(2^-53)
FEED_DELAY = 100_000  # ns from the exchange to the receipt
_ADD = ACTION.categories.to_list().index("A")
_FIELDS = ("ask_px", "ask_sz", "ask_ct", "bid_px", "bid_sz", "bid_ct")  # the kernel's order


def simulate(config: SyntheticDataset, index: int) -> list[Session]:
    """Simulate day `index` of the market in `config`: one session per symbol. See `simulate_sessions`."""
    return list(simulate_sessions(config, index))


def simulate_sessions(config: SyntheticDataset, index: int) -> Iterator[Session]:
    """Simulate day `index` of the market in `config`, and make one session per symbol, each when it is asked for: the
    tables of all are nearly half of what a day of many symbols takes.

    The same seed and index give the same bytes, whatever the number of days. `truth` of a session is V, the efficient
    price in ticks, and the transient impact in it, after each event (`ts_recv`, `value`, `transient`); `planted` has
    the parameters of the day. Raises DataError if a price leaves the range of the book.
    """
    rng = np.random.default_rng([config.seed, index])
    truth = draw_truth(config, index, rng)
    out = run_day(config, index, truth, rng, make_rules(config), config.levels)
    origin = compute_origin(config)
    symbol_of = out.rows[:, 0]
    count = len(truth.symbols)
    picks: list[slice | Int64] = [slice(None)]
    if count > 1:
        picks = [np.flatnonzero(symbol_of == k) for k in range(count)]
    for k, pick in enumerate(picks):
        yield _make_session(config, index, replace(truth, symbol=k), origin, out, pick)


def run_day(
    config: SyntheticDataset, index: int, truth: Truth, rng: np.random.Generator, rules: Rules, levels: int
) -> Out:
    """Run the kernel for day `index` with `rules`; return its rows, with `levels` levels of the book.

    Raises DataError if a price leaves the range of the book.
    """
    state = rng.bit_generator.state
    capacity = int(config.events_expected * 1.5) + 10_000
    while True:
        rng.bit_generator.state = state  # if the buffers are too short, the same draws are repeated with larger ones
        out = Out(
            seconds=np.empty(capacity),
            values=np.empty(capacity),
            transient=np.empty(capacity),
            rows=np.empty((capacity, ROW_COLUMNS), np.int64),
            levels=make_levels(config, levels, capacity),
        )
        n = run(rng, rules, make_plan(config, truth), out)
        if n == OFF_GRID:
            raise DataError(
                f"synthetic session {index}: the price left the book's range; lower dataset.volatility, "
                "dataset.impact or the informed flow, or raise dataset.start_price."
            )
        if n < capacity:
            return Out(out.seconds[:n], out.values[:n], out.transient[:n], out.rows[:n], out.levels[:, :, :n])
        capacity *= 2


def make_levels(config: SyntheticDataset, depth: int, rows: int) -> Levels:
    """Make the buffer (6, depth, rows) of the shown levels: of int32, half the memory, if no queue can exceed it."""
    largest = 1.0 + _MAX_EXPONENTIAL * LARGE * config.size_scale
    if ORDERS * largest < 2**31:
        return np.zeros((len(_FIELDS), depth, rows), np.int32)
    return np.zeros((len(_FIELDS), depth, rows), np.int64)


def make_rules(config: SyntheticDataset) -> Rules:
    """Make the kernel's parameters, in seconds, ticks and lots."""
    period, informed_decay = (parse_duration(text) / SECOND for text in (config.period, config.informed_decay))
    return Rules(
        limit_rate=config.limit_rate / 2,
        cancel_rate=config.cancel_rate,
        resilience=config.resilience,
        half_spread=config.half_spread,
        placement=config.placement,
        crowd=config.crowd,
        size_scale=config.size_scale,
        large_limits=config.large_limit_orders,
        large_markets=config.large_market_orders,
        mean_size=compute_mean_size(config),
        sigma=config.volatility,
        clustering=config.clustering,
        clustering_decay=SECOND / parse_duration(config.clustering_decay),
        stirring=config.stirring,
        excitation=config.excitation,
        excitation_decay=SECOND / parse_duration(config.excitation_decay),
        cross_side=config.excitation_cross,
        state=config.state_dependence,
        usual_spread=config.usual_spread,
        usual_queue=config.usual_queue,
        informed_decay=informed_decay,
        informed_start=1.0 / (informed_decay * (1.0 - math.exp(-period / informed_decay))),
        news_move=config.news_move,
        news_decay=SECOND / parse_duration(config.news_decay),
        quote_reaction=config.quote_reaction,
        permanent_impact=config.permanent_impact,
        impact_decay=SECOND / parse_duration(config.impact_decay),
        period=period,
        length=parse_duration(config.session_length) / SECOND,
        burn_in=3.0 / config.cancel_rate,
        written_from=0.0,
    )


def make_plan(config: SyntheticDataset, truth: Truth) -> Plan:
    """Make the kernel's parameters of one day from its `truth`."""
    return Plan(
        base=np.array(truth.epsilon) / (truth.period / SECOND),
        informed=np.array(truth.mu),
        news=np.array(truth.news, dtype=np.int64),
        activity=compute_activity(config),
        impact=np.array(truth.impact),
        lowest=max(1, 1 - compute_origin(config)),
    )


def compute_origin(config: SyntheticDataset) -> int:
    """Compute the price in ticks at which the kernel's grid starts, so that trading starts in its middle."""
    return round(config.start_price / config.tick) - GRID // 2


def compute_activity(config: SyntheticDataset) -> Float:
    """Compute U of each period: 1 + `u_shape`·(12·(x - 1/2)² - 1) at the middle x of each; its mean is 1."""
    parts = config.periods
    x = (np.arange(parts) + 0.5) / parts
    return 1.0 + config.u_shape * (12.0 * (x - 0.5) ** 2 - 1.0)


def compute_mean_size(config: SyntheticDataset) -> float:
    """Compute the mean size of market orders in lots.

    A size is 1 + floor(X), X exponential with scale `size_scale`, or with LARGE times that scale for large orders.
    """
    small, large = (-1.0 / np.expm1(-1.0 / scale) for scale in (config.size_scale, LARGE * config.size_scale))
    return float((1.0 - config.large_market_orders) * small + config.large_market_orders * large)


def draw_truth(config: SyntheticDataset, index: int, rng: np.random.Generator) -> Truth:
    """Draw the day's α, μ, ε, each within `session_variation` of the config's value, and the news of each period."""
    count, parts = len(config.impact), config.periods

    def vary(value: float) -> Float:
        return value * (1.0 + config.session_variation * rng.uniform(-1.0, 1.0, count))

    alpha = np.minimum(vary(config.informed_probability), 1.0)
    mu, epsilon = vary(config.informed_orders), vary(config.uninformed_orders)
    news = (rng.random((parts, count)) < alpha) * rng.choice([-1, 1], (parts, count))
    open_ = _FIRST_OPEN + index * _DAY
    return Truth(
        symbols=config.symbols,
        symbol=0,
        open=open_,
        close=open_ + parse_duration(config.session_length),
        period=parse_duration(config.period),
        decay=parse_duration(config.informed_decay) / SECOND,
        mean_size=compute_mean_size(config),
        alpha=alpha.tolist(),
        mu=mu.tolist(),
        epsilon=epsilon.tolist(),
        impact=[list(row) for row in config.impact],
        sigma=config.volatility,
        news=news.tolist(),
        news_move=config.news_move,
        news_decay=parse_duration(config.news_decay) / SECOND,
        permanent_impact=config.permanent_impact,
        impact_decay=parse_duration(config.impact_decay) / SECOND,
    )


def _make_session(
    config: SyntheticDataset, index: int, truth: Truth, origin: int, out: Out, pick: slice | Int64
) -> Session:
    """Make the session of the symbol that has the rows `pick`."""
    seconds, values, transient, rows = (array[pick] for array in out[:4])
    n = len(seconds)
    tick = round(config.tick * PRICE_SCALE)
    symbol = truth.symbols[truth.symbol]
    stamps = truth.open + np.rint(seconds * SECOND).astype(np.int64)
    _, action, side, price, size, last, order = rows.T
    received = pl.Series(stamps + FEED_DELAY).cast(TIME)
    columns = {
        "ts_event": pl.Series(stamps).cast(TIME),
        "ts_recv": received,
        "action": pl.Series(action.astype(np.uint8)).cat.to(ACTION),
        "side": pl.Series(side.astype(np.uint8)).cat.to(SIDE),
        "price": pl.Series((price + origin) * tick),
        "size": pl.Series(np.ascontiguousarray(size)),
        "flags": pl.Series((last * F_LAST).astype(np.uint8)),
        "sequence": pl.Series(np.arange(n, dtype=np.int64)),
        **_make_book_columns(out.levels, pick, origin, tick),
        "symbol": pl.Series([symbol]).new_from_index(0, n),
        ORDER_TIME: _find_order_times(stamps, action, order, truth.open),
    }
    # The events determine the book; its best level in the digest checks that.
    digest = hashlib.sha256()
    for part in (stamps, rows, values, *(field[pick].astype(np.int64) for field in out.levels[:, 0])):
        digest.update(part)
    return Session(
        symbol=symbol,
        date=str(np.datetime64(truth.open, "ns").astype("datetime64[D]")),
        events=pl.DataFrame(columns).select(list_columns(config.levels, list(columns))),
        open=truth.open,
        close=truth.close + FEED_DELAY,
        tick=tick,
        levels=config.levels,
        size_unit=1.0,
        source=f"synthetic session {index}",
        digest=digest.hexdigest(),
        quality=Quality(rows=n, used=n),
        truth=pl.DataFrame({"ts_recv": received, "value": values + origin + GRID // 2, "transient": transient}),
        planted=truth,
    )


def _find_order_times(stamps: Int64, action: Int64, order: Int64, start: int) -> pl.Series:
    """Find when the `order` (n,) of each row was added, for a trade the oldest of those it filled.

    An order keeps its place until it is filled or cancelled. One from before the day's first row has the `start` of
    the day (ns): it is ahead of all later ones.
    """
    added = np.full(int(order.max(initial=0)) + 1, start, np.int64)
    adds = action == _ADD
    added[order[adds]] = stamps[adds]
    return pl.Series(added[order]).cast(TIME)


def _make_book_columns(levels: Levels, pick: slice | Int64, origin: int, tick: int) -> dict[str, pl.Series]:
    """Make the book columns of the rows `pick` of the kernel's levels (6, depth, n).

    A missing level, of size 0, becomes null.
    """
    columns = {}
    for m in range(levels.shape[1]):
        for side in (0, 3):
            # One column at a time: numpy selects rows of several at once in three times the time.
            price, size, count = (field[pick] for field in levels[side : side + 3, m])
            missing = pl.Series(size == 0)
            prices = price.astype(np.int64)
            prices += origin
            prices *= tick
            fields = prices, size.astype(np.int64), count.astype(np.uint32)
            for name, values in zip(_FIELDS[side : side + 3], fields, strict=True):
                series = pl.Series(values)
                columns[f"{name}_{m:02d}"] = series.set(missing, None) if missing.any() else series
    return columns

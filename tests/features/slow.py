"""Every feature a second time, slowly: each from the raw rows up to t, as the catalogue's formula says it.

The oracle that the kernel is held against. Mids, prices and sizes are exact (integers and fractions) until a formula
takes a root, a logarithm or an exponential, and what it returns is a float. Rows must be in the order of `ts_recv`.
"""

import datetime as dt
import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import NamedTuple, TypeVar

from ofiml.data.schema import (
    F_LAST,
    F_SNAPSHOT,
    NO_ASK,
    NO_BID,
    Session,
)
from ofiml.units import PRICE_SCALE, SECOND

NAN = math.nan
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 24 * 3600 * SECOND
Number = float | Fraction


class Level(NamedTuple):
    """Price (1e-9 currency, None where the level is missing) and size (lots, then 0)."""

    price: int | None
    size: int


class Row(NamedTuple):
    stamp: int
    action: str
    side: str
    price: int | None
    size: int
    flags: int
    bids: list[Level]
    asks: list[Level]

    @property
    def resets(self) -> bool:
        return self.action == "R" or bool(self.flags & F_SNAPSHOT)


class State(NamedTuple):
    """The book after a message: `row` is the place of its last row, `before` the state before it."""

    row: int
    stamp: int
    kind: str
    reset: bool
    bids: list[Level]
    asks: list[Level]
    before: "State | None"


class Trade(NamedTuple):
    """`sign` is D, 0 where no side is known; `before` is the last state before its row."""

    row: int
    stamp: int
    sign: int
    price: int | None
    size: int
    before: State | None


Dated = TypeVar("Dated", State, Trade)


def read(session: Session, until: int | None = None) -> list[Row]:
    """The rows of a session, those received after `until` left out."""
    stamps = session.events["ts_recv"].to_physical().to_list()
    count = len(stamps) if until is None else sum(stamp <= until for stamp in stamps)
    events = session.events.head(count)
    plain = [events[name].to_list() for name in ("action", "side", "price", "size", "flags")]
    sides = []
    for side in ("bid", "ask"):
        names = [(f"{side}_px_{m:02d}", f"{side}_sz_{m:02d}") for m in range(session.levels)]
        columns = [(events[price].to_list(), events[size].to_list()) for price, size in names]
        sides.append(
            [[Level(px[i], 0 if px[i] is None else sz[i]) for px, sz in columns] for i in range(events.height)]
        )
    return [Row(*row) for row in zip(stamps[:count], *plain, *sides, strict=True)]


def message_kind(message: list[Row]) -> str:
    if any(row.action == "T" for row in message):
        return "trades"
    return {"A": "adds", "C": "cancels"}.get(message[-1].action, "")


def book_states(rows: list[Row], per: str) -> list[State]:
    states: list[State] = []
    message: list[Row] = []
    for i, row in enumerate(rows):
        message.append(row)
        if per == "row" or row.flags & F_LAST:
            reset = any(r.resets for r in message)
            before = states[-1] if states else None
            states.append(State(i, row.stamp, message_kind(message), reset, row.bids, row.asks, before))
            message = []
    return states


def all_trades(rows: list[Row], states: list[State]) -> list[Trade]:
    places = [s.row for s in states]
    trades = []
    for i, row in enumerate(rows):
        if row.action == "T":
            sign = {"B": 1, "A": -1}.get(row.side, 0)
            count = bisect_left(places, i)
            before = states[count - 1] if count else None
            trades.append(Trade(i, row.stamp, sign, row.price, row.size, before))
    return trades


class Past:
    """What is known at t: the rows received until then, and the bars of which the last is (open, t]."""

    def __init__(self, session: Session, per: str, edges: Sequence[int]) -> None:
        self.session, self.edges = session, [int(edge) for edge in edges]
        self.open, self.t = self.edges[-2:]
        rows = read(session, self.t)
        self.states = book_states(rows, per)
        self.trades = all_trades(rows, self.states)
        self.typed = any(rows[s.row].action in ("A", "C") for s in self.states)
        self.stamps = [s.stamp for s in self.states]
        if self.states:
            self._find_start(rows)

    def _find_start(self, rows: list[Row]) -> None:
        first = self.states[0]
        self.starts_at_open = first.stamp <= self.session.open
        if self.starts_at_open:
            self.start, self.start_row = self.session.open, sum(row.stamp <= self.session.open for row in rows)
        else:
            self.start, self.start_row = first.stamp, first.row
        for s in self.states:
            if s.reset and s.stamp > self.session.open:
                self.starts_at_open, self.start, self.start_row = False, s.stamp, s.row
        ends = self.edges[1:]
        self.first_bar = 0 if self.starts_at_open else next(j for j, end in enumerate(ends) if self.start <= end)

    @property
    def bar(self) -> int:
        """Which bar this is."""
        return len(self.edges) - 2

    @property
    def bars(self) -> range:
        """The last 30 bars, no further back than the start."""
        return range(max(self.first_bar, self.bar - 29), self.bar + 1)

    def in_bar(self, things: list[Dated], bar: int | None = None) -> list[Dated]:
        bar = self.bar if bar is None else bar
        return [x for x in things if self.edges[bar] < x.stamp <= self.edges[bar + 1]]

    def within(self, things: list[Dated], window: int) -> list[Dated]:
        return [x for x in things if self.t - window < x.stamp <= self.t]

    def since_start(self, things: list[Dated]) -> list[Dated]:
        # A trade on the row of the state of the start comes before it.
        return [x for x in things if x.row >= self.start_row + (isinstance(x, Trade) and not self.starts_at_open)]

    def too_young(self, window: int) -> bool:
        return self.t - window < self.start

    def state_at(self, time: int) -> State | None:
        count = bisect_right(self.stamps, time)
        return self.states[count - 1] if count else None

    def at_close(self, bar: int) -> State:
        state = self.state_at(self.edges[bar + 1])
        assert state is not None, "a bar since the start has a state"
        return state

    @property
    def now(self) -> State:
        return self.states[-1]

    def ticks(self, price: int) -> Fraction:
        return Fraction(price, self.session.tick)

    def mid(self, state: State | None) -> Fraction | None:
        if state is None or state.bids[0].price is None or state.asks[0].price is None:
            return None
        return self.ticks(state.bids[0].price + state.asks[0].price) / 2

    def spread(self, state: State) -> Fraction | None:
        if state.bids[0].price is None or state.asks[0].price is None:
            return None
        return self.ticks(state.asks[0].price - state.bids[0].price)

    def known_mids(self) -> list[tuple[int, Fraction]]:
        """(when, mid) of all states since the start that have both sides; first the mid at the open, if it starts."""
        opening = self.mid(self.state_at(self.session.open)) if self.starts_at_open else None
        known = [] if opening is None else [(self.session.open, opening)]
        for s in self.since_start(self.states):
            mid = self.mid(s)
            if mid is not None:
                known.append((s.stamp, mid))
        return known


class Settings(NamedTuple):
    """Sizes in lots, how many levels flow takes, and what the clock needs (ns)."""

    trade_size: int
    bucket: int
    ofi_levels: int
    utc_offset: int
    scheduled_close: int


Formula = Callable[[Past, Settings], Number]
FORMULAS: dict[str, Formula] = {}  # in the catalogue's order
CLOCK = ("time_of_day", "minutes_since_open", "minutes_to_close", "day_of_week")


def feature(formula: Formula) -> Formula:
    FORMULAS[formula.__name__.rstrip("_")] = formula
    return formula


def features(
    session: Session,
    per: str,
    edges: Sequence[int],
    k: int,
    *,
    trade_size: int,
    bucket: int,
    ofi_levels: int,
    utc_offset: int,
    scheduled_close: int,
) -> dict[str, float]:
    """All features at t = edges[k + 1], for the bar (edges[k], edges[k + 1]]; NaN where the catalogue says so.

    edges[0] is the session's open. Sizes in lots, times in ns.
    """
    past = Past(session, per, edges[: k + 2])
    settings = Settings(trade_size, bucket, ofi_levels, utc_offset, scheduled_close)
    known = FORMULAS if past.states else CLOCK
    return {name: float(FORMULAS[name](past, settings)) if name in known else NAN for name in FORMULAS}


# --- arithmetic


def mean(values: Sequence[Number]) -> Number:
    return math.fsum(values) / len(values) if isinstance(values[0], float) else sum(values) / Fraction(len(values))


def deviation(values: Sequence[Number]) -> float:
    """Standard deviation, ddof 1."""
    middle = mean(values)
    return math.sqrt(sum((v - middle) ** 2 for v in values) / (len(values) - 1))


def ratio(top: Number, bottom: Number) -> Number:
    """NaN for a divisor of 0, which zero sizes at a price, or trades of size 0, can make of one that is there."""
    return NAN if bottom == 0 else Fraction(top) / Fraction(bottom)


def zscore(value: Number, values: Sequence[Number]) -> Number:
    if len(values) < 10 or len(set(values)) == 1:
        return NAN
    return float(value - mean(values)) / deviation(values)


def total(levels: Iterable[Level]) -> int:
    return sum(level.size for level in levels)


def one_sided(state: State) -> bool:
    return state.bids[0].price is None or state.asks[0].price is None


def empty(state: State) -> bool:
    return state.bids[0].price is None and state.asks[0].price is None


def imbalance(bids: Sequence[Level], asks: Sequence[Level]) -> Number:
    return ratio(total(bids) - total(asks), total(bids) + total(asks))


# --- flow


def bid_change(state: State, m: int) -> int:
    if state.before is None or state.reset:
        return 0
    before, now = state.before.bids[m], state.bids[m]
    price_before = NO_BID if before.price is None else before.price
    price_now = NO_BID if now.price is None else now.price
    return now.size * (price_now >= price_before) - before.size * (price_now <= price_before)


def ask_change(state: State, m: int) -> int:
    if state.before is None or state.reset:
        return 0
    before, now = state.before.asks[m], state.asks[m]
    price_before = NO_ASK if before.price is None else before.price
    price_now = NO_ASK if now.price is None else now.price
    return now.size * (price_now <= price_before) - before.size * (price_now >= price_before)


def ofi(states: Iterable[State], m: int = 0) -> int:
    """Σ e_n of level m (0 is the best)."""
    return sum(bid_change(s, m) - ask_change(s, m) for s in states)


def ofi_of_window(window: int, p: Past, c: Settings) -> Number:
    return NAN if p.too_young(window) else ofi(p.within(p.states, window))


for _seconds in (1, 5, 10, 30, 60, 300):
    FORMULAS[f"ofi_{_seconds}s"] = partial(ofi_of_window, _seconds * SECOND)


@feature
def ofi_to_depth(p: Past, c: Settings) -> Number:
    return NAN if empty(p.now) else ratio(ofi(p.in_bar(p.states)), depth_best(p, c))


@feature
def ofi_acceleration(p: Past, c: Settings) -> Number:
    if p.bar - 1 < p.first_bar:
        return NAN
    return ofi(p.in_bar(p.states)) - ofi(p.in_bar(p.states, p.bar - 1))


@feature
def ofi_zscore(p: Past, c: Settings) -> Number:
    values = [ofi(p.in_bar(p.states, j)) for j in p.bars]
    return zscore(values[-1], values)


@feature
def ofi_deep(p: Past, c: Settings) -> Number:
    if c.ofi_levels == 1:
        return NAN
    return sum(ofi(p.in_bar(p.states), m) for m in range(1, c.ofi_levels))


@feature
def bid_flow(p: Past, c: Settings) -> Number:
    return sum(bid_change(s, 0) for s in p.in_bar(p.states))


@feature
def ask_flow(p: Past, c: Settings) -> Number:
    return sum(ask_change(s, 0) for s in p.in_bar(p.states))


@feature
def ofi_adds(p: Past, c: Settings) -> Number:
    return ofi(s for s in p.in_bar(p.states) if s.kind == "adds") if p.typed else NAN


@feature
def ofi_cancels(p: Past, c: Settings) -> Number:
    return ofi(s for s in p.in_bar(p.states) if s.kind == "cancels") if p.typed else NAN


@feature
def ofi_trades(p: Past, c: Settings) -> Number:
    return ofi(s for s in p.in_bar(p.states) if s.kind == "trades") if p.typed else NAN


# --- depth


@feature
def depth_best(p: Past, c: Settings) -> Number:
    return Fraction(p.now.bids[0].size + p.now.asks[0].size, 2)


@feature
def depth_5(p: Past, c: Settings) -> Number:
    return Fraction(total(p.now.bids[:5]) + total(p.now.asks[:5]), 2)


def depth(state: State) -> Fraction:
    return Fraction(total(state.bids) + total(state.asks), 2)


@feature
def depth_all(p: Past, c: Settings) -> Number:
    return depth(p.now)


def best_imbalance(state: State) -> Number:
    return NAN if empty(state) else imbalance(state.bids[:1], state.asks[:1])


@feature
def queue_imbalance(p: Past, c: Settings) -> Number:
    return best_imbalance(p.now)


@feature
def imbalance_5(p: Past, c: Settings) -> Number:
    return NAN if empty(p.now) else imbalance(p.now.bids[:5], p.now.asks[:5])


@feature
def depth_imbalance(p: Past, c: Settings) -> Number:
    return NAN if empty(p.now) else imbalance(p.now.bids, p.now.asks)


@feature
def depth_ratio(p: Past, c: Settings) -> Number:
    if one_sided(p.now) or total(p.now.bids) == 0 or total(p.now.asks) == 0:
        return NAN
    return math.log(total(p.now.bids) / total(p.now.asks))


@feature
def best_share(p: Past, c: Settings) -> Number:
    return NAN if empty(p.now) else ratio(depth_best(p, c), depth_all(p, c))


@feature
def imbalance_change(p: Past, c: Settings) -> Number:
    if p.bar - 1 < p.first_bar:
        return NAN
    return best_imbalance(p.now) - best_imbalance(p.at_close(p.bar - 1))


@feature
def depth_zscore(p: Past, c: Settings) -> Number:
    values = [depth(p.at_close(j)) for j in p.bars]
    return zscore(values[-1], values)


# --- spread


@feature
def spread_ticks(p: Past, c: Settings) -> Number:
    spread = p.spread(p.now)
    return NAN if spread is None else spread


@feature
def spread_bps(p: Past, c: Settings) -> Number:
    spread, mid = p.spread(p.now), p.mid(p.now)
    return NAN if spread is None or mid is None else ratio(10_000 * spread, abs(mid))


@feature
def spread_zscore(p: Past, c: Settings) -> Number:
    spread = p.spread(p.now)
    values = [s for s in (p.spread(p.at_close(j)) for j in p.bars) if s is not None]
    return NAN if spread is None else zscore(spread, values)


@feature
def spread_mean(p: Past, c: Settings) -> Number:
    area, time = Fraction(0), 0
    for state, ends in zip(p.states, [*p.stamps[1:], p.t], strict=True):
        # Not one of the plain sums that keep what came before a reset in the same bar: it begins anew at the start.
        length = ends - max(state.stamp, p.open, p.start)
        spread = p.spread(state)
        if spread is not None and length > 0:
            area += spread * length
            time += length
    return ratio(area, time)


@feature
def effective_spread(p: Past, c: Settings) -> Number:
    top, bottom = Fraction(0), 0
    for trade in p.in_bar(p.trades):
        mid = p.mid(trade.before)
        if trade.sign != 0 and trade.price is not None and mid is not None:
            top += trade.size * 2 * trade.sign * (p.ticks(trade.price) - mid)
            bottom += trade.size
    return ratio(top, bottom)


def due_trades(p: Past) -> list[tuple[Trade, Fraction, Fraction, Fraction]]:
    """(trade, price, mid before, mid 5 s after, in ticks) of the signed trades that come due in the bar."""
    due = []
    for trade in p.since_start(p.trades):
        time = trade.stamp + 5 * SECOND
        if trade.sign != 0 and trade.price is not None and p.open < time <= p.t:
            before, after = p.mid(trade.before), p.mid(p.state_at(time))
            if before is not None and after is not None:
                due.append((trade, p.ticks(trade.price), before, after))
    return due


@feature
def realised_spread(p: Past, c: Settings) -> Number:
    due = due_trades(p)
    return ratio(
        sum(trade.size * 2 * trade.sign * (price - after) for trade, price, _, after in due),
        sum(trade.size for trade, *_ in due),
    )


@feature
def price_impact(p: Past, c: Settings) -> Number:
    due = due_trades(p)
    return ratio(
        sum(trade.size * 2 * trade.sign * (after - before) for trade, _, before, after in due),
        sum(trade.size for trade, *_ in due),
    )


def average_price(p: Past, levels: list[Level], size: int) -> Fraction | None:
    """What `size` lots would trade at, level by level, in ticks; None if less is shown."""
    left, paid = size, Fraction(0)
    for level in levels:
        if level.price is not None:
            taken = min(left, level.size)
            paid += taken * p.ticks(level.price)
            left -= taken
    return None if left > 0 else paid / size


@feature
def cost_buy(p: Past, c: Settings) -> Number:
    mid, price = p.mid(p.now), average_price(p, p.now.asks, c.trade_size)
    return NAN if mid is None or price is None else price - mid


@feature
def cost_sell(p: Past, c: Settings) -> Number:
    mid, price = p.mid(p.now), average_price(p, p.now.bids, c.trade_size)
    return NAN if mid is None or price is None else mid - price


# --- shape


def shown(p: Past, levels: list[Level]) -> list[tuple[Fraction, int]]:
    """(price in ticks, size) of the levels that are there."""
    return [(p.ticks(level.price), level.size) for level in levels if level.price is not None]


def slope(p: Past, levels: list[Level]) -> Number:
    mid = p.mid(p.now)
    if mid is None:
        return NAN
    deepest, _ = shown(p, levels)[-1]
    divisor = mid - deepest if levels is p.now.bids else deepest - mid
    return Fraction(total(levels)) / divisor if divisor > 0 else NAN


@feature
def bid_slope(p: Past, c: Settings) -> Number:
    return slope(p, p.now.bids)


@feature
def ask_slope(p: Past, c: Settings) -> Number:
    return slope(p, p.now.asks)


@feature
def slope_imbalance(p: Past, c: Settings) -> Number:
    bid, ask = bid_slope(p, c), ask_slope(p, c)
    return NAN if math.isnan(bid) or math.isnan(ask) else ratio(bid - ask, bid + ask)


@feature
def bid_distance(p: Past, c: Settings) -> Number:
    mid = p.mid(p.now)
    if mid is None:
        return NAN
    return ratio(sum(size * (mid - price) for price, size in shown(p, p.now.bids)), total(p.now.bids))


@feature
def ask_distance(p: Past, c: Settings) -> Number:
    mid = p.mid(p.now)
    if mid is None:
        return NAN
    return ratio(sum(size * (price - mid) for price, size in shown(p, p.now.asks)), total(p.now.asks))


def a_side_shows_one_level(p: Past) -> bool:
    return len(shown(p, p.now.bids)) == 1 or len(shown(p, p.now.asks)) == 1


@feature
def bid_gap(p: Past, c: Settings) -> Number:
    if one_sided(p.now) or len(shown(p, p.now.bids)) < 2:
        return NAN
    (best, _), (second, _), *_ = shown(p, p.now.bids)
    return best - second


@feature
def ask_gap(p: Past, c: Settings) -> Number:
    if one_sided(p.now) or len(shown(p, p.now.asks)) < 2:
        return NAN
    (best, _), (second, _), *_ = shown(p, p.now.asks)
    return second - best


def large_trades(p: Past) -> list[Trade]:
    """Trades since the start of at least 3 times the mean size of all earlier ones, of which there are at least 10."""
    trades = p.since_start(p.trades)
    return [
        trade
        for i, trade in enumerate(trades)
        if i >= 10 and trade.size >= 3 * Fraction(sum(earlier.size for earlier in trades[:i]), i)
    ]


@feature
def resilience(p: Past, c: Settings) -> Number:
    large = [trade for trade in large_trades(p) if trade.sign != 0]
    if not large:
        return NAN
    trade = large[-1]
    if trade.before is None:
        return NAN

    def near(s: State) -> int:
        return total((s.asks if trade.sign == 1 else s.bids)[:5])

    before = near(trade.before)
    after = [near(s) for s in p.states if s.row >= trade.row and near(s) != before]
    if not after or after[0] >= before:
        return NAN
    return Fraction(near(p.now) - after[0], before - after[0])


# --- trades


def volume(trades: Iterable[Trade], sign: int) -> int:
    return sum(trade.size for trade in trades if trade.sign == sign)


def signed_volume(trades: Iterable[Trade]) -> int:
    return sum(trade.sign * trade.size for trade in trades)


@feature
def buy_volume(p: Past, c: Settings) -> Number:
    return volume(p.in_bar(p.trades), 1)


@feature
def sell_volume(p: Past, c: Settings) -> Number:
    return volume(p.in_bar(p.trades), -1)


@feature
def trade_imbalance(p: Past, c: Settings) -> Number:
    buys, sells = buy_volume(p, c), sell_volume(p, c)
    return ratio(buys - sells, buys + sells)


@feature
def trade_count(p: Past, c: Settings) -> Number:
    return len(p.in_bar(p.trades))


@feature
def signed_count(p: Past, c: Settings) -> Number:
    return sum(trade.sign for trade in p.in_bar(p.trades))


@feature
def mean_trade_size(p: Past, c: Settings) -> Number:
    sizes = [trade.size for trade in p.in_bar(p.trades)]
    return mean(sizes) if sizes else NAN


@feature
def large_trade_flow(p: Past, c: Settings) -> Number:
    return signed_volume(p.in_bar(large_trades(p)))


@feature
def vwap_distance(p: Past, c: Settings) -> Number:
    mid = p.mid(p.now)
    priced = [(p.ticks(trade.price), trade.size) for trade in p.in_bar(p.trades) if trade.price is not None]
    if mid is None or not priced:
        return NAN
    return mid - ratio(sum(price * size for price, size in priced), sum(size for _, size in priced))


@feature
def aggressor_run(p: Past, c: Settings) -> Number:
    signs = [trade.sign for trade in p.since_start(p.trades) if trade.sign != 0]
    run = 0
    for sign in reversed(signs):
        if sign != signs[-1]:
            break
        run += sign
    return run


@feature
def signed_volume_60s(p: Past, c: Settings) -> Number:
    return NAN if p.too_young(MINUTE) else signed_volume(p.within(p.trades, MINUTE))


# --- price


def return_of_bars(bars: int, p: Past, c: Settings) -> Number:
    if p.bar - bars < p.first_bar:
        return NAN
    now, then = p.mid(p.now), p.mid(p.at_close(p.bar - bars))
    return NAN if now is None or then is None else now - then


def return_of_seconds(window: int, p: Past, c: Settings) -> Number:
    if p.too_young(window):
        return NAN
    now, then = p.mid(p.now), p.mid(p.state_at(p.t - window))
    return NAN if now is None or then is None else now - then


for _bars in (1, 6, 30):
    FORMULAS[f"return_{_bars}"] = partial(return_of_bars, _bars)
for _seconds in (10, 60):
    FORMULAS[f"return_{_seconds}s"] = partial(return_of_seconds, _seconds * SECOND)


class Change(NamedTuple):
    """The mids at a bar's close and at the close before, both known."""

    bar: int
    before: Fraction
    now: Fraction


def known_changes(p: Past) -> list[Change]:
    """Of the last 30 bars; the first since the start has none."""
    changes = []
    for bar in p.bars:
        if bar > p.first_bar:
            before, now = p.mid(p.at_close(bar - 1)), p.mid(p.at_close(bar))
            if before is not None and now is not None:
                changes.append(Change(bar, before, now))
    return changes


@feature
def volatility_30(p: Past, c: Settings) -> Number:
    changes = [change.now - change.before for change in known_changes(p)]
    return NAN if len(changes) < 10 else deviation(changes)


@feature
def realised_volatility(p: Past, c: Settings) -> Number:
    known = p.known_mids()
    if not known:
        return NAN
    moves = [(before, now) for (_, before), (stamp, now) in pairwise(known) if stamp > p.open]
    if (
        min([mid for stamp, mid in known if stamp > p.open] + [mid for stamp, mid in known if stamp <= p.open][-1:])
        <= 0
    ):
        return NAN
    squares = [math.log(now / before) ** 2 for before, now in moves]
    return 10_000 * math.sqrt(math.fsum(squares))


@feature
def range_(p: Past, c: Settings) -> Number:
    known = p.known_mids()
    mids = [mid for stamp, mid in known if stamp > p.open]
    mids += [mid for stamp, mid in known if stamp <= p.open][-1:]
    return max(mids) - min(mids) if mids else NAN


@feature
def jump(p: Past, c: Settings) -> Number:
    largest = Fraction(0)
    for (_, before), (stamp, now) in pairwise(p.known_mids()):
        if stamp > p.open and abs(now - before) > abs(largest):
            largest = now - before
    return largest


@feature
def efficiency(p: Past, c: Settings) -> Number:
    whole = FORMULAS["return_30"](p, c)
    changes = known_changes(p)
    if math.isnan(whole) or len(changes) < 30:
        return NAN
    return ratio(whole, sum(abs(change.now - change.before) for change in changes))


@feature
def microprice_offset(p: Past, c: Settings) -> Number:
    mid, bid, ask = p.mid(p.now), p.now.bids[0], p.now.asks[0]
    if mid is None or bid.price is None or ask.price is None:
        return NAN
    return ratio(p.ticks(ask.price) * bid.size + p.ticks(bid.price) * ask.size, ask.size + bid.size) - mid


# --- toxicity


@feature
def vpin(p: Past, c: Settings) -> Number:
    buckets, buys, sells = [], Fraction(0), Fraction(0)
    for trade in p.since_start(p.trades):
        left = trade.size
        while left > 0:
            part = min(left, c.bucket - buys - sells)
            bought = {1: part, -1: 0, 0: Fraction(part) / 2}[trade.sign]
            buys, sells = buys + bought, sells + part - bought
            left -= part
            if buys + sells == c.bucket:
                buckets.append(abs(buys - sells) / c.bucket)
                buys, sells = Fraction(0), Fraction(0)
    signed = any(trade.sign != 0 for trade in p.since_start(p.trades))
    return NAN if len(buckets) < 10 or not signed else mean(buckets[-50:])


@feature
def kyle_lambda(p: Past, c: Settings) -> Number:
    changes = known_changes(p)
    if len(changes) < 10:
        return NAN
    x = [Fraction(signed_volume(p.in_bar(p.trades, change.bar))) for change in changes]
    y = [change.now - change.before for change in changes]
    x_mean, y_mean = mean(x), mean(y)
    covariance = sum((a - x_mean) * (b - y_mean) for a, b in zip(x, y, strict=True))
    return ratio(covariance, sum((a - x_mean) ** 2 for a in x))


def value(trades: Iterable[Trade], session: Session) -> Fraction:
    """Σ |price|·size of the trades that have a price, in currency."""
    lots = sum(abs(trade.price) * trade.size for trade in trades if trade.price is not None)
    return lots * Fraction(repr(float(session.size_unit))) / PRICE_SCALE


@feature
def amihud(p: Past, c: Settings) -> Number:
    values = []
    for change in known_changes(p):
        traded = value(p.in_bar(p.trades, change.bar), p.session)
        if traded > 0 and change.before > 0 and change.now > 0:
            values.append(10_000 * abs(math.log(change.now / change.before)) / float(traded / 1_000_000))
    return NAN if len(values) < 10 else mean(values)


@feature
def roll_spread(p: Past, c: Settings) -> Number:
    prices = [p.ticks(trade.price) for trade in p.since_start(p.trades) if trade.price is not None][-101:]
    if len(prices) < 21:
        return NAN
    changes = [now - before for before, now in pairwise(prices)]
    earlier, later = changes[:-1], changes[1:]
    middle = mean(later), mean(earlier)
    covariance = mean([(a - middle[0]) * (b - middle[1]) for a, b in zip(later, earlier, strict=True)])
    return 2 * math.sqrt(max(0, -covariance))


# --- arrival


@feature
def log_events(p: Past, c: Settings) -> Number:
    return math.log(1 + len(p.in_bar(p.states)))


@feature
def event_rate_60s(p: Past, c: Settings) -> Number:
    return NAN if p.too_young(MINUTE) else Fraction(len(p.within(p.states, MINUTE)), 60)


@feature
def trade_rate_60s(p: Past, c: Settings) -> Number:
    return NAN if p.too_young(MINUTE) else Fraction(len(p.within(p.trades, MINUTE)), 60)


def decayed(p: Past, stamp: int) -> float:
    return math.exp(-(p.t - stamp) / (5 * SECOND))


@feature
def decayed_events(p: Past, c: Settings) -> Number:
    return math.fsum(decayed(p, s.stamp) for s in p.since_start(p.states))


@feature
def decayed_trades(p: Past, c: Settings) -> Number:
    return math.fsum(decayed(p, trade.stamp) for trade in p.since_start(p.trades))


@feature
def decayed_sign(p: Past, c: Settings) -> Number:
    return math.fsum(trade.sign * decayed(p, trade.stamp) for trade in p.since_start(p.trades))


@feature
def seconds_since_trade(p: Past, c: Settings) -> Number:
    trades = p.since_start(p.trades)
    return Fraction(p.t - trades[-1].stamp, SECOND) if trades else NAN


@feature
def seconds_since_move(p: Past, c: Settings) -> Number:
    moves = [stamp for (_, before), (stamp, now) in pairwise(p.known_mids()) if now != before]
    return Fraction(p.t - moves[-1], SECOND) if moves else NAN


# --- clock


@feature
def time_of_day(p: Past, c: Settings) -> Number:
    return Fraction((p.t + c.utc_offset) % DAY, HOUR)


@feature
def minutes_since_open(p: Past, c: Settings) -> Number:
    return Fraction(p.t - p.session.open, MINUTE)


@feature
def minutes_to_close(p: Past, c: Settings) -> Number:
    return Fraction(c.scheduled_close - p.t, MINUTE)


@feature
def day_of_week(p: Past, c: Settings) -> Number:
    return dt.date.fromisoformat(p.session.date).weekday()


# --- what is not a feature by itself

FLOWS = ("bid_flow", "ask_flow", "adds", "cancels", "trades", "depth")


def flows(
    session: Session, per: str, edges: Sequence[int], k: int, *, levels: int, window: int | None = None
) -> dict[str, list]:
    """Per level, over bar k, or over (t - window, t]: `bid_flow`, `ask_flow`, and net flow by type: `adds`, `cancels`,
    `trades`, in lots; `depth`, one number in a list: the average size of a side of a level (lots).

    Depth is over the used levels and the bar's (or window's) states, of sides that are there, and NaN without one. All
    values are None where t - window lies before the start, or before the session's first state.
    """
    past = Past(session, per, edges[: k + 2])
    if window is not None and (not past.states or past.too_young(window)):
        return {name: [None] * (1 if name == "depth" else levels) for name in FLOWS}
    states = past.in_bar(past.states) if window is None else past.within(past.states, window)
    out: dict[str, list] = {
        "bid_flow": [sum(bid_change(s, m) for s in states) for m in range(levels)],
        "ask_flow": [sum(ask_change(s, m) for s in states) for m in range(levels)],
    }
    for kind in ("adds", "cancels", "trades"):
        out[kind] = [ofi((s for s in states if s.kind == kind), m) for m in range(levels)]
    present = [side for s in states for side in s.bids[:levels] + s.asks[:levels] if side.price is not None]
    out["depth"] = [float(ratio(total(present), len(present)))]
    return out


def activity_edges(session: Session, per: str, kind: str, threshold: float) -> list[int]:
    """Edges of bars that close at the first time at which the bar's rows, all of that time included, reach `threshold`.

    `kind`: volume (lots), trades, events (states) or dollar (currency). The open comes first; an unfilled bar is left
    out.
    """
    rows = read(session)
    states = book_states(rows, per)
    trades = all_trades(rows, states)
    edges = [session.open]
    for time in sorted({row.stamp for row in rows if session.open < row.stamp <= session.close}):
        traded = [trade for trade in trades if edges[-1] < trade.stamp <= time]
        match kind:
            case "volume":
                reached: Number = sum(trade.size for trade in traded)
            case "trades":
                reached = len(traded)
            case "events":
                reached = len([s for s in states if edges[-1] < s.stamp <= time])
            case "dollar":
                reached = value(traded, session)
            case _:
                raise AssertionError(f"no kind {kind}")
        if reached >= Fraction(repr(float(threshold))):
            edges.append(time)
    return edges

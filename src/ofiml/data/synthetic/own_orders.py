"""Orders of our own in the synthetic market: what truly becomes of a limit order.

A day is simulated as `simulate` does it. At each posting its state is copied, our order joins the end of the queue at
the touch or at its own price, and the copy runs on, with random numbers of its own, until the order's time is over and
its markouts are known. The day itself goes on without the order. So each order meets the recorded book of
`simulate(config, day)`, and what a backtest on that tape says of the same order can be held against the truth.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import SyntheticDataset
from ofiml.data.schema import TIME
from ofiml.data.synthetic import kernel, own_order
from ofiml.data.synthetic.books import ROW_COLUMNS, Levels, Out, empty_books
from ofiml.data.synthetic.market import compute_origin, draw_truth, make_levels, make_plan, make_rules
from ofiml.data.synthetic.rates import CLOCK_COLUMNS, FIRST_FILL, LAST_FILL, Plan, Rules
from ofiml.errors import DataError
from ofiml.units import PRICE_SCALE, SECOND, parse_duration

Int64 = NDArray[np.int64]
Float = NDArray[np.float64]

MARKOUTS = (1 * SECOND, 10 * SECOND, 60 * SECOND)
_ASK, _BID = 0, 1  # as in the kernel
_STREAM = 1  # keeps the random numbers of the copies apart from those of the days


@dataclass(frozen=True, slots=True)
class Postings:
    """Limit orders to post in the first symbol, each alone in its own copy of the market.

    Parameters
    ----------
    time
        (n,) ns after the open, increasing.
    side
        (n,) 1 for bids, -1 for asks.
    lots
        (n,) sizes.
    patience
        ns after which what is left is cancelled; of all, or (n,).
    price
        (n,) prices, 1e-9, or None to join the best price of the side at the posting.
    """

    time: Int64
    side: Int64
    lots: Int64
    patience: int | Int64
    price: Int64 | None = None

    def __post_init__(self) -> None:
        given = self.side, self.lots, self.waits, *([] if self.price is None else [self.price])
        if any(len(column) != len(self.time) for column in given):
            raise ValueError("the columns of the postings must have one length")
        if len(self.time) and (self.time[0] < 0 or (np.diff(self.time) < 0).any()):
            raise ValueError("times of postings must be at or after the open, and increase")
        if (self.waits < 1).any() or (self.lots < 1).any() or (np.abs(self.side) != 1).any():
            raise ValueError("a posting needs a patience and lots of at least 1, and side 1 or -1")

    @property
    def waits(self) -> Int64:
        """The patience of each, (n,) ns."""
        return np.broadcast_to(np.asarray(self.patience, np.int64), (len(self.time),))


def follow_postings(
    config: SyntheticDataset, day: int, postings: Postings, *, replicas: int = 1, markouts: Sequence[int] = MARKOUTS
) -> pl.DataFrame:
    """Follow each posting to its end, `replicas` times with independent futures.

    Returns a row for each posting and replica, in this order, with the columns of `list_outcome_columns(markouts)`:

    - `posting`, `replica`; `posted`, `side`, `lots`, and `cancelled`, when what is left is cancelled (UTC);
    - `price` (1e-9) and `ahead`, the lots in front of it; both null if there is no best price to join, if the given
      one would have traded, or without room;
    - `mid` at the posting and before it, in ticks, NaN without a mid;
    - `filled` lots, `first_fill` and `last_fill` (UTC), null without a fill;
    - for each of `markouts` (ns) side·(mid - price) in ticks, that long after the first fill, NaN without one or a mid.

    Times are of the exchange. The same arguments give the same bits. Raises DataError for a posting that would not be
    over before the close, and for a day whose prices leave the book.
    """
    length, after = parse_duration(config.session_length), max(markouts, default=0)
    late = np.flatnonzero(postings.time + postings.waits + after > length)
    if len(late):
        time, horizon = int(postings.time[late[-1]]), int(postings.waits[late[-1]]) + after
        raise DataError(
            f"the posting {time / SECOND:g} s after the open is not over before the close, with its "
            f"patience and markouts of {horizon / SECOND:g} s: post earlier, or set a longer dataset.session_length."
        )
    horizon = int(postings.waits.max(initial=0)) + after
    rng = np.random.default_rng([config.seed, day])
    truth = draw_truth(config, day, rng)
    rules, plan = make_rules(config), make_plan(config, truth)
    recorded = _Market(rules._replace(written_from=np.inf), plan, make_levels(config, 1, 1))
    rows = int(20.0 * config.events_expected * horizon / length) + 10_000
    tick, origin = round(config.tick * PRICE_SCALE), compute_origin(config)
    at_touch = np.full(len(postings.time), own_order.TOUCH)
    prices = at_touch if postings.price is None else postings.price // tick - origin
    copy = _Market(rules, plan, make_levels(config, 1, rows))
    recorded.begin(rng)
    outcomes: list[list[float | int | None]] = []
    columns = postings.time, postings.side, postings.lots, postings.waits, prices
    for i, (time, side, lots, patience, price) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
        recorded.run(time / SECOND, rng)
        for replica in range(replicas):
            copy.copy_state(recorded)
            own_rng = np.random.default_rng([config.seed, day, _STREAM, i, replica])
            outcome = _follow_one(copy, time, side, lots, patience, price, markouts, own_rng)
            outcomes.append([i, replica, time, side, lots, time + patience, *outcome])
    table = pl.DataFrame(outcomes, schema=list_outcome_columns(markouts), orient="row")
    return table.with_columns(
        (pl.col("posted", "cancelled", "first_fill", "last_fill") + truth.open).cast(TIME),
        (pl.col("price") + origin) * tick,
        pl.col("mid") + origin,
    )


def list_outcome_columns(markouts: Sequence[int] = MARKOUTS) -> dict[str, pl.DataType]:
    """List the columns of `follow_postings`, before times and prices are those of the session."""
    whole = ["posting", "replica", "posted", "side", "lots", "cancelled", "price", "ahead"]
    columns: dict[str, pl.DataType] = dict.fromkeys(whole, pl.Int64())
    columns |= {"mid": pl.Float64()} | dict.fromkeys(["filled", "first_fill", "last_fill"], pl.Int64())
    return columns | {f"markout_{after / SECOND:g}s": pl.Float64() for after in markouts}


class _Market:
    """A day that stops and goes on: its rules and plan, its books, the clock, our order, and rows that it wrote."""

    def __init__(self, rules: Rules, plan: Plan, levels: Levels) -> None:
        self.rules, self.plan, self.books, self.rows = rules, plan, empty_books(len(plan.base)), 0
        self.clock = np.full(CLOCK_COLUMNS, np.nan)
        self.own = own_order.empty_own()
        rows = levels.shape[2]
        written = np.empty((rows, ROW_COLUMNS), np.int64)
        self.out = Out(np.empty(rows), np.empty(rows), np.empty(rows), written, levels)

    def begin(self, rng: np.random.Generator) -> None:
        """Start the day."""
        self.clock = kernel.begin(rng, self.rules, self.plan, self.books)

    def copy_state(self, other: "_Market") -> None:
        """Take the state of another market, without its rows."""
        for mine, its in zip((*self.books, self.clock), (*other.books, other.clock), strict=True):
            np.copyto(mine, its)
        self.own[:], self.rows = -1, 0

    def run(self, until: float, rng: np.random.Generator, *, stop_between: bool = False) -> None:
        """Run to `until` seconds. Raises DataError if a price leaves the book, or the rows their buffers."""
        n = kernel.follow(
            self.rows, until, stop_between, self.clock, self.own, rng, self.rules, self.plan, self.books, self.out
        )
        if n == kernel.OFF_GRID:
            raise DataError(
                "an own order's market: the price left the book's range; lower dataset.volatility, dataset.impact or "
                "the informed flow, or raise dataset.start_price."
            )
        if n == len(self.out.rows):
            raise DataError(f"an own order's market has more than {n:,} events: shorten its patience or its markouts.")
        self.rows = n

    def find_mid(self, at: float) -> float:
        """Return the mid (grid ticks) after the last row at or before `at` seconds; NaN if a side is empty."""
        row = int(np.searchsorted(self.out.seconds[: self.rows], at, side="right")) - 1
        ask, ask_size, _, bid, bid_size, _ = self.out.levels[:, 0, row]
        return (ask + bid) / 2.0 if row >= 0 and ask_size > 0 and bid_size > 0 else np.nan


def _follow_one(
    market: _Market, time: int, side: int, lots: int, patience: int, price: int, markouts: Sequence[int],
    rng: np.random.Generator,
) -> list[float | int | None]:  # fmt: skip
    """Follow one order in its own market; return the columns from `price` on, times in ns after the open."""
    market.run(time / SECOND, rng, stop_between=True)
    mid = own_order.find_mid(market.books)
    rest = rng, market.rules, market.plan, market.books, market.out
    book_side = _BID if side > 0 else _ASK
    market.rows = own_order.post(market.rows, book_side, lots, market.clock, market.own, *rest, price)
    if market.own[own_order.OWN_SLOT] < 0:
        return [None, None, mid, 0, None, None, *(np.nan for _ in markouts)]
    price, ahead = int(market.own[own_order.OWN_PRICE]), int(market.own[own_order.OWN_AHEAD])
    market.run((time + patience) / SECOND, rng, stop_between=True)
    filled = lots - int(market.own[own_order.OWN_LEFT])
    market.rows = own_order.withdraw(market.rows, market.clock, market.own, *rest)
    if filled == 0:
        return [price, ahead, mid, 0, None, None, *(np.nan for _ in markouts)]
    first, last = float(market.clock[FIRST_FILL]), float(market.clock[LAST_FILL])
    market.run(first + max(markouts, default=0) / SECOND, rng)
    moves = [side * (market.find_mid(first + after / SECOND) - price) for after in markouts]
    return [price, ahead, mid, filled, round(first * SECOND), round(last * SECOND), *moves]

"""The single orders of a day of the synthetic market, from the empty book on, as a feed of orders would state them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from ofiml._typing import Int64
from ofiml.config import SyntheticDataset
from ofiml.data.schema import SIDE, TIME
from ofiml.data.synthetic.books import ADD, CANCEL
from ofiml.data.synthetic.market import FEED_DELAY, compute_origin, draw_truth, make_rules, run_day
from ofiml.units import PRICE_SCALE, SECOND

_BEFORE = 60 * SECOND  # the day starts on a whole minute before the first order


@dataclass(frozen=True, slots=True)
class OrderDay:
    """The orders of one symbol and day: what a feed of orders has, and what the name of its file states.

    `orders` has a row for each change of one order, in time order: `ts_event` and `ts_recv`, `kind` (A a new order, C a
    cancel of all that is left, E an execution of it), `side` and `price` (1e-9) of that order, `size` in lots that are
    added, cancelled or executed, `order` its number from 1, and `last`, true for the last row of a message: an order
    that trades is one message with a row for each order that it hits. `first` (ns UTC) is before the first row, when
    the book is empty; trading is within `open` and `close`.
    """

    symbol: str
    date: str
    orders: pl.DataFrame
    first: int
    open: int
    close: int


def simulate_orders(config: SyntheticDataset, index: int) -> list[OrderDay]:
    """Simulate the orders of day `index`, one table per symbol; they give the books of `market.simulate`.

    Raises DataError as `market.simulate`.
    """
    rng = np.random.default_rng([config.seed, index])
    truth = draw_truth(config, index, rng)
    rules = make_rules(config)._replace(written_from=-math.inf)
    out = run_day(config, index, truth, rng, rules, 1)
    stamps = truth.open + np.rint(out.seconds * SECOND).astype(np.int64)
    tick, origin = round(config.tick * PRICE_SCALE), compute_origin(config)
    first = truth.open - math.ceil(rules.burn_in * SECOND / _BEFORE) * _BEFORE
    date = str(np.datetime64(truth.open, "ns").astype("datetime64[D]"))
    days = []
    for k, symbol in enumerate(truth.symbols):
        rows = np.flatnonzero(out.rows[:, 0] == k)
        at, kinds, sizes, orders = (np.array(column) for column in zip(*_follow(out.rows[rows]), strict=True))
        _, _, side, price, _, last, _ = out.rows[rows].T
        table = pl.DataFrame(
            {
                "ts_event": pl.Series(stamps[rows[at]]).cast(TIME),
                "ts_recv": pl.Series(stamps[rows[at]] + FEED_DELAY).cast(TIME),
                "kind": pl.Series(kinds, dtype=pl.String),
                # A row of the simulation states the side of an order that trades, not that of those that it hits.
                "side": pl.Series(["A", "B"], dtype=SIDE)[np.where(kinds == "E", 1 - side[at], side[at])],
                "price": (price[at] + origin) * tick,
                "size": sizes,
                "order": orders + 1,
                "last": _find_last(at, last),
            }
        )
        days.append(OrderDay(symbol, date, table, first, truth.open, truth.close))
    return days


def _follow(rows: Int64) -> Iterator[tuple[int, str, int, int]]:
    """Follow the queues of one symbol; yield the row, the kind, the size and the number of each changed order."""
    queues: dict[tuple[int, int], dict[int, int]] = {}
    for i, (_, action, side, price, size, _, order) in enumerate(rows.tolist()):
        if action == ADD:
            queues.setdefault((side, price), {})[order] = size
            yield i, "A", size, order
        elif action == CANCEL:
            yield i, "C", queues[side, price].pop(order), order
        else:
            queue, left = queues[1 - side, price], size
            while left > 0:
                oldest = next(iter(queue))
                part = min(left, queue[oldest])
                left -= part
                queue[oldest] -= part
                if queue[oldest] == 0:
                    del queue[oldest]
                yield i, "E", part, oldest


def _find_last(at: Int64, last: Int64) -> pl.Series:
    """Mark the last of the orders that each last row of a message changes."""
    return pl.Series((last[at] == 1) & np.append(at[1:] != at[:-1], True))

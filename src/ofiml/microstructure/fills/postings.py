"""The same limit orders twice: followed in the synthetic market, and sent to the tape of the day without them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from ofiml._typing import Int64
from ofiml.backtest.latency import fix_latency
from ofiml.backtest.markouts import find_mids
from ofiml.backtest.orders import Queue, Reason
from ofiml.backtest.simulate import ContractNumbers, Scenario, Trades, simulate
from ofiml.config import SyntheticDataset
from ofiml.data.synthetic.own_orders import MARKOUTS, Postings
from ofiml.errors import ConfigError, DataError
from ofiml.samples.tape import TRADE, Tape
from ofiml.strategy.decisions import LAST, QUOTE, Decisions, Limits
from ofiml.units import SECOND, parse_duration

_FIRST = 10 * SECOND  # after the open
_CAP = 10**9  # lots: no position ends a series of postings


@dataclass(frozen=True, slots=True)
class QueueModel:
    """A queue model; `power` is the exponent of POWER."""

    queue: Queue
    power: float = 1.0

    @property
    def scenario(self) -> Scenario:
        """The scenario of orders that arrive at once."""
        return Scenario(fix_latency(0), self.queue, self.power)


def plan_postings(config: SyntheticDataset, *, lots: int, every: int, patience: int) -> Postings:
    """Plan a bid and an ask in turn, one each `every` ns of a day, for as long as the longest markout allows.

    Raises ConfigError if an order would not be over when the next one is posted, and if the day has no room for any.
    """
    if patience >= every:
        raise ConfigError(
            f"orders wait {patience / SECOND:g} s and one is posted every {every / SECOND:g} s: post less often, as "
            "each must be over before the next."
        )
    last = parse_duration(config.session_length) - patience - max(MARKOUTS)
    time = np.arange(_FIRST, last, every, dtype=np.int64)
    if len(time) == 0:
        raise ConfigError(
            f"dataset.session_length={config.session_length} leaves no time for an order of {patience / SECOND:g} s "
            f"and markouts of {max(MARKOUTS) / SECOND:g} s: set a longer one."
        )
    side = np.where(np.arange(len(time)) % 2, 1, -1)
    return Postings(time, side, np.full(len(time), lots), patience)


def add_spread(orders: pl.DataFrame, tick: int) -> pl.DataFrame:
    """Add `spread`, in ticks of `tick` (1e-9) at the posting, to a table of `follow_postings`; null without a mid."""
    half = pl.col("side") * (pl.col("mid") - pl.col("price") / tick)
    return orders.with_columns(spread=(2 * half).fill_nan(None).round().cast(pl.Int64))


def post_on_tape(truth: pl.DataFrame, tape: Tape, close: int, models: Sequence[QueueModel]) -> list[pl.DataFrame]:
    """Send the orders of `truth` to the tape, and return what becomes of them by each model.

    `truth` is a table of `follow_postings` for the day of the tape, with `add_spread`, whose orders do not overlap; its
    first replica counts. The tables have its columns `posting`, `posted`, `side`, `lots`, `price`, `ahead`, `spread`,
    `filled`, `first_fill` (ns), `by_quotes` and the markouts (ticks, after the first fill, NaN without one or a mid).
    `by_quotes` is True if nothing traded at the first fill: the opposite side showed the order's price. Orders without
    a price are left out. Raises DataError if an order does not meet the price and the queue that it met in the market.
    """
    orders = truth.filter((pl.col("replica") == 0) & pl.col("price").is_not_null()).with_columns(
        pl.col("posted", "cancelled", "first_fill").to_physical()
    )
    limits = Limits(cap=_CAP, stop=0, take=0, flat_from=LAST, loss=float("inf"), post=True)
    scenarios = [model.scenario for model in models]
    trades = simulate(tape, _decide(orders), limits, ContractNumbers(), scenarios, close=close)
    return [_list_outcomes(orders, of_model, tape) for of_model in trades]


def _decide(orders: pl.DataFrame) -> Decisions:
    """Make two decisions of each order: to quote it alone, and to quote nothing."""
    count = 2 * orders.height
    price, lots = orders["price"].to_numpy(), orders["lots"].to_numpy()
    columns = {name: np.zeros(count, np.int64) for name in Decisions._fields if name != "kind"}
    columns["time"][0::2], columns["time"][1::2] = orders["posted"].to_numpy(), orders["cancelled"].to_numpy()
    for name, sign in (("bid", 1), ("ask", -1)):
        columns[name][0::2] = price
        columns[f"{name}_size"][0::2] = np.where(orders["side"].to_numpy() == sign, lots, 0)
    return Decisions(kind=np.full(count, QUOTE, np.uint8), **columns)


def _list_outcomes(orders: pl.DataFrame, trades: Trades, tape: Tape) -> pl.DataFrame:
    """List the outcome of each order by one model."""
    rows = np.flatnonzero(trades.orders["reason"] == Reason.QUOTE)
    quoted = trades.orders[rows]
    price, ahead = (orders[name].to_numpy() for name in ("price", "ahead"))
    met = (quoted["price"] + tape.base) * tape.tick, quoted["ahead_at_join"]
    if len(quoted) != len(price) or (met[0] != price).any() or (met[1] != ahead).any():
        raise DataError("The tape is not that of the day on which the orders were followed: they meet another book.")
    row_of, first = np.unique(trades.fills["order"], return_index=True)
    fills = np.full(len(trades.orders), -1, np.int64)
    fills[row_of] = trades.fills["time"][first]
    at = fills[rows]
    markouts = {}
    for after in MARKOUTS:
        mid2 = find_mids(tape, at + after)
        move = orders["side"].to_numpy() * (mid2 / 2 - quoted["price"])
        markouts[f"markout_{after / SECOND:g}s"] = np.where((at >= 0) & (mid2 >= 0), move, np.nan)
    return orders.select("posting", "posted", "side", "lots", "price", "ahead", "spread").with_columns(
        filled=pl.Series(quoted["filled"]),
        first_fill=pl.Series(at).set(pl.Series(at < 0), None),
        by_quotes=pl.Series((at >= 0) & ~np.isin(at, _list_trade_times(tape))),
        **{name: pl.Series(move) for name, move in markouts.items()},
    )


def _list_trade_times(tape: Tape) -> Int64:
    """List the exchange's times of the messages with trades."""
    messages = np.searchsorted(tape.first, np.flatnonzero(tape.kind == TRADE), side="right") - 1
    return tape.exchange[np.unique(messages)]

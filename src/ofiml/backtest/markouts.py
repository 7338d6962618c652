"""Markouts: how the mid moved after each fill, in the fill's favour, and quotes at any time of a session."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from ofiml._typing import Int64
from ofiml.backtest.columns import Columns
from ofiml.backtest.ledger import Fills
from ofiml.samples.tape import Tape


@dataclass(frozen=True, slots=True)
class Markout:
    """The mean gain of fills after `horizon`, in ticks a lot: mid later - price for a buy, price - mid for a sale.

    Of takers and makers apart; NaN without such fills. `lots` are those whose horizon ended within the session.
    """

    horizon: str
    lots: float
    taker: float
    maker: float


def find_mids(tape: Tape, at: Int64) -> Int64:
    """Find bid + ask, in ticks above twice the tape's base, of the last two-sided book at each time (...,), ns, by the
    exchange's clock; -1 before the first.
    """
    two_sided = (tape.bid >= 0) & (tape.ask >= 0)
    times = tape.exchange[two_sided]
    mids = (tape.bid + tape.ask)[two_sided]
    index = np.searchsorted(times, at, side="right") - 1
    return np.where(index >= 0, mids[np.maximum(index, 0)] if len(mids) else -1, -1)


def measure_markouts(fills: Fills, tape: Tape, close: int, horizons: Mapping[str, int]) -> Columns:
    """Measure each fill's gain after each of the named `horizons` (ns), in ticks a lot; NaN where the session ends
    before.
    """
    lots, price = fills.lots, fills.price
    later = np.add.outer(list(horizons.values()), fills.filled).astype(np.int64)
    mids = find_mids(tape, later)
    gain = np.sign(lots) * ((mids + 2 * tape.base) * tape.tick - 2 * price) / (2 * tape.tick)
    return dict(zip(horizons, np.where((later <= close) & (mids >= 0), gain, np.nan), strict=True))


def average_markouts(fills: pl.DataFrame, horizon: str, column: str) -> Markout:
    """Average a column of gains, weighted by lots, over takers and makers."""
    known = fills.drop_nulls(column).with_columns(weight=pl.col("lots").abs())

    def average(maker: bool) -> float:
        part = known.filter(pl.col("maker") == maker)
        lots = int(part["weight"].sum())
        return float((part[column] * part["weight"]).sum()) / lots if lots else float("nan")

    return Markout(horizon, int(known["weight"].sum()), average(False), average(True))


def find_quotes(tape: Tape, at: Int64) -> tuple[Int64, Int64]:
    """Find the best bid and ask, as indexes of the tape, at each time (n,), ns, by the exchange's clock.

    -1 for a side without a quote, and for both while the market is not tradable.
    """
    index = np.searchsorted(tape.exchange, at, side="right") - 1
    known = np.maximum(index, 0)
    if len(tape.bid) == 0:
        return np.full(len(at), -1), np.full(len(at), -1)
    tradable = (index >= 0) & tape.tradable[known]
    return np.where(tradable, tape.bid[known], -1), np.where(tradable, tape.ask[known], -1)

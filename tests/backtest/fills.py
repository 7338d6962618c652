"""Fills written by hand, in seconds, currency and lots, and instruments to book them with."""

from typing import Any

import numpy as np
import polars as pl
from hypothesis import strategies as st

from ofiml._typing import Int64
from ofiml.backtest import ledger
from ofiml.backtest.ledger import Fills, Ledger
from ofiml.backtest.money import Money
from ofiml.config import Fees, Instrument
from tests.books import SECOND

NANO = 10**9


def make_money(**keys: Any) -> Money:
    """The money of an instrument with a lot of one unit, unless `keys` say otherwise."""
    return Money.of(Instrument(**{"tick": 0.01, "size_unit": 1.0, "calendar": "XNYS", **keys}))


def fill(
    t: float,
    lots: int,
    price: float,
    *,
    decided: float | None = None,
    arrived: float | None = None,
    waited: float | None = None,
    touch: float | None = None,
    order: int = 0,
    at: float | None = None,
    maker: bool = False,
) -> dict[str, Any]:
    """A fill at t; `decided`, `arrived` and `waited` are the mids at its decision, arrival and fill, by default the one
    before, at first the price; `at` is when it was decided, by default a second before.
    """
    mid_decided = price if decided is None else decided
    mid_arrived = mid_decided if arrived is None else arrived
    mid_filled = mid_arrived if waited is None else waited
    stamp = t - 1 if at is None else at
    values = (
        *(order, round(stamp * SECOND), round(stamp * SECOND), round(t * SECOND), lots),
        *(round(price * NANO), round((price if touch is None else touch) * NANO)),
        *(round(2 * mid * NANO) for mid in (mid_decided, mid_arrived, mid_filled)),
        maker,
    )
    return dict(zip(Fills._fields, values, strict=True))


def make_fills(*rows: dict[str, Any]) -> pl.DataFrame:
    schema = dict.fromkeys(Fills._fields, pl.Int64) | {"maker": pl.Boolean}
    return pl.DataFrame(list(rows), schema=schema)


def read_fills(table: pl.DataFrame) -> Fills:
    """The columns of a table as arrays."""
    return Fills(*(table[name].to_numpy() for name in Fills._fields))


def keep_ledger(table: pl.DataFrame, money: Money, times: Int64, mark2: Int64, **keys: float) -> Ledger:
    """The ledger of the fills in a table."""
    return ledger.keep_ledger(read_fills(table), money, times, mark2, **keys)


def keep(money: Money, *rows: dict[str, Any], marks: dict[float, float], rate: float = 0.0) -> Ledger:
    """The ledger of fills with the mid at each mark (s)."""
    times = np.array([round(t * SECOND) for t in marks])
    mark2 = np.array([round(2 * mid * NANO) for mid in marks.values()])
    return keep_ledger(make_fills(*rows), money, times, mark2, financing_rate=rate)


@st.composite
def draw_fills(draw: st.DrawFn, *, lowest: int = -2000, flat: bool = False) -> pl.DataFrame:
    """Up to eight fills at prices from `lowest` cents on, at times from 1 to 40 s; `flat` closes the position."""
    cents = st.integers(lowest, lowest + 4000)
    times = sorted(draw(st.lists(st.integers(1, 40), max_size=8)))
    rows, position = [], 0
    for k, t in enumerate(times):
        lots = draw(st.integers(-9, 9).filter(bool))
        if flat and k == len(times) - 1:
            lots = -position
            if not lots:
                break
        position += lots
        price, touch, *mids = (draw(cents) * 10**7 for _ in range(5))
        row = (draw(st.integers(0, 3)), (t - draw(st.integers(0, 1))) * SECOND, t * SECOND, t * SECOND, lots)
        columns = (*row, price, touch, *(2 * mid + 1 for mid in mids), draw(st.booleans()))
        rows.append(dict(zip(Fills._fields, columns, strict=True)))
    rows.sort(key=lambda row: (row["filled"], row["decided"]))  # what rested is filled before what arrives
    if flat and position:
        rows.append({**rows[-1], "lots": -position})
    return make_fills(*rows)


__all__ = ["NANO", "Fees", "draw_fills", "fill", "keep", "keep_ledger", "make_fills", "make_money", "read_fills"]

"""Sessions in others' formats: DBN (MBP-10, version 3) and LOBSTER. What a format cannot say raises a DataError."""

import datetime as dt
from collections.abc import Iterator

import numpy as np
import polars as pl

from ofiml.data.calendar import time_zone
from ofiml.data.formats import dbn
from ofiml.data.formats.timestamps import midnight
from ofiml.data.schema import (
    ACTION,
    F_LAST,
    F_SNAPSHOT,
    NO_PRICE,
    SIDE,
    Int64,
    Session,
    times,
)
from ofiml.errors import DataError
from ofiml.units import SECOND

_LEVELS = 10
_LOBSTER_UNIT = 100_000  # 1e-9 in a LOBSTER price
_LOBSTER_EMPTY = 9_999_999_999


def to_dbn(session: Session) -> bytes:
    """The session as a DBN file of MBP-10.

    Levels beyond the session's are empty; a session of more than ten is refused. Sizes are in units, not lots. A count
    that is null is 0, which reads back as null. Raises DataError for what DBN's 32 bits cannot hold.
    """
    if session.levels > _LEVELS:
        raise DataError(
            f"{session.symbol} has {session.levels} levels, MBP-10 has {_LEVELS}: read it with dataset.levels=10."
        )
    events = session.events
    names = {side: [f"{side}_{{}}_{m:02d}" for m in range(session.levels)] for side in ("bid", "ask")}
    shown = [n for both in zip(names["bid"], names["ask"], strict=True) for n in both]
    columns = {
        "ts_event": events["ts_event"].to_physical().to_numpy().astype(np.uint64),
        "ts_recv": times(events).astype(np.uint64),
        **{c: events[c].fill_null(NO_PRICE).to_numpy() for c in ("price", *(n.format("px") for n in shown))},
        **{c: _units(session, c) for c in ("size", *(n.format("sz") for n in shown))},
        **{c: events[c].fill_null(0).to_numpy() for c in (n.format("ct") for n in shown)},
        **{f"{side}_px_{m:02d}": np.array(NO_PRICE) for side in names for m in range(session.levels, _LEVELS)},
        "flags": events["flags"].to_numpy(),
        "sequence": _within(events["sequence"], "sequence", 2**32 - 1),
        "action": _ascii(events["action"], ACTION),
        "side": _ascii(events["side"], SIDE),
    }
    first, last = (str(np.datetime64(int(t), "ns").astype("datetime64[D]")) for t in times(events)[[0, -1]])
    return dbn.encode_dbn((session.symbol, first, last), columns)


def to_lobster(session: Session, calendar: str = "XNYS") -> tuple[bytes, bytes]:
    """The session as LOBSTER's message and orderbook CSV, of the times of the exchange that `calendar` names.

    A row is one message: A is a new order (1), C a cancellation (2), T an execution (4, or 5 where the book stays as it
    is), N a halt (7) if it states the book, else a cross trade (6). Order ids are 0, and sequence numbers are not kept.
    Raises DataError for what LOBSTER has no words for: two clocks, counts, other actions, no side, several rows of one
    message, no price, prices off 1e-4.
    """
    _sayable(session)
    day_starts = midnight(dt.date.fromisoformat(session.date), time_zone(calendar))
    halt = (pl.col("action") == "N") & (pl.col("flags") & F_SNAPSHOT != 0)
    book = [f"{s}_{q}_{m:02d}" for m in range(session.levels) for s in ("ask", "bid") for q in ("px", "sz")]
    unchanged = ~pl.any_horizontal(pl.col(c).ne_missing(pl.col(c).shift(1)) for c in book) & (
        pl.int_range(pl.len()) > 0
    )
    trade = pl.col("action") == "T"
    event_type = pl.col("action").cast(pl.String).replace_strict({"A": 1, "C": 2, "T": 4, "N": 6})
    kind = pl.when(trade & unchanged).then(5).when(halt).then(7).otherwise(event_type)
    after = pl.col("ts_event").to_physical() - day_starts
    time = pl.concat_str(after // SECOND, pl.lit("."), (after % SECOND).cast(pl.String).str.zfill(9))
    # LOBSTER gives the resting order's side, the schema a trade's aggressor's.
    direction = pl.when(trade ^ (pl.col("side") == "B")).then(1).otherwise(-1)
    price = pl.when(halt).then(-1).otherwise(pl.col("price") // _LOBSTER_UNIT)
    messages = session.events.select(
        time.alias("time"), kind.alias("type"), pl.lit(0).alias("order"), pl.Series("size", _units(session, "size")),
        price.alias("price"), direction.alias("direction"),
    )  # fmt: skip
    levels = session.events.select(_lobster_level(session, c) for c in book)
    return messages.write_csv(include_header=False).encode(), levels.write_csv(include_header=False).encode()


def lobster_name(session: Session, calendar: str = "XNYS") -> str:
    """The name that LOBSTER's message file must have, as it says what the session is."""
    day_starts = midnight(dt.date.fromisoformat(session.date), time_zone(calendar))
    bounds = [(t - day_starts) / 1_000_000 for t in (session.open, session.close)]
    if any(b != int(b) or b < 0 for b in bounds):
        raise DataError(f"{session.symbol}, {session.date}: LOBSTER needs hours in whole milliseconds of one day.")
    return f"{session.symbol}_{session.date}_{bounds[0]:.0f}_{bounds[1]:.0f}_message_{session.levels}.csv"


def _units(session: Session, column: str) -> Int64:
    """Sizes in units; 0 where there is none. Raises DataError for fractions and for what 32 bits cannot hold."""
    units = session.events[column].fill_null(0).to_numpy() * session.size_unit
    whole = np.rint(units)
    if (np.abs(whole - units) > 1e-6).any():
        raise DataError(
            f"{session.symbol}: sizes in lots of {session.size_unit:g} are not whole units, as the format requires."
        )
    return _within(pl.Series(whole).cast(pl.Int64), column, dbn.UNDEF_SIZE - 1)


def _within(values: pl.Series, column: str, most: int) -> Int64:
    bad = values.is_null() | (values < 0) | (values > most)
    if bad.any():
        row = int(bad.arg_max() or 0)
        raise DataError(f"Event {row + 1}, column {column}: {values[row]} is not between 0 and {most}.")
    return values.to_numpy()


def _ascii(letters: pl.Series, enum: pl.Enum) -> np.ndarray:
    codes = np.array([ord(c) for c in enum.categories], np.uint8)
    return codes[letters.to_physical().to_numpy()]


def _lobster_level(session: Session, column: str) -> pl.Expr | pl.Series:
    if "_sz_" in column:
        return pl.Series(column, _units(session, column))
    empty = _LOBSTER_EMPTY if column.startswith("ask") else -_LOBSTER_EMPTY
    return (pl.col(column) // _LOBSTER_UNIT).fill_null(empty).alias(column)


def _sayable(session: Session) -> None:
    """Raises DataError for the first event that LOBSTER cannot say."""
    halt = (pl.col("action") == "N") & (pl.col("flags") == (F_LAST | F_SNAPSHOT))
    prices = ["price", *(f"{s}_px_{m:02d}" for m in range(session.levels) for s in ("bid", "ask"))]
    for what, bad in _unsayable(session.levels, halt, prices):
        rows = session.events.select(bad.fill_null(False)).to_series()
        if rows.any():
            raise DataError(
                f"{session.symbol}, {session.date}, event {int(rows.arg_max() or 0) + 1}: LOBSTER cannot state {what}."
            )


def _unsayable(levels: int, halt: pl.Expr, prices: list[str]) -> Iterator[tuple[str, pl.Expr]]:
    yield "two clocks: ts_event and ts_recv differ", pl.col("ts_event") != pl.col("ts_recv")
    counts = [f"{s}_ct_{m:02d}" for m in range(levels) for s in ("bid", "ask")]
    yield "counts of orders", pl.any_horizontal(pl.col(counts).is_not_null())
    yield "this action", ~pl.col("action").is_in(["A", "C", "T", "N"])
    yield "an event without a side", pl.col("side") == "N"
    yield "messages of several rows, or snapshots other than halts", ~halt & (pl.col("flags") != F_LAST)
    yield "an event without a price", ~halt & ~(pl.col("price") > 0).fill_null(False)
    yield "a price on a halt", halt & pl.col("price").is_not_null()
    yield "a book price of 0 or less", pl.any_horizontal(pl.col(prices[1:]) <= 0)
    yield "a price of 1,000,000 or more", pl.any_horizontal(pl.col(prices) >= _LOBSTER_EMPTY * _LOBSTER_UNIT)
    yield "a price between multiples of 0.0001", pl.any_horizontal(pl.col(prices) % _LOBSTER_UNIT != 0)

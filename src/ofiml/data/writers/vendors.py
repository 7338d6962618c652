"""Sessions in vendors' formats: DBN (MBP-10, version 3) and LOBSTER.

Events that a format cannot express raise a DataError.
"""

import datetime as dt
from collections.abc import Iterator

import numpy as np
import polars as pl

from ofiml.data.calendar import find_time_zone
from ofiml.data.formats import dbn
from ofiml.data.formats.timestamps import find_midnight
from ofiml.data.schema import (
    ACTION,
    F_LAST,
    F_SNAPSHOT,
    NO_PRICE,
    SIDE,
    Int64,
    Session,
    extract_times,
)
from ofiml.errors import DataError
from ofiml.units import SECOND

_LEVELS = 10
_LOBSTER_UNIT = 100_000  # 1e-9 in a LOBSTER price
_LOBSTER_EMPTY = 9_999_999_999


def to_dbn(session: Session) -> bytes:
    """Encode the session as a DBN file of MBP-10.

    Levels beyond the session's are empty. Sizes are in units, not lots. A null count becomes 0, which reads back as
    null. Raises DataError for more than ten levels and for numbers beyond DBN's 32 bits.
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
        "ts_recv": extract_times(events).astype(np.uint64),
        **{c: events[c].fill_null(NO_PRICE).to_numpy() for c in ("price", *(n.format("px") for n in shown))},
        **{c: _convert_to_units(session, c) for c in ("size", *(n.format("sz") for n in shown))},
        **{c: events[c].fill_null(0).to_numpy() for c in (n.format("ct") for n in shown)},
        **{f"{side}_px_{m:02d}": np.array(NO_PRICE) for side in names for m in range(session.levels, _LEVELS)},
        "flags": events["flags"].to_numpy(),
        "sequence": _require_within(events["sequence"], "sequence", 2**32 - 1),
        "action": _encode_letters(events["action"], ACTION),
        "side": _encode_letters(events["side"], SIDE),
    }
    first, last = (str(np.datetime64(int(t), "ns").astype("datetime64[D]")) for t in extract_times(events)[[0, -1]])
    return dbn.encode_dbn((session.symbol, first, last), columns)


def to_lobster(session: Session, calendar: str = "XNYS") -> tuple[bytes, bytes]:
    """Encode the session as LOBSTER's message and orderbook CSV, with times in the time zone of `calendar`.

    A row is one message: A is a new order (1), C a cancellation (2), T an execution (4, or 5 if the book does not
    change), N a halt (7) if it states the book, else a cross trade (6). Order ids are 0; sequence numbers are lost.
    Raises DataError for what LOBSTER cannot express: two clocks, counts, other actions, no side, several rows per
    message, no price, prices that are not multiples of 1e-4.
    """
    _require_expressible(session)
    day_starts = find_midnight(dt.date.fromisoformat(session.date), find_time_zone(calendar))
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
    # LOBSTER states the side of the resting order, the schema the side of a trade's aggressor.
    direction = pl.when(trade ^ (pl.col("side") == "B")).then(1).otherwise(-1)
    price = pl.when(halt).then(-1).otherwise(pl.col("price") // _LOBSTER_UNIT)
    messages = session.events.select(
        time.alias("time"),
        kind.alias("type"),
        pl.lit(0).alias("order"),
        pl.Series("size", _convert_to_units(session, "size")),
        price.alias("price"),
        direction.alias("direction"),
    )
    levels = session.events.select(_encode_level(session, c) for c in book)
    return messages.write_csv(include_header=False).encode(), levels.write_csv(include_header=False).encode()


def make_lobster_name(session: Session, calendar: str = "XNYS") -> str:
    """Make the name of LOBSTER's message file, which states symbol, date, hours and levels.

    Raises DataError for hours that are not whole milliseconds of the session's day.
    """
    day_starts = find_midnight(dt.date.fromisoformat(session.date), find_time_zone(calendar))
    bounds = [(t - day_starts) / 1_000_000 for t in (session.open, session.close)]
    if any(b != int(b) or b < 0 for b in bounds):
        raise DataError(f"{session.symbol}, {session.date}: LOBSTER needs hours in whole milliseconds of one day.")
    return f"{session.symbol}_{session.date}_{bounds[0]:.0f}_{bounds[1]:.0f}_message_{session.levels}.csv"


def _convert_to_units(session: Session, column: str) -> Int64:
    """Convert sizes to units; null becomes 0. Raises DataError for fractions and for more than 32 bits."""
    units = session.events[column].fill_null(0).to_numpy() * session.size_unit
    whole = np.rint(units)
    if (np.abs(whole - units) > 1e-6).any():
        raise DataError(
            f"{session.symbol}: sizes in lots of {session.size_unit:g} are not whole units, as the format requires."
        )
    return _require_within(pl.Series(whole).cast(pl.Int64), column, dbn.UNDEF_SIZE - 1)


def _require_within(values: pl.Series, column: str, upper: int) -> Int64:
    bad = values.is_null() | (values < 0) | (values > upper)
    if bad.any():
        row = int(bad.arg_max() or 0)
        raise DataError(f"Event {row + 1}, column {column}: {values[row]} is not between 0 and {upper}.")
    return values.to_numpy()


def _encode_letters(letters: pl.Series, enum: pl.Enum) -> np.ndarray:
    codes = np.array([ord(c) for c in enum.categories], np.uint8)
    return codes[letters.to_physical().to_numpy()]


def _encode_level(session: Session, column: str) -> pl.Expr | pl.Series:
    if "_sz_" in column:
        return pl.Series(column, _convert_to_units(session, column))
    empty = _LOBSTER_EMPTY if column.startswith("ask") else -_LOBSTER_EMPTY
    return (pl.col(column) // _LOBSTER_UNIT).fill_null(empty).alias(column)


def _require_expressible(session: Session) -> None:
    """Raise DataError for the first event that LOBSTER cannot express."""
    halt = (pl.col("action") == "N") & (pl.col("flags") == (F_LAST | F_SNAPSHOT))
    prices = ["price", *(f"{s}_px_{m:02d}" for m in range(session.levels) for s in ("bid", "ask"))]
    for what, bad in _list_inexpressible(session.levels, halt, prices):
        rows = session.events.select(bad.fill_null(False)).to_series()
        if rows.any():
            raise DataError(
                f"{session.symbol}, {session.date}, event {int(rows.arg_max() or 0) + 1}: LOBSTER cannot state {what} "
                f"({int(rows.sum()):,} of {rows.len():,} events). --to parquet and --to dbn keep every event."
            )


def _list_inexpressible(levels: int, halt: pl.Expr, prices: list[str]) -> Iterator[tuple[str, pl.Expr]]:
    yield "two clocks: ts_event and ts_recv differ", pl.col("ts_event") != pl.col("ts_recv")
    counts = [f"{s}_ct_{m:02d}" for m in range(levels) for s in ("bid", "ask")]
    yield "counts of orders", pl.any_horizontal(pl.col(counts).is_not_null())
    changed = ~pl.col("action").is_in(["A", "C", "T", "N"])
    yield "a changed quote or a modified order: its messages add, cancel and execute orders", changed
    yield "an event without a side, such as a trade without an aggressor", pl.col("side") == "N"
    yield "messages of several rows, or snapshots other than halts", ~halt & (pl.col("flags") != F_LAST)
    yield "an event without a price", ~halt & pl.col("price").is_null()
    yield "a price of 0 or less", ~halt & (pl.col("price") <= 0)
    yield "a price on a halt", halt & pl.col("price").is_not_null()
    yield "a book price of 0 or less", pl.any_horizontal(pl.col(prices[1:]) <= 0)
    yield "a price of 1,000,000 or more", pl.any_horizontal(pl.col(prices) >= _LOBSTER_EMPTY * _LOBSTER_UNIT)
    yield "a price between multiples of 0.0001", pl.any_horizontal(pl.col(prices) % _LOBSTER_UNIT != 0)

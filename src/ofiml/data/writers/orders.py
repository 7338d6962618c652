"""A day's single orders in the forms of feeds: LOBSTER's messages, Databento's MBO (DBN), Nasdaq's ITCH 5.0.

A form states what its feed does: LOBSTER and ITCH one clock, the receipt's, and an execution per resting order as a
message of its own; MBO both clocks, and an order that trades as one message. Sizes are in units. Orders that a form
cannot express raise a DataError.
"""

import datetime as dt
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml._typing import Int64
from ofiml.atomic import write_atomically
from ofiml.data.calendar import find_time_zone
from ofiml.data.formats import dbn
from ofiml.data.formats.timestamps import find_midnight
from ofiml.data.schema import F_LAST, NO_PRICE
from ofiml.data.synthetic.orders import OrderDay
from ofiml.errors import DataError
from ofiml.units import SECOND

LOBSTER_LEVELS = 100  # that the name of a message file may state
_LOBSTER_TYPES = {"A": 1, "C": 3, "E": 4}
_PRICE_UNIT = 100_000  # 1e-9 in a price of LOBSTER or ITCH
_DAY = 86_400 * SECOND
_NEW_YORK = "XNYS"  # the clock of ITCH


def write_lobster_messages(day: OrderDay, folder: Path, calendar: str = "24/7") -> Path:
    """Write LOBSTER's message file, without an orderbook file, from `first` on; return its path.

    The name states the most levels that it can, so that a book of fewer occupied prices loses none of them. Raises
    DataError for prices that are not multiples of 1e-4, and for hours that are not whole milliseconds of one day.
    """
    price = _convert_prices(day)
    midnight = find_midnight(dt.date.fromisoformat(day.date), find_time_zone(calendar))
    hours = [(at - midnight) / 1_000_000 for at in (day.first, day.close)]
    if any(hour != int(hour) or not 0 <= hour * 1_000_000 <= _DAY for hour in hours):
        raise DataError(f"{day.symbol}, {day.date}: LOBSTER needs hours in whole milliseconds of one day.")
    after = pl.col("ts_recv").to_physical() - midnight
    messages = day.orders.select(
        pl.concat_str(after // SECOND, pl.lit("."), (after % SECOND).cast(pl.String).str.zfill(9)),
        pl.col("kind").replace_strict(_LOBSTER_TYPES, return_dtype=pl.Int64),
        "order",
        "size",
        pl.Series("price", price),
        pl.when(pl.col("side") == "B").then(1).otherwise(-1).alias("direction"),
    )
    name = f"{day.symbol}_{day.date}_{hours[0]:.0f}_{hours[1]:.0f}_message_{LOBSTER_LEVELS}.csv"
    return _write(folder / name, messages.write_csv(include_header=False).encode())


def write_mbo(day: OrderDay, folder: Path) -> Path:
    """Write Databento's MBO as DBN and return its path: a clear, then orders; an execution is a trade, a fill and a
    cancel. Raises DataError for sizes beyond 32 bits.
    """
    orders = day.orders
    executed = (orders["kind"] == "E").to_numpy()
    count = np.where(executed, 3, 1)
    rows = np.repeat(np.arange(orders.height), count)
    part = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    of_execution = executed[rows]
    action = np.where(
        of_execution, np.frombuffer(b"TFC", np.uint8)[part], np.where(orders["kind"] == "A", 65, 67)[rows]
    )
    bid = (orders["side"] == "B").to_numpy()[rows]
    side = np.where(bid ^ (of_execution & (part == 0)), 66, 65)  # of a trade: the aggressor's
    ends = np.append(rows[1:] != rows[:-1], True)
    clear = day.first

    def build(first: int, values: NDArray) -> NDArray:
        return np.concatenate([np.array([first], np.int64), values])

    sizes = _require_size(orders)[rows]
    columns = {
        "ts_event": build(clear, orders["ts_event"].to_physical().to_numpy()[rows]),
        "ts_recv": build(clear, orders["ts_recv"].to_physical().to_numpy()[rows]),
        "order_id": build(0, orders["order"].to_numpy()[rows]),
        "price": build(NO_PRICE, orders["price"].to_numpy()[rows]),
        "size": build(0, sizes),
        "flags": build(F_LAST, (orders["last"].to_numpy()[rows] & ends) * F_LAST),
        "action": build(ord("R"), action),
        "side": build(ord("N"), side),
        "sequence": build(0, rows + 1),
    }
    content = dbn.encode_dbn((day.symbol, day.date, day.date), columns, dbn.MBO)
    return _write(folder / f"{day.symbol}_{day.date}.mbo.dbn", content)


def write_itch(day: OrderDay, folder: Path) -> Path:
    """Write Nasdaq's ITCH 5.0 with a frame around each message, and return its path.

    Times are those of New York. Raises DataError for prices that are not multiples of 1e-4 or beyond 32 bits, for a
    symbol of more than eight letters, and for orders outside of the day.
    """
    if not 0 < len(day.symbol.encode()) <= 8 or not day.symbol.isascii():
        raise DataError(f"{day.symbol!r} cannot be written as ITCH: give the symbol one to eight ASCII letters.")
    orders, stock = day.orders, day.symbol.encode().ljust(8)
    midnight = find_midnight(dt.date.fromisoformat(day.date), find_time_zone(_NEW_YORK))
    stamp = orders["ts_recv"].to_physical().to_numpy() - midnight
    if len(stamp) and not (stamp.min() >= 0 and stamp.max() < _DAY):
        raise DataError(f"{day.symbol}, {day.date}: ITCH has one day of New York, and an order lies outside of it.")
    sides = np.where((orders["side"] == "B").to_numpy(), b"B", b"S")
    sizes, prices = _require_size(orders), _convert_prices(day)
    fields: dict[str, tuple[NDArray, ...]] = {
        "A": (sides, sizes, np.full(orders.height, stock), prices),
        "E": (sizes, np.arange(1, orders.height + 1)),
        "C": (),
    }
    messages = np.empty(orders.height, object)
    for kind, values in fields.items():
        rows = (orders["kind"] == kind).to_numpy()
        common = (stamp[rows] >> 32, stamp[rows] & (2**32 - 1), orders["order"].to_numpy()[rows])
        messages[rows] = _pack(_LAYOUTS[kind], (*common, *(value[rows] for value in values)))
    opening = max((day.first - midnight) // SECOND * SECOND, 0)
    head, tail = ((time >> 32, time & (2**32 - 1)) for time in (opening, int(stamp.max(initial=opening))))
    listed = (*head, stock, b"Q", b"N", 100, b"N", b"C", b"Z ", b"P", b"N", b"N", b"1", b"N", 0, b"N")
    start = [_pack_one("S", (*head, b"O")), _pack_one("R", listed)]
    content = b"".join([*start, *messages, _pack_one("S", (*tail, b"C"))])
    return _write(folder / f"nasdaq_{day.date.replace('-', '')}.itch", content)


#: The fields of ITCH's messages after type, locate and tracking number, the time in two parts; C is a deletion (D).
_TIME = [("high", ">u2"), ("low", ">u4")]
_LAYOUTS: dict[str, tuple[bytes, list[tuple[str, str]]]] = {
    "A": (b"A", [*_TIME, ("order", ">u8"), ("side", "S1"), ("shares", ">u4"), ("stock", "S8"), ("price", ">u4")]),
    "E": (b"E", [*_TIME, ("order", ">u8"), ("shares", ">u4"), ("match", ">u8")]),
    "C": (b"D", [*_TIME, ("order", ">u8")]),
    "S": (b"S", [*_TIME, ("event", "S1")]),
    "R": (b"R", [*_TIME, ("stock", "S8"), ("category", "S1"), ("status", "S1"), ("lot", ">u4"), ("only", "S1"),
                 ("class", "S1"), ("subtype", "S2"), ("authentic", "S1"), ("short", "S1"), ("ipo", "S1"),
                 ("tier", "S1"), ("etp", "S1"), ("factor", ">u4"), ("inverse", "S1")]),
}  # fmt: skip


def _pack(layout: tuple[bytes, list[tuple[str, str]]], values: tuple[NDArray, ...]) -> list[bytes]:
    """Pack messages of one kind, each in its frame."""
    letter, fields = layout
    dtype = np.dtype([("frame", ">u2"), ("type", "S1"), ("locate", ">u2"), ("tracking", ">u2"), *fields])
    table = np.zeros(len(values[0]), dtype)
    table["frame"], table["type"], table["locate"] = dtype.itemsize - 2, letter, letter != b"S"
    for (name, _), value in zip(fields, values, strict=True):
        table[name] = value
    content, size = table.tobytes(), dtype.itemsize
    return [content[a:b] for a, b in pairwise(range(0, len(content) + 1, size))]


def _pack_one(kind: str, values: tuple[int | bytes, ...]) -> bytes:
    return _pack(_LAYOUTS[kind], tuple(np.array([value]) for value in values))[0]


def _require_size(orders: pl.DataFrame) -> Int64:
    """Return the sizes (n,). Raises DataError for one that is not above 0, or beyond 32 bits."""
    sizes = orders["size"].to_numpy()
    bad = (sizes < 1) | (sizes >= dbn.UNDEF_SIZE)
    if bad.any():
        raise DataError(f"order {orders['order'][int(bad.argmax())]}: a size of {sizes[bad][0]} cannot be written.")
    return sizes


def _convert_prices(day: OrderDay) -> Int64:
    """Convert the prices (n,) to units of 1e-4. Raises DataError for one that is none, or needs more than 32 bits."""
    prices = day.orders["price"].to_numpy()
    bad = (prices <= 0) | (prices % _PRICE_UNIT != 0) | (prices // _PRICE_UNIT >= 2**32)
    if bad.any():
        raise DataError(
            f"{day.symbol}, {day.date}: a price of {prices[bad][0] / 1e9:g} is not a multiple of 0.0001 above 0 and "
            "below 429,496: write MBO instead."
        )
    return prices // _PRICE_UNIT


def _write(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all; raise DataError if it is there."""
    if path.exists():
        raise DataError(f"{path} already exists: choose another folder, or move it away.")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: file.write_bytes(content))
    return path


#: The writers of orders by the reader that reads them back.
WRITERS: dict[str, Callable[[OrderDay, Path], Path]] = {
    "lobster": write_lobster_messages,
    "databento_mbo": write_mbo,
    "itch": write_itch,
}

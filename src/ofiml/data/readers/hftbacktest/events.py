"""From hftbacktest's array of events to events with a book."""

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import FileDataset
from ofiml.data.book import kernel, ladder
from ofiml.data.book.build import MESSAGE_COLUMNS
from ofiml.data.book.levels import build_from_levels
from ofiml.data.checks import Checker
from ofiml.data.feed import Blob, Feed
from ofiml.data.formats import decimals
from ofiml.data.formats.archives import MAX_MEMBER
from ofiml.data.formats.csv import MAX_PRICE, MAX_SIZE
from ofiml.data.formats.off_step import OffStepSizes
from ofiml.data.schema import ACTION, F_LAST, F_SNAPSHOT, LATEST, SIDE, TIME, Int64
from ofiml.errors import DataError
from ofiml.units import PRICE_SCALE

_DEFAULT_LEVELS = 10
_COLUMNS = {"ev": "u8", "exch_ts": "i8", "local_ts": "i8", "px": "f8", "qty": "f8"}
_DEPTH, _TRADE, _CLEAR, _SNAPSHOT, _BBO = range(1, 6)
_KINDS = (_DEPTH, _TRADE, _CLEAR, _SNAPSHOT)
_ORDERS = range(10, 14)  # events of single orders
_LOCAL, _BUY, _SELL = 1 << 30, 1 << 29, 1 << 28

Array = NDArray[np.void]


def read_feeds(files: Sequence[Blob], dataset: FileDataset) -> Iterator[Feed]:
    """Yield the events of one file, as they were received.

    Raises DataError for another array, events of orders, rows that the policy refuses, and a book that never becomes
    known.
    """
    (blob,) = files
    checker = Checker(blob.name, dataset.policy, place="row")
    rows = _read_array(blob)
    n_rows = len(rows)
    kinds = (rows["ev"] & np.uint64(0xFF)).astype(np.int64)
    if np.isin(kinds, _ORDERS).any():
        raise DataError(f"{blob.name} contains events of single orders (ADD_ORDER_EVENT), which are not supported.")
    numbers = np.arange(1, n_rows + 1)
    local = (rows["ev"] & np.uint64(_LOCAL)) != 0
    used = (local | ~local.any()) & (kinds != _BBO)
    notes = [f"rows ignored: {int((~used).sum())} (without LOCAL_EVENT, or best quotes)"] if not used.all() else []
    rows, kinds, numbers = rows[used], kinds[used], numbers[used]
    off_step = OffStepSizes(dataset.size_unit, source=blob.name, place="row")
    prices, sizes, bad, what = _convert_numbers(rows, kinds, numbers, dataset.size_unit, off_step)
    if bad.any():
        first = int(np.argmax(bad))
        checker.notice("unreadable", pl.Series(numbers[bad]), what[first])
        rows, kinds, numbers, prices, sizes = rows[~bad], kinds[~bad], numbers[~bad], prices[~bad], sizes[~bad]
    if not len(rows):
        raise checker.make_no_rows_error()
    off_step.refuse(sizes[kinds == _TRADE])
    has_book = np.isin(kinds, (_CLEAR, _SNAPSHOT)).any()
    if not has_book and checker.policy.no_snapshot == "raise":
        checker.notice("no_snapshot", pl.Series(numbers), "an update without a snapshot")
    messages = _make_messages(rows, kinds, numbers, prices, sizes)
    levels = dataset.levels or _DEFAULT_LEVELS
    events = build_from_levels(messages, levels, checker, dataset.tick)
    if not (events["bid_px_00"].is_not_null() & events["ask_px_00"].is_not_null()).any():
        sides = [name for name, bit in (("bids", _BUY), ("asks", _SELL)) if ((rows["ev"] & np.uint64(bit)) != 0).any()]
        raise DataError(
            f"{blob.name}: this hftbacktest array contains {' and '.join(sides) or 'no sides'} and no snapshot from "
            f"which both best prices would be known (dataset.tick={dataset.tick:g}), so the book is unknown: give the "
            "file with the snapshot (DEPTH_SNAPSHOT_EVENT), or check dataset.tick."
        )
    events, off = off_step.settle(events, levels)
    symbol, named = _find_symbol(blob.name, dataset.symbols)
    yield Feed(symbol, events, levels, n_rows, checker, notes=(*notes, *named, *off))


def _read_array(blob: Blob) -> Array:
    """Read the array. Raises DataError for a damaged file, one with objects, and another array."""
    try:
        if blob.content.startswith(b"PK"):
            with zipfile.ZipFile(io.BytesIO(blob.content)) as archive:
                size = sum(info.file_size for info in archive.infolist())
            if size > MAX_MEMBER or size > max(1 << 30, 200 * len(blob.content)):
                raise DataError(f"{blob.name} unpacks to {size} bytes, which market data never does: fetch it again.")
        loaded = np.load(io.BytesIO(blob.content), allow_pickle=False)
        array: Any = loaded
        if isinstance(loaded, np.lib.npyio.NpzFile):
            names = loaded.files
            name = "data" if "data" in names else names[0] if len(names) == 1 else None
            if name is None:
                raise DataError(f"{blob.name} contains the arrays {', '.join(names):.100}, and none named data.")
            array = loaded[name]
    except DataError:
        raise
    except Exception as error:  # numpy and zlib raise exceptions of many types for damage
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(f"{blob.name} is no npz or npy of hftbacktest, or damaged ({reason:.200}).") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{blob.name} is no npz or npy of hftbacktest: it contains other files.")
    if array.dtype.names is None and array.ndim == 2:
        raise DataError(
            f"{blob.name} is an array of {array.shape[1]} columns without names, as hftbacktest 1 wrote: convert it "
            "with hftbacktest.data.utils.migration2."
        )
    kinds = {name: array.dtype[name].str[1:] for name in array.dtype.names or ()}
    absent = [name for name, kind in _COLUMNS.items() if kinds.get(name) != kind]
    if absent or array.ndim != 1:
        raise DataError(
            f"{blob.name} is not an array of hftbacktest's events: the column {absent[0] if absent else 'ev'} is "
            f"missing or of another type; it needs {', '.join(_COLUMNS)}."
        )
    if not len(array):
        raise DataError(f"{blob.name} is empty: give a file with events.")
    return array


def _convert_numbers(
    rows: Array, kinds: Int64, numbers: Int64, size_unit: float, off_step: OffStepSizes
) -> tuple[Int64, Int64, NDArray[np.bool_], list[str]]:
    """Return prices in 1e-9, sizes in lots, the mask of unreadable rows, and the fault of each row (or "")."""
    px, qty = rows["px"], rows["qty"]
    needs = kinds != _CLEAR
    with np.errstate(invalid="ignore", over="ignore"):
        units, lots = px * PRICE_SCALE, qty / size_unit
        whole_units, whole_lots = np.round(units), np.round(lots)
        good_price = (px > 0) & (px <= MAX_PRICE) & (np.abs(units - whole_units) <= units * 2e-15)
        is_size = (qty >= 0) & (lots <= MAX_SIZE)
        on_step = np.abs(lots - whole_lots) <= np.abs(lots) * 2e-15
    free = ~needs & ~(px > 0)  # a clear without a price clears the side
    prices = np.where(good_price, whole_units, 0).astype(np.int64)
    sizes = np.where(is_size & on_step & needs, whole_lots, 0).astype(np.int64)
    off = is_size & ~on_step & good_price & needs
    if off.any():
        at = np.flatnonzero(off)
        cells = [text for i in at for text in (f"{px[i]:.12g}", np.format_float_positional(qty[i], trim="-"))]
        codes = np.full(len(at), decimals.TOO_FINE)
        off_step.encode(codes, cells, numbers[at], np.arange(len(at)), prices[at])
        sizes[at] = codes
    side = rows["ev"] & np.uint64(_BUY | _SELL)
    faults = [
        (~np.isin(kinds, _KINDS), "column ev: the event {ev:#x} is unknown"),
        ((kinds != _TRADE) & needs & ((side == 0) | (side == _BUY | _SELL)), "column ev: {ev:#x} has no side"),
        (~good_price & ~free, "column px: {px!r} is not a price up to 4,600,000,000 with at most 9 decimals"),
        (~is_size & needs, "column qty: {qty!r} is not a size"),
    ]
    for name in ("exch_ts", "local_ts"):
        wrong = (rows[name] < 0) | (rows[name] > LATEST)
        faults.append((wrong, f"column {name}: {{{name}!r}} is not a time in ns"))
    bad = np.logical_or.reduce([mask for mask, _ in faults])
    what = [""] * len(rows)
    if bad.any():
        first = int(np.argmax(bad))
        row = {name: rows[name][first].item() for name in _COLUMNS}
        what[first] = next(text for mask, text in faults if mask[first]).format(**row)
    return prices, sizes, bad, what


def _make_messages(rows: Array, kinds: Int64, numbers: Int64, prices: Int64, sizes: Int64) -> pl.DataFrame:
    """Make the messages of the book builder: a row per event, after a first one that forgets the book."""
    event, recv = rows["exch_ts"], rows["local_ts"]
    buy, sell = ((rows["ev"] & np.uint64(bit)) != 0 for bit in (_BUY, _SELL))
    trade, clear = kinds == _TRADE, kinds == _CLEAR
    states = clear | (kinds == _SNAPSHOT)
    # The levels of one message have the same times; a trade is a message of its own.
    same = (event[1:] == event[:-1]) & (recv[1:] == recv[:-1]) & ~trade[1:] & ~trade[:-1] & (states[1:] == states[:-1])
    end = np.append(~same, True)
    group = np.cumsum(np.append(True, ~same)) - 1
    stated = states.astype(bool)
    side = np.where(buy & ~sell, kernel.BID, np.where(sell & ~buy, kernel.ASK, kernel.NO_SIDE))
    op = np.where(trade, kernel.KEEP, kernel.SET)
    through = clear & (prices > 0) & (side != kernel.NO_SIDE)
    op = np.where(clear, np.where(through, ladder.CLEAR_THROUGH, kernel.CLEAR), op)
    # The first snapshot makes the book known: it replaces what the updates before it have set.
    first_state = group == (group[np.argmax(stated)] if stated.any() else -1)
    opens = first_state & np.append(True, group[1:] != group[:-1])
    show = np.where(trade | (end & stated), kernel.ALWAYS, np.where(end, kernel.IF_CHANGED, kernel.NEVER))
    words = np.where(trade & (side == kernel.NO_SIDE), 0, np.where(side == kernel.BID, 2, np.where(side == 0, 1, 0)))
    table = pl.DataFrame(
        {
            "line": numbers.astype(np.uint32),
            "ts_event": pl.Series(event.astype(np.int64)).cast(TIME),
            "ts_recv": pl.Series(recv.astype(np.int64)).cast(TIME),
            "action": pl.Series(["M", "T"], dtype=ACTION)[trade.astype(np.int64)],
            "side": pl.Series(["N", "A", "B"], dtype=SIDE)[words.astype(np.int64)],
            "price": prices,
            "size": sizes,
            "flags": (np.where(end, F_LAST, 0) | np.where(end & stated, F_SNAPSHOT, 0)).astype(np.uint8),
            "sequence": group.astype(np.int64),
            "op": op.astype(np.uint8),
            "op_side": side.astype(np.uint8),
            "order": pl.Series([None], dtype=pl.UInt64).new_from_index(0, len(rows)),
            "show": show.astype(np.uint8),
        }
    ).select(list(MESSAGE_COLUMNS))
    resets = table.filter(pl.Series(opens)).with_columns(
        op=pl.lit(kernel.CLEAR, pl.UInt8), op_side=pl.lit(kernel.NO_SIDE, pl.UInt8),
        show=pl.lit(kernel.NEVER, pl.UInt8), flags=pl.lit(0, pl.UInt8),
    )  # fmt: skip
    start = table.head(1).with_columns(
        op=pl.lit(ladder.FORGET, pl.UInt8), op_side=pl.lit(kernel.NO_SIDE, pl.UInt8),
        show=pl.lit(kernel.NEVER, pl.UInt8), flags=pl.lit(0, pl.UInt8),
    )  # fmt: skip
    place = np.concatenate([[-1], 2 * np.flatnonzero(opens), 2 * np.arange(len(rows)) + 1])
    return pl.concat([start, resets, table])[np.argsort(place, kind="stable")]


def _find_symbol(name: str, wanted: list[str] | None) -> tuple[str, list[str]]:
    if wanted is not None and len(wanted) == 1:
        return wanted[0], []
    match = re.search(r"[A-Za-z0-9]+", name)
    symbol = match[0].upper() if match else "BOOK"
    return symbol, [f"the file does not state its symbol, so {symbol} is from its name: see dataset.symbols"]

"""From hftbacktest's arrays of events to events with a book."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import FileDataset
from ofiml.data.book import kernel, ladder
from ofiml.data.book.build import MESSAGE_COLUMNS
from ofiml.data.book.levels import build_from_levels
from ofiml.data.checks import Checker
from ofiml.data.feed import Blob, Feed
from ofiml.data.formats.off_step import OffStepSizes
from ofiml.data.parts import find_breaks, stack_checkers
from ofiml.data.readers.hftbacktest.arrays import (
    BBO,
    BUY,
    CLEAR,
    LOCAL,
    SELL,
    SNAPSHOT,
    TRADE,
    Array,
    convert_numbers,
    read_array,
)
from ofiml.data.schema import ACTION, F_LAST, F_SNAPSHOT, SIDE, TIME, Int64
from ofiml.errors import DataError

_DEFAULT_LEVELS = 10
_ORDERS = range(10, 14)  # events of single orders


@dataclass(slots=True)
class _Rows:
    """The used rows (n,) of a recording: the array, their kinds, line numbers, prices in 1e-9 and sizes in lots.

    `begins` marks the first row of each file.
    """

    array: Array
    kinds: Int64
    numbers: Int64
    prices: Int64
    sizes: Int64
    begins: NDArray[np.bool_]


def read_feeds(files: Sequence[Blob], dataset: FileDataset) -> Iterator[Feed]:
    """Yield the events of a recording in one or more files, as they were received.

    Raises DataError for another array, events of orders, and rows that the policy refuses. A book that never becomes
    known is the feed's fault.
    """
    off_step = OffStepSizes(dataset.size_unit, place="row")
    parts: list[_Rows] = []
    checkers: list[Checker] = []
    totals: list[int] = []
    n_ignored = 0
    for blob in files:
        checker = Checker(blob.name, dataset.policy, place="row")
        off_step.source, off_step.before = blob.name, sum(totals)
        rows, total, ignored = _read_rows(blob, dataset, checker, off_step)
        parts.append(rows)
        checkers.append(checker)
        totals.append(total)
        n_ignored += ignored
    checker = stack_checkers(checkers, totals)
    rows = _stack_rows(parts)
    if not len(rows.kinds):
        raise checker.make_no_rows_error()
    notes = [f"rows ignored: {n_ignored} (without LOCAL_EVENT, or best quotes)"] if n_ignored else []
    off_step.refuse(rows.sizes[rows.kinds == TRADE])
    has_book = np.isin(rows.kinds, (CLEAR, SNAPSHOT)).any()
    if not has_book and checker.policy.no_snapshot == "raise":
        checker.notice("no_snapshot", pl.Series(rows.numbers), "an update without a snapshot")
    levels = dataset.levels or _DEFAULT_LEVELS
    events = build_from_levels(_make_messages(rows, checker), levels, checker, dataset.tick)
    events, off = off_step.settle(events, levels)
    (symbol, named), *others = (_find_symbol(blob.name, dataset.symbols) for blob in files)
    if any(other != symbol for other, _ in others):
        raise DataError(
            f"{checker.source} are of several symbols, by their names: give the files of one in dataset.path."
        )
    yield Feed(
        symbol,
        events,
        levels,
        sum(totals),
        checker,
        notes=(*notes, *named, *off),
        fault=_explain_unknown_book(events, rows.array, checker.source, dataset.tick),
    )


def _explain_unknown_book(events: pl.DataFrame, array: Array, source: str, tick: float) -> str | None:
    """Explain that no event shows both best prices; None if one does."""
    if (events["bid_px_00"].is_not_null() & events["ask_px_00"].is_not_null()).any():
        return None
    sides = [name for name, bit in (("bids", BUY), ("asks", SELL)) if ((array["ev"] & np.uint64(bit)) != 0).any()]
    return (
        f"{source}: this hftbacktest array contains {' and '.join(sides) or 'no sides'} and no snapshot from "
        f"which both best prices would be known (dataset.tick={tick:g}), so the book is unknown: give the "
        "file with the snapshot (DEPTH_SNAPSHOT_EVENT), or check dataset.tick."
    )


def _read_rows(blob: Blob, dataset: FileDataset, checker: Checker, off_step: OffStepSizes) -> tuple[_Rows, int, int]:
    """Read the rows of one file, numbered through all files; return the numbers of all and of ignored rows too."""
    array = read_array(blob)
    kinds = (array["ev"] & np.uint64(0xFF)).astype(np.int64)
    if np.isin(kinds, _ORDERS).any():
        raise DataError(f"{blob.name} contains events of single orders (ADD_ORDER_EVENT), which are not supported.")
    total = len(array)
    numbers = np.arange(1, total + 1) + off_step.before
    local = (array["ev"] & np.uint64(LOCAL)) != 0
    used = (local | ~local.any()) & (kinds != BBO)
    array, kinds, numbers = array[used], kinds[used], numbers[used]
    prices, sizes, bad, what = convert_numbers(array, kinds, numbers, dataset.size_unit, off_step)
    if bad.any():
        first = int(np.argmax(bad))
        checker.notice("unreadable", pl.Series(numbers[bad] - off_step.before), what[first])
    good = ~bad
    begins = np.arange(int(good.sum())) == 0
    return (
        _Rows(array[good], kinds[good], numbers[good], prices[good], sizes[good], begins),
        total,
        int((~used).sum()),
    )


def _stack_rows(parts: Sequence[_Rows]) -> _Rows:
    if len(parts) == 1:
        return parts[0]
    names = ("array", "kinds", "numbers", "prices", "sizes", "begins")
    return _Rows(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _make_messages(used: _Rows, checker: Checker) -> pl.DataFrame:
    """Make the messages of the book builder: a row per event, after a first one that forgets the book.

    A file that begins after a long pause forgets it too. Raises DataError if the policy of `gap` does.
    """
    rows, kinds, numbers = used.array, used.kinds, used.numbers
    event, recv = rows["exch_ts"], rows["local_ts"]
    buy, sell = ((rows["ev"] & np.uint64(bit)) != 0 for bit in (BUY, SELL))
    trade, clear = kinds == TRADE, kinds == CLEAR
    states = clear | (kinds == SNAPSHOT)
    breaks = np.zeros(len(kinds), bool)
    breaks[find_breaks(numbers, recv, checker)] = True
    # The levels of one message have the same times; a trade is a message of its own.
    same = (event[1:] == event[:-1]) & (recv[1:] == recv[:-1]) & ~trade[1:] & ~trade[:-1] & (states[1:] == states[:-1])
    end = np.append(~same, True)
    group = np.cumsum(np.append(True, ~same)) - 1
    side = np.where(buy & ~sell, kernel.BID, np.where(sell & ~buy, kernel.ASK, kernel.NO_SIDE))
    op = np.where(trade, kernel.KEEP, kernel.SET)
    through = clear & (used.prices > 0) & (side != kernel.NO_SIDE)
    op = np.where(clear, np.where(through, ladder.CLEAR_THROUGH, kernel.CLEAR), op)
    # The first snapshot makes the book known: it replaces what the updates before it have set. So does a snapshot with
    # which a file begins; a clear there says by itself what it removes.
    opens = np.append(True, group[1:] != group[:-1]) & (group == (group[np.argmax(states)] if states.any() else -1))
    opens |= used.begins & (kinds == SNAPSHOT) & np.append(True, ~same)
    forgets = breaks & ~opens
    stated = states | np.isin(group, group[breaks])  # after a gap the message states what is known
    show = np.where(trade | (end & stated), kernel.ALWAYS, np.where(end, kernel.IF_CHANGED, kernel.NEVER))
    words = np.where(trade & (side == kernel.NO_SIDE), 0, np.where(side == kernel.BID, 2, np.where(side == 0, 1, 0)))
    table = pl.DataFrame(
        {
            "line": numbers.astype(np.uint32),
            "ts_event": pl.Series(event.astype(np.int64)).cast(TIME),
            "ts_recv": pl.Series(recv.astype(np.int64)).cast(TIME),
            "action": pl.Series(["M", "T"], dtype=ACTION)[trade.astype(np.int64)],
            "side": pl.Series(["N", "A", "B"], dtype=SIDE)[words.astype(np.int64)],
            "price": used.prices,
            "size": used.sizes,
            "flags": (np.where(end, F_LAST, 0) | np.where(end & stated, F_SNAPSHOT, 0)).astype(np.uint8),
            "sequence": group.astype(np.int64),
            "op": op.astype(np.uint8),
            "op_side": side.astype(np.uint8),
            "order": pl.Series([None], dtype=pl.UInt64).new_from_index(0, len(rows)),
            "show": show.astype(np.uint8),
        }
    ).select(list(MESSAGE_COLUMNS))
    # Rows that empty the book, or forget it, stand before others.
    forgets[0] = True
    at = np.concatenate([np.flatnonzero(forgets), np.flatnonzero(opens)])
    operation = np.repeat([ladder.FORGET, kernel.CLEAR], [int(forgets.sum()), int(opens.sum())])
    resets = table[at].with_columns(
        op=pl.Series(operation.astype(np.uint8)), op_side=pl.lit(kernel.NO_SIDE, pl.UInt8),
        show=pl.lit(kernel.NEVER, pl.UInt8), flags=pl.lit(0, pl.UInt8),
    )  # fmt: skip
    place = np.concatenate([2 * at, 2 * np.arange(len(rows)) + 1])
    return pl.concat([resets, table])[np.argsort(place, kind="stable")]


def _find_symbol(name: str, wanted: list[str] | None) -> tuple[str, list[str]]:
    if wanted is not None and len(wanted) == 1:
        return wanted[0], []
    words = re.findall(
        r"[A-Za-z0-9]*[A-Za-z][A-Za-z0-9]*", re.sub(r"(\.np[yz])?(\.gz|\.zst)?$", "", name, flags=re.IGNORECASE)
    )
    if not words:
        raise DataError(
            f"{name}: neither the file nor its name states the symbol: name it, as in dataset.symbols=[BTCUSDT]."
        )
    symbol = words[0].upper()
    return symbol, [f"the file does not state its symbol, so {symbol} is from its name: see dataset.symbols"]

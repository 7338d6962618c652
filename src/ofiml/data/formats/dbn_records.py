"""Layouts of DBN records, and the records of one schema in a file that a live client wrote.

A live client writes control records between the market data: the symbol of each instrument (type 22), messages of the
gateway (23) and its errors (21). They are recognised by their type and by the length that the type has.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ofiml.data.feed import Blob
from ofiml.errors import DataError

MBP_1, MBP_10, MBO = 1, 10, 160
CMBP_1, CBBO_1S, CBBO_1M, TCBBO, BBO_1S, BBO_1M = 177, 192, 193, 194, 195, 196
LEVELS = {MBP_1: 1, MBP_10: 10, CMBP_1: 1, TCBBO: 1, CBBO_1S: 1, CBBO_1M: 1, BBO_1S: 1, BBO_1M: 1}
INTERVALS = (BBO_1S, BBO_1M, CBBO_1S, CBBO_1M)  # a record states the book at the end of an interval
CONSOLIDATED = (CMBP_1, TCBBO, CBBO_1S, CBBO_1M)  # the best quotes over several venues
SUPPORTED = "MBO, MBP-1, TBBO, MBP-10, BBO, CMBP-1, CBBO and TCBBO"
_SCHEMAS = {0: "trades", 1: "MBP-1", 10: "MBP-10", 18: "status", 19: "definitions", 20: "imbalance", 21: "errors",
            22: "symbol mappings", 23: "system messages", 24: "statistics", 32: "OHLCV", 33: "OHLCV", 34: "OHLCV",
            35: "OHLCV", 36: "OHLCV", 160: "MBO", 177: "CMBP-1", 192: "CBBO", 193: "CBBO", 194: "TCBBO", 195: "BBO",
            196: "BBO"}  # fmt: skip
_ERROR, _MAPPING, _SYSTEM = 21, 22, 23
# The lengths of control records: in version 1, and later.
_CONTROL_LENGTHS = {_ERROR: (80, 320), _MAPPING: (80, 176), _SYSTEM: (80, 320)}
# Where a mapping has the requested symbol and the resolved one, by its length.
_SYMBOL_BYTES = {80: (slice(16, 38), slice(38, 60)), 176: (slice(17, 88), slice(89, 160))}
_HEAD_BYTES = 16  # of every record
_BLOCK_RECORDS = 1 << 16  # searched at a time for the next control record

_HEAD = [("length", "u1"), ("rtype", "u1"), ("publisher_id", "<u2"), ("instrument_id", "<u4"), ("ts_event", "<u8")]
_MBO = [
    *_HEAD, ("order_id", "<u8"), ("price", "<i8"), ("size", "<u4"), ("flags", "u1"), ("channel_id", "u1"),
    ("action", "u1"), ("side", "u1"), ("ts_recv", "<u8"), ("ts_in_delta", "<i4"), ("sequence", "<u4"),
]  # fmt: skip
_MBP = [
    *_HEAD, ("price", "<i8"), ("size", "<u4"), ("action", "u1"), ("side", "u1"), ("flags", "u1"), ("depth", "u1"),
    ("ts_recv", "<u8"), ("ts_in_delta", "<i4"), ("sequence", "<u4"),
]  # fmt: skip
_UNUSED = {"length", "rtype", "channel_id", "depth", "ts_in_delta", "ts_out"}


def make_record_dtype(rtype: int, *, ts_out: bool = False) -> np.dtype:
    """Make the layout of a record of MBO, or of a schema in LEVELS (MBP_1 is also TBBO's)."""
    fields = _MBO if rtype == MBO else [*_list_fields(rtype), *_list_level_fields(rtype)]
    return np.dtype([*fields, ("ts_out", "<u8")] if ts_out else fields)


def _list_fields(rtype: int) -> list[tuple[str, str]]:
    reserved = {}
    if rtype in INTERVALS:
        reserved = {"action": "_reserved1", "depth": "_reserved2", "ts_in_delta": "_reserved3"}
    elif rtype in CONSOLIDATED:
        reserved = {"depth": "_reserved1"}
    if rtype in CONSOLIDATED:
        reserved["sequence"] = "_reserved4"
    return [(reserved.get(name, name), dtype) for name, dtype in _MBP]


def _list_level_fields(rtype: int) -> list[tuple[str, str]]:
    quantities: tuple[tuple[str, str], ...] = (("px", "<i8"), ("sz", "<u4"), ("ct", "<u4"))
    if rtype in CONSOLIDATED:
        quantities = (("px", "<i8"), ("sz", "<u4"), ("pb", "<u4"))  # the venue: 2 bytes, and 2 reserved ones
    return [(f"{side}_{q}_{m:02d}", t) for m in range(LEVELS[rtype]) for q, t in quantities for side in ("bid", "ask")]


def is_used(name: str) -> bool:
    """Return whether a field of a record is a column of its table."""
    return name not in _UNUSED and name[0] != "_"


def describe_type(rtype: int) -> str:
    """Describe records of a type, for a message."""
    return f"records of type {rtype} ({_SCHEMAS.get(rtype, 'unknown')})"


@dataclass(slots=True)
class Records:
    """The records of one schema: the structured array `rows` (n,), and the number in the file of each, from 1.

    `symbols` has, by instrument, the numbers of the mapping records in the file and the symbols that they state;
    `errors` the gateway's messages about errors.
    """

    rtype: int
    rows: NDArray[Any]
    numbers: NDArray[np.int64]
    symbols: dict[int, list[tuple[int, str]]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


def read_records(blob: Blob, start: int, *, ts_out: bool) -> Records:
    """Read the records from byte `start` on. Raises DataError for records of several schemas and for damaged ones."""
    raw = blob.content
    if len(raw) < start + _HEAD_BYTES:
        raise DataError(f"{blob.name} contains no records: give a file with records.")
    rtype = raw[start + 1]
    if rtype not in _CONTROL_LENGTHS:
        layout = _require_layout(blob, rtype, ts_out)
        count, rest = divmod(len(raw) - start, layout.itemsize)
        rows = np.frombuffer(raw, layout, count, start)
        foreign = _find_foreign(rows, rtype)
        if foreign is None and not rest:
            return Records(rtype, rows, np.arange(1, count + 1))
        at = start + (count if foreign is None else foreign) * layout.itemsize
        if at + 2 > len(raw) or raw[at + 1] not in _CONTROL_LENGTHS:
            raise _explain(blob, at, (at - start) // layout.itemsize + 1, rtype, layout.itemsize)
    return _read_mixed(blob, start, ts_out)


def _read_mixed(blob: Blob, start: int, ts_out: bool) -> Records:
    """Read the records of a schema among control records."""
    raw, at, number = blob.content, start, 1
    rtype, layout = None, np.dtype([])
    parts: list[bytes] = []
    numbers: list[NDArray[np.int64]] = []
    records = Records(0, np.empty(0), np.empty(0, np.int64))
    while at < len(raw):
        if len(raw) - at < _HEAD_BYTES:
            raise _explain(blob, at, number, raw[start + 1], _HEAD_BYTES)
        kind = raw[at + 1]
        if kind in _CONTROL_LENGTHS:
            at = _take_control(blob, at, number, records)
            number += 1
            continue
        if rtype is None:
            rtype, layout = kind, _require_layout(blob, kind, ts_out)
        count = _count_alike(raw, at, rtype, layout)
        if count == 0:
            raise _explain(blob, at, number, rtype, layout.itemsize)
        parts.append(raw[at : at + count * layout.itemsize])
        numbers.append(np.arange(number, number + count))
        at, number = at + count * layout.itemsize, number + count
    if rtype is None:
        raise DataError(
            f"{blob.name} contains only control records of a live client and no market data: give another file."
        )
    rows = np.frombuffer(b"".join(parts), layout)
    return Records(rtype, rows, np.concatenate(numbers), records.symbols, records.errors)


def _require_layout(blob: Blob, rtype: int, ts_out: bool) -> np.dtype:
    if rtype != MBO and rtype not in LEVELS:
        raise DataError(f"{blob.name} contains {describe_type(rtype)}; supported are {SUPPORTED}.")
    return make_record_dtype(rtype, ts_out=ts_out)


def _find_foreign(rows: NDArray[Any], rtype: int) -> int | None:
    """Find the first record of another type or length."""
    foreign = (rows["rtype"] != rtype) | (rows["length"] != rows.itemsize // 4)
    return int(foreign.argmax()) if foreign.any() else None


def _count_alike(raw: bytes, at: int, rtype: int, layout: np.dtype) -> int:
    """Count the records of one type from byte `at` on."""
    whole, count = (len(raw) - at) // layout.itemsize, 0
    while count < whole:
        block = min(_BLOCK_RECORDS, whole - count)
        foreign = _find_foreign(np.frombuffer(raw, layout, block, at + count * layout.itemsize), rtype)
        if foreign is not None:
            return count + foreign
        count += block
    return count


def _take_control(blob: Blob, at: int, number: int, records: Records) -> int:
    """Take in a control record; return the byte after it."""
    raw = blob.content
    rtype, length = raw[at + 1], 4 * raw[at]
    where = f"{blob.name}, record {number} (byte {at})"
    if length not in _CONTROL_LENGTHS[rtype]:
        lengths = " or ".join(map(str, _CONTROL_LENGTHS[rtype]))
        raise DataError(
            f"{where}, field length: {length} bytes where {describe_type(rtype)} have {lengths}; fetch the file again."
        )
    if at + length > len(raw):
        raise _explain(blob, at, number, rtype, length)
    record = raw[at : at + length]
    if rtype == _MAPPING:
        requested, resolved = (_read_symbol(record[part], where) for part in _SYMBOL_BYTES[length])
        # The resolved name is an instrument's own unless it is only its number.
        symbol = requested if not resolved or resolved.isdecimal() else resolved
        if not symbol:
            raise DataError(f"{where}: the symbol mapping has no symbol; fetch the file again.")
        records.symbols.setdefault(int.from_bytes(record[4:8], "little"), []).append((number, symbol))
    elif rtype == _ERROR:
        text = record[16:].split(b"\0")[0].decode("ascii", "replace")
        records.errors.append("".join(c if c.isprintable() else "?" for c in text)[:200])
    return at + length


def _read_symbol(cell: bytes, where: str) -> str:
    text = cell.split(b"\0")[0].decode("ascii", "replace").strip()
    if not text.isprintable() or "\ufffd" in text:
        raise DataError(f"{where}: the symbol {text!r} of the symbol mapping is damaged; fetch the file again.")
    return text


def _explain(blob: Blob, at: int, number: int, usual: int, itemsize: int) -> DataError:
    """Explain why there is no record of the `usual` type and of `itemsize` bytes at byte `at`."""
    raw, where = blob.content, f"{blob.name}, record {number} (byte {at})"
    rest = len(raw) - at
    if rest >= 2 and raw[at + 1] != usual and rest >= min(itemsize, max(4 * raw[at], 16)):
        return DataError(
            f"{where}: {describe_type(raw[at + 1])} among {describe_type(usual)}; keep one schema per file, or fetch "
            "it again."
        )
    if rest < itemsize:
        return DataError(
            f"{blob.name} ends inside record {number} (byte {at}), after {rest} of its {itemsize} bytes: it is cut "
            "short, or mixes record types; fetch it again."
        )
    length = 4 * raw[at]
    return DataError(
        f"{where}, field length: {length} bytes where {describe_type(usual)} have {itemsize}; fetch the file again."
    )


def list_symbols(records: Records) -> Iterator[tuple[int, NDArray[np.int64], list[str]]]:
    """Yield each mapped instrument, the first record that each of its symbols holds for, and the symbols.

    A symbol holds from its mapping on; the first one also before it.
    """
    for instrument, stated in records.symbols.items():
        distinct = [one for k, one in enumerate(stated) if k == 0 or one[1] != stated[k - 1][1]]
        yield instrument, np.array([number for number, _ in distinct], np.int64), [symbol for _, symbol in distinct]

"""Databento Binary Encoding (DBN): bytes to columns and back.

Layout: https://databento.com/docs/standards-and-conventions/databento-binary-encoding

A file is `DBN`, the version (1-3), the length of the metadata, the metadata, and the records, little-endian and packed.
MBO and MBP records have the same layout in all versions. The package databento-dbn reads and writes the metadata. The
records are a structured numpy array over the file's bytes, copied once.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import databento_dbn
import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.data.feed import Blob
from ofiml.data.schema import ACTION, SIDE
from ofiml.errors import DataError

MAGIC = b"DBN"
UNDEF_SIZE = 2**32 - 1
MBO, MBP_1, MBP_10 = 160, 1, 10
LEVELS = {MBP_1: 1, MBP_10: 10}
_VERSIONS = (1, 2, 3)
_SCHEMAS = {0: "trades", 1: "MBP-1", 10: "MBP-10", 18: "status", 19: "definitions", 20: "imbalance", 21: "errors",
            22: "symbol mappings", 23: "system messages", 24: "statistics", 32: "OHLCV", 33: "OHLCV", 34: "OHLCV",
            35: "OHLCV", 36: "OHLCV", 160: "MBO", 177: "CMBP-1", 192: "CBBO", 193: "CBBO", 194: "TCBBO", 195: "BBO",
            196: "BBO"}  # fmt: skip
# Records copied at a time, few enough to stay in the processor's cache while each column is copied from them.
_BLOCK_RECORDS = 8192

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


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping of an instrument's number to `symbol`, from the UTC day `start` to before `end` (days since 1970)."""

    instrument_id: int
    symbol: str
    start: int
    end: int


def make_record_dtype(rtype: int, *, ts_out: bool = False) -> np.dtype:
    """Make the layout of an MBO, MBP-1 (also TBBO) or MBP-10 record."""
    fields = _MBO if rtype == MBO else [*_MBP, *(f for m in range(LEVELS[rtype]) for f in _make_level_fields(m))]
    return np.dtype([*fields, ("ts_out", "<u8")] if ts_out else fields)


def _make_level_fields(m: int) -> list[tuple[str, str]]:
    return [
        (f"{side}_{q}_{m:02d}", t) for q, t in (("px", "<i8"), ("sz", "<u4"), ("ct", "<u4")) for side in ("bid", "ask")
    ]


def read_dbn(blob: Blob) -> tuple[int, pl.DataFrame, list[Mapping]]:
    """Read a DBN file; return the record type, one row per record, and the mappings of instrument numbers.

    The frame has `line`, the record's number from 1, and the record's columns: prices int64 with 2^63 - 1 for none,
    sizes and sequence int64, times int64 (negative if undefined). A count of 0 and an unknown action or side are null.
    Raises DataError for another version, a truncated file, and records of several types.
    """
    raw = blob.content
    metadata, start = _read_metadata(blob)
    rtype = raw[start + 1] if len(raw) > start + 1 else None
    if rtype is None:
        raise DataError(f"{blob.name} contains no records: give a file with records.")
    if rtype != MBO and rtype not in LEVELS:
        raise DataError(f"{blob.name} contains {_describe_type(rtype)}; supported are MBO, MBP-1, TBBO and MBP-10.")
    layout = make_record_dtype(rtype, ts_out=metadata.ts_out)
    count, rest = divmod(len(raw) - start, layout.itemsize)
    records = np.frombuffer(raw, layout, count, start)
    foreign = (records["rtype"] != rtype) | (records["length"] != layout.itemsize // 4)
    if foreign.any():
        _refuse_foreign(blob, records, int(foreign.argmax()), start)
    if rest:
        at = start + count * layout.itemsize
        raise DataError(
            f"{blob.name} ends inside record {count + 1} (byte {at}), after {rest} of its {layout.itemsize} bytes: "
            "it is cut short, or mixes record types; fetch it again."
        )
    return rtype, _copy_columns(records), _list_mappings(blob, metadata)


def resolve_symbols(frame: pl.DataFrame, mappings: list[Mapping], source: str) -> pl.DataFrame:
    """Add `symbol`: the mapping of the instrument's number on the UTC day of `ts_recv`, or the number itself.

    Raises DataError, with `source` as the file, if a number maps to two symbols on one day.
    """
    days = pl.col("ts_recv") // (86_400 * 1_000_000_000)
    used = frame.select("instrument_id", days.alias("day"))
    pairs = (
        used.unique(maintain_order=True) if used.select(_is_varying("instrument_id", "day")).item() else used.head(1)
    )
    of_number: dict[int, list[Mapping]] = {}
    for m in mappings:
        of_number.setdefault(m.instrument_id, []).append(m)
    names = [_find_symbol(i, day, of_number.get(i, []), source) for i, day in pairs.iter_rows()]
    if pairs.height == 1:
        return frame.with_columns(pl.lit(names[0]).alias("symbol"))
    known = pairs.with_columns(pl.Series("symbol", names, pl.String))
    joined = used.join(known, on=["instrument_id", "day"], how="left", maintain_order="left")
    return frame.with_columns(joined["symbol"])


def encode_dbn(session: tuple[str, str, str], columns: dict[str, NDArray[Any]]) -> bytes:
    """Encode an MBP-10 file, version 3, of one instrument; `session` is its symbol and its first and last UTC day.

    `columns` are the record's, each (n,); omitted ones are 0. Raises DataError for a symbol that DBN cannot store.
    """
    symbol, first, last = session
    n = len(columns["ts_recv"])
    records = np.zeros(n, make_record_dtype(MBP_10))
    records["length"], records["rtype"], records["instrument_id"] = records.itemsize // 4, MBP_10, 1
    for name, values in columns.items():
        records[name] = values
    start = dt.date.fromisoformat(first)
    interval = _Interval(start, dt.date.fromisoformat(last) + dt.timedelta(days=1), "1")
    try:
        metadata = databento_dbn.Metadata(
            dataset="OFIML",
            start=int(columns["ts_recv"][0]),
            stype_in=databento_dbn.SType.RAW_SYMBOL,  # type: ignore[arg-type]  # its stubs take members for str
            stype_out=databento_dbn.SType.INSTRUMENT_ID,  # type: ignore[arg-type]
            schema=databento_dbn.Schema.MBP_10,  # type: ignore[arg-type]
            symbols=[symbol],
            mappings=[_SymbolMapping(symbol, [interval])],  # type: ignore[list-item]  # only its attributes are read
            ts_out=False,
            version=3,
        )
        return bytes(metadata.encode()) + records.tobytes()
    except (databento_dbn.DBNError, ValueError, OverflowError) as error:
        raise DataError(
            f"{symbol} cannot be written as DBN ({error}): give the symbol a shorter ASCII name."
        ) from error


@dataclass(frozen=True, slots=True)
class _Interval:
    start_date: dt.date
    end_date: dt.date
    symbol: str


@dataclass(frozen=True, slots=True)
class _SymbolMapping:
    raw_symbol: str
    intervals: list[_Interval]


def _read_metadata(blob: Blob) -> tuple[Any, int]:
    """Read the metadata; return it and the first byte of the records."""
    raw = blob.content
    if len(raw) < 8:
        raise DataError(f"{blob.name} ends inside its header, after {len(raw)} of 8 bytes: fetch it again.")
    if raw[3] not in _VERSIONS:
        raise DataError(f"{blob.name} is DBN version {raw[3]}; versions 1 to 3 are supported.")
    end = 8 + int.from_bytes(raw[4:8], "little")
    if end > len(raw):
        raise DataError(f"{blob.name} ends inside its metadata, after {len(raw)} of {end} bytes: fetch it again.")
    try:
        return databento_dbn.Metadata.decode(raw[:end]), end
    except BaseException as error:
        # A panic in the decoder does not derive from Exception. Neither does Ctrl-C, which is raised again.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise DataError(
            f"{blob.name}: its metadata (bytes 8 to {end}) cannot be read ({error}): fetch it again."
        ) from error


def _refuse_foreign(blob: Blob, records: NDArray[Any], index: int, start: int) -> None:
    at, itemsize, first = start + index * records.itemsize, records.itemsize, int(records["rtype"][0])
    where = f"{blob.name}, record {index + 1} (byte {at})"
    rtype, length = int(records["rtype"][index]), 4 * int(records["length"][index])
    foreign, usual = _describe_type(rtype), _describe_type(first)
    if rtype != first:
        raise DataError(f"{where}: {foreign} among {usual}; keep one schema per file, or fetch it again.")
    raise DataError(f"{where}, field length: {length} bytes where {usual} have {itemsize}; fetch the file again.")


def _describe_type(rtype: int) -> str:
    return f"records of type {rtype} ({_SCHEMAS.get(rtype, 'unknown')})"


def _copy_columns(records: NDArray[Any]) -> pl.DataFrame:
    n = len(records)
    names = [name for name in records.dtype.names or () if name not in _UNUSED]
    out: dict[str, NDArray[Any]] = {name: np.empty(n, _choose_dtype(name)) for name in names}
    for first in range(0, n, _BLOCK_RECORDS):
        block = records[first : first + _BLOCK_RECORDS]
        for name, values in out.items():
            part = block[name]
            values[first : first + _BLOCK_RECORDS] = (
                part.view(np.int64) if part.dtype == np.uint64 and name[:3] == "ts_" else part
            )
    frame = pl.DataFrame({name: values for name, values in out.items() if name not in ("action", "side")})
    return frame.with_row_index("line", offset=1).with_columns(
        *(_decode_letters(name, out[name], enum) for name, enum in (("action", ACTION), ("side", SIDE))),
        *(pl.when(pl.col(c) != 0).then(pl.col(c)).alias(c) for c in names if c[4:7] == "ct_"),
    )


def _choose_dtype(name: str) -> type:
    kinds = {"order_id": np.uint64, "action": np.uint8, "side": np.uint8, "flags": np.uint8}
    return np.uint32 if name[4:7] == "ct_" else kinds.get(name, np.int64)


def _decode_letters(name: str, ascii: NDArray[np.uint8], enum: pl.Enum) -> pl.Series:
    """Convert ASCII codes to the enumeration; null for an unknown letter."""
    words = enum.categories.to_list()
    place = np.full(256, len(words), np.uint8)
    for i, letter in enumerate(words):
        place[ord(letter)] = i
    places = pl.Series(name, place[ascii])
    if (ascii_unknown := places == len(words)).any():
        places = pl.select(pl.when(~ascii_unknown).then(places).alias(name)).to_series()
    return places.cat.to(enum)


def _list_mappings(blob: Blob, metadata: Any) -> list[Mapping]:
    """List the mappings, stored as symbols to numbers (Databento's default) or as numbers to symbols."""
    reverse = metadata.stype_out == databento_dbn.SType.RAW_SYMBOL
    mappings = []
    for key, intervals in metadata.mappings.items():
        for i in intervals:
            number, symbol = (key, i["symbol"]) if reverse else (i["symbol"], key)
            if not i["symbol"]:
                continue
            if not number.isdecimal() or not symbol:
                raise DataError(
                    f"{blob.name}: its metadata maps {key!r} to {i['symbol']!r}, neither is an instrument id; "
                    "fetch it with stype_out=instrument_id."
                )
            start, end = ((i[d] - dt.date(1970, 1, 1)).days for d in ("start_date", "end_date"))
            mappings.append(Mapping(int(number), symbol, start, end))
    return mappings


def _find_symbol(instrument_id: int, day: int, mappings: list[Mapping], source: str) -> str:
    names = {m.symbol for m in mappings if m.start <= day < m.end}
    if len(names) > 1:
        date = dt.date.fromordinal(719_163 + day)
        raise DataError(
            f"{source}: the instrument {instrument_id} is both {' and '.join(sorted(names))} on {date}: "
            "fetch one symbol of an instrument per file."
        )
    return names.pop() if names else str(instrument_id)


def _is_varying(*names: str) -> pl.Expr:
    return pl.any_horizontal(pl.col(name).min() != pl.col(name).max() for name in names)

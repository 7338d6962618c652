"""Databento Binary Encoding (DBN): bytes to columns and back.

Layout: https://databento.com/docs/standards-and-conventions/databento-binary-encoding

A file is `DBN`, the version (1-3), the length of the metadata, the metadata, and the records, little-endian and packed.
MBO and MBP records have the same layout in all versions (`dbn_records`). The package databento-dbn reads and writes the
metadata. The records are a structured numpy array over the file's bytes, copied once.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import databento_dbn
import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.data.feed import Blob
from ofiml.data.formats.dbn_records import (
    MBO,
    MBP_1,
    MBP_10,
    Records,
    is_used,
    list_symbols,
    make_record_dtype,
    read_records,
)
from ofiml.data.schema import ACTION, SIDE
from ofiml.errors import DataError

__all__ = ["MAGIC", "MBO", "MBP_1", "MBP_10", "UNDEF_SIZE", "Mapping", "encode_dbn", "make_record_dtype", "read_dbn",
           "resolve_symbols"]  # fmt: skip

MAGIC = b"DBN"
UNDEF_SIZE = 2**32 - 1
_SCHEMAS = {MBP_10: databento_dbn.Schema.MBP_10, MBO: databento_dbn.Schema.MBO}  # that are written
_VERSIONS = (1, 2, 3)
# Records copied at a time, few enough to stay in the processor's cache while each column is copied from them.
_BLOCK_RECORDS = 8192


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping of an instrument's number to `symbol`, from the UTC day `start` to before `end` (days since 1970)."""

    instrument_id: int
    symbol: str
    start: int
    end: int


def read_dbn(blob: Blob) -> tuple[int, str | None, pl.DataFrame, list[Mapping]]:
    """Read a DBN file; return the record type, the schema, one row per record, and the mappings of instrument numbers.

    The frame has `line`, the record's number from 1, and the record's columns: prices int64 with 2^63 - 1 for none,
    sizes and sequence int64, times int64 (negative if undefined). A count of 0 and an unknown action or side are null.
    The schema is the metadata's, None if a live client wrote the file. Then mapping records give `symbol`, null for an
    instrument without one. Raises DataError for another version, a truncated file, and records of several schemas.
    """
    metadata, start = _read_metadata(blob)
    schema = None if metadata.schema is None else str(metadata.schema)
    records = read_records(blob, start, ts_out=metadata.ts_out)
    frame = _copy_columns(records)
    if records.symbols:
        frame = frame.with_columns(_find_live_symbols(records, frame["instrument_id"]))
    return records.rtype, schema, frame, _list_mappings(blob, metadata)


def _find_live_symbols(records: Records, ids: pl.Series) -> pl.Series:
    """Find each record's symbol by the last mapping of its instrument before it, or else the first after it."""
    constant: dict[int, str] = {}
    symbols = None
    for instrument, first, names in list_symbols(records):
        constant[instrument] = names[0]
        if len(names) > 1:
            symbols = symbols if symbols is not None else np.full(len(ids), None, object)
            rows = np.flatnonzero(ids.to_numpy() == instrument)
            held = np.maximum(np.searchsorted(first, records.numbers[rows]) - 1, 0)
            symbols[rows] = np.array(names, object)[held]
    found = ids.replace_strict(constant, default=None, return_dtype=pl.String)
    if symbols is not None:
        found = pl.select(pl.coalesce(pl.lit(pl.Series(symbols, dtype=pl.String)), pl.lit(found))).to_series()
    return found.alias("symbol")


def resolve_symbols(frame: pl.DataFrame, mappings: list[Mapping], source: str) -> pl.DataFrame:
    """Add `symbol`: the mapping of the instrument's number on the UTC day of `ts_recv`, or the number itself.

    A symbol that the frame has already stays.

    Raises DataError, with `source` as the file, if a number maps to two symbols on one day.
    """
    if "symbol" in frame.columns:
        if not frame["symbol"].has_nulls():
            return frame
        named = resolve_symbols(frame.drop("symbol"), mappings, source)["symbol"]
        return frame.with_columns(pl.coalesce("symbol", pl.lit(named)).alias("symbol"))
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


def encode_dbn(session: tuple[str, str, str], columns: dict[str, NDArray[Any]], rtype: int = MBP_10) -> bytes:
    """Encode a file of MBP-10, or of MBO with that `rtype`, version 3, of one instrument.

    `session` is its symbol and its first and last UTC day. `columns` are the record's, each (n,); omitted ones are 0.
    Raises DataError for a symbol that DBN cannot store.
    """
    symbol, first, last = session
    n = len(columns["ts_recv"])
    records = np.zeros(n, make_record_dtype(rtype))
    records["length"], records["rtype"], records["instrument_id"] = records.itemsize // 4, rtype, 1
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
            schema=_SCHEMAS[rtype],  # type: ignore[arg-type]
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


def _copy_columns(records: Records) -> pl.DataFrame:
    n, rows = len(records.rows), records.rows
    names = [name for name in rows.dtype.names or () if is_used(name)]
    out: dict[str, NDArray[Any]] = {name: np.empty(n, _choose_dtype(name)) for name in names}
    for first in range(0, n, _BLOCK_RECORDS):
        block = rows[first : first + _BLOCK_RECORDS]
        for name, values in out.items():
            part = block[name]
            values[first : first + _BLOCK_RECORDS] = (
                part.view(np.int64) if part.dtype == np.uint64 and name[:3] == "ts_" else part
            )
    enums = [(name, enum) for name, enum in (("action", ACTION), ("side", SIDE)) if name in out]
    frame = pl.DataFrame({name: values for name, values in out.items() if name not in ("action", "side")})
    return frame.select(
        pl.Series("line", records.numbers.astype(np.uint32)),
        pl.all(),
        *(_decode_letters(name, out[name], enum) for name, enum in enums),
    ).with_columns(pl.when(pl.col(c) != 0).then(pl.col(c)).alias(c) for c in names if c[4:7] == "ct_")


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

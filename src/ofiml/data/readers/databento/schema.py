"""The schema of a Databento file by its head: DBN's metadata, or the columns of a CSV or Parquet file."""

import struct

from ofiml.data.file_head import FileHead, Recognition

_MAGIC = b"DBN"
_SCHEMAS = (
    "MBO", "MBP-1", "MBP-10", "TBBO", "trades", "OHLCV-1s", "OHLCV-1m", "OHLCV-1h", "OHLCV-1d", "definition",
    "statistics", "status", "imbalance", "OHLCV-eod", "CMBP-1", "CBBO-1s", "CBBO-1m", "TCBBO", "BBO-1s", "BBO-1m",
)  # fmt: skip
_WITHOUT_BOOK = {"trades", "definition", "statistics", "status", "imbalance", *(s for s in _SCHEMAS if "OHLCV" in s)}
_MIXED = 0xFFFF  # a live recording, which does not state its schema
_RTYPES = {0: "trades", 1: "MBP-1", 10: "MBP-10", 160: "MBO", 177: "CMBP-1", 192: "CBBO-1s", 193: "CBBO-1m",
           194: "TCBBO", 195: "BBO-1s", 196: "BBO-1m"}  # fmt: skip
_NO_BOOK = "it has no book: download MBP-10, MBP-1 or MBO of the same days"
_IDS = {"publisher_id", "instrument_id", "rtype"}


def recognise_schema(head: FileHead, *, orders: bool) -> Recognition | None:
    """Recognise a Databento file of orders (MBO), or of any other schema."""
    if head.content.startswith(_MAGIC):
        schema = _read_dbn_schema(head.content)
        if (schema == "MBO") != orders:
            return None
        return Recognition(f"Databento's {schema} as DBN", remedy=_NO_BOOK if schema in _WITHOUT_BOOK else "")
    columns = set(head.header)
    if not {"ts_event", "price", "size"} <= columns or not ({"ts_recv", *_IDS} & columns):
        return None
    has_book = "bid_px_00" in columns
    if ("order_id" in columns and not has_book) != orders:
        return None
    levels = sum(f"bid_px_{m:02d}" in columns for m in range(10))
    of_book = "best quotes (BBO)" if "action" not in columns else f"MBP-{levels}" if levels > 1 else "MBP-1 or TBBO"
    schema = "MBO" if orders else of_book if has_book else "trades"
    return Recognition(
        f"Databento's {schema} ({head.form})",
        () if "symbol" in columns else ("dataset.symbols=[NAME]",),
        sure=bool(columns & _IDS) or not head.columns,  # Parquet in the event schema has the same columns otherwise
        remedy="" if has_book or orders else _NO_BOOK,
    )


def _read_dbn_schema(content: bytes) -> str:
    """Read the schema that DBN's metadata state, or for a live recording the type of its first records."""
    if len(content) < 26:
        return "recording"
    (number,) = struct.unpack_from("<H", content, 24)
    if number == _MIXED:
        start = 8 + struct.unpack_from("<I", content, 4)[0]
        types = set()
        while start + 2 <= len(content) and content[start]:
            types.add(content[start + 1])
            start += 4 * content[start]
        books = [name for rtype, name in _RTYPES.items() if rtype in types]
        return books[-1] if books else "live recording"
    return _SCHEMAS[number] if number < len(_SCHEMAS) else "recording"

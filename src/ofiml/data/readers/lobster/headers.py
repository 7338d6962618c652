"""The header lines that copies of LOBSTER's files have, although LOBSTER writes none.

A first line is a header if none of its cells is a number, or if its cells only number the columns (0, 1, 2 …, as
pandas writes them). Its columns are found by their names, in any order; an index that pandas or R added is ignored.
"""

import re

from ofiml.data.feed import Blob
from ofiml.data.formats import csv as text
from ofiml.errors import DataError

MESSAGE_COLUMNS = ["time", "type", "order_id", "size", "price", "direction"]

_SYNONYMS = {
    "time": {"time", "timestamp", "timesec", "seconds", "times"},
    "type": {"type", "eventtype", "event", "messagetype"},
    "order_id": {"orderid", "id", "order", "oid", "orderreference"},
    "size": {"size", "volume", "shares", "qty", "quantity", "vol"},
    "price": {"price", "px"},
    "direction": {"direction", "side", "dir", "tradedirection", "buysell", "buysellindicator"},
}
_INDEX = {"", "index", "rownames", "row"}  # the names of an added index; pandas reads "" as "Unnamed: 0"
_LEVEL = re.compile(r"(?=[^\d]*(?P<side>ask|bid))(?P<before>[a-z]*)(?P<level>\d+)(?P<after>[a-z]*)")
_SIZES = {"size", "sizes", "sz", "s", "volume", "vol", "v", "qty", "quantity", "q"}
_PRICES = {"price", "prices", "px", "p"}


def name_message_columns(blob: Blob) -> tuple[Blob, list[str] | None]:
    """Return the message file and the names of its columns, as `text.read_side_by_side` takes them.

    A header line is replaced by our names, and the list of names is then None. Raises DataError for fewer columns than
    a message has, and for a header without their names.
    """
    cells = text.read_first_line(blob)
    if not _is_header(cells):
        if len(cells) < len(MESSAGE_COLUMNS):
            raise DataError(f"{blob.name}, line 1: {len(cells)} columns, at least {len(MESSAGE_COLUMNS)} expected.")
        return blob, [*MESSAGE_COLUMNS, *(f"beyond_{i}" for i in range(len(cells) - len(MESSAGE_COLUMNS)))]
    names = _number_columns(cells, MESSAGE_COLUMNS)
    if names is None:
        words = [_normalise(cell) for cell in cells]
        names = [next((n for n, known in _SYNONYMS.items() if word in known), "") for word in words]
    for name in MESSAGE_COLUMNS:
        if names.count(name) != 1:
            count = "no" if name not in names else "more than one"
            raise DataError(
                f"{blob.name}, line 1: a header with {count} column for the {name.replace('_', ' ')} "
                f"({_quote(cells)}): name the columns {', '.join(MESSAGE_COLUMNS)}, or delete the line; "
                "LOBSTER's own files have no header."
            )
    return _replace_header(blob, names), None


def name_book_columns(blob: Blob, levels: int) -> tuple[Blob, list[str] | None]:
    """Return the orderbook file and the names of its columns, as `name_message_columns`.

    Raises DataError if the number of columns does not fit `levels`, the file's levels by its name, and for a header
    that does not name the price and size of each level.
    """
    expected = [f"{c}_{m:02d}" for m in range(levels) for c in ("ask_px", "ask_sz", "bid_px", "bid_sz")]
    cells = text.read_first_line(blob)
    if not _is_header(cells):
        _require_levels(blob, len(cells), levels)
        return blob, expected
    names = _number_columns(cells, expected)
    if names is None:
        found = [_parse_book_column(cell) for cell in cells]
        lowest = min((level for _, level in filter(None, found)), default=0)
        names = ["" if f is None else f"{f[0]}_{f[1] - lowest:02d}" for f in found]
        _require_levels(blob, sum(map(bool, names)), levels)
    if sorted(filter(None, names)) != sorted(expected):
        raise DataError(
            f"{blob.name}, line 1: a header that does not name price and size of ask and bid of {levels} levels "
            f"({_quote(cells)}): name the columns AskPrice1, AskSize1, BidPrice1, BidSize1 …, or delete the line; "
            "LOBSTER's own files have no header."
        )
    return _replace_header(blob, names), None


def _require_levels(blob: Blob, width: int, levels: int) -> None:
    if width % 4:
        raise DataError(f"{blob.name}, line 1: {width} columns, a multiple of 4 expected.")
    if levels != width // 4:
        raise DataError(
            f"{blob.name} has {width // 4} levels, its name states {levels}: the name or the file is wrong."
        )


def _is_header(cells: list[str]) -> bool:
    """Return whether no cell is a number, or all are the numbers of their columns."""
    words = cells[1:] if _normalise(cells[0]) in _INDEX else cells
    return len(words) > 1 and (not any(map(_is_number, words)) or _is_count(words))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return not cell  # a damaged row may have an empty cell, a header has none
    return cell.lower() not in ("nan", "inf", "infinity")


def _is_count(cells: list[str]) -> bool:
    """Return whether the cells count columns: 0, 1, 2 …, V1, V2 …, column_1, column_2 …"""
    parts = [re.fullmatch(r"([A-Za-z_.]*)(\d{1,4})", cell) for cell in cells]
    if not all(parts):
        return False
    numbers = [int(p[2]) for p in parts if p]
    prefixes = {p[1] for p in parts if p}
    first = 0 if prefixes == {""} else min(numbers)  # 1, 2, 3 … could be a row, 0 is no price and no type
    return len(prefixes) == 1 and first in (0, 1) and numbers == list(range(first, first + len(cells)))


def _number_columns(cells: list[str], expected: list[str]) -> list[str] | None:
    """Return the names of columns that are only numbered, in LOBSTER's order; None if they have other names."""
    has_index = _normalise(cells[0]) in _INDEX
    words = cells[1:] if has_index else cells
    if not _is_count(words) or len(words) < len(expected):
        return None
    return [""] * has_index + expected + [""] * (len(words) - len(expected))


def _normalise(cell: str) -> str:
    word = re.sub(r"[^a-z0-9]", "", cell.lower())
    return "" if word == "unnamed0" else word


def _parse_book_column(cell: str) -> tuple[str, int] | None:
    """Parse the name of a book column, such as AskPrice1, ask_size_1, bid_1_price or BIDs1; None for another name."""
    match = _LEVEL.fullmatch(_normalise(cell))
    if match is None or len(match["level"]) > 3:
        return None
    word = re.sub(f"{match['side']}|level|lvl", "", match["before"] + match["after"])
    word = word if word in _SIZES | _PRICES else word[1:]  # asks[0].price, l1_ask_price
    quantity = "px" if word in _PRICES else "sz" if word in _SIZES else None
    return None if quantity is None else (f"{match['side']}_{quantity}", int(match["level"]))


def _replace_header(blob: Blob, names: list[str]) -> Blob:
    """Replace the first line by our names; a column without a name gets one that no reader asks for."""
    header = ",".join(name or f"beyond_{i}" for i, name in enumerate(names))
    _, end, rows = blob.content.partition(b"\n")
    return Blob(blob.name, header.encode() + end + rows)


def _quote(cells: list[str]) -> str:
    return ", ".join(cell[:20] or "''" for cell in cells[:8]) + " …" * (len(cells) > 8)

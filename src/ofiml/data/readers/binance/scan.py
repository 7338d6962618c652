"""The usual lines of a Binance stream in one pass over the bytes; all others are left to the general parser.

Usual are depth updates, trades and best quotes as Binance sends them: compact JSON, bare or with the stream's name,
whose values are all valid. A best quote is only counted, and only after a depth update of its symbol, which it repeats.
A line is left out at its first unusual byte, so that the general parser alone decides about faults. `scan_py` is the
specification, `scan` its njit.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ofiml._numba import compiled
from ofiml.data.formats import decimals
from ofiml.data.formats.csv import MAX_PRICE, MAX_SIZE
from ofiml.data.readers.binance.values import (
    ASKS,
    BEFORE,
    BIDS,
    CLOSE,
    COMMA,
    FIRST,
    HAPPENED,
    KIND,
    LAST,
    LINE,
    MAKER,
    N_COLUMNS,
    NINE,
    OPEN,
    PLACE,
    QUOTED,
    RECV,
    SENT,
    SPACE,
    SYMBOL,
    ZERO,
    encode,
    find_string_end,
    matches,
    parse_decimal,
    parse_object,
    to_integer,
    to_nanoseconds,
)
from ofiml.data.schema import LATEST, Int64
from ofiml.units import PRICE_SCALE

UInt8 = NDArray[np.uint8]
Converted = tuple[Int64, Int64, Int64, Int64]

LEFT_OUT, DEPTH, TRADE, BEST = range(4)  # kinds of lines
FIRST_LINE, FIRST_DEPTH, QUOTES = 2, 3, 4  # columns of a symbol

_MAX_SYMBOLS = 64
_NO_ID = -1
_LF, _CR, _TAB = 10, 13, 9


_WRAP, _DATA, _PARTIAL = (encode(t) for t in ('{"stream":"', '"data":{', "@depth"))
_DEPTH_NAME, _TRADE_NAME, _BEST_NAME = (encode(t) for t in ("depthUpdate", "trade", "bookTicker"))


def _make_key_bits(letters: str) -> int:
    return sum(1 << (ord(c) - 97 if c >= "a" else ord(c) - 65 + 26) for c in letters)


_NAMED, _DEPTH_KEYS, _TRADE_KEYS, _BEST_KEYS, _ID = (_make_key_bits(k) for k in ("e", "suUba", "stpqm", "subaBA", "u"))


def _find_symbol(data: UInt8, start: int, end: int, symbols: Int64, count: int) -> int:
    """Return the number of a symbol among the `count` known ones; `count` if it is new."""
    for k in range(count):
        if symbols[k, 1] - symbols[k, 0] == end - start:
            same = True
            for i in range(end - start):
                if data[symbols[k, 0] + i] != data[start + i]:
                    same = False
                    break
            if same:
                return k
    return count


def _parse_stamp(data: UInt8, at: int, end: int) -> tuple[int, int]:
    """Parse the local time before a message; return it in ns and the place of the message, or -1 for both."""
    start = at
    while at < end and ZERO <= data[at] <= NINE:
        at += 1
    digits = at - start
    if digits > 19 or at >= end or data[at] != SPACE:
        return -1, -1
    if digits < 19:
        return to_nanoseconds(to_integer(data, start, at), digits), at + 1
    tens = to_integer(data, start, at - 1)
    return (tens * 10 + int(data[at - 1]) - ZERO if tens < LATEST // 10 else -1), at + 1


def _open_wrapper(data: UInt8, at: int, end: int) -> int:
    """Return the place of the message in {"stream":"…","data":{…}}; -1 for a partial book and anything else."""
    name = at + len(_WRAP)
    close = find_string_end(data, name, end)
    if close < 0 or close + 1 >= end or data[close + 1] != COMMA or not matches(data, close + 2, end, _DATA):
        return -1
    for k in range(name, close - len(_PARTIAL)):
        if matches(data, k, close, _PARTIAL) and ZERO <= data[k + len(_PARTIAL)] <= NINE:
            return -1
    return close + 1 + len(_DATA)


def _is_named(data: UInt8, spans: Int64, name: UInt8) -> bool:
    return spans[0, 1] - spans[0, 0] == len(name) and matches(data, spans[0, 0], spans[0, 1], name)


def _name_kind(data: UInt8, row: Int64, spans: Int64) -> int:
    """Return the kind of a message by its keys and its name; LEFT_OUT if a key is missing or one too many."""
    keys = spans[4, 0]
    named = keys & _NAMED != 0
    if spans[1, 1] <= spans[1, 0]:
        return LEFT_OUT  # an empty symbol
    lists = row[BIDS] >= 0 and row[ASKS] >= 0
    if row[KIND] == QUOTED:
        complete = keys & _BEST_KEYS == _BEST_KEYS and row[BIDS] < 0 and row[ASKS] < 0
        return BEST if complete and (not named or _is_named(data, spans, _BEST_NAME)) else LEFT_OUT
    if not named:
        return LEFT_OUT
    if keys & _DEPTH_KEYS == _DEPTH_KEYS and lists and _is_named(data, spans, _DEPTH_NAME):
        return DEPTH
    complete = keys & _TRADE_KEYS == _TRADE_KEYS and row[BIDS] < 0 and row[ASKS] < 0 and keys & _ID == 0
    return TRADE if complete and _is_named(data, spans, _TRADE_NAME) else LEFT_OUT


def _parse_line(
    data: UInt8,
    at: int,
    end: int,
    stamped: bool,
    units: Int64,
    row: Int64,
    spans: Int64,
    prices: Int64,
    sizes: Int64,
    n: int,
) -> tuple[int, int]:
    """Parse a line into `row` and the pairs from `n` on; return its kind and the number of pairs."""
    row[KIND] = 0
    if stamped:
        row[RECV], at = _parse_stamp(data, at, end)
        if row[RECV] < 0:
            return LEFT_OUT, n
    wrapped = matches(data, at, end, _WRAP)
    if wrapped:
        at = _open_wrapper(data, at, end)
    if at < 0 or at >= end or data[at] != OPEN:
        return LEFT_OUT, n
    at, n = parse_object(data, at, end, units, row, spans, prices, sizes, n)
    if wrapped and at >= 0:
        at = at + 1 if at < end and data[at] == CLOSE else -1
    kind = _name_kind(data, row, spans) if at == end else LEFT_OUT
    if kind != BEST and not stamped and row[SENT] < 0 and row[HAPPENED] < 0:
        return LEFT_OUT, n
    if kind == TRADE:
        if n >= len(prices):
            return LEFT_OUT, n
        price = parse_decimal(data, spans[2, 0], spans[2, 1], units[0], units[1])
        size = parse_decimal(data, spans[3, 0], spans[3, 1], units[2], units[3])
        if price < 1 or size < 0 or size % units[4] != 0:
            return LEFT_OUT, n
        prices[n], sizes[n] = price, size // units[4]
        n += 1
    return kind, n


def scan_py(
    data: UInt8,
    stamped: bool,
    units: Int64,
    rows: Int64,
    prices: Int64,
    sizes: Int64,
    left: Int64,
    symbols: Int64,
) -> tuple[int, int, int, int, int]:
    """Scan all lines; return the numbers of rows, pairs, lines left, messages and symbols.

    `units`: places and limit of prices, places, limit and divisor of sizes. Out: `rows` (lines, N_COLUMNS); the pairs
    of the rows; `left` (lines, 4): the line, its message's number, its first byte and the byte after it; `symbols`
    (_MAX_SYMBOLS, 5): first and last byte of the name, the line of its first row, that of its first depth update (or
    0), and the number of its best quotes.
    """
    n_rows, n, n_left, place, n_symbols, line = 0, 0, 0, 0, 0, 0
    spans = np.zeros((5, 2), np.int64)
    following = 0
    while following < len(data):
        line += 1
        start = following
        end = start
        while end < len(data) and data[end] != _LF:
            end += 1
        following = end + 1
        while end > start and (data[end - 1] == _CR or data[end - 1] == SPACE or data[end - 1] == _TAB):
            end -= 1
        if end == start:
            continue
        place += 1
        row = rows[n_rows]
        row[:] = _NO_ID
        kind, after = _parse_line(data, start, end, stamped, units, row, spans, prices, sizes, n)
        symbol = _find_symbol(data, spans[1, 0], spans[1, 1], symbols, n_symbols) if kind != LEFT_OUT else 0
        if kind == BEST and symbol < n_symbols and symbols[symbol, FIRST_DEPTH] > 0:
            symbols[symbol, QUOTES] += 1
            continue
        if kind in (LEFT_OUT, BEST) or symbol == len(symbols):
            left[n_left, 0], left[n_left, 1], left[n_left, 2], left[n_left, 3] = line, place, start, following
            n_left += 1
            continue
        if symbol == n_symbols:
            symbols[symbol, 0], symbols[symbol, 1], symbols[symbol, FIRST_LINE] = spans[1, 0], spans[1, 1], line
            symbols[symbol, FIRST_DEPTH], symbols[symbol, QUOTES] = 0, 0
            n_symbols += 1
        if kind == DEPTH and symbols[symbol, FIRST_DEPTH] == 0:
            symbols[symbol, FIRST_DEPTH] = line
        row[KIND], row[LINE], row[PLACE], row[SYMBOL] = kind, line, place, symbol
        n_rows += 1
        n = after
    return n_rows, n, n_left, place, n_symbols


scan = compiled(scan_py)


@dataclass(slots=True)
class Scan:
    """The rows of usual lines, with their pairs; the lines left; and, for each symbol, its name and counts.

    Arrays as in `scan_py`; `total` is the number of messages.
    """

    rows: Int64
    prices: Int64
    sizes: Int64
    left: Int64
    total: int
    names: list[str]
    symbols: Int64


def scan_lines(content: bytes, size_unit: float, *, stamped: bool) -> Scan:
    """Scan the lines of a file; `stamped`: each has a local time before its message."""
    places, divisor = decimals.split_unit(size_unit)
    price_limit = int(MAX_PRICE) * PRICE_SCALE
    units = np.array([9, price_limit, places, min(MAX_SIZE * divisor, 9 * 10**17), divisor])
    # A pair takes at least the bytes of ["1","1"]; memory that is not written is not used.
    n_lines, n_pairs = content.count(b"\n") + 1, len(content) // 9 + 1
    rows, left = np.empty((n_lines, N_COLUMNS), np.int64), np.empty((n_lines, 4), np.int64)
    prices, sizes = np.empty(n_pairs, np.int64), np.empty(n_pairs, np.int64)
    symbols = np.zeros((_MAX_SYMBOLS, 5), np.int64)
    data = np.frombuffer(content, np.uint8)
    n, pairs, n_left, total, count = scan(data, stamped, units, rows, prices, sizes, left, symbols)
    names = [content[a:b].decode() for a, b in symbols[:count, :2].tolist()]
    return Scan(rows[:n], prices[:pairs], sizes[:pairs], left[:n_left], total, names, symbols[:count])


def split_rows(scanned: Scan, numbers: Int64, before: int) -> tuple[Converted, Converted]:
    """Return depth updates and trades as rows, pairs per row, prices and sizes, with the columns of the general parser.

    `numbers` are those of the symbols, negative for excluded ones; `before` is the number of messages in other files.
    """
    rows = scanned.rows.copy()
    rows[:, PLACE] += before
    rows[:, SYMBOL] = numbers[rows[:, SYMBOL]]
    is_trade = rows[:, KIND] == TRADE
    pairs = np.where(is_trade, 1, rows[:, BIDS] + rows[:, ASKS])
    rows[:, KIND] = 0  # the first column of a depth update: not a full book
    common = [LINE, PLACE, RECV, SENT, HAPPENED, SYMBOL]

    def select(chosen: NDArray[np.bool_], columns: list[int]) -> Converted:
        chosen = chosen & (rows[:, SYMBOL] >= 0)
        of_pairs = np.repeat(chosen, pairs)
        own = rows[chosen][:, [*common, *columns]]
        return own, pairs[chosen], scanned.prices[of_pairs], scanned.sizes[of_pairs]

    return select(~is_trade, [KIND, FIRST, LAST, BEFORE, BIDS, ASKS]), select(is_trade, [LAST, MAKER])

"""Values and objects of compact JSON in bytes, as Binance sends them. Anything unusual is refused.

These are plain functions, compiled with the kernel that calls them.
"""

import numpy as np
from numpy.typing import NDArray

from ofiml.data.schema import LATEST, Int64

UInt8 = NDArray[np.uint8]

_MAX_DIGITS = 18
QUOTE, COMMA, COLON, OPEN, CLOSE, LEFT, RIGHT, SPACE = (ord(c) for c in '",:{}[] ')
ZERO, NINE = ord("0"), ord("9")
_POINT, _BACKSLASH = ord("."), ord("\\")

KIND, LINE, PLACE, RECV, SENT, HAPPENED, SYMBOL, FIRST, LAST, BEFORE, BIDS, ASKS, MAKER = range(13)  # columns of a row
N_COLUMNS = 13
QUOTED = 9  # KIND of an object with prices of a best quote


def encode(text: str) -> UInt8:
    """Return a word's bytes."""
    return np.frombuffer(text.encode(), np.uint8)


_MARKET, _TRUE, _FALSE = (encode(t) for t in ("MARKET", "true", "false"))


def matches(data: UInt8, at: int, end: int, word: UInt8) -> bool:
    """Return whether the bytes from `at` on are `word`, which ends at `end` or before."""
    if at + len(word) > end:
        return False
    k = 0
    while k < len(word) and data[at + k] == word[k]:
        k += 1
    return k == len(word)


def find_string_end(data: UInt8, at: int, end: int) -> int:
    """Return the place of the quote that ends a plain string from `at` on; -1 if there is none."""
    while at < end:
        byte = data[at]
        if byte == QUOTE:
            return at
        if byte < SPACE or byte > 126 or byte == _BACKSLASH:
            return -1
        at += 1
    return -1


def find_integer_end(data: UInt8, at: int, end: int) -> int:
    """Return the place after an integer of JSON without sign; `at` itself if there is none."""
    start = at
    while at < end and ZERO <= data[at] <= NINE:
        at += 1
    if at - start > _MAX_DIGITS or (at - start > 1 and data[start] == ZERO):
        return start
    return at


def to_integer(data: UInt8, start: int, end: int) -> int:
    """Convert the digits from `start` to `end` (excluded) to an integer; neither their kind nor overflow is checked."""
    value = 0
    for k in range(start, end):
        value = value * 10 + (int(data[k]) - ZERO)
    return value


def parse_decimal(data: UInt8, start: int, end: int, places: int, limit: int) -> int:
    """Return a plain decimal in 10^-`places`, at most `limit`; -1 for anything else."""
    value, whole, fraction = 0, 0, -1
    for k in range(start, end):
        byte = int(data[k])
        if byte == _POINT and fraction < 0:
            fraction = 0
        elif byte < ZERO or byte > NINE:
            return -1
        elif fraction >= places:
            if byte != ZERO:
                return -1
            fraction += 1
        else:
            if fraction >= 0:
                fraction += 1
            else:
                whole += 1
            value = value * 10 + (byte - ZERO)
            if value > limit:
                return -1
    if whole == 0 or fraction == 0:
        return -1
    for _ in range(places - max(fraction, 0)):
        value *= 10
        if value > limit:
            return -1
    return value


def parse_pairs(data: UInt8, at: int, end: int, units: Int64, prices: Int64, sizes: Int64, n: int) -> tuple[int, int]:
    """Parse [["price","size"],…] from the first bracket into the pairs from `n` on; return the place after it and n.

    The place is -1 for anything else.
    """
    at += 1
    if at < end and data[at] == RIGHT:
        return at + 1, n
    while at + 1 < end and data[at] == LEFT and data[at + 1] == QUOTE:
        close = find_string_end(data, at + 2, end)
        if close < 0 or close + 2 >= end or data[close + 1] != COMMA or data[close + 2] != QUOTE or n >= len(prices):
            return -1, n
        price = parse_decimal(data, at + 2, close, units[0], units[1])
        start = close + 3
        close = find_string_end(data, start, end)
        if close < 0 or close + 2 >= end or data[close + 1] != RIGHT:
            return -1, n
        size = parse_decimal(data, start, close, units[2], units[3])
        if price < 1 or size < 0 or size % units[4] != 0:
            return -1, n
        prices[n], sizes[n] = price, size // units[4]
        n += 1
        at = close + 2
        if data[at] == RIGHT:
            return at + 1, n
        if data[at] != COMMA:
            return -1, n
        at += 1
    return -1, n


def to_nanoseconds(value: int, digits: int) -> int:
    """Convert a time in ms or µs; -1 for another number of digits, or a time too late."""
    unit = 1_000_000 if digits == 13 else 1_000 if digits == 16 else 1_000_000_000 if digits == 10 else 0
    return value * unit if unit and value <= LATEST // unit else -1


def parse_object(
    data: UInt8, at: int, end: int, units: Int64, row: Int64, spans: Int64, prices: Int64, sizes: Int64, n: int
) -> tuple[int, int]:
    """Parse the members of an object from the brace at `at` on, into `row` and the pairs from `n` on.

    Returns the place after the object and the number of pairs. `spans` (5, 2) gets the places of the strings of e, s, p
    and q, and last the bits of the keys that it has (lower case from 0, upper case from 26, `pu` 52). The place is -1
    for anything unusual.
    """
    at += 1
    keys = 0
    while at + 3 < end and data[at] == QUOTE:
        key = int(data[at + 1])
        if data[at + 2] == QUOTE:
            code = key - 97 if key >= 97 else key - 65 + 26
            at += 3
        elif key == 112 and data[at + 2] == 117 and data[at + 3] == QUOTE:  # pu
            code = 52
            at += 4
        else:
            return -1, n
        if not 0 <= code <= 52 or (keys >> code) & 1 or at + 1 >= end or data[at] != COLON:
            return -1, n
        keys |= 1 << code
        at += 1
        byte = data[at]
        if byte == QUOTE:
            close = find_string_end(data, at + 1, end)
            if close < 0:
                return -1, n
            slot = 0 if key == 101 else 1 if key == 115 else 2 if key == 112 else 3 if key == 113 else -1
            if slot >= 0:
                spans[slot, 0], spans[slot, 1] = at + 1, close
            elif key == 88:
                if not (close - at - 1 == len(_MARKET) and matches(data, at + 1, close, _MARKET)):
                    return -1, n
            elif key not in (98, 66, 97, 65):  # prices and sizes of best quotes
                return -1, n
            if slot < 0 and key != 88:
                row[KIND] = QUOTED
            at = close + 1
        elif ZERO <= byte <= NINE:
            stop = find_integer_end(data, at, end)
            if stop == at:
                return -1, n
            value = to_integer(data, at, stop)
            if key in (69, 84):  # E, T
                time = to_nanoseconds(value, stop - at) if stop - at > 10 else -1
                if time < 0:
                    return -1, n
                row[SENT if key == 69 else HAPPENED] = time
            elif code == 52:
                row[BEFORE] = value
            elif key == 85:
                row[FIRST] = value
            elif key == 117 or key == 116:  # u of books, t of trades
                row[LAST] = value
            else:
                return -1, n
            at = stop
        elif byte == LEFT and (key == 98 or key == 97):
            if key == 98 and row[ASKS] >= 0:
                return -1, n  # bids stand first
            at, more = parse_pairs(data, at, end, units, prices, sizes, n)
            row[BIDS if key == 98 else ASKS] = more - n
            n = more
            if at < 0:
                return -1, n
        elif key == 109 or key == 77:  # m, M
            word = _TRUE if byte == 116 else _FALSE
            if not matches(data, at, end, word):
                return -1, n
            if key == 109:
                row[MAKER] = byte == 116
            at += len(word)
        else:
            return -1, n
        if at >= end:
            return -1, n
        if data[at] == CLOSE:
            spans[4, 0] = keys
            return at + 1, n
        if data[at] != COMMA:
            return -1, n
        at += 1
    return -1, n

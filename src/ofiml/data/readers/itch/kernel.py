"""The loops over the bytes of an ITCH 5.0 file: where its messages stand, what is wrong with them, what they say.

`*_py` are the specifications, the names without it their njit. All integers are big-endian; prices are 1/10,000 of a
currency unit, times nanoseconds since midnight (Nasdaq TotalView-ITCH 5.0).
"""

import numpy as np
from numpy.typing import NDArray

from ofiml._numba import compiled

Int64 = NDArray[np.int64]
UInt8 = NDArray[np.uint8]

LENGTHS = np.zeros(256, np.int64)
"""Bytes of a message by its type; 0 for a type that ITCH 5.0 does not have."""
for _type, _length in {
    "S": 12, "R": 39, "H": 25, "Y": 20, "L": 26, "V": 35, "W": 12, "K": 28, "J": 35, "h": 21, "A": 36, "F": 40,
    "E": 31, "C": 36, "X": 23, "D": 19, "U": 35, "P": 44, "Q": 40, "B": 19, "I": 50, "N": 20, "O": 48,
}.items():  # fmt: skip
    LENGTHS[ord(_type)] = _length

S, R, H, A, F, E, C, X, D, U, P, Q = (ord(c) for c in "SRHAFECXDUPQ")
BUY, SELL, YES, NO, END = (ord(c) for c in "BSYNC")
HALTED, PAUSED, QUOTING, TRADING = (ord(c) for c in "HPQT")

# What can be wrong with a message.
SOUND, CUT, EMPTY, UNKNOWN_TYPE, WRONG_LENGTH, TIME, SIDE, PRICE, SHARES, PRINTABLE, STATE, STOCK, REFERENCE = range(13)

# The columns of a decoded message.
KIND, LOCATE, STAMP, ORDER, NEW, SIDED, SIZE, PRICED, MARK, NUMBER = range(10)
COLUMNS = 10

_DAY = 86_400_000_000_000


def _integer(data: UInt8, at: int, width: int) -> int:
    value = 0
    for i in range(width):
        value = (value << 8) | int(np.int64(data[at + i]))
    return value


def _fault(data: UInt8, p: int, length: int, lengths: Int64, stocks: UInt8) -> int:
    """What is wrong with the message of `length` bytes at `p`. `stocks` (65536, 8): each locate's symbol, once seen."""
    kind = data[p]
    if lengths[kind] == 0:
        return UNKNOWN_TYPE
    if lengths[kind] != length:
        return WRONG_LENGTH
    if _integer(data, p + 5, 6) >= _DAY:
        return TIME
    # References that int64 does not hold; no day has so many.
    if kind in (A, F, E, C, X, D, U) and (data[p + 11] >= 128 or (kind == U and data[p + 19] >= 128)):
        return REFERENCE
    stock = -1
    if kind in (A, F, P):
        if data[p + 19] != BUY and data[p + 19] != SELL:
            return SIDE
        if _integer(data, p + 20, 4) == 0:
            return SHARES
        if _integer(data, p + 32, 4) == 0:
            return PRICE
        stock = p + 24
    elif kind in (E, C, X):
        if _integer(data, p + 19, 4) == 0:
            return SHARES
        if kind == C and data[p + 31] != YES and data[p + 31] != NO:
            return PRINTABLE
        if kind == C and _integer(data, p + 32, 4) == 0:
            return PRICE
    elif kind == U:
        if _integer(data, p + 27, 4) == 0:
            return SHARES
        if _integer(data, p + 31, 4) == 0:
            return PRICE
    elif kind == Q:
        if _integer(data, p + 11, 8) >> 40 != 0:
            return SHARES
        if _integer(data, p + 11, 8) != 0 and _integer(data, p + 27, 4) == 0:
            return PRICE
        stock = p + 19
    elif kind == H:
        state = data[p + 19]
        if state not in (HALTED, PAUSED, QUOTING, TRADING):
            return STATE
        stock = p + 11
    elif kind == R:
        stock = p + 11
    if stock >= 0:
        locate = _integer(data, p + 1, 2)
        if stocks[locate, 0] == 0:
            if data[stock] <= 32:
                return STOCK
            for i in range(8):
                if data[stock + i] < 32 or data[stock + i] > 126:
                    return STOCK
            for i in range(8):
                stocks[locate, i] = data[stock + i]
        for i in range(8):
            if stocks[locate, i] != data[stock + i]:
                return STOCK
    return SOUND


def survey_py(data: UInt8, lengths: Int64, stocks: UInt8, counts: Int64, first: Int64) -> tuple[int, bool]:
    """Walks the frames (2 bytes of length, then the message): (how many are not sound, whether the end was announced).

    In: `data` (n,), `lengths` (256,). Out: `stocks` (65536, 8) the symbol of each locate, zeros where there is none;
    `counts` (65536,) sound messages by locate; `first` (3,) fault, byte and number (from 1) of the first unsound frame.
    Two bytes of length 0 at the very end are the format's own end mark.
    """
    p, number, faults = 0, 0, 0
    ended = False
    n = len(data)
    while p < n:
        number += 1
        length = _integer(data, p, 2) if p + 2 <= n else 0
        start = p + 2
        if start + max(length, 1) > n:
            if length == 0 and start == n:
                break
            fault = CUT
            p = n
        elif length == 0:
            fault = EMPTY
            p = start
        else:
            fault = _fault(data, start, length, lengths, stocks)
            p = start + length
        if fault != SOUND:
            if faults == 0:
                first[0], first[1], first[2] = fault, start - 2, number
            faults += 1
            continue
        counts[_integer(data, start + 1, 2)] += 1
        if data[start] == S and data[start + 11] == END:
            ended = True
    return faults, ended


def decode_py(data: UInt8, lengths: Int64, stocks: UInt8, wanted: NDArray[np.bool_], table: Int64) -> int:
    """Fills `table` (COLUMNS, capacity) with the messages that `survey` found sound, of the `wanted` (65536,) locates,
    that an order book or its trades need; returns how many.

    Rows of `table`: KIND the type; LOCATE; STAMP ns since midnight; ORDER and NEW references, -1 where there is none;
    SIDED the side as it stands; SIZE shares, PRICED the price in 1/10,000, 0 where there is none; MARK whether it
    prints (C), or the trading state (H); NUMBER which frame it is, from 1.
    """
    p, number, k = 0, 0, 0
    n = len(data)
    while p + 2 < n:
        number += 1
        length = _integer(data, p, 2)
        p += 2
        if p + max(length, 1) > n:
            break
        q = p
        p += length
        if length == 0 or _fault(data, q, length, lengths, stocks) != SOUND:
            continue
        locate = _integer(data, q + 1, 2)
        if not wanted[locate]:
            continue
        kind = data[q]
        order, new, side, size, price, mark = -1, -1, 0, 0, 0, 0
        if kind in (A, F):
            order, side = _integer(data, q + 11, 8), int(np.int64(data[q + 19]))
            size, price = _integer(data, q + 20, 4), _integer(data, q + 32, 4)
        elif kind in (E, X):
            order, size = _integer(data, q + 11, 8), _integer(data, q + 19, 4)
        elif kind == C:
            order, size = _integer(data, q + 11, 8), _integer(data, q + 19, 4)
            price, mark = _integer(data, q + 32, 4), int(np.int64(data[q + 31]))
        elif kind == D:
            order = _integer(data, q + 11, 8)
        elif kind == U:
            order, new = _integer(data, q + 11, 8), _integer(data, q + 19, 8)
            size, price = _integer(data, q + 27, 4), _integer(data, q + 31, 4)
        elif kind == P:
            side, size, price = int(np.int64(data[q + 19])), _integer(data, q + 20, 4), _integer(data, q + 32, 4)
        elif kind == Q:
            size, price = _integer(data, q + 11, 8), _integer(data, q + 27, 4)
        elif kind == H:
            mark = int(np.int64(data[q + 19]))
        else:
            continue
        table[KIND, k], table[LOCATE, k], table[STAMP, k] = kind, locate, _integer(data, q + 5, 6)
        table[ORDER, k], table[NEW, k], table[SIDED, k] = order, new, side
        table[SIZE, k], table[PRICED, k], table[MARK, k] = size, price, mark
        table[NUMBER, k] = number
        k += 1
    return k


def follow_py(kind: Int64, order: Int64, new: Int64, count: int, side: Int64, size: Int64, price: Int64) -> None:
    """What messages about a resting order leave unsaid, from the order itself, message by message.

    `order` and `new` number the `count` distinct references from 0 (-1: none). In and out: `side` of E, C, X, D and U
    becomes the order's, `size` of D what is left of it, `price` of E, X and D the order's; 0 where it is not known.
    """
    known = np.zeros((3, count), np.int64)  # side, size left, price of each reference
    for i in range(len(kind)):
        what, at = kind[i], order[i]
        if what in (A, F):
            known[0, at], known[1, at], known[2, at] = side[i], size[i], price[i]
        elif what == U:
            side[i] = known[0, at]
            known[1, at] = 0
            known[0, new[i]], known[1, new[i]], known[2, new[i]] = side[i], size[i], price[i]
        elif what in (E, C, X, D):
            side[i] = known[0, at]
            if what != C:
                price[i] = known[2, at]
            if what == D:
                size[i] = known[1, at]
            known[1, at] = max(known[1, at] - size[i], 0)


survey = compiled(survey_py)
decode = compiled(decode_py)
follow = compiled(follow_py)

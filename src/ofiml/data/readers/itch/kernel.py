"""The loops over the bytes of an ITCH 5.0 file: check and decode its messages, look up their orders.

Functions `*_py` are the specifications; the names without the suffix are their njit. All integers are big-endian;
prices are 1/10,000 of a currency unit, times nanoseconds since midnight (Nasdaq TotalView-ITCH 5.0).
"""

import numpy as np
from numpy.typing import NDArray

from ofiml._numba import compiled

Int64 = NDArray[np.int64]
UInt8 = NDArray[np.uint8]

LENGTHS = np.zeros(256, np.int64)
"""Length of a message in bytes by its type; 0 for a type that ITCH 5.0 does not have."""
for _type, _length in {
    "S": 12, "R": 39, "H": 25, "Y": 20, "L": 26, "V": 35, "W": 12, "K": 28, "J": 35, "h": 21, "A": 36, "F": 40,
    "E": 31, "C": 36, "X": 23, "D": 19, "U": 35, "P": 44, "Q": 40, "B": 19, "I": 50, "N": 20, "O": 48,
}.items():  # fmt: skip
    LENGTHS[ord(_type)] = _length

S, R, H, A, F, E, C, X, D, U, P, Q = (ord(c) for c in "SRHAFECXDUPQ")
BUY, SELL, YES, NO, END = (ord(c) for c in "BSYNC")
HALTED, PAUSED, QUOTING, TRADING = (ord(c) for c in "HPQT")

# The faults of a message.
SOUND, CUT, EMPTY, UNKNOWN_TYPE, WRONG_LENGTH, TIME, SIDE, PRICE, SHARES, PRINTABLE, STATE, STOCK, REFERENCE = range(13)

# The columns of a decoded message.
KIND, LOCATE, STAMP, ORDER, NEW, SIDED, SIZE, PRICED, MARK, NUMBER = range(10)
COLUMNS = 10

_DAY = 86_400_000_000_000


def _read_integer(data: UInt8, at: int, width: int) -> int:
    value = 0
    for i in range(width):
        value = (value << 8) | int(np.int64(data[at + i]))
    return value


def _find_fault(data: UInt8, p: int, length: int, lengths: Int64, stocks: UInt8) -> int:
    """Return the fault of the message of `length` bytes at `p`, or SOUND.

    `stocks` (65536, 8) has the symbol of each locate code; a new one is added.
    """
    kind = data[p]
    if lengths[kind] == 0:
        return UNKNOWN_TYPE
    if lengths[kind] != length:
        return WRONG_LENGTH
    if _read_integer(data, p + 5, 6) >= _DAY:
        return TIME
    # int64 cannot hold such a reference, and no day has so many orders.
    if kind in (A, F, E, C, X, D, U) and (data[p + 11] >= 128 or (kind == U and data[p + 19] >= 128)):
        return REFERENCE
    stock = -1
    if kind in (A, F, P):
        if data[p + 19] != BUY and data[p + 19] != SELL:
            return SIDE
        if _read_integer(data, p + 20, 4) == 0:
            return SHARES
        if _read_integer(data, p + 32, 4) == 0:
            return PRICE
        stock = p + 24
    elif kind in (E, C, X):
        if _read_integer(data, p + 19, 4) == 0:
            return SHARES
        if kind == C and data[p + 31] != YES and data[p + 31] != NO:
            return PRINTABLE
        if kind == C and _read_integer(data, p + 32, 4) == 0:
            return PRICE
    elif kind == U:
        if _read_integer(data, p + 27, 4) == 0:
            return SHARES
        if _read_integer(data, p + 31, 4) == 0:
            return PRICE
    elif kind == Q:
        if _read_integer(data, p + 11, 8) >> 40 != 0:
            return SHARES
        if _read_integer(data, p + 11, 8) != 0 and _read_integer(data, p + 27, 4) == 0:
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
        locate = _read_integer(data, p + 1, 2)
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


def _find_message(data: UInt8, p: int, framed: bool, lengths: Int64) -> tuple[int, int]:
    """Return the start and length of the message at byte `p`; length -1 if its length is not in the data, 0 if the
    frame is empty or, without frames, the type is unknown.
    """
    if not framed:
        return p, lengths[data[p]]
    return p + 2, _read_integer(data, p, 2) if p + 2 <= len(data) else -1


def survey_py(
    data: UInt8, framed: bool, final: bool, lengths: Int64, stocks: UInt8, counts: Int64, first: Int64
) -> tuple[int, int, int, bool, bool]:
    """Check the messages of one piece of a file.

    A message stands in a frame (2 bytes of length, then the message) if `framed`, else its type implies its length.
    Returns the number of bytes used, of messages, and of unsound ones, whether the end-of-messages event is there, and
    whether the piece is lost from the last byte used on: without frames, nothing can be read after a message of unknown
    type. A message that is cut by the end of the piece is not used, unless the piece is the `final` one.

    In: `data` (n,), `lengths` (256,). In and out: `stocks` (65536, 8) the symbol of each locate code, or zeros;
    `counts` (65536,) sound messages by locate code. Out: `first` (3,) fault, byte and number (from 1) of the piece's
    first unsound message. Two bytes of length 0 at the end of a framed file are the format's end mark.
    """
    p, number, faults = 0, 0, 0
    ended, lost = False, False
    n = len(data)
    while p < n and not lost:
        start, length = _find_message(data, p, framed, lengths)
        cut = length < 0 or start + max(length, 1) > n
        if cut and not final:
            break
        if cut and length == 0 and start == n:
            p = n
            break
        number += 1
        at = p
        if cut:
            fault = CUT
            p = n
        elif length == 0:
            fault = EMPTY if framed else UNKNOWN_TYPE
            p = start if framed else start + 1
        else:
            fault = _find_fault(data, start, length, lengths, stocks)
            p = start + length
        if fault != SOUND:
            if faults == 0:
                first[0], first[1], first[2] = fault, at, number
            faults += 1
            lost = fault == UNKNOWN_TYPE and not framed
            continue
        counts[_read_integer(data, start + 1, 2)] += 1
        if data[start] == S and data[start + 11] == END:
            ended = True
    return p, number, faults, ended, lost


def decode_py(
    data: UInt8,
    framed: bool,
    number: int,
    lengths: Int64,
    stocks: UInt8,
    wanted: NDArray[np.bool_],
    table: Int64,
) -> int:
    """Decode the sound messages of the `wanted` (65536,) locate codes that concern orders, trades or trading states;
    return their number.

    `data` are the bytes of a piece that `survey` used, `number` is the number of messages before it. Rows of the output
    `table` (COLUMNS, capacity): KIND the type; LOCATE; STAMP ns since midnight; ORDER and NEW references, -1 for none;
    SIDED the side as in the file; SIZE shares and PRICED the price in 1/10,000, 0 for none; MARK the printable flag (C)
    or the trading state (H); NUMBER the number of the message, from 1.
    """
    p, k = 0, 0
    n = len(data)
    while p < n:
        number += 1
        q, length = _find_message(data, p, framed, lengths)
        if length < 0 or q + max(length, 1) > n:
            break
        p = q + length
        if length == 0 and not framed:
            break
        if length == 0 or _find_fault(data, q, length, lengths, stocks) != SOUND:
            continue
        locate = _read_integer(data, q + 1, 2)
        if not wanted[locate]:
            continue
        kind = data[q]
        order, new, side, size, price, mark = -1, -1, 0, 0, 0, 0
        if kind in (A, F):
            order, side = _read_integer(data, q + 11, 8), int(np.int64(data[q + 19]))
            size, price = _read_integer(data, q + 20, 4), _read_integer(data, q + 32, 4)
        elif kind in (E, X):
            order, size = _read_integer(data, q + 11, 8), _read_integer(data, q + 19, 4)
        elif kind == C:
            order, size = _read_integer(data, q + 11, 8), _read_integer(data, q + 19, 4)
            price, mark = _read_integer(data, q + 32, 4), int(np.int64(data[q + 31]))
        elif kind == D:
            order = _read_integer(data, q + 11, 8)
        elif kind == U:
            order, new = _read_integer(data, q + 11, 8), _read_integer(data, q + 19, 8)
            size, price = _read_integer(data, q + 27, 4), _read_integer(data, q + 31, 4)
        elif kind == P:
            side, size, price = (
                int(np.int64(data[q + 19])),
                _read_integer(data, q + 20, 4),
                _read_integer(data, q + 32, 4),
            )
        elif kind == Q:
            size, price = _read_integer(data, q + 11, 8), _read_integer(data, q + 27, 4)
        elif kind == H:
            mark = int(np.int64(data[q + 19]))
        else:
            continue
        table[KIND, k], table[LOCATE, k], table[STAMP, k] = kind, locate, _read_integer(data, q + 5, 6)
        table[ORDER, k], table[NEW, k], table[SIDED, k] = order, new, side
        table[SIZE, k], table[PRICED, k], table[MARK, k] = size, price, mark
        table[NUMBER, k] = number
        k += 1
    return k


def follow_py(kind: Int64, order: Int64, new: Int64, count: int, side: Int64, size: Int64, price: Int64) -> None:
    """Fill in what messages about a resting order do not state, from the order itself.

    `order` and `new` number the `count` distinct references from 0 (-1: none). In and out: `side` of E, C, X, D and U
    becomes the order's, `size` of D the order's remaining size, `price` of E, X and D the order's; 0 for an unknown
    order.
    """
    known = np.zeros((3, count), np.int64)  # side, remaining size, price of each reference
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

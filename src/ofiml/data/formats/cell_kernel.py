"""Kernels that read plain cells from bytes: numbers to exact integers, times to nanoseconds, words to indices.

Functions `*_py` are the specifications; the names without the suffix are their njit.
"""

import numpy as np
from numpy.typing import NDArray

from ofiml._numba import compiled

Int64 = NDArray[np.int64]
UInt8 = NDArray[np.uint8]

SKIP, NUMBER, INSTANT, LOCAL, WORD = range(5)
MAX_VALUE = int(np.iinfo(np.int64).max)
EMPTY = int(np.iinfo(np.int64).min)  # the value of an empty cell
MAX_WORDS = 64

_POWERS = 10 ** np.arange(19)

_LF, _CR, _QUOTE, _COMMA, _MINUS, _POINT, _ZERO, _COLON, _T, _Z, _SPACE = (ord(c) for c in '\n\r",-.0:TZ ')
_DAYS_BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365)


def count_lines_py(data: UInt8) -> int:
    """Count the lines that end in `data`."""
    count = 0
    for byte in data:
        count += byte == _LF
    return count


def parse_number_py(data: UInt8, at: int, scale: int) -> tuple[int, int]:
    """Parse a number from byte `at` on; return it in 10^-`scale`, and the byte after it, -1 if it is not plain."""
    negative = data[at] == _MINUS
    if negative:
        at += 1
    first, value = at, 0
    digit = int(np.int64(data[at])) - _ZERO
    while 0 <= digit <= 9:
        value = value * 10 + digit
        at += 1
        digit = int(np.int64(data[at])) - _ZERO
    if at == first or at - first + scale > 19:  # int64 holds some numbers of 19 digits; others overflow to negative
        return 0, -1
    remaining = scale
    if data[at] == _POINT:
        point = at
        at += 1
        digit = int(np.int64(data[at])) - _ZERO
        while 0 <= digit <= 9:
            if remaining > 0:
                value = value * 10 + digit
                remaining -= 1
            elif digit > 0:
                return 0, -1
            at += 1
            digit = int(np.int64(data[at])) - _ZERO
        if at == point + 1:
            return 0, -1
    for _ in range(remaining):
        value *= 10
    if value < 0 or value > MAX_VALUE:
        return 0, -1
    return -value if negative else value, at


def parse_instant_py(data: UInt8, at: int, is_local: bool) -> tuple[int, int]:
    """Parse the time YYYY-MM-DDTHH:MM:SS[.f…]Z from byte `at` on; return ns since 1970 and the byte after it.

    The latter is -1 if the cell is not plain. A local time has no Z, and may have a space instead of T.
    """
    if at + (19 if is_local else 20) >= len(data) or data[at + 4] != _MINUS or data[at + 7] != _MINUS:
        return 0, -1
    if data[at + 10] != _T and not (is_local and data[at + 10] == _SPACE):
        return 0, -1
    if data[at + 13] != _COLON or data[at + 16] != _COLON:
        return 0, -1
    year = month = day = hour = minute = second = 0
    for i in range(19):
        if i == 4 or i == 7 or i == 10 or i == 13 or i == 16:
            continue
        digit = int(np.int64(data[at + i])) - _ZERO
        if digit < 0 or digit > 9:
            return 0, -1
        if i < 4:
            year = year * 10 + digit
        elif i < 7:
            month = month * 10 + digit
        elif i < 10:
            day = day * 10 + digit
        elif i < 13:
            hour = hour * 10 + digit
        elif i < 16:
            minute = minute * 10 + digit
        else:
            second = second * 10 + digit
    at += 19
    fraction = 0
    if data[at] == _POINT:
        point = at
        at += 1
        digit = int(np.int64(data[at])) - _ZERO
        while 0 <= digit <= 9 and at - point <= 9:
            fraction = fraction * 10 + digit
            at += 1
            digit = int(np.int64(data[at])) - _ZERO
        if at == point + 1:
            return 0, -1
        for _ in range(10 - (at - point)):
            fraction *= 10
    if not is_local:
        if data[at] != _Z:
            return 0, -1
        at += 1
    if not 1970 <= year <= 2259 or not 1 <= month <= 12 or day < 1:
        return 0, -1
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if day > _DAYS_BEFORE[month] - _DAYS_BEFORE[month - 1] + (leap and month == 2):
        return 0, -1
    if hour > 23 or minute > 59 or second > 59:
        return 0, -1
    past = year - 1
    days = past * 365 + past // 4 - past // 100 + past // 400 - 719_162
    days += _DAYS_BEFORE[month - 1] + (leap and month > 2) + day - 1
    return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000_000 + fraction, at


def parse_word_py(data: UInt8, at: int, words: Int64) -> tuple[int, int]:
    """Look up the word from byte `at` on; return its index in `words` and the byte after it, -1 if it is not plain.

    `words` (MAX_WORDS, 2) has the bounds of each known word in `data`, then zeros; a new word is added.
    """
    start = at
    while data[at] != _COMMA and data[at] != _LF and data[at] != _CR:
        if data[at] < 32 or data[at] > 126 or data[at] == _QUOTE:
            return 0, -1
        at += 1
    # Spaces around a word do not belong to it, so such a cell is not plain.
    if at == start or data[start] == 32 or data[at - 1] == 32:
        return 0, -1
    for code in range(len(words)):
        if words[code, 1] == 0:
            words[code, 0], words[code, 1] = start, at
            return code, at
        if words[code, 1] - words[code, 0] == at - start:
            same = True
            for i in range(at - start):
                if data[words[code, 0] + i] != data[start + i]:
                    same = False
                    break
            if same:
                return code, at
    return 0, -1


count_lines = compiled(count_lines_py)
# Inlined: a call per cell would cost as much as the function itself.
parse_number = compiled(parse_number_py, forceinline=True)
parse_instant = compiled(parse_instant_py, forceinline=True)
parse_word = compiled(parse_word_py, forceinline=True)


def read_lines_py(
    data: UInt8, row: int, formats: Int64, may_lack: NDArray[np.bool_], place: Int64, values: Int64, words: Int64
) -> bool:
    """Read all lines of `data`, each with a newline, into `values` (columns, rows) from `row` on; False if it cannot.

    For each cell of a line, `formats` (cells, 4) has its kind, scale and bounds, `may_lack` whether it may be empty,
    and `place` its column if it is not skipped. `words` (columns, MAX_WORDS, 2): see `parse_word_py`.
    """
    at, n = 0, len(data)
    last = len(formats) - 1
    while at < n:
        for cell in range(last + 1):
            kind = formats[cell, 0]
            if kind == NUMBER:
                # Most numbers have at most 18 digits: they need neither a call nor tests for an overflow.
                end = at + (data[at] == _MINUS)
                first, value, remaining = end, 0, formats[cell, 1]
                digit = int(np.int64(data[end])) - _ZERO
                while 0 <= digit <= 9 and end - first < 19:
                    value = value * 10 + digit
                    end += 1
                    digit = int(np.int64(data[end])) - _ZERO
                is_plain = first < end and end - first + remaining < 19
                if data[end] == _POINT and remaining > 0:
                    end += 1
                    digit = int(np.int64(data[end])) - _ZERO
                    is_plain = is_plain and 0 <= digit <= 9
                    while 0 <= digit <= 9 and remaining > 0:
                        value = value * 10 + digit
                        remaining -= 1
                        end += 1
                        digit = int(np.int64(data[end])) - _ZERO
                if is_plain and data[end] == (_LF if cell == last else _COMMA):
                    value *= _POWERS[remaining]
                    if data[at] == _MINUS:
                        value = -value
                    if value < formats[cell, 2] or value > formats[cell, 3]:
                        return False
                    values[place[cell], row] = value
                    at = end + 1
                    continue
            if kind == SKIP:
                while data[at] != _COMMA and data[at] != _LF:
                    if data[at] == _QUOTE:
                        return False
                    at += 1
            elif data[at] == _COMMA or data[at] == _LF or data[at] == _CR:
                if not may_lack[cell]:
                    return False
                values[place[cell], row] = EMPTY
            else:
                if kind == NUMBER:
                    value, at = parse_number(data, at, formats[cell, 1])
                elif kind == WORD:
                    value, at = parse_word(data, at, words[place[cell]])
                else:
                    value, at = parse_instant(data, at, kind == LOCAL)
                if at < 0 or value < formats[cell, 2] or value > formats[cell, 3]:
                    return False
                values[place[cell], row] = value
            if cell == last and data[at] == _CR:
                at += 1
            if at >= n or data[at] != (_LF if cell == last else _COMMA):
                return False
            at += 1
        row += 1
    return True


read_lines = compiled(read_lines_py)

"""Decimal strings to integers, exactly: what JSON feeds write prices and sizes in. `parse_py` is the specification."""

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from ofiml._numba import compiled
from ofiml.data.formats.csv import MAX_PRICE, MAX_SIZE
from ofiml.data.schema import Int64
from ofiml.errors import DataError
from ofiml.units import PRICE_SCALE

# Instead of a number, where a cell cannot be one.
UNREADABLE, TOO_FINE, TOO_LARGE = -1, -2, -3

_PRICE_DECIMALS = 9
_MOST_DECIMALS = 12
_MOST = 9 * 10**17  # one more digit still fits in 64 bits


def parse_py(data: NDArray[np.uint8], decimals: Int64, limits: Int64, out: Int64) -> int:
    """Cells of digits with or without a fraction, each ended by a comma, as integers; returns how many there are.

    Cells alternate between two kinds, of `decimals` (2,) places and at most `limits` (2,) once scaled. `out` gets each
    number, or UNREADABLE, TOO_FINE (digits that are not 0 beyond the places) or TOO_LARGE. Returns -1 where there are
    more cells than `out` holds.
    """
    n = 0
    value, whole, places, fault = 0, 0, -1, 0
    for byte in data:
        kind = n & 1
        if byte == 44:
            if n == len(out):
                return -1
            if whole == 0 or places == 0:
                fault = UNREADABLE
            for _ in range(decimals[kind] - max(places, 0)):
                if value > limits[kind]:
                    break
                value *= 10
            if fault == 0 and value > limits[kind]:
                fault = TOO_LARGE
            out[n] = fault if fault != 0 else value
            n += 1
            value, whole, places, fault = 0, 0, -1, 0
        elif byte == 46 and places < 0:
            places = 0
        elif byte < 48 or byte > 57:
            fault = UNREADABLE
        else:
            if places >= 0:
                places += 1
            else:
                whole += 1
            if places > decimals[kind]:
                if byte != 48 and fault == 0:
                    fault = TOO_FINE
            elif value <= limits[kind]:
                value = value * 10 + (int(byte) - 48)
    return n


parse = compiled(parse_py)


def scale(size_unit: float) -> tuple[int, int]:
    """(decimals, divisor): a size with its point moved by `decimals` is a multiple of `divisor` if it is whole lots.

    Raises DataError for a unit of more than 12 decimals, which no market has.
    """
    _, digits, exponent = Decimal(repr(size_unit)).normalize().as_tuple()
    assert isinstance(exponent, int)  # the config lets only finite numbers pass
    if exponent < -_MOST_DECIMALS:
        raise DataError(f"dataset.size_unit={size_unit!r} has more than {_MOST_DECIMALS} decimals: round it.")
    return max(-exponent, 0), int("".join(map(str, digits))) * 10 ** max(exponent, 0)


def prices_and_sizes(cells: Sequence[object], size_unit: float) -> tuple[Int64, Int64]:
    """Of cells that alternate, price and size: (prices in 1e-9, sizes in lots), each a number or its fault.

    A cell that is no string is UNREADABLE, a size that is not a multiple of `size_unit` TOO_FINE.
    """
    places, divisor = scale(size_unit)
    decimals = np.array([_PRICE_DECIMALS, places])
    limits = np.array([int(MAX_PRICE) * PRICE_SCALE, min(MAX_SIZE * divisor, _MOST)])
    out = np.full(len(cells), UNREADABLE, np.int64)
    if not _all_at_once(cells, decimals, limits, out):
        for i, cell in enumerate(cells):
            if isinstance(cell, str):
                turn = slice(None) if i % 2 == 0 else slice(None, None, -1)
                one = np.full(1, UNREADABLE, np.int64)
                if parse(_bytes(cell + ","), decimals[turn].copy(), limits[turn].copy(), one) != 1:
                    one[0] = UNREADABLE
                out[i] = one[0]
    sizes = out[1::2]
    lots, rest = np.divmod(sizes, divisor)
    return out[::2], np.where(sizes < 0, sizes, np.where(rest == 0, lots, TOO_FINE))


def _all_at_once(cells: Sequence[object], decimals: Int64, limits: Int64, out: Int64) -> bool:
    """False where a cell is no string, or holds a comma."""
    try:
        joined = "".join((",".join(cells), ",")) if cells else ""  # type: ignore[arg-type]
    except TypeError:
        return False
    return int(parse(_bytes(joined), decimals, limits, out)) == len(cells)


def _bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)

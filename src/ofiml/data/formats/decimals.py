"""Decimal strings, the prices and sizes of JSON feeds, to exact integers. `parse_py` specifies `parse`."""

import re
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from ofiml._numba import compiled
from ofiml.data.formats.csv import MAX_PRICE, MAX_SIZE
from ofiml.data.schema import Int64
from ofiml.errors import DataError
from ofiml.units import PRICE_SCALE

# Faults of a cell, in place of its number: below every price and size.
UNREADABLE, TOO_FINE, TOO_LARGE = (np.iinfo(np.int64).min + k for k in (1, 2, 3))
LOWEST_PRICE = -int(MAX_PRICE) * PRICE_SCALE

_PRICE_DECIMALS = 9
_MAX_DECIMALS = 12
_EXPONENT = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?[eE][+-]?[0-9]{1,2}", re.ASCII)
_MAX_SCALED = 9 * 10**17  # one more digit still fits in 64 bits


def parse_py(data: NDArray[np.uint8], decimals: Int64, limits: Int64, out: Int64) -> int:
    """Parse cells of digits with or without a fraction, each with a comma after it; return the number of cells.

    Those of the first kind may have a minus sign. Cells alternate between two kinds, with `decimals` (2,) places and at
    most `limits` (2,) after scaling. `out` gets each scaled number, or UNREADABLE, TOO_FINE (nonzero digits beyond the
    places) or TOO_LARGE. Returns -1 if there are more cells than `out` has room for.
    """
    n = 0
    tens = limits // 10
    value, whole, places, fault, sign = 0, 0, -1, 0, 1
    for byte in data:
        kind = n & 1
        if byte == 44:
            if n == len(out):
                return -1
            if whole == 0 or places == 0:
                fault = UNREADABLE
            for _ in range(decimals[kind] - max(places, 0)):
                if value > tens[kind]:
                    value = limits[kind] + 1
                    break
                value *= 10
            if fault == 0 and value > limits[kind]:
                fault = TOO_LARGE
            out[n] = fault if fault != 0 else sign * value
            n += 1
            value, whole, places, fault, sign = 0, 0, -1, 0, 1
        elif byte == 45 and kind == 0 and sign > 0 and whole == 0 and places < 0:
            sign = -1
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
            elif value < tens[kind] or (value == tens[kind] and int(byte) - 48 <= limits[kind] - 10 * tens[kind]):
                value = value * 10 + (int(byte) - 48)
            else:
                value = limits[kind] + 1
    return n


parse = compiled(parse_py)


def split_unit(size_unit: float) -> tuple[int, int]:
    """Return decimals d and divisor k with `size_unit` = k·10^-d; a size of whole lots times 10^d is a multiple of k.

    Raises DataError for a unit with more than 12 decimals, which no market has.
    """
    _, digits, exponent = Decimal(repr(size_unit)).normalize().as_tuple()
    assert isinstance(exponent, int)  # the config allows only finite numbers
    if exponent < -_MAX_DECIMALS:
        raise DataError(f"dataset.size_unit={size_unit!r} has more than {_MAX_DECIMALS} decimals: round it.")
    return max(-exponent, 0), int("".join(map(str, digits))) * 10 ** max(exponent, 0)


def parse_prices_and_sizes(cells: Sequence[object], size_unit: float) -> tuple[Int64, Int64]:
    """Parse cells that alternate between price and size; return prices in 1e-9 and sizes in lots, or their faults.

    A cell that is not a string is UNREADABLE, a size that is not a multiple of `size_unit` TOO_FINE.
    """
    places, divisor = split_unit(size_unit)
    decimals = np.array([_PRICE_DECIMALS, places])
    limits = np.array([int(MAX_PRICE) * PRICE_SCALE, min(MAX_SIZE * divisor, _MAX_SCALED)])
    out = np.full(len(cells), UNREADABLE, np.int64)
    if not _parse_together(cells, decimals, limits, out) or _has_exponents(cells, out):
        for i, cell in enumerate(cells):
            if isinstance(cell, str):
                out[i] = _parse_alone(_expand_exponent(cell), i % 2, decimals, limits)
    sizes = out[1::2]
    lots, rest = np.divmod(sizes, divisor)
    return out[::2], np.where(sizes < 0, sizes, np.where(rest == 0, lots, TOO_FINE))


def _parse_together(cells: Sequence[object], decimals: Int64, limits: Int64, out: Int64) -> bool:
    """Parse all cells in one call; return False if a cell is not a string or contains a comma."""
    try:
        joined = "".join((",".join(cells), ",")) if cells else ""  # type: ignore[arg-type]
    except TypeError:
        return False
    return int(parse(_encode_text(joined), decimals, limits, out)) == len(cells)


def _parse_alone(cell: str, kind: int, decimals: Int64, limits: Int64) -> int:
    """Parse one cell; before a size stands a price, as cells alternate."""
    out = np.full(kind + 1, UNREADABLE, np.int64)
    text = "0," * kind + cell + ","
    return int(out[kind]) if parse(_encode_text(text), decimals, limits, out) == kind + 1 else UNREADABLE


def _has_exponents(cells: Sequence[object], out: Int64) -> bool:
    """Return whether a cell that was not read is a number with an exponent."""
    unread = np.flatnonzero(out == UNREADABLE).tolist()
    return any(isinstance(cell := cells[i], str) and _EXPONENT.fullmatch(cell) is not None for i in unread)


def _expand_exponent(cell: str) -> str:
    """Write a number with an exponent, as 1e-05, with decimals; return any other cell unchanged."""
    return cell if _EXPONENT.fullmatch(cell) is None else format(Decimal(cell), "f")


def _encode_text(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)

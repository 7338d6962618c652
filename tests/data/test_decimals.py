"""Decimal strings to integers: known answers, the kernel against its plain twin, and against Python's decimals."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ofiml.data.formats import decimals
from ofiml.data.formats.decimals import (
    TOO_FINE,
    TOO_LARGE,
    UNREADABLE,
    parse_prices_and_sizes,
    split_unit,
)
from ofiml.errors import DataError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("61800.20", 61_800_200_000_000),
        ("0.02818100", 28_181_000),
        ("0.000000001", 1),
        ("4000000", 4_000_000 * 10**9),
        ("130000000.000000001", 130_000_000 * 10**9 + 1),
        ("4600000000", 4_600_000_000 * 10**9),
        ("4600000000.000000000000", 4_600_000_000 * 10**9),
        ("3999999.999999999", 3_999_999_999_999_999),
        ("007", 7 * 10**9),
        ("1e3", 1000 * 10**9),
        ("1.5E-05", 15_000),
        ("-37.63", -37_630_000_000),
        ("-4600000000", -4_600_000_000 * 10**9),
        ("-4600000001", TOO_LARGE),
        ("-1e-3", -1_000_000),
        ("-0.0", 0),
        ("1e-10", TOO_FINE),
        ("1e+10", TOO_LARGE),
        ("1.0000000000000000000000", 10**9),
        ("0.0000000001", TOO_FINE),
        ("4600000000.000000001", TOO_LARGE),
        ("4600000001", TOO_LARGE),
        ("9300000000", TOO_LARGE),
        ("18446744074", TOO_LARGE),
        ("9" * 400, TOO_LARGE),
        *[
            (bad, UNREADABLE)
            for bad in (
                *("", ".", "1.", ".5", "-", "--1", "1-", "-.5", "+1", "1e", "e3", "1e999", "nan", "1.2.3", " 1", "1,5"),
                *("١", "1\n"),
            )
        ],
    ],
)
def test_prices(text, expected):
    for turn in (["5", "1", text, "2"], [text, "1"]):
        prices, sizes = parse_prices_and_sizes(turn, 1.0)
        assert prices[turn.index(text) // 2] == expected
        assert sizes.tolist()[-1] in (1, 2)


@pytest.mark.parametrize(
    ("unit", "text", "expected"),
    [
        (0.001, "2.507", 2507),
        (0.001, "2.50700000", 2507),
        (0.001, "2.5075", TOO_FINE),
        (1e-8, "21000000.00000001", TOO_LARGE),
        (1e-8, "9999.99999999", 999_999_999_999),
        (1000.0, "5000", 5),
        (1000.0, "5500", TOO_FINE),
        (0.25, "1.75", 7),
        (0.25, "1.8", TOO_FINE),
        (1.0, "1000000000000", 10**12),
        (1.0, "1000000000001", TOO_LARGE),
        (1.0, "-1", UNREADABLE),
    ],
)
def test_sizes(unit, text, expected):
    assert parse_prices_and_sizes(["1", text], unit)[1].tolist() == [expected]


def test_cells_that_are_no_strings():
    prices, sizes = parse_prices_and_sizes([1.5, "1", "2", None, "3", "4", ["5"], True], 1.0)
    assert prices.tolist() == [UNREADABLE, 2 * 10**9, 3 * 10**9, UNREADABLE]
    assert sizes.tolist() == [1, UNREADABLE, 4, UNREADABLE]
    assert [x.tolist() for x in parse_prices_and_sizes([], 1.0)] == [[], []]


def test_units():
    assert [split_unit(u) for u in (1.0, 0.001, 1000.0, 0.25, 1e-12)] == [(0, 1), (3, 1), (0, 1000), (2, 25), (12, 1)]
    with pytest.raises(DataError, match=r"dataset\.size_unit=0\.30000000000000004 has more than 12 decimals"):
        split_unit(0.1 + 0.2)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.text("0123456789.,-e", max_size=30), st.text("0123456789.", max_size=20)), max_size=8))
def test_kernel_is_its_twin_and_python_agrees(pairs):
    cells = [cell for pair in pairs for cell in pair]
    data = np.frombuffer("".join(c + "," for c in cells).encode(), np.uint8)
    places, limits = np.array([9, 3]), np.array([4 * 10**15, 10**12])
    fast, plain = np.full(len(cells), 77), np.full(len(cells), 77)
    assert decimals.parse(data, places, limits, fast) == decimals.parse_py(data, places, limits, plain)
    assert fast.tolist() == plain.tolist()
    prices, _ = parse_prices_and_sizes(cells, 0.001)
    for text, price in zip(cells[::2], prices.tolist(), strict=True):
        mantissa, e, exponent = text.partition("e")
        whole, dot, rest = mantissa.removeprefix("-").partition(".")
        power = exponent.removeprefix("-")
        if (
            whole.isdigit()
            and (rest.isdigit() if dot else True)
            and (power.isdigit() and len(power) < 3 if e else True)
        ):
            exact = Decimal(text) * 10**9
            assert (
                price == exact or (price == TOO_FINE and exact % 1) or (price == TOO_LARGE and abs(exact) > 4 * 10**15)
            )
        else:
            assert price == UNREADABLE

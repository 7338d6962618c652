"""CSV to columns: the fast reading and the one that names cells agree, on whatever stands there."""

import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ofiml.config import Policy
from ofiml.data.checks import Checker
from ofiml.data.feed import Blob
from ofiml.data.formats import csv as text
from ofiml.data.schema import NO_PRICE, SIDE
from ofiml.errors import DataError
from tests.conftest import slow_but_each

COLUMNS = {
    "t": text.iso_time(),
    "p": text.optional(text.price()),
    "raw": text.scaled_price(100, none=-1),
    "n": text.integer(),
    "lots": text.size(0.001),
    "flag": text.integer(pl.UInt8(), limit=255),
    "side": text.category(SIDE),
    "name": text.word(),
    "seconds": text.seconds(),
}
GOOD = ["2024-02-29T23:59:59.123456789Z", "233.67", "23367", "5", "0.014", "128", "B", "ES Z4", "34200.004241176"]
WANTED = {
    "t": dt.datetime(2024, 2, 29, 23, 59, 59, 123456, dt.UTC),
    "p": 233_670_000_000,
    "raw": 2_336_700,
    "n": 5,
    "lots": 14,
    "flag": 128,
    "side": "B",
    "name": "ES Z4",
    "seconds": 34_200_004_241_176,
}


def read(lines, policy="raise"):
    content = "\n".join([",".join(COLUMNS), *lines]).encode()
    checker = Checker("f.csv", Policy(unreadable=policy))
    return text.read_csv(Blob("f.csv", content), COLUMNS, checker), checker.dropped


def without(readings, lines, policy="raise"):
    """The same with some of the readings switched off."""
    with pytest.MonkeyPatch.context() as patch:
        for reading in readings:
            patch.setattr(text, reading, lambda *_: None)
        return read(lines, policy)


def test_values():
    frame, dropped = read([",".join(GOOD)])
    assert frame.drop("line").row(0, named=True) == WANTED
    assert (frame["line"].to_list(), dropped) == ([2], {})
    assert frame["t"].to_physical()[0] % 10**9 == 123_456_789


# What a cell may be, well formed or not; each must mean the same to all readings, or be refused by all.
CELLS = {
    "t": ["2024-02-30T00:00:00Z", "2024-02-29T24:00:00Z", "2024-02-29T00:00:00Z", "2024-02-29 00:00:00Z", "x", "",
          "1969-12-31T00:00:00Z", "2024-02-29T00:00:00.5Z", "2024-02-29T00:00:00+01:00", "9999-01-01T00:00:00Z",
          "2024-02-29T00:00:60Z", "2024-2-29T00:00:00Z"],
    "p": ["", "1e3", "-1", "-0.0", "-", "4000000", "4000000.01", "4600000000", "4600000000.1",
          "130001000.000000001", "130001000.0000000001", "1.30001e8", "4.6e9", "4.60000001e9", "+130001000.5",
          "nan", "inf", "2 33", " 7 ", "0.000000001", "1e-12",
          "1_000", "0x1f", "+5", "4000000.000000000", "1.", ".5", "9.930000000000", "9.9300000000001"],
    "raw": ["-1", "0", "1.0", "9" * 18, "9" * 19, "9" * 40, str(2**63 - 1), str(2**63), "-9", "", " 3"],
    "n": ["5.0", "-5", "1000000000001", "", "1e3", "--1", "٣"],
    "lots": ["0.0005", "1", "0.001", "1e-3", "", "nan", "1e15", "0.0140000000001", "0.5000",
             "0.", "1000000000", "1000000000.001"],
    "flag": ["256", "-1", "0", "255"],
    "side": ["b", "A", "N", "", "BB", " A", '"A"'],
    "name": ["", " ", " AAA", "BBB", '"C,C"', "é", "x" * 100],
    "seconds": ["0", "-1.5", "1e3", "1000000.000000001", "34200.0000000001", "", "999999999.5", "1e9"],
}  # fmt: skip


def agreed(lines):
    """What all readings make of the lines, and what they drop."""
    fast, dropped = read(lines, "drop")
    for readings in (["_read_plain"], ["_read_plain", "_read_typed"]):
        slow, slow_dropped = without(readings, lines, "drop")
        assert fast.equals(slow)
        assert fast.schema == slow.schema
        assert dropped == slow_dropped
    return fast, dropped


@pytest.mark.parametrize(
    ("column", "cell"),
    slow_but_each(4, [(c, cell) for c, cells in CELLS.items() for cell in cells]),
)
def test_all_readings_agree_on_a_cell(column, cell):
    odd = [cell if c == column else good for c, good in zip(COLUMNS, GOOD, strict=True)]
    agreed([",".join(GOOD), ",".join(odd), ",".join(GOOD)])


def test_well_formed_lines_are_read_at_once():
    assert without(["_read_typed", "read_as_text"], [",".join(GOOD), ",".join([GOOD[0], "", *GOOD[2:]])])[0].height == 2


ROWS = st.lists(
    st.fixed_dictionaries({c: st.sampled_from([GOOD[i]] * 6 + CELLS[c]) for i, c in enumerate(COLUMNS)}),
    min_size=1,
    max_size=6,
)


@given(ROWS)
@settings(max_examples=10)
def test_all_readings_agree(rows):
    agree(rows)


@pytest.mark.slow
@given(ROWS)
@settings(max_examples=150)
def test_all_readings_agree_on_many_tables(rows):
    agree(rows)


def agree(rows):
    lines = [",".join(r[c] for c in COLUMNS) for r in rows]
    fast, fast_dropped = agreed(lines)
    try:
        raised = None
        whole, _ = read(lines)
    except DataError as error:
        raised = str(error)
    assert (raised is None) == (fast_dropped == {})
    if raised is None:
        assert whole.equals(fast)


def test_an_empty_cell_is_only_missing_where_it_may_be():
    frame, _ = read([",".join(["2024-02-29T23:59:59Z", "", *GOOD[2:]])])
    assert frame["p"].to_list() == [None]
    with pytest.raises(DataError, match=r"f\.csv, line 2, column n: the value is missing"):
        read([",".join([*GOOD[:3], "", *GOOD[4:]])])


def test_a_price_that_stands_for_none():
    frame, _ = read([",".join([*GOOD[:2], "-1", *GOOD[3:]])])
    assert frame["raw"].to_list() == [NO_PRICE]


@given(st.binary(max_size=400))
@settings(max_examples=60)
def test_any_bytes_end_in_a_sentence_or_a_table(content):
    end_in_a_sentence_or_a_table(content)


@pytest.mark.slow
@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_many_bytes_end_in_a_sentence_or_a_table(content):
    end_in_a_sentence_or_a_table(content)


def end_in_a_sentence_or_a_table(content):
    blob = Blob("f.csv", ",".join(COLUMNS).encode() + b"\n" + content)
    try:
        frame = text.read_csv(blob, COLUMNS, Checker("f.csv", Policy(unreadable="drop")))
    except DataError as error:
        assert str(error).startswith("f.csv")  # noqa: PT017
    else:
        assert frame.columns == ["line", *COLUMNS]


def test_a_price_beyond_floats_is_parsed_from_its_text():
    for cell, is_float in (("3.9e6", True), ("1.3e8", False)):
        table = text._read_typed(Blob("f.csv", f"p,q\n{cell},1\n".encode()), {"p": text.price()}, True, ["p", "q"])
        assert (table is not None) == is_float

"""CSV to columns: the fast reading and the one that names cells agree, on whatever stands there."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ofiml.config import Policy
from ofiml.errors import DataError
from ofiml.events import text
from ofiml.events.checks import Checker
from ofiml.events.feed import Blob
from ofiml.events.schema import NO_PRICE, SIDE

COLUMNS = {
    "t": text.iso_time(),
    "p": text.optional(text.price()),
    "raw": text.scaled_price(100, none=-1),
    "n": text.integer(),
    "lots": text.size(0.001),
    "flag": text.integer(pl.UInt8(), limit=255),
    "side": text.category(SIDE),
}
GOOD = ["2024-02-29T23:59:59.123456789Z", "233.67", "23367", "5", "0.014", "128", "B"]
WANTED = {
    "t": dt.datetime(2024, 2, 29, 23, 59, 59, 123456, dt.UTC),
    "p": 233_670_000_000,
    "raw": 2_336_700,
    "n": 5,
    "lots": 14,
    "flag": 128,
    "side": "B",
}


def read(lines, policy="raise"):
    content = "\n".join([",".join(COLUMNS), *lines]).encode()
    checker = Checker("f.csv", Policy(unreadable=policy))
    return text.read_csv(Blob("f.csv", content), COLUMNS, checker), checker.dropped


def slowly(lines, policy="raise"):
    """The same with the fast reading switched off."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "_typed", lambda *_: None)
        return read(lines, policy)


def test_values():
    frame, dropped = read([",".join(GOOD)])
    assert frame.drop("line").row(0, named=True) == WANTED
    assert (frame["line"].to_list(), dropped) == ([2], {})
    assert frame["t"].to_physical()[0] % 10**9 == 123_456_789


# What a cell may be, well formed or not; each must mean the same to both readings, or be refused by both.
CELLS = {
    "t": ["2024-02-30T00:00:00Z", "2024-02-29T24:00:00Z", "2024-02-29T00:00:00Z", "2024-02-29 00:00:00Z", "x", "",
          "1969-12-31T00:00:00Z", "2024-02-29T00:00:00.5Z", "2024-02-29T00:00:00+01:00", "9999-01-01T00:00:00Z",
          "2024-02-29T00:00:60Z", "2024-2-29T00:00:00Z"],
    "p": ["", "1e3", "-1", "4000000", "4000000.01", "nan", "inf", "2 33", " 7 ", "0.000000001", "1e-12", "1_000",
          "0x1f", "+5", "1.", ".5"],
    "raw": ["-1", "0", "1.0", "9" * 18, "9" * 19, "9" * 40, "-9", "", " 3"],
    "n": ["5.0", "-5", "1000000000001", "", "1e3", "--1", "٣"],
    "lots": ["0.0005", "1", "0.001", "1e-3", "", "nan", "1e15", "0.0140000000001"],
    "flag": ["256", "-1", "0", "255"],
    "side": ["b", "A", "N", "", "BB", " A"],
}  # fmt: skip


@given(st.lists(st.fixed_dictionaries({c: st.sampled_from([GOOD[i]] * 6 + CELLS[c]) for i, c in enumerate(COLUMNS)}),
                min_size=1, max_size=6))  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_both_readings_agree(rows):
    lines = [",".join(r[c] for c in COLUMNS) for r in rows]
    fast, fast_dropped = read(lines, "drop")
    slow, slow_dropped = slowly(lines, "drop")
    assert fast.equals(slow)
    assert fast_dropped == slow_dropped
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


@given(
    st.lists(st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2259, 12, 31)), min_size=1, max_size=20),
    st.integers(0, 9),
)
@settings(max_examples=200, deadline=None)
def test_times_are_exact(moments, digits):
    cells = []
    for i, m in enumerate(moments):
        fraction = f"{m.microsecond * 1000 + i:09d}"[:digits]
        cells.append(m.strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction}" if digits else "") + "Z")
    expected = [int(np.datetime64(c[:-1], "ns").astype(np.int64)) for c in cells]
    assert text.iso_times(pl.Series(cells)).to_physical().to_list() == expected
    digits_of = np.frombuffer("".join(cells).encode(), np.uint8).reshape(len(cells), -1)
    plain = np.full(len(cells), -1)
    assert text.parse_iso_py(digits_of, plain)
    assert plain.tolist() == expected


@given(
    st.lists(
        st.sampled_from([1.25, 233.67, 4_000_000.0, 4_000_000.5, 1e-9, 1e-10, float("nan"), float("inf"), -3.5, 0.0])
    )
)
@settings(max_examples=200, deadline=None)
def test_quick_prices_equal_their_twin(prices):
    outs = []
    for run in (text.to_units, text.to_units_py):
        units = np.full(len(prices), -99)
        missing = int(np.isnan(prices).sum()) if prices else 0
        outs.append((run(np.array(prices, dtype=float), units, missing, text.MAX_PRICE), units.tolist()))
    assert outs[0] == outs[1]


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_any_bytes_end_in_a_sentence_or_a_table(content):
    blob = Blob("f.csv", ",".join(COLUMNS).encode() + b"\n" + content)
    try:
        frame = text.read_csv(blob, COLUMNS, Checker("f.csv", Policy(unreadable="drop")))
    except DataError as error:
        assert str(error).startswith("f.csv")  # noqa: PT017
    else:
        assert frame.columns == ["line", *COLUMNS]

"""Plain cells: the kernel against its plain twin, against Python's own decimals and times, and cut anywhere."""

import datetime as dt
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ofiml.data.formats import cell_kernel, cells
from ofiml.data.formats.cell_kernel import (
    EMPTY,
    INSTANT,
    LOCAL,
    MAX_VALUE,
    MAX_WORDS,
    NUMBER,
    SKIP,
    WORD,
)
from ofiml.data.formats.cells import Plain
from ofiml.data.formats.time_formats import NAIVE
from ofiml.data.formats.timestamps import choose_time_column

NAMES = ["t", "passed over", "n", "side", "p"]
COLUMNS = {
    "p": Plain(NUMBER, 3, -5000, 9_000_000, pl.Int64()),
    "t": Plain(INSTANT),
    "side": Plain(WORD),
    "n": Plain(NUMBER, dtype=pl.UInt32(), low=0, high=100),
}
GOOD = "2024-02-29T23:59:59.5Z,x y,7,BTC-USDT,1.25"


def read(lines, end="\n"):
    content = f"{','.join(NAMES)}\n{end.join(lines)}".encode()
    return cells.read_cells(content, content.index(b"\n") + 1, NAMES, COLUMNS, {"p"})


def bytes_of(text):
    return np.frombuffer(text.encode(), np.uint8)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "\n"])
def test_values(end, last):
    frame = read(
        [GOOD, "1970-01-01T00:00:00Z,,0.00,A,", "2259-12-31T23:59:59.999999999Z,é,100,BTC-USDT,-5" + last], end
    )
    assert frame.columns == list(COLUMNS)
    assert frame["p"].to_list() == [1250, None, -5000]
    assert frame["t"].to_list() == [1_709_251_199_500_000_000, 0, 9_151_487_999_999_999_999]
    assert frame["n"].to_list() == [7, 0, 100]
    assert frame.schema["n"] == pl.UInt32()
    assert frame["side"].cast(pl.String).to_list() == ["BTC-USDT", "A", "BTC-USDT"]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "\r",
        GOOD + ",",
        GOOD.rpartition(",")[0],
        GOOD.replace("x y", '"x,y"'),
        GOOD.replace("x y", '"x') + "\n" + GOOD.replace("x y", 'y"'),
        GOOD.replace("7", ""),
        GOOD.replace("7", "7 "),
        GOOD.replace("7", "7.5"),
        GOOD.replace("7", "101"),
        GOOD.replace("7", "-1"),
        GOOD.replace("7", "7\r"),
        GOOD.replace("1.25", "1.2501"),
        GOOD.replace("1.25", "1."),
        GOOD.replace("1.25", "-"),
        GOOD.replace("1.25", "1e3"),
        GOOD.replace("1.25", "-5.001"),
        GOOD.replace("BTC-USDT", ""),
        GOOD.replace("BTC-USDT", " A"),
        GOOD.replace("BTC-USDT", "A "),
        GOOD.replace("BTC-USDT", "é"),
        GOOD.replace("02-29", "02-30"),
        GOOD.replace("2024", "2023"),
        GOOD.replace("2024", "1969"),
        GOOD.replace("23:", "24:"),
        GOOD.replace(":59Z", ":60Z").replace(":59.5", ":60.5"),
        GOOD.replace(".5Z", ".Z"),
        GOOD.replace(".5Z", ".1234567890Z"),
        GOOD.replace("Z,", "+01:00,"),
        GOOD.replace("T2", " 2"),
    ],
)
def test_a_line_that_is_not_plain_gives_nothing(line):
    assert read([GOOD, GOOD]).height == 2
    assert read([GOOD, line, GOOD]) is None


def test_a_line_that_is_cut_short_at_the_end_of_the_file_gives_nothing():
    for end in range(1, len(GOOD) - len("1.25")):
        assert read([GOOD, GOOD[:end]]) is None


def test_so_many_words_are_a_table_and_one_more_is_not():
    lines = [GOOD.replace("BTC-USDT", f"W{i}") for i in range(MAX_WORDS + 1)]
    assert read(lines[:-1])["side"].cast(pl.String).to_list() == [f"W{i}" for i in range(MAX_WORDS)]
    assert len(cells.split_lines("\n".join(lines).encode(), 0, 1)) == 2  # the last line, without its end, by itself
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pl, "thread_pool_size", lambda: 1)
        assert read([*lines, GOOD, ""]) is None


@given(st.lists(st.sampled_from(["A", "BB", "CCC"]), min_size=1, max_size=30), st.integers(1, 8), st.booleans())
@settings(max_examples=50)
def test_it_matters_not_where_a_file_is_cut(words, threads, ended):
    lines = [f"2024-02-29T00:00:00.{i:09d}Z,,{i},{word},0.{i}" for i, word in enumerate(words)]
    content = "\n".join(["header", *lines]) + "\n" * ended
    parts = cells.split_lines(content.encode(), len("header\n"), threads)
    assert b"".join(part.tobytes() for part in parts).decode() == "\n".join(lines) + "\n"
    assert all(part.tobytes().endswith(b"\n") for part in parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pl, "thread_pool_size", lambda: threads)
        frame = read([*lines, ""] if ended else lines)
    assert frame["side"].cast(pl.String).to_list() == words
    assert frame["n"].to_list() == list(range(len(words)))


@given(st.from_regex(r"-?[0-9]{0,20}(\.[0-9]{0,12})?[,\n ]", fullmatch=True), st.integers(0, 9))
@settings(max_examples=200)
def test_numbers_are_exact(cell, scale):
    value, after = cell_kernel.parse_number(bytes_of(cell + "\n"), 0, scale)
    assert (value, after) == cell_kernel.parse_number_py(bytes_of(cell + "\n"), 0, scale)
    if after < 0:
        return
    exact = Decimal(cell[:after]).scaleb(scale)
    assert abs(exact) <= MAX_VALUE
    assert value == exact


@pytest.mark.parametrize("cell", [str(MAX_VALUE), f"-{MAX_VALUE}", "9223372036.854775807", "0", "-0.0"])
def test_the_largest_numbers(cell):
    scale = 9 if "." in cell else 0
    for run in (cell_kernel.parse_number, cell_kernel.parse_number_py):
        assert run(bytes_of(cell + ",\n"), 0, scale) == (int(Decimal(cell).scaleb(scale)), len(cell))


@pytest.mark.parametrize("cell", [str(MAX_VALUE + 1), "9" * 19, "9" * 20, "9" * 40, "9223372036.854775808"])
def test_numbers_that_int64_does_not_hold(cell):
    for run in (cell_kernel.parse_number, cell_kernel.parse_number_py):
        assert run(bytes_of(cell + ",\n"), 0, 9 if "." in cell else 0) == (0, -1)


@given(st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2259, 12, 31)), st.integers(0, 999), st.integers(0, 9))
@settings(max_examples=150)
def test_times_are_exact(moment, nanoseconds, digits):
    fraction = f"{moment.microsecond * 1000 + nanoseconds:09d}"[:digits]
    cell = moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction}" if digits else "")
    expected = int(np.datetime64(cell, "ns").astype(np.int64))
    for run in (cell_kernel.parse_instant, cell_kernel.parse_instant_py):
        assert run(bytes_of(cell + "Z,\n"), 0, False) == (expected, len(cell) + 1)
        for local in (cell, cell.replace("T", " ")):
            assert run(bytes_of(local + "\n"), 0, True) == (expected, len(cell))


CLOSE_TO_TIMES = (
    r"(19[67][0-9]|20[0-9]{2}|226[0-1]|225[0-9])-[01][0-9]-[0-3][0-9][T t_][0-2][0-9]:[0-5][0-9]:[0-6][0-9]"
    r"(\.[0-9]{0,11})?(Z|\r| |)"
)


@given(st.from_regex(CLOSE_TO_TIMES, fullmatch=True))
@settings(max_examples=200)
def test_local_times_are_those_of_polars(cell):
    value, after = cell_kernel.parse_instant(bytes_of(cell + "\n"), 0, True)
    assert (value, after) == cell_kernel.parse_instant_py(bytes_of(cell + "\n"), 0, True)
    column = choose_time_column(pl.DataFrame({"t": ["2024-02-29 23:59:59.5"]}), "t")
    assert column.plain == Plain(LOCAL, dtype=NAIVE)
    (other,) = pl.DataFrame({"t": [cell]}).select(column.value(pl.col("t"))).to_series().cast(pl.Int64)
    is_plain = after == len(cell.removesuffix("\r"))
    assert not is_plain or value == other
    # Whatever polars reads is plain too, but for spaces at the end.
    assert is_plain or other is None or cell.endswith(" ")


@pytest.mark.parametrize("cell", ["2024-02-29 09:30:00", "2024-02-29T09:30:00.000000001"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_local_times_in_any_column(cell, end):
    formats = {"a": Plain(LOCAL), "b": Plain(LOCAL, dtype=NAIVE)}
    expected = np.datetime64(cell.replace(" ", "T"), "ns")
    frame = cells.read_cells(f"{cell},{cell}{end}".encode(), 0, ["a", "b"], formats, set())
    assert frame["a"].to_list() == [expected.astype(np.int64)]
    assert frame["b"].to_numpy()[0] == expected
    for bad in (f"{cell}Z", f"{cell} ", cell[:16], cell.replace("02-29", "02-30"), f" {cell}"):
        assert cells.read_cells(f"{cell},{bad}{end}".encode(), 0, ["a", "b"], formats, set()) is None


PIECES = [
    "2024-02-29 23:59:59",
    "2024-02-29T23:59:59.5Z",
    "1",
    "-2.5",
    "",
    "A",
    "BB",
    '"',
    " ",
    "\r",
    "é",
    "9" * 19,
    "7.0",
    "2024-02-30",
]


@given(st.lists(st.lists(st.sampled_from(PIECES), min_size=4, max_size=5), max_size=4), st.booleans(), st.booleans())
@settings(max_examples=150)
def test_the_kernel_equals_its_twin(lines, lucky, local):
    kind = LOCAL if local else INSTANT
    if lucky:  # else few lines are plain
        lines = [
            [PIECES[0 if local else 1], line[1].strip('"'), "7", line[2].strip('"\r é') or "A", line[3]]
            for line in lines
        ]
    data = bytes_of("".join(",".join(line) + "\n" for line in lines))
    how = np.array([[kind, 0, -MAX_VALUE, MAX_VALUE], [SKIP, 0, 0, 0], [NUMBER, 0, 0, 100], [WORD, 0, 0, 63],
                    [NUMBER, 3, -5000, 5000]])  # fmt: skip
    may_lack, place = np.array([False, False, False, False, True]), np.array([1, -1, 3, 2, 0])
    outs = []
    for run in (cell_kernel.read_lines, cell_kernel.read_lines_py):
        values, words = np.full((4, len(lines)), EMPTY + 1), np.zeros((4, MAX_WORDS, 2), np.int64)
        outs.append((run(data, 0, how, may_lack, place, values, words), values.tolist(), words.tolist()))
    assert outs[0] == outs[1]
    assert cell_kernel.count_lines(data) == cell_kernel.count_lines_py(data) == len(lines)

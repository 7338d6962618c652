"""Damaged inputs of every reader, read as a study reads them: one clear sentence, or sound sessions.

`scripts/fuzz.py` does the same for as long as one likes.
"""

import io
import random

import polars as pl
import pytest

from ofiml.config import Policy
from ofiml.data import feed
from ofiml.data.feed import Blob, unpack_file
from ofiml.data.formats import csv as text
from ofiml.data.readers import READERS
from ofiml.data.sessions import list_sources
from ofiml.errors import DataError
from tests.conftest import slow_but_each, slow_except
from tests.effort import bounded
from tests.fuzzing.damage import Damaged, damage_sample
from tests.fuzzing.samples import Sample, gzipped, samples, zstd
from tests.fuzzing.verdict import POLICIES, assert_same, assert_sound, assert_stated, read_damaged

SAMPLES = samples()


def whole(sample: Sample) -> Damaged:
    return Damaged(sample.files(), sample.given, "whole", harmless=True, members=sample.members)


QUICK = [(name, 5) for name in list(SAMPLES)[::8]]  # 50 of each in `make test-slow`, these five among them


@pytest.mark.parametrize(("name", "inputs"), slow_except(QUICK, [*QUICK, *((name, 50) for name in SAMPLES)]))
def test_every_damage_ends_in_a_sentence_or_in_sound_sessions(tmp_path, name, inputs):
    sample = SAMPLES[name]
    there = {choice: read_damaged(sample, whole(sample), tmp_path / choice, choice) for choice in POLICIES}
    assert there["keep"], "the sample itself is refused"
    refused = 0
    for i in range(inputs):
        rng = random.Random(f"{name} {i}")
        damage, choice = damage_sample(sample, rng), rng.choice(sorted(POLICIES))
        try:
            with bounded(calls=20_000_000):
                sessions = read_damaged(sample, damage, tmp_path / str(i), choice)
            if damage.harmless and there[choice] is not None:
                assert sessions is not None, "refused, though no value was touched"
                assert_same(sessions, there[choice])
        except BaseException as error:
            error.add_note(f"input {i} of {name}, policy {choice}: {damage.how}")
            raise
        refused += sessions is None
    assert refused > 0
    assert refused < inputs or inputs < 50  # one of few inputs need not be harmless


def test_a_hang_does_not_pass():
    with pytest.raises(AssertionError, match="more than 1,000 calls"), bounded(calls=1_000):  # noqa: PT012
        while True:
            len(SAMPLES)
    with bounded(calls=1_000):
        assert [len(SAMPLES) for _ in range(500)]


def test_every_own_reader_has_a_sample(tmp_path):
    (tmp_path / "x").touch()
    names = {sample.config(tmp_path, Policy()).name for sample in SAMPLES.values()}
    assert names == set(READERS.list_own())


def session(name="parquet"):
    sample = SAMPLES[name]
    config = None

    def read(folder):
        nonlocal config
        for file, content in sample.files().items():
            (folder / file).write_bytes(content)
        config = sample.config(folder / sample.given, Policy())
        return [s for source in list_sources(config) for s in source()], config

    return read


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda e: e.reverse(), "not sorted"),
        (lambda e: e.with_columns(ask_px_00=pl.col("bid_px_00") - 1), "crossed"),
        (lambda e: e.with_columns(bid_sz_00=pl.lit(-1, pl.Int64)), "negative size"),
        (lambda e: e.with_columns(ask_sz_00=pl.lit(0, pl.Int64)), "size 0"),
        (lambda e: e.with_columns(bid_px_01=pl.col("bid_px_00")), "out of order"),
        (lambda e: e.with_columns(flags=pl.lit(0, pl.Int64)), "schema"),
        (lambda e: e.head(3), "quality.used"),
        (lambda e: e.with_columns(symbol=pl.lit("Z")), "the symbol"),
    ],
)
def test_an_unsound_session_does_not_pass(tmp_path, change, what):
    (s, *_), config = session()(tmp_path)
    assert_sound(s, config)
    object.__setattr__(s, "events", change(s.events))
    with pytest.raises(AssertionError, match=what):
        assert_sound(s, config)


@pytest.mark.parametrize("name", ["databento_csv", "databento_raw", "lobster_zip", "quotes", "tardis_snapshot"])
def test_a_number_that_stands_nowhere_does_not_pass(tmp_path, name):
    sessions, _ = session(name)(tmp_path)
    assert_stated(sessions, SAMPLES[name], SAMPLES[name].members)
    object.__setattr__(sessions[0], "events", sessions[0].events.with_columns(pl.col("bid_px_00") + 1))
    with pytest.raises(AssertionError, match="stands in no row"):
        assert_stated(sessions, SAMPLES[name], SAMPLES[name].members)


# --- what the fuzzing found, each by itself --------------------------------------------------------------------------


def given(tmp_path, name, **members):
    """The sample's sessions, with the named parts of its members replaced."""
    sample = SAMPLES[name]
    for file, content in sample.pack(members or sample.members).items():
        (tmp_path / file).write_bytes(content)
    config = sample.config(tmp_path / sample.given, Policy())
    return [s for source in list_sources(config) for s in source()]


@pytest.mark.parametrize("year", ["0001", "1600", "1969", "2262", "2300", "2608", "9999"])
def test_years_that_int64_does_not_hold_are_no_times(tmp_path, year):
    content = (
        SAMPLES["databento_csv"].members["x.csv"].replace(b"2024-10-21T14:00:03.", f"{year}-10-21T14:00:03.".encode())
    )
    with pytest.raises(DataError, match=rf"line 4, column ts_recv: '{year}-.*' cannot be read"):
        given(tmp_path, "databento_csv", **{"x.csv": content})


def test_more_decimals_than_nanoseconds_are_no_time(tmp_path):
    content = SAMPLES["databento_csv"].members["x.csv"].replace(b"03.000000001Z", b"03.0000000019Z")
    with pytest.raises(DataError, match="line 4, column ts_recv"):
        given(tmp_path, "databento_csv", **{"x.csv": content})


@pytest.mark.parametrize("price", ["0.1234567890123", "9.9300000001", "1000.0000000005", "1e-30"])
def test_more_decimals_than_a_price_has_are_no_price(tmp_path, price):
    content = SAMPLES["databento_csv"].members["x.csv"].replace(b",9.93,", f",{price},".encode())
    with pytest.raises(DataError, match=rf"line 4, column bid_px_01: '{price}' cannot be read"):
        given(tmp_path, "databento_csv", **{"x.csv": content})


def test_a_size_is_whole_lots_or_none():
    size = text.size(0.001).value(pl.col("x"))
    cells = {"x": [0.005, 123456789.123, 0.30000000000000004, 0.0050000001, 0.0055, 1e30]}
    assert pl.DataFrame(cells).select(size).to_series().to_list() == [5, 123456789123, 300, None, None, None]


@pytest.mark.parametrize(
    ("column", "dtype", "what"),
    [
        ("bid_px_00", pl.Enum(["A"]), "its type is Enum.*numbers are expected"),
        ("bid_sz_00", pl.Boolean(), "its type is Boolean, but numbers are expected"),
        ("ts_recv", pl.Date(), "its type is Date, but times or integers are expected"),
        ("action", pl.Int64(), "its type is Int64, but strings are expected"),
        ("bid_px_00", pl.List(pl.Int64()), "its type is List.*numbers are expected"),
    ],
)
def test_types_that_cast_to_other_numbers_are_refused(tmp_path, column, dtype, what):
    frame = pl.read_parquet(SAMPLES["databento_parquet"].members["x.parquet"])
    content = io.BytesIO()
    frame.with_columns(pl.lit(None, dtype).alias(column)).write_parquet(content)
    with pytest.raises(DataError, match=rf"column {column}: {what}"):
        given(tmp_path, "databento_parquet", **{"x.parquet": content.getvalue()})


def test_fractions_of_lots_are_refused_and_decimals_are_prices(tmp_path):
    frame = pl.read_parquet(SAMPLES["databento_parquet"].members["x.parquet"])

    def read(*columns):
        content = io.BytesIO()
        frame.with_columns(*columns).write_parquet(content)
        return given(tmp_path, "databento_parquet", **{"x.parquet": content.getvalue()})

    whole = read()
    prices = [c for c in frame.columns if "_px_" in c or c == "price"]
    assert_same(read((pl.col(prices) / 1e9).cast(pl.Decimal(20, 9))), whole)
    assert_same(read(pl.col("size").cast(pl.Float64)), whole)
    with pytest.raises(DataError, match=r"row 1, column size: .* cannot be read"):
        read(pl.col("size") + 0.5)


def test_a_cell_of_a_named_level_is_named(tmp_path):
    ((file, content),) = SAMPLES["tardis_snapshot"].members.items()
    with pytest.raises(DataError, match=r"line 3, column bids\[0\]\.price: 'x' cannot be read"):
        given(tmp_path, "tardis_snapshot", **{file: content.replace(b"102.0", b"x")})


def test_an_order_may_have_any_number(tmp_path):
    ((file, content),) = SAMPLES["lobster_messages"].members.items()
    (whole,) = given(tmp_path, "lobster_messages")
    lines = [line.split(b",") for line in content.splitlines()]
    negative = b"\n".join(b",".join([*line[:2], b"-" + line[2] + b"1", *line[3:]]) for line in lines)
    (other,) = given(tmp_path, "lobster_messages", **{file: negative})
    assert other.events.equals(whole.events)


def test_a_price_whose_size_is_missing_is_no_level_of_size_0(tmp_path):
    ((file, content),) = SAMPLES["tardis_snapshot"].members.items()
    with pytest.raises(DataError, match=r"column bid_sz_00: level 0 has a price, .* and its size is missing"):
        given(tmp_path, "tardis_snapshot", **{file: content.replace(b",102.0,2,", b",102.0,,")})


def test_a_cell_without_end_is_cut_in_the_sentence(tmp_path):
    content = SAMPLES["quotes"].members["x.csv"].replace(b"158.58,18", b"1" * 100_000 + b",18")
    with pytest.raises(DataError, match=r"line 3, column OFR: '1{80}…' cannot be read"):
        given(tmp_path, "quotes", **{"x.csv": content})


@pytest.mark.parametrize("name", ["databento_csv", "lobster_messages", "quotes"])
@pytest.mark.parametrize("filler", slow_but_each(3, [b",", b"0", b"\x00"]))
def test_a_first_line_without_end_is_refused_at_once(tmp_path, name, filler):
    members = dict.fromkeys(SAMPLES[name].members, filler * 8_000_000)
    with pytest.raises(DataError, match="more columns than any known format"):
        given(tmp_path, name, **members)


def test_no_row_left_is_one_sentence(tmp_path):
    sample = SAMPLES["quotes"]
    (tmp_path / "x.csv").write_bytes(sample.members["x.csv"].replace(b"158.39", b"x").replace(b"158.4,", b"x,"))
    config = sample.config(tmp_path / "x.csv", POLICIES["drop"])
    with pytest.raises(DataError, match=r"x\.csv: no rows remain \(dropped: 3 rows that cannot be read\)"):
        [s for source in list_sources(config) for s in source()]


@pytest.mark.parametrize("pack", [gzipped, zstd])
def test_bombs_are_stopped(monkeypatch, pack):
    ((name, content),) = pack({"x": b"0" * 3_000_000}).items()
    assert len(unpack_file(Blob(name, content)).content) == 3_000_000
    monkeypatch.setattr(feed, "_MIN_BOMB_BYTES", 1_000_000)
    monkeypatch.setattr(feed, "_CHUNK_BYTES", 100_000)
    with pytest.raises(DataError, match=r"x unpacks to more than 200 times its \d+ bytes"):
        unpack_file(Blob(name, content))
    monkeypatch.setattr(feed, "MAX_BYTES", 500_000)
    with pytest.raises(DataError, match="x unpacks to more than 0 GiB"):
        unpack_file(Blob(name, content))


@pytest.mark.parametrize("end", [b"\n", b"\n\n\n", b"\r\n\r\n"])
@pytest.mark.parametrize("name", ["databento_csv", "quotes", "algoseek", "lobster_pair"])
def test_empty_lines_at_the_end_are_no_rows(tmp_path, name, end):
    members = SAMPLES[name].members
    assert_same(given(tmp_path, name, **{n: c + end for n, c in members.items()}), given(tmp_path, name))


@pytest.mark.parametrize(
    ("file", "what"),
    [
        ("ABC_0001-01-01_34200000_57600000_message_2.csv", "not a date from 1970 to 2259"),
        ("ABC_9999-12-31_34200000_57600000_message_2.csv", "not a date from 1970 to 2259"),
        ("ABC_2012-06-21_34200000_57600000_message_0.csv", "states 0 levels"),
        ("ABC_2012-06-21_34200000_57600000_message_999999999.csv", "states 999999999 levels"),
        ("ABC_2012-06-21_57600000_34200000_message_2.csv", "the hours"),
        ("ABC_2012-06-21_34200000_99999999999999999999_message_2.csv", "the hours"),
    ],
)
def test_absurd_names_of_lobsters_files(tmp_path, file, what):
    sample = SAMPLES["lobster_messages"]
    (tmp_path / file).write_bytes(next(iter(sample.members.values())))
    with pytest.raises(DataError, match=what):
        [s for source in list_sources(sample.config(tmp_path / file, Policy())) for s in source()]

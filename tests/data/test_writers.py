"""Sessions written as DBN and LOBSTER: they read back the same, or the writer says what cannot be said."""

from dataclasses import replace

import databento_dbn as d
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ofiml.data.cache import write_events
from ofiml.data.feed import Blob
from ofiml.data.readers.databento import mbp
from ofiml.data.readers.lobster import days
from ofiml.data.schema import F_LAST, F_SNAPSHOT, SIDE
from ofiml.data.writers.vendors import make_lobster_name, to_dbn, to_lobster
from ofiml.errors import DataError
from tests.books import TICK, random_session, session
from tests.data.test_readers import read
from tests.golden.test_aapl import file_dataset

RANDOM = [(seed, n, levels) for seed, (n, levels) in enumerate([(1, 1), (50, 3), (200, 10), (300, 5)])]


def from_dbn(raw, path, **changed):
    dataset = file_dataset("databento", path, calendar="24/7", **changed)
    (feed,) = mbp.read_feeds([Blob("written.dbn", raw)], dataset)
    checked = feed.checker.check_book(feed.events, feed.levels)
    return feed.symbol, checked


def same_events(ours, original):
    columns = [c for c in original.columns if c != "symbol"]
    for column in columns:
        assert ours[column].equals(original[column]), column


def spoken(original):
    """As LOBSTER could have it: prices, one message a row, numbered from 1 as its lines are."""
    n = original.events.height
    events = original.events.with_columns(
        pl.lit(1_000 * TICK).alias("price"), pl.int_range(1, n + 1, dtype=pl.Int64).alias("sequence")
    )
    return replace(original, events=events)


@pytest.fixture
def anywhere(tmp_path):
    path = tmp_path / "any"
    path.write_bytes(b"x")
    return path


# --- DBN -------------------------------------------------------------------------------------------------------------


def test_prices_through_zero_come_back_from_dbn(anywhere):
    rows = [{"t": t, "book": [(1 - t, 4, 3 - t, 5)], "price": 1 - t} for t in range(1, 6)]
    rows += [{"t": 6, "book": [(0, 4, None, 0)], "price": 0}, {"t": 7, "book": [(None, 0, 0, 5)], "price": None}]
    original = session(rows)
    assert original.events["bid_px_00"].to_list() == [0, -TICK, -2 * TICK, -3 * TICK, -4 * TICK, 0, None]
    _, events = from_dbn(to_dbn(original), anywhere, levels=1)
    same_events(events, original.events)


@pytest.mark.parametrize(("seed", "n", "levels"), RANDOM)
def test_random_sessions_come_back_from_dbn(anywhere, seed, n, levels):
    original = random_session(seed, n, levels)
    symbol, events = from_dbn(to_dbn(original), anywhere, levels=levels)
    assert symbol == original.symbol
    same_events(events, original.events)
    _, wider = from_dbn(to_dbn(original), anywhere)  # levels beyond the session's are empty
    for m in range(levels, 10):
        assert wider.select(pl.col(f"bid_px_{m:02d}", f"ask_sz_{m:02d}", f"bid_ct_{m:02d}").is_null().all()).row(0) == (
            True, True, True,
        )  # fmt: skip


@given(st.integers(0, 2**31), st.integers(1, 30), st.integers(1, 10), st.sampled_from([1.0, 5.0, 100.0]))
@settings(max_examples=15)
def test_any_session_comes_back_from_dbn(tmp_path_factory, seed, n, levels, unit):
    path = tmp_path_factory.mktemp("dbn") / "any"
    path.write_bytes(b"x")
    original = replace(random_session(seed, n, levels, gaps=0.5), size_unit=unit)
    _, events = from_dbn(to_dbn(original), path, levels=levels, size_unit=unit)
    same_events(events, original.events)


def test_the_vendors_decoder_reads_what_is_written():
    original = random_session(5, 30, 10)
    decoder = d.DBNDecoder()
    decoder.write(to_dbn(original))
    metadata, *records = decoder.decode()
    assert len(decoder.buffer()) == 0
    assert (metadata.version, metadata.schema, metadata.symbols) == (3, d.Schema.MBP_10, ["TEST"])
    assert [r.ts_recv for r in records] == original.events["ts_recv"].to_physical().to_list()
    assert [r.levels[2].ask_px for r in records] == original.events["ask_px_02"].fill_null(2**63 - 1).to_list()
    assert {type(r).__name__ for r in records} == {"MBP10Msg"}


def test_a_session_over_midnight_keeps_its_symbol(anywhere):
    original = session([{"t": t, "book": [(10, 1, 12, 1)]} for t in (86_399, 86_401)])
    symbol, events = from_dbn(to_dbn(original), anywhere, levels=1)
    assert (symbol, events.height) == ("TEST", 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"events": pl.lit(2**32).alias("sequence")}, "Event 1, column sequence: 4294967296 is not between"),
        ({"events": pl.lit(2**32 - 1).alias("bid_sz_00")}, "Event 1, column bid_sz_00: 4294967295 is not between"),
        ({"size_unit": 0.3}, "sizes in lots of 0.3 are not whole units"),
        ({"symbol": "X" * 100}, "cannot be written as DBN"),
        ({"levels": 11}, "11 levels, MBP-10 has 10"),
    ],
)
def test_what_dbn_cannot_hold(change, message):
    original = session([{"t": 1, "book": [(10, 1, 12, 1)]}])
    if "events" in change:
        change = {"events": original.events.with_columns(change["events"])}
    with pytest.raises(DataError, match=message):
        to_dbn(replace(original, **change))


# --- LOBSTER ---------------------------------------------------------------------------------------------------------


def from_lobster(pair, name, path):
    blobs = [Blob(name, pair[0]), Blob(name.replace("_message_", "_orderbook_"), pair[1])]
    (feed,) = days.read_feeds(blobs, file_dataset("lobster", path, calendar="24/7"))
    return feed, feed.checker.check_book(feed.events, feed.levels)


@pytest.mark.parametrize(("seed", "n", "levels"), RANDOM)
def test_random_sessions_come_back_from_lobster(anywhere, seed, n, levels):
    original = spoken(random_session(seed, n, levels))
    feed, events = from_lobster(to_lobster(original, "24/7"), make_lobster_name(original, "24/7"), anywhere)
    assert (feed.symbol, feed.date, feed.open, feed.close) == ("TEST", "1970-01-01", original.open, original.close)
    same_events(events, original.events)


def test_a_halt_comes_back_from_lobster(anywhere):
    rows = [{"t": t, "book": [(10, 1, 12, 1)]} for t in (1, 2, 3)]
    rows[1] |= {"action": "N", "flags": F_LAST | F_SNAPSHOT}
    original = spoken(session(rows))
    halt = pl.col("action") == "N"
    original = replace(original, events=original.events.with_columns(pl.when(~halt).then("price").alias("price")))
    _, events = from_lobster(to_lobster(original, "24/7"), make_lobster_name(original, "24/7"), anywhere)
    same_events(events, original.events)


def test_a_real_day_comes_back_from_lobster_and_from_dbn(data, tmp_path):
    (amzn,) = read(data("lobster/LOBSTER_SampleFile_AMZN_2012-06-21_1.zip"), "lobster")
    name = make_lobster_name(amzn)
    message, book = to_lobster(amzn)
    (tmp_path / name).write_bytes(message)
    (tmp_path / name.replace("_message_", "_orderbook_")).write_bytes(book)
    (again,) = read(tmp_path / name, "lobster")
    assert (again.open, again.close, again.date) == (amzn.open, amzn.close, amzn.date)
    assert again.events.equals(amzn.events)
    (tmp_path / "amzn.dbn").write_bytes(to_dbn(amzn))
    (again,) = read(tmp_path / "amzn.dbn", levels=1)
    assert again.events.equals(amzn.events)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (pl.col("ts_recv") + pl.duration(nanoseconds=1), "two clocks"),
        (pl.lit(3, pl.UInt32).alias("bid_ct_00"), "counts of orders"),
        (
            pl.lit("M").cast(pl.Enum(["A", "C", "M", "R", "T", "F", "N"])).alias("action"),
            "a changed quote or a modified order",
        ),
        (pl.lit("N").cast(SIDE).alias("side"), "an event without a side"),
        (pl.lit(0, pl.UInt8).alias("flags"), "messages of several rows"),
        (pl.lit(None, pl.Int64).alias("price"), "an event without a price"),
        (pl.lit(0).alias("price"), "a price of 0 or less"),
        (pl.lit(-1_000_000_000).alias("price"), "a price of 0 or less"),
        (pl.lit(1_000_050_000).alias("bid_px_00"), r"a price between multiples of 0\.0001"),
        (pl.lit(-1_000_000_000).alias("bid_px_00"), "a book price of 0 or less"),
        (pl.lit(10**15).alias("price"), "a price of 1,000,000 or more"),
    ],
)
def test_what_lobster_has_no_words_for(change, message):
    original = spoken(session([{"t": 1, "book": [(1000, 1, 1002, 1)]}, {"t": 2, "book": [(1000, 1, 1002, 2)]}]))
    to_lobster(original, "24/7")
    with pytest.raises(DataError, match=f"TEST, 1970-01-01, event 1: LOBSTER cannot state {message}"):
        to_lobster(replace(original, events=original.events.with_columns(change)), "24/7")


def test_lobster_hours_are_milliseconds():
    original = session([{"t": 1, "book": [(1000, 1, 1002, 1)]}])
    with pytest.raises(DataError, match="whole milliseconds"):
        make_lobster_name(replace(original, open=1), "24/7")


# --- Parquet ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "n", "levels"), RANDOM)
def test_random_sessions_come_back_from_parquet(tmp_path, seed, n, levels):
    original = random_session(seed, n, levels)
    write_events(original, tmp_path / "own.parquet")
    dataset = file_dataset("databento", tmp_path / "own.parquet", calendar="24/7")
    (feed,) = mbp.read_feeds([Blob("own.parquet", (tmp_path / "own.parquet").read_bytes())], dataset)
    same_events(feed.checker.check_book(feed.events, feed.levels), original.events)

"""Parquet in the event schema: what the cache writes comes back; anything else is named."""

import polars as pl
import pytest

from ofiml.config import Policy
from ofiml.data import cache as store
from ofiml.data.schema import NO_PRICE, make_schema
from ofiml.data.sessions import list_sources
from ofiml.errors import DataError
from tests.conftest import slow_but_each
from tests.data.test_readers import csv, good
from tests.data.test_readers import read as read_csv
from tests.golden.test_aapl import file_dataset


def read(path, **settings):
    return [s for source in list_sources(file_dataset("parquet", path, **settings)) for s in source()]


@pytest.fixture
def session(tmp_path):
    return read_csv(csv(tmp_path, *(good(i) for i in range(1, 8))))[0]


@pytest.fixture
def path(session, tmp_path):
    store.write_events(session, tmp_path / "events.parquet")
    return tmp_path / "events.parquet"


def changed(path, *exprs):
    frame = pl.read_parquet(path).with_columns(*exprs)
    frame.write_parquet(path)
    return path


def test_what_the_store_writes_comes_back(data, tmp_path):
    (s,) = read_csv(data("databento/arl_20250717_mbp10.csv"))
    store.write_events(s, tmp_path / "events.parquet")
    (again,) = read(tmp_path / "events.parquet")
    assert again.events.equals(s.events)
    assert again.events.schema == make_schema(10)
    assert (again.open, again.close, again.date, again.levels) == (s.open, s.close, s.date, s.levels)
    (three,) = read(tmp_path / "events.parquet", levels=3)
    assert three.events.equals(s.events.select(list(make_schema(3))))


def test_other_orders_more_columns_and_words_as_text(session, path):
    frame = pl.read_parquet(path).select(pl.all().reverse().reverse(), extra=1)
    frame.select(*reversed(frame.columns)).with_columns(pl.col("action", "side").cast(pl.String)).write_parquet(path)
    assert read(path)[0].events.equals(session.events)
    frame.with_columns(pl.col("action", "symbol").cast(pl.Categorical)).write_parquet(path)
    assert read(path)[0].events.equals(session.events)


@pytest.mark.parametrize(
    ("expr", "message"),
    slow_but_each(
        3,
        [
            (pl.col("bid_sz_00").cast(pl.Float64) + 0.5, r"line 1, column bid_sz_00: 5\.5 does not fit Int64"),
            (pl.col("bid_px_00") / 1e9, r"column bid_px_00: its type is Float64; .*Prices are integers of 1e-9"),
            (
                pl.col("ts_recv").to_physical(),
                r"column ts_recv: its type is Int64; .*The unit of a number is not known",
            ),
            (
                pl.lit("2024-10-21 14:00:01").alias("ts_recv"),
                "line 1, column ts_recv: '2024-10-21 14:00:01' is not an ISO",
            ),
            (
                pl.lit("4000-01-01T00:00:00Z").alias("ts_event"),
                "line 1, column ts_event: '4000-01-01T00:00:00Z' is not an",
            ),
            (pl.lit(2**62).cast(pl.Datetime("ms", "UTC")).alias("ts_event"), "line 1, column ts_event: .* after 2259"),
            (pl.col("ts_recv").dt.replace_time_zone(None), r"column ts_recv: its type is Datetime.* must be Datetime"),
            (pl.col("flags").cast(pl.Int64) + 200, "line 1, column flags: 328 does not fit UInt8"),
            (pl.lit(5).alias("symbol"), "column symbol: its type is Int32; it must be String"),
            (pl.lit("Z").alias("action"), "line 1, column action: 'Z' is not one of A, C, M, R, T, F, N"),
            (pl.lit(None, pl.String).alias("side"), "line 1, column side: the value is missing"),
            (pl.when(pl.col("sequence") != 3).then("ts_recv"), "line 3, column ts_recv: the value is missing"),
            (pl.when(pl.col("sequence") != 3).then("size"), "line 3, column size: the value is missing"),
            (pl.when(pl.col("sequence") != 3).then("symbol").alias("symbol"), "line 3, column symbol: the value is"),
            (pl.lit(2**62).alias("bid_px_00"), "line 1, column bid_px_00: the price 4611686018427387904 is too large"),
            (
                pl.lit(-(2**62)).alias("ask_sz_00"),
                "line 1, column ask_sz_00: the size -4611686018427387904 is too large",
            ),
            (
                pl.lit(-1).cast(pl.Datetime("ns", "UTC")).alias("ts_recv"),
                "line 1, column ts_recv: the time .* before 1970",
            ),
            (pl.lit(20_000_000_000).alias("bid_px_00"), "line 1, column bid_px_00: .*crossed"),
        ],
    ),
)
def test_what_is_wrong_is_named(path, expr, message):
    with pytest.raises(DataError, match=rf"events\.parquet, {message}"):
        read(changed(path, expr))


def test_other_types_of_the_same_values_are_cast(session, path):
    """ISO text, other units and zones, and whole numbers in other types state the same values."""
    one_row_ns = pl.col("ts_recv").dt.strftime("%Y-%m-%dT%H:%M:%S%.9fZ")
    assert read(changed(path, one_row_ns))[0].events.equals(session.events)
    pretty = pl.col("ts_event").dt.convert_time_zone("America/New_York").dt.strftime("%Y-%m-%d %H:%M:%S%.6f%:z")
    zoned = pl.col("ts_recv").str.to_datetime("%+", time_unit="ns").dt.convert_time_zone("Asia/Tokyo")
    numbers = [pl.col("size").cast(pl.Int32), pl.col("flags").cast(pl.Int64), pl.col("sequence").cast(pl.Float64)]
    nulls = [pl.when(pl.col("size") > 0).then("bid_sz_00").cast(pl.Float64), pl.lit(None).alias("bid_ct_00")]
    assert read(changed(path, pretty, zoned, *numbers, *nulls))[0].events.equals(session.events)
    coarse = (
        pl.col("ts_event").str.to_datetime("%Y-%m-%d %H:%M:%S%.f%:z", time_unit="us").cast(pl.Datetime("ms", "UTC"))
    )
    assert read(changed(path, coarse))[0].events.equals(session.events)


def test_text_times_that_cannot_be_read_are_dropped_and_counted(path):
    changed(path, pl.col("ts_event").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    changed(path, pl.when(pl.col("sequence") == 2).then(pl.lit("soon")).otherwise("ts_event").alias("ts_event"))
    (s,) = read(path, policy=Policy(unreadable="drop"))
    assert (s.events["sequence"].to_list(), s.quality.dropped) == ([1, 3, 4, 5, 6, 7], {"unreadable": 1})


def test_dropped_rows_and_prices_that_stand_for_none(path):
    changed(path, pl.when(pl.col("sequence") != 3).then("size"))
    (s,) = read(path, policy=Policy(unreadable="drop"))
    assert (s.events["sequence"].to_list(), s.quality.dropped) == ([1, 2, 4, 5, 6, 7], {"unreadable": 1})
    changed(
        path, pl.col("size").fill_null(1), pl.lit(NO_PRICE).alias("ask_px_00"), pl.lit(0, pl.Int64).alias("ask_sz_00")
    )
    assert read(path)[0].events["ask_px_00"].null_count() == 7


def test_missing_columns_symbols_and_levels(path, session):
    frame = pl.read_parquet(path)
    frame.drop("ask_sz_00").write_parquet(path)
    with pytest.raises(
        DataError, match=r"the column ask_sz_00 is missing \(the file has 1 levels; see dataset\.levels\)"
    ):
        read(path)
    frame.write_parquet(path)
    with pytest.raises(DataError, match=r"the column bid_px_01 is missing \(the file has 1 levels"):
        read(path, levels=2)
    with pytest.raises(DataError, match="no symbol Z"):
        read(path, symbols=["Z"])
    frame.clear().write_parquet(path)
    with pytest.raises(DataError, match="has no rows"):
        read(path)
    frame.write_csv(path)
    with pytest.raises(DataError, match="is not a Parquet file"):
        read(path)

"""Parquet in the event schema: what the cache writes comes back; anything else is named."""

import polars as pl
import pytest

from ofiml.config import Policy
from ofiml.data import cache as store
from ofiml.data.schema import NO_PRICE, make_schema
from ofiml.data.sessions import list_sources
from ofiml.errors import DataError
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
    [
        (pl.col("bid_sz_00").cast(pl.Float64), "column bid_sz_00: its type is Float64; it must be Int64"),
        (pl.col("ts_recv").dt.replace_time_zone(None), r"column ts_recv: its type is Datetime.* must be Datetime"),
        (pl.col("ts_recv").cast(pl.Datetime("us", "UTC")), "column ts_recv: its type is"),
        (pl.col("flags").cast(pl.Int64), "column flags: its type is Int64; it must be UInt8"),
        (pl.lit(5).alias("symbol"), "column symbol: its type is Int32; it must be String"),
        (pl.lit("Z").alias("action"), "line 1, column action: 'Z' is not one of A, C, M, R, T, F, N"),
        (pl.lit(None, pl.String).alias("side"), "line 1, column side: the value is missing"),
        (pl.when(pl.col("sequence") != 3).then("ts_recv"), "line 3, column ts_recv: the value is missing"),
        (pl.when(pl.col("sequence") != 3).then("size"), "line 3, column size: the value is missing"),
        (pl.when(pl.col("sequence") != 3).then("symbol").alias("symbol"), "line 3, column symbol: the value is"),
        (pl.lit(2**62).alias("bid_px_00"), "line 1, column bid_px_00: the price 4611686018427387904 is too large"),
        (pl.lit(-(2**62)).alias("ask_sz_00"), "line 1, column ask_sz_00: the size -4611686018427387904 is too large"),
        (pl.lit(-1).cast(pl.Datetime("ns", "UTC")).alias("ts_recv"), "line 1, column ts_recv: the time .* before 1970"),
        (pl.lit(20_000_000_000).alias("bid_px_00"), "line 1, column bid_px_00: .*crossed"),
    ],
)
def test_what_is_wrong_is_named(path, expr, message):
    with pytest.raises(DataError, match=rf"events\.parquet, {message}"):
        read(changed(path, expr))


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

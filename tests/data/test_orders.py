"""The single orders of the embedded market: their book by a plain replay, and read back in the forms of three feeds."""

from dataclasses import replace

import databento_dbn as d
import numpy as np
import polars as pl
import pytest

from ofiml.data.schema import F_LAST
from ofiml.data.synthetic import simulate
from ofiml.data.synthetic.orders import simulate_orders
from ofiml.data.writers.orders import WRITERS, write_itch, write_lobster_messages, write_mbo
from ofiml.errors import DataError
from tests.data.test_readers import read

BOOK = [f"{side}_{what}_{m:02d}" for m in range(10) for side in ("bid", "ask") for what in ("px", "sz", "ct")]


@pytest.fixture(scope="module")
def config(configure):
    return configure("dataset.session_length=3m", "dataset.large_market_orders=0.2").dataset


@pytest.fixture(scope="module")
def day(config):
    (day,) = simulate_orders(config, 0)
    return day


@pytest.fixture(scope="module")
def market(config):
    (session,) = simulate(config, 0)
    return session


def test_orders_give_the_book_of_the_market(day, market):
    """A plain book by order id, after the last change of each time, against the simulated levels."""
    resting, shown = {}, {}
    for time, kind, side, price, size, order in day.orders.select(
        pl.col("ts_event").to_physical(), "kind", "side", "price", "size", "order"
    ).iter_rows():
        if kind == "A":
            assert order not in resting
            resting[order] = [side, price, size]
        else:
            assert resting[order][:2] == [side, price]
            resting[order][2] -= size
            assert resting[order][2] == 0 or (kind == "E" and resting[order][2] > 0)
            if resting[order][2] == 0:
                del resting[order]
        if time >= day.open:
            levels = {}
            for its_side, its_price, its_size in resting.values():
                one = levels.setdefault((its_side, its_price), [0, 0])
                one[0], one[1] = one[0] + its_size, one[1] + 1
            shown[time] = levels
    last = market.events.group_by("ts_event", maintain_order=True).last()
    assert last.height == len(shown) > 1000
    for row in last.with_columns(pl.col("ts_event").to_physical()).iter_rows(named=True):
        for side, name, best in (("B", "bid", True), ("A", "ask", False)):
            levels = shown[row["ts_event"]]
            prices = sorted((p for s, p in levels if s == side), reverse=best)[:10]
            expected = [(p, *levels[side, p]) for p in prices]
            got = [tuple(row[f"{name}_{what}_{m:02d}"] for what in ("px", "sz", "ct")) for m in range(10)]
            assert [one for one in got if one[0] is not None] == expected


def test_executions_are_the_markets_trades(day, market):
    trades = market.events.filter(pl.col("action") == "T")
    fills = day.orders.filter((pl.col("kind") == "E") & (pl.col("ts_event").to_physical() >= day.open))
    by = ["ts_event", "price"]
    ours = fills.group_by(by, maintain_order=True).agg(pl.col("size").sum(), pl.col("side").first())
    assert ours.select(*by, "size").equals(trades.select(*by, "size"))
    assert (ours["side"].cast(pl.String) != trades["side"].cast(pl.String)).all(), "an aggressor is on the other side"
    assert fills.height > ours.height
    walks = trades.group_by("ts_event").len().filter(pl.col("len") > 1)
    assert walks.height > 3
    ends = fills.group_by("ts_event", maintain_order=True).agg(pl.col("last"))["last"].to_list()
    assert all(one == [False] * (len(one) - 1) + [True] for one in ends)


@pytest.mark.parametrize("reader", WRITERS)
def test_each_form_reads_back_to_the_same_book(tmp_path, day, market, reader):
    path = WRITERS[reader](day, tmp_path)
    (got,) = read(path, reader, calendar="24/7", hours=["14:30", "14:33"], levels=10)
    assert (got.symbol, got.date, got.open) == (market.symbol, market.date, market.open)
    theirs, ours = (one.events.group_by("ts_recv", maintain_order=True).last() for one in (market, got))
    both = theirs.join(ours, on="ts_recv", suffix="_read", maintain_order="left")
    changed = theirs.filter(pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in BOOK))
    assert changed["ts_recv"][1:-1].is_in(ours["ts_recv"].implode()).all()
    assert both.height >= changed.height - 2 > 1000
    for name in BOOK:
        assert both[name].equals(both[f"{name}_read"], check_names=False, null_equal=True), name
    trades = [one.events.filter(pl.col("action") == "T") for one in (market, got)]
    sums = [one.group_by("ts_recv", "price", "side", maintain_order=True).agg(pl.col("size").sum()) for one in trades]
    assert sums[0].equals(sums[1])
    clocks = got.events.select((pl.col("ts_recv") - pl.col("ts_event")).dt.total_nanoseconds()).to_series().unique()
    assert clocks.to_list() == ([100_000] if reader == "databento_mbo" else [0])


def test_an_order_that_trades_is_one_message_of_mbo(tmp_path, day):
    decoder = d.DBNDecoder()
    decoder.write(write_mbo(day, tmp_path).read_bytes())
    metadata, *records = decoder.decode()
    assert (metadata.schema, metadata.symbols) == (d.Schema.MBO, [day.symbol])
    assert (str(records[0].action), records[0].flags) == ("R", F_LAST)
    fills = int((day.orders["kind"] == "E").sum())
    assert len(records) == 1 + day.orders.height + 2 * fills
    by_time = {}
    for one in records[1:]:
        by_time.setdefault(one.ts_event, []).append(one)
    traded = [rows for rows in by_time.values() if str(rows[0].action) == "T"]
    assert max(map(len, traded)) > 6
    for rows in traded:
        assert "".join(str(one.action) for one in rows) == "TFC" * (len(rows) // 3)
        assert [one.flags for one in rows] == [0] * (len(rows) - 1) + [F_LAST]
        assert {str(one.side) for one in rows[::3]} != {str(one.side) for one in rows[1::3]}


def change(day, **columns):
    return replace(day, orders=day.orders.with_columns(**columns))


@pytest.mark.parametrize(
    ("write", "changed", "sentence"),
    [
        (write_lobster_messages, {"price": pl.lit(100_000_050_000)}, "a price of 100 is not a multiple of 0.0001"),
        (write_itch, {"price": pl.lit(0)}, "a price of 0 is not a multiple of 0.0001 above 0"),
        (write_itch, {"price": pl.lit(500_000 * 10**9)}, "below 429,496: write MBO instead"),
        (write_mbo, {"size": pl.lit(2**32)}, "order 1: a size of 4294967296 cannot be written"),
        (write_itch, {"size": pl.lit(0)}, "order 1: a size of 0 cannot be written"),
        (write_itch, {"ts_recv": pl.col("ts_recv") + pl.duration(days=1)}, "an order lies outside of it"),
    ],
)
def test_what_a_form_cannot_express(tmp_path, day, write, changed, sentence):
    with pytest.raises(DataError, match=sentence):
        write(change(day, **changed), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_other_days_that_cannot_be_written(tmp_path, day):
    with pytest.raises(DataError, match="one to eight ASCII letters"):
        write_itch(replace(day, symbol="TOO_LONG_A_NAME"), tmp_path)
    with pytest.raises(DataError, match="whole milliseconds"):
        write_lobster_messages(replace(day, close=day.close + 1), tmp_path)
    write_itch(day, tmp_path)
    with pytest.raises(DataError, match="already exists"):
        write_itch(day, tmp_path)


def test_a_basket_has_the_orders_of_each_symbol(configure):
    config = configure("dataset=synthetic_basket", "dataset.session_length=1m").dataset
    days, sessions = simulate_orders(config, 1), simulate(config, 1)
    assert [one.symbol for one in days] == [one.symbol for one in sessions]
    for one, session in zip(days, sessions, strict=True):
        after = one.orders.filter(pl.col("ts_event").to_physical() >= one.open)
        assert np.array_equal(after["ts_event"].unique().sort(), session.events["ts_event"].unique().sort())

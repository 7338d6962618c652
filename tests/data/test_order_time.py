"""`order_time`: when the order of an event got its place in its queue, by hand, on a real day and in the market."""

from collections import defaultdict

import polars as pl
import pytest

from ofiml.config import Policy
from ofiml.data.readers.databento import mbo as databento_mbo
from ofiml.data.schema import F_SNAPSHOT, ORDER_TIME, make_schema
from ofiml.data.synthetic import simulate
from ofiml.data.writers.convert import write_session
from ofiml.errors import DataError
from tests.data.test_databento_mbo import mbo
from tests.data.test_itch import DAY, MIDNIGHT, OPEN, framed, written
from tests.data.test_itch import read as read_itch
from tests.data.test_parquet import read as read_parquet
from tests.data.test_readers import csv, good, read

LENIENT = Policy(unknown_order="keep")


def placed(session, start, unit=10**9):
    """(action, the order's time after `start` in `unit`) of each event."""
    ages = [None if t is None else (t - start) // unit for t in session.events[ORDER_TIME].to_physical()]
    return list(zip(session.events["action"], ages, strict=True))


def at(second):
    return 1_729_519_200 * 10**9 + second * 10**9  # 2024-10-21 14:00 UTC, where `mbo` starts


def test_an_order_of_databento_keeps_or_loses_its_place(tmp_path):
    path = mbo(
        tmp_path,
        ("R", "N", "", 0, 0, 128),
        ("A", "B", "10.00", 5, 1, 128),
        ("A", "B", "10.00", 7, 2, 128),
        ("M", "B", "10.00", 3, 1, 128),  # smaller: it stays where it was
        ("M", "B", "10.00", 9, 2, 128),  # larger: behind all others
        ("C", "B", "10.00", 1, 1, 128),
        ("C", "B", "10.00", 1, 2, 128),
        ("M", "B", "9.99", 8, 2, 128),  # another price
        ("M", "B", "9.99", 8, 2, 128),  # nothing new: it stays
        ("T", "A", "10.00", 1, 0, 0),
        ("F", "B", "10.00", 1, 1, 0),
        ("C", "B", "10.00", 1, 1, 128),
        ("C", "B", "9.99", 8, 2, 128),
        ("C", "B", "10.00", 1, 1, 128),
        ("M", "A", "10.05", 4, 3, 128),  # an order from before the data
        ("C", "A", "10.05", 1, 3, 128),
    )
    (session,) = read(path, "databento_mbo", policy=LENIENT)
    assert placed(session, at(0)) == [
        ("R", None), ("A", 1), ("A", 2), ("M", 1), ("M", 2), ("C", 1), ("C", 4), ("M", 4),
        ("M", 7), ("T", None), ("C", 1), ("C", 7), ("C", 1), ("M", None), ("C", 14),
    ]  # fmt: skip


def test_the_orders_of_a_snapshot_are_no_younger_than_its_receipt(tmp_path):
    header = "ts_recv,ts_event,action,side,price,size,order_id,flags,sequence,symbol,instrument_id,publisher_id"
    day, stated = "2024-10-21T", 8 | 32
    path = tmp_path / "orders.csv"
    path.write_text("\n".join([
        header,
        f"{day}00:00:00Z,{day}00:00:00Z,R,N,,0,0,{stated},0,X,1,2",
        f"{day}00:00:00Z,{day}05:00:00Z,A,B,10.00,5,1,{stated},0,X,1,2",
        f"{day}00:00:00Z,2024-10-20T20:00:00Z,A,A,10.05,5,2,{stated | 128},0,X,1,2",
        f"{day}14:00:00Z,{day}14:00:00Z,C,B,10.00,1,1,128,1,X,1,2",
        f"{day}14:00:01Z,{day}14:00:01Z,C,A,10.05,1,2,128,2,X,1,2",
    ]) + "\n")  # fmt: skip
    (session,) = read(path, "databento_mbo", policy=LENIENT)
    cancels = session.events.filter(pl.col("action") == "C")[ORDER_TIME].cast(pl.String).to_list()
    assert [time[:19] for time in cancels] == ["2024-10-21 00:00:00", "2024-10-20 20:00:00"]


def test_an_order_of_itch_loses_its_place_by_a_replacement(tmp_path):
    (session,) = read_itch(written(tmp_path, framed(*DAY)))
    assert placed(session, MIDNIGHT + OPEN, 1) == [
        ("A", 1), ("A", 2), ("T", 2), ("C", 1), ("M", 1), ("C", 2), ("T", 2), ("T", None), ("T", None),
        ("N", None), ("N", None), ("C", 5),
    ]  # fmt: skip


def replay(rows, act):
    """Keep queues of sizes by id; call `act(queue, id)` before each fill. `rows` of (action, id, side, price, size)."""
    queues = defaultdict(dict)
    for action, order, side, price, size in rows:
        queue = queues[side, price]
        if action == "A":
            queue[order] = size
        elif action == "F":
            act(queue, order)
        elif action == "C":
            queue[order] -= size
            if queue[order] == 0:
                del queue[order]


def test_fills_of_a_real_day_hit_the_oldest_orders(data):
    """Of the orders at the price of a fill none is older by `order_time` than the one that is filled."""
    path = data("databento/arl_20250717_mbo.csv")
    (session,) = read(path, "databento_mbo")
    rows = pl.read_csv(path, infer_schema_length=None)
    time_of = dict(rows.filter(pl.col("action") == "A").select("order_id", "ts_event").iter_rows())
    hits = []

    def hit(queue, order):
        hits.append(order)
        assert time_of[order] == min(time_of[other] for other in queue)

    replay(rows.select("action", "order_id", "side", "price", "size").iter_rows(), hit)
    assert len(hits) == 11
    # Each cancel of ours has the time of the file's order.
    ours = session.events.filter(pl.col("action") == "C").select(
        "sequence", pl.col(ORDER_TIME).dt.strftime("%Y-%m-%dT%H:%M:%S.%9fZ").alias("ours")
    )
    theirs = rows.filter(pl.col("action") == "C").select(
        "sequence", pl.col("order_id").replace_strict(time_of).alias("theirs")
    )
    both = ours.join(theirs, on="sequence", how="left")
    assert both.height == ours.height == 1777
    assert both["ours"].equals(both["theirs"], check_names=False)


def test_trades_of_the_market_hit_the_oldest_orders(configure):
    """Queues of (time, size), kept from the events: a trade fills from the front, and its time is that of the front."""
    session = simulate(configure("dataset.session_length=10m").dataset, 0)[0]
    events = session.events.select("action", "side", "price", "size", pl.col(ORDER_TIME).to_physical())
    queues, fills, unsure, passive = defaultdict(list), 0, set(), {"A": "B", "B": "A"}
    for action, side, price, size, time in events.iter_rows():
        key = (passive[side] if action == "T" else side, price)
        queue = queues[key]
        if action == "A":
            queue.append([time, size])
            continue
        if time == session.open and action == "T":  # orders from before the first row: their size is not known
            unsure.add(key)
        if time == session.open or key in unsure:
            continue
        if action == "C":
            queue.remove(next(order for order in queue if order[0] == time))
            continue
        fills += 1
        assert queue[0][0] == time
        while size and queue:
            part = min(size, queue[0][1])
            size -= part
            queue[0][1] -= part
            if queue[0][1] == 0:
                queue.pop(0)
        assert size == 0
    assert fills > 100
    assert 0 < len(unsure) < 10


def test_the_rest_of_a_market_is_as_before(configure):
    """The column is the last one, and the others are those of the schema."""
    config = configure("dataset.session_length=1m", "dataset=synthetic_basket").dataset
    for session in simulate(config, 0):
        assert session.events.columns == [*make_schema(config.levels), ORDER_TIME]
        adds = session.events.filter(pl.col("action") == "A")
        assert adds[ORDER_TIME].equals(adds["ts_event"], check_names=False)
        assert (session.events[ORDER_TIME] <= session.events["ts_event"]).all()


def test_sources_without_orders_have_no_such_column(tmp_path):
    (session,) = read(csv(tmp_path, *(good(i) for i in range(1, 8))))
    assert session.events.columns == list(make_schema(1))


@pytest.fixture
def simulated(configure):
    return configure("dataset.session_length=1m", "dataset.levels=2").dataset


def test_parquet_and_conversion_keep_it(simulated, tmp_path):
    (session,) = simulate(simulated, 0)
    for file in write_session(session, tmp_path, "parquet", "24/7"):
        if not file.stem.endswith("_truth"):
            (again,) = read_parquet(file, calendar="24/7")
    assert (again.events[ORDER_TIME].to_physical() == session.open).any()  # orders from before the first row
    assert again.events.equals(session.events)
    (fewer,) = read_parquet(tmp_path, calendar="24/7", levels=1)
    assert fewer.events.columns == [*make_schema(1), ORDER_TIME]
    assert write_session(session, tmp_path / "dbn", "dbn", "24/7")[0].exists()  # MBP-10 has no place for it


def test_the_cache_and_max_events_keep_it(tmp_path, data):
    path = data("databento/arl_20250717_mbo.csv")
    settings = {"name": "databento_mbo", "store": str(tmp_path / "store"), "max_events": 500}
    first, second = read(path, **settings), read(path, **settings)
    assert first[0].events.height == 500
    assert first[0].events[ORDER_TIME].null_count() < 30
    assert first[0].events.equals(second[0].events)


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        (pl.col("ts_recv") + pl.duration(seconds=1), "line 1, column order_time: .* later than the receipt"),
        (pl.lit(-1).cast(pl.Datetime("ns", "UTC")), "line 1, column order_time: the time .* before 1970"),
        (pl.lit(5), "column order_time: its type is Int32; .*The unit of a number is not known"),
    ],
)
def test_a_wrong_time_of_an_order_is_named(tmp_path, expr, message):
    (session,) = read(csv(tmp_path, *(good(i) for i in range(1, 8))))
    path = tmp_path / "events.parquet"
    session.events.with_columns(expr.alias(ORDER_TIME)).write_parquet(path)
    with pytest.raises(DataError, match=message):
        read_parquet(path)


def test_files_are_joined_with_and_without_it(simulated, tmp_path):
    (session,) = simulate(simulated, 0)
    n = session.events.height
    (tmp_path / "parts").mkdir()
    first, second = session.events.head(n // 2 + 50), session.events.tail(n - n // 2)
    second = second.with_columns(pl.lit(None, pl.Datetime("ns", "UTC")).alias(ORDER_TIME))
    for name, events in (("a", first), ("b", second)):
        events.write_parquet(tmp_path / "parts" / f"{name}.parquet")
    (joined,) = read_parquet(tmp_path / "parts", calendar="24/7")
    assert joined.quality.dropped == {"overlap": 50}
    assert joined.events.drop(ORDER_TIME).equals(session.events.drop(ORDER_TIME))
    assert joined.events[ORDER_TIME].head(n // 2 + 50).equals(session.events[ORDER_TIME].head(n // 2 + 50))
    second.drop(ORDER_TIME).write_parquet(tmp_path / "parts" / "b.parquet")
    (mixed,) = read_parquet(tmp_path / "parts", calendar="24/7")
    assert mixed.events.equals(joined.events)


def test_a_second_instrument_starts_without_places(tmp_path):
    """A symbol that means another instrument later has another book: ids of the first are unknown in it."""
    path = mbo(
        tmp_path,
        ("R", "N", "", 0, 0, 128),
        ("A", "B", "10.00", 5, 1, 128),
        ("R", "N", "", 0, 0, 128, 39),
        ("A", "B", "10.00", 5, 2, 128, 39),
        ("C", "B", "10.00", 1, 1, 128, 39),
        ("C", "B", "10.00", 1, 2, 128, 39),
    )
    (session,) = read(path, "databento_mbo", policy=LENIENT)
    assert placed(session, at(0)) == [("R", None), ("A", 1), ("R", None), ("A", 3), ("C", 3)]
    assert session.events["flags"][2] & F_SNAPSHOT


def test_the_column_is_of_the_schemas_type():
    empty = pl.DataFrame(schema=databento_mbo.MESSAGE_COLUMNS)
    events, _ = databento_mbo.build_events(empty, 1, order_times=True)
    assert events.schema[ORDER_TIME] == make_schema(1)["ts_event"]

"""MBO: the book of a real day against the same day as MBP-10, and hand-written orders with known books."""

import numpy as np
import polars as pl
import pytest

from ofiml.data.book import build_events, kernel
from ofiml.data.feed import Blob
from ofiml.data.formats import dbn
from ofiml.data.readers.databento import mbo as databento_mbo
from ofiml.data.schema import F_LAST, F_SNAPSHOT, make_schema
from ofiml.errors import DataError
from tests.conftest import slow_but_each
from tests.data.test_readers import DROP, read
from tests.golden.test_aapl import file_dataset

HEADER = "ts_recv,ts_event,action,side,price,size,order_id,flags,sequence,symbol,instrument_id,publisher_id"
BOOK = [c for c in make_schema(10) if c[4:6] in ("px", "sz", "ct")]
SAID = ["ts_event", "action", "side", "price", "size", "sequence"]


def mbo(tmp_path, *rows, header=HEADER):
    """Rows of (action, side, price, size, order id, flags, then publisher, instrument and symbol), a second apart."""
    path = tmp_path / "orders.csv"
    lines = [header]
    for i, row in enumerate(rows):
        action, side, price, size, order, flags, *rest = row
        instrument, symbol, publisher = [*rest, *(38, "X", 2)[len(rest) :]]
        stamp = f"2024-10-21T14:00:{i:02d}"
        lines.append(
            f"{stamp}.000000001Z,{stamp}Z,{action},{side},{price},{size},{order},{flags},{i},{symbol},{instrument},{publisher}"
        )
    path.write_text("\n".join(lines) + "\n")
    return path


# --- a real day ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def arl(data):
    """(orders' file as a table, its messages, the vendor's MBP-10 events) of the same day."""
    path = data("databento/arl_20250717_mbo.csv")
    blob = Blob(path.name, path.read_bytes())
    rows, _, _ = databento_mbo.read_rows(
        [blob], file_dataset("databento_mbo", path), (dbn.MBO,), databento_mbo._require_orders
    )
    (vendor,) = read(data("databento/arl_20250717_mbp10.csv"))
    return rows, databento_mbo.to_messages(rows), vendor.events


def applied(events):
    """A trade that hits a resting order and the cancellation that follows, as the vendor's file has them: one trade, on
    the resting order's side, after which the order is smaller."""
    after_trade = (pl.col("action").shift(1) == "T") & (pl.col("sequence").shift(1) == pl.col("sequence"))
    merged = events.with_columns((after_trade & (pl.col("action") == "C")).alias("hit"))
    merged = merged.filter(~pl.col("hit").shift(-1).fill_null(False))
    action = pl.when(pl.col("hit")).then(pl.lit("T")).otherwise(pl.col("action").cast(pl.String))
    return merged.with_columns(action.cast(merged["action"].dtype).alias("action"))


def test_the_rebuilt_book_is_the_vendors(arl, data):
    _, _, vendor = arl
    (ours,) = read(data("databento/arl_20250717_mbo.csv"), "databento_mbo")
    assert ours.quality.dropped == {}
    assert set(ours.quality.kept) <= {"one_sided"}
    same = ~pl.any_horizontal(pl.col(c).ne_missing(pl.col(c).shift(1)) for c in BOOK)
    shown = vendor.filter(~(same & pl.col("action").is_in(["A", "C"])))
    merged = applied(ours.events)
    assert merged.height == shown.height == 3928 - 229
    for column in SAID + BOOK:
        assert merged[column].equals(shown[column]), column
    # Flags are the same but for F_LAST, which goes to a message's last row that shows.
    last = pl.lit(F_LAST, pl.UInt8)
    assert merged.select(pl.col("flags") & ~last).equals(shown.select(pl.col("flags") & ~last))
    # The vendor stamps its MBP-10 file with the exchange's clock alone; ours keeps when the row was received.
    assert shown["ts_recv"].equals(shown["ts_event"])
    assert (ours.events["ts_recv"] > ours.events["ts_event"]).all()


def test_every_row_of_the_vendors_file_is_one_of_ours(arl):
    """Also those that change nothing shown. The vendor writes each trade and clear, and each order at a price that has
    at most ten better ones (and a bid's last order with eleven); each shows the book after it."""
    rows, messages, vendor = arl
    every = messages.with_columns(pl.lit(kernel.ALWAYS, pl.UInt8).alias("show"))
    events, noticed = build_events(every, 12)
    assert noticed == {}
    assert events.height == rows.height
    hit = (events["action"] == "C") & (events["action"].shift(1) == "F")
    before = events.select(pl.all().shift(1))
    better = np.zeros(events.height, int)
    for side, letter, sign in (("bid", "B", 1), ("ask", "A", -1)):
        mine = (events["side"] == letter).to_numpy()
        prices = before.select(pl.col(f"{side}_px_{m:02d}") * sign for m in range(12))
        ahead = prices.with_columns(events["price"].alias("at") * sign).select(
            pl.sum_horizontal((pl.col(f"{side}_px_{m:02d}") > pl.col("at")).fill_null(False) for m in range(12))
        )
        better[mine] = ahead.to_series().to_numpy()[mine]
    gone = events["ask_px_11"].ne_missing(before["ask_px_11"]) | events["bid_px_11"].ne_missing(before["bid_px_11"])
    last_bid = ((events["action"] == "C") & (events["side"] == "B") & gone).to_numpy() & (better == 11)
    order = events["action"].is_in(["A", "C"]).to_numpy()
    written = ~(events["action"] == "F").to_numpy() & (~order | (better <= 10) | last_bid)
    # Of a trade that hits, its cancellation stands for it.
    written &= ~((events["action"] == "T") & (events["action"].shift(-1) == "F")).to_numpy()
    ours = events.filter(pl.Series(written))
    assert ours.height == vendor.height == 3928
    action = pl.when(pl.Series(hit.to_numpy()[written])).then(pl.lit("T")).otherwise(ours["action"].cast(pl.String))
    assert pl.select(action).to_series().equals(vendor["action"].cast(pl.String), check_names=False)
    for column in [c for c in SAID if c != "action"] + BOOK:
        assert ours[column].equals(vendor[column]), column


def as_dbn(rows, *, ts_out=False):
    """A table of orders as a DBN file."""
    import databento_dbn as d

    records = np.zeros(rows.height, dbn.make_record_dtype(dbn.MBO, ts_out=ts_out))
    records["length"], records["rtype"] = records.itemsize // 4, dbn.MBO
    for c in ("publisher_id", "instrument_id", "order_id", "size", "flags", "sequence"):
        records[c] = rows[c].to_numpy()
    records["price"] = rows["price"].fill_null(2**63 - 1).to_numpy()
    for c in ("ts_event", "ts_recv"):
        records[c] = rows[c].to_physical().to_numpy()
    for c in ("action", "side"):
        records[c] = [ord(x) for x in rows[c]]
    (number,) = rows["instrument_id"].unique()
    day = rows["ts_recv"][0].date()
    interval = dbn._Interval(day, day.replace(day=day.day + 1), str(number))
    metadata = d.Metadata(
        dataset="XNAS.ITCH", start=0, stype_in=d.SType.RAW_SYMBOL, stype_out=d.SType.INSTRUMENT_ID,
        schema=d.Schema.MBO, symbols=[rows["symbol"][0]], ts_out=ts_out, version=3,
        mappings=[dbn._SymbolMapping(rows["symbol"][0], [interval])],
    )  # fmt: skip
    return bytes(metadata.encode()) + records.tobytes()


@pytest.mark.parametrize("ts_out", [False, True])
def test_dbn_and_csv_are_the_same(arl, data, tmp_path, ts_out):
    path = tmp_path / "arl.dbn"
    path.write_bytes(as_dbn(arl[0], ts_out=ts_out))
    (binary,), (text,) = read(path, "databento_mbo"), read(data("databento/arl_20250717_mbo.csv"), "databento_mbo")
    assert binary.symbol == "ARL"
    assert binary.events.equals(text.events)
    assert binary.quality.kept == text.quality.kept | {"sentinel": 1}  # a clear has no price


def test_parquet_and_csv_are_the_same(arl, data, tmp_path):
    path = tmp_path / "arl.parquet"
    csv = data("databento/arl_20250717_mbo.csv")
    pl.read_csv(csv, infer_schema_length=None).with_columns(
        pl.col("ts_event", "ts_recv").str.to_datetime("%+", time_unit="ns")
    ).write_parquet(path)
    (columnar,), (text,) = read(path, "databento_mbo"), read(csv, "databento_mbo")
    assert columnar.events.equals(text.events)


# --- by hand ---------------------------------------------------------------------------------------------------------


def test_a_book_by_hand(tmp_path):
    path = mbo(
        tmp_path,
        ("R", "N", "", 0, 0, 8),
        ("A", "B", "10.00", 5, 1, 128),
        ("A", "B", "10.00", 3, 2, 128),
        ("A", "A", "10.02", 7, 3, 128),
        ("C", "B", "10.00", 2, 1, 128),  # 3 left of order 1
        ("M", "B", "10.01", 4, 2, 128),  # moves up
        ("T", "B", "10.02", 6, 0, 0),
        ("F", "A", "10.02", 6, 3, 0),
        ("C", "A", "10.02", 6, 3, 128),
        ("A", "B", "9.00", 1, 4, 0),  # below what is shown
        ("N", "N", "", 0, 0, 128),
        ("R", "N", "", 0, 0, 128),
    )
    (s,) = read(path, "databento_mbo", levels=1)
    shown = s.events.select("action", "bid_px_00", "bid_sz_00", "bid_ct_00", "ask_px_00", "ask_sz_00", "ask_ct_00")
    cent, none = 10_000_000, (None, None, None)
    assert shown.rows() == [
        ("R", *none, *none),
        ("A", 1000 * cent, 5, 1, *none),
        ("A", 1000 * cent, 8, 2, *none),
        ("A", 1000 * cent, 8, 2, 1002 * cent, 7, 1),
        ("C", 1000 * cent, 6, 2, 1002 * cent, 7, 1),
        ("M", 1001 * cent, 4, 1, 1002 * cent, 7, 1),
        ("T", 1001 * cent, 4, 1, 1002 * cent, 7, 1),
        ("C", 1001 * cent, 4, 1, 1002 * cent, 1, 1),
        ("R", *none, *none),
    ]
    assert s.events["flags"].to_list() == [8, 128, 128, 128, 128, 128, 0, 128, 128]
    assert (s.quality.rows, s.quality.used) == (12, 9)


def test_what_does_not_fit_the_book_is_counted(tmp_path):
    path = mbo(
        tmp_path,
        ("A", "B", "10.00", 5, 1, 128),
        ("C", "B", "10.00", 2, 9, 128),  # never came
        ("C", "B", "10.00", 9, 1, 128),  # 5 were left
        ("A", "B", "10.00", 5, 2, 128),
        ("A", "B", "10.01", 6, 2, 128),  # again
        ("A", "A", "10.04", 6, 3, 128),
    )
    (s,) = read(path, "databento_mbo")
    kept = {k: s.quality.kept[k] for k in ("unknown_order", "excess_size", "order_twice")}
    assert kept == {"unknown_order": 1, "excess_size": 1, "order_twice": 1}
    policy = type(DROP)(unknown_order="raise")
    with pytest.raises(DataError, match=r"orders\.csv, line 3: the order is not in the book"):
        read(path, "databento_mbo", policy=policy)


@pytest.mark.parametrize(
    ("row", "message"),
    slow_but_each(
        4,
        [
            (("A", "B", "", 5, 1, 128), "line 3, column price: A of an order without a price"),
            (("M", "N", "10", 5, 1, 128), "line 3, column side: M of an order without a side"),
            (("A", "B", "10", -5, 1, 128), "line 3, column size: the size -5 is negative"),
            (("A", "B", "10", 5, -1, 128), "line 3, column order_id: '-1' cannot be read"),
            (("A", "B", "10", 5, 1, 64), "line 3, column flags: the flags 64 mark the row as a price level"),
            (("X", "B", "10", 5, 1, 128), "line 3, column action: 'X' cannot be read"),
            (("A", "B", "10", 5, "", 128), "line 3, column order_id: the value is missing"),
        ],
    ),
)
def test_damaged_rows_are_named_or_dropped(tmp_path, row, message):
    good = [("A", "B", "9.99", 5, 11, 128), ("A", "A", "10.03", 5, 12, 128)]
    path = mbo(tmp_path, good[0], row, good[1])
    with pytest.raises(DataError, match=rf"orders\.csv, {message}"):
        read(path, "databento_mbo")
    (s,) = read(path, "databento_mbo", policy=DROP)
    assert (s.events.height, sum(s.quality.dropped.values())) == (2, 1)


def test_a_symbol_that_moves_to_another_instrument_has_another_book(tmp_path):
    rows = [("A", "B", "10.00", 5, 1, 128), ("A", "A", "10.02", 5, 2, 128)]
    later = [("A", "B", "12.00", 6, 1, 128, 39), ("A", "A", "12.02", 6, 2, 128, 39)]
    (s,) = read(mbo(tmp_path, *rows, *later), "databento_mbo")
    assert s.events["bid_sz_00"].to_list() == [5, 5, 6, 6]
    assert s.events["ask_px_00"].to_list()[2] is None
    assert s.events["flags"].to_list() == [F_LAST, F_LAST, F_LAST | F_SNAPSHOT, F_LAST]
    assert s.quality.kept.get("order_twice") is None


def test_several_books_under_one_name_are_refused(tmp_path):
    rows = [("A", "B", "10.00", 5, 1, 128), ("A", "B", "12.00", 6, 1, 128, 39), ("A", "A", "10.02", 5, 2, 128)]
    with pytest.raises(DataError, match=r"line 3, column instrument_id: X has rows of several instruments \(38, 39\)"):
        read(mbo(tmp_path, *rows), "databento_mbo")
    rows = [("A", "B", "10.00", 5, 1, 128), ("A", "A", "10.02", 5, 2, 128, 38, "X", 39)]
    with pytest.raises(DataError, match=r"line 3, column publisher_id: X has rows of several publishers \(2, 39\)"):
        read(mbo(tmp_path, *rows), "databento_mbo")


def test_two_symbols_have_two_books(tmp_path):
    rows = [("A", "B", "10.00", 5, 1, 128), ("A", "B", "12.00", 6, 1, 128, 39, "Y"), ("C", "B", "10.00", 5, 1, 128)]
    x, y = read(mbo(tmp_path, *rows), "databento_mbo")
    assert (x.symbol, x.events.height, y.symbol, y.events["bid_sz_00"].to_list()) == ("X", 2, "Y", [6])


def test_the_other_schema_is_named(tmp_path, data):
    with pytest.raises(DataError, match="dataset=databento_mbo"):
        read(mbo(tmp_path, ("A", "B", "10.00", 5, 1, 128)))
    with pytest.raises(DataError, match=r"MBP-10, MBP-1 and TBBO use dataset=databento\."):
        read(data("databento/aapl_20241021_mbp10.csv"), "databento_mbo")
    with pytest.raises(DataError, match="contains MBP records: use dataset=databento"):
        read(data("databento/dbn_test_data.mbp-10.v3.dbn.zst"), "databento_mbo")


def test_a_clear_empties_both_sides_whatever_side_it_names(tmp_path):
    rows = [("A", "B", "10.00", 5, 1, 128), ("A", "A", "10.02", 5, 2, 128), ("R", "B", "", 0, 0, 128)]
    (s,) = read(mbo(tmp_path, *rows), "databento_mbo")
    assert s.events.select("bid_px_00", "ask_px_00").row(2) == (None, None)


def test_where_the_vendor_lost_messages_no_flow_is_measured(tmp_path):
    rows = [("A", "B", "10.00", 5, 1, 128), ("A", "A", "10.02", 5, 2, 128), ("N", "N", "", 0, 0, 132)]
    path = mbo(tmp_path, *rows, ("A", "A", "10.02", 5, 3, 128))
    (s,) = read(path, "databento_mbo")
    assert s.events["flags"].to_list() == [128, 128, 132 | F_SNAPSHOT, 128]
    assert s.quality.kept["gap"] == 1
    with pytest.raises(DataError, match=r"line 4: the vendor lost messages before this one \(flag 4\)"):
        read(path, "databento_mbo", policy=type(DROP)(gap="raise"))

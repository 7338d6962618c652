"""A day of ES orders as CME's feed has it, and orders from the middle of a day."""

import subprocess

import polars as pl
import pytest

from ofiml.bars.time import select_states
from ofiml.config import Policy
from ofiml.data.schema import F_LAST, F_SNAPSHOT
from ofiml.errors import DataError
from tests.conftest import DATA
from tests.data.test_readers import read

HEADER = (
    "ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,price,size,channel_id,order_id,flags,ts_in_delta,"
    "sequence,symbol"
)
SNAPSHOT, LAST_OF_SNAPSHOT = 40, 168  # F_SNAPSHOT and F_BAD_TS_RECV; and F_LAST
MIDNIGHT = "2024-07-02T00:00:00.000000000Z"
CASE = DATA.parent / "cases" / "031-databento-mbo-from-the-middle-of-a-day"

# (receipt, event, action, side, price, size, order, flags). One order of the snapshot is stamped later than it.
STATED = [
    (MIDNIGHT, "2024-07-01T22:00:00Z", "R", "N", "", 0, 0, SNAPSHOT),
    (MIDNIGHT, "2024-07-01T22:10:00Z", "A", "B", 5520.00, 10, 1, SNAPSHOT),
    (MIDNIGHT, "2024-07-01T09:10:00Z", "A", "B", 5519.75, 20, 2, SNAPSHOT),
    (MIDNIGHT, "2024-07-02T02:00:00Z", "A", "A", 5520.25, 5, 3, SNAPSHOT),
    (MIDNIGHT, "2024-07-01T23:59:00Z", "A", "A", 5520.25, 4, 4, SNAPSHOT),
    (MIDNIGHT, "2024-07-01T23:59:30Z", "A", "A", 5520.50, 30, 5, LAST_OF_SNAPSHOT),
]


def at(second, ns=0):
    return f"2024-07-02T14:00:{second:02d}.{ns:09d}Z"


def one(second, *row, ns=0):
    return at(second, 100_000 + ns), at(second, ns), *row


TRADED = [
    one(1, "A", "B", 5520.00, 3, 6, 128),
    # A buyer of 12 takes both orders at 5520.25 and rests with 3: crossed until the last row.
    one(2, "T", "B", 5520.25, 9, 0, 0),
    one(2, "F", "A", 5520.25, 5, 3, 0),
    one(2, "F", "A", 5520.25, 4, 4, 0),
    one(2, "A", "B", 5520.50, 3, 7, 0),
    one(2, "C", "A", 5520.25, 5, 3, 0),
    one(2, "C", "A", 5520.25, 4, 4, 0),
    one(2, "M", "B", 5520.25, 3, 7, 128),
    one(3, "M", "B", 5519.75, 15, 2, 128),  # smaller
    one(4, "M", "A", 5520.75, 30, 5, 0),  # a replace in two rows: no ask at 5520.50 in between
    one(4, "A", "A", 5520.50, 8, 8, 128),
    one(5, "C", "B", 5520.00, 10, 1, 128),
]
# Before the open of the next session (22:00 UTC) orders collect, and lock and cross the book, until they are matched.
COLLECTED = [
    ("2024-07-02T21:50:00.0001Z", "2024-07-02T21:50:00Z", "A", "A", 5520.25, 2, 9, 128),
    ("2024-07-02T21:51:00.0001Z", "2024-07-02T21:51:00Z", "A", "B", 5521.00, 1, 10, 128),
    ("2024-07-02T22:00:00.0001Z", "2024-07-02T22:00:00Z", "T", "N", 5520.25, 1, 0, 128),
    ("2024-07-02T22:00:00.0002Z", "2024-07-02T22:00:00.0001Z", "C", "A", 5520.25, 1, 9, 128),
    ("2024-07-02T22:00:00.0003Z", "2024-07-02T22:00:00.0002Z", "C", "B", 5521.00, 1, 10, 128),
    ("2024-07-02T22:00:00.0004Z", "2024-07-02T22:00:00.0003Z", "C", "A", 5520.25, 1, 9, 128),
    ("2024-07-02T22:00:01.0001Z", "2024-07-02T22:00:01Z", "A", "B", 5520.00, 7, 11, 128),
]


def orders(tmp_path, rows, name="glbx-mdp3-20240702.mbo.csv"):
    path = tmp_path / name
    lines = [
        f"{recv},{event},160,1,4916,{action},{side},{price},{size},0,{order},{flags},100,{i},ESU4"
        for i, (recv, event, action, side, price, size, order, flags) in enumerate(rows)
    ]
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


def best_after_messages(rows):
    """(bid, its size, ask, its size) after each message, by a table of orders."""
    resting, states = {}, []
    for _, _, action, side, price, size, order, flags in rows:
        if action == "R":
            resting = {}
        elif action in ("A", "M"):
            resting[order] = (side, price, size)
        elif action == "C":
            left = resting[order][2] - size
            resting[order] = (*resting[order][:2], left)
            if not left:
                del resting[order]
        if flags & F_LAST:
            best = {}
            for s, pick in (("B", max), ("A", min)):
                prices = [p for t, p, _ in resting.values() if t == s]
                px = pick(prices) if prices else None
                best[s] = (px, sum(q for t, p, q in resting.values() if t == s and p == px))
            states.append((*best["B"], *best["A"]))
    return states


def shown(session):
    """(bid, its size, ask, its size) of the session's states, without those that repeat."""
    states = select_states(session, "message").events
    columns = (states[c].to_list() for c in ("bid_px_00", "bid_sz_00", "ask_px_00", "ask_sz_00"))
    return [(b / 1e9, bq, a / 1e9, aq) for b, bq, a, aq in zip(*columns, strict=True)]


@pytest.mark.slow
def test_a_day_of_orders_reads_with_the_defaults(tmp_path, configure):
    path = orders(tmp_path, STATED + TRADED)
    config = configure("dataset=databento_mbo", f"dataset.path={path}").dataset
    (s,) = read(path, "databento_mbo", policy=config.policy, calendar=config.calendar, hours=config.hours,
                tick=config.tick)  # fmt: skip
    assert (s.symbol, s.date) == ("ESU4", "2024-07-02")
    assert "crossed" not in s.quality.kept
    assert s.events["ts_recv"].is_sorted()
    expected = best_after_messages(STATED + TRADED)
    assert shown(s) == expected
    assert expected[2] == (5520.25, 3, 5520.5, 30)
    inside = s.events.filter((pl.col("bid_px_00") >= pl.col("ask_px_00")) & (pl.col("flags") & F_LAST == 0))
    assert inside.height == 3  # the book is crossed inside the message, as the feed has it


@pytest.mark.parametrize(("calendar", "date"), [("XNYS", "2024-07-02"), ("CMES", "2024-07-02")])
@pytest.mark.parametrize("hours", ["all", "regular"])
def test_a_snapshot_of_another_day_is_no_session_of_its_own(tmp_path, calendar, date, hours):
    path = orders(tmp_path, STATED + TRADED)
    (s,) = read(path, "databento_mbo", calendar=calendar, hours=hours, tick=0.25)
    assert s.date == date
    assert shown(s) == best_after_messages(STATED + TRADED)
    snapshot = s.events.filter(pl.col("flags") & F_SNAPSHOT != 0)
    same_session = calendar == "CMES" and hours == "regular"  # it spans midnight UTC
    first = MIDNIGHT if same_session else TRADED[0][0]
    assert set(snapshot["ts_recv"].dt.strftime("%Y-%m-%dT%H:%M:%S%.9fZ")) == {first}


def test_a_snapshot_before_a_weekend_belongs_to_the_week(tmp_path):
    sunday = [(recv.replace("07-02", "06-30"), *rest) for recv, *rest in STATED]
    (s,) = read(orders(tmp_path, sunday + TRADED), "databento_mbo", calendar="CMES", hours="regular", tick=0.25)
    assert (s.date, shown(s)) == ("2024-07-02", best_after_messages(STATED + TRADED))


@pytest.mark.parametrize("hours", ["all", "regular"])
def test_the_book_may_be_crossed_before_the_open_and_until_the_auction_is_over(tmp_path, hours):
    rows = STATED + TRADED + COLLECTED
    sessions = read(orders(tmp_path, rows), "databento_mbo", calendar="CMES", hours=hours, tick=0.25)
    assert [s.date for s in sessions] == (["2024-07-02"] if hours == "all" else ["2024-07-02", "2024-07-03"])
    assert "in an auction" in " ".join(sessions[-1].quality.notes)
    assert {"crossed", "locked"}.isdisjoint(sessions[-1].quality.kept)
    everything = [state for s in sessions for state in shown(s)]
    assert everything[-1] == best_after_messages(rows)[-1]


def test_a_crossed_book_in_trading_is_a_fault(tmp_path):
    rows = [*STATED, *TRADED, one(9, "A", "B", 5521, 1, 12, 128), one(11, "C", "B", 5521, 1, 12, 128)]
    path = orders(tmp_path, rows)
    with pytest.raises(DataError, match=r"line 20, column bid_px_00: .*crossed \(1 such row"):
        read(path, "databento_mbo", tick=0.25)
    (s,) = read(path, "databento_mbo", tick=0.25, policy=Policy(crossed="keep"))
    assert s.quality.kept["crossed"] == 1


def test_a_crossed_message_is_dropped_as_a_whole(tmp_path):
    inside = [
        one(9, "T", "B", 5520.5, 2, 0, 0),
        one(9, "A", "B", 5521.00, 1, 12, 0),
        one(9, "A", "B", 5521, 1, 13, 128),
    ]
    later = one(10, "C", "B", 5521, 1, 12, 0), one(10, "C", "B", 5521, 1, 13, 128)
    (s,) = read(orders(tmp_path, STATED + TRADED + inside + [*later]), "databento_mbo", tick=0.25,
                policy=Policy(crossed="drop"))  # fmt: skip
    assert s.quality.dropped["crossed"] == 3
    assert shown(s) == [*best_after_messages(STATED + TRADED), best_after_messages(STATED + TRADED)[-1]]


def test_an_event_after_its_receipt_is_still_an_error(tmp_path):
    late = [(r[0], r[1].replace("14:00", "15:00"), *r[2:]) for r in TRADED]
    with pytest.raises(DataError, match="ts_event and ts_recv are swapped"):
        read(orders(tmp_path, STATED + late), "databento_mbo", tick=0.25)
    with pytest.raises(DataError, match=r"line 8, column ts_event: the event time .* is more than 1 s later"):
        read(orders(tmp_path, STATED + late[:1] + TRADED[1:]), "databento_mbo", tick=0.25)


# --- from the middle of a day ----------------------------------------------------------------------------------------


def test_orders_from_the_middle_of_a_day_are_refused(tmp_path):
    path = orders(tmp_path, TRADED)
    with pytest.raises(
        DataError, match=r"line 7, column order_id: this order was never added.*middle of a day"
    ) as error:
        read(path, "databento_mbo", tick=0.25)
    assert "no_snapshot=keep" in str(error.value)
    (s,) = read(path, "databento_mbo", tick=0.25, policy=Policy(no_snapshot="keep", crossed="keep"))
    assert s.quality.kept["no_snapshot"] == len(TRADED)


def test_the_book_is_known_from_the_snapshot_on(tmp_path):
    again = [(one(20)[0], event, *rest) for _, event, *rest in STATED]
    later = [(r.replace("14:00", "14:01"), e.replace("14:00", "14:01"), *rest) for r, e, *rest in TRADED]
    rows = TRADED + again + later
    (s,) = read(orders(tmp_path, rows), "databento_mbo", tick=0.25)
    assert s.quality.dropped["no_snapshot"] == len(TRADED)
    assert shown(s) == best_after_messages(again + later)
    with pytest.raises(DataError, match="middle of a day"):
        read(orders(tmp_path, rows), "databento_mbo", tick=0.25, policy=Policy(no_snapshot="raise"))


def test_a_real_day_cut_in_the_morning_is_refused(tmp_path, data):
    whole = data("databento/arl_20250717_mbo.csv")
    if not CASE.exists():
        pytest.skip(f"absent: {CASE}")
    path = tmp_path / "cut.csv"
    subprocess.run(["bash", CASE / "make.sh", path], check=True)
    assert len(path.read_text().splitlines()) == len(whole.read_text().splitlines()) - 1500
    with pytest.raises(DataError, match=r"cut\.csv, line 2, column order_id: this order was never added"):
        read(path, "databento_mbo")


def test_the_cut_day_would_have_had_another_book(tmp_path, data):
    """Why it is refused: the best bid of the late orders alone is not the true one."""
    lines = data("databento/arl_20250717_mbo.csv").read_text().splitlines(keepends=True)
    path = tmp_path / "cut.csv"
    path.write_text("".join([lines[0], *lines[1501:]]))
    (late,) = read(path, "databento_mbo", policy=Policy(no_snapshot="keep", crossed="keep"))
    (true,) = read(data("databento/arl_20250717_mbo.csv"), "databento_mbo")
    books = [s.events.select("sequence", "action", "bid_px_00").unique("sequence", keep="last") for s in (late, true)]
    both = books[0].join(books[1], on=["sequence", "action"])
    assert both["bid_px_00"].ne_missing(both["bid_px_00_right"]).mean() > 0.03

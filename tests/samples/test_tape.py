"""The tape of a session: its events by hand, and that they replay to every book shown."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ofiml.config import Config
from ofiml.data.schema import F_LAST, F_SNAPSHOT, TIME, Session
from ofiml.data.sessions import Source, list_sources
from ofiml.errors import DataError
from ofiml.samples import tape_kernel
from ofiml.samples.tape import CLEAR, HIDE, LEVEL, TRADE, SessionTape, Tape, build_tape, record_session
from ofiml.samples.tape_cache import read_tapes
from tests.books import SECOND, TICK, busy_session, session

NO = (None, 0, None, 0)


def list_events(tape: Tape, m: int) -> list[tuple[int, int, int, int]]:
    """(kind, side, price in ticks, size) of the events of message m."""
    span = slice(tape.first[m], tape.first[m + 1])
    columns = (tape.kind, tape.side, tape.price + tape.base, tape.size)
    return list(zip(*(c[span].tolist() for c in columns), strict=True))


def replay(recorded: Session, tape: Tape) -> None:
    """Holds the levels that the tape's events leave shown against the last row of every message."""
    events, last = recorded.events, (recorded.events["flags"] & F_LAST) != 0
    ends = events.filter(last) if last.any() else events
    assert len(tape.bid) == ends.height
    shown: dict[int, list[dict[int, int]]] = {1: [{} for _ in tape.bid], -1: [{} for _ in tape.bid]}
    for sign, side in ((1, "bid"), (-1, "ask")):
        for m in range(recorded.levels):
            index = ends[f"{side}_px_{m:02d}"] // recorded.tick - tape.base
            for book, p, s in zip(shown[sign], index, ends[f"{side}_sz_{m:02d}"], strict=True):
                if p is not None:
                    book[p] = s
    book: dict[int, dict[int, int]] = {1: {}, -1: {}}
    kind, side, price, size = (c.tolist() for c in (tape.kind, tape.side, tape.price, tape.size))
    for m in range(ends.height):
        for e in range(tape.first[m], tape.first[m + 1]):
            if kind[e] == CLEAR:
                assert all(price[e] <= p <= size[e] for p in (*book[1], *book[-1]))
                book = {1: {}, -1: {}}
            elif kind[e] == HIDE:
                assert book[side[e]].pop(price[e]) > 0
            elif kind[e] == LEVEL:
                book[side[e]].pop(price[e], None)
                if size[e]:
                    book[side[e]][price[e]] = size[e]
        for sign in (1, -1):
            assert book[sign] == shown[sign][m]
        assert tape.bid[m] == max(book[1], default=-1)
        assert tape.ask[m] == min(book[-1], default=-1)


# --- by hand ---------------------------------------------------------------------------------------------------------

HAND = [
    # t, action, side, price, size, flags, book of two levels, the events that must come of it
    ("A", "B", 10, 5, F_LAST, [(10, 5, 12, 3), (9, 4, 13, 2)],
     [(LEVEL, 1, 10, 5), (LEVEL, 1, 9, 4), (LEVEL, -1, 12, 3), (LEVEL, -1, 13, 2)]),
    # A better bid hides the worst one.
    ("A", "B", 11, 7, F_LAST, [(11, 7, 12, 3), (10, 5, 13, 2)], [(HIDE, 1, 9, 0), (LEVEL, 1, 11, 7)]),
    # It shrinks, then goes: the hidden one comes back with another size.
    ("C", "B", 11, 2, F_LAST, [(11, 5, 12, 3), (10, 5, 13, 2)], [(LEVEL, 1, 11, 5)]),
    ("C", "B", 11, 5, F_LAST, [(10, 5, 12, 3), (9, 6, 13, 2)], [(LEVEL, 1, 11, 0), (LEVEL, 1, 9, 6)]),
    # A sale of 5 lots empties the best bid: the trade precedes the level in one message of two rows.
    ("T", "A", 10, 5, 0, [(10, 5, 12, 3), (9, 6, 13, 2)], None),
    ("C", "B", 10, 5, F_LAST, [(9, 6, 12, 3), (7, 1, 13, 2)],
     [(TRADE, -1, 10, 5), (LEVEL, 1, 10, 0), (LEVEL, 1, 7, 1)]),
    # Two better bids hide 9 and 7; then 8 and 6 are what is left: 9 and 7 were cancelled unseen.
    ("A", "B", 11, 1, 0, [(11, 1, 12, 3), (9, 6, 13, 2)], None),
    ("A", "B", 10, 1, F_LAST, [(11, 1, 12, 3), (10, 1, 13, 2)],
     [(HIDE, 1, 7, 0), (LEVEL, 1, 11, 1), (HIDE, 1, 9, 0), (LEVEL, 1, 10, 1)]),
    ("C", "B", 11, 1, F_LAST, [(8, 2, 12, 3), (6, 2, 13, 2)],
     [(LEVEL, 1, 11, 0), (LEVEL, 1, 10, 0), (LEVEL, 1, 9, 0), (LEVEL, 1, 7, 0), (LEVEL, 1, 8, 2), (LEVEL, 1, 6, 2)]),
    # A trade of unknown side; the asks empty. One side is a book one can trade on.
    ("T", "N", 12, 3, F_LAST, [(8, 2, None, 0), (6, 2, None, 0)],
     [(TRADE, 0, 12, 3), (LEVEL, -1, 12, 0), (LEVEL, -1, 13, 0)]),
    # The book is cleared, and stated again.
    ("R", "N", None, 0, F_LAST, [NO, NO], [(CLEAR, 0, 6, 13)]),
    ("A", "A", 8, 2, F_LAST, [(7, 1, 8, 2), NO], [(LEVEL, 1, 7, 1), (LEVEL, -1, 8, 2)]),
]  # fmt: skip


def make_hand() -> Session:
    names = ("action", "side", "price", "size", "flags", "book")
    rows = [dict(zip(names, row[:-1], strict=True)) | {"t": t} for t, row in enumerate(HAND)]
    return session(rows, levels=2)


def test_a_table_by_hand() -> None:
    tape = build_tape(make_hand())
    wanted = [row[-1] for row in HAND if row[-1] is not None]
    for m, events in enumerate(wanted):
        low = tape.base if events[0][0] == CLEAR else 0  # its second price is a size to `list_events`
        events = [(k, s, p, z - low if k == CLEAR else z) for k, s, p, z in events]
        assert list_events(tape, m) == events, m
    assert (tape.bid + tape.base).tolist() == [10, 11, 11, 10, 9, 11, 8, 8, tape.base - 1, 7]
    assert (tape.ask + tape.base).tolist()[:7] == [12] * 7
    assert tape.ask.tolist()[7:9] == [-1, -1]
    assert tape.tradable.tolist() == [True] * 8 + [False, True]
    assert tape.exchange.tolist() == [t * SECOND for t in (0, 1, 2, 3, 5, 7, 8, 9, 10, 11)]
    assert tape.receipt.tolist() == tape.exchange.tolist()
    replay(make_hand(), tape)


def test_a_message_is_timed_by_its_last_row_and_clocks_never_run_back() -> None:
    made = make_hand()
    event = [0, 5, 3, 4, 9, 2, 6, 7, 8, 30, 11, 12]  # one is later than its receipt, some go back
    received = [t + 1 for t in range(12)]
    stamps = {
        name: pl.Series(name, values, pl.Int64).cast(TIME)
        for name, values in (("ts_event", event), ("ts_recv", received))
    }
    tape = build_tape(replace(made, events=made.events.with_columns(**stamps)))
    # min(event, received) per row: 0 2 3 4 | 5 2 | 6 7 | 8 | 10 | 11 | 12
    assert tape.exchange.tolist() == [0, 2, 3, 4, 5, 7, 8, 10, 11, 12]
    assert tape.receipt.tolist() == [1, 2, 3, 4, 6, 8, 9, 10, 11, 12]


def test_rows_after_the_last_message_end_are_left_out_and_rows_without_flags_are_messages() -> None:
    rows = [{"t": t, "book": [(10, 1 + t, 12, 1)], "flags": F_LAST if t < 2 else 0} for t in range(4)]
    tape = build_tape(session(rows))
    assert len(tape.bid) == 2
    assert tape.first.tolist() == [0, 2, 3]
    assert len(tape.kind) == 3
    none = [row | {"flags": 0} for row in rows]
    assert build_tape(session(none)).first.tolist() == [0, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("side", "events"),
    [
        ("B", [(TRADE, 1, 10, 3)]),  # a buyer at 10.5 does not reach an ask at 11
        ("A", [(TRADE, -1, 11, 3)]),  # a seller at 10.5 does not reach a bid at 10
        ("N", [(TRADE, 1, 10, 3), (TRADE, -1, 11, 3)]),
    ],
)
def test_a_trade_off_the_tick_reaches_no_further_price(side: str, events: list[tuple[int, int, int, int]]) -> None:
    rows = [{"t": t, "book": [(10, 1, 11, 1)], "action": "T", "side": side, "price": 10.5, "size": 3} for t in (0, 1)]
    made = session([row | {"price": 10} for row in rows])
    made = replace(made, events=made.events.with_columns(price=pl.lit(21 * TICK // 2)))
    recorded = record_session(made)
    assert list_events(recorded.tape, 1) == events
    assert recorded.meta.rounded == 2


def test_prices_at_and_below_zero() -> None:
    rows = [
        {"t": 0, "book": [(-2, 1, 0, 2)], "action": "T", "side": "B", "price": -1, "size": 1},
        {"t": 1, "book": [(-3, 1, -1, 2)], "action": "A", "price": -1},
    ]
    made = session(rows)
    tape = build_tape(made)
    assert list_events(tape, 0) == [(TRADE, 1, -1, 1), (LEVEL, 1, -2, 1), (LEVEL, -1, 0, 2)]
    assert (tape.price >= 0).all()
    replay(made, tape)


def test_a_halt_lasts_until_the_first_trade_after_it() -> None:
    book = [(10, 1, 11, 1)]
    kinds = [("A", F_LAST), ("N", F_LAST | F_SNAPSHOT), ("A", F_LAST), ("N", F_LAST | F_SNAPSHOT), ("T", F_LAST)]
    rows = [{"t": t, "book": book, "action": a, "flags": f, "price": 10} for t, (a, f) in enumerate([*kinds, kinds[0]])]
    tape = build_tape(session(rows))
    assert tape.tradable.tolist() == [True, False, False, False, True, True]
    assert CLEAR not in tape.kind


def test_auctions_crossed_and_locked_books_are_not_tradable() -> None:
    books = [(10, 1, 11, 1), (12, 1, 11, 1), (11, 1, 11, 1), (10, 1, 11, 1)]
    made = session([{"t": t, "book": [b]} for t, b in enumerate(books)])
    assert build_tape(made).tradable.tolist() == [True, False, False, True]
    opening = 14 * 3600 + 30 * 60  # XNYS on 1970-01-02, UTC
    day = 24 * 3600
    rows = [{"t": day + opening + t, "book": [(10, 1, 11, 1)]} for t in (-60, -1, 0, 1, 60)]
    at_open = session(rows, open_=day + opening - 100, close=day + opening + 100)
    assert build_tape(replace(at_open, calendar="XNYS")).tradable.tolist() == [False, False, False, True, True]
    assert build_tape(replace(at_open, calendar="24/7")).tradable.all()
    # Before the open, a trade shows that orders match.
    rows[1] |= {"action": "T", "side": "B", "price": 11, "size": 1}
    early = session(rows, open_=day + opening - 100, close=day + opening + 100)
    assert build_tape(replace(early, calendar="XNYS")).tradable.tolist() == [False, True, True, True, True]


def test_a_snapshot_clears_once_and_then_adds() -> None:
    snap = F_LAST | F_SNAPSHOT
    rows = [
        {"t": 0, "book": [(10, 1, 12, 1), (9, 1, 13, 1)]},
        {"t": 1, "book": [(20, 1, 22, 1), NO], "flags": snap},
        {"t": 2, "book": [(20, 1, 22, 1), (19, 1, 23, 1)], "flags": snap},
    ]
    made = session(rows, levels=2)
    tape = build_tape(made)
    assert [e[0] for e in list_events(tape, 1)] == [CLEAR, LEVEL, LEVEL]
    assert list_events(tape, 2) == [(LEVEL, 1, 19, 1), (LEVEL, -1, 23, 1)]
    replay(made, tape)


def test_levels_out_of_reach_are_counted() -> None:
    rows = [{"t": t, "book": [(10, 1, 12, 1), (9, 1, 3_000_000, 1)]} for t in range(3)]
    recorded = record_session(session(rows, levels=2))
    assert recorded.meta.ignored == 1  # the row that brings it
    assert recorded.tape.span < 1000
    # What lies between the last level in reach and the ignored one is seen: 13 is gone, not hidden.
    gone = [{"t": 0, "book": [(10, 1, 12, 1), (9, 1, 13, 1)]}, *[row | {"t": 1 + row["t"]} for row in rows]]
    assert list_events(build_tape(session(gone, levels=2)), 1) == [(LEVEL, -1, 13, 0)]


def test_too_wide_a_ladder_and_no_events_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_hand()
    with pytest.raises(DataError, match="has no events"):
        record_session(replace(made, events=made.events.head(0)))
    monkeypatch.setattr("ofiml.samples.tape.MAX_SPAN", 100)
    with pytest.raises(DataError, match="larger tick"):
        record_session(made)


def test_order_times_stand_with_what_their_orders_shrink() -> None:
    rows = [
        {"t": 0, "book": [(10, 5, 12, 3), (9, 4, 13, 2)]},
        {"t": 1, "book": [(10, 3, 12, 3), (9, 4, 13, 2)], "action": "C", "side": "B", "price": 10, "size": 2},
        {"t": 2, "book": [(10, 3, 12, 3), (9, 1, 13, 5)], "action": "M", "side": "A", "price": 13, "size": 5},
        {"t": 3, "book": [(9, 1, 12, 3), NO], "action": "C", "side": "B", "price": 10, "size": 3},
    ]
    made = session(rows, levels=2)
    times = pl.Series("order_time", [None, 7, 8, 9], pl.Int64).cast(TIME)
    recorded = record_session(replace(made, events=made.events.with_columns(times)))
    tape = recorded.tape
    assert recorded.meta.exact
    # Sizes grow at 13; bids at 9 shrink in a row of the other side; both asks leave in a row of the bid.
    found = [tape.order_time[slice(*tape.first[m : m + 2])].tolist() for m in range(4)]
    assert found == [[-1] * 4, [7], [-1, -1], [9, -1]]
    assert not record_session(made).meta.exact


def test_a_queue_is_exact_only_if_the_place_of_each_cancel_and_change_is_known() -> None:
    book = [(10, 5, 12, 3), (9, 4, 13, 2)]
    rows = [
        {"t": 0, "book": book, "action": "A", "side": "B", "price": 10, "size": 5},
        {"t": 1, "book": book, "action": "C", "side": "B", "price": 8, "size": 2},
        {"t": 2, "book": book, "action": "M", "side": "A", "price": 14, "size": 5},
        {"t": 3, "book": book, "action": "A", "side": "B", "price": 9, "size": 1},
    ]
    made = session(rows, levels=2)

    def is_exact(*times: int | None, rows: int = 4) -> bool:
        known = made.events.head(rows).with_columns(pl.Series("order_time", times, pl.Int64).cast(TIME))
        return record_session(replace(made, events=known)).meta.exact

    assert is_exact(None, 7, 8, None)
    assert not is_exact(1, None, 8, 9), "a cancel of an order that the feed has not shown"
    assert not is_exact(1, 7, None, 9), "a change of one"
    assert is_exact(1, rows=1), "nothing was cancelled, and orders are known"
    assert not is_exact(None, rows=1)
    assert not is_exact(None, None, None, None)


# --- properties ------------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), levels=st.integers(1, 4))
def test_random_books_replay(seed: int, levels: int) -> None:
    made = busy_session(seed, 60, levels, resets=0.05)
    replay(made, build_tape(made))


@pytest.mark.parametrize("seed", range(3))
def test_the_kernel_is_its_plain_twin(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = busy_session(seed, 300, 3, resets=0.05)
    compiled = record_session(made)
    monkeypatch.setattr(tape_kernel, "record_rows", tape_kernel.record_rows_py)
    assert_same(compiled, record_session(made))


def assert_same(a: SessionTape, b: SessionTape) -> None:
    for one, other in zip(a.tape, b.tape, strict=True):
        np.testing.assert_array_equal(one, other)
    assert a.meta == b.meta


def test_pieces_and_growth_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made = busy_session(1, 500, 3, resets=0.02)
    whole = record_session(made)
    original = tape_kernel.make_output

    def make_short(*arguments: int) -> Tape:
        out = original(*arguments)
        return out._replace(**{name: getattr(out, name)[:40] for name in tape_kernel.PER_EVENT})

    monkeypatch.setattr("ofiml.samples.tape._PIECE", 7)
    monkeypatch.setattr(tape_kernel, "make_output", make_short)
    assert_same(whole, record_session(made))


def test_the_embedded_market_replays(configure: Callable[..., Config]) -> None:
    (made,) = list_sources(configure("debug=tiny", "dataset.max_sessions=1", "dataset.max_events=20000").dataset)[0]()
    recorded = record_session(made)
    assert recorded.meta.ignored == 0
    assert recorded.tape.tradable.all()
    replay(made, recorded.tape)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reader", "name"),
    [
        ("databento_mbo", "databento/arl_20250717_mbo.csv"),
        ("lobster", "lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip"),
    ],
)
def test_real_books_replay(
    reader: str, name: str, data: Callable[[str], Path], configure: Callable[..., Config]
) -> None:
    config = configure(f"dataset={reader}", f"dataset.path={data(name)}", "dataset.tick=0.01")
    for source in list_sources(config.dataset):
        for made in source():
            replay(made, build_tape(made))


# --- the cache -------------------------------------------------------------------------------------------------------


def test_a_cached_tape_is_the_same(tmp_path: Path) -> None:
    made, calls = [busy_session(s, 100) for s in (1, 2)], []

    def read() -> list[Session]:
        calls.append(1)
        return made

    source = Source(lambda: iter(read()), lambda: "a name")
    fresh = list(read_tapes(source, None))
    first, second = (list(read_tapes(source, str(tmp_path))) for _ in range(2))
    assert len(calls) == 2
    for tapes in (first, second):
        for a, b in zip(fresh, tapes, strict=True):
            assert_same(a, b)
    assert all(a.flags.writeable and a.flags.c_contiguous for a in second[0].tape if isinstance(a, np.ndarray))
    assert [a.dtype for a in second[0].tape[:11]] == [a.dtype for a in fresh[0].tape[:11]]
    for file in tmp_path.glob("*-0.arrow"):
        file.write_bytes(b"damaged")
    assert_same(fresh[0], next(iter(read_tapes(source, str(tmp_path)))))

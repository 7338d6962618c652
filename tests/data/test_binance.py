"""Binance: the real stream against its own best quotes, the rules of joining by hand, and every kind of damage."""

import gzip
import json
import random

import numpy as np
import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ofiml.config import Policy
from ofiml.data.feed import Blob
from ofiml.data.readers.binance import streams as binance
from ofiml.data.schema import F_LAST, F_SNAPSHOT, make_schema
from ofiml.data.sessions import list_sources
from ofiml.errors import DataError
from tests.conftest import slow_but_each
from tests.golden.test_aapl import file_dataset

STREAM = "binance/usdm_btcusdt_20240808.gz"
UPDATES = "binance/binance_ETHBTC_2020-11-01T09_update.json.gz"
START = 1_723_161_600_000  # ms, 2024-08-09 00:00 UTC
KEEP_CLOCK = {"clock": "keep"}


def dataset(path, *, policy=None, **other):
    asked = Policy(**(KEEP_CLOCK | (policy or {})))
    market = {"calendar": "24/7", "hours": "regular", "tick": 0.1, "size_unit": 0.001}
    return file_dataset("binance", path, policy=asked, **(market | other))


def read(path, **settings):
    return [s for source in list_sources(dataset(path, **settings)) for s in source()]


def depth(first, last, before, bids=(), asks=(), *, at=None, symbol="X"):
    t = START + (last if at is None else at)
    message = {"e": "depthUpdate", "E": t, "T": t, "s": symbol, "U": first, "u": last, "pu": before}
    return message | {"b": [list(b) for b in bids], "a": [list(a) for a in asks]}


def spot(message):
    return {k: v for k, v in message.items() if k not in ("T", "pu")}


def full(last, bids, asks, **other):
    return {"lastUpdateId": last, "bids": [list(b) for b in bids], "asks": [list(a) for a in asks]} | other


def trade(t, price, size, *, maker, at, kind="trade", **other):
    number = {"t" if kind == "trade" else "a": t}
    return {"e": kind, "E": START + at, "T": START + at, "s": "X", "p": price, "q": size, "m": maker} | number | other


def ticker(u, bid, bid_size, ask, ask_size):
    return {"e": "bookTicker", "u": u, "s": "X", "b": bid, "B": bid_size, "a": ask, "A": ask_size,
            "T": START + u, "E": START + u}  # fmt: skip


def stream(path, *messages, stamped=True, wrapped=False):
    """The messages, one a line, each a millisecond after the one before."""
    lines = []
    for i, message in enumerate(messages):
        if not isinstance(message, str):
            message = json.dumps({"stream": "x@any", "data": message} if wrapped else message)
        lines.append(f"{(START + i) * 10**6} {message}" if stamped else message)
    path.write_text("\n".join(lines) + "\n")
    return path


BOOK = full(10, [("100.0", "1"), ("99.9", "2")], [("100.1", "3"), ("100.3", "4")])


def best(session):
    """(action, best bid and size, best ask and size) of each row, prices in units of currency."""
    columns = ("bid_px_00", "bid_sz_00", "ask_px_00", "ask_sz_00")
    rows = session.events.select("action", *columns).rows()
    return [(a, bp and bp / 1e9, bs, ap and ap / 1e9, az) for a, bp, bs, ap, az in rows]


# --- the real files --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_real_stream(data):
    (s,) = read(data(STREAM))
    assert (s.symbol, s.date, s.levels, s.events.schema) == ("BTCUSDT", "2024-08-08", 10, make_schema(10))
    assert s.events["action"].value_counts().sort("action").rows() == [("M", 6035), ("T", 21308)]
    assert s.quality.rows == 93_954  # the lines of the file
    assert s.quality.dropped == {"no_snapshot": 11}  # before the full book, which comes after 0.3 s
    assert s.quality.kept["clock"] == s.events.height
    assert s.quality.notes == [
        "messages ignored: 66089 bookTicker",
        "the receipt clock is 1.268 s behind the event clock (median)",
    ]
    first = s.events.row(0, named=True)
    assert (first["flags"], first["bid_px_00"], first["ask_px_00"]) == (
        F_LAST | F_SNAPSHOT,
        61_800_200_000_000,
        61_800_300_000_000,
    )
    # Sizes of trades, by aggressor, as a plain reading of the lines has them.
    sold = {True: 0.0, False: 0.0}
    for line in gzip.decompress(data(STREAM).read_bytes()).splitlines()[55:]:
        message = orjson.loads(line.partition(b" ")[2])["data"]
        if message["e"] == "trade":
            sold[message["m"]] += float(message["q"])
    trades = s.events.filter(pl.col("action") == "T").group_by("side").agg(pl.col("size").sum())
    assert dict(trades.rows()) == {"A": round(sold[True] * 1000), "B": round(sold[False] * 1000)}


def test_clocks_that_differ_are_refused_unless_kept(data):
    with pytest.raises(DataError, match=r"later than their receipt: .* or one clock is wrong .*clock=keep"):
        read(data(STREAM), policy={"clock": "raise"})


@pytest.mark.slow
def test_the_rebuilt_book_equals_the_best_quotes(data):
    """After each update u, the best prices and sizes are those of the last bookTicker whose id is at most u."""
    path = data(STREAM)
    (feed,) = binance.read_feeds([Blob(path.name, path.read_bytes())], dataset(path, levels=1))
    events = feed.events.filter(pl.col("action") == "M")
    rebuilt = events.select("bid_px_00", "bid_sz_00", "ask_px_00", "ask_sz_00").to_numpy()
    tickers, updates = [], []
    for line in gzip.decompress(path.read_bytes()).splitlines():
        message = orjson.loads(line.partition(b" ")[2]).get("data", {})
        if message.get("e") == "bookTicker":
            scales = ((k, 10**9 if k in "ba" else 1000) for k in ("b", "B", "a", "A"))
            tickers.append([message["u"], *(round(float(message[k]) * scale) for k, scale in scales)])
        elif message.get("e") == "depthUpdate":
            updates.append(message["u"])
    quotes, updates = np.array(tickers), np.array(updates)
    known = events["sequence"].to_numpy()
    updates = updates[updates >= known[0]]
    ours = rebuilt[np.searchsorted(known, updates, side="right") - 1]
    theirs = quotes[np.searchsorted(quotes[:, 0], updates, side="right") - 1]
    assert len(updates) == 6546
    assert int((theirs[:, 0] == updates).sum()) > 600
    assert (ours == theirs[:, 1:]).all()


@pytest.mark.slow
def test_real_pair(data):
    for path in (data(UPDATES), data(UPDATES).parent / "binance_ETHBTC_*.json*"):
        (s,) = read(path, tick=1e-6)
        assert (s.symbol, s.date, s.quality.rows, s.quality.used, s.quality.dropped) == (
            "ETHBTC",
            "2020-11-01",
            3601,
            3537,
            {},
        )
    assert s.quality.notes == ["updates already in the full book: 1"]
    first, last = s.events.row(0, named=True), s.events.row(-1, named=True)
    assert (first["bid_px_00"], first["bid_sz_00"], first["flags"]) == (28_181_000, 7666, F_LAST | F_SNAPSHOT)
    # The last book, from a dictionary of all levels.
    book = json.loads((data(UPDATES).parent / "binance_ETHBTC_2020-11-01T09_snapshot.json").read_bytes())
    sides = {"b": dict(book["bids"]), "a": dict(book["asks"])}
    for update in json.loads(gzip.decompress(data(UPDATES).read_bytes())):
        for side, levels in sides.items():
            if update["u"] > book["lastUpdateId"]:
                levels.update(update[side])
    for side, name, order in (("b", "bid", -1), ("a", "ask", 1)):
        left = sorted((order * float(p), q) for p, q in sides[side].items() if float(q))[:10]
        assert [last[f"{name}_px_{m:02d}"] for m in range(10)] == [round(order * p * 1e9) for p, _ in left]
        assert [last[f"{name}_sz_{m:02d}"] for m in range(10)] == [round(float(q) * 1000) for _, q in left]


# --- the rules, by hand ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stamped", [True, False])
@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("market", ["futures", "spot"])
def test_a_stream_with_its_full_book_late(tmp_path, stamped, wrapped, market):
    messages = [
        depth(8, 9, 7, [("99.9", "7")]),  # in the full book
        depth(10, 12, 9, [("100.0", "0")], [("100.1", "5")]),  # joins it, and is newer
        BOOK | {"E": START + 12},
        trade(1, "100.1", "0.5", maker=False, at=12),
        depth(13, 13, 12, [], [("100.1", "0"), ("100.2", "9")]),
        depth(14, 14, 13, [("98.0", "0"), ("97.0", "1")], []),
        trade(2, "99.9", "0.25", maker=True, at=14),
    ]
    if market == "spot":
        messages = [spot(m) if m.get("e") == "depthUpdate" else m for m in messages]
    (s,) = read(stream(tmp_path / "x.txt", *messages, stamped=stamped, wrapped=wrapped), levels=2)
    assert best(s) == [
        ("M", 99.9, 2000, 100.1, 5000),
        ("T", 99.9, 2000, 100.1, 5000),
        ("M", 99.9, 2000, 100.2, 9000),
        ("M", 99.9, 2000, 100.2, 9000),  # a level more on the second place
        ("T", 99.9, 2000, 100.2, 9000),
    ]
    assert s.events["flags"].to_list() == [F_LAST | F_SNAPSHOT] + [F_LAST] * 4
    assert s.events["side"].to_list() == ["N", "B", "A", "B", "A"]
    assert s.events["size"].to_list() == [0, 500, 9000, 1000, 250]
    assert s.events["sequence"].to_list() == [12, 1, 13, 14, 2]
    assert s.quality.dropped == {"no_snapshot": 2}
    assert s.quality.kept["unknown_order"] == 1
    stamps = s.events["ts_recv"].to_physical().to_list()
    assert stamps == sorted(stamps)
    if stamped:
        assert stamps == [(START + i) * 10**6 for i in (2, 3, 4, 5, 6)]
    if market == "futures" and stamped:
        assert s.events["ts_event"].to_physical().to_list()[2] == (START + 13) * 10**6


def test_a_full_book_that_is_newer_than_the_updates(tmp_path):
    messages = [
        depth(1, 5, 0, [("50.0", "1")]),
        BOOK,
        depth(6, 9, 5, [("100.0", "9")]),
        depth(10, 11, 9, [("100.0", "8")]),
    ]
    (s,) = read(stream(tmp_path / "x.txt", *messages))
    assert [b[2] for b in best(s)] == [1000, 8000]
    assert s.quality.notes[0] == "updates already in the full book: 1"
    assert s.quality.dropped == {"no_snapshot": 1}
    assert "gap" not in s.quality.kept


GAP = [
    BOOK,
    depth(10, 11, 9, [("100.0", "8"), ("98.0", "1")]),
    depth(15, 16, 14, [("100.0", "7")]),  # 12 to 14 are missing
    trade(1, "100.1", "0.5", maker=False, at=17),
    depth(17, 17, 16, [], [("100.1", "6")]),
    full(16, [("99.0", "1")], [("101.0", "2")]),
    depth(18, 18, 17, [("99.0", "5")]),
]


def test_a_gap_empties_the_book_until_the_next_full_one(tmp_path):
    (s,) = read(stream(tmp_path / "x.txt", *GAP))
    assert best(s) == [
        ("M", 100.0, 1000, 100.1, 3000),
        ("M", 100.0, 8000, 100.1, 3000),
        ("R", None, None, None, None),
        ("T", None, None, None, None),
        ("M", 100.0, 7000, 100.1, 6000),  # seen since the gap, and a tick apart
        ("M", 99.0, 1000, 100.1, 6000),  # with the update that came before it and is newer
        ("M", 99.0, 5000, 100.1, 6000),
    ]
    assert s.events["bid_px_01"].to_list()[4] is None  # 99.9 has not been seen since
    reset = ((s.events["flags"] & F_SNAPSHOT) != 0).to_list()
    assert reset == [True, False, True, False, True, True, False]
    assert s.quality.kept["gap"] == 1
    assert s.quality.dropped == {}
    with pytest.raises(DataError, match=r"line 3: updates are missing before this update.*dataset\.policy\.gap=keep"):
        read(tmp_path / "x.txt", policy={"gap": "raise"})


SEEN = [
    depth(1, 1, 0, [("100.0", "8"), ("98.0", "1")]),  # no ask yet
    depth(2, 2, 1, [], [("100.2", "3"), ("100.3", "1")]),  # an ask or a bid may rest at 100.1
    depth(3, 3, 2, [("100.1", "0")]),  # no bid, but perhaps an ask
    depth(4, 4, 3, [], [("100.1", "0"), ("100.2", "4")]),  # both best prices are known, and the second ask
    trade(1, "100.2", "0.5", maker=False, at=5),
    depth(5, 5, 4, [("99.9", "0"), ("99.8", "0")]),
    depth(6, 6, 5, [("100.1", "2")]),
    depth(7, 7, 6, [("100.1", "0"), ("100.0", "0")]),  # 99.7 to 98.1 have not been seen; an ask at 100.1 would have
]


@pytest.mark.parametrize("policy", ["drop", "keep"])
def test_levels_without_a_full_book_are_unknown_until_they_are_seen(tmp_path, policy):
    path = stream(tmp_path / "x.txt", *SEEN)
    (s,) = read(path, policy={"no_snapshot": policy})
    assert best(s) == [
        ("M", 100.0, 8000, None, None),  # the bid at 100.1 is excluded, the ask is not
        ("M", 100.0, 8000, 100.2, 4000),
        ("T", 100.0, 8000, 100.2, 4000),
        ("M", 100.1, 2000, 100.2, 4000),
        ("M", None, None, 100.2, 4000),
    ]
    assert s.events["ask_px_01"].to_list() == [None, *[100_300_000_000] * 4]
    assert s.events["bid_px_01"].to_list() == [None, None, None, 100_000_000_000, None]
    # What becomes known or unknown is no flow.
    assert ((s.events["flags"] & F_SNAPSHOT) != 0).to_list() == [True, True, False, True, True]
    counts = s.quality.dropped if policy == "drop" else s.quality.kept
    assert counts["no_snapshot"] == 2
    with pytest.raises(DataError, match=r"line 1: an update before the first full book"):
        read(path, policy={"no_snapshot": "raise"})


def test_a_book_that_never_becomes_known_is_refused(tmp_path):
    path = stream(tmp_path / "x.txt", *SEEN[:3])
    alone = stream(tmp_path / "alone.txt", SEEN[0])
    with pytest.raises(DataError, match=r"alone\.txt contains no full book"):
        read(alone)
    for policy in ("drop", "keep"):
        with pytest.raises(DataError, match=r"x\.txt contains no full book that its updates join.*the book is unknown"):
            read(path, policy={"no_snapshot": policy})


def test_a_full_book_too_old_to_join_is_passed_over(tmp_path):
    messages = [
        BOOK,
        depth(10, 11, 9, [("100.0", "8")]),
        full(3, [("1.0", "1")], []),
        depth(12, 12, 11, [("100.0", "9")]),
    ]
    (s,) = read(stream(tmp_path / "x.txt", *messages))
    assert [b[2] for b in best(s)] == [1000, 8000, 9000]
    assert s.quality.kept["gap"] == 1
    late = [depth(20, 21, 19, [("100.0", "8")]), BOOK, full(21, [("99.0", "1")], [("99.5", "1")])]
    (s,) = read(stream(tmp_path / "x.txt", *late))
    assert best(s) == [("M", 99.0, 1000, 99.5, 1000)]
    assert s.quality.kept["gap"] == 1


def test_updates_that_come_twice_count_once(tmp_path):
    twice = depth(10, 11, 9, [("100.0", "8")])
    (s,) = read(stream(tmp_path / "x.txt", BOOK, twice, twice, depth(12, 12, 11, [("100.0", "9")]), twice))
    assert [b[2] for b in best(s)] == [1000, 8000, 9000]
    assert s.quality.notes[0] == "updates already in the full book: 2"


def test_best_quotes_make_a_book_where_there_is_no_depth(tmp_path):
    messages = [
        trade(1, "100.1", "0.5", maker=False, at=0),
        ticker(1, "100.0", "1", "100.1", "2"),
        trade(2, "100.1", "0.5", maker=False, at=2),
        ticker(2, "100.0", "1.000", "0.00000000", "0.00000000"),
        ticker(1, "90.0", "1", "90.1", "2"),  # older: passed over
    ]
    (s,) = read(stream(tmp_path / "x.txt", *messages))
    assert best(s) == [
        ("M", 100.0, 1000, 100.1, 2000),
        ("T", 100.0, 1000, 100.1, 2000),
        ("M", 100.0, 1000, None, None),
    ]
    assert s.levels == 1
    assert s.quality.dropped == {"no_snapshot": 1}
    assert s.quality.kept["sentinel"] == 1
    (s,) = read(tmp_path / "x.txt", policy={"no_snapshot": "keep"})
    assert best(s)[0] == ("T", None, None, None, None)
    with pytest.raises(DataError, match=r"one level: set dataset\.levels=1"):
        read(tmp_path / "x.txt", levels=5)
    spots = [{k: v for k, v in m.items() if k not in ("e", "E", "T")} for m in messages if m["e"] == "bookTicker"]
    (s,) = read(stream(tmp_path / "y.txt", *spots))
    assert best(s)[0] == ("M", 100.0, 1000, 100.1, 2000)
    assert s.events["ts_event"].equals(s.events["ts_recv"])
    with pytest.raises(DataError, match=r"line 1: the message has no time"):
        read(stream(tmp_path / "z.txt", *spots, stamped=False))


def test_what_is_left_aside_is_said(tmp_path):
    messages = [
        BOOK,
        ticker(10, "1.0", "1", "1.1", "1"),  # before the first update
        depth(10, 11, 9, [("100.0", "8")]),
        ticker(11, "1.0", "1", "1.1", "1"),
        trade(1, "0", "0", maker=True, at=12, X="NA"),
        trade(2, "100.1", "0.5", maker=True, at=12, X="MARKET"),
        trade(1, "100.1", "0.5", maker=True, at=12, kind="aggTrade"),
        {"e": "markPriceUpdate", "p": "x"},
        {"result": None, "id": 1},
        [{"e": "24hrTicker"}],
        {"stream": "x@depth5@100ms", "data": depth(12, 12, 11, [("50.0", "1")])},
    ]
    (s,) = read(stream(tmp_path / "x.txt", *messages))
    assert [b[0] for b in best(s)] == ["M", "M", "T"]
    assert s.quality.notes[0] == (
        "messages ignored: 1 bookTicker, 1 lists, 1 markPriceUpdate, 1 other, 1 partial depth, 1 trade of type NA"
    )
    (s,) = read(stream(tmp_path / "x.txt", *messages[:3], messages[6]))
    assert s.events["action"].to_list() == ["M", "M", "T"]  # aggTrade, where there is no trade


def test_several_symbols(tmp_path):
    other = depth(5, 6, 4, [("7.0", "1")], [("7.1", "1")], symbol="Y")
    x, y = BOOK | {"symbol": "X"}, full(4, [("6.9", "1")], [("7.2", "1")], symbol="Y")
    messages = [x, y, other, depth(10, 11, 9, [("100.0", "8")])]
    path = stream(tmp_path / "x.txt", *messages)
    assert [(s.symbol, [b[1] for b in best(s)]) for s in read(path)] == [("X", [100.0, 100.0]), ("Y", [6.9, 7.0])]
    assert [s.symbol for s in read(path, symbols=["Y"])] == ["Y"]
    with pytest.raises(DataError, match="no depthUpdate or bookTicker of Z"):
        read(path, symbols=["Z"])
    with pytest.raises(DataError, match=r"line 1: a full book without a symbol, in a stream with .* several"):
        read(stream(path, BOOK, *messages[1:]), symbols=["X"])


# --- damage ----------------------------------------------------------------------------------------------------------


def changed(**cells):
    return depth(12, 12, 11, [("100.0", "9")]) | cells


DAMAGE = [
    ('{"e":"depthUpd', "not a complete JSON message"),
    ("nonsense", "not a complete JSON message"),
    ("17", "17 is not a message"),
    ("[" * 5000, "not a complete JSON message"),
    (changed(b=[["100.0"]]), "not a list of"),
    (changed(b=["12", "34"]), "not a list of"),
    (changed(b=[["1", "2", "3"], ["4"]]), "not a list of"),
    (changed(a={}), "column a: not a list of"),
    (changed(b=[["1x2", "1"]]), "the price '1x2' is not a positive decimal number"),
    (changed(b=[["100.0,5", "1"]]), "the price '100.0,5' is not a positive decimal number"),
    (changed(b=[[100.0, "1"]]), "the price 100.0 is not a positive decimal number"),
    (changed(b=[["0.0", "1"]]), "the price '0.0' is not a positive decimal number"),
    (changed(b=[["9999999999", "1"]]), "the price '9999999999' is larger than 4,600,000,000"),
    (changed(b=[["0.0000000001", "1"]]), "has more than 9 decimals"),
    (changed(a=[["100.5", "-1"]]), "the size '-1' is not a decimal number"),
    (changed(a=[["100.5", "9" * 30]]), "is too many lots"),
    (changed(u="12"), "column u: '12' is not an update or trade id"),
    (changed(U=-1), "column U: -1 is not an update or trade id"),
    (changed(pu=2**63), "column pu: 9223372036854775808 is not an update or trade id"),
    (changed(T=START * 10), "column T: .* is not a time in ms or µs"),
    (changed(s=5), "column s: 5 is not a symbol"),
    (trade(1, "100.0", "1", maker=1, at=3), "column m: 1 is neither true nor false"),
    (trade(True, "100.0", "1", maker=True, at=3), "column t: True is not an update or trade id"),
    (trade(1, None, "1", maker=True, at=3), "the price None is not a positive decimal number"),
]


@pytest.mark.parametrize(("message", "what"), slow_but_each(4, DAMAGE))
def test_damage_is_named_or_dropped_and_counted(tmp_path, message, what):
    after = trade(9, "100.0", "1", maker=True, at=20)
    path = stream(tmp_path / "x.txt", BOOK, depth(10, 11, 9, [("100.0", "8")]), message, after)
    with pytest.raises(DataError, match=rf"x\.txt, line 3: .*{what}.*dataset\.policy\.unreadable=drop"):
        read(path)
    (s,) = read(path, policy={"unreadable": "drop"})
    assert s.quality.dropped == {"unreadable": 1}
    assert s.events["action"].to_list() == ["M", "M", "T"]


def test_a_dropped_update_is_a_gap(tmp_path):
    messages = [BOOK, depth(10, 11, 9, [("100.0", "8")]), "{", depth(13, 13, 12, [("100.0", "7")])]
    (s,) = read(stream(tmp_path / "x.txt", *messages), policy={"unreadable": "drop"})
    assert [b[0] for b in best(s)] == ["M", "M", "R"]
    assert (s.quality.dropped, s.quality.kept["gap"]) == ({"unreadable": 1}, 1)


def test_a_line_cut_short_by_the_end(tmp_path):
    path = stream(tmp_path / "x.txt", BOOK, depth(10, 11, 9, [("100.0", "8")]), depth(12, 12, 11, [("100.0", "9")]))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="line 3: not a complete JSON message"):
        read(path)
    (s,) = read(path, policy={"unreadable": "drop"})
    assert [b[2] for b in best(s)] == [1000, 8000]


def test_files_that_are_something_else(tmp_path):
    path = tmp_path / "x.txt"
    for content, what in (
        ("", "is empty"),
        ("[1, 2", "is not a JSON list"),
        ('[{"e": "trade"}]', "column s: None is not a symbol"),
        ("time,bid,ask\n1,2,3\n", "line 1: 'time' is not a local time: 10, 13, 16 or 19 digits"),
        ("9999999999999999999 {}\n", "is not a local time"),
        ("17231612555 {}\n", "is not a local time"),
        ("{}\n", "contains no depthUpdate and no bookTicker"),
        (json.dumps(BOOK), "contains no depthUpdate and no bookTicker"),
        (json.dumps(BOOK, indent=1), "contains no depthUpdate and no bookTicker"),
    ):
        path.write_text(content)
        with pytest.raises(DataError, match=what):
            read(path)
    lone = tmp_path / "a_snapshot.json"
    lone.write_text(json.dumps(BOOK))
    with pytest.raises(DataError, match=r"its update file a_update\.json is not in the same folder"):
        read(lone)
    (tmp_path / "a_update.json").write_text(json.dumps([spot(depth(5, 9, 4, [("1.0", "1")]))]))
    with pytest.raises(DataError, match="contains no update after 10, the last update in its full book"):
        read(lone)


@settings(max_examples=60)
@given(st.data())
def test_books_equal_a_dictionary_of_levels(data):
    """Random updates, cut into streams with a full book at a random place, against the book as two dictionaries."""
    generator = random.Random(data.draw(st.integers(0, 2**32)))
    book = {"b": {f"{100 - k / 10:.1f}": "1" for k in range(5)}, "a": {f"{100.1 + k / 10:.1f}": "1" for k in range(5)}}
    at = generator.randint(0, 8)
    sent, states, answer = [], {}, None
    last = 0
    for k in range(12):
        first = last + 1
        last += generator.randint(1, 3)
        side = generator.choice("ba")
        offset = generator.randint(1, 30) / 10
        level = f"{100.05 + (offset if side == 'a' else -offset):.1f}"
        size = generator.choice(["0", "1.5", "0.007"])
        book[side][level] = size
        sent.append(depth(first, last, first - 1, **{"bids" if side == "b" else "asks": [(level, size)]}))
        left = {s: {p: q for p, q in levels.items() if float(q)} for s, levels in book.items()}
        states[last] = left
        if k == at:
            answer = full(last, left["b"].items(), left["a"].items())
    received = generator.randint(0, 11)
    sent.insert(received, answer)
    lines = "\n".join(f"{(START + i) * 10**6} {json.dumps(m)}" for i, m in enumerate(sent)).encode()
    (feed,) = binance.read_feeds([Blob("x", lines)], dataset(__file__))
    assert feed.events.height > 0
    for row in feed.events.rows(named=True):
        left = states[row["sequence"]]
        for side, name, order in (("b", "bid", -1), ("a", "ask", 1)):
            prices = sorted((order * float(p), q) for p, q in left[side].items())[:10]
            expected = [(round(order * p * 1e9), round(float(q) * 1000)) for p, q in prices]
            ours = [(row[f"{name}_px_{m:02d}"], row[f"{name}_sz_{m:02d}"]) for m in range(len(prices))]
            assert ours == expected

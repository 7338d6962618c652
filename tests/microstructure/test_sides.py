"""Sides of trades: by hand, against obvious loops, mirrored, cut short, and with what the feed does not say."""

import io
import math
import zipfile
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from ofiml.data.sessions import list_sources
from ofiml.data.trades import list_trades
from ofiml.errors import DataError
from ofiml.microstructure.toxicity.sides import (
    Agreement,
    classify_bulk,
    cut_trades_by_time,
    cut_trades_by_volume,
    find_quotes_before,
    measure_agreement,
    measure_net_agreement,
    sign_by_lee_ready,
    sign_by_tick_rule,
)
from tests.books import SECOND, TICK, mirrored, random_session, session
from tests.golden.test_aapl import file_dataset

patient = settings(max_examples=25)
seeds = st.integers(0, 10_000)


def priced(one, prices):
    """The session with prices in half ticks (None for none)."""
    column = pl.Series("price", [None if p is None else p * TICK // 2 for p in prices], pl.Int64)
    return replace(one, events=one.events.with_columns(column))


def random_trades(seed, n=60):
    """Book states and trades at, between and beyond their quotes; some without a side, some without a price."""
    rng = np.random.default_rng(seed)
    one = random_session(seed, n, levels=1, gaps=0.2)
    one = priced(one, [None if rng.random() < 0.1 else int(rng.integers(1990, 2011)) for _ in range(n)])
    told = pl.Series("side", rng.choice(["A", "B", "N"], n)).cast(one.events["side"].dtype)
    last = pl.Series("flags", rng.choice([0, 128], n, p=[0.2, 0.8])).cast(pl.UInt8)
    return replace(one, events=one.events.with_columns(told, last), close=one.close + 1)


def cut_short(one, rows):
    """The session up to a row, and to all that was received at its time: a bar that ends there holds every tie."""
    stamps = one.events["ts_recv"].to_physical()
    close = int(stamps[rows - 1])
    return replace(one, events=one.events.filter(stamps <= close), close=close)


def test_trades_are_as_the_feed_has_them():
    rows = [{"t": i, "book": [(100, 5, 102, 5)], "action": a, "side": s, "size": 3 + i} for i, (a, s) in enumerate(
        [("A", "B"), ("T", "B"), ("T", "A"), ("C", "A"), ("T", "N")])]  # fmt: skip
    found = list_trades(priced(session(rows), [200, 204, 200, None, None]))
    assert found["row"].to_list() == [1, 2, 4]
    assert found["ts_recv"].to_list() == [1 * SECOND, 2 * SECOND, 4 * SECOND]
    assert found["price"].to_list() == [102 * TICK, 100 * TICK, None]
    assert found["size"].to_list() == [4, 5, 7]
    assert found["sign"].to_list() == [1, -1, 0]


def told_by_ticks(prices):
    out, last, sign = [], None, 0
    for p in prices:
        if p is None:
            out.append(0)
            continue
        if last is not None and p != last:
            sign = 1 if p > last else -1
        last = p
        out.append(sign)
    return out


@given(st.lists(st.one_of(st.none(), st.integers(1, 4)), max_size=30))
def test_the_tick_rule_equals_a_loop(prices):
    table = pl.DataFrame({"price": pl.Series(prices, dtype=pl.Int64)})
    assert sign_by_tick_rule(table).tolist() == told_by_ticks(prices)


def told_by_quotes(one, per, lag):
    """Lee & Ready, a trade and a book at a time."""
    found, ticks = [], iter(told_by_ticks(list_trades(one)["price"].to_list()))
    rows = one.events.with_columns(pl.col("ts_recv").to_physical()).to_dicts()
    for i, row in enumerate(rows):
        if row["action"] != "T":
            continue
        tick = next(ticks)
        seen = [r for r in rows[:i] if (per == "row" or r["flags"] & 128) and r["ts_recv"] <= row["ts_recv"] - lag]
        bid, ask = (seen[-1]["bid_px_00"], seen[-1]["ask_px_00"]) if seen else (None, None)
        if row["price"] is None or bid is None or ask is None or 2 * row["price"] == bid + ask:
            found.append(tick)
        else:
            found.append(1 if 2 * row["price"] > bid + ask else -1)
    return found


@patient
@given(seeds, st.sampled_from([0, 1, SECOND // 10, 5 * SECOND]), st.sampled_from(["message", "row"]))
def test_lee_ready_equals_a_loop(seed, lag, per):
    one = random_trades(seed)
    assert sign_by_lee_ready(one, list_trades(one), per, lag).tolist() == told_by_quotes(one, per, lag)


def test_lee_ready_by_hand():
    quiet, up, none = [(100, 5, 102, 5)], [(103, 5, 105, 5)], [(None, 0, 102, 5)]
    told = [  # time, action, book after it, price in half ticks, flags
        (0.0, "T", quiet, 204, 128),  # no quote before it, no price before it
        (1.0, "T", up, 204, 128),  # at the old ask, which its own row has taken away: bought
        (2.0, "T", up, 206, 128),  # at the new bid: sold, though on an uptick
        (3.0, "T", up, 208, 128),  # at the mid, an uptick: bought
        (4.0, "T", quiet, 208, 0),  # at the mid, a zero-uptick: bought; the message ends with the next row
        (4.0, "T", quiet, 206, 128),  # at the bid of before the message: sold
        (5.0, "C", none, None, 128),
        (6.0, "T", none, 204, 128),  # one side only; a downtick: sold
        (7.0, "T", none, None, 128),  # no price
    ]
    rows = [{"t": t, "action": a, "book": b, "flags": f} for t, a, b, _, f in told]
    one = priced(session(rows), [p for _, _, _, p, _ in told])
    assert sign_by_lee_ready(one, list_trades(one), "message", 0).tolist() == [0, 1, -1, 1, 1, -1, -1, 0]
    # Quotes 1.5 s old: above the first's mid is the third trade, and before the other side went, the one at 6 s.
    assert sign_by_lee_ready(one, list_trades(one), "message", 3 * SECOND // 2).tolist() == [0, 0, 1, 1, 1, -1, 1, 0]
    with pytest.raises(DataError, match="look ahead"):
        sign_by_lee_ready(one, list_trades(one), "message", -1)


@patient
@given(seeds, st.sampled_from([0, SECOND // 10]), st.sampled_from([10_000, 1_000, 0]))
def test_the_mirror_has_the_opposite_sides(seed, lag, top):
    one = random_trades(seed)
    other = mirrored(one, top * TICK)  # prices at about 9000, 0 and -1000 ticks
    ours, theirs = (sign_by_lee_ready(s, list_trades(s), "message", lag) for s in (one, other))
    np.testing.assert_array_equal(ours, -theirs)
    for freedom in (None, 0.25):
        a, b = (
            classify_bulk(list_trades(s), cut_trades_by_volume(list_trades(s), 5), freedom=freedom)
            for s in (one, other)
        )
        np.testing.assert_array_equal(a["signed"], -b["signed"])
        np.testing.assert_array_equal(a["classified"], b["classified"])


@patient
@given(seeds, st.integers(1, 119))
def test_what_comes_later_changes_nothing(seed, rows):
    one = random_trades(seed, 120)
    short = cut_short(one, rows)
    before, whole = list_trades(short), list_trades(one)
    np.testing.assert_array_equal(sign_by_tick_rule(before), sign_by_tick_rule(whole)[: before.height])
    ours = [sign_by_lee_ready(s, list_trades(s), "row", SECOND // 10) for s in (short, one)]
    np.testing.assert_array_equal(ours[0], ours[1][: before.height])
    for cuts in (
        [cut_trades_by_volume(t, 7) for t in (before, whole)],
        [cut_trades_by_time(list_trades(s), s, SECOND) for s in (short, one)],
    ):
        a, b = (classify_bulk(t, c) for t, c in zip((before, whole), cuts, strict=True))
        assert a.equals(b.head(a.height))


def test_hindsight_looks_ahead_and_is_asked_for():
    found = list_trades(random_trades(1, 2000))
    plain, whole = (classify_bulk(found, cut_trades_by_volume(found, 40), hindsight=h) for h in (False, True))
    assert plain["classified"].sum() < whole["classified"].sum()
    first = found.head(found.height // 2)
    ahead = classify_bulk(first, cut_trades_by_volume(first, 40), hindsight=True)
    assert not ahead["signed"].equals(whole["signed"].head(ahead.height))


def bars_by_loop(found, key):
    """Bars, as lists of (trade, price, sign), one entry a lot; `key` names the bar of the k-th lot of trade i."""
    out, k = {}, 0
    for i, (price, size, sign) in enumerate(found.select("price", "size", "sign").iter_rows()):
        for _ in range(size):
            out.setdefault(key(i, k), []).append((i, price, sign))
            k += 1
    return out, k


@patient
@given(seeds, st.integers(1, 30))
def test_volume_bars_equal_one_lot_at_a_time(seed, lots):
    found = list_trades(random_trades(seed))
    cut = cut_trades_by_volume(found, lots)
    expected, total = bars_by_loop(found, lambda i, k: k // lots)
    assert len(cut.known_at) == total // lots
    assert (cut.sum_lots(1) == lots).all()
    sign, stamps = found["sign"].to_numpy(), found["ts_recv"].to_numpy()
    for k in range(total // lots):
        assert cut.sum_lots(sign)[k] == sum(s for _, _, s in expected[k])
        assert cut.take_last(np.arange(found.height))[k] == expected[k][-1][0]
        assert cut.known_at[k] == stamps[expected[k][-1][0]]


@patient
@given(seeds, st.sampled_from([SECOND, 7 * SECOND // 10]))
def test_time_bars_equal_one_lot_at_a_time(seed, step):
    one = random_trades(seed)
    found, cut = list_trades(one), cut_trades_by_time(list_trades(one), one, step)
    stamps, sign = found["ts_recv"].to_list(), found["sign"].to_numpy()
    # (open, close], with a trade at the open in the first.
    expected, _ = bars_by_loop(found, lambda i, k: max(math.ceil((stamps[i] - one.open) / step), 1))
    expected = {end: e for end, e in expected.items() if one.open + end * step <= one.close}
    assert (cut.known_at - one.open).tolist() == [end * step for end in expected]
    assert cut.sum_lots(1).tolist() == [len(e) for e in expected.values()]
    assert cut.sum_lots(sign).tolist() == [sum(s for _, _, s in e) for e in expected.values()]


@patient
@given(seeds, st.sampled_from([None, 0.25, 5.0]), st.booleans())
def test_bulk_equals_a_loop(seed, freedom, hindsight):
    one = random_trades(seed, 200)
    found = list_trades(one).with_columns(pl.col("price").fill_null(1000 * TICK))
    cut = cut_trades_by_time(found, one, SECOND)
    got = classify_bulk(found, cut, freedom=freedom, hindsight=hindsight)
    price, volume = cut.take_last(found["price"].to_numpy()).tolist(), cut.sum_lots(1).tolist()
    moves = [(b - a, w) for a, b, w in zip(price[:-1], price[1:], volume[1:], strict=True)]
    for k in range(len(price)):
        past = moves if hindsight else moves[: max(k - 1, 0)]
        weight = sum(w for _, w in past)
        mean = sum(w * x for x, w in past) / weight if past else 0.0
        sigma = math.sqrt(sum(w * (x - mean) ** 2 for x, w in past) / weight) if past else 0.0
        known = k > 0 and len(past) >= 20 and sigma > 0
        assert got["classified"][k] == known
        if known:
            z = moves[k - 1][0] / sigma
            below = NormalDist().cdf(z) if freedom is None else student.cdf(z, freedom)
            assert abs(got["signed"][k] - volume[k] * (2 * below - 1)) < 0.5 + 1e-6
        else:
            assert got["signed"][k] == 0


def test_agreement_by_hand():
    table = pl.DataFrame({"size": [1, 2, 4, 8, 16], "sign": [1, 1, -1, 0, -1]})
    got = measure_agreement(table, np.array([1, -1, 0, 1, -1], np.int8))
    assert got == Agreement(
        trades=4, lots=23, unsigned=1, unsigned_lots=8, classified=3, classified_lots=19, agreed=2, agreed_lots=17
    )
    assert (got.share, got.share_of_lots) == (2 / 4, 17 / 23)
    assert (got + got).share == got.share
    assert (got + got).lots == 46
    assert math.isnan(measure_agreement(table.filter(pl.col("sign") == 0), np.array([1], np.int8)).share)


def test_netted_by_hand():
    rows = [{"t": t, "book": [(100, 5, 102, 5)], "action": "T", "side": s, "size": n} for t, s, n in [
        (0.5, "B", 6), (0.6, "A", 2), (1.5, "A", 3), (1.6, "N", 3)]]  # fmt: skip
    one = session(rows, close=2)
    found = list_trades(one)
    cut = cut_trades_by_time(found, one, SECOND)
    got = measure_net_agreement(found, cut, np.array([8, -6]))  # all bought, all sold
    assert (got.bars, got.lots) == (2, 11)
    assert got.right == 6 + 3
    assert got.half == (4 + 2) + 1.5  # 4 and 4 of 6 and 2; half of the 3 that are told
    assert (
        measure_net_agreement(found, cut, cut.sum_lots(found["sign"].to_numpy())).right == 8 + 2.25
    )  # 3 of 6 sold: three quarters
    assert got.share_of_half == 7.5 / 11
    assert (got + got).share == 9 / 11


def test_without_trades_there_is_nothing():
    one = session([{"t": 0, "book": [(100, 5, 102, 5)]}, {"t": 2, "book": [(100, 5, 102, 5)]}])
    found = list_trades(one)
    assert sign_by_lee_ready(one, found, "message", 0).tolist() == []
    for cut in (cut_trades_by_volume(found, 5), cut_trades_by_time(found, one, SECOND)):
        assert classify_bulk(found, cut).height == 0
        assert math.isnan(measure_net_agreement(found, cut, np.empty(0, np.int64)).share)


@pytest.mark.parametrize("lots", [0, -1])
def test_bad_bars_are_refused(lots):
    one = random_trades(0)
    with pytest.raises(DataError, match="choose a size"):
        cut_trades_by_volume(list_trades(one), lots)
    with pytest.raises(DataError, match="1 or more"):
        cut_trades_by_time(list_trades(one), one, lots)
    with pytest.raises(DataError, match="degrees of freedom"):
        classify_bulk(list_trades(one), cut_trades_by_volume(list_trades(one), 5), freedom=float(lots))


def test_bars_that_would_fill_the_memory_are_refused():
    huge = list_trades(random_trades(0)).with_columns(size=pl.lit(10**12, pl.Int64))
    with pytest.raises(DataError, match="choose a size"):
        cut_trades_by_volume(huge, 1)


@pytest.mark.slow
def test_amzn_sides_from_the_raw_files(data):
    """Lee-Ready without lag, from LOBSTER's numbers as they stand, a trade at a time."""
    with zipfile.ZipFile(data("lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip")) as archive:
        names = {kind: next(n for n in archive.namelist() if f"_{kind}_" in n) for kind in ("message", "orderbook")}
        message, book = (np.loadtxt(io.BytesIO(archive.read(n)), delimiter=",") for n in names.values())
    expected, last, tick = [], None, 0
    for i in np.flatnonzero(np.isin(message[:, 1], (4, 5))):
        price = message[i, 4]
        if last is not None and price != last:
            tick = 1 if price > last else -1
        last = price
        middle = (book[i - 1, 0] + book[i - 1, 2]) / 2 if i else price
        expected.append(int(np.sign(price - middle)) or tick)
    (one,) = list_sources(file_dataset("lobster", data("lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip")))[0]()
    found = list_trades(one)
    assert sign_by_lee_ready(one, found, "message", 0).tolist() == expected
    assert measure_agreement(found, np.array(expected, np.int8)).share == pytest.approx(0.9722, abs=1e-4)
    best = find_quotes_before(one, found, "message", 0)
    outside = ((found["price"] >= best["ask"]) | (found["price"] <= best["bid"])).fill_null(False).to_numpy()
    assert (found["sign"].to_numpy() == expected)[outside].all()

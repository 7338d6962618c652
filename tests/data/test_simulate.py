"""The synthetic market's machine: its twin, its seed, its book held against another one, and its errors."""

from collections import deque
from dataclasses import replace

import joblib
import numpy as np
import pytest

from ofiml.config import SyntheticDataset
from ofiml.data.schema import F_LAST, extract_times
from ofiml.data.sessions import list_sources
from ofiml.data.synthetic import kernel, rates, simulate
from ofiml.data.synthetic import market as market_of_day
from ofiml.data.synthetic.books import ROW_COLUMNS, Out
from ofiml.data.synthetic.market import draw_truth, make_levels, make_plan, make_rules
from ofiml.errors import DataError
from tests.conftest import slow_but_each, slow_except

MARKETS = ["synthetic", "synthetic_large_tick", "synthetic_small_tick", "synthetic_basket"]
ASK, BID = 0, 1
ADD, CANCEL, TRADE = 0, 1, 4


@pytest.fixture(scope="module")
def market(configure):
    return configure("dataset.sessions=2", "dataset.session_length=30m").dataset


def out(n, levels):
    """Poisoned buffers: a value that is not written shows."""
    return Out(
        np.full(n, np.nan),
        np.full(n, np.nan),
        np.full(n, np.nan),
        np.full((n, ROW_COLUMNS), -(2**60)),
        np.full((6, levels, n), -(2**30), np.int32),
    )


def day(config, rows=400_000, index=0, **changed):
    """The kernel's arrays of one day, cut to what was written."""
    rng = np.random.default_rng([config.seed, index])
    truth = draw_truth(config, index, rng)
    written = out(rows, config.levels)
    n = kernel.run(rng, make_rules(config)._replace(**changed), make_plan(config, truth), written)
    return n, written


@pytest.mark.parametrize("name", slow_but_each(2, ["synthetic", "synthetic_basket"]))
@pytest.mark.parametrize("private", [False, True])
def test_the_kernel_equals_its_twin(configure, monkeypatch, name, private):
    """Without private news and transient impact, and with both."""
    other = "news_move=6", "quote_reaction=0.7", "permanent_impact=0.3", "news_decay=3s", "impact_decay=5s"
    none = "news_move=0", "quote_reaction=0", "permanent_impact=1"
    config = configure(
        f"dataset={name}", "dataset.session_length=60s", "dataset.levels=4", "dataset.period=7s",
        *(f"dataset.{key}" for key in (other if private else none)),
    ).dataset  # fmt: skip
    compiled = day(config, rows=8000, burn_in=10.0, written_from=-10.0)
    monkeypatch.setattr(kernel, "follow", kernel.follow_py)
    plain = day(config, rows=8000, burn_in=10.0, written_from=-10.0)
    assert compiled[0] == plain[0] > 700
    for a, b in zip(compiled[1], plain[1], strict=True):
        # Compiled code may fuse a multiplication and an addition; times and V stand on a grid that rounds this away.
        np.testing.assert_array_equal(a, b)


def test_rates_depend_on_the_book_as_it_is(configure, monkeypatch):
    """The factors of market orders are kept while the book of their symbol stays as it is, and only then."""
    config = configure("dataset=synthetic_basket", "dataset.session_length=10s", "dataset.period=7s").dataset
    kept = {True: 0, False: 0}

    def update(k, now, changed, level, base, informed, rng, rules, grid, book, state):
        rates.update_rates(k, now, changed, level, base, informed, rng, rules, grid, book, state)
        for side in (ASK, BID):
            assert state[k, rates.M + side] == rates.compute_book_factor(k, side, rules, grid, book)
        kept[not changed] += 1

    monkeypatch.setattr(kernel, "update_rates", update)
    monkeypatch.setattr(kernel, "follow", kernel.follow_py)
    assert day(config, rows=8000, burn_in=10.0)[0] > 100
    assert min(kept.values()) > 100


def test_the_same_seed_gives_the_same_bytes(market):
    again = [simulate(market, 1)[0] for _ in range(2)]
    assert again[0].digest == again[1].digest
    assert again[0].events.equals(again[1].events)
    assert again[0].truth.equals(again[1].truth)
    more = simulate(replace(market, sessions=7), 1)[0]
    assert more.digest == again[0].digest
    digests = {simulate(m, i)[0].digest for m in (market, replace(market, seed=1)) for i in (0, 1)}
    assert len(digests) == 4


@pytest.mark.slow
def test_threads_do_not_matter(configure):
    config = configure("dataset=synthetic_basket", "dataset.session_length=5m").dataset
    days = [
        joblib.Parallel(n_jobs=n, prefer="threads")(joblib.delayed(simulate)(config, i) for i in range(4))
        for n in (1, 2)
    ]
    for one, two in zip(*days, strict=True):
        assert [s.digest for s in one] == [s.digest for s in two]
        assert all(a.events.equals(b.events) for a, b in zip(one, two, strict=True))


def test_a_symbol_has_its_table_when_it_is_asked_for(configure, monkeypatch):
    """The tables of all would be much of what a day of many symbols takes."""
    dataset = configure("dataset=synthetic_basket", "dataset.sessions=1", "dataset.session_length=60s").dataset
    make, made = market_of_day._make_session, []
    monkeypatch.setattr(market_of_day, "_make_session", lambda *args: made.append(args[2].symbol) or make(*args))
    (source,) = list_sources(dataset)
    counts = [len(made) for _ in source()]
    assert counts == [1, 2, 3, 4, 5]


def test_queues_that_int32_cannot_count_are_counted(market):
    """Queues of more than 2^31 lots."""
    assert make_levels(market, 1, 1).dtype == np.int32
    large = replace(
        market, size_scale=1e6, impact=[[0.0]], large_limit_orders=1.0, crowd=1e4, cancel_rate=0.001, limit_rate=60.0
    )
    assert make_levels(large, 1, 1).dtype == np.int64
    events = simulate(large, 0)[0].events
    sizes = events.select("^(bid|ask)_sz_.*$")
    assert max(sizes.max().row(0)) > 2**31
    assert min(sizes.min().row(0)) > 0


def test_short_buffers_give_the_same_day(market, monkeypatch):
    whole = simulate(market, 0)[0]
    monkeypatch.setattr(SyntheticDataset, "events_expected", property(lambda self: 0.0))
    assert whole.events.height > 20_000
    assert simulate(market, 0)[0].digest == whole.digest


class Book:
    """Price-time priority in plain dicts and deques: (id, size) in order of arrival, by side and price."""

    def __init__(self):
        self.sides = {ASK: {}, BID: {}}

    def best(self, side):
        return (max if side == BID else min)(self.sides[side], default=None)

    def add(self, side, price, size, order):
        assert price > 0
        assert size > 0
        other = self.best(1 - side)
        assert other is None or (price < other if side == BID else price > other), "an order that would trade rests"
        self.sides[side].setdefault(price, deque()).append([order, size])

    def cancel(self, side, price, size, order):
        queue = self.sides[side][price]
        queue.remove([order, size])  # with the size that was left of it, so that fills were taken from the right order
        if not queue:
            del self.sides[side][price]

    def trade(self, side, price, size, oldest):
        queue = self.sides[1 - side][price]
        assert price == self.best(1 - side)
        assert queue[0][0] == oldest
        while size:
            part = min(size, queue[0][1])
            queue[0][1] -= part
            size -= part
            if queue[0][1] == 0:
                queue.popleft()
        if not queue:
            del self.sides[1 - side][price]

    def levels(self, side, depth):
        prices = sorted(self.sides[side], reverse=side == BID)[:depth]
        found = [[p, sum(o[1] for o in self.sides[side][p]), len(self.sides[side][p])] for p in prices]
        return found + [[0, 0, 0]] * (depth - len(found))


@pytest.mark.parametrize("name", slow_except(["synthetic"], MARKETS))
def test_an_independent_book_comes_to_the_same(configure, name):
    """Every row from the empty book on: the oldest orders of the best price trade, and all levels are what is left."""
    config = configure(f"dataset={name}", "dataset.session_length=8m", "dataset.levels=5").dataset
    n, written = day(config, written_from=-1e9)
    books = [Book() for _ in config.impact]
    seen = {ADD: 0, CANCEL: 0, TRADE: 0}
    for i, (symbol, action, side, price, size, last, order) in enumerate(written.rows[:n].tolist()):
        book = books[symbol]
        {ADD: book.add, CANCEL: book.cancel, TRADE: book.trade}[action](side, price, size, order)
        seen[action] += 1
        assert last or (action == TRADE and written.rows[i + 1, 1] == TRADE)
        for s in (ASK, BID):
            assert written.levels[3 * s : 3 * s + 3, :, i].T.tolist() == book.levels(s, 5)
    assert min(seen.values()) > 100


@pytest.mark.parametrize("name", slow_but_each(4, MARKETS))
def test_sessions_keep_the_schema(configure, name):
    config = configure(f"dataset={name}", "dataset.session_length=10m").dataset
    sessions = simulate(config, 0)
    assert len(sessions) == len(config.impact)
    for s in sessions:
        e = s.events
        assert (extract_times(e)[1:] >= extract_times(e)[:-1]).all()
        assert s.open < extract_times(e)[0]
        assert extract_times(e)[-1] <= s.close
        assert s.truth.height == e.height
        both = e.select("bid_px_00", "ask_px_00").drop_nulls()
        assert both.height > 0.99 * e.height
        assert (both["bid_px_00"] < both["ask_px_00"]).all()
        for m in range(s.levels):
            for side in ("bid", "ask"):
                px, size, count = (e[f"{side}_{q}_{m:02d}"] for q in ("px", "sz", "ct"))
                assert px.is_null().equals(size.is_null())
                assert px.is_null().equals(count.is_null())
                assert (size.drop_nulls() >= count.drop_nulls()).all()
                assert (count.drop_nulls() >= 1).all()
                assert (px.drop_nulls() % s.tick == 0).all()
        last = (e["flags"] & F_LAST) != 0
        assert last.mean() > 0.9
        assert (e.filter(~last)["action"] == "T").all()
        # A trade rises from the ask it takes, or falls from the bid: V stays near the mid all day.
        gap = s.truth["value"] - (e["bid_px_00"] + e["ask_px_00"]) / (2 * s.tick)
        assert gap.drop_nulls().abs().quantile(0.99) < 4 * config.half_spread + 4


def test_a_level_that_is_missing_is_null(configure):
    config = configure("dataset.session_length=10m", "dataset.limit_rate=1.0", "dataset.cancel_rate=0.3").dataset
    e = simulate(config, 0)[0].events
    assert e["bid_px_09"].null_count() > 0
    assert e["bid_px_09"].null_count() == e["bid_sz_09"].null_count() == e["bid_ct_09"].null_count()


# Informed orders alone: no other market orders, no diffusion of V.
ONLY_INFORMED = ["uninformed_orders=0", "excitation=0", "volatility=0", "informed_probability=1", "period=20s",
                 "informed_orders=20", "session_length=5m", "u_shape=0"]  # fmt: skip


def test_v_learns_the_news_and_loses_transient_impact(configure):
    """V after each event, from the news and the trades before it alone."""
    changes = "news_move=6", "news_decay=8s", "permanent_impact=0.3", "impact_decay=5s"
    config = configure(*(f"dataset.{key}" for key in (*ONLY_INFORMED, *changes))).dataset
    (session,) = simulate(config, 0)
    e = session.events
    # Trades of one order are one message; V moves before its first row is written.
    times, trade = (extract_times(e) - session.open - 100_000) / 1e9, (e["action"] == "T").to_numpy()
    signed = np.where(trade, np.where(e["side"] == "B", 1.0, -1.0) * e["size"].to_numpy(), 0.0)
    news = np.array(session.planted.news)[:, 0]
    starts = 20.0 * np.arange(len(news))
    (slope,) = session.planted.impact[0]
    learnt, stays, passes = np.zeros((3, len(times)))
    for i, now in enumerate(times):
        begun, before = starts <= now, times <= now
        learnt[i] = np.sum(6.0 * (news * -np.expm1(-(now - starts) / 8.0))[begun])
        stays[i] = 0.3 * slope * np.sum(signed[before])
        passes[i] = 0.7 * slope * np.sum((signed * np.exp(-(now - times) / 5.0))[before])
    assert trade.sum() > 50
    np.testing.assert_allclose(session.truth["transient"], passes, atol=1e-6)
    value = session.truth["value"].to_numpy()
    np.testing.assert_allclose(value - value[0], learnt + stays + passes - learnt[0], atol=0.02)
    assert np.ptp(learnt) > 6
    assert np.ptp(passes) > 1


def test_news_turns_limit_orders_to_its_side(configure):
    """With reaction 1 to news that stays fresh, and no quotes for vacant prices, all limit orders are on one side."""
    changes = "resilience=0", "informed_orders=0", "news_move=5", "news_decay=1000h", "quote_reaction=1"
    config = configure(*(f"dataset.{key}" for key in (*ONLY_INFORMED, *changes))).dataset
    for day in range(4):
        (session,) = simulate(config, day)
        first = (extract_times(session.events) - session.open) / 1e9 < 20
        sides = set(session.events.filter(first & (session.events["action"] == "A").to_numpy())["side"])
        assert sides == ({"B"} if session.planted.news[0][0] > 0 else {"A"})


def test_a_price_that_leaves_the_range_is_an_error(market):
    with pytest.raises(DataError, match=r"the price left the book's range; lower dataset\.volatility"):
        simulate(replace(market, volatility=1000.0), 0)

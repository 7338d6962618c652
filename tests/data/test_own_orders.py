"""Orders of our own in the synthetic market: the same market without them, price-time priority with them."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ofiml.data.schema import extract_level, extract_times
from ofiml.data.synthetic import kernel, own_order, own_orders, rates, simulate
from ofiml.data.synthetic.books import ROW_COLUMNS, Out
from ofiml.data.synthetic.market import draw_truth, make_levels, make_plan, make_rules
from ofiml.data.synthetic.own_orders import Postings, follow_postings, list_outcome_columns
from ofiml.errors import DataError
from ofiml.units import SECOND
from tests.fill_summary import summarise_fills

ASK, BID = 0, 1
ADD, CANCEL, TRADE = 0, 1, 4


@pytest.fixture(scope="module")
def config(configure):
    return configure("dataset.session_length=10m").dataset


def every(seconds, until, *, lots=1, patience=20, start=5):
    time = np.arange(start, until, seconds) * SECOND
    side = np.where(np.arange(len(time)) % 2, 1, -1)
    return Postings(time, side, np.full(len(time), lots), patience * SECOND)


def start(config, day=0, rows=60_000, **changed):
    """(market of our order, its generator), at the start of a day."""
    rng = np.random.default_rng([config.seed, day])
    truth = draw_truth(config, day, rng)
    rules = make_rules(config)._replace(**changed)
    market = own_orders._Market(rules, make_plan(config, truth), make_levels(config, 1, rows))
    market.begin(rng)
    return market, rng


@pytest.mark.parametrize("name", ["synthetic", "synthetic_basket"])
def test_a_day_without_own_orders_is_the_same_to_the_bit(configure, name):
    config = configure(f"dataset={name}", "dataset.session_length=5m", "dataset.period=45s").dataset
    market, rng = start(config)
    for until in (-3.0, 0.0, 1e-9, 44.9, 45.0, 45.1, 100.0, 299.0, 1e9):
        market.run(until, rng)
    rng = np.random.default_rng([config.seed, 0])
    truth = draw_truth(config, 0, rng)
    out = Out(
        np.empty(60_000),
        np.empty(60_000),
        np.empty(60_000),
        np.empty((60_000, ROW_COLUMNS), np.int64),
        np.zeros((6, 1, 60_000), np.int32),
    )
    n = kernel.run(rng, make_rules(config), make_plan(config, truth), out)
    assert n == market.rows > 2000
    assert market.clock[rates.PART] == len(market.plan.activity)
    for ours, theirs in zip(market.out, out, strict=True):
        np.testing.assert_array_equal(
            ours[..., :n] if ours.ndim == 3 else ours[:n], theirs[..., :n] if ours.ndim == 3 else theirs[:n]
        )


def run_with_an_order(config, *, side=BID, lots=30, at=2.0, patience=20.0, beyond=5.0, **changed):
    """(market, rows) of a day from its empty book on, with one order of ours."""
    market, rng = start(config, written_from=-1e9, **changed)
    market.run(at, rng, stop_between=True)
    rest = rng, market.rules, market.plan, market.books, market.out
    market.rows = own_order.post(market.rows, side, lots, market.clock, market.own, *rest)
    market.run(at + patience, rng, stop_between=True)
    market.rows = own_order.withdraw(market.rows, market.clock, market.own, *rest)
    market.run(at + patience + beyond, rng)
    return market


def test_the_kernel_equals_its_twin(configure, monkeypatch):
    config = configure("dataset=synthetic_basket", "dataset.session_length=30s", "dataset.period=7s").dataset
    compiled = run_with_an_order(config, at=5.0, patience=6.0, beyond=2.0, burn_in=5.0)
    monkeypatch.setattr(kernel, "follow", kernel.follow_py)
    plain = run_with_an_order(config, at=5.0, patience=6.0, beyond=2.0, burn_in=5.0)
    assert compiled.rows == plain.rows > 200
    for a, b in zip((*compiled.out, compiled.own, compiled.clock), (*plain.out, plain.own, plain.clock), strict=True):
        rows = a.shape[-1] if a.ndim == 3 else len(a)
        n = min(rows, compiled.rows)
        np.testing.assert_array_equal(a[..., :n] if a.ndim == 3 else a[:n], b[..., :n] if b.ndim == 3 else b[:n])


@pytest.mark.parametrize("side", [ASK, BID])
@pytest.mark.parametrize(("day", "lots"), [(0, 40), (1, 40), (2, 40), (3, 40), (0, 400), (1, 400)])
def test_our_order_is_filled_in_its_turn(config, side, day, lots):
    """A replay of the rows with queues of ids: the front of the best queue is filled first, ours among them."""
    market = run_with_an_order(replace(config, seed=config.seed + day), side=side, lots=lots)
    ours = int(market.own[own_order.OWN_ID])
    queues, ahead, fills, gone = defaultdict(dict), None, [], None
    for row, seconds in zip(market.out.rows[: market.rows].tolist(), market.out.seconds, strict=False):
        _, action, of, price, size, _, order = row
        if action == ADD:
            if order == ours:
                ahead = sum(queues[of, price].values())
            queues[of, price][order] = size
        elif action == CANCEL:
            assert queues[of, price].pop(order) == size
            if order == ours:
                gone = seconds
        else:
            queue = queues[1 - of, price]
            assert next(iter(queue)) == order
            while size:
                first = next(iter(queue))
                part = min(size, queue[first])
                size -= part
                queue[first] -= part
                if queue[first] == 0:
                    del queue[first]
                if first == ours:
                    fills.append((seconds, part))
    assert ahead == market.own[own_order.OWN_AHEAD]
    filled = sum(part for _, part in fills)
    assert lots - filled == market.own[own_order.OWN_LEFT]
    assert gone == (22.0 if filled < lots else None)  # by us, and by nobody else
    first, last = market.clock[rates.FIRST_FILL], market.clock[rates.LAST_FILL]
    if fills:
        assert (first, last) == (fills[0][0], fills[-1][0])
    else:
        assert np.isnan(first)
        assert np.isnan(last)


def test_the_replayed_orders_were_filled_wholly_partly_and_not_at_all(config):
    left = [
        int(run_with_an_order(replace(config, seed=config.seed + day), side=side, lots=lots).own[own_order.OWN_LEFT])
        / lots
        for lots in (40, 400)
        for day in range(4)
        for side in (ASK, BID)
    ]
    assert {0, 1} < set(left)


def test_the_market_does_not_cancel_our_order(config):
    """With no market orders and a flood of cancels every queue empties again and again, and ours stays."""
    quiet = replace(config, uninformed_orders=0.0, informed_probability=0.0, cancel_rate=5.0, volatility=5.0)
    market = run_with_an_order(quiet, lots=7, at=2.0, patience=60.0)
    rows = market.out.rows[: market.rows]
    own = rows[rows[:, 6] == market.own[own_order.OWN_ID]]
    assert own[:, 1].tolist() == [ADD, CANCEL]
    others = rows[(rows[:, 1] == CANCEL) & (rows[:, 3] == own[0, 3])]
    assert len(others) > 5
    assert market.own[own_order.OWN_LEFT] == 7


def test_orders_meet_the_recorded_book(config):
    """Price, mid and what is ahead are those of `simulate` just before the posting; most orders of a lot are filled."""
    table = follow_postings(config, 1, every(15, 500))
    (session,) = simulate(config, 1)
    stamps, (bid, bid_size, ask, ask_size) = extract_times(session.events) - 100_000, extract_level(session.events, 0)
    assert (extract_times(session.events) - 100_000 == session.events["ts_event"].to_physical().to_numpy()).all()
    for row in table.iter_rows(named=True):
        posted = int(pl.Series([row["posted"]]).dt.timestamp("ns")[0])
        last = int(np.searchsorted(stamps, posted, side="right")) - 1
        touch = (bid, bid_size) if row["side"] > 0 else (ask, ask_size)
        assert (row["price"], row["ahead"]) == (touch[0][last], touch[1][last])
        assert row["mid"] == (bid[last] + ask[last]) / 2 / session.tick
    assert table["filled"].sum() > 0.4 * table.height
    waits = (table["first_fill"] - table["posted"]).drop_nulls().dt.total_nanoseconds()
    assert waits.min() > 0
    assert waits.max() <= 20 * SECOND
    assert (table["first_fill"] == table["last_fill"]).all()  # a single lot


def test_orders_join_the_queue_at_their_own_price(config):
    """A level deeper they wait behind what the book shows there; inside the spread alone; and none trades at once."""
    (session,) = simulate(config, 1)
    stamps, best, deeper = extract_times(session.events) - 100_000, *(extract_level(session.events, m) for m in (0, 1))
    touch = every(40, 500)
    last = np.searchsorted(stamps, session.open + touch.time, side="right") - 1
    own, opposite = np.where(touch.side > 0, 0, 2), np.where(touch.side > 0, 2, 0)
    at = np.arange(len(last))

    def follow(price):
        return follow_postings(config, 1, replace(touch, price=price))

    best, deeper = (np.array([column[last] for column in level]) for level in (best, deeper))
    joined = follow(best[own, at])
    assert joined.equals(follow_postings(config, 1, touch))
    behind = follow(deeper[own, at])
    assert behind["price"].to_list() == deeper[own, at].tolist()
    assert behind["ahead"].to_list() == deeper[own + 1, at].tolist()
    assert behind["filled"].sum() < joined["filled"].sum()
    inside = follow(best[own, at] + touch.side * session.tick)
    wide = best[2] - best[0] > session.tick
    assert inside["price"].is_not_null().to_list() == wide.tolist()
    assert set(inside["ahead"].drop_nulls()) == {0}
    assert follow(best[opposite, at])["price"].null_count() == len(last)
    with pytest.raises(ValueError, match="must have one length"):
        replace(touch, price=best[own, at][1:])


def test_each_order_has_its_own_patience(config):
    short, long = (every(20, 400, patience=p, lots=20) for p in (5, 40))
    mixed = replace(short, patience=np.where(np.arange(len(short.time)) % 2, short.patience, long.patience))
    tables = [follow_postings(config, 0, postings).fill_nan(None) for postings in (short, long, mixed)]
    assert tables[2].rows() == [tables[0].row(k) if k % 2 else tables[1].row(k) for k in range(len(short.time))]


def test_the_same_arguments_give_the_same_orders_and_replicas_differ(config):
    postings = every(60, 500)
    one, many = follow_postings(config, 0, postings), follow_postings(config, 0, postings, replicas=3)
    assert many.filter(pl.col("replica") == 0).equals(one)
    assert many["first_fill"].n_unique() > one["first_fill"].n_unique()
    assert one.columns == list(list_outcome_columns())


def test_more_patience_fills_the_same_orders_and_more(config):
    """Up to the shorter patience both runs are the same."""
    short, long = (follow_postings(config, 0, every(20, 400, patience=p, lots=20)) for p in (5, 40))
    assert (short["filled"] <= long["filled"]).all()
    assert short["filled"].sum() < long["filled"].sum()
    both = short["first_fill"].is_not_null()
    assert short["first_fill"].filter(both).equals(long["first_fill"].filter(both))


def test_markouts_are_the_mids_after_the_fill(config):
    """Of a copy that is run here again, with the random numbers of posting 0."""
    postings = Postings(np.array([30 * SECOND]), np.array([1]), np.array([1]), 60 * SECOND)
    checked = 0
    for day in range(3):
        (row,) = follow_postings(config, day, postings).to_dicts()
        if not row["filled"]:
            continue
        market, rng = start(config, day, written_from=np.inf)
        market.run(30.0, rng)
        copy, _ = start(config, day)
        copy.copy_state(market)
        rng = np.random.default_rng([config.seed, day, 1, 0, 0])
        copy.run(30.0, rng, stop_between=True)
        rest = rng, copy.rules, copy.plan, copy.books, copy.out
        copy.rows = own_order.post(copy.rows, BID, 1, copy.clock, copy.own, *rest)
        price = int(copy.own[own_order.OWN_PRICE])
        copy.run(90.0, rng, stop_between=True)
        fill = copy.clock[rates.FIRST_FILL]
        copy.run(fill + 60.0, rng)
        for after in (1, 10, 60):
            last = np.flatnonzero(copy.out.seconds[: copy.rows] <= fill + after)[-1]
            ask, _, _, bid, _, _ = copy.out.levels[:, 0, last]
            assert row[f"markout_{after}s"] == (bid + ask) / 2 - price
            checked += 1
    assert checked > 3


def test_a_copy_runs_on_as_the_market_does(config):
    """The number of events in the 80 s after a posting is that of the day, within its error."""
    longer = replace(config, session_length="20m")
    (session,) = simulate(longer, 0)
    market, rng = start(longer, written_from=np.inf)
    copy, _ = start(longer)
    counts = []
    for i, time in enumerate(range(10, 1100, 20)):
        market.run(float(time), rng)
        copy.copy_state(market)
        own = np.random.default_rng([9, i])
        copy.run(float(time), own, stop_between=True)
        copy.rows = own_order.post(
            copy.rows, BID, 1, copy.clock, copy.own, own, copy.rules, copy.plan, copy.books, copy.out
        )
        copy.run(time + 20.0, own)
        counts.append(copy.rows)
    seconds = (session.events["ts_event"].to_physical().to_numpy() - session.open) / SECOND
    recorded = [int(((seconds > t) & (seconds <= t + 20)).sum()) for t in range(10, 1100, 20)]
    error = np.hypot(np.std(counts), np.std(recorded)) / np.sqrt(len(counts))
    assert abs(np.mean(counts) - np.mean(recorded)) < 4 * error


def test_an_empty_side_takes_no_order(config):
    postings = Postings(np.array([0]), np.array([1]), np.array([1]), SECOND)
    bare = replace(config, limit_rate=1e-3, resilience=0.0, uninformed_orders=0.0, informed_probability=0.0)
    (row,) = follow_postings(bare, 0, postings).to_dicts()
    assert (row["price"], row["ahead"], row["filled"], row["first_fill"]) == (None, None, 0, None)
    assert np.isnan(row["mid"])
    assert all(np.isnan(pair).all() for pair in summarise_fills(follow_postings(bare, 0, postings)).values())


def test_what_is_wrong_is_named(config):
    with pytest.raises(DataError, match=r"the posting 545 s after the open is not over .* of 80 s: post earlier"):
        follow_postings(config, 0, every(15, 555))
    for time, side, lots, patience in (
        ([2, 1], [1, 1], [1, 1], 1),
        ([1], [2], [1], 1),
        ([1], [1], [0], 1),
        ([1], [1], [1], 0),
        ([1], [1, 1], [1], 1),
    ):
        with pytest.raises(ValueError, match="posting"):
            Postings(*(np.array(x) for x in (time, side, lots)), patience)
    with pytest.raises(DataError, match="the price left the book's range"):
        follow_postings(replace(config, volatility=1000.0, start_price=10.0), 0, every(15, 100))


def test_a_summary_by_hand():
    second = SECOND
    rows = {
        "posting": [0, 0, 1, 2, 3], "price": [1, 1, 1, 1, None], "lots": [2, 2, 4, 1, 1], "filled": [2, 0, 1, 0, 0],
        "posted": [0, 0, 0, 0, 0], "first_fill": [2 * second, None, 4 * second, None, None],
        "markout_1s": [1.0, np.nan, -3.0, np.nan, np.nan],
    }  # fmt: skip
    summary = summarise_fills(pl.DataFrame(rows), [second])
    assert summary["fill_probability"] == pytest.approx((0.5, 0.5 / np.sqrt(3)))
    assert summary["filled_share"][0] == pytest.approx((0.5 + 0.25 + 0.0) / 3)
    assert summary["seconds_to_fill"] == pytest.approx((3.0, 1.0))
    assert summary["markout_1s"] == pytest.approx((-1.0, 2.0))

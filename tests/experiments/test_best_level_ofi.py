"""What the page of best-level OFI counts: bars, the nine cases, single states, orders of rows, a published day."""

import json
from dataclasses import replace
from itertools import pairwise, permutations

import numpy as np
import polars as pl
import pytest

from ofiml.bars.time import cut_time_bars, select_states
from ofiml.config import FileDataset, Policy
from ofiml.data.sessions import list_sources
from ofiml.experiments.flow_bars import compute_level_flow, sum_states, tabulate_flow
from ofiml.experiments.recipes.best_level_ofi import measure_window, say_growth, say_test
from ofiml.experiments.row_order import (
    PublishedDay,
    compare_published,
    cut_left_closed_bins,
    is_published_day,
    judge_published,
    shuffle_session,
)
from ofiml.experiments.single_events import CASES, count_cases, trace_events
from ofiml.ofi.flow import compute_bar_flow
from tests.books import SECOND, TICK, busy_session, session


def test_bars_have_the_flow_of_the_state_machine_and_the_move_between_their_ends():
    day = busy_session(3, 1200, 3, resets=0.02)
    book = select_states(day, "message")
    bars = cut_time_bars(day, book, (day.close - day.open) // 40)
    table = tabulate_flow(day, book, bars, 3)
    expected = compute_bar_flow(day, "message", bars)
    for m in range(3):
        assert table[f"ofi_{m:02d}"].to_list() == expected[f"ofi_{m:02d}"].to_list()
    rows = day.events.filter(pl.col("flags") & 128 != 0).select("ts_recv", "bid_px_00", "ask_px_00").rows()
    moves = 0
    for open_, close, move in table.select("bar_open", "bar_close", "move_ticks").rows():
        mids = []
        for at in (open_, close):
            known = [(bid, ask) for t, bid, ask in ((r[0].timestamp(), r[1], r[2]) for r in rows) if t <= at / 1e9]
            mids.append((known[-1][0] + known[-1][1]) / 2 / TICK if known and None not in known[-1] else np.nan)
        assert move == pytest.approx(mids[1] - mids[0], nan_ok=True)
        moves += move == move and move != 0
    assert moves > 10


# One state per case, from bid 100 × 5 and ask 102 × 7: what follows, the four terms, and the case.
STEPS = [
    ((101, 3, 103, 4), (3, 0, 0, 7), "up, up"),
    ((101, 3, 102, 9), (3, 0, -9, 7), "up, same"),
    ((101, 4, 101, 8), (4, 0, -8, 0), "up, down"),
    ((100, 6, 103, 1), (6, -5, 0, 7), "same, up"),
    ((100, 6, 102, 9), (6, -5, -9, 7), "same, same"),
    ((100, 6, 101, 2), (6, -5, -2, 0), "same, down"),
    ((99, 9, 103, 1), (0, -5, 0, 7), "down, up"),
    ((99, 9, 102, 6), (0, -5, -6, 7), "down, same"),
    ((99, 9, 101, 6), (0, -5, -6, 0), "down, down"),
]


@pytest.mark.parametrize(("after", "terms", "case"), STEPS)
def test_a_single_state_is_traced_by_its_four_terms(after, terms, case):
    day = session([{"t": 0, "book": [(100, 5, 102, 7)]}, {"t": 1.5, "book": [after]}], close=2)
    book = select_states(day, "message")
    (trace,) = trace_events(book, day.open, day.tick)
    assert trace_events(book, 3 * SECOND // 2, day.tick) == []  # known at the open, so before the first bar
    assert (trace.case, trace.terms, trace.seconds) == (case, terms, 1.5)
    assert (*trace.bid[:2], *trace.ask[:2]) == (100, 5, 102, 7)
    assert (*trace.bid[2:], *trace.ask[2:]) == after
    assert sum(terms) == compute_level_flow(book, 0)[1]
    expected = np.zeros((9, 2))
    expected[CASES.index(case)] = 1, abs(sum(terms))
    assert count_cases(book).tolist() == expected.tolist()


def test_traced_terms_add_up_to_the_flow():
    day = busy_session(5, 3000, 1, resets=0.05)
    book = select_states(day, "message")
    flow = compute_level_flow(book, 0)
    rows = book.events.select("bid_px_00", "ask_px_00").rows()
    first = {}
    for k in range(1, len(rows)):
        if flow[k] and book.stamps[k] > day.open and None not in (*rows[k], *rows[k - 1]):
            words = [
                ("up", "same", "down")[(new <= old) + (new < old)]
                for new, old in zip(rows[k], rows[k - 1], strict=True)
            ]
            first.setdefault(", ".join(words), k)
    traces = trace_events(book, day.open, day.tick)
    assert {one.case: sum(one.terms) for one in traces} == {case: flow[k] for case, k in first.items()}
    assert len(traces) > 4
    counts = count_cases(book)
    assert counts.sum(axis=0).tolist() == [np.count_nonzero(flow), np.abs(flow).sum()]


def test_rows_of_the_same_time_take_every_order_and_no_other_row_moves():
    sizes = [(1, 4), (1, 9), (2, 3), (2, 8), (2, 6), (3, 5)]
    rows = [{"t": t, "book": [(100 + q % 3, q, 110, 7)], "action": "R" if q == 8 else "A"} for t, q in sizes]
    day = session(rows, close=4)
    ties = shuffle_session(day, 2 * SECOND, 1)
    assert (ties.rows, ties.tied) == (6, 5)

    def flow(order):
        book = [(100 + sizes[i][1] % 3, sizes[i][1]) for i in order]
        e = [q * (p >= p0) - q0 * (p <= p0) if q != 8 else 0 for (p0, q0), (p, q) in pairwise(book)]
        return sum(e[:4]), sum(e[4:])

    possible = {flow([*a, *b, 5]) for a in permutations((0, 1)) for b in permutations((2, 3, 4))}
    assert tuple(ties.flows) == flow(range(6))
    drawn = {tuple(one) for one in ties.drawn}
    assert drawn <= possible
    assert len(drawn) > len(possible) / 2
    assert ties.moved.max() <= 5
    summary = ties.add(ties).summarise()
    assert (summary["rows"], summary["sum"]) == (12, 2 * sum(flow(range(6))))
    wrong = ties.drawn - ties.flows
    assert summary["changed"] == np.count_nonzero(wrong) / wrong.size > 0
    assert summary["error"] == pytest.approx(np.sqrt((wrong**2).mean()) / np.tile(ties.flows, 2).std(ddof=1))


def test_without_ties_every_order_is_that_of_the_feed():
    day = session([{"t": t, "book": [(100, q, 110, 7)]} for t, q in ((1, 4), (2, 9), (3, 3))], close=4)
    ties = shuffle_session(day, SECOND, 1)
    assert ties.tied == 0
    assert (ties.drawn == ties.flows).all()
    assert shuffle_session(day, 5 * SECOND, 1).rows == 0


def test_the_next_bar_is_of_the_same_session():
    flow, move = [3, -1, 4, 2, -6, 5], [1.0, 2.0, -1.0, 4.0, np.nan, 3.0]
    table = pl.DataFrame(
        {
            "symbol": ["A"] * 6,
            "session": ["1", "1", "1", "2", "2", "2"],
            "bar_close": np.arange(6),
            "move_ticks": move,
            "ofi_00": flow,
        }
    )
    found = measure_window(table)
    assert found.next_ic == pytest.approx(np.corrcoef([3, -1, -6], [2, -1, 3])[0, 1])
    assert found.r2 == pytest.approx(np.corrcoef([3, -1, 4, 2, 5], [1, 2, -1, 4, 3])[0, 1] ** 2)
    assert (found.up, found.down, found.size) == (4 / 6, 2 / 6, 21 / 6)


@pytest.mark.parametrize(
    ("t", "sentence"),
    [
        (-2.5, "differs from 0 (t = -2.5)"),
        (1.9, "cannot be told from 0 (t = 1.9)"),
        (np.nan, "is of too few bars to be tested"),
    ],
)
def test_a_correlation_is_judged_by_its_t_statistic(t, sentence):
    assert say_test(t) == sentence


def test_growth_is_that_of_the_standard_deviation_against_independent_flow():
    assert say_growth(10.0, 47.0).startswith("From 30 to 300 s the standard deviation grows 4.7-fold; ")
    assert say_growth(10.0, 47.0).endswith("independent flow gives 3.2. ")
    assert say_growth(10.0, np.nan) == say_growth(0.0, 3.0) == ""


def test_left_closed_bins_begin_at_their_first_instant():
    day = session([{"t": t, "book": [(100, q, 110, 7)]} for t, q in ((29, 1), (30, 3), (59, 9), (61, 8))], close=90)
    book = select_states(day, "row")
    bins = cut_left_closed_bins(book, 30 * SECOND)
    assert (bins.open + 1).tolist() == [0, 30 * SECOND, 60 * SECOND]
    assert sum_states(compute_level_flow(book, 0), bins.first).tolist() == [0, 8, -1]


@pytest.fixture(scope="module")
def golden(data):
    return json.loads(data("golden/aapl_20241021_mbp10.json").read_text())


@pytest.fixture(scope="module")
def aapl(data):
    path = str(data("databento/aapl_20241021_mbp10.csv"))
    settings = {"symbols": None, "calendar": "XNYS", "hours": "all", "tick": 0.01, "size_unit": 1.0, "levels": None}
    limits = {"first_date": None, "last_date": None, "store": None, "max_sessions": None, "max_events": None}
    (day,) = list_sources(FileDataset(name="databento", path=path, policy=Policy(), **settings, **limits))[0]()
    return day


def test_the_published_numbers_are_those_that_the_notebook_printed(golden):
    printed = {row["name"]: float(row["printed"]) for row in golden["notebook_printed_vs_computed"]}
    for step, values in PublishedDay.PRINTED.items():
        assert values == tuple(printed[f"win{step}.{key}"] for key in ("n", "mean", "std", "min", "max"))
    assert len(golden["meta"]["notebook_order_permutation_moved"]) == PublishedDay.MOVED


@pytest.mark.parametrize("order", ["feed_order", "notebook_order"])
def test_the_published_day_in_feed_order_and_in_the_notebooks(order, golden, aapl):
    assert is_published_day(aapl)
    assert not is_published_day(replace(aapl, date="2024-10-22"))
    if order == "notebook_order":
        rows = np.arange(aapl.events.height)
        for place, feed_row in golden["meta"]["notebook_order_permutation_moved"].items():
            rows[int(place)] = feed_row
        aapl = replace(aapl, events=aapl.events[rows])
    day = compare_published(aapl, "message")
    for step, m in day.feed.items():
        expected = golden[order]["best_windows"][str(step)]
        assert (m.count, m.minimum, m.maximum) == (expected["n"], expected["min"], expected["max"])
        assert (m.mean, m.deviation) == pytest.approx((expected["mean"], expected["std"]))
    assert set(day.feed) == {30, 60, 120, 300}
    text = judge_published(day)
    assert ("up to 0.0% and" in text) == (order == "notebook_order"), text

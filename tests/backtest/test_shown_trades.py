"""The quotes around the trades that are drawn: the best, the worst and two between, on the book that was there."""

import numpy as np
import polars as pl

from ofiml.backtest.shown_trades import SHOWN_SCHEMA, choose_trades, quote_round_trips, tabulate_shown
from ofiml.samples.tape import build_tape
from ofiml.units import SECOND
from tests.backtest.scripts import book, make_session


def trips(*nets, opened=10 * SECOND, closed=12 * SECOND):
    n = len(nets)
    return {"opened": np.full(n, opened), "closed": np.full(n, closed), "net": np.array(nets, np.float64)}


def quote(made, tape):
    return tabulate_shown(pl.DataFrame(quote_round_trips(made, tape)))


def test_the_best_the_worst_and_two_between_are_chosen():
    assert choose_trades(np.array([3.0, -7.0, 9.0, 1.0, 0.0, 4.0, 2.0])).tolist() == [2, 0, 3, 1]
    assert choose_trades(np.array([1.0, 2.0])).tolist() == [1, 0]
    assert choose_trades(np.array([])).tolist() == []


def test_quotes_are_those_of_the_book_around_a_trade():
    session = make_session([book(float(t), (100 + t, 5, 102 + t, 5)) for t in range(1, 40)])
    tape = build_tape(session)
    start = int(tape.exchange[9])  # the tenth message
    shown = quote(trips(1.0, opened=start, closed=start + 2 * SECOND), tape)
    times = shown["time"].cast(pl.Int64)
    assert (times.min(), times.max()) == (start - 5 * SECOND, start + 6 * SECOND)
    assert shown.height == 12
    inside = shown.filter(pl.col("time").cast(pl.Int64) == start)
    price = (tape.base + int(tape.bid[9])) * tape.tick / 1e9
    assert (inside["bid"][0], inside["ask"][0]) == (price, price + 2 * tape.tick / 1e9)
    assert shown.schema == SHOWN_SCHEMA
    assert quote(trips(), tape).height == 0

"""The quotes around the trades that are drawn: the best, the worst and two between, on the book that was there."""

import polars as pl

from ofiml.backtest.round_trips import ROUND_TRIP_SCHEMA
from ofiml.backtest.shown_trades import choose_trades, quote_round_trips
from ofiml.samples.tape import build_tape
from ofiml.units import SECOND
from tests.backtest.scripts import book, make_session


def trips(*nets, opened=10 * SECOND, closed=12 * SECOND):
    rows = [(opened, closed, "long", 1, 1.0, 1.0, net, net, 1.0) for net in nets]
    return pl.DataFrame(rows, schema=ROUND_TRIP_SCHEMA, orient="row")


def test_the_best_the_worst_and_two_between_are_chosen():
    assert choose_trades(trips(3.0, -7.0, 9.0, 1.0, 0.0, 4.0, 2.0))["net"].to_list() == [9.0, 3.0, 1.0, -7.0]
    assert choose_trades(trips(1.0, 2.0))["net"].to_list() == [2.0, 1.0]
    assert choose_trades(trips()).height == 0


def test_quotes_are_those_of_the_book_around_a_trade():
    session = make_session([book(float(t), (100 + t, 5, 102 + t, 5)) for t in range(1, 40)])
    tape = build_tape(session)
    start = int(tape.exchange[9])  # the tenth message
    shown = quote_round_trips(trips(1.0, opened=start, closed=start + 2 * SECOND), tape)
    times = shown["time"].cast(pl.Int64)
    assert (times.min(), times.max()) == (start - 5 * SECOND, start + 6 * SECOND)
    assert shown.height == 12
    inside = shown.filter(pl.col("time").cast(pl.Int64) == start)
    price = (tape.base + int(tape.bid[9])) * tape.tick / 1e9
    assert (inside["bid"][0], inside["ask"][0]) == (price, price + 2 * tape.tick / 1e9)
    assert quote_round_trips(trips(), tape).height == 0

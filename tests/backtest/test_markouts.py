"""Markouts and quotes by hand."""

import numpy as np
import polars as pl
import pytest

from ofiml.backtest.ledger import Fills
from ofiml.backtest.markouts import average_markouts, find_mids, find_quotes, measure_markouts
from ofiml.samples.tape import Tape, build_tape
from tests.backtest.fills import NANO, fill, make_fills, read_fills
from tests.backtest.scripts import book, make_session
from tests.books import SECOND, TICK

ROWS = [
    book(1, (None, 0, 102, 5)),
    book(2, (100, 5, 102, 5)),
    book(4, (101, 5, 104, 5)),
    book(6, (101, 5, None, 0)),
    book(8, (105, 5, 104, 5)),  # crossed: nothing can be had
    book(10, (106, 5, 108, 5)),
]
TAPE = build_tape(make_session(ROWS))


def stamp(*times: float) -> np.ndarray:
    return np.array([round(t * SECOND) for t in times])


def ticks(index: np.ndarray, base: int) -> list[int | None]:
    return [None if i < 0 else int(i) + base for i in index]


def test_quotes_and_mids_by_the_exchanges_clock():
    at = stamp(0.5, 1, 1.99, 2, 5, 6, 8, 9.99, 10, 99)
    bid, ask = find_quotes(TAPE, at)
    assert ticks(bid, TAPE.base) == [None, None, None, 100, 101, 101, None, None, 106, 106]
    assert ticks(ask, TAPE.base) == [None, 102, 102, 102, 104, None, None, None, 108, 108]
    mids = ticks(find_mids(TAPE, stamp(0.5, 1, 2, 4, 7, 10)), 2 * TAPE.base)
    assert mids == [None, None, 202, 205, 205, 214]


def fills(*rows: tuple[float, int, int]) -> Fills:
    return read_fills(make_fills(*(fill(t, lots, price * TICK / NANO) for t, lots, price in rows)))


def measure(made: Fills, tape: Tape, close: int, horizon: int) -> list[float | None]:
    """The gains after a horizon, which are the same beside others."""
    alone = measure_markouts(made, tape, close, {"one": horizon})["one"]
    beside = measure_markouts(made, tape, close, {"sooner": horizon // 2, "one": horizon, "later": 2 * horizon})
    assert list(beside) == ["sooner", "one", "later"]
    np.testing.assert_array_equal(beside["one"], alone)
    return pl.Series(alone, nan_to_null=True).to_list()


def test_markouts_are_in_the_fills_favour_and_end_with_the_session():
    made = fills((2, 3, 102), (2.5, -3, 100), (4, 7, 104), (9, 1, 108))
    got = measure(made, TAPE, 10 * SECOND, 2 * SECOND)
    # 102 bought, the mid is then 102.5; 100 sold; 104 bought at 4: the last mid is 102.5 at 6; 11 s is too late.
    assert got == [0.5, -2.5, -1.5, None]
    assert measure(made, TAPE, 11 * SECOND, 2 * SECOND)[-1] == -1.0
    assert measure(fills(), TAPE, 10 * SECOND, SECOND) == []
    # Before the first two-sided book no mid is known.
    assert measure(fills((0, 1, 102)), TAPE, 10 * SECOND, SECOND) == [None]


def test_means_are_weighted_by_lots_and_takers_and_makers_are_apart():
    table = pl.DataFrame({"lots": [1, -3, 5, 2], "maker": [False, False, True, False], "m": [4.0, 0.0, -1.0, None]})
    got = average_markouts(table, "1s", "m")
    assert (got.horizon, got.lots, got.taker, got.maker) == ("1s", 9, 1.0, -1.0)
    none = average_markouts(table.clear(), "1s", "m")
    assert none.lots == 0
    assert np.isnan([none.taker, none.maker]).all()


def test_a_tape_without_quotes():
    empty = build_tape(make_session([book(1, (None, 0, None, 0))]))
    assert ticks(find_mids(empty, stamp(2)), 0) == [None]
    assert [ticks(side, 0) for side in find_quotes(empty, stamp(0, 2))] == [[None, None], [None, None]]
    assert measure(fills((1, 1, 5)), empty, 10 * SECOND, SECOND) == [None]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_mirrored_book_has_the_same_markouts(sign: int) -> None:
    rows = [book(t, (100 + b, 5, 102 + b, 5)) for t, b in ((1, 0), (2, 3), (3, -4))]
    if sign < 0:
        rows = [book(t, (198 - 100 - b, 5, 200 - 100 - b, 5)) for t, b in ((1, 0), (2, 3), (3, -4))]
    price = 102 if sign > 0 else 98
    tape = build_tape(make_session(rows))
    assert measure(fills((1, sign, price)), tape, 9 * SECOND, SECOND) == [2.0]

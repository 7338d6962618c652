"""Doubts about a session: each kind is found in a book made so, and none in a sound one."""

import gzip
import re
from dataclasses import replace

import numpy as np
import pytest

from ofiml.config import Instrument
from ofiml.data.plausibility import compute_lower_tail, list_doubts
from ofiml.data.sessions import list_sources
from ofiml.errors import DataError
from tests.books import session

ROWS = 600
SHARE = Instrument(0.01, 1.0, "XNYS")


def walk(seed=0, grid=1, lot=1, moves=0.3):
    """(bid, ask) in ticks and sizes in lots of a book whose best prices move in a share of its states."""
    rng = np.random.default_rng(seed)
    step = rng.choice([-1, 0, 1], ROWS, p=[moves / 2, 1 - moves, moves / 2])
    bid = grid * (1000 + np.cumsum(step) + np.arange(ROWS) // 20)
    sizes = lot * rng.integers(1, 90, (2, ROWS))
    return bid, bid + grid, *sizes


def book(bid, ask, bid_size, ask_size):
    return session([
        {"t": i, "book": [(b, int(n), a, int(k))]}
        for i, (b, a, n, k) in enumerate(zip(bid, ask, bid_size, ask_size, strict=True))
    ])  # fmt: skip


def kinds(*columns):
    return {doubt.kind: doubt for doubt in list_doubts(book(*columns), SHARE)}


@pytest.mark.parametrize(("hours", "kind"), [(0.03, set()), (0.5, {"coverage"})])
def test_hours_without_data(hours, kind):
    bid, ask, *sizes = walk()
    rows = book(bid, ask, *sizes)
    late = replace(rows, close=rows.close + int(hours * 3600 * 10**9))
    assert {doubt.kind for doubt in list_doubts(late, SHARE)} == kind


@pytest.mark.parametrize("seed", range(5))
def test_a_sound_book_raises_no_doubt(seed):
    assert kinds(*walk(seed)) == {}


def test_a_tick_finer_than_all_prices():
    (doubt,) = kinds(*walk(grid=25)).values()
    assert doubt.kind == "tick"
    assert "multiple of 0.25, so dataset.tick=0.01 looks 25 times too fine" in doubt.sentence
    assert not doubt.grave


def test_the_tick_of_an_instrument_is_doubted_where_it_stands():
    (doubt,) = list_doubts(book(*walk(grid=25)), SHARE, own_tick=True)
    assert "so its tick in dataset.instruments, 0.01, looks 25 times too fine" in doubt.sentence
    assert re.search(r"write 'dataset\.instruments=\{\w+: \{tick: 0\.25\}\}'", doubt.sentence)


def test_best_quotes_worth_more_than_any_book_shows():
    """Prices of about 10 and sizes of about 45: the median bid is worth some 450, or 4.5e10 with lots of 1e8."""
    rows = book(*walk())

    def doubted(calendar, **instrument):
        own = replace(SHARE, **instrument)
        doubts = list_doubts(replace(rows, size_unit=own.size_unit, calendar=calendar), own)
        return [doubt for doubt in doubts if doubt.kind == "worth"]

    (doubt,) = doubted("24/7", size_unit=1e8)
    assert "the lot of 1e+08 may be too large" in doubt.sentence
    assert not doubt.grave
    assert not doubted("24/7", size_unit=1e6)
    assert not doubted("XKRX", size_unit=1e8), "won are not dollars"
    inverse = {"contract": "inverse", "settlement": "BTC", "quote": "USD"}
    assert not doubted("24/7", size_unit=1e7, **inverse), "contracts of 1 dollar have no price to be multiplied by"
    assert doubted("24/7", size_unit=1e7)


def test_one_price_off_the_coarse_grid_is_enough_for_the_fine_tick():
    bid, ask, *sizes = walk(grid=25)
    bid[77] -= 1
    assert kinds(bid, ask, *sizes) == {}


def test_a_coarse_grid_of_few_prices_proves_nothing():
    bid = np.where(np.arange(ROWS) % 50 < 25, 1000, 1025)
    _, _, *sizes = walk()
    assert kinds(bid, bid + 25, *sizes) == {}


@pytest.mark.parametrize(("share", "grave"), [(0.05, None), (0.3, False), (0.7, True)])
def test_one_sided_states(share, grave):
    bid, ask, bid_size, ask_size = walk()
    missing = np.random.default_rng(1).random(ROWS) < share
    bids = [None if gone else int(b) for b, gone in zip(bid, missing, strict=True)]
    doubt = kinds(bids, ask, bid_size, ask_size).get("sides")
    assert (doubt and doubt.grave) == grave
    if doubt:
        assert "dataset.blank=unchanged" in doubt.sentence


@pytest.mark.parametrize(("exchanges", "in_turn"), [(2, True), (2, False), (3, False), (5, False)])
def test_books_of_several_exchanges_in_one(exchanges, in_turn):
    bid, ask, *sizes = walk(moves=0.05)
    turn = np.arange(ROWS) % exchanges
    which = turn if in_turn else np.random.default_rng(2).permutation(turn)
    (doubt,) = kinds(bid - which, ask + which // 2, *sizes).values()
    assert (doubt.kind, doubt.grave) == ("moves", True)
    assert "several exchanges" in doubt.sentence


def test_rare_snapshots_of_a_random_walk_are_no_mixture():
    bid = 1000 + np.cumsum(np.random.default_rng(5).integers(-1, 2, ROWS))
    _, _, *sizes = walk()
    assert kinds(bid, bid + 1, *sizes) == {}


def test_a_book_that_moves_in_every_state():
    bid = 1000 + np.cumsum(np.random.default_rng(3).integers(1, 4, ROWS))
    _, _, *sizes = walk()
    (doubt,) = kinds(bid, bid + 1, *sizes).values()
    assert (doubt.kind, doubt.grave) == ("moves", False)


@pytest.mark.parametrize(("spread", "grave"), [(5_001, False), (20_000_001, True)])
def test_a_spread_of_many_ticks(spread, grave):
    bid, _, *sizes = walk()
    (doubt,) = kinds(bid, bid + spread, *sizes).values()
    assert (doubt.kind, doubt.grave) == ("spread", grave)
    assert f"{spread:,} ticks" in doubt.sentence


def test_sizes_in_round_lots():
    (doubt,) = kinds(*walk(lot=100)).values()
    assert doubt.kind == "sizes"
    assert "multiple of 100 lots" in doubt.sentence
    assert "dataset.size_unit=100" in doubt.sentence


def write_quotes(path, blank):
    """Quotes of which a share leaves the cells of one side blank."""
    rng, lines = np.random.default_rng(4), ["DT,SYMBOL,BID,OFR,BIDSIZ,OFRSIZ"]
    for i, (bid, ask, bid_size, ask_size) in enumerate(zip(*walk(), strict=True)):
        sides = [[f"{bid / 100:.2f}", str(bid_size)], [f"{ask / 100:.2f}", str(ask_size)]]
        if rng.random() < blank:
            sides[int(rng.integers(2))] = ["", ""]
        (b, n), (a, k) = sides
        lines.append(f"2024-11-12T14:{30 + i // 60}:{i % 60:02d}Z,X,{b},{a},{n},{k}")
    path.write_bytes(gzip.compress("\n".join(lines).encode()))


def test_a_grave_doubt_ends_the_run_unless_the_data_are_right(tmp_path, configure, run):
    path = tmp_path / "quotes.csv.gz"
    write_quotes(path, 0.7)
    asked = ["dataset=quotes", f"dataset.path={path}", "dataset.blank=missing"]
    with pytest.raises(
        DataError, match=r"quotes\.csv\.gz, X 2024-11-12: .* no bid or no ask.*dataset\.implausible=warn"
    ):
        list(list_sources(configure(*asked).dataset)[0]())
    (one,) = list_sources(configure(*asked, "dataset.implausible=warn").dataset)[0]()
    assert set(one.quality.warnings) == {"end", "sides", "tick"}


@pytest.mark.slow
def test_the_report_and_the_verdict_warn(tmp_path, run):
    from ofiml.reporting.sentences import write_sentences

    path = tmp_path / "quotes.csv.gz"
    write_quotes(path, 0.0)
    study = run("dataset=quotes", f"dataset.path={path}", "bars.step=1s", "horizon=1s", "split.embargo=1s", "model=ols",
                "ofi=best_level", "tuning=off", "split.n_folds=2", "backtest=off")  # fmt: skip
    end, warning = study.report.dataset.warnings
    assert end.startswith("X 2024-11-12: the events end at 2024-11-12T14:39:59 UTC, before the close at")
    assert warning.startswith(
        "X 2024-11-12: every price is a multiple of 0.01, so dataset.tick=0.005 looks 2 times too"
    )
    assert f"Warning: {warning}." in write_sentences(study)


@pytest.mark.parametrize(("side", "number"), [("bid", -100), ("bid", 1), ("ask", 99_999_999)])
def test_a_number_that_stands_for_a_missing_side(side, number):
    bid, ask, *sizes = walk()
    price = np.array(bid if side == "bid" else ask)
    price[[50, 70]] = number
    columns = (price, ask) if side == "bid" else (bid, price)
    doubt = kinds(*columns, *sizes)["outliers"]
    assert doubt.sentence.startswith(f"2 states have a best {side} far from its median, ")
    assert not doubt.grave


def traded(count: int, opposite: int, *, side: str = "known", inside: bool = False):
    """A sound book with `count` trades at its best prices, buys and sales in turn, some with the other side."""
    rows = []
    for i, (bid, ask, bid_size, ask_size) in enumerate(zip(*walk(), strict=True)):
        rows.append({"t": i, "book": [(bid, int(bid_size), ask + 2 * inside, int(ask_size))]})
        k = i // 4
        if i % 4 or k >= count:
            continue
        buys = (k % 2 == 0) ^ (k < opposite)
        price = bid + 1 if inside else (ask if k % 2 == 0 else bid)
        name = "N" if side == "none" else "B" if buys else "A"
        rows.append({**rows[-1], "t": i + 0.5, "action": "T", "side": name, "price": price})
    return {doubt.kind: doubt for doubt in list_doubts(session(rows), SHARE)}


def test_sides_of_trades_that_contradict_the_quotes():
    doubt = traded(40, 39)["trades"]
    assert doubt.sentence.startswith("39 of 40 trades at a best quote have the opposite side")
    assert not doubt.grave


@pytest.mark.parametrize(("count", "opposite"), [(0, 0), (9, 9), (40, 0), (40, 20), (40, 28)])
def test_sides_that_agree_or_are_too_few_raise_no_doubt(count, opposite):
    assert traded(count, opposite) == {}


def test_trades_without_a_side_or_inside_the_spread_are_not_judged():
    assert traded(40, 40, side="none") == {}
    assert traded(40, 40, inside=True) == {}


@pytest.mark.parametrize(
    ("successes", "trials", "tail"), [(0, 10, 2**-10), (1, 10, 11 * 2**-10), (5, 10, 1), (0, 0, 1)]
)
def test_the_tail_of_a_fair_coin(successes, trials, tail):
    assert compute_lower_tail(successes, trials) == pytest.approx(tail)


@pytest.mark.parametrize(
    ("path", "dataset", "doubted"),
    [("arl_20250717_mbp10.csv", "databento", True), ("arl_20250717_mbo.csv", "databento_mbo", False)],
)
def test_two_files_of_one_day_state_opposite_sides(path, dataset, doubted, configure, data):
    (source,) = list_sources(configure(f"dataset={dataset}", f"dataset.path={data(f'databento/{path}')}").dataset)
    (one,) = source()
    assert ("trades" in one.quality.warnings) == doubted

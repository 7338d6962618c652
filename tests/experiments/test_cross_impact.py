"""What the page of cross-impact measures: bars in common, fits of a planted market, sectors, who leads whom."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression

from ofiml.config import TimeBars, WalkForward
from ofiml.config.instrument import check_instruments, find_sector
from ofiml.errors import ConfigError, DataError
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.experiments.basket import find_next, join_bars, sum_bars, tabulate_bars
from ofiml.experiments.recipes._cross_fits import (
    KINDS,
    TradeMatrix,
    correlate_links,
    estimate_added_r2,
    fit_crosses,
    fit_groups,
    fit_trades,
    measure_orientation,
    reduce_flow,
)
from ofiml.experiments.recipes._cross_words import list_pairs
from ofiml.experiments.rows import divide_bars
from tests.books import SECOND, session

SYMBOLS = ["AAPL", "AMGN", "JPM", "TSLA", "XOM"]
SECTORS = {"A*": {"sector": "letter A"}, "JPM": {"sector": "banks"}, "*": {"quote": "USD"}, "X?M": {"sector": "energy"}}
# Row i's move per lot of column j: AAPL leads, TSLA and XOM push each other down.
KNOWN = np.array([[10, 0, 0, 0, 0], [6, 10, 0, 0, 0], [4, 0, 10, 0, 0], [0, 0, 0, 10, -5], [0, 0, 0, -5, 10]]) / 1000
DAY = 240  # bars of 10 s
BOOTSTRAP = BlockBootstrap(200, 0.95, None, 5)


def make_dates(days=4, *, seed=1, noise=0.5):
    """Tables of five symbols whose moves are KNOWN of the trades and noise; the second level repeats the first with
    an error, and flow is trades plus what follows the move.
    """
    rng = np.random.default_rng(seed)
    dates = {}
    for d in range(days):
        open_ = d * 86_400 * SECOND + 10 * SECOND * np.arange(DAY, dtype=np.int64)
        trades = rng.integers(-300, 301, (DAY, 5))
        move = trades @ KNOWN.T + noise * rng.standard_normal((DAY, 5))
        flow = 0.2 * move + 0.001 * trades + 0.3 * rng.standard_normal((DAY, 5))
        dates[f"day {d}"] = {
            symbol: pl.DataFrame(
                {
                    "session": [f"day {d}"] * DAY,
                    "bar_open": open_,
                    "bar_close": open_ + 10 * SECOND,
                    "move": move[:, i],
                    "trades": trades[:, i],
                    "flow_00": flow[:, i],
                    "flow_01": flow[:, i] + 0.1 * rng.standard_normal(DAY),
                }
            )
            for i, symbol in enumerate(SYMBOLS)
        }
    return dates


def bounds(dates):
    return [(date, d * 86_400 * SECOND, (d * 86_400 + 10 * DAY) * SECOND) for d, date in enumerate(dates)]


def make_basket(dates):
    return join_bars("mine", dates, bounds(dates), SECTORS)


def test_bars_that_a_symbol_lacks_are_left_out_and_counted():
    dates = make_dates(3)
    dates["day 0"]["JPM"] = dates["day 0"]["JPM"].filter(pl.int_range(pl.len()) != 5)
    unknown = pl.when(pl.int_range(pl.len()) == 9).then(float("nan")).otherwise("move").alias("move")
    dates["day 0"]["XOM"] = dates["day 0"]["XOM"].with_columns(unknown)
    del dates["day 1"]["TSLA"]
    one = make_basket(dates)
    assert one.symbols == SYMBOLS
    assert one.sectors == ["letter A", "letter A", "banks", "", "energy"]
    assert one.bars_left_out == 2
    assert one.dates_left_out == ["day 1"]
    rows = [k for k in range(DAY) if k not in (5, 9)]
    for i, symbol in enumerate(SYMBOLS):
        own = dates["day 0"][symbol].filter(pl.col("bar_open").is_in([10 * SECOND * k for k in rows]))
        assert one.move[: len(rows), i].tolist() == own["move"].to_list()
        assert one.trades[: len(rows), i].tolist() == own["trades"].to_list()
        assert one.flow[i][: len(rows)].tolist() == own.select("flow_00", "flow_01").to_numpy().tolist()
    assert one.table["part"].to_list() == [k // 80 for k in rows] + [k // 80 for k in range(DAY)]
    following = set(find_next(one.table).tolist())
    assert set(range(one.table.height)) - following == {4, 7, len(rows) - 1, len(rows) + DAY - 1}


def test_sums_of_bars_do_not_cross_gaps_or_dates():
    dates = {d: {s: t.head(7) for s, t in one.items()} for d, one in make_dates(2).items()}
    dates["day 0"]["AAPL"] = dates["day 0"]["AAPL"].filter(pl.int_range(pl.len()) != 4)
    one = make_basket(dates)  # 0 1 2 3 | 5 6 || 0 1 2 3 4 5 6
    sums, close = sum_bars(one.trades, one.table, 2)
    pairs = [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (10, 11)]
    assert sums.tolist() == [(one.trades[a] + one.trades[b]).tolist() for a, b in pairs]
    assert close.tolist() == [one.table["bar_close"][b] for _, b in pairs]


def test_what_is_no_basket_is_one_sentence():
    dates = make_dates(1)
    single = {"day 0": {"AAPL": dates["day 0"]["AAPL"]}}
    with pytest.raises(DataError, match="mine: cross-impact needs two or more symbols, and the data have AAPL"):
        join_bars("mine", single, bounds(single), {})
    dates["day 0"]["XOM"] = dates["day 0"]["XOM"].with_columns(pl.col("bar_open", "bar_close") + 1)
    with pytest.raises(DataError, match="AAPL, AMGN, JPM, TSLA, XOM have no bar in common: read the same hours"):
        make_basket(dates)


def test_a_bar_has_its_move_flow_and_trades():
    at = {"book": [(99, 10, 101, 20)]}
    rows = [
        {"t": 1, **at},
        {"t": 2, "action": "T", "side": "B", "size": 5, "price": 101, "book": [(99, 10, 101, 15)]},
        {"t": 10, "action": "T", "side": "A", "size": 2, "price": 99, "book": [(99, 8, 101, 15)]},
        {"t": 11, "action": "T", "side": "B", "size": 15, "price": 101, "book": [(99, 8, 103, 4)]},
        {"t": 12, "action": "T", "side": "N", "size": 9, "price": 101, "book": [(99, 8, 103, 4)]},
        {"t": 20, "book": [(99, 8, 103, 4)]},
    ]
    table = tabulate_bars(session(rows, close=20), TimeBars(name="time", per="message", step="10s"))
    assert table["trades"].to_list() == [3, 15]  # buyers 5, sellers 2; a trade without a side counts as neither
    assert np.isnan(table["move"][0])  # no mid is known at the open
    assert table["move"][1] == 1.0
    depth = [np.mean([10, 20, 10, 15, 8, 15]), np.mean([8, 4, 8, 4, 8, 4])]
    assert table["flow_00"].to_list() == pytest.approx([(5 - 2) / depth[0], 15 / depth[1]])


@pytest.fixture(scope="module")
def planted():
    """A basket of four days, and its fits of the same bar and of the next one."""
    basket = make_basket(make_dates())
    split = WalkForward(name="expanding", by="rows", n_folds=2, first_train=0.5, window=None, embargo="30s")
    return basket, split


@pytest.fixture(scope="module")
def crosses(planted):
    basket, split = planted
    return {ahead: fit_crosses(basket, split, BOOTSTRAP, ahead=ahead) for ahead in (False, True)}


def test_own_flow_is_fitted_on_the_train_rows_alone(planted, crosses):
    basket, split = planted
    folds = divide_bars(basket.table, basket.hours, split)
    fit = crosses[False].fits[KINDS[0]]["own flow"]
    for i in range(5):
        x, y, terms = basket.flow[i][:, :1], basket.move[:, i], []
        for fold in folds:
            line = LinearRegression().fit(x[fold.train], y[fold.train])
            terms.append([y[fold.test] - line.predict(x[fold.test]), y[fold.test] - y[fold.train].mean()])
        error, total = np.concatenate(terms, axis=1)
        assert fit.outside[i] == pytest.approx(1 - error @ error / (total @ total))
        np.testing.assert_allclose(fit.errors[:, i], error)
    assert (fit.weights[~np.eye(5, dtype=bool)] == 0).all()
    assert crosses[False].rows.tolist() == np.concatenate([fold.test for fold in folds]).tolist()


def test_flow_of_others_adds_what_own_flow_lacks(crosses):
    for models in crosses[False].fits.values():
        assert models["LASSO"].added.low > 0
        assert models["Ridge"].added.low > 0
        mean = models["LASSO"].outside.mean() - models["own flow"].outside.mean()
        assert models["LASSO"].added.value == pytest.approx(mean)
        assert np.argmax(np.abs(models["Ridge"].weights), axis=1).tolist() == [0, 1, 2, 3, 4]


def test_independent_bars_do_not_forecast_the_next(crosses):
    for models in crosses[True].fits.values():
        for fit in models.values():
            assert abs(fit.outside).max() < 0.05


@pytest.mark.parametrize("ahead", [False, True])
def test_no_train_label_reaches_a_tested_bar(planted, ahead):
    basket, split = planted
    rows = find_next(basket.table) if ahead else np.arange(len(basket.move))
    open_, close = (basket.table[name].to_numpy() for name in ("bar_open", "bar_close"))
    ends = close[rows + 1] if ahead else None
    folds = divide_bars(basket.table[rows], basket.hours, replace(split, embargo="0s", first_train=0.4), ends)
    for fold in folds:
        assert close[rows[fold.train] + ahead].max() <= open_[rows[fold.test]].min()
    assert open_[rows[folds[0].test]].min() - close[rows[folds[0].train]].max() <= 20 * SECOND


def test_integrated_flow_has_the_weights_of_its_train_rows(planted):
    basket, _ = planted
    rng = np.random.default_rng(6)
    flow = rng.standard_normal((len(basket.move), 3)) * [1.0, 2.0, 3.0] + rng.standard_normal((len(basket.move), 1))
    flow[:300] = flow[:300, ::-1]
    rows, train = np.arange(100, 900), np.arange(400, 700)
    got = reduce_flow(replace(basket, flow=[flow] * 5), KINDS[1], rows, train)
    first = PCA(1).fit(flow[rows][train]).components_[0]
    weights = first / first.sum() if (first > 0).all() or (first < 0).all() else None
    np.testing.assert_allclose(got, np.tile((flow[rows] @ weights)[:, None], 5))


def test_a_move_that_follows_flow_is_forecast():
    """The next bar's move of AMGN is AAPL's flow: ahead finds it, in AMGN's row and AAPL's column."""
    basket = make_basket(make_dates())
    move = basket.move.copy()
    move[1:, 1] = 3 * basket.flow[0][:-1, 0] + 0.1 * move[1:, 1]
    split = WalkForward(name="expanding", by="rows", n_folds=2, first_train=0.5, window=None, embargo="30s")
    fit = fit_crosses(replace(basket, move=move), split, BOOTSTRAP, ahead=True).fits[KINDS[0]]["LASSO"]
    assert fit.outside[1] > 0.9
    assert fit.weights[1, 0] > 0.9
    assert np.delete(np.abs(fit.weights).ravel(), 5).max() < 0.2


def test_the_interval_of_what_is_added_resamples_blocks():
    rng = np.random.default_rng(2)
    total, block = rng.standard_normal((400, 2)), np.arange(400) // 20
    base = total - 0.1 * rng.standard_normal((400, 2))
    bootstrap = BlockBootstrap(2000, 0.95, None, 3)
    same = estimate_added_r2(base, base, total, block, bootstrap)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    half = estimate_added_r2(total, total / 2, total, block, bootstrap)
    assert (half.value, half.low, half.high) == pytest.approx((0.75, 0.75, 0.75))
    one = estimate_added_r2(total, base, total, block, bootstrap)
    assert one.low < one.value < one.high
    draws = []
    for _ in range(2000):
        rows = np.concatenate([np.flatnonzero(block == b) for b in rng.integers(0, 20, 20)])
        draws.append(np.mean(1 - np.sum(base[rows] ** 2, axis=0) / np.sum(total[rows] ** 2, axis=0)))
    assert one.high - one.low == pytest.approx(2 * 2.15 * np.std(draws), rel=0.15)


def test_parts_and_days_share_the_tested_bars(planted, crosses):
    basket, _ = planted
    groups = fit_groups(basket, crosses[False], KINDS[0])
    assert [one.name for one in groups] == ["open", "midday", "close", "day 0", "day 1", "day 2", "day 3"]
    assert [one.bars for one in groups] == [320] * 3 + [240] * 4
    assert np.isnan([groups[3].own_r2, groups[3].cross_r2]).all()  # the first day is never tested
    fit, x = crosses[False].fits[KINDS[0]]["LASSO"], np.column_stack([flow[:, 0] for flow in basket.flow])
    tested = (basket.table["session"] == "day 3").to_numpy()[crosses[False].rows]
    error, total = fit.errors[tested], fit.totals[tested]
    assert groups[6].cross_r2 == pytest.approx(np.mean(1 - np.sum(error**2, axis=0) / np.sum(total**2, axis=0)))
    inside = basket.table["part"].to_numpy() == 1
    x, y = ((a[inside] - a[inside].mean(axis=0)) / a[inside].std(axis=0) for a in (x, basket.move))
    slopes = LinearRegression().fit(x, y).coef_
    assert groups[1].own == pytest.approx(np.abs(np.diag(slopes)).mean())
    assert groups[1].cross == pytest.approx(np.abs(slopes[~np.eye(5, dtype=bool)]).mean())
    assert 0 < groups[1].noise < groups[1].cross


def test_the_known_matrix_is_recovered_from_trades(planted):
    found = fit_trades(planted[0])
    assert (np.abs(found.slopes - KNOWN) < 4 * found.errors).all()
    assert found.links.tolist() == ((KNOWN != 0) & ~np.eye(5, dtype=bool)).tolist()
    assert found.count_covered(KNOWN) >= 21
    assert found.count_covered(KNOWN.T) == found.count_covered(KNOWN) - 4  # those of two links that have no counterpart
    assert found.find_scale(KNOWN) == pytest.approx(1, abs=0.02)
    half = TradeMatrix(KNOWN / 2, np.full((5, 5), 1e-5), found.p, 2.0)
    assert half.find_scale(KNOWN) == pytest.approx(0.5)
    assert half.count_covered(KNOWN) == (KNOWN == 0).sum()
    assert half.count_covered(KNOWN, 0.5) == 25


def test_flow_that_leaves_out_own_trades_points_backwards():
    """Where flow follows the move but takes back own trades, others' flow tells of them: the leader seems to follow."""
    forward = make_basket(make_dates(seed=4))
    rng = np.random.default_rng(1)
    backward = replace(
        forward,
        flow=[
            (0.2 * forward.move[:, i] - 0.0015 * forward.trades[:, i] + 0.1 * rng.standard_normal(4 * DAY))[:, None]
            for i in range(5)
        ],
    )
    a, b = measure_orientation(forward), measure_orientation(backward)
    assert a.trades > 0 > b.trades
    assert correlate_links(a.flow, KNOWN) > correlate_links(a.flow, KNOWN.T)
    assert correlate_links(b.flow, KNOWN) < correlate_links(b.flow, KNOWN.T)
    assert correlate_links(b.beside_trades, KNOWN) > correlate_links(b.flow, KNOWN)


def test_pairs_by_sector():
    pairs = list_pairs(["a", "", "a", "b"])
    assert np.argwhere(pairs["same sector"]).tolist() == [[0, 2], [2, 0]]
    assert np.argwhere(pairs["two sectors"]).tolist() == [[0, 3], [2, 3], [3, 0], [3, 2]]
    assert sum(part.sum() for part in pairs.values()) == 12


def test_sectors_come_from_the_config():
    assert find_sector("AMGN", SECTORS) == "letter A"
    assert find_sector("TSLA", SECTORS) == ""
    assert find_sector("AAPL", SECTORS | {"AAPL": {"sector": "own"}}) == "own"
    with pytest.raises(ConfigError, match=r"dataset.instruments.A.sector=5 is not a name"):
        check_instruments({"A": {"sector": 5}}, lambda key, name: None)

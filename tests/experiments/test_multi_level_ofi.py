"""What the page of multi-level OFI measures: depth, parts of levels, R² out of sample, a published day."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression

from ofiml.bars.time import select_states
from ofiml.config import FileDataset, Policy
from ofiml.data.sessions import list_sources
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.experiments.bench import Bench, Market
from ofiml.experiments.depth_profile import measure_depth
from ofiml.experiments.level_parts import measure_levels
from ofiml.experiments.published_levels import SIZES, PublishedLevels, compare_levels, judge_levels
from ofiml.experiments.recipes.multi_level_ofi import ALL, BEST, REDUCTIONS, STUDY, run, say_added
from ofiml.experiments.rows import divide_bars
from ofiml.experiments.same_bar import Explained, explain_moves, forecast_folds
from ofiml.ui.progress import Stages
from tests.books import SECOND, session

BOOTSTRAP = BlockBootstrap(200, 0.95, None, 7)


def test_depth_is_averaged_over_states_and_over_their_time():
    rows = [
        {"t": -5, "book": [(90, 99, 110, 99), (80, 99, 120, 99)]},
        {"t": -1, "book": [(99, 10, 101, 20), (98, 4, 103, 6)]},
        {"t": 2, "book": [(99, 40, 103, 8), (None, 0, 104, 6)]},
        {"t": 3, "book": [(None, 0, 103, 2), (None, 0, 104, 2)]},
        {"t": 30, "book": [(1, 1000, 2000, 1000), (None, 0, None, 0)]},
    ]
    day = session(rows, levels=2, close=8)
    one = measure_depth(day, select_states(day, "message"), 2)
    # From the open: 2 s of the second state, 1 s of the third, 5 s of the fourth, whose bid is missing.
    expected = {
        "mean": [[50 / 3, 10], [4 / 3, 14 / 3]],
        "deviation": [[np.std([10, 40, 0]), np.std([20, 8, 2])], [np.std([4, 0, 0]), np.std([6, 6, 2])]],
        "timed": [[60 / 8, 58 / 8], [1, 28 / 8]],
        "shown": [[3 / 8, 1], [2 / 8, 1]],
        "distance": [[(2 * 1 + 1 * 2) / 3, (2 * 1 + 1 * 2) / 3], [2, (2 * 3 + 1 * 3) / 3]],
    }
    for averages in (one.average(), one.add(one).average()):
        assert {name: values.tolist() for name, values in averages.items()} == {
            name: [pytest.approx(level) for level in levels] for name, levels in expected.items()
        }


def test_parts_of_levels_add_up():
    rng = np.random.default_rng(3)
    flow = rng.integers(-50, 50, (400, 3)) * [1, 3, 2] + rng.integers(-20, 20, (400, 1))
    move = flow @ [0.1, 0.0, 0.2] + rng.normal(size=400)
    levels = measure_levels(flow.astype(float), move)
    size = np.abs(flow).mean(axis=0)
    covariances = np.cov(flow, rowvar=False).sum(axis=0)
    for m, one in enumerate(levels):
        assert one.size == pytest.approx(size[m] / size.sum())
        assert one.variance == pytest.approx(covariances[m] / covariances.sum())
        assert one.correlation == pytest.approx(np.corrcoef(flow[:, 0], flow[:, m])[0, 1])
        assert one.r2 == pytest.approx(np.corrcoef(move, flow[:, m])[0, 1] ** 2)
        assert (one.moments.minimum, one.moments.maximum) == (flow[:, m].min(), flow[:, m].max())
        assert one.active == np.mean(flow[:, m] != 0)
    assert sum(one.r2_share for one in levels) == pytest.approx(1)
    assert max(range(3), key=lambda m: levels[m].size) == 1
    assert max(range(3), key=lambda m: levels[m].r2_share) == 2


@pytest.fixture(scope="module")
def bars(configure):
    """(table, features, folds) of 600 bars of 10 s."""
    rng = np.random.default_rng(5)
    flow = rng.normal(size=(600, 2)) * 100
    open_ = np.arange(600) * 10 * SECOND
    table = pl.DataFrame(
        {
            "session": ["1"] * 600,
            "bar_open": open_,
            "bar_close": open_ + 10 * SECOND,
            "label_start": open_,
            "label_end": open_ + 10 * SECOND,
            "move_ticks": flow @ [0.01, 0.02] + rng.normal(size=600),
        }
    )
    folds = divide_bars(table, [("1", 0, 6000 * SECOND)], configure("experiment=multi_level_ofi").split)
    return table, {"one": flow[:, :1], "both": flow, "constant": np.column_stack([flow[:, 0], np.ones(600)])}, folds


def test_r2_out_of_sample_is_that_of_regressions_on_the_train_rows(bars):
    table, features, folds = bars
    y = table["move_ticks"].to_numpy()
    found = explain_moves(features, "one", table, folds, BOOTSTRAP)
    for name, x in features.items():
        wrong = total = 0.0
        for fold in folds:
            assert fold.train.max() < fold.test.min()
            fitted = LinearRegression().fit(x[fold.train], y[fold.train]).predict(x[fold.test])
            wrong += ((y[fold.test] - fitted) ** 2).sum()
            total += ((y[fold.test] - y[fold.train].mean()) ** 2).sum()
        assert found[name].out == pytest.approx(1 - wrong / total)
        assert found[name].added == pytest.approx(found[name].out - found["one"].out)
        assert found[name].low < found[name].out < found[name].high
        test = np.concatenate([fold.test for fold in folds])
        assert found[name].in_sample == pytest.approx(LinearRegression().fit(x[test], y[test]).score(x[test], y[test]))
    assert (found["one"].added_low, found["one"].added_high) == (0, 0)
    assert found["both"].added_low > 0.1
    assert found["constant"].out == pytest.approx(found["one"].out)


def test_a_fold_does_not_know_its_test_rows(bars):
    table, features, folds = bars
    y = table["move_ticks"].to_numpy().copy()
    before = forecast_folds(features["both"], y, folds[-1:])
    y[folds[-1].test] += 100
    after = forecast_folds(features["both"], y, folds[-1:])
    assert (after.y_hat == before.y_hat).all()
    assert (after.train_mean == before.train_mean).all()
    assert (after.y != before.y).all()


@pytest.mark.parametrize(
    ("low", "high", "sentence"),
    [
        (0.01, 0.2, "+10.0 (+1.0 to +20.0)"),
        (-0.01, 0.2, "+10.0 (-1.0 to +20.0, cannot be told from 0)"),
        (np.nan, np.nan, "+10.0 (too few bars for an interval)"),
    ],
)
def test_what_is_added_is_judged_by_its_interval(low, high, sentence):
    assert say_added(Explained(0.5, 0.4, 0.3, 0.5, 0.1, low, high)) == sentence


@pytest.mark.slow
def test_r2_is_that_of_the_studies(configure):
    market = Market("small", ("dataset=synthetic", "dataset.max_sessions=2", "dataset.session_length=40m"))
    with Stages() as stages:
        bench = Bench([market], lambda overrides: configure(*overrides), stages)
        numbers = run(bench).numbers["small"]
        for text, name in REDUCTIONS.items():
            if text in (BEST, "sum", ALL):
                off = ("evaluation.controls=false", "evaluation.leak_check=false", "evaluation.permutation_repeats=0")
                report = bench.run_study(market, *STUDY, f"ofi={name}", *off).report
                assert numbers["reductions"][text]["out"] == pytest.approx(report.metrics.pooled["r2"].value, rel=1e-9)


@pytest.fixture(scope="module")
def golden(data):
    return json.loads(data("golden/aapl_20241021_mbp10.json").read_text())


def test_the_published_numbers_are_those_that_the_notebook_printed(golden):
    rows = {row["name"]: float(row["printed"]) for row in golden["notebook_printed_vs_computed"]}
    printed = [rows["best_mean"], *(rows[f"{k}.mean"] for k in ("simple_sum", "weighted_sum", "distance_weighted"))]
    printed += [rows["best_std"], *(rows[f"{k}.std"] for k in ("simple_sum", "weighted_sum", "distance_weighted"))]
    printed += [rows["corr"], *(rows[f"abs_contrib.{m}"] for m in range(10))]
    assert list(PublishedLevels.PRINTED.values()) == printed


@pytest.mark.parametrize("order", ["feed_order", "notebook_order"])
def test_the_published_day_in_feed_order_and_in_the_notebooks(order, golden, data):
    path = str(data("databento/aapl_20241021_mbp10.csv"))
    settings = {"symbols": None, "calendar": "XNYS", "hours": "all", "tick": 0.01, "size_unit": 1.0, "levels": None}
    limits = {"first_date": None, "last_date": None, "store": None, "max_sessions": None, "max_events": None}
    (day,) = list_sources(FileDataset(name="databento", path=path, policy=Policy(), **settings, **limits))[0]()
    if order == "notebook_order":
        rows = np.arange(day.events.height)
        for place, feed_row in golden["meta"]["notebook_order_permutation_moved"].items():
            rows[int(place)] = feed_row
        day = replace(day, events=day.events[rows])
    found, expected = compare_levels(day, "message"), golden[order]
    for name, key in (("sum", "simple_sum"), ("weights 1/m", "weighted_sum"), ("weights exp", "distance_weighted")):
        assert found.feed[f"mean, {name}"] == pytest.approx(expected["combined"][key]["mean"])
        assert found.feed[f"standard deviation, {name}"] == pytest.approx(expected["combined"][key]["std"])
    assert found.feed["correlation of best level and sum"] == pytest.approx(expected["best_vs_multi"]["corr"])
    sizes = [expected["individual_stats"][f"ofi_level_{m:02d}"]["abs_mean"] for m in range(10)]
    assert [found.feed[name] for name in SIZES] == pytest.approx(sizes)
    assert ("0.711 instead of 0.711" in judge_levels(found)) == (order == "notebook_order")

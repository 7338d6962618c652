"""What LightGBM is asked for beside its defaults: quantiles, three ways, early stopping, flow that only pushes up."""

import numpy as np
import pytest

from ofiml.errors import DataError
from ofiml.models import lgbm
from ofiml.models.registry import build_model
from ofiml.ofi.columns import find_price_sign
from ofiml.splits.inner import Inner
from ofiml.splits.walk_forward import Intervals
from tests.conftest import slow_but_each
from tests.intervals import apart

SECOND = 1_000_000_000


def model(configure, *overrides, task="regression", features=()):
    target = "direction" if task == "classification" else "forecast"
    config = configure("model=lgbm", "backtest=off", f"target={target}", *(f"model.{o}" for o in overrides)).model
    return build_model(config, task=task, seed=7, features=features)


@pytest.mark.parametrize("q", slow_but_each(3, [0.1, 0.5, 0.9]))
def test_a_quantile_covers_its_share_out_of_sample(configure, q):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((6000, 2))
    y = x[:, 0] + (1 + 0.5 * (x[:, 1] > 0)) * rng.standard_normal(6000)
    train, test = slice(0, 3000), slice(3000, None)
    fitted = model(configure, "objective=quantile", f"quantile={q}").fit(x[train], y[train], apart(3000))
    y_hat = fitted.predict(x[test])
    assert np.mean(y[test] <= y_hat) == pytest.approx(q, abs=0.03)
    # Where the noise is wider, so is the distance from the median.
    wide = x[test, 1] > 0
    distance = np.abs(y_hat - x[test, 0])
    assert q == 0.5 or distance[wide].mean() > distance[~wide].mean() + 0.3
    assert fitted.probabilities(x) is None


@pytest.mark.slow
def test_three_ways_have_the_probabilities_of_their_law(configure):
    rng = np.random.default_rng(2)
    x = rng.integers(0, 2, (8000, 2)).astype(np.float64)
    # Of each of four cells, P(down), P(flat), P(up).
    law = np.array([[[0.2, 0.6, 0.2], [0.1, 0.3, 0.6]], [[0.6, 0.3, 0.1], [0.4, 0.2, 0.4]]])
    cell = law[x[:, 0].astype(int), x[:, 1].astype(int)]
    y = (rng.random(8000)[:, None] > cell.cumsum(axis=1)).sum(axis=1) - 1.0
    settings = "objective=three_class", "feature_fraction=1.0", "reg_lambda=0", "learning_rate=0.1"
    fitted = model(configure, *settings, task="classification").fit(x, y, apart(len(y)))
    chances = fitted.probabilities(x)
    assert np.abs(chances - cell).max() < 0.04
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(fitted.predict(x), chances[:, 2] - chances[:, 0])
    # SHAP values are of the log odds of up against down.
    rest = np.log(chances[:, 2] / chances[:, 0]) - fitted.contributions(x).sum(axis=1)
    np.testing.assert_allclose(rest, rest[0], atol=1e-6)


def test_no_tree_is_deeper_than_its_limit(configure):
    rng = np.random.default_rng(4)
    x = rng.standard_normal((2000, 3))
    y = x[:, 0] ** 3 + x[:, 1] + rng.standard_normal(2000)

    def measure_depth(node):
        return (
            1 + max(measure_depth(node[side]) for side in ("left_child", "right_child")) if "left_child" in node else 0
        )

    def list_depths(*settings):
        fitted = model(configure, "num_leaves=31", "min_child_samples=5", *settings).fit(x, y, apart(2000))
        return [measure_depth(tree["tree_structure"]) for tree in fitted.booster.dump_model()["tree_info"]]

    assert max(list_depths("max_depth=3")) == 3
    assert max(list_depths()) > 6


def test_three_ways_take_rows_that_all_move_and_need_both_ways(configure, tmp_path):
    rng = np.random.default_rng(3)
    x = rng.standard_normal((400, 2))
    y = np.sign(x[:, 0] + rng.standard_normal(400))
    fitted = model(configure, "objective=three_class", task="classification").fit(x, y, apart(400))
    fitted.save(tmp_path / "m")
    again = model(configure, "objective=three_class", task="classification").load(tmp_path / "m", 2)
    np.testing.assert_array_equal(again.probabilities(x), fitted.probabilities(x))
    assert fitted.probabilities(x)[:, 1].max() < 1e-9
    with pytest.raises(DataError, match="moved the same way"):
        model(configure, "objective=three_class", task="classification").fit(x, np.abs(y), apart(400))


# --- early stopping --------------------------------------------------------------------------------------------------


def overlapping(n):
    """Rows 1 s apart whose labels span 20 s, and look back 5 s."""
    t = np.arange(n, dtype=np.int64) * SECOND
    return Inner(Intervals(t - 5 * SECOND, t, t + 20 * SECOND), 10 * SECOND)


def watched(monkeypatch):
    """Every LightGBM training: (rows of train, rows of the held-out data or None, rounds that it was given)."""
    import lightgbm

    train, seen = lightgbm.train, []

    def watch(params, data, num_boost_round, valid_sets=None, **others):
        held = None if valid_sets is None else valid_sets[0].data
        seen.append((data.data, held, num_boost_round))
        return train(params, data, num_boost_round=num_boost_round, valid_sets=valid_sets, **others)

    monkeypatch.setattr(lightgbm, "train", watch)
    return seen


def test_early_stopping_holds_out_purged_rows_and_then_trains_on_all(configure, monkeypatch):
    rng = np.random.default_rng(4)
    x = np.column_stack([np.arange(1000.0), rng.standard_normal((1000, 3))])  # the first column names the row
    y = x[:, 1] + 3 * rng.standard_normal(1000)
    seen = watched(monkeypatch)
    fitted = model(configure, "early_stopping=5", "learning_rate=0.3").fit(x, y, overlapping(1000))
    (first, held, most), (last, none, rounds) = seen
    assert most == 150
    assert none is None
    assert 1 <= rounds < 100
    assert fitted.native().num_trees() == rounds
    np.testing.assert_array_equal(held[:, 0], np.arange(800, 1000))
    # A label of 20 s and an embargo of 10 s before row 800.
    np.testing.assert_array_equal(first[:, 0], np.arange(770))
    np.testing.assert_array_equal(last, x)


def test_early_stopping_stops_sooner_where_there_is_nothing_to_learn(configure, monkeypatch):
    rng = np.random.default_rng(5)
    x = rng.standard_normal((1000, 3))
    seen = watched(monkeypatch)
    for y in (rng.standard_normal(1000), 3 * x[:, 0] + rng.standard_normal(1000)):
        model(configure, "early_stopping=10", "feature_fraction=1.0").fit(x, y, overlapping(1000))
    noise, signal = seen[1][2], seen[3][2]
    assert noise < 40 < signal


def test_the_share_that_is_held_out_is_the_configs(configure, monkeypatch):
    seen = watched(monkeypatch)
    rng = np.random.default_rng(6)
    x = rng.standard_normal((1000, 3))
    y = np.sign(x[:, 0] + rng.standard_normal(1000))
    y[::7] = 0
    for task, objective in (("classification", "auto"), ("classification", "three_class"), ("regression", "quantile")):
        settings = "early_stopping=5", "validation_fraction=0.5", f"objective={objective}"
        model(configure, *settings, task=task).fit(x, y, overlapping(1000))
    moved = int((y[500:] != 0).sum())
    assert [len(held) for _, held, _ in seen[::2]] == [moved, 500, 500]


# --- monotone --------------------------------------------------------------------------------------------------------

NAMES = ("ofi_00", "ask_00", "depth_best")


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_more_flow_never_lowers_a_monotone_forecast(configure, task):
    rng = np.random.default_rng(7)
    x = rng.standard_normal((1500, 3))
    y = x[:, 0] - 0.5 * x[:, 1] + np.sin(4 * x[:, 0]) + np.sin(4 * x[:, 2]) + 2 * rng.standard_normal(1500)
    y = np.sign(y) if task == "classification" else y
    grid = np.linspace(-3, 3, 200)
    steps = {}
    for monotone in ("none", "ofi"):
        settings = f"monotone={monotone}", "min_child_samples=10", "learning_rate=0.1"
        fitted = model(configure, *settings, task=task, features=NAMES).fit(x, y, apart(1500))
        for k in range(3):
            rows = np.zeros((200, 3))
            rows[:, k] = grid
            steps[monotone, k] = np.diff(fitted.predict(rows))
    assert (steps["ofi", 0] >= 0).all()
    assert (steps["ofi", 1] <= 0).all()
    assert (steps["ofi", 0] > 0).any()
    assert (steps["ofi", 1] < 0).any()
    for name, k in (("none", 0), ("none", 1), ("none", 2), ("ofi", 2)):  # free: up and down
        assert (steps[name, k] > 0).any()
        assert (steps[name, k] < 0).any()


def test_a_monotone_model_is_read_with_its_own_constraints(configure, tmp_path):
    rng = np.random.default_rng(8)
    x = rng.standard_normal((300, 3))
    fitted = model(configure, "monotone=ofi", features=NAMES).fit(x, x[:, 0], apart(300))
    fitted.save(tmp_path / "m")
    again = model(configure, "monotone=ofi", features=NAMES).load(tmp_path / "m", 3)
    np.testing.assert_array_equal(again.predict(x), fitted.predict(x))
    for features, settings in ((NAMES, []), (NAMES[::-1], ["monotone=ofi"])):
        with pytest.raises(DataError, match="not a LightGBM model written by a study"):
            model(configure, *settings, features=features).load(tmp_path / "m", 3)


def test_a_monotone_model_must_know_its_features(configure):
    with pytest.raises(ValueError, match="its feature names"):
        model(configure, "monotone=ofi")


@pytest.mark.parametrize(
    ("column", "sign"),
    [
        ("ofi_00", 1), ("ofi_09_30s", 1), ("bid_03", 1), ("ask_03", -1), ("ask_00_5m", -1), ("cancels_01", 1),
        ("mlofi_sum", 1), ("mlofi_weighted_ask", -1), ("mlofi_powell_ask_1s", -1), ("mlofi_decay_trades_1.5m", 1),
        ("ofi_pca", 1), ("ofi_pca_ask", -1), ("ofi_pca_bid_30s", 1),
        ("mlofi_ridge", 1), ("mlofi_ridge_ask_30s", 1),  # the fit has its sign in the weights
        ("ofi_60s", 1), ("ofi_deep", 1), ("bid_flow", 1), ("ask_flow", -1), ("ofi_trades", 1),
        ("ofi_acceleration", 0), ("cross_SYN", 0), ("cross_SYN_age", 0), ("queue_imbalance", 0), ("ask_gap", 0),
        ("trades_per_second", 0), ("bid_slope", 0),
    ],
)  # fmt: skip
def test_which_way_a_column_pushes(column, sign):
    assert find_price_sign(column) == sign


@pytest.mark.slow
def test_every_column_of_flow_has_a_sign_as_price_follows_it(configure):
    """On a simulated book, the sign is that of the column's correlation with the same bar's move."""
    import polars as pl

    from ofiml.data.synthetic import simulate
    from ofiml.ofi.flow import build_flow_matrix, list_flow_groups
    from ofiml.ofi.reduce import build_reducer
    from ofiml.samples.prepare import prepare_session
    from ofiml.samples.settings import SampleSettings

    base = "dataset.sessions=1", "dataset.session_length=10m", "target=impact", "bars.step=5s"
    (session,) = simulate(configure(*base, "model=ols").dataset, 0)
    prepared = prepare_session(session, SampleSettings.of(configure(*base, "model=ols", "ofi.parts=sides")))
    rows = prepared.rows.filter(pl.col("y").is_not_null())
    y = rows["y"].to_numpy()
    for name in ("best_level", "mlofi_sum", "mlofi_weighted", "mlofi_decay", "mlofi_powell", "mlofi_ridge", "pca"):
        for parts in ("net", "sides"):
            config = configure(*base, "model=ols", f"ofi={name}", f"ofi.parts={parts}")
            flow = build_flow_matrix(rows, prepared.flow_levels, "none", list_flow_groups(config.ofi))
            fitted = build_reducer(config.ofi, flow.shape[1]).fit(flow, y)
            x = fitted.transform(flow)
            for k, column in enumerate(fitted.columns):
                assert np.sign(np.corrcoef(x[:, k], y)[0, 1]) == find_price_sign(column), column


def test_options_that_are_off_change_nothing(configure):
    """What LightGBM is given by default is what it was given before there were any."""
    made = model(configure)
    assert set(made.params) == {
        "objective", "learning_rate", "num_leaves", "min_child_samples", "reg_lambda", "feature_fraction",
        "bagging_fraction", "bagging_freq", "seed", "deterministic", "force_col_wise", "num_threads", "verbosity",
    }  # fmt: skip
    assert isinstance(made, lgbm.Lgbm)

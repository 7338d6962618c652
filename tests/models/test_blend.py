"""Blends: weights by hand, members on rows they have not seen, and back from text to the bit."""

import json

import numpy as np
import pytest

from ofiml.config import load, resolve_config
from ofiml.errors import DataError
from ofiml.models.blend import fit_blend_weights
from ofiml.models.registry import build_model
from tests.intervals import apart


def test_weights_by_hand():
    a, b = np.array([1.0, 0.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0, 0.0])
    said, y = np.column_stack([a, b]), np.array([3.0, -2.0, 5.0, 0.0])
    np.testing.assert_allclose(fit_blend_weights(said, y, sum_to_one=False), [3, 0])
    np.testing.assert_allclose(fit_blend_weights(said, -y, sum_to_one=False), [0, 2])
    np.testing.assert_allclose(fit_blend_weights(said, -np.abs(y), sum_to_one=False), [0, 0])
    # The nearest point to (0.7, 0.4) on the line w1 + w2 = 1 is (0.65, 0.35); to (3, -2) the corner (1, 0).
    np.testing.assert_allclose(fit_blend_weights(said, np.array([0.7, 0.4, 0, 0]), sum_to_one=True), [0.65, 0.35])
    np.testing.assert_allclose(fit_blend_weights(said, y, sum_to_one=True), [1, 0], atol=1e-12)


def test_weights_that_sum_to_one_are_the_best_of_a_grid():
    rng = np.random.default_rng(0)
    said = rng.standard_normal((300, 3))
    for _ in range(5):
        y = said @ rng.dirichlet([0.5] * 3) + rng.standard_normal(300)
        weights = fit_blend_weights(said, y, sum_to_one=True)
        assert weights.sum() == pytest.approx(1)
        grid = np.array([(i, j, 60 - i - j) for i in range(61) for j in range(61 - i)]) / 60
        losses = ((y[:, None] - said @ grid.T) ** 2).sum(axis=0)
        mine = ((y - said @ weights) ** 2).sum()
        assert mine <= losses.min() + 1e-9
        np.testing.assert_allclose(weights, grid[losses.argmin()], atol=0.02)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((900, 3))
    y = x @ [1, 0.5, 0] + 0.8 * np.sign(x[:, 2]) + rng.standard_normal(900)
    x[rng.random(x.shape) < 0.05] = np.nan
    return x, np.round(y)


def blend(configure, *overrides, task="regression"):
    name, target = ("blend_direction", "direction") if task == "classification" else ("blend", "forecast")
    return configure(f"model={name}", f"target={target}", "model.members.lgbm.n_estimators=40", *overrides)


def test_the_mean_is_the_members_mean(configure, rows):
    x, y = rows
    config = blend(configure).model
    fitted = build_model(config, task="regression", seed=3).fit(x, y, apart(900))
    alone = [build_model(m, task="regression", seed=3).fit(x, y, apart(900)) for m in config.members.values()]
    for ask in ("predict", "contributions"):
        each = [getattr(m, ask)(x) for m in alone]
        np.testing.assert_allclose(getattr(fitted, ask)(x), (each[0] + each[1]) / 2, atol=1e-12)
    assert fitted.probabilities(x) is None
    assert fitted.native() is None


@pytest.mark.slow
def test_a_stack_weighs_what_its_members_say_out_of_fold(configure, rows):
    x, y = rows
    config = blend(configure, "model.how=stack", "+model@model.members.nothing=zero").model
    fitted = build_model(config, task="regression", seed=3).fit(x, y, apart(900))
    said, happened = [], []
    inner = apart(900)
    for fold in inner.folds(3, first_train=0.4, key=""):
        known = x[fold.train], y[fold.train], inner.take(fold.train)
        said.append(
            [
                build_model(m, task="regression", seed=3).fit(*known).predict(x[fold.test])
                for m in config.members.values()
            ]
        )
        happened.append(y[fold.test])
    expected = np.linalg.lstsq(np.hstack(said).T[:, :2], np.concatenate(happened), rcond=None)[0]
    assert (expected > 0.1).all()  # so that the non-negative ones are the same
    np.testing.assert_allclose(fitted.weights, [*expected, 0], atol=1e-8)


def test_a_stack_of_classifiers_gives_probabilities(configure, rows):
    x, y = rows[0], np.sign(rows[1])
    settings = "model.how=stack", "model.members.lgbm.objective=three_class"
    fitted = build_model(blend(configure, *settings, task="classification").model, task="classification", seed=3)
    chances = fitted.fit(x, y, apart(900)).probabilities(x)
    assert fitted.weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    np.testing.assert_allclose(chances[:, 2] - chances[:, 0], fitted.predict(x), atol=1e-12)
    assert np.mean((y - fitted.predict(x)) ** 2) < 0.8 * np.mean(y**2)


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_saved_and_read_it_says_the_same_to_the_bit_of_one_row_and_of_many(configure, rows, tmp_path, task):
    x, y = rows[0], np.sign(rows[1]) if task == "classification" else rows[1]
    config = blend(configure, "model.how=stack", task=task).model
    fitted = build_model(config, task=task, seed=3).fit(x, y, apart(900))
    fitted.save(tmp_path / "fold_00")
    flat = ["fold_00_00_flat.json", "fold_00_01_flat.json"] * (task == "classification")
    files = ["fold_00.json", "fold_00_00.json", "fold_00_01.txt", *flat]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(files)
    again = build_model(config, task=task, seed=3).load(tmp_path / "fold_00", 3)
    many = again.predict(x)
    np.testing.assert_array_equal(many, fitted.predict(x))
    np.testing.assert_array_equal(many[:300], np.concatenate([again.predict(x[i : i + 1]) for i in range(300)]))
    path = tmp_path / "fold_00.json"
    weights = json.loads(path.read_text())["weights"]
    for wrong in (weights[:1], [*weights, 0.0], [-0.1, 1.1], [1e9, 0.0], [float("nan"), 1.0], "ab", [], [[1.0], [0.0]]):
        path.write_text(json.dumps({"weights": wrong}))
        with pytest.raises(DataError, match=r"fold_00\.json (is not a|does not match the) blend"):
            build_model(config, task=task, seed=3).load(tmp_path / "fold_00", 3)
    path.write_text(json.dumps({"weights": weights, "more": 1}))
    with pytest.raises(DataError, match="is not a blend"):
        build_model(config, task=task, seed=3).load(tmp_path / "fold_00", 3)


def test_the_members_are_in_the_resolved_config_which_loads_to_itself(configure):
    config = blend(configure, "+model@model.members.slow=lgbm", "model.members.slow.learning_rate=0.01")
    written = resolve_config(config)
    assert list(written["model"]["members"]) == ["ridge", "lgbm", "slow"]
    assert written["model"]["members"]["slow"]["learning_rate"] == 0.01
    assert written["model"]["members"]["lgbm"]["n_estimators"] == 40
    assert all(member["space"] == {} for member in written["model"]["members"].values())
    assert resolve_config(load(written)) == written

"""Models: against their closed forms and peers, bit by bit again, saved as text, and what they do with NaN."""

import json
import pickletools

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ofiml.config import SCHEMAS
from ofiml.errors import DataError
from ofiml.models.registry import build_model
from ofiml.ofi.reduce import build_reducer
from tests.conftest import slow_but_each
from tests.intervals import apart

KINDS = [
    ("ols", "regression"),
    ("ridge", "regression"),
    ("lasso", "regression"),
    ("elasticnet", "regression"),
    ("logistic", "classification"),
    ("lgbm", "regression"),
    ("lgbm", "classification"),
]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((600, 4)) * [1, 10, 0.1, 5]
    y = np.round(x @ [1, 0.05, 0, 0] + rng.standard_normal(600))
    return x, y


def model(configure, name, task, seed=7):
    target = "direction" if task == "classification" else "forecast"
    return build_model(configure(f"model={name}", f"target={target}").model, task=task, seed=seed)


@pytest.mark.parametrize(("name", "task"), slow_but_each(3, KINDS))
def test_fit_again_gives_the_same_bits(configure, rows, name, task):
    x, y = rows
    y = np.sign(y) if task == "classification" else y
    a, b = (model(configure, name, task).fit(x, y, apart(len(y))).predict(x) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert np.corrcoef(a, y)[0, 1] > 0.4
    if task == "classification":
        assert (np.abs(a) <= 1).all()


def test_ols_is_least_squares(configure, rows):
    x, y = rows
    full = np.column_stack([np.ones(len(x)), x])
    beta = np.linalg.lstsq(full, y, rcond=None)[0]
    np.testing.assert_allclose(
        model(configure, "ols", "regression").fit(x, y, apart(len(y))).predict(x), full @ beta, atol=1e-10
    )


@pytest.mark.parametrize(("name", "share"), [("lasso", 1.0), ("elasticnet", 0.4)])
def test_lasso_and_elastic_net_are_coordinate_descent(configure, rows, name, share):
    x, y = rows
    config = configure(f"model={name}", "model.alpha=0.3", *(["model.l1_ratio=0.4"] if share < 1 else [])).model
    fitted = build_model(config, task="regression", seed=7).fit(x, y, apart(len(y)))
    z, centred, beta = (x - x.mean(axis=0)) / x.std(axis=0), y - y.mean(), np.zeros(4)
    for _ in range(500):
        for j in range(4):
            rest = centred - z @ beta + z[:, j] * beta[j]
            slope = np.mean(z[:, j] * rest)
            beta[j] = np.sign(slope) * max(0, abs(slope) - 0.3 * share) / (1 + 0.3 * (1 - share))
    np.testing.assert_allclose(fitted.scorer.coef, beta, atol=1e-3)
    np.testing.assert_allclose(fitted.predict(x), z @ beta + y.mean(), atol=3e-3)
    assert (beta == 0).sum() == (fitted.scorer.coef == 0).sum() == 2  # two columns that say nothing


def test_zero_is_zero(configure, rows):
    assert not model(configure, "zero", "regression").fit(*rows, apart(len(rows[0]))).predict(rows[0]).any()


def test_linear_models_take_the_train_median_for_nan(configure, rows):
    x, y = rows
    fitted = model(configure, "ridge", "regression").fit(x, y, apart(len(y)))
    hole, filled = x[:1].copy(), x[:1].copy()
    hole[0, 0], filled[0, 0] = np.nan, np.median(x[:, 0])
    assert fitted.predict(hole) == pytest.approx(fitted.predict(filled))
    empty = x.copy()
    empty[:, 2] = np.nan  # a column without any value still fits
    assert np.isfinite(model(configure, "ols", "regression").fit(empty, y, apart(len(y))).predict(empty)).all()


@pytest.mark.parametrize("name", ["ols", "logistic"])
def test_linear_models_fit_as_a_pipeline_does_and_leave_their_rows(configure, rows, name):
    """To the bit, with missing values, a constant column and one without any value."""
    x, y = rows[0].copy(), rows[1]
    x[::7, 1], x[:, 2], x[:, 3] = np.nan, 3.3, np.nan
    task = "classification" if name == "logistic" else "regression"
    y = np.sign(y) if name == "logistic" else y
    before = x.copy()
    ours = model(configure, name, task).fit(x, y, apart(len(x))).native()
    np.testing.assert_array_equal(x, before)
    imputer = SimpleImputer(strategy="median", keep_empty_features=True)
    theirs = make_pipeline(imputer, StandardScaler(), clone(ours[2]))
    moved = y != 0 if name == "logistic" else np.ones(len(y), bool)
    theirs.fit(x[moved], y[moved] > 0 if name == "logistic" else y)
    np.testing.assert_array_equal(ours[0].statistics_, theirs[0].statistics_)
    for value in ("mean_", "scale_", "var_", "n_samples_seen_"):
        np.testing.assert_array_equal(getattr(ours[1], value), getattr(theirs[1], value))
    np.testing.assert_array_equal(ours[2].coef_, theirs[2].coef_)
    np.testing.assert_array_equal(ours.decision_function(x) if name == "logistic" else ours.predict(x),
                                  theirs.decision_function(x) if name == "logistic" else theirs.predict(x))  # fmt: skip
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("name", ["logistic", "lgbm"])
def test_a_classifier_ignores_rows_without_a_move_and_needs_both_ways(configure, rows, name):
    x, y = rows
    y = np.sign(y)
    moved = y != 0
    all_rows = model(configure, name, "classification").fit(x, y, apart(len(y))).probabilities(x)
    moves = model(configure, name, "classification").fit(x[moved], y[moved], apart(moved.sum())).probabilities(x)
    np.testing.assert_allclose(all_rows[:, [0, 2]], moved.mean() * moves[:, [0, 2]], rtol=1e-12)
    np.testing.assert_array_equal(all_rows[:, 1], np.mean(y == 0))
    assert not moves[:, 1].any()
    with pytest.raises(DataError, match="moved the same way"):
        model(configure, name, "classification").fit(x, np.abs(y), apart(len(y)))


@pytest.mark.parametrize(("name", "task"), slow_but_each(3, KINDS))
def test_contributions_add_up_to_the_score(configure, rows, name, task):
    x, y = rows
    y = np.sign(y) if task == "classification" else y
    fitted = model(configure, name, task).fit(x, y, apart(len(y)))
    shap = fitted.contributions(x)
    assert shap.shape == x.shape
    score = fitted.predict(x)
    if task == "classification":
        chances = fitted.probabilities(x)
        score = np.log(chances[:, 2] / chances[:, 0])
    rest = score - shap.sum(axis=1)
    np.testing.assert_allclose(rest, rest[0], atol=1e-6)


def test_lightgbm_contributions_are_tree_shap(configure, rows):
    import shap

    x, y = rows
    fitted = model(configure, "lgbm", "regression").fit(x, y, apart(len(y)))
    theirs = shap.TreeExplainer(fitted.native()).shap_values(x[:50])
    np.testing.assert_array_equal(fitted.contributions(x[:50]), theirs)


@pytest.mark.parametrize(("name", "task"), slow_but_each(3, [("zero", "regression"), *KINDS]))
def test_saved_models_are_text(configure, rows, tmp_path, name, task):
    x, y = rows
    fitted = model(configure, name, task).fit(x, np.sign(y) if task == "classification" else y, apart(len(y)))
    fitted.save(tmp_path / "fold_00")
    paths = sorted(tmp_path.iterdir())
    assert [path.name for path in paths[1:]] == (["fold_00_flat.json"] if task == "classification" else [])
    for path in paths:
        with pytest.raises(Exception, match=r".*"):
            list(pickletools.genops(path.read_bytes()))
    path = paths[0]
    text = path.read_text()
    if path.suffix == ".json" and name != "zero":
        parts = json.loads(text)
        z = (x - parts["mean"]) / np.array(parts["scale"])
        score = z @ np.array(parts["coef"]) + parts["intercept"]
        if task == "classification":
            score = np.mean(y != 0) * (2 / (1 + np.exp(-score)) - 1)
        np.testing.assert_allclose(score, fitted.predict(x), atol=1e-10)
    if path.suffix == ".txt":
        import lightgbm

        again = lightgbm.Booster(model_file=path).predict(x)
        again = np.mean(y != 0) * (2 * again - 1) if task == "classification" else again
        np.testing.assert_allclose(again, fitted.predict(x), rtol=1e-12)


def test_reductions_by_hand(configure):
    flow = np.vstack([[1.0, 2.0, 4.0], np.random.default_rng(0).normal(0, [1, 2, 3], (500, 3))])
    y = flow @ [1.0, 0.5, 0.0]
    variants = list(SCHEMAS["ofi"])
    reduced = {n: build_reducer(configure(f"ofi={n}").ofi, 3).fit(flow, y) for n in variants}
    first = {n: r.transform(flow)[0].tolist() for n, r in reduced.items()}
    assert first["best_level"] == [1]
    assert first["mlofi"] == [1, 2, 4]
    assert first["mlofi_sum"] == [7]
    assert first["mlofi_weighted"] == pytest.approx([(1 + 2 / 2 + 4 / 3) / (1 + 1 / 2 + 1 / 3)])
    w = np.exp([-0.0, -0.5, -1.0])
    assert first["mlofi_decay"] == pytest.approx([(w @ [1, 2, 4]) / w.sum()])
    assert reduced["mlofi_ridge"].weights == pytest.approx([1, 0.5, 0], abs=0.05)
    assert reduced["mlofi_powell"].weights == pytest.approx([2 / 3, 1 / 3, 0], abs=0.02)
    assert np.abs(reduced["pca"].weights).sum() == pytest.approx(1)
    assert reduced["pca"].weights.sum() > 0
    assert [n for n, r in reduced.items() if r.fitted] == ["mlofi_ridge", "mlofi_powell", "pca"]


@pytest.mark.parametrize(
    ("name", "task", "file"),
    [
        ("ridge", "regression", "m.json"),
        ("zero", "regression", "m.json"),
        ("blend", "regression", "m.json"),
        ("lgbm", "regression", "m.txt"),
        ("logistic", "classification", "m_flat.json"),
    ],
)
def test_a_file_of_a_model_appears_whole_or_not_at_all(configure, rows, tmp_path, fill_disk, name, task, file):
    x, y = rows
    fitted = model(configure, name, task).fit(x, np.sign(y) if task == "classification" else y, apart(len(y)))
    fitted.save(tmp_path / "m")
    names = sorted(path.name for path in tmp_path.iterdir())
    (tmp_path / file).write_text("old")
    fill_disk(file)
    with pytest.raises(OSError, match="No space left"):
        fitted.save(tmp_path / "m")
    assert (tmp_path / file).read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == names, "no part of the new one stays"

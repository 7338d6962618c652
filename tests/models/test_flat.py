"""One contract for every model of a direction: probabilities of all rows, whether they move or not."""

import json

import numpy as np
import pytest

from ofiml.errors import DataError
from ofiml.models.base import expand_binary_probabilities
from ofiml.models.flat import FlatShareClassifier
from ofiml.models.registry import build_model
from tests.conftest import slow_but_each
from tests.intervals import apart

TWO_WAYS = {
    "logistic": ["model=logistic"],
    "calibrated": ["model=logistic", "model.calibration=isotonic"],
    "lgbm": ["model=lgbm", "model.n_estimators=30"],
    "zero": ["model=zero"],
}
OTHERS = {
    "three_class": ["model=lgbm", "model.n_estimators=30", "model.objective=three_class"],
    "mixed": ["model=blend_direction", "model.members.lgbm.n_estimators=30",
              "model.members.lgbm.objective=three_class"],
}  # fmt: skip
MODELS = TWO_WAYS | OTHERS


@pytest.fixture(scope="module")
def rows():
    """Of 900 rows 70 in 100 do not move."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((900, 3))
    way = np.where(rng.random(900) < 1 / (1 + np.exp(-x[:, 0])), 1.0, -1.0)
    return x, np.where(rng.permutation(900) < 630, 0.0, way)


def made(configure, name):
    return build_model(configure("target=direction", *MODELS[name]).model, task="classification", seed=3)


@pytest.mark.parametrize("name", slow_but_each(3, MODELS))
def test_probabilities_are_of_all_rows_and_the_forecast_is_theirs(configure, rows, name, tmp_path):
    x, y = rows
    fitted = made(configure, name).fit(x, y, apart(900))
    chances = fitted.probabilities(x)
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(fitted.predict(x), chances[:, 2] - chances[:, 0], atol=1e-15)
    assert chances[:, 1].mean() == pytest.approx(0.7, abs=0.02)
    if name in TWO_WAYS:
        assert (chances[:, 1] == 0.7).all()
    fitted.save(tmp_path / "fold_00")
    again = made(configure, name).load(tmp_path / "fold_00", 3)
    for ask in ("predict", "probabilities"):
        many = getattr(again, ask)(x)
        np.testing.assert_array_equal(many, getattr(fitted, ask)(x))
        np.testing.assert_array_equal(many[:50], np.concatenate([getattr(again, ask)(x[i : i + 1]) for i in range(50)]))


@pytest.mark.parametrize("name", slow_but_each(2, TWO_WAYS))
def test_where_every_row_moves_it_is_the_classifier_itself_to_the_bit(configure, rows, name):
    x, y = rows
    x, y = x[y != 0], y[y != 0]
    fitted = made(configure, name).fit(x, y, apart(len(y)))
    np.testing.assert_array_equal(fitted.predict(x), fitted.model.predict(x))
    np.testing.assert_array_equal(fitted.probabilities(x), fitted.model.probabilities(x))
    assert (fitted.probabilities(x)[:, 1] == 0).all()


def test_what_moves_goes_as_the_classifier_says(configure, rows):
    """Whatever the share that does not: rows without a move are no rows that it learns from."""
    x, y = rows
    moved = y != 0
    some = made(configure, "logistic").fit(x, y, apart(900)).probabilities(x)
    none = made(configure, "logistic").fit(x[moved], y[moved], apart(int(moved.sum()))).probabilities(x)
    np.testing.assert_allclose(some[:, [0, 2]], 0.3 * none[:, [0, 2]])


@pytest.mark.parametrize(
    "wrong",
    slow_but_each(
        3,
        [
            {"flat": -0.1},
            {"flat": 1.5},
            {"flat": True},
            {"flat": "0.5"},
            {"flat": [0.5]},
            {"flat": float("nan")},
            {"flat": None},
            {},
            {"flat": 0.5, "more": 1},
            [0.5],
        ],
    ),
    ids=str,
)
def test_a_strangers_share_is_refused(configure, rows, tmp_path, wrong):
    made(configure, "zero").fit(*rows, apart(900)).save(tmp_path / "fold_00")
    (tmp_path / "fold_00_flat.json").write_text(json.dumps(wrong))
    with pytest.raises(DataError, match=r"fold_00_flat\.json (must have|is not) a share of flat rows"):
        made(configure, "zero").load(tmp_path / "fold_00", 3)


def test_by_hand():
    class Sure:
        def fit(self, x, y, inner):
            return self

        def predict(self, x):
            return np.full(len(x), 0.5)

        def probabilities(self, x):
            return expand_binary_probabilities(np.full(len(x), 0.75))

    x, y = np.zeros((4, 1)), np.array([1.0, 0.0, -1.0, 1.0])
    fitted = FlatShareClassifier(Sure()).fit(x, y, apart(4))
    assert fitted.predict(x).tolist() == [0.375] * 4
    assert fitted.probabilities(x)[0].tolist() == [0.1875, 0.25, 0.5625]

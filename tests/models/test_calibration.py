"""Calibrated probabilities: nearer to what happens out of sample, rising, fitted on rows not seen before."""

import json

import numpy as np
import pytest

from ofiml.errors import DataError
from ofiml.models.base import expand_binary_probabilities
from ofiml.models.calibration import CalibratedClassifier, Isotonic, Sigmoid
from ofiml.models.registry import build_model
from tests.conftest import slow_but_each
from tests.intervals import apart


class Boastful:
    """Says P(up) with its log odds three times too far from 0, and three ways likewise."""

    def __init__(self, flat=False):
        self.flat, self.fits = flat, []

    def fit(self, x, y, inner):
        self.fits.append((x, inner))
        return self

    def probabilities(self, x):
        if self.flat:
            p = np.exp(3 * np.column_stack([-x[:, 0], np.zeros(len(x)), x[:, 0]]))
            return p / p.sum(axis=1)[:, None]
        return expand_binary_probabilities(1 / (1 + np.exp(-3 * x[:, 0])))


def brier(p, happened):
    return float(np.mean((p - happened) ** 2))


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((6000, 1))
    return x, np.where(rng.random(6000) < 1 / (1 + np.exp(-x[:, 0])), 1.0, -1.0)


@pytest.mark.parametrize("method", ["isotonic", "sigmoid"])
def test_a_boastful_model_is_brought_down_to_what_happens(rows, method):
    x, y = rows
    fitted = CalibratedClassifier(Boastful, method, flat=False).fit(x[:3000], y[:3000], apart(3000))
    up = fitted.probabilities(x[3000:])[:, 2]
    happened = (y[3000:] > 0).astype(float)
    truth = 1 / (1 + np.exp(-x[3000:, 0]))
    raw, best = brier(Boastful().probabilities(x[3000:])[:, 2], happened), brier(truth, happened)
    assert brier(up, happened) < best + 0.15 * (raw - best)
    assert np.abs(up - truth).mean() < 0.04
    order = np.argsort(x[3000:, 0])
    assert (np.diff(up[order]) >= 0).all()
    assert 0 < up.min() < up.max() < 1
    np.testing.assert_allclose(fitted.predict(x), 2 * fitted.probabilities(x)[:, 2] - 1, atol=1e-15)
    if method == "sigmoid":
        assert fitted.curves[0].x[0] == pytest.approx(1 / 3, abs=0.03)
        assert fitted.curves[0].y[0] == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("method", ["isotonic", "sigmoid"])
def test_three_ways_are_calibrated_each_and_sum_to_one(method):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((6000, 1))
    law = np.exp(np.column_stack([-x[:, 0], np.zeros(6000), x[:, 0]]))
    law /= law.sum(axis=1)[:, None]
    y = (rng.random(6000)[:, None] > law.cumsum(axis=1)).sum(axis=1) - 1.0
    fitted = CalibratedClassifier(lambda: Boastful(flat=True), method, flat=True).fit(x[:3000], y[:3000], apart(3000))
    chances = fitted.probabilities(x[3000:])
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-12)
    raw = np.abs(Boastful(flat=True).probabilities(x[3000:]) - law[3000:]).mean()
    assert np.abs(chances - law[3000:]).mean() < 0.4 * raw


def test_the_curve_is_fitted_out_of_fold_and_the_model_on_all_rows():
    """A model that has learned its rows by heart says nothing true of them; out of fold it is known to guess."""
    rng = np.random.default_rng(2)
    x, y = np.arange(900.0)[:, None], np.where(rng.random(900) < 0.5, 1.0, -1.0)
    made = []

    class ByHeart(Boastful):
        def __init__(self):
            super().__init__()
            made.append(self)
            self.known = {}

        def fit(self, x, y, inner):
            self.known = dict(zip(x[:, 0].tolist(), y.tolist(), strict=True))
            return super().fit(x, y, inner)

        def probabilities(self, x):
            assert len(self.known) == 900 or not set(self.known) & set(x[:, 0].tolist())
            return expand_binary_probabilities(
                np.array([0.5 + 0.49 * self.known.get(v, 1.0 if v % 2 else -1.0) for v in x[:, 0]])
            )

    inner = apart(900, embargo=25_000_000_000)
    fitted = CalibratedClassifier(ByHeart, "sigmoid", flat=False).fit(x, y, inner)
    up = fitted.probabilities(x)[:, 2]
    assert np.abs(up - 0.5).max() < 0.1
    fits = [fit for one in made for fit in one.fits]
    assert [len(x) for x, _ in fits] == [357, 537, 717, 900]  # 40, 60, 80 % less three rows of the embargo, and all
    assert all(len(part.rows) == len(x) for x, part in fits)


def test_isotonic_by_hand():
    curve = Isotonic.fit(np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.0, 1.0, 0.0, 1.0]))
    # 1 then 0 pool to 1/2; what never happened in 4 rows is taken as 1/6.
    np.testing.assert_allclose(curve(np.array([0.0, 0.1, 0.15, 0.2, 0.3, 0.35, 0.4, 1.0])),
                               [1 / 6, 1 / 6, 1 / 3, 1 / 2, 1 / 2, 2 / 3, 5 / 6, 5 / 6])  # fmt: skip
    one = Isotonic.fit(np.full(8, 0.7), np.array([1.0] * 4 + [0.0] * 4))
    np.testing.assert_allclose(one(np.array([0.0, 0.7, 1.0])), 0.5)


def test_scores_that_point_the_wrong_way_give_the_base_rate():
    p, happened = np.linspace(0.1, 0.9, 200), np.repeat([1.0, 0.0], [120, 80])
    curve = Sigmoid.fit(p, happened)
    np.testing.assert_allclose(curve(p), 0.6, atol=0.01)
    np.testing.assert_allclose(Isotonic.fit(p, happened)(p), 0.6)
    sure = Sigmoid.fit(np.array([0.0, 1.0, 1.0]), np.array([0.0, 1.0, 1.0]))
    assert np.isfinite(sure(np.array([0.0, 0.5, 1.0]))).all()


CASES = [("logistic", []), ("lgbm", []), ("lgbm", ["model.objective=three_class"])]


def saved(configure, tmp_path, name, extra, method):
    overrides = [f"model={name}", "target=direction", f"model.calibration={method}", *extra]
    config = configure(*overrides).model
    rng = np.random.default_rng(3)
    x = rng.standard_normal((900, 3))
    x[rng.random(x.shape) < 0.1] = np.nan
    y = np.sign(np.round(np.nan_to_num(x) @ [1, -1, 0] + rng.standard_normal(900)))
    fitted = build_model(config, task="classification", seed=1).fit(x, y, apart(900))
    fitted.save(tmp_path / "fold_00")
    return config, fitted, x


@pytest.mark.parametrize("method", ["isotonic", "sigmoid"])
@pytest.mark.parametrize(("name", "extra"), slow_but_each(3, CASES))
def test_saved_and_read_it_says_the_same_to_the_bit_of_one_row_and_of_many(configure, tmp_path, name, extra, method):
    config, fitted, x = saved(configure, tmp_path, name, extra, method)
    again = build_model(config, task="classification", seed=1).load(tmp_path / "fold_00", 3)
    for ask in ("predict", "probabilities"):
        many = getattr(again, ask)(x)
        np.testing.assert_array_equal(many, getattr(fitted, ask)(x))
        np.testing.assert_array_equal(many, np.concatenate([getattr(again, ask)(x[i : i + 1]) for i in range(300)] +
                                                           [many[300:]]))  # fmt: skip
    assert fitted.contributions(x).shape == x.shape
    assert len(np.unique(fitted.predict(x))) > 5


WRONG = {
    "another method": {"method": "sigmoid"},
    "no curves": {"curves": []},
    "curves of three": lambda parts: {"curves": parts["curves"] * 3},
    "no mapping": {"curves": [1]},
    "falling": lambda parts: {"curves": [parts["curves"][0] | {"y": parts["curves"][0]["y"][::-1]}]},
    "twice the same": {"curves": [{"x": [0.5, 0.5], "y": [0.1, 0.2]}]},
    "of two lengths": {"curves": [{"x": [0.5], "y": [0.1, 0.2]}]},
    "certain": {"curves": [{"x": [0.1, 0.5], "y": [0.1, 1.0]}]},
    "not finite": {"curves": [{"x": [0.1, float("nan")], "y": [0.1, 0.2]}]},
    "text": {"curves": [{"x": ["a"], "y": [0.1]}]},
    "empty": {"curves": [{"x": [], "y": []}]},
    "deep": {"curves": [{"x": [[0.1]], "y": [[0.1]]}]},
    "another key": {"more": 1},
}


@pytest.fixture(scope="module")
def sound(configure, tmp_path_factory):
    """(config, stem, text of the calibration) of a saved model; each test writes that file anew."""
    folder = tmp_path_factory.mktemp("sound")
    config, _, _ = saved(configure, folder, "logistic", [], "isotonic")
    return config, folder / "fold_00", (folder / "fold_00_calibration.json").read_text()


@pytest.mark.parametrize("wrong", WRONG)
def test_a_strangers_calibration_is_refused(sound, wrong):
    config, stem, text = sound
    path = stem.with_name("fold_00_calibration.json")
    path.write_text(text)
    build_model(config, task="classification", seed=1).load(stem, 3)
    parts, change = json.loads(text), WRONG[wrong]
    path.write_text(json.dumps(parts | (change(parts) if callable(change) else change)))
    with pytest.raises(
        DataError, match=r"fold_00_calibration\.json (is not a calibration|does not match model\.calibration)"
    ):
        build_model(config, task="classification", seed=1).load(stem, 3)
    path.write_text("[" * 100_000)
    with pytest.raises(DataError, match="is not a calibration"):
        build_model(config, task="classification", seed=1).load(stem, 3)


@pytest.mark.slow
def test_calibration_improves_an_overfitted_model_out_of_sample(configure):
    rng = np.random.default_rng(4)
    x = rng.standard_normal((4000, 4))
    y = np.where(rng.random(4000) < 1 / (1 + np.exp(-0.5 * x[:, 0])), 1.0, -1.0)
    scores = {}
    wild = ["model.num_leaves=31", "model.min_child_samples=5", "model.learning_rate=0.3", "model.reg_lambda=0"]
    for method in ("none", "isotonic", "sigmoid"):
        config = configure("model=lgbm", "target=direction", f"model.calibration={method}", *wild).model
        fitted = build_model(config, task="classification", seed=1).fit(x[:2000], y[:2000], apart(2000))
        scores[method] = brier(fitted.probabilities(x[2000:])[:, 2], y[2000:] > 0)
    assert scores["none"] > 0.27  # worse than saying one half
    assert max(scores["isotonic"], scores["sigmoid"]) < 0.25

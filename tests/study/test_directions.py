"""Directions whose rows may not move: from tuning's choice to the edge in ticks, the truth is what scores best."""

import numpy as np
import pytest

from ofiml.evaluation.seeds import SeedScores
from ofiml.labels import convert_to_ticks
from ofiml.metrics.scores import (
    class_log_loss,
    condition_on_move,
    log_loss,
    r2,
)
from ofiml.models.base import Task, expand_binary_probabilities
from ofiml.models.blend import Blend
from ofiml.models.flat import FlatShareClassifier
from ofiml.tuning import inner as tuning
from ofiml.tuning.inner import InnerFold, evaluate
from tests.conftest import slow_except
from tests.intervals import apart

MOVES = 0.3


class TwoWay:
    """P(up | the mid moves) as it is, or further from 1/2 by a factor."""

    def __init__(self, boast=1.0):
        self.boast = boast

    def fit(self, x, y, inner):
        return self

    def up(self, x):
        return 1 / (1 + np.exp(-0.6 * self.boast * x[:, 0]))

    def predict(self, x):
        return 2 * self.up(x) - 1

    def probabilities(self, x):
        return expand_binary_probabilities(self.up(x))


class ThreeWay(TwoWay):
    """The same, of all rows."""

    def predict(self, x):
        p = self.probabilities(x)
        return p[:, 2] - p[:, 0]

    def probabilities(self, x):
        up = self.up(x)
        return np.column_stack([MOVES * (1 - up), np.full(len(x), 1 - MOVES), MOVES * up])


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((100_000, 1))
    way = np.where(rng.random(len(x)) < TwoWay().up(x), 1.0, -1.0)
    return x, np.where(rng.random(len(x)) < MOVES, way, 0.0)


@pytest.mark.parametrize(
    "make", [lambda boast: FlatShareClassifier(TwoWay(boast)), ThreeWay], ids=["two ways", "three ways"]
)
def test_tuning_and_the_log_loss_prefer_the_truth_to_boasting(configure, rows, monkeypatch, make):
    x, y = rows
    half = len(y) // 2
    fold = InnerFold(x[:half], y[:half], apart(half), x[half:], y[half:], ["ofi_00"])
    config, scores, losses = configure("model=logistic", "target=direction").model, {}, {}
    for boast in (0.5, 1.0, 2.0, 3.3):
        monkeypatch.setattr(tuning, "build_model", lambda *_, boast=boast, **__: make(boast))
        scores[boast] = evaluate(config, [fold], task="classification", seed=1, should_prune=lambda _: False).score
        fitted = make(boast).fit(fold.x, fold.y, fold.rows)
        losses[boast] = log_loss(fold.y_test, condition_on_move(fitted.probabilities(fold.x_test)))
    assert max(scores, key=scores.get) == 1.0
    assert min(losses, key=losses.get) == 1.0


@pytest.mark.slow
def test_a_calibrated_model_has_skill_however_seldom_the_mid_moves(rows):
    x, y = rows
    fitted = FlatShareClassifier(TwoWay()).fit(x, y, apart(len(y)))
    mean = np.full(len(y), y.mean())
    assert 0.015 < r2(y, fitted.predict(x), mean) < 0.03
    assert r2(y, TwoWay().predict(x), mean) < -0.09  # what is said of rows that move is no forecast of all
    assert fitted.predict(x) == pytest.approx(ThreeWay().predict(x), abs=0.01)
    assert class_log_loss(y, fitted.probabilities(x)) == pytest.approx(
        class_log_loss(y, ThreeWay().probabilities(x)), abs=1e-4
    )


@pytest.mark.parametrize("how", ["mean", "stack"])
def test_edges_of_a_mixed_blend_are_of_the_right_size(configure, rows, how):
    x, y = rows
    x, y = x[:20_000], y[:20_000]
    settings = f"model.how={how}", "model.members.lgbm.objective=three_class"
    blend = Blend(configure("model=blend_direction", "target=direction", *settings).model, Task("direction", 1))
    blend._make = lambda: [FlatShareClassifier(TwoWay()), ThreeWay()]
    blend.fit(x, y, apart(len(y)))
    chances, y_hat, move = blend.probabilities(x), blend.predict(x), 2.0 * y
    np.testing.assert_allclose(y_hat, chances[:, 2] - chances[:, 0], atol=1e-12)
    target = configure("target=dead_band", "model=logistic").target
    edge = convert_to_ticks(y_hat, chances[:, 1], np.ones(len(y)), y, move, target)
    assert edge @ move / (edge @ edge) == pytest.approx(1, abs=0.1)


QUICK = ["tuning=off", "evaluation.bootstrap_samples=50", "evaluation.permutation_repeats=0",
         "evaluation.interactions=0", "evaluation.decay=[]"]  # fmt: skip
TARGETS = ["direction", "dead_band", "triple_barrier"]
MODELS = [
    ["model=logistic"],
    ["model=lgbm"],
    ["model=lgbm", "model.objective=three_class"],
    ["model=blend_direction", "model.members.lgbm.objective=three_class"],
]


PAIRS = [(target, model) for target in TARGETS for model in MODELS]
QUICK_PAIRS = [PAIRS[0], PAIRS[11]]  # the first target and the last, of other kinds of model


@pytest.mark.parametrize(
    ("target", "model"),
    slow_except(QUICK_PAIRS, PAIRS),
    ids=lambda part: part if isinstance(part, str) else " ".join(part),
)
def test_every_target_and_classifier_runs_and_is_of_one_scale(run, target, model):
    study = run("debug=tiny", *QUICK, f"target={target}", *model)
    found, report = study.predictions, study.report
    chances, y = found.select("p_down", "p_flat", "p_up").to_numpy(), found["y"].to_numpy()
    assert chances.sum(axis=1) == pytest.approx(1)
    assert chances[:, 2] - chances[:, 0] == pytest.approx(found["y_hat"].to_numpy())
    assert chances[:, 1].mean() == pytest.approx(np.mean(y == 0), abs=0.1)
    pooled = report.metrics.pooled
    assert pooled["brier"].value == pytest.approx(report.reliability["up"].brier)
    assert pooled["log_loss"].value == log_loss(y, condition_on_move(chances))
    assert pooled["r2"].value > -0.1
    assert report.reliability["flat"].rows == found.height


def test_a_rare_move_is_no_reason_for_a_forecast_of_one(run):
    study = run("debug=tiny", "dataset=synthetic_trending", "target=dead_band", "target.dead_band=0.95",
                "model=logistic", "tuning=off")  # fmt: skip
    assert study.report.explained.interactions.additive  # in log odds of up against down, as SHAP values
    pooled = study.report.metrics.pooled
    assert pooled["auc"].value > 0.8
    assert pooled["r2"].value > 0  # -1.9 of what it says of the rows that move


@pytest.mark.slow
def test_the_probabilities_of_each_seed_are_its_own(run):
    study = run("debug=tiny", *QUICK, "target=dead_band", "model.n_estimators=20", "seeds=[7,8]",
                "model.objective=three_class")  # fmt: skip
    pooled, seeds = study.report.metrics.pooled, study.report.seeds
    assert seeds.runs[0] == SeedScores(7, {name: m.value for name, m in pooled.items()})
    alone = run("debug=tiny", *QUICK, "target=dead_band", "model.n_estimators=20", "seed=8",
                "model.objective=three_class").report.metrics.pooled  # fmt: skip
    assert seeds.runs[1] == SeedScores(8, {name: m.value for name, m in alone.items()})
    assert alone["log_loss"].value != pooled["log_loss"].value

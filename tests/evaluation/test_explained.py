"""What models rest on: families that add up, interactions that are there, and features that nothing is lost without."""

import numpy as np
import pytest

from ofiml.evaluation.shap_values import find_family, group_families
from ofiml.metrics.interactions import list_pairs, measure_interactions
from ofiml.metrics.permutation import measure_permutation_drops, permute_blocks
from ofiml.metrics.scores import ic, r2
from tests.conftest import slow_but_each


def test_families_sum_to_the_whole():
    names = ["ofi_00", "ofi_60s", "spread_ticks", "vpin", "cross_SYN1", "cross_SYN1_age", "queue_imbalance"]
    by_fold = np.random.default_rng(1).uniform(size=(3, 7))
    found = group_families(names, by_fold)
    assert {f.family: len(f.columns) for f in found} == {
        "flow": 2, "spread": 1, "toxicity": 1, "cross": 2, "depth": 1
    }  # fmt: skip
    assert sum(f.mean_abs_shap for f in found) == pytest.approx(by_fold.mean(axis=0).sum())
    assert sum(f.share for f in found) == pytest.approx(1.0)
    assert np.sum([f.folds for f in found], axis=0) == pytest.approx(by_fold.sum(axis=1))
    assert [f.mean_abs_shap for f in found] == sorted((f.mean_abs_shap for f in found), reverse=True)
    assert find_family("bid_03_30s") == "flow"


def test_a_product_interacts_and_a_sum_does_not():
    x = np.random.default_rng(2).normal(size=(40, 4))
    x[3, 1] = np.nan  # as models see them; this one takes them for 0
    product = measure_interactions(lambda z: np.nan_to_num(z)[:, 0] * z[:, 2] + z[:, 3], x, [0, 1, 2, 3])
    strength = dict(zip(list_pairs([0, 1, 2, 3]), product[:, 0], strict=True))
    # Of x·z with both centred over the rows it is their product, spread as it is.
    a, b = x[:, 0] - x[:, 0].mean(), x[:, 2] - x[:, 2].mean()
    assert strength[0, 2] == pytest.approx(np.sqrt(np.mean((a * b - np.mean(a * b)) ** 2)), rel=0.05)
    assert max(v for pair, v in strength.items() if pair != (0, 2)) < 1e-12
    assert dict(zip(list_pairs([0, 1, 2, 3]), product[:, 1], strict=True))[0, 2] > 0.5
    added = measure_interactions(lambda z: np.nan_to_num(np.sin(z)).sum(axis=1), x, [0, 1, 2, 3])
    assert added[:, 0].max() < 1e-12
    assert np.isnan(measure_interactions(lambda z: np.zeros(len(z)), x, [0, 1])[:, 1]).all()


def test_partial_dependence_is_that_of_its_definition():
    """Against loops over values and rows."""
    rng = np.random.default_rng(3)
    x, weights = rng.normal(size=(12, 3)), rng.normal(size=(3, 3))

    def score(z):
        return np.einsum("ij,jk,ik->i", z, weights, np.tanh(z))

    def slow(fixed):
        means = []
        for value in x:
            rows = [[value[c] if c in fixed else row[c] for c in range(3)] for row in x]
            means.append(np.mean([score(np.array([row]))[0] for row in rows]))
        return np.array(means) - np.mean(means)

    got = measure_interactions(score, x, [0, 2])[0]
    beyond = slow((0, 2)) - slow((0,)) - slow((2,))
    assert got == pytest.approx([np.sqrt(np.mean(beyond**2)), np.mean(beyond**2) / np.mean(slow((0, 2)) ** 2)])


def test_blocks_are_dealt_whole():
    order = permute_blocks(95, np.random.default_rng(4))
    assert sorted(order) == list(range(95))
    jumps = np.flatnonzero(np.diff(order) != 1)
    assert len(jumps) <= 10  # 10 blocks of 9 and one of 5
    assert set(order[np.concatenate([[0], jumps + 1])] % 9) == {0}
    assert not np.array_equal(order, np.arange(95))
    assert len(np.flatnonzero(np.diff(permute_blocks(6000, np.random.default_rng(5))) != 1)) > 190  # 200 blocks of 30
    assert permute_blocks(1, np.random.default_rng(6)).tolist() == [0]


def test_permutation_finds_what_is_used():
    """y = 2a + b, c useless: the expected drop of a column is twice its part of the variance."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(6000, 3))
    y = 2 * x[:, 0] + x[:, 1]
    mean = np.zeros(len(y))

    def predict(z):
        return 2 * z[:, 0] + z[:, 1]

    drops = measure_permutation_drops(predict, x, y, mean, [[0], [1], [2], [0, 1]], repeats=5, rng=rng)
    assert drops[:, 0] == pytest.approx([2 * 4 / 5, 2 * 1 / 5, 0.0, 2.0], abs=0.06)
    assert drops[:, 1] == pytest.approx([4 / 5, 1 / 5, 0.0, 1.0], abs=0.03)
    assert drops[2].tolist() == [0.0, 0.0]  # whoever does not look at it loses nothing


def test_a_useless_column_that_a_model_took_loses_nothing_within_error():
    """A model that fitted noise of one column: out of sample its permutation loses 0 on average."""
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(400, 2)), np.zeros(400)
        y = x[:, 0] + rng.normal(size=400)
        weights = np.linalg.lstsq(x[:200], y[:200], rcond=None)[0]
        test = x[200:], y[200:], np.zeros(200)
        found.append(measure_permutation_drops(lambda z, w=weights: z @ w, *test, [[0], [1]], repeats=3, rng=rng)[:, 0])
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(len(found))
    assert mean[0] > 20 * error[0]
    assert abs(mean[1]) < 3 * error[1]


def test_measures_are_those_of_the_dealt_rows():
    rng = np.random.default_rng(9)
    x, mean = rng.normal(size=(50, 2)), np.full(50, 0.1)
    y = x[:, 0] + rng.normal(size=50)
    got = measure_permutation_drops(
        lambda z: z[:, 0] + 0.1 * z[:, 1], x, y, mean, [[0]], repeats=1, rng=np.random.default_rng(1)
    )
    order = permute_blocks(50, np.random.default_rng(1))
    said, mixed = x[:, 0] + 0.1 * x[:, 1], x[order, 0] + 0.1 * x[:, 1]
    assert got[0] == pytest.approx([r2(y, said, mean) - r2(y, mixed, mean), ic(y, said) - ic(y, mixed)])
    assert np.isnan(
        measure_permutation_drops(lambda z: z[:, 0], x[:0], y[:0], mean[:0], [[0]], repeats=2, rng=rng)
    ).all()


@pytest.mark.parametrize(
    "model",
    slow_but_each(
        4,
        [
            ["model=lgbm", "tuning=off", "features=core"],
            ["model=ridge", "tuning=off"],
            ["model=logistic", "target=direction", "tuning=off"],
            ["model=zero"],
        ],
        first=1,
    ),
)
def test_in_a_study(run, model):
    study = run("debug=tiny", "evaluation.controls=false", *model)
    found, total = study.report.explained, sum(e.mean_abs_shap for e in study.report.importance)
    assert sum(f.mean_abs_shap for f in found.families) == pytest.approx(total)
    trees = model[0] == "model=lgbm"
    assert found.interactions.additive == (not trees)
    assert (found.interactions.pairs[0].strength > 0) == trees
    assert len(found.interactions.pairs) == 10
    assert len(found.permutation.features) == len(study.pipelines[0].feature_names)
    if model == ["model=zero"]:
        assert {e.drop_r2 for e in found.permutation.features} == {0.0}


@pytest.mark.slow
def test_it_can_be_switched_off(run):
    switches = ["evaluation.permutation_repeats=0", "evaluation.interactions=0", "evaluation.controls=false"]
    study = run("debug=tiny", "model=ols", *switches)
    assert (study.report.explained.permutation, study.report.explained.interactions) == (None, None)
    assert study.report.explained.families[0].drop_r2 is None

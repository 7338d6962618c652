"""A pipeline fitted to several labels of the same rows equals one fitted to each, to the bit."""

import numpy as np
import pytest

from ofiml.models.linear import Linear
from ofiml.models.pipeline import Pipeline
from tests.intervals import apart

ROWS = 400
CASES = [
    ("ridge", "mlofi", "forecast"),
    ("ols", "mlofi_ridge", "forecast"),  # its reduction learns from the labels
    ("lasso", "pca", "forecast"),
    ("logistic", "mlofi", "direction"),
]


def make(configure, model, ofi, target, width=2):
    config = configure(f"model={model}", f"ofi={ofi}", f"target={target}")
    task = "classification" if target == "direction" else "regression"
    return Pipeline(config.ofi, config.model, task=task, seed=7, columns=["a", "b"][:width])


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    flow, others = rng.integers(-30, 30, (ROWS, 10)).astype(np.float64), rng.standard_normal((ROWS, 2))
    others[::7, 1] = np.nan
    y = np.sign(flow[:, 0] + 20 * rng.standard_normal(ROWS))
    return flow, others, [y, rng.permutation(y), -y]


@pytest.mark.parametrize(("model", "ofi", "target"), CASES)
def test_each_is_the_one_fitted_alone(configure, rows, model, ofi, target):
    flow, others, labels = rows
    each = make(configure, model, ofi, target).fit_each(flow.copy(), others.copy(), labels, apart(ROWS))
    for pipeline, y in zip(each, labels, strict=True):
        alone = make(configure, model, ofi, target).fit(flow, others, y, apart(ROWS))
        np.testing.assert_array_equal(pipeline.predict(flow, others), alone.predict(flow, others))
        np.testing.assert_array_equal(pipeline.contributions(*rows[:2]), alone.contributions(*rows[:2]))


@pytest.mark.parametrize(("model", "ofi", "target"), CASES)
@pytest.mark.parametrize("width", [0, 2])  # without other features the model's rows are a view of the flow
def test_a_fit_in_place_has_the_same_bits(configure, rows, model, ofi, target, width):
    flow, others, (y, *_) = rows
    others, given = others[:, :width], flow.copy()
    alone = make(configure, model, ofi, target, width).fit(flow, others, y, apart(ROWS))
    np.testing.assert_array_equal(flow, given)
    own = make(configure, model, ofi, target, width).fit(given.copy(), others, y, apart(ROWS), in_place=True)
    np.testing.assert_array_equal(own.predict(flow, others), alone.predict(flow, others))
    np.testing.assert_array_equal(own.contributions(flow, others), alone.contributions(flow, others))


def test_rows_are_standardised_once(configure, rows, monkeypatch):
    flow, others, labels = rows
    calls = []
    monkeypatch.setattr(
        "ofiml.models.standard_rows.compute_medians", lambda x: calls.append(1) or np.nanmedian(x, axis=0)
    )
    each = make(configure, "ridge", "mlofi", "forecast").fit_each(flow.copy(), others, labels, apart(ROWS))
    assert len(calls) == 1
    assert all(isinstance(pipeline.model, Linear) for pipeline in each)


def test_labels_that_cannot_be_learned_from_have_no_pipeline(configure, rows):
    flow, others, labels = rows
    one_way = np.ones(ROWS)
    each = make(configure, "logistic", "mlofi", "direction").fit_each(flow, others, [one_way, *labels], apart(ROWS))
    assert [pipeline is None for pipeline in each] == [True, False, False, False]

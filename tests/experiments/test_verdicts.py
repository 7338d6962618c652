"""What the pages of experiments say of their numbers: no judgement on too few blocks, no optimum at an edge."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from ofiml.experiments.intervals import drop_interval
from ofiml.experiments.recipes import direction_lgbm, signal_horizon
from ofiml.metrics.estimates import Estimate

ABOVE = Estimate(24.4, 2.7, 65.5)


def outcome(blocks):
    return direction_lgbm.Outcome(
        horizon="300s",
        blocks=blocks,
        accuracy=drop_interval(Estimate(0.53, 0.525, 0.54), blocks),
        usual=0.5,
        auc=ABOVE,
        ic=ABOVE,
        r2=ABOVE,
        performance=SimpleNamespace(fills=10, net_pnl=-3.0),
        gross=drop_interval(ABOVE, blocks),
        net=ABOVE,
        survives="no",
        equity=None,
    )


def test_a_promise_is_judged_on_eight_blocks_of_time_only():
    assert direction_lgbm.judge("AMZN", outcome(7)) == (
        "On AMZN, 300s ahead: no judgement: 8 blocks of time are needed, and the tested rows have 7. The accuracy is "
        "0.530, the gross Sharpe ratio 24.4, the net profit a loss."
    )
    assert direction_lgbm.judge("AMZN", outcome(8)) == (
        "On AMZN, 300s ahead: accuracy 0.530, above the promise with its whole interval; gross Sharpe ratio 24.4, "
        "above the promise with its whole interval; a loss after costs: it does not survive them."
    )


def point(length, ic, blocks=20):
    estimate = drop_interval(Estimate(ic, ic - 0.1, ic + 0.1), blocks)
    return signal_horizon.Point("integrated", f"{length}s", length, 2.0 * length, blocks, estimate, estimate)


@pytest.mark.parametrize(
    ("ics", "edge"),
    [
        ([0.3, 0.2, 0.15], ", the shortest that was tried, so that this is no optimum"),
        ([0.2, 0.3, 0.15], ""),
        ([0.2, 0.25, 0.3], ", the longest with an interval, so that this is no optimum"),
    ],
)
def test_the_best_horizon_is_no_optimum_at_an_edge(ics, edge):
    points = [point(length, ic) for length, ic in zip((1, 3, 10), ics, strict=True)]
    words = signal_horizon.judge("AMZN", points, points)
    assert f"changes of the mid{edge}; the longest" in words
    assert f"changes{edge}; the literature" in words


def test_a_horizon_with_too_few_blocks_is_passed_over():
    points = [point(1, 0.2), point(3, 0.3), point(10, 0.9, blocks=7)]
    words = signal_horizon.judge("AMZN", points, points)
    assert "the highest IC is 0.300, of integrated at 3s" in words
    assert "above 0 is 3s (" in words
    assert words.count("the longest with an interval, so that this is no optimum") == 2
    few = [replace(one, ic=drop_interval(one.ic, 3), blocks=3) for one in points]
    assert signal_horizon.judge("AMZN", few, few) == (
        "On AMZN no variant has an IC whose interval lies above 0 at any horizon."
    )

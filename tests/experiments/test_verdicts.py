"""What the pages of experiments say of their numbers: no judgement on too few blocks, no optimum at an edge, no loss
that may be chance.
"""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.experiments.intervals import compute_interval, drop_interval
from ofiml.experiments.recipes import direction_lgbm, latency, real_days, signal_horizon, which_ofi
from ofiml.metrics.estimates import Estimate
from ofiml.reporting.finding import JudgedStudy

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


def trades(loss, gross=50.0):
    performance = SimpleNamespace(
        break_even_bps=0.5, costs=80.0, traded_value=1e6, fills=4, currency="USD", gross_pnl=gross, net_pnl=gross - 80
    )
    return latency.Trades(performance, Estimate(*loss))


@pytest.mark.parametrize(
    ("losses", "sentence"),
    [
        (
            ((5.0, 1.0, 9.0), (-5.0, -9.0, 1.0)),
            "A delay of 100ms takes net profit of integrated, 5.00 (1.00 … 9.00) USD; of the others nothing "
            "measurable.",
        ),
        (
            ((5.0, 1.0, 9.0), (6.0, 2.0, 9.5)),
            "A delay of 100ms takes net profit of integrated, 5.00 (1.00 … 9.00) USD and of full, 6.00 (2.00 … 9.50) "
            "USD.",
        ),
        (
            ((5.0, -1.0, 9.0), (-5.0, -9.0, 1.0)),
            "A delay of 100ms takes nothing measurable: no interval of the loss lies above 0.",
        ),
        (
            ((5.0, float("nan"), float("nan")),) * 2,
            "What a delay of 100ms takes is not known: there are too few blocks of time for an interval.",
        ),
    ],
)
def test_a_delay_costs_what_lies_above_0_with_its_interval(losses, sentence):
    of = dict(zip(("integrated", "full"), map(trades, losses), strict=True))
    assert latency.judge("AMZN", of) == (
        "On AMZN, without delay, integrated can bear the highest costs, 0.50 bps of the traded value; the costs are "
        f"0.80. {sentence} No variant earns its costs, however fast."
    )


def test_the_interval_of_a_loss_is_that_of_its_sum_over_blocks():
    block = np.repeat(np.arange(10), 30)
    lost = np.random.default_rng(0).normal(0.2, 0.5, len(block))
    slow = np.random.default_rng(1).normal(size=len(block)).cumsum()
    bootstrap = BlockBootstrap(samples=2000, level=0.95, block_ns=None, seed=7)
    got = latency.estimate_lost_sum(slow + lost.cumsum(), slow, block, bootstrap)
    assert got.value == pytest.approx(lost.sum())
    error = np.bincount(block, lost).std(ddof=1) * np.sqrt(10)
    assert got.high - got.low == pytest.approx(2 * 2.26 * error, rel=0.15)
    few = latency.estimate_lost_sum(slow + lost.cumsum(), slow, block // 2, bootstrap)
    assert few.value == got.value
    assert np.isnan([few.low, few.high]).all()


def test_the_strongest_control_is_the_naive_forecast_with_the_highest_ic():
    ics = {"permuted": 0.9, "zero": float("nan"), "last_return": float("nan"), "ofi_sign": 0.1, "shifted": -0.2}
    assert which_ofi.find_strongest({name: SimpleNamespace(ic=ic) for name, ic in ics.items()}) == "ofi_sign"


def test_runs_are_counted_that_beat_naive_forecasts_with_their_whole_interval():
    def entry(model, over_return, over_strongest):
        one = SimpleNamespace(ofi="pca", model=model, ic=0.1, ic_low=0.0, ic_high=0.2, net=-1.0, dsr=0.0, in_set=True)
        return which_ofi.Entry(one, Estimate(*over_return), "ofi_sign", Estimate(*over_strongest))

    entries = [entry("ols", (0.1, 0.05, 0.2), (0.1, -0.1, 0.2)), entry("ridge", (0.1, -0.05, 0.2), (0.1, -0.1, 0.2))]
    board = which_ofi.Board("10s", SimpleNamespace(tests=None), entries, oracle=0.571, trials=2)
    words = which_ofi.judge("synthetic", board)
    assert "of pca with ols; the oracle has 0.571." in words
    assert "above 0 for 1 of the runs over the last return, and for none over the strongest control." in words


def test_a_real_day_has_the_sentence_of_a_run():
    judged = JudgedStudy("no", "No forecast found: a finding needs the intervals of both IC and rank IC above 0.", "no")
    performance = SimpleNamespace(fills=2, net_pnl=-1.0)
    day = real_days.Day(bars=10, judged=judged, skill={"ic": ABOVE}, performance=performance, impact={})
    assert real_days.judge({"AAPL": day}) == [
        f"Forecast on AAPL: {judged.sentence}",
        "No forecast pays.",
        "On AAPL the trades lost money.",
    ]


def test_an_interval_needs_eight_blocks_of_time():
    draws, bootstrap = np.linspace(0, 1, 500), BlockBootstrap(samples=500, level=0.95, block_ns=None, seed=7)
    assert compute_interval(draws, np.repeat(np.arange(8), 3), bootstrap)[0] > -1
    assert np.isnan(compute_interval(draws, np.repeat(np.arange(7), 3), bootstrap)).all()

"""What the pages of experiments say of their numbers: no judgement on too few blocks."""

from types import SimpleNamespace

from ofiml.experiments.intervals import drop_interval
from ofiml.experiments.recipes import direction_lgbm
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

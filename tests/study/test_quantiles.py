"""A quantile is judged as one: by its pinball loss and how many labels lie below it, and not as an expectation."""

import numpy as np
import pytest

from ofiml.errors import ConfigError
from ofiml.metrics.scores import coverage, pinball
from ofiml.reporting.sentences import write_sentences

QUICK = ["debug=tiny", "tuning=off", "evaluation.bootstrap_samples=50", "evaluation.permutation_repeats=0",
         "evaluation.interactions=0", "evaluation.decay=[]", "model.n_estimators=20"]  # fmt: skip
ASKED = ["model=lgbm", "model.objective=quantile", "model.quantile=0.9", "backtest=off"]


def test_coverage_by_hand():
    assert coverage(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 1.0, 5.0, 4.5])) == 0.75


def test_the_report_and_the_verdict_are_of_the_quantile(run):
    study = run(*QUICK, *ASKED, "seeds=[7]", "evaluation.controls=true")
    pooled, rows = study.report.metrics.pooled, study.predictions
    y, y_hat = rows["y"].to_numpy(), rows["y_hat"].to_numpy()
    assert pooled["coverage"].value == coverage(y, y_hat) == pytest.approx(0.9, abs=0.08)
    assert pooled["pinball"].value == pinball(y, y_hat, 0.9)
    for name in ("coverage", "pinball"):
        assert pooled[name].low < pooled[name].value < pooled[name].high
        assert all(name in fold.values for fold in study.report.metrics.folds)
        assert study.report.seeds.measures[name].mean == pooled[name].value
    sentences = write_sentences(study)
    assert sentences[0].startswith("Forecast of the 0.9-quantile: ")
    assert f"{pooled['coverage'].value:.1%} (" in sentences[0]
    assert ") of the labels lie at or below it" in sentences[0]
    assert not any(line.startswith(("There", "No forecast", "Controls", "The oracle")) for line in sentences)


@pytest.mark.slow
def test_an_expectation_is_judged_as_before(run):
    study = run(*QUICK)
    assert not {"coverage", "pinball"} & set(study.report.metrics.pooled)
    assert "quantile" not in " ".join(write_sentences(study))


@pytest.mark.slow
def test_a_blend_of_one_quantile_is_that_quantile(configure):
    members = ["~model.members.ridge", "+model@model.members.slow=lgbm", "model.members.lgbm.objective=quantile",
               "model.members.lgbm.quantile=0.9", "model.members.slow.objective=quantile"]  # fmt: skip
    same = [*members, "model.members.slow.quantile=0.9"]
    assert configure("model=blend", "backtest=off", *same).model.of_quantile == 0.9
    assert configure("model=blend").model.of_quantile is None
    assert configure("model=lgbm", "model.objective=quantile").backtest.enabled  # the median is traded
    for wrong, sentence in (
        (same, "The model forecasts the 0.9-quantile, but the backtest trades on a mean or median"),
        ([*members, "backtest=off"], "model.members mixes a quantile with an expectation"),
        ([*same, "backtest=off", "model.how=stack"], "model.how=stack minimises squared error"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            configure("model=blend", *wrong)

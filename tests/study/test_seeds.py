"""Several seeds: the model's random choices alone change, and the report says how much that is worth."""

import json
from dataclasses import astuple

import numpy as np
import pytest

from ofiml.evaluation.seeds import SeedScores
from ofiml.metrics.estimates import Spread
from ofiml.reporting.sentences import write_sentences
from ofiml.tracking.metrics import LoggedMetric, list_metrics
from ofiml.training.columns import name_seed_column

BARE = ["debug=tiny", "evaluation.permutation_repeats=0", "evaluation.interactions=0", "evaluation.decay=[]"]
QUICK = [*BARE, "tuning=off", "model.n_estimators=20"]


def pooled(report):
    return {name: m.value for name, m in report.metrics.pooled.items()}


@pytest.mark.slow
def test_the_studys_own_seed_has_no_spread(run):
    plain, report = run(*QUICK).report, run(*QUICK, "seeds=[7]").report
    assert plain.seeds is None
    assert report.predictions == plain.predictions
    assert report.seeds.runs == [SeedScores(7, pooled(report))]
    for name, m in report.seeds.measures.items():
        assert m == Spread(mean=pooled(report)[name], sd=0.0, min=m.mean, max=m.mean)


@pytest.mark.slow
def test_each_seed_is_the_study_run_with_it(run, tmp_path):
    """But for what else follows from the seed: the intervals, and the tuning, which is off here."""
    study = run(*QUICK, "seeds=[9,7,8]", "threads=2")
    runs, own = study.report.seeds.runs, pooled(study.report)
    assert [r.seed for r in runs] == [9, 7, 8]
    assert runs[1] == SeedScores(7, own)
    for r in (runs[0], runs[2]):
        alone = run(*QUICK, f"seed={r.seed}", "threads=1")
        assert r == SeedScores(r.seed, pooled(alone.report))
        np.testing.assert_array_equal(study.predictions[name_seed_column(r.seed)], alone.predictions["y_hat"])
    ics = [r.values["ic"] for r in runs]
    assert len(set(ics)) == 3
    ic = study.report.seeds.measures["ic"]
    assert (ic.min, ic.max) == (min(ics), max(ics))
    assert ic.mean == pytest.approx(sum(ics) / 3)
    assert ic.sd == pytest.approx(np.std(ics, ddof=1))
    json.loads(study.report.to_json())
    assert LoggedMetric("seed_ic_sd", ic.sd) in list_metrics(study.report)
    assert any(line.startswith("Fitted with 3 seeds, mean ± sd (min … max): IC") for line in write_sentences(study))


@pytest.mark.slow
def test_what_is_tuned_is_tuned_once(run, tmp_path):
    tuned = [*BARE, "model.n_estimators=20"]
    plain, seeded = run(*tuned).report, run(*tuned, "seeds=[7,8]").report
    assert seeded.tuning == plain.tuning
    assert seeded.predictions == plain.predictions
    assert seeded.seeds.runs[0].values["ic"] != seeded.seeds.runs[1].values["ic"]


@pytest.mark.slow
def test_a_model_that_does_not_depend_on_the_seed_says_so(run):
    study = run(*BARE, "tuning=off", "model=ridge", "seeds=[1,2]")
    assert all(m.sd == 0 for m in study.report.seeds.measures.values())
    assert any("does not depend on the seed" in line for line in write_sentences(study))


@pytest.mark.slow
def test_a_measure_that_is_not_defined_has_no_spread(run):
    measures = run(*BARE, "tuning=off", "model=zero", "seeds=[1,2]").report.seeds.measures
    assert np.isnan(astuple(measures["ic"])).all()
    assert measures["r2"].sd == 0

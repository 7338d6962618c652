"""What takes minutes: `make test-slow`."""

import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow


def test_committed_experiments_come_out_again():
    for folder in sorted(p.parent for p in ROOT.glob("experiments/*/config.yaml")):
        done = subprocess.run(
            [sys.executable, "scripts/rerun.py", str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


#: What these tests do not look at takes most of a study's time.
SKILL_ALONE = (
    *("backtest=off", "evaluation.controls=false", "evaluation.leak_check=false", "evaluation.decay=[]"),
    *("evaluation.permutation_repeats=0", "evaluation.interactions=0"),
)


def test_nothing_is_found_in_many_null_markets(run):
    """Over 20 seeds the tuned model's IC in a fold is 0 on average, and the interval of the pooled one holds 0.

    The pooled IC itself lies a little below 0: without a signal a forecast is nearly the mean of its train rows, which
    is high for a fold that follows on high returns, so that the fold's own are lower than those before.
    """
    values, held = [], 0
    for seed in range(20):
        study = run("dataset=synthetic_null", f"dataset.seed={seed}", "dataset.sessions=4", "model=ridge",
                    "tuning.trials=4", "evaluation.bootstrap_samples=300", *SKILL_ALONE)  # fmt: skip
        ic = study.report.metrics.pooled["ic"]
        values.append(np.mean([fold.values["ic"] for fold in study.report.metrics.folds]))
        held += ic.low < 0 < ic.high
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * error
    assert held >= 16


def test_the_planted_truth_is_found_at_its_share(run):
    """With all features a model reaches a third of the oracle's IC in every market, and never more than all."""
    for seed in range(3):
        study = run(f"dataset.seed={seed}", "features=full", "tuning=off", *SKILL_ALONE)
        oracle, ic = study.report.metrics.oracle, study.report.metrics.pooled["ic"]
        assert oracle.planted
        assert 1 / 3 < oracle.shares["ic"] < 1, seed
        assert 0.1 < oracle.shares["r2"] < 1, seed
        assert ic.low > 0.3 * oracle.values["ic"], seed
        assert ic.high < oracle.values["ic"], seed


_PEAK = """
import resource, sys
from hydra import compose, initialize_config_dir
from ofiml.config import load
from ofiml.parallel import Workers
from ofiml.ui.progress import Stages
from ofiml.samples.prepare import prepare_sessions
from ofiml.samples.settings import SampleSettings
with initialize_config_dir(sys.argv[1], version_base=None):
    days = f"dataset.sessions={sys.argv[2]}"
    config = load(compose("config", overrides=["tracking=off", "threads=1", "features.store=null", days]))
with Stages() as stages:
    prepare_sessions(SampleSettings.of(config), Workers(config.threads), stages)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_number_of_days():
    peaks = []
    for sessions in (5, 20):
        command = [sys.executable, "-c", _PEAK, str(ROOT / "conf"), str(sessions)]
        peaks.append(int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout))
    assert peaks[1] < 1.2 * peaks[0], peaks

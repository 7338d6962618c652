"""A sweep by submitit's local executor, whose jobs are started as those of Slurm are."""

import json

import pytest

from tests.parallel.runs import QUICK, TINY, complete, start


def test_a_sweep_of_submitit_has_the_results_of_runs_of_their_own(tmp_path):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    line = ("-m", "hydra/launcher=submitit_local", "hydra.launcher.timeout_min=10", "model=lgbm,ols", "threads=1")
    code, out, err = complete(start(tmp_path, *line, *QUICK))
    assert code == 0, out + err
    reports = {
        path.parent.name: json.loads(path.read_text()) for path in tmp_path.glob("outputs/sweeps/*/*/*/report.json")
    }
    assert sorted(reports) == ["0", "1"]
    assert reports["0"]["predictions"]["sha256"].startswith(TINY)
    assert not reports["1"]["predictions"]["sha256"].startswith(TINY)
    assert list(tmp_path.glob("outputs/sweeps/*/*/.submitit")), "jobs of submitit ran them"

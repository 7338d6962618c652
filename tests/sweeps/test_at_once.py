"""Two sweeps at the same time, in one folder: all of both arrives in one fresh store, and they share one cache."""

import json
import sqlite3
from contextlib import closing

import pytest

from tests.parallel.runs import QUICK, complete, start

LINE = ("-m", "model=ols,ridge", "tuning=off", "evaluation.controls=false", *(o for o in QUICK if o != "tracking=off"))


@pytest.mark.slow
def test_two_sweeps_at_once_into_one_fresh_store_and_one_cache(tmp_path):
    processes = [start(tmp_path, *LINE, MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path / 'mlflow.db'}") for _ in range(2)]
    for code, out, err in [complete(process) for process in processes]:
        assert code == 0, out + err
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as store:
        assert store.execute("SELECT status, count(*) FROM runs GROUP BY status").fetchall() == [("FINISHED", 6)]
    reports = [json.loads(path.read_text()) for path in tmp_path.glob("outputs/sweeps/*/*/*/report.json")]
    digests = [report["predictions"]["sha256"] for report in reports]
    assert sorted(digests.count(one) for one in set(digests)) == [2, 2]

"""Replaying a logged run: the same predictions to the bit, on the same market and another; and who is refused."""

import json
from dataclasses import replace

import polars as pl
import pytest

from ofiml.record import record
from ofiml.replay import main as replay

SMALL = ["dataset.session_length=20m", "dataset.sessions=2", "split.folds=2", "evaluation.bootstrap=50", "tuning=off"]
RUNS = {
    "trees": ["model=lgbm", "model.n_estimators=20", "features=full", "ofi.normalise=depth", "ofi.parts=sides"],
    "windows": ["model=ols", "ofi=mlofi_ridge", "ofi.windows=[bar,1s,30s]", "ofi.levels=4", "features=core"],
    "direction": ["model=logistic", "target=direction", "ofi=pca", "bars=volume", "bars.size=500"],
    "cross": ["model=ridge", "dataset=synthetic_basket", "dataset.sessions=1", "features.cross=[SYN1,SYN3]"],
    "powell": ["model=ridge", "ofi=mlofi_powell", "ofi.parts=types", "bars=events", "bars.size=300", "horizon=5s"],
}


@pytest.fixture(scope="module")
def logged(configure, tmp_path_factory):
    """Runs a study once, tracked; gives (uri, run id, its MLflow artifacts' folder)."""
    folder = tmp_path_factory.mktemp("replay")
    uri, made = f"sqlite:///{folder}/mlflow.db", {}

    def run(name):
        if name not in made:
            config = configure(*SMALL, *RUNS[name])
            tracking = replace(config.tracking, enabled=True, uri=uri)
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(folder)
                made[name] = record(replace(config, tracking=tracking), folder / name).run_id
        (artifacts,) = (p.parent for p in folder.glob(f"mlruns/**/{made[name]}/artifacts/report.json"))
        return uri, made[name], artifacts

    return run


@pytest.mark.parametrize("name", RUNS)
def test_a_replay_gives_the_same_predictions_to_the_bit(logged, capsys, tmp_path, name):
    uri, run_id, artifacts = logged(name)
    assert replay([run_id, "--uri", uri, "--out", str(tmp_path / "live.parquet")]) == 0
    printed = capsys.readouterr().out
    assert "all are the same to the bit" in printed
    for line in ("update, a row", "features, a bar", "prediction", "p99.9"):
        assert line in printed
    before, live = pl.read_parquet(artifacts / "predictions.parquet"), pl.read_parquet(tmp_path / "live.parquet")
    assert before.height > 30
    assert before["y_hat"].n_unique() > 5
    keys = ["symbol", "session", "bar_close"]
    both = before.join(live.cast({"fold": pl.Int32}), on=[*keys, "fold"], suffix="_live")
    assert both.height == before.height
    assert both["y_hat"].equals(both["y_hat_live"], check_names=False)


def test_another_market_is_predicted_by_the_last_fold_and_compared_with_nothing(logged, capsys, tmp_path):
    uri, run_id, _ = logged("trees")
    out = tmp_path / "live.parquet"
    small = ["dataset=synthetic_small_tick", "dataset.sessions=1", "dataset.session_length=10m"]
    for other in (["dataset.seed=9"], small):  # the same symbol on the same days
        assert replay([run_id, *other, "--uri", uri, "--out", str(out)]) == 0
        assert "nothing to compare" in capsys.readouterr().out
        assert pl.read_parquet(out)["fold"].unique().to_list() == [1]


def test_a_part_of_the_run_is_compared_with_that_part(logged, capsys):
    uri, run_id, _ = logged("windows")
    assert replay([run_id, "dataset.max_sessions=1", "--uri", uri]) == 0
    part = capsys.readouterr().out
    assert replay([run_id, "--uri", uri]) == 0
    assert "all are the same to the bit" in part
    assert part.splitlines()[-1] != capsys.readouterr().out.splitlines()[-1]


def test_a_changed_model_is_noticed(logged, capsys):
    uri, run_id, artifacts = logged("windows")
    path = artifacts / "models" / "fold_01.json"
    content = path.read_text()
    parts = json.loads(content)
    parts["intercept"] += 1e-12
    try:
        path.write_text(json.dumps(parts))
        assert replay([run_id, "--uri", uri]) == 1
        assert "all are the same" not in capsys.readouterr().out
    finally:
        path.write_text(content)


@pytest.mark.parametrize(
    ("run", "file", "change", "sentence"),
    [
        ("trees", "fold_01.txt", ("left_child=", "left_child=99 "), "is no LightGBM model that a study wrote"),
        ("trees", "fold_01.txt", ("split_feature=", "split_feature=-1 "), "is no LightGBM model that a study wrote"),
        ("trees", "fold_00_features.json", ('"ofi_1s"', '"ofi_2s"'), "is of other features"),
        ("windows", "fold_00_features.json", ('"weights"', '"wights"'), "does not describe the features"),
        ("windows", "fold_00.json", ('"coef"', '"kopf"'), "is no linear model that a study wrote"),
        ("windows", "fold_00.json", ('"coef": [', '"coef": [1,'), "is of another model"),
    ],
)
def test_a_strangers_model_is_checked_before_it_is_used(logged, capsys, run, file, change, sentence):
    uri, run_id, artifacts = logged(run)
    path = artifacts / "models" / file
    content = path.read_text()
    assert change[0] in content
    try:
        path.write_text(content.replace(*change))
        assert replay([run_id, "--uri", uri]) == 1
    finally:
        path.write_text(content)
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["model=ols"], "a replay takes the run as it is"),
        (["dataset.sesions=3"], "Unknown key dataset.sesions"),
        (["dataset=lobstr"], "Did you mean dataset=lobster"),
        (["dataset.levels=5"], "the run was made with 10"),
    ],
)
def test_who_is_refused(logged, capsys, arguments, sentence):
    uri, run_id, _ = logged("trees")
    assert replay([run_id, *arguments, "--uri", uri]) in (1, 2)
    assert sentence in capsys.readouterr().err


def test_a_run_that_is_not_there(logged, capsys):
    uri, _, _ = logged("trees")
    assert replay(["0" * 32, "--uri", uri]) == 2
    assert capsys.readouterr().err.startswith("ofiml: ")

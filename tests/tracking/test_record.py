"""The record: files, MLflow run, reproduction, as a user meets them."""

import hashlib
import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import get_args

import matplotlib.image
import mlflow
import numpy as np
import polars as pl
import pytest
import yaml

from ofiml.cli.replay import main as replay
from ofiml.cli.reproduce import main as reproduce
from ofiml.config import load
from ofiml.reporting.finding import Finding, Survival
from ofiml.study.report import predictions_sha256
from tests.conftest import command_line, light

TINY = ["debug=tiny", "model=lgbm", "model.n_estimators=20"]
BARE = ["evaluation.controls=false", "evaluation.leak_check=false"]  # where the study itself is not the subject


@pytest.fixture(scope="module", params=["light", pytest.param("whole", marks=pytest.mark.slow)])
def tracked(request, tmp_path_factory, new_store):
    """(working folder, what the run printed, output folder, MLflow run): of a light study; and of a process of its own
    that leaves nothing out, figures and the store's setting up included.
    """
    folder = tmp_path_factory.mktemp("tracked")
    if request.param == "light":
        done = command_line(folder, *TINY, *BARE, models=True, uri=new_store(folder))
        return described(folder, done)
    # mlflow.set_tracking_uri also sets the variable for child processes.
    env = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    line = [sys.executable, "-m", "ofiml.run", *TINY]
    return described(folder, subprocess.run(line, cwd=folder, env=env, capture_output=True, text=True, check=False))


def described(folder, done):
    """What `tracked` is, of a command that has ended."""
    assert done.returncode == 0, done.stderr
    (out,) = (p.parent for p in folder.glob("outputs/*/*/report.json"))
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("ofiml-debug").experiment_id])
    return folder, done.stdout, out, run, client


def figures_of(request):
    """The figures of the study that the test is given: a light one has none."""
    whole = request.node.callspec.params["tracked"] == "whole"
    return ("signal", "predicted_realised", "strata", "importance", "splits") if whole else ()


def test_what_is_printed(tracked):
    folder, printed, out, run, _ = tracked
    assert "rank IC" in printed
    assert "Backtest" in printed
    assert "this is not a result" in printed
    assert str(out.relative_to(folder)) in printed
    assert run.info.run_id in printed


def test_the_files(request, tracked):
    _, _, out, _, _ = tracked
    report = json.loads((out / "report.json").read_text())
    assert predictions_sha256(pl.read_parquet(out / "predictions.parquet")) == report["predictions"]["sha256"]
    predictions = pl.read_parquet(out / "predictions.parquet")
    digest = hashlib.sha256(b"".join(s.encode() + b"\0" for s in predictions["symbol"]))
    for column, dtype in (("bar_close", "<i8"), ("fold", "<i4"), ("y", "<f8"), ("y_hat", "<f8")):
        digest.update(predictions[column].to_physical().to_numpy().astype(dtype).tobytes())
    assert digest.hexdigest() == report["predictions"]["sha256"]
    assert pl.read_parquet(out / "fills.parquet").height == report["backtest"]["fills"]
    assert load(yaml.safe_load((out / "config.yaml").read_text())).model.n_estimators == 20
    names = {p.name for p in (out / "models").iterdir()}
    assert names == {f"fold_0{k}{end}" for k in (0, 1) for end in (".txt", "_features.json")}
    assert not list(out.rglob(".*")), "part of a file"
    for figure in figures_of(request):
        pixels = matplotlib.image.imread(out / "figures" / f"{figure}.png")
        assert pixels.std() > 0.03, "the figure is empty"


def test_the_mlflow_run(request, tracked):
    _, _, out, run, client = tracked
    report = json.loads((out / "report.json").read_text())
    assert run.info.status == "FINISHED"
    assert run.info.run_name.startswith("n_estimators=20·lgbm·mlofi·10s")
    assert run.data.params["_overrides"].startswith("debug=tiny model=lgbm model.n_estimators=20")
    assert run.data.params["model.n_estimators"] == "20"
    assert run.data.params["dataset.seed"] == "42"
    tags = run.data.tags
    assert tags["dataset.digest"] == report["dataset"]["digest"]
    assert (tags["kind"], tags["ofi"], tags["model"], tags["horizon"]) == ("forecast", "mlofi", "lgbm", "10s")
    assert (tags["symbol"], tags["dataset"], tags["split"]) == ("SYN", "synthetic", "expanding")
    assert tags["overrides"] == run.data.params["_overrides"]
    assert (tags["finding"], tags["survives"]) in product(get_args(Finding), get_args(Survival))
    assert re.fullmatch(r"[0-9a-f]{40}|unknown", tags["git.commit"])
    assert tags["version.lightgbm"]
    assert run.data.metrics["ic"] == report["metrics"]["pooled"]["ic"]["value"]
    assert run.data.metrics["net"] == report["backtest"]["net_pnl"]
    by_fold = client.get_metric_history(run.info.run_id, "fold/r2")
    assert [(m.step, m.value) for m in by_fold] == [(f["fold"], f["r2"]) for f in report["metrics"]["folds"]]
    artifacts = {a.path for a in client.list_artifacts(run.info.run_id)}
    assert {"config.yaml", "report.json", "verdict.md", "predictions.parquet", "fills.parquet", "models"} <= artifacts
    assert 30 <= len(run.data.metrics) <= 50
    assert min(run.data.params) == "_overrides", "the first on the page that compares runs"
    assert ("figures" in artifacts) == bool(figures_of(request))
    assert ("git.diff" in artifacts) == (tags["git.dirty"] == "true")
    verdict = (out / "verdict.md").read_text()
    assert tags["mlflow.note.content"].startswith(verdict)
    assert "| rank IC |" in verdict
    assert ("figures/strata.png" in tags["mlflow.note.content"]) == bool(figures_of(request))
    assert (out / "run_id").read_text().strip() == run.info.run_id
    (logged,) = run.inputs.dataset_inputs
    assert logged.dataset.digest == report["dataset"]["digest"][:32]
    assert {tag.key: tag.value for tag in logged.tags} == {"mlflow.data.context": "expanding"}
    assert run.data.metrics["folds"] == 2
    seconds = report["runtime"]["seconds"]
    assert {"sessions", "folds", "model"} <= set(seconds)
    assert run.data.metrics["seconds"] == pytest.approx(sum(seconds.values()))
    assert run.data.metrics["seconds_logging"] > 0


def test_the_logged_model_loads_and_predicts_without_a_pickle(tracked):
    folder, _, out, run, client = tracked
    (model,) = client.search_logged_models([run.info.experiment_id])
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    local = mlflow.artifacts.download_artifacts(model.model_uri)
    names = [p.name for p in Path(local).rglob("*")]
    assert not [n for n in names if n.endswith((".pkl", ".pickle", ".joblib"))]
    needs = (Path(local) / "requirements.txt").read_text().split()
    assert needs == [f"{name}=={version(name)}" for name in ("mlflow", "lightgbm")], "as installed"
    booster = mlflow.lightgbm.load_model(local)
    text = (out / "models" / "fold_01.txt").read_text()
    assert booster.model_to_string().split("parameters:")[0] == text.split("parameters:")[0]
    described = mlflow.models.Model.load(local)
    assert described.model_id == model.model_id
    example = described.load_input_example(local)
    assert example.columns.tolist() == described.signature.inputs.input_names()
    assert example.columns[0] == "ofi_00"
    assert model.status == mlflow.entities.LoggedModelStatus.READY
    assert model.source_run_id == run.info.run_id
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    assert {m.key: m.value for m in model.metrics}["ic"] == run.data.metrics["ic"]
    assert np.array_equal(mlflow.pyfunc.load_model(local).predict(example), booster.predict(example))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "target"), [("ridge", "forecast"), ("logistic", "direction")])
def test_linear_models_are_logged_with_skops(tmp_path, monkeypatch, new_store, name, target):
    uri = new_store(tmp_path)
    asked = ["debug=tiny", f"model={name}", f"target={target}", "features=core", "tuning=off", *BARE]
    done = command_line(tmp_path, *asked, models=True)
    assert done.returncode == 0, done.stderr
    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient(uri)
    (model,) = client.search_logged_models([client.get_experiment_by_name("ofiml-debug").experiment_id])
    monkeypatch.chdir(tmp_path)
    local = Path(mlflow.artifacts.download_artifacts(model.model_uri))
    assert (local / "model.skops").exists()
    assert not list(local.rglob("*.pkl"))


@pytest.mark.parametrize("tracked", ["light"], indirect=True)
def test_reproduce_is_identical_and_says_what_is_not(tracked, monkeypatch, capsys):
    folder, _, _, run, client = tracked
    monkeypatch.chdir(folder)
    uri = f"sqlite:///{folder}/mlflow.db"
    with light():
        code = reproduce([run.info.run_id[:8], "--uri", uri])
    assert code == 0
    assert "are identical" in capsys.readouterr().out
    apart = client.get_experiment_by_name("ofiml-reproductions")
    (again,) = client.search_runs([apart.experiment_id], f"tags.reproduces = '{run.info.run_id}'")
    assert again.data.metrics["r2"] == run.data.metrics["r2"]

    # A run whose logged report says something else is not reproduced, and the differing number is named.
    path = folder / "mlruns"
    (report_path,) = path.glob(f"**/{run.info.run_id}/artifacts/report.json")
    content = report_path.read_text()
    changed = json.loads(content)
    changed["metrics"]["pooled"]["ic"]["value"] += 0.01
    report_path.write_text(json.dumps(changed))
    try:
        with light():
            assert reproduce([run.info.run_id, "--uri", uri]) == 1
    finally:
        report_path.write_text(content)
    printed = capsys.readouterr().out
    assert "metrics.pooled.ic.value: was" in printed
    assert "not identical" in printed
    assert re.search(
        r"All predictions are bit-identical. 1 of \d+ numbers differ, by at most 0\.\d+ of their size, beyond the "
        r"tolerance of 1e-09\.",
        " ".join(printed.split()),
    )


@pytest.mark.parametrize("tracked", ["light"], indirect=True)
@pytest.mark.slow
def test_a_run_is_repeated_from_its_zip_file_without_the_store(tracked, monkeypatch, capsys, tmp_path, new_store):
    folder, _, _, run, _ = tracked
    packed = tmp_path / "run.zip"
    assert reproduce([run.info.run_id, "--uri", f"sqlite:///{folder}/mlflow.db", "--export", str(packed)]) == 0
    assert f"files of run {run.info.run_id}" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    uri = new_store(tmp_path)
    with light():
        assert reproduce(["--from", str(packed), "--uri", uri]) == 0
    assert f"Run {run.info.run_id} and its repetition" in capsys.readouterr().out
    assert replay(["--from", str(packed), "--uri", uri]) == 0
    assert "all are bit-identical" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Name one run"),
        (["latest", "--from", "run.zip"], "Name one run"),
        (["--from", "absent.zip"], "There is no file absent.zip"),
        (["--from", __file__], "is not a zip file: give one that ofiml reproduce --export wrote."),
        (["--from", __file__, "--export", "other.zip"], "--export packs a run of the store"),
    ],
)
def test_a_command_line_without_one_run_is_refused(arguments, words, workdir, capsys):
    assert reproduce(arguments) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("tracked", ["light"], indirect=True)
@pytest.mark.parametrize("run_id", ["../../etc/passwd", "abc", "0" * 32])
def test_reproduce_refuses_what_is_no_run(tracked, run_id, capsys):
    folder, _, _, _, _ = tracked
    assert reproduce([run_id, "--uri", f"sqlite:///{folder}/mlflow.db"]) == 2
    assert capsys.readouterr().err.startswith("ofiml: ")


@pytest.mark.parametrize("tracked", ["light"], indirect=True)
@pytest.mark.parametrize(("command", "option"), [(reproduce, "--path=FILE"), (replay, "dataset.path=FILE")])
def test_simulated_data_have_no_place(tracked, capsys, command, option):
    folder, _, _, run, _ = tracked
    assert command([run.info.run_id, option, "--uri", f"sqlite:///{folder}/mlflow.db"]) == 2
    expected = f"The data of this run are simulated, and read from no file: leave {option.partition('=')[0]} out."
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize("tracked", ["light"], indirect=True)
def test_a_strangers_config_runs_nothing(tracked, monkeypatch, capsys, tmp_path):
    """Neither objects nor environment come out of a logged config, and tuning does not write where it says."""
    folder, _, _, run, _ = tracked
    uri = f"sqlite:///{folder}/mlflow.db"
    (path,) = (folder / "mlruns").glob(f"**/{run.info.run_id}/artifacts/config.yaml")
    content = path.read_text()
    monkeypatch.chdir(folder)
    attacks = {
        "!!python/object/apply:os.system ['touch owned']\n": None,
        content.replace("experiment: ofiml", "experiment: ${oc.env:HOME}"): "interpolation",
        content + "_target_: os.system\n": "Unknown key _target_",
        "a: &a [x, x]\nb: [*a, *a]\n" + content: "aliases are not allowed",
        "just a sentence": "was not written by a study",
    }
    try:
        for attack, sentence in attacks.items():
            path.write_text(attack)
            code = reproduce([run.info.run_id, "--uri", uri])
            assert code == 2
            assert (sentence or "") in capsys.readouterr().err
        elsewhere = tmp_path / "elsewhere"
        path.write_text(content.replace("storage: .ofiml/tuning", f"storage: {elsewhere}"))
        with light():
            assert reproduce([run.info.run_id, "--uri", uri]) == 0
        assert not elsewhere.exists()
    finally:
        path.write_text(content)
    assert not (folder / "owned").exists()


def test_tracking_off_leaves_no_store(tmp_path):
    done = command_line(tmp_path, "debug=tiny", "model=zero", "tracking=off", *BARE)
    assert done.returncode == 0, done.stderr
    (verdict,) = tmp_path.glob("outputs/*/*/verdict.md")
    assert "No verdict on the forecast" in verdict.read_text()
    assert {p.name for p in tmp_path.iterdir()} == {"outputs", ".ofiml"}


@pytest.mark.slow
def test_only_what_the_study_wrote_is_logged(tmp_path, new_store):
    new_store(tmp_path)
    (tmp_path / ".env").write_text("PASSWORD=x")
    done = command_line(tmp_path, "debug=tiny", "model=zero", "hydra.run.dir=.", *BARE)
    assert done.returncode == 0, done.stderr
    logged = {p.name for p in (tmp_path / "mlruns").rglob("*")}
    assert "report.json" in logged
    assert not logged & {".env", "mlflow.db"}
    again = command_line(tmp_path, "debug=tiny", "model=zero", "hydra.run.dir=.", *BARE)
    assert again.returncode == 2
    assert "already contains a study" in again.stderr


def test_no_credential_reaches_a_file(tmp_path):
    for flags in ([], ["-m"]):
        done = command_line(tmp_path, *flags, "debug=tiny", "tracking.uri=http://me:s3cret@127.0.0.1:9")
        assert done.returncode == 2
        assert "MLFLOW_TRACKING_URI" in done.stderr
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and b"s3cret" in p.read_bytes()]


def test_a_store_that_is_no_store(tmp_path):
    (tmp_path / "notes.db").write_text("not a database, but somebody's notes")
    done = command_line(tmp_path, "debug=tiny", "tracking.uri=sqlite:///notes.db")
    assert done.returncode == 2
    assert "is not a SQLite file" in done.stderr
    assert {p.name for p in tmp_path.iterdir()} <= {"notes.db", "outputs"}


def test_a_wrong_store_costs_no_work(tmp_path):
    done = command_line(tmp_path, "debug=tiny", "tracking.uri=sqlite:///absent/mlflow.db")
    assert done.returncode == 2
    assert "tracking.uri" in done.stderr
    assert "sessions" not in done.stderr


@pytest.mark.slow
def test_the_environments_store_is_used(tmp_path, new_store):
    uri = new_store(tmp_path, "other.db")
    done = command_line(tmp_path, "debug=tiny", "model=zero", *BARE, uri=uri)
    assert done.returncode == 0, done.stderr
    client = mlflow.MlflowClient(uri)
    assert len(client.search_runs([client.get_experiment_by_name("ofiml-debug").experiment_id])) == 1
    assert not (tmp_path / "mlflow.db").exists()

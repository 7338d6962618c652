"""Comparing the runs of a small store, as a user meets it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import matplotlib.image
import mlflow
import polars as pl
import pytest

from ofiml.cli.compare import main as compare
from ofiml.comparison.groups import Group, group_runs, read_group, sanitise
from ofiml.comparison.trials import count_trials
from ofiml.comparison.verdicts import compare_runs
from ofiml.config import Tracking
from ofiml.errors import DataError
from ofiml.tracking.read import list_runs
from ofiml.tracking.record import record_study
from tests.conftest import light
from tests.reporting.pages import check_page


@pytest.fixture(scope="module")
def store(configure, tmp_path_factory, new_store):
    """(folder, uri, ids by name): two forecasts, a repetition, an impact, a run that fails, one that is killed."""
    folder = tmp_path_factory.mktemp("compared")
    uri = new_store(folder)
    ids = {}

    def logged(name, *overrides):
        config = configure("debug=tiny", "dataset.max_events=125000", *overrides)
        tracked = replace(config, tracking=Tracking(True, uri, "small"))
        ids[name] = record_study(tracked, folder / name).run_id

    with pytest.MonkeyPatch.context() as patch, light():
        patch.chdir(folder)
        logged("ridge", "model=ridge")
        logged("zero", "model=zero")
        logged("again", "model=ridge")
        logged("impact", "model=ols", "target=impact")
        for name, error in (("failed", DataError("The book is crossed.")), ("killed", KeyboardInterrupt())):
            with patch.context() as within:
                within.setattr("ofiml.study.run.prepare_dataset", lambda *_, error=error: (_ for _ in ()).throw(error))
                with pytest.raises(type(error)):
                    logged(name, "model=ridge")
        yield folder, uri, ids


@pytest.mark.slow
def test_a_run_is_there_from_the_beginning_and_ends_as_its_study_does(store):
    _, uri, ids = store
    runs = list_runs("small", uri)
    assert [(run.status, run.tags["kind"]) for run in runs] == [
        ("FINISHED", "forecast"),
        ("FINISHED", "forecast"),
        ("FINISHED", "forecast"),
        ("FINISHED", "impact"),
        ("FAILED", "forecast"),
        ("KILLED", "forecast"),
    ]
    assert runs[4].tags["error"] == "The book is crossed."
    assert runs[5].tags["error"] == "KeyboardInterrupt"
    assert runs[4].params["model.name"] == "ridge"
    assert runs[0].metrics["trials"] == 4
    assert [run.run_id for run in runs[:4]] == list(ids.values())


def test_what_is_compared_and_what_is_counted(store, capsys):
    folder, uri, ids = store
    out = folder / "page"
    assert compare(["small", "--uri", uri, "--out", str(out), "--samples", "200"]) == 0
    printed = capsys.readouterr().out
    # 3 different runs, and 2 folds of 2 trials of the ridge, whose repetition tried nothing else.
    assert "Trials: 7 = 3 runs of the experiment (3 finished) + 4 tuning trials (all folds)." in printed
    assert "Not counted: 1 repetition, 2 runs that failed before the first trial." in printed
    found = json.loads((out / "compare.json").read_text())
    assert found["trials"]["total"] == 7
    forecasts, impacts = found["groups"]
    assert (forecasts["kind"], impacts["kind"]) == ("forecast", "impact")
    assert {row["run"] for row in forecasts["runs"]} == {ids["ridge"], ids["zero"]}
    assert [row["run"] for row in impacts["runs"]] == [ids["impact"]]
    ridge = next(row for row in forecasts["runs"] if row["run"] == ids["ridge"])
    assert ridge["repeated"] == 1
    report = json.loads((folder / "ridge" / "report.json").read_text())
    assert ridge["ic"] == report["metrics"]["pooled"]["ic"]["value"]
    assert ridge["value"] == pytest.approx(ridge["ic"])
    assert forecasts["tests"]["times"] == report["predictions"]["rows"]
    assert 0 <= forecasts["tests"]["spa"] <= 1
    (alone,) = impacts["runs"]
    assert impacts["tests"] is None
    assert alone["p_best"] is alone["in_set"] is alone["dsr"] is None
    assert "There is nothing to compare: the group has one run." in printed
    assert ridge["currency"] == report["backtest"]["currency"] == "currency"
    page = (out / "compare.md").read_text()
    assert "| net (currency) |" in page
    assert page.count("## ") == 2
    assert "Diebold-Mariano" in page
    assert matplotlib.image.imread(out / "compare.png").std() > 0.03
    document = check_page((out / "compare.html").read_text())
    assert len(document.find("figure")) == 1, "a single run is not compared"
    assert ids["ridge"][:8] in document.text
    assert f"{ridge['ic']:.3f}".replace("-", "−") in document.text
    assert "Trials: 7" in document.text


@pytest.mark.slow
def test_the_longest_block_of_the_runs_is_that_of_the_tests(store):
    """The runs' `evaluation.block_length` is logged by a stranger: a run without a length of time there is left out."""
    _, uri, ids = store
    runs = list_runs("small", uri)
    trials = count_trials(runs)

    def blocks(*lengths):
        given = iter(lengths)
        (group,) = group_runs(
            [
                replace(run, params=run.params | {"evaluation.block_length": next(given)})
                for run in runs
                if run.run_id in (ids["ridge"], ids["zero"])
            ],
            [],
        )
        found = compare_runs(read_group(group, uri, lambda: None), "ic", trials, benchmark=None, samples=100, seed=0)
        deflated = max(run.blocks for run in found.runs)
        return found.tests and found.tests.blocks, deflated, found.left_out

    short, _, left_out = blocks("1m", "1m")
    assert not left_out
    default, longer = blocks("None", "None"), blocks("30m", "1m")
    assert short > 3 * default[0] > 3
    assert blocks("None", "1m") == blocks("1m", "None") == default
    assert longer[0] < default[0]
    assert longer[1] < default[1]
    assert longer == blocks("1m", "30m") == blocks("30m", "30m")
    for bad in ("0s", "-5m", "x", "9" * 400 + "h", "1e9h", ""):
        assert "are not valid: evaluation.block_length" in blocks("1m", bad)[2][0]


def test_what_the_tests_do_not_see_is_said(store, capsys):
    assert compare(["small", "--uri", store[1], "--samples", "100"]) == 0
    printed = capsys.readouterr().out
    assert "Probability of backtest overfitting" in printed
    assert "It covers only these finished runs" in printed


def test_gains_add_up_to_the_backtest(store):
    folder, uri, ids = store
    report = json.loads((folder / "ridge" / "report.json").read_text())
    gains = pl.read_parquet(folder / "ridge" / "equity.parquet")
    assert gains["net"].sum() == pytest.approx(report["backtest"]["net_pnl"])
    assert gains["gross"].sum() == pytest.approx(report["backtest"]["gross_pnl"])
    assert not gains.select("symbol", "session", "bar_close").is_duplicated().any()
    assert compare(["small", "--uri", uri, "--measure", "sharpe", "--samples", "100", "--runs", ids["ridge"]]) == 0


def test_impact_is_never_compared_with_forecast(store, capsys):
    folder, uri, ids = store
    assert compare(["small", "--uri", uri, "--runs", f"{ids['ridge'][:8]},{folder / 'impact'}"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("ofiml: Impacts and forecasts cannot be compared")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nothing"], "'nothing' is no run of the store, and no experiment (there are small): give the first 8 digits"),
        (["small", "nothing"], "'nothing' is no run of the experiment: give the first 8 digits of a run's id"),
        (["small", "--runs", "../../nowhere"], "is no run of the experiment: give the first 8 digits of a run's id"),
        (["small", "--benchmark", "0" * 32], "is no run of the experiment"),
        (["small", "--samples", "1"], "--samples must lie between"),
    ],
)
def test_what_cannot_be_compared_ends_in_a_sentence(store, capsys, arguments, sentence):
    assert compare([*arguments, "--uri", store[1]]) == 2
    assert sentence in capsys.readouterr().err


def test_a_store_that_is_not_there_is_not_made(tmp_path, capsys):
    assert compare(["small", "--uri", f"sqlite:///{tmp_path}/mlflow.db"]) == 2
    assert "There is no store" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_what_a_stranger_logged_is_left_out_and_said(store, capsys):
    folder, uri, ids = store
    (path,) = Path(folder / "mlruns").glob(f"**/{ids['zero']}/artifacts/predictions.parquet")
    kept = path.with_suffix(".kept")
    shutil.copy(path, kept)
    table = pl.read_parquet(path)
    cases = {
        "column y has type String": table.with_columns(pl.col("y").cast(pl.String)),
        "column label_end is missing": table.drop("label_end"),
        "a number is not finite": table.with_columns(y_hat=pl.lit(float("nan"))),
        "a bar is listed twice": pl.concat([table, table]),
        "a label must end after it starts": table.with_columns(label_end=pl.col("label_start")),
        "outcomes differ from those of run": table.with_columns(y=pl.col("y") + 1),
    }
    try:
        for reason, broken in cases.items():
            broken.write_parquet(path)
            assert compare(["small", "--uri", uri, "--samples", "100"]) == 0
            assert reason in capsys.readouterr().out
    finally:
        kept.replace(path)
    client = mlflow.MlflowClient(uri)
    client.set_tag(ids["impact"], "dataset", "[red]\x1b[31m|<b>")
    assert compare(["small", "--uri", uri, "--samples", "100"]) == 0
    assert "\x1b[31m" not in capsys.readouterr().out
    assert sanitise("[red]\x1b|<b>") == "?red????b?"


def test_paths_are_averaged(store):
    """Two paths that say the same, and twice what one gains beside nothing, are as one."""
    folder, uri, ids = store
    (group,) = group_runs(list_runs("small", uri), [ids["ridge"]])
    once = read_group(group, uri, lambda: None).entries[0]
    tables = [
        next((folder / "mlruns").glob(f"**/{ids['ridge']}/artifacts/{n}.parquet")) for n in ("predictions", "equity")
    ]
    kept = [path.read_bytes() for path in tables]
    try:
        for path, factors in zip(tables, ((1, 1), (2, 0)), strict=True):
            table = pl.read_parquet(path)
            money = [name for name in ("gross", "net") if name in table.columns]
            paths = [
                table.with_columns(pl.col(money) * float(factor), path=pl.lit(i, pl.Int32))
                for i, factor in enumerate(factors)
            ]
            pl.concat(paths).write_parquet(path)
        twice = read_group(group, uri, lambda: None).entries[0]
    finally:
        for path, content in zip(tables, kept, strict=True):
            path.write_bytes(content)
    assert twice.predictions.select(sorted(once.predictions.columns)).equals(
        once.predictions.select(sorted(once.predictions.columns))
    )
    assert twice.equity["net"].to_list() == pytest.approx(once.equity["net"].to_list())


def test_deleted_runs_were_tried_too(store, capsys):
    _, uri, ids = store
    client = mlflow.MlflowClient(uri)
    client.delete_run(ids["zero"])
    try:
        assert compare(["small", "--uri", uri, "--samples", "100"]) == 0
    finally:
        client.restore_run(ids["zero"])
    assert "Trials: 7 = 3 runs of the experiment (2 finished, 1 deleted)" in capsys.readouterr().out


def test_the_heading_names_horizons_of_each_clock():
    for length, size, clock, name in (("10s", "None", "time", "10s"), ("None", "500.0", "events", "500 events")):
        params = {"horizon.length": length, "horizon.size": size, "horizon.clock": clock}
        assert Group("forecast", "d" * 64, params, [], {}, []).heading.startswith(f"forecast, horizon {name}, data")

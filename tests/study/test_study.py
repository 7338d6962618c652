"""The whole study: every variant and model runs, twice the same, and its report has the names that others rely on."""

import json
from dataclasses import asdict

import polars as pl
import pytest

from ofiml.config import SCHEMAS
from ofiml.errors import DataError
from ofiml.reporting.figures import choose_figures
from ofiml.reporting.sentences import write_sentences
from ofiml.reporting.verdict import write_title
from tests.conftest import slow_except

VARIANTS = [[f"ofi={name}", "model=ols"] for name in SCHEMAS["ofi"]]
MODELS = [  # of which those that other tests run too, in some way, are left to `make test-slow`
    ["model=zero"],
    ["model=ols"],
    ["model=ridge"],
    ["model=lgbm"],
    ["model=logistic", "target=direction"],
    ["model=lgbm", "target=direction"],
    ["model=lasso"],
    ["model=elasticnet"],
    ["model=lgbm", "model.objective=quantile", "model.quantile=0.7", "model.early_stopping=5", "backtest=off"],
    ["model=lgbm", "model.monotone=ofi", "features=full", "ofi.parts=sides", "tuning.trials=1"],
    ["model=lgbm", "model.objective=three_class", "target=direction", "model.calibration=isotonic", "tuning.trials=1"],
    ["model=logistic", "target=direction", "model.calibration=sigmoid"],
    ["model=blend", "model.how=stack", "+model@model.members.lasso=lasso"],
    ["model=blend_direction", "target=direction", "model.members.lgbm.objective=three_class"],
    ["model=lgbm", "features=core", "split=rolling", "target.unit=bps"],
    ["model=ridge", "ofi=pca", "ofi.parts=types", "ofi.windows=[bar,5s]", "bars=events", "bars.size=1000"],
    ["model=lgbm", "features=full", "bars=dollar", "bars.size=2e6"],
    ["model=lgbm", "features=core", "target=direction", "ofi.normalise=depth"],
]


QUICK = [["model=ridge", "ofi=pca", "ofi.parts=types", "ofi.windows=[bar,5s]", "bars=events", "bars.size=1000"]]


@pytest.mark.parametrize(
    "overrides",
    slow_except(QUICK, [*VARIANTS, *MODELS]),
    ids=" ".join,
)
def test_every_variant_and_model_runs(run, overrides):
    study = run("debug=tiny", *overrides)
    report = json.loads(study.report.to_json())
    assert study.predictions["y_hat"].is_finite().all()
    assert study.predictions["edge_ticks"].is_finite().all()
    assert report["predictions"]["rows"] == study.predictions.height
    assert study.predictions["bar_close"].is_sorted()
    one_group = study.config.ofi.parts == "net"
    fitted = study.config.ofi.name in ("mlofi_ridge", "mlofi_powell", "pca")
    assert (report["ofi"]["weights"] is not None) == fitted
    assert ("weights.png" in choose_figures(study)) == fitted
    if fitted and one_group:
        assert [len(w) for w in report["ofi"]["weights"]] == [10, 10]
    elif fitted:
        names = [f"ofi_pca_{part}{window}" for window in ("", "_5s") for part in ("adds", "cancels", "trades")]
        assert list(report["ofi"]["weights"]) == list(report["ofi"]["explained"]) == names
    if study.config.target.form == "direction":
        assert {"auc", "log_loss"} <= set(report["metrics"]["pooled"])
        chances = study.predictions.select("p_down", "p_flat", "p_up").to_numpy()
        assert ((chances >= 0) & (chances <= 1)).all()
        assert chances.sum(axis=1) == pytest.approx(1)
        assert chances[:, 2] - chances[:, 0] == pytest.approx(study.predictions["y_hat"].to_numpy())
    else:
        assert "p_up" not in study.predictions.columns


TREES = ["model=lgbm", "features=core"]


@pytest.mark.slow
@pytest.mark.parametrize("model", slow_except([TREES], [TREES, ["model=ridge", "ofi=pca"]]), ids=" ".join)
def test_twice_and_on_one_core_or_two_it_is_the_same(run, tmp_path, model):
    reports = []
    for i, threads in enumerate((1, 2, 2)):
        fresh = f"tuning.storage={tmp_path / str(i)}"  # tuned anew each time
        reports.append(
            asdict(run("debug=tiny", *model, f"threads={threads}", fresh).report)
            | {"runtime": None, "provenance": None}
        )
    assert repr(reports[0]) == repr(reports[1]) == repr(reports[2])


@pytest.mark.slow
def test_report_names(run):
    forecast = json.loads(run("debug=tiny", "ofi=pca").report.to_json())
    impact = json.loads(run("debug=tiny", "target=impact", "model=ols").report.to_json())
    assert (forecast["kind"], impact["kind"]) == ("forecast", "impact")
    for report in (forecast, impact):
        assert {"digest", "events", "dropped"} <= set(report["dataset"])
        assert len(report["predictions"]["sha256"]) == 64
        for name in ("r2", "ic", "rank_ic", "hit_rate"):
            assert set(report["metrics"]["pooled"][name]) == {"value", "low", "high"}
        assert len(report["metrics"]["folds"]) == 2
        assert set(report["importance"][0]) >= {"feature", "mean_abs_shap", "folds"}
        assert set(report["runtime"]["seconds"]) == {
            "sessions",
            "folds",
            "leak_check",
            "evaluation",
            "controls",
            "backtest",
            "importance",
        }
    assert set(forecast["backtest"]) >= {"gross_pnl", "net_pnl", "costs", "fills", "sharpe_net", "max_drawdown"}
    assert impact["backtest"] is None
    assert impact["impact"]["windows"]
    assert forecast["impact"] is None
    assert forecast["dataset"]["dropped"] == {"beyond_max_events": pytest.approx(159_000, rel=0.1)}


def test_folds_only_look_back(run):
    study = run("debug=tiny", "model=ols", "features=core")
    for fold in study.report.folds:
        assert fold.train_to < fold.test_from
    rows = study.predictions
    assert (rows["label_end"] > rows["bar_close"]).all()
    fills = study.trades.fills.filter(pl.col("reason") != "close")  # which meet the book as it is at the close
    assert fills.height > 0
    assert (fills["filled"] > fills["decided"]).all()
    assert fills["decided"].is_in(study.decisions["time"].implode()).all()


@pytest.mark.slow
def test_the_two_real_files_run(run, data):
    amzn = data("lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip")
    aapl = data("databento/aapl_20241021_mbp10.csv")
    for name, path in (("lobster", amzn), ("databento", aapl)):
        study = run(f"dataset={name}", f"dataset.path={path}", "model=lgbm", "ofi=mlofi", "horizon=10s",
                    "tuning.trials=2", "evaluation.bootstrap_samples=50")  # fmt: skip
        assert study.report.dataset.events in (155_935, 5_000)
        assert study.predictions.group_by("fold").len().height == 5
        assert study.predictions.select(pl.col("y_hat").is_finite().all()).item()


@pytest.mark.slow
def test_changing_any_number_of_the_model_changes_the_predictions(run):
    asked = [
        "debug=tiny",
        "tuning=off",
        "evaluation.permutation_repeats=0",
        "evaluation.interactions=0",
        "evaluation.decay=[]",
    ]
    base = run(*asked).report.predictions.sha256
    for change in ("n_estimators=40", "learning_rate=0.1", "num_leaves=3", "min_child_samples=10", "reg_lambda=0.0",
                   "feature_fraction=0.3", "bagging_fraction=0.5"):  # fmt: skip
        assert run(*asked, f"model.{change}").report.predictions.sha256 != base, change
    for change in ("seed=8", "bars.step=9s", "horizon.length=20s", "horizon.delay=5s,backtest.latency=0s",
                   "split.embargo=600s", "split.first_train=0.5", "split.n_folds=3", "ofi.normalise=depth",
                   "target.unit=bps", "dataset.seed=1"):  # fmt: skip
        changed = run(*asked, *change.split(",")).report.predictions.sha256
        assert changed != base, change


@pytest.mark.slow
def test_one_blas_thread_while_models_fit(run, monkeypatch):
    """Sums of more threads have other bits: whatever library fits, it fits with one."""
    from threadpoolctl import threadpool_info

    from ofiml.models.pipeline import Pipeline

    fit, threads = Pipeline.fit, []

    def watched(self, *arguments, **options):
        blas = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
        threads.extend((pool["filepath"], pool["num_threads"]) for pool in blas)
        return fit(self, *arguments, **options)

    monkeypatch.setattr(Pipeline, "fit", watched)
    run("debug=tiny", "model=ols", "ofi=mlofi_ridge")
    assert len({path for path, _ in threads}) > 1  # numpy and scipy bring one each
    assert {n for _, n in threads} == {1}, threads


@pytest.mark.slow
def test_bars_without_a_label_are_traded_and_not_judged(run):
    """Whether a bar will have a label is not known when it is traded; and a signal expires in the last horizon too."""
    study = run(
        "debug=tiny", "model=lgbm", "tuning=off", "horizon=300s", "strategy.edge_multiple=0.0", "split.n_folds=1"
    )
    last = study.predictions["bar_close"].max()
    decided = study.trades.fills.filter(pl.col("reason") != "close")["decided"]
    assert (decided > last).any()
    assert study.predictions["y"].null_count() == 0


@pytest.mark.slow
@pytest.mark.slow
def test_one_session_in_two_files_is_that_of_one_file(run, data, tmp_path):
    path = data("databento/aapl_20241021_mbp10.csv")
    lines = path.read_text().splitlines(keepends=True)
    for name, part in (("a.csv", lines[1:2500]), ("b.csv", lines[2500:])):
        (tmp_path / name).write_text("".join([lines[0], *part]))
    asked = ["dataset=databento", "dataset.hours=all", "bars.step=1s", "horizon=1s", "split.embargo=1s", "model=ols",
             "tuning=off", "backtest=off"]  # fmt: skip
    apart, whole = (run(*asked, f"dataset.path={p}") for p in (f"{tmp_path}/*.csv", path))
    assert apart.predictions.equals(whole.predictions)
    (note,) = apart.report.dataset.notes
    assert "joined from 2 files" in note


def test_max_sessions_counts_sessions(run):
    study = run("debug=tiny", "model=zero", "dataset.max_sessions=1")
    assert len(study.report.dataset.sessions) == 1


def test_one_refused_input_ends_the_run_in_its_sentence(run, tmp_path):
    for name in "abcd":
        (tmp_path / f"{name}.csv").write_text("nothing\nof use\n")
    with pytest.raises(DataError, match=r"[ab]\.csv, line 1: the column ts_event is missing"):
        run("dataset=databento", f"dataset.path={tmp_path}/*.csv", "threads=2")


@pytest.mark.slow
def test_features_that_the_data_never_tell_are_named(run, data):
    path = data("quotes/sample_quotes_20180102_03.csv.gz")
    study = run(
        "dataset=quotes", f"dataset.path={path}", "features=full", "model=zero", "evaluation.bootstrap_samples=50"
    )
    never = study.report.rows.never_known
    assert {"vpin", "ofi_adds", "ofi_deep", "effective_spread"} <= set(never)
    assert not {"queue_imbalance", "ofi_60s", "buy_volume"} & set(never)
    assert f"Note: features without any value in these data: {', '.join(never)}." in write_sentences(study)
    assert write_title(study).startswith("forecast: zero on mlofi + full, horizon 10s")

"""Whole studies by each split: every bar predicted as often as it should be, logged, repeated, drawn and printed."""

import json
from dataclasses import asdict, replace

import numpy as np
import polars as pl
import pytest

from ofiml.cli.replay import main as replay
from ofiml.cli.reproduce import main as reproduce
from ofiml.cli.splits import main as splits
from ofiml.errors import DataError
from ofiml.reporting.figures import choose_figures
from ofiml.reporting.sentences import write_sentences
from ofiml.study.report import predictions_sha256
from ofiml.tracking.record import record_study
from tests.conftest import light, slow_but_each

QUICK = ["debug=tiny", "model=ols"]
BAR = ["symbol", "session", "bar_close"]


@pytest.fixture(scope="module")
def paths(run):
    return run(*QUICK, "split=cpcv", "split.n_groups=4", "strategy.edge_multiple=0.5")


def test_each_path_is_a_whole_history(paths):
    report = json.loads(paths.report.to_json())
    rows = paths.predictions
    assert len(report["folds"]) == 6
    assert rows["path"].unique().sort().to_list() == [0, 1, 2]
    for _, path in rows.group_by("path"):
        assert path.height == report["rows"]["used"]
        assert not path.select(BAR).is_duplicated().any()
    assert [p["rows"] for p in report["metrics"]["paths"]] == [report["rows"]["used"]] * 3
    for fold in report["folds"]:
        assert len(fold["spans"]) == 2
        assert sum(span["rows"] for span in fold["spans"]) == fold["test_rows"]


def test_each_path_trades_alone(paths, run):
    backtest = paths.report.backtest
    nets = [p.net_pnl for p in backtest.paths]
    assert backtest.net_pnl == pytest.approx(np.mean(nets))
    assert asdict(backtest.spread.net_pnl) == pytest.approx(
        {"mean": np.mean(nets), "sd": np.std(nets, ddof=1), "min": min(nets), "max": max(nets)}
    )
    last = paths.trades.equity.group_by("path", maintain_order=True).agg(pl.col("net").last())
    assert last["net"].to_list() == pytest.approx(nets)
    gained = paths.trades.gains.group_by("path", maintain_order=True).agg(pl.col("net").sum())
    assert gained["net"].to_list() == pytest.approx(nets)
    assert paths.trades.fills.group_by("path", maintain_order=True).len()["len"].to_list() == [
        p.fills for p in backtest.paths
    ]
    assert backtest.sharpe_low < backtest.sharpe_high


def test_repeated_rows_do_not_count_as_independent(run, configure):
    """With the same model in every fold all paths are one: intervals and t are those of a single path."""
    from ofiml.evaluation.bootstrap import BlockBootstrap
    from ofiml.evaluation.scores import score_predictions

    config = configure(*QUICK, "evaluation.bootstrap_samples=200")
    one = run(*QUICK).predictions
    many = pl.concat([one.with_columns(pl.lit(k, pl.Int32).alias("path")) for k in range(4)])
    bootstrap = BlockBootstrap.of(config.evaluation, config.seed)
    single, multiple = (score_predictions(rows, bootstrap, task="regression", quantile=None) for rows in (one, many))
    for name in ("ic", "rank_ic", "hit_rate"):
        for of in ("value", "low", "high"):
            assert getattr(multiple.pooled[name], of) == pytest.approx(getattr(single.pooled[name], of)), (name, of)
    assert multiple.hac.ic.t == pytest.approx(single.hac.ic.t)


@pytest.mark.slow
def test_the_verdict_says_that_folds_train_on_later_data(paths, run):
    (sentence,) = [line for line in write_sentences(paths) if line.startswith("Cross-validated")]
    assert "not tradable performance" in sentence
    assert "Range over 3 paths: IC" in sentence
    out = run(*QUICK, "split=session_out")
    assert "path" not in out.predictions.columns
    assert [f.test_from[:10] for f in out.report.folds] == ["2024-01-01", "2024-01-02"]
    assert out.predictions.height == out.report.rows.used
    assert any("Cross-validated: the 2 folds" in line for line in write_sentences(out))
    assert not any("Cross-validated" in line for line in write_sentences(run(*QUICK)))


def test_figures_of_paths(paths):
    drawn = choose_figures(paths)
    assert {"splits.png", "equity.png", "strata.png", "signal.png"} <= set(drawn)
    assert len(drawn["equity.png"]().axes[0].get_lines()) >= 2 * 3


@pytest.mark.parametrize("by", slow_but_each(2, ["session", "time"]))
def test_walk_forward_by_dates_and_by_time(run, by):
    study = run(*QUICK, f"split.by={by}", "split.first_train=0.5", "split.n_folds=1")
    assert study.predictions["bar_close"].is_sorted()
    (fold,) = study.report.folds
    assert fold.train_to < fold.test_from
    assert fold.test_from[:10] == "2024-01-02"
    assert by == "time" or fold.train_to[:10] == "2024-01-01"


@pytest.mark.slow
def test_a_logged_run_with_paths_is_reproduced_and_not_replayed(configure, workdir, capsys, new_store):
    config = configure(*QUICK, "split=cpcv", "threads=1", "evaluation.controls=false")
    uri = new_store(workdir)
    with light():
        done = record_study(replace(config, tracking=replace(config.tracking, enabled=True, uri=uri)), workdir / "out")
    written = pl.read_parquet(workdir / "out" / "predictions.parquet")
    assert predictions_sha256(written) == done.study.report.predictions.sha256
    swapped = written.with_columns((1 - pl.col("path")).alias("path"))
    assert predictions_sha256(swapped) != predictions_sha256(written)
    with light():
        assert reproduce([done.run_id, "--uri", uri]) == 0
    assert "are identical" in capsys.readouterr().out
    assert replay([done.run_id, "--uri", uri]) == 2
    assert "trained on rows later than" in capsys.readouterr().err


@pytest.mark.parametrize("split", slow_but_each(3, ["expanding", "cpcv", "session_out"]))
def test_the_command_prints_and_draws_folds(workdir, capsys, split):
    assert splits(["debug=tiny", "features.store=null", f"split={split}", "--out", "drawn/folds.png"]) == 0
    lines = capsys.readouterr().out.splitlines()
    header = next(i for i, line in enumerate(lines) if line.startswith("fold "))
    leaks = [line.split()[-1] for line in lines[header + 1 :] if line.strip()[:1].isdigit() and line[3].isdigit()]
    assert leaks
    assert set(leaks) == {"0"}
    assert (workdir / "drawn" / "folds.png").stat().st_size > 5000


def test_the_command_refuses_in_a_sentence(workdir, capsys):
    assert splits(["split"]) == 2
    assert splits(["--out", "folds.txt"]) == 2
    assert splits(["debug=tiny", "split=session_out", "dataset.max_sessions=1", "features.store=null"]) == 1
    printed = capsys.readouterr().err
    assert "is not an override" in printed
    assert "ends in .png" in printed
    assert "needs labelled rows on at least 2 session dates" in printed


CANNOT_LEARN = [
    (
        "split=cpcv features.columns=[vpin]",
        "Fold 0 keeps none of 410 candidate train rows: the features of all candidates look back ",
    ),
    (
        "target=direction tuning=off model.n_estimators=1 model.validation_fraction=0.99 model.early_stopping=5",
        "Fold 0: inner fold 0 of model.early_stopping keeps none of 4 candidate train rows: 3 lie within "
        "split.embargo=60s of a test row, the others closer. Use shorter bars and a shorter horizon (such as "
        "bars.step=1s horizon=5s), a shorter split.embargo, a smaller model.validation_fraction, or more data.",
    ),
    (
        "target=dead_band target.dead_band=0.999 tuning=off",
        "Fold 0: all rows moved the same way, or none did. Use a target.dead_band smaller than 0.999, or more data.",
    ),
    (
        "target=dead_band target.dead_band=0.999 tuning.trials=1",
        "Fold 0: all 1 tuning trials failed; inner fold 0 of tuning.inner_folds: all rows moved the same way, or "
        "none did. Use a target.dead_band smaller than 0.999, or more data.",
    ),
    (
        "target=triple_barrier target.stop=900 target.take_profit=900 model=logistic model.calibration=sigmoid "
        "tuning=off",
        "Fold 0: inner fold 0 of model.calibration: all rows moved the same way, or none did. Use barriers nearer "
        "than target.stop=900 and target.take_profit=900 ticks, or more data.",
    ),
]


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    slow_but_each(4, CANNOT_LEARN),
)
def test_a_fold_that_cannot_learn_says_which_and_why(run, overrides, sentence):
    with pytest.raises(DataError) as error:
        run("debug=tiny", "threads=1", *overrides.split())
    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value)

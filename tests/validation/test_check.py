"""The study's own leak check: planted leaks of each kind end a run with the place, and sound studies pass."""

import json
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import polars as pl
import polars.selectors as cs
import pytest

from ofiml.cli.exits import run_command
from ofiml.data.schema import extract_times
from ofiml.data.synthetic import simulate
from ofiml.errors import LeakError
from ofiml.labels import Encoder
from ofiml.models.pipeline import Pipeline
from ofiml.reporting.sentences import write_sentences
from ofiml.samples import prepare as rows_room
from ofiml.study import run as experiment
from ofiml.study.json_border import flatten_numbers
from ofiml.tracking.record import record_study
from ofiml.training import folds as training
from ofiml.training import inputs as training_inputs
from ofiml.validation import altered_future, leak_check, past_check
from ofiml.validation import perturbed_refit as refit
from ofiml.validation.altered_future import alter_future
from tests.conftest import slow_but_each, slow_except
from tests.mapped import list_columns_in_memory

MARKET = ["dataset.session_length=15m", "dataset.max_events=null"]
QUICK = ["debug=tiny", "tuning=off", "model=ols", "evaluation.leak_check=true", *MARKET]
CORE = [*QUICK, "features=core"]


def ahead(monkeypatch):
    """A feature is that of the next bar."""
    compute = rows_room.compute_bars

    def wrong(session, market, plan, edges, names):
        computed = compute(session, market, plan, edges, names)
        values, j = computed.features.copy(), names.index("return_1")
        values[:-1, j] = values[1:, j]
        return replace(computed, features=values)

    monkeypatch.setattr(rows_room, "compute_bars", wrong)


def of_the_whole_session(monkeypatch):
    """A feature is divided by its spread over the session."""
    compute = rows_room.compute_bars

    def wrong(session, market, plan, edges, names):
        computed = compute(session, market, plan, edges, names)
        values, j = computed.features.copy(), names.index("return_1")
        values[:, j] /= np.nanstd(values[:, j])
        return replace(computed, features=values)

    monkeypatch.setattr(rows_room, "compute_bars", wrong)


def label_as_feature(monkeypatch):
    prepare = rows_room.prepare_session

    def wrong(session, config):
        made = prepare(session, config)
        made.rows = made.rows.with_columns(queue_imbalance=pl.col("y").fill_null(0.0))
        return made

    monkeypatch.setattr(rows_room, "prepare_session", wrong)


def label_beyond_its_end(monkeypatch):
    prepare = rows_room.prepare_session

    def wrong(session, config):
        made = prepare(session, config)
        made.rows = made.rows.with_columns(pl.col("y").shift(-3))
        return made

    monkeypatch.setattr(rows_room, "prepare_session", wrong)


def flow_centred_with_its_future(monkeypatch):
    table = rows_room.build_flow_table

    def wrong(*arguments):
        flow = table(*arguments)
        return flow.with_columns(pl.col("ofi_00").cast(pl.Float64) - pl.col("ofi_00").mean())

    monkeypatch.setattr(rows_room, "build_flow_table", wrong)


def flow_centred_over_the_block(monkeypatch):
    matrix = training_inputs.build_flow_matrix
    monkeypatch.setattr(
        training_inputs, "build_flow_matrix", lambda *asked: matrix(*asked) - matrix(*asked).mean(axis=0)
    )


def transform_over_the_block(monkeypatch):
    features = Pipeline.build_features

    def wrong(self, flow, others):
        x = features(self, flow, others)
        return x / np.nanstd(x, axis=0)

    monkeypatch.setattr(Pipeline, "build_features", wrong)


def prediction_of_the_next_bar(monkeypatch):
    predict = Pipeline.predict
    monkeypatch.setattr(Pipeline, "predict", lambda self, *x: np.roll(predict(self, *x), -1))


def rows_scaled_together(monkeypatch):
    pool_samples = experiment.pool_samples

    def wrong(*pooled):
        rows, dropped = pool_samples(*pooled)
        return rows.with_columns(pl.col("return_1") / pl.col("return_1").std()), dropped

    monkeypatch.setattr(experiment, "pool_samples", wrong)


PLANTED = [
    (ahead, "feature return_1 of SYN"),
    (of_the_whole_session, "feature return_1 of SYN"),
    (rows_scaled_together, "feature return_1 of SYN"),
    (label_as_feature, "feature queue_imbalance of SYN"),
    (label_beyond_its_end, "y, known by then, of SYN"),
    (flow_centred_with_its_future, "flow ofi_00 of SYN"),
    (flow_centred_over_the_block, "flow ofi_00 of SYN"),
    (transform_over_the_block, "the model's input ofi_00 of SYN"),
    (prediction_of_the_next_bar, "the prediction of SYN"),
]


@pytest.mark.parametrize(("plant", "said"), PLANTED, ids=lambda p: getattr(p, "__name__", ""))
def test_a_planted_leak_ends_the_run(run, monkeypatch, plant, said):
    plant(monkeypatch)
    with pytest.raises(LeakError, match=f"^evaluation.leak_check: {said} 2024-01-0[12] at .* depends? on the future"):
        run(*CORE)


def on_every_row(monkeypatch):
    """Each fold is fitted on all rows, and says that it was fitted on its own."""
    fit = training.fit_fold

    def wrong(judged, block, fold, *asked, **how):
        result = fit(judged, block, replace(fold, train=np.arange(judged.height)), *asked, **how)
        return replace(result, fold=fold)

    monkeypatch.setattr(training, "fit_fold", wrong)


def band_of_every_row(monkeypatch):
    fit, learn = training.fit_fold, Encoder.fit

    def wrong(judged, *asked, **how):
        with monkeypatch.context() as patched:
            patched.setattr(Encoder, "fit", lambda y, share: learn(judged["y"].to_numpy(), share))
            return fit(judged, *asked, **how)

    monkeypatch.setattr(training, "fit_fold", wrong)


def held_out_on_the_test_rows(monkeypatch):
    """How many trees are best is seen on rows that are tested."""
    fit = training.fit_fold

    def wrong(judged, block, fold, levels, config, **how):
        held = judged[fold.test]["y"].to_numpy()
        best = 1 + int(np.abs(held).sum()) % 20
        return fit(judged, block, fold, levels, replace(config, model=replace(config.model, n_estimators=best)), **how)

    monkeypatch.setattr(training, "fit_fold", wrong)


def scaled_by_the_test_block(monkeypatch):
    """The pipeline carries the spread that its first feature has over the bars that it will be tested on."""
    fit, build, features = training.fit_fold, training.build_pipeline, Pipeline.build_features

    def wrong(judged, block, *asked, **how):
        def scaled(*of):
            pipeline = build(*of)
            pipeline.spread = float(block["ofi_00"].std())
            return pipeline

        with monkeypatch.context() as patched:
            patched.setattr(training, "build_pipeline", scaled)
            return fit(judged, block, *asked, **how)

    monkeypatch.setattr(training, "fit_fold", wrong)
    monkeypatch.setattr(Pipeline, "build_features", lambda self, *x: features(self, *x) / self.spread)


def next_folds_rows(monkeypatch):
    """The next fold's train rows, which are this fold's test rows too."""
    fit_folds = training.fit_folds

    def wrong(rows, judged, folds, *asked):
        fit = training.fit_fold

        def shifted(judged, block, fold, *more, **how):
            later = folds[min(fold.index + 1, len(folds) - 1)].train
            result = fit(judged, block, replace(fold, train=later), *more, **how)
            return replace(result, fold=fold)

        monkeypatch.setattr(training, "fit_fold", shifted)
        return fit_folds(rows, judged, folds, *asked)

    monkeypatch.setattr(experiment, "fit_folds", wrong)


LEARNED = [
    (on_every_row, []),
    (on_every_row, ["target=direction", "model=logistic"]),
    (on_every_row, ["model=lgbm", "model.n_estimators=5", "split=cpcv"]),
    (band_of_every_row, ["target=dead_band", "model=logistic"]),
    (held_out_on_the_test_rows, ["model=lgbm", "model.min_child_samples=5"]),
    (scaled_by_the_test_block, ["model=ridge"]),
    (next_folds_rows, []),
]


@pytest.mark.parametrize(
    ("plant", "overrides"), slow_but_each(3, LEARNED), ids=lambda p: p.__name__ if callable(p) else " ".join(p)
)
def test_learning_from_other_rows_than_train_ends_the_run(run, monkeypatch, plant, overrides):
    plant(monkeypatch)
    with pytest.raises(LeakError, match="of fold 0 learned from rows outside its train rows: y_hat of SYN"):
        run(*CORE, "threads=1", *overrides)


@pytest.mark.slow
def test_the_fold_that_is_fitted_anew_has_learned_something(run):
    """The first fold's trees have too few rows to split, and say a constant whatever they learned from."""
    study = run(*CORE, "model=lgbm", "split.first_train=0.2", "model.min_child_samples=25")
    constant = [len(f["y_hat"].unique()) == 1 for _, f in study.predictions.group_by("fold", maintain_order=True)]
    assert constant == [True, False]
    assert study.report.leak_check.refitted.fold == 1


def test_other_values_are_of_no_train_row_and_keep_their_place(configure):
    labels = [1.0, -1.0, 0.0, None, 1.0, -1.0]
    times = range(6)
    flow, price = [10, -20, 30, -40, 50, 60], [1.5, None, 2.5, 3.5, -4.5, 5.5]
    rows = pl.DataFrame({"symbol": list("ABABAB"), "bar_close": times, "y": labels, "ofi_00": flow, "return_1": price})
    outside = np.array([False, False, True, True, True, True])
    ways = configure("target=direction", "model=logistic")
    for config in (configure(), ways):
        other = refit.alter_rows(rows, outside, np.random.default_rng(1), config.target)
        assert other.schema == rows.schema
        assert other[:2].equals(rows[:2])
        assert other.select("symbol", "bar_close").equals(rows.select("symbol", "bar_close"))
        assert min(abs(f) for f in other["ofi_00"][2:]) >= 2 * 30
        assert not set(other["return_1"][2:]) & set(price)
    assert set(other["y"][2:]) <= {1.0, -1.0, 0.0}


@pytest.mark.skipif(sys.platform != "linux", reason="reads the maps of the process")
def test_the_altered_rows_lie_in_a_file(run, monkeypatch):
    in_memory, fit = [], training.fit_fold

    def look(labelled, block, *rest, **options):
        in_memory.append(list_columns_in_memory(labelled.select("y", cs.starts_with("ofi_"))))
        return fit(labelled, block, *rest, **options)

    monkeypatch.setattr(training, "fit_fold", look)
    report = run(*CORE).report
    assert len(in_memory) == len(report.folds) + 1
    assert in_memory[-1] == []  # of the refit, the last


def test_switched_off_it_says_nothing(run, monkeypatch):
    ahead(monkeypatch)
    assert run(*CORE, "evaluation.leak_check=false").report.leak_check is None


def test_training_on_what_is_tested_ends_the_run(run, monkeypatch):
    divide = experiment.divide_rows

    def careless(*asked):
        """Without the purge: every row before the block."""
        divided = divide(*asked)
        return replace(divided, folds=[replace(f, train=np.arange(f.test[0])) for f in divided.folds])

    monkeypatch.setattr(experiment, "divide_rows", careless)
    with pytest.raises(LeakError, match=r"fold 0 trains on SYN 2024-01-0\d at .*\(1 such train rows\). Fix the split"):
        run(*QUICK)


def test_it_ends_in_a_sentence_and_leaves_nothing(configure, monkeypatch, tmp_path, capfd):
    ahead(monkeypatch)
    config = configure(*CORE)
    assert run_command(lambda: record_study(config, tmp_path / "run")) == 1
    said = capfd.readouterr().err
    assert "ofiml: evaluation.leak_check: feature return_1 of SYN" in said
    assert "Traceback" not in said
    assert not (tmp_path / "run").exists()


def test_kept_rows_hide_no_leak(configure, monkeypatch, tmp_path):
    """Rows that a wrong code left in the cache are held against rows made now."""
    config = configure(*CORE, "evaluation.leak_check=false")
    config.features.store = str(tmp_path)

    def studied():
        with experiment.Stages() as stages:
            return experiment.run(config, stages)

    with monkeypatch.context() as patched:
        ahead(patched)
        wrong = studied()
    config.evaluation.leak_check = True
    with pytest.raises(LeakError, match="feature return_1"):
        studied()
    config.features.store = None
    assert studied().report.predictions != wrong.report.predictions


@pytest.mark.slow
def test_a_pass_is_kept_for_exactly_these_rows(configure, monkeypatch, tmp_path):
    """Another model or seed pays for its own part alone; other rows, or those of a damaged file, are checked now."""
    base = ["dataset.sessions=2", "dataset.max_sessions=null"]
    remade = []
    remake = past_check.remake_rows
    monkeypatch.setattr(
        past_check, "remake_rows", lambda moments, fitted: (remade.append(len(moments)), remake(moments, fitted))[1]
    )

    def study(*overrides):
        config = configure(*QUICK, *base, *overrides)
        config.features.store = str(tmp_path)
        with experiment.Stages() as stages:
            return experiment.run(config, stages)

    first, ridge = study(), study("model=ridge")
    assert [t.earlier for t in first.report.leak_check.times] == [False] * 3
    assert [t.earlier for t in ridge.report.leak_check.times] == [True] * 3
    assert "rows of 3 checked in an earlier run" in " ".join(write_sentences(ridge))
    next(tmp_path.glob("*-past.json")).write_text("damaged")
    second = study()
    assert flatten_numbers(json.loads(first.report.to_json())) == flatten_numbers(json.loads(second.report.to_json()))
    study("seed=8")
    study("horizon=60s")
    assert remade == [3, 0, 1, 0, 3]


def test_sessions_of_few_sources_and_other_symbols_are_preferred():
    origins = {("A", "1"): 0, ("B", "1"): 0, ("A", "2"): 1, ("B", "2"): 1}
    prefer = partial(leak_check._prefer_other_sessions, list(origins), origins=origins)
    assert prefer([]) == list(origins)
    assert prefer([("A", "1")]) == [("B", "1")]  # its source is read anyway
    assert prefer([("A", "1"), ("B", "1")]) == [("A", "2"), ("B", "2")]
    assert prefer([("A", "1"), ("B", "2")]) == [("B", "1"), ("A", "2")]
    assert prefer(list(origins)) == list(origins)
    files = {("A", "1"): 0, ("A", "2"): 0, ("B", "1"): 0}
    assert leak_check._prefer_other_sessions(list(files), [("A", "1")], files) == [("B", "1")]


def test_a_kept_pass_hides_no_leak_of_a_model(configure, monkeypatch, tmp_path):
    """The models are compared in each run, also on rows that passed before."""
    config = configure(*QUICK)
    config.features.store = str(tmp_path)

    def study():
        with experiment.Stages() as stages:
            return experiment.run(config, stages)

    study()
    prediction_of_the_next_bar(monkeypatch)
    with pytest.raises(LeakError, match="the prediction of"):
        study()


def test_a_failed_check_is_not_kept(configure, monkeypatch, tmp_path):
    config = configure(*CORE)
    config.features.store = str(tmp_path)
    ahead(monkeypatch)
    for _ in range(2):
        with pytest.raises(LeakError, match="feature return_1"), experiment.Stages() as stages:
            experiment.run(config, stages)
    assert not list(tmp_path.glob("*-past.json"))


@pytest.mark.slow
def test_few_sources_are_read_again(configure, monkeypatch):
    """Symbols of one simulated market come from one source: it is simulated once for all of its moments."""
    config = configure(*QUICK, "dataset=synthetic_basket", "dataset.sessions=1", "dataset.max_sessions=null")
    reads = []
    read = altered_future.read_sessions

    def count(samples, dataset):
        reads.append(samples)
        return read(samples, dataset)

    monkeypatch.setattr(altered_future, "read_sessions", count)
    with experiment.Stages() as stages:
        times = experiment.run(config, stages).report.leak_check.times
    assert len({t.symbol for t in times}) == 3
    assert [len({s.origin for s in samples}) for samples in reads] == [1]


SOUND = [
    ["features=full", "model=lgbm", "bars=events", "bars.size=300", "ofi.windows=[bar,5s]", "ofi.parts=types"],
    ["dataset=synthetic_basket", "features=core", "features.cross=[SYN1,SYN3]", "dataset.max_sessions=4"],
    ["target=impact", "ofi=pca", "split=session_out"],
    ["features=core", "split=cpcv", "horizon=60s"],
    ["target=direction", "model=logistic", "bars=volume", "bars.size=2000"],
    ["target=volatility", "horizon=volume", "ofi=mlofi_ridge", "horizon.delay=1s"],
    ["target=triple_barrier", "model=lgbm", "evaluation.leak_times=5"],
    ["target=dead_band", "model=lgbm", "tuning=optuna", "tuning.trials=2", "model.n_estimators=20", "seeds=[7,8]"],
]


QUICK_SOUND = [SOUND[0], SOUND[3]]  # of the others in `make test-slow`


@pytest.mark.parametrize(
    "overrides",
    slow_except(QUICK_SOUND, SOUND),
    ids=" ".join,
)
def test_a_sound_study_passes(run, overrides):
    study = run(*QUICK, *overrides)
    found = study.report.leak_check
    assert len(found.times) == study.config.evaluation.leak_times
    assert found.differing == 0
    assert found.values > found.bars * 10
    (sentence,) = (s for s in write_sentences(study) if s.startswith("Leak check passed: replacing everything after"))
    assert (found.decisions is None) == (study.report.backtest is None)
    if found.decisions is not None:
        assert found.decisions > 0
        assert f"all {found.decisions:,} compared decisions of the strategy unchanged" in sentence
        orders, traded = study.report.performance.orders.sent, found.execution
        assert (traded is None) == (orders == 0)
        if traded is not None:
            assert 0 < traded.orders < orders
            assert f"left {traded.orders + traded.fills:,} orders and fills of the execution unchanged" in sentence
    assert found.folds == len(study.report.folds)
    assert found.train_rows == sum(f.train_rows for f in study.report.folds)
    refitted = next(f for f in study.report.folds if f.fold == found.refitted.fold)
    assert found.refitted.rows == study.report.rows.used - refitted.train_rows
    assert found.refitted.values > 0


@pytest.mark.slow
def test_real_data_pass(run, data):
    path = data("lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip")
    asked = [
        "tuning=off",
        "model=lgbm",
        "features=core",
        "evaluation.bootstrap_samples=50",
        "evaluation.leak_check=true",
    ]
    found = run("dataset=lobster", f"dataset.path={path}", *asked).report.leak_check
    assert len({t.fold for t in found.times}) == 3


@pytest.mark.slow
def test_times_are_of_several_folds_and_sessions_and_the_same_each_time(run):
    asked = ["dataset.sessions=4", "dataset.max_sessions=null", "split.n_folds=3"]
    found = [run(*QUICK, *asked).report.leak_check for _ in range(2)]
    assert found[0] == found[1]
    assert [t.fold for t in found[0].times] == [0, 1, 2]
    assert len({t.session for t in found[0].times}) == 3


def test_another_future_leaves_the_past(configure):
    session = simulate(configure(*MARKET).dataset, 0)[0]
    t = int(extract_times(session.events)[8_000])
    other = alter_future(session, t)
    until = pl.col("ts_recv").to_physical() <= t
    assert session.events.filter(until).equals(other.events.filter(until))
    before, after = (s.events.filter(~until) for s in (session, other))
    assert 0.45 < after.height / before.height < 0.55
    assert (after["bid_px_00"] < after["ask_px_00"]).all()
    assert (after["bid_px_00"] > 0).all()
    assert after["bid_px_09"].null_count() < after.height
    kept = before.filter(before["sequence"].is_in(after["sequence"].to_list()))
    for column in ("bid_px_00", "ask_px_00", "bid_sz_00", "ask_sz_05"):
        assert (kept[column] != after[column]).mean() > 0.9, column
    assert other.truth is None

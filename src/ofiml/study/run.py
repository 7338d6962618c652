"""Run a study, from sessions of events to a report. This module imports neither Hydra nor MLflow."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from ofiml._numba import is_compiled
from ofiml._typing import Float
from ofiml.backtest.instruments import AssignedInstrument, Listing, assign_instruments
from ofiml.backtest.latency import Latency
from ofiml.backtest.money import estimate_fee_ticks
from ofiml.backtest.result import BacktestResult
from ofiml.backtest.run import Desk, run_backtest
from ofiml.backtest.scenarios import make_latency
from ofiml.config import Config, FileDataset, Instrument, SyntheticDataset
from ofiml.data.truth import Truth
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.evaluation.decay import measure_decay
from ofiml.evaluation.explanation import explain_fits
from ofiml.evaluation.impact import ImpactScore, measure_impact
from ofiml.evaluation.oracle import compare_with_oracle
from ofiml.evaluation.profit import measure_performance
from ofiml.evaluation.reliability import measure_reliability
from ofiml.evaluation.scores import Scores, score_predictions
from ofiml.evaluation.seeds import compare_seeds
from ofiml.evaluation.strata import add_trailing_volatility, assign_strata, score_strata
from ofiml.models.pipeline import Pipeline
from ofiml.parallel import Workers, limit_blas_threads, open_workers
from ofiml.provenance import describe_provenance
from ofiml.samples.prepare import prepare_dataset
from ofiml.samples.scratch import Scratch, choose_scratch_folder
from ofiml.samples.session import SessionSamples
from ofiml.samples.settings import SampleSettings
from ofiml.samples.table import pool_samples, take_rows
from ofiml.splits.splitter import DividedRows
from ofiml.strategy.bars import FeeTicks
from ofiml.strategy.build import decide, tabulate_decisions
from ofiml.strategy.causality import check_causality
from ofiml.strategy.fit import fit_rules, tabulate_rules
from ofiml.study.description import (
    count_rows,
    count_tuning_trials,
    describe_dataset,
    describe_folds,
    describe_model,
    describe_ofi,
    describe_tuning,
)
from ofiml.study.report import PredictionsDigest, Report, Runtime, predictions_sha256
from ofiml.training.fitted import FittedStudy
from ofiml.training.folds import FoldResult, divide_rows, fit_folds
from ofiml.training.settings import FitSettings
from ofiml.tuning import check_storage
from ofiml.ui.progress import Stages
from ofiml.validation.controls import run_controls
from ofiml.validation.execution_check import CheckedExecution, check_execution
from ofiml.validation.leak_check import LEAK_CHECK_STEPS, check_leaks


@dataclass(frozen=True, slots=True)
class Study:
    """The results of a study.

    `predictions` has the labelled rows out of sample, with the book at each bar's close. `trades` has the tables of the
    backtest, None without one. `decisions` and `rules` are what the strategy decided and learned. `pipelines` has one
    entry per fold. `example` has a few rows of model inputs, shape (rows, features). `truths` has the parameters of
    each simulated session.
    """

    config: Config
    report: Report
    predictions: pl.DataFrame
    trades: BacktestResult | None
    decisions: pl.DataFrame | None
    rules: pl.DataFrame | None
    pipelines: list[Pipeline]
    example: Float
    truths: list[Truth]
    divided: DividedRows


def announce_compilation(stages: Stages) -> None:
    """Announce that the first work of this version compiles its kernels, which takes longer than a small study."""
    if not is_compiled("ofiml.features.kernel"):
        stages.announce("compiling kernels, once for this version: about half a minute")


def run(config: Config, stages: Stages, report_folds: Callable[[int], None] = lambda _: None) -> Study:
    """Run the study that `config` describes. `report_folds` receives the number of folds before any is fitted.

    Raises ConfigError, DataError or LeakError, each with one sentence.
    """
    clock, evaluation = Clock(), config.evaluation
    bootstrap = BlockBootstrap.of(evaluation, config.seed)
    check_storage(config.tuning, config.model)
    announce_compilation(stages)
    with limit_blas_threads(), open_workers(config.parallel, config.threads, config.features.store) as workers:
        with clock.stage("sessions"):
            prepared = prepare_dataset(SampleSettings.of(config), workers, stages)
            sessions = prepared.sessions
            rows, dropped = pool_samples(sessions, config.features.store)
            rows = add_trailing_volatility(rows)
            trades = config.backtest.enabled and config.target.kind == "forecast"
            instruments = _assign_instruments(sessions, config.dataset) if trades else []
            latency = make_latency(config.backtest, config.seed) if instruments else None
        with clock.stage("folds"):
            fitted = _fit(sessions, rows, config, workers, stages, report_folds)
            traded = fitted.join_predictions()
            known = np.flatnonzero(traded["y"].is_not_null().to_numpy())
            predictions = take_rows(traded, known, fitted.scratch)
        n_folds = len(fitted.results)
        with (
            clock.stage("leak_check"),
            stages.start_stage("leak check", LEAK_CHECK_STEPS * evaluation.leak_check) as bar,
        ):
            leak_check = check_leaks(fitted, bar.step) if evaluation.leak_check else None
        with clock.stage("evaluation"), stages.start_stage("evaluation", 2) as bar:
            scores = _score(predictions, fitted, bootstrap)
            bar.step()
            impact = _measure_impact(fitted)
            bar.step()
        with clock.stage("controls"), stages.start_stage("controls", n_folds * evaluation.controls) as bar:
            controls = run_controls(fitted, workers, bar.step) if evaluation.controls else None
        with clock.stage("backtest"):
            backtest = _backtest(traded, fitted, instruments, latency, stages) if latency else None
            performance = None
            if backtest is not None:
                least, trials = config.backtest.min_round_trips, 1 + count_tuning_trials(fitted)
                performance = measure_performance(backtest.result, predictions, bootstrap, least, trials)
                leak_check = leak_check and replace(
                    leak_check, decisions=backtest.compared, execution=backtest.execution
                )
    with clock.stage("importance"), stages.start_stage("importance", n_folds) as bar:
        explanation = explain_fits(fitted, bar.step)
    with clock.stage("evaluation"), stages.start_stage("strata", 3) as bar:
        task, decided = config.target.task, backtest.result.decided if backtest else None
        strata = score_strata(predictions, traded, decided, bootstrap)
        bar.step()
        decay = measure_decay(predictions, config.horizon, evaluation.decay, bootstrap, fitted.read_train_intervals())
        bar.step()
        reliability = measure_reliability(predictions, bootstrap, task=task)
        bar.step()
    report = Report(
        kind="impact" if config.target.kind == "impact" else "forecast",
        dataset=describe_dataset(prepared, config.dataset, instruments),
        rows=count_rows(fitted, dropped),
        ofi=describe_ofi(fitted),
        model=describe_model(fitted),
        folds=describe_folds(fitted),
        predictions=PredictionsDigest(predictions_sha256(predictions), predictions.height),
        metrics=scores,
        impact=impact,
        strata=strata,
        decay=decay,
        reliability=reliability,
        importance=explanation.importance,
        importance_stability=explanation.importance_stability,
        explained=explanation.use,
        seeds=compare_seeds(predictions, config.seeds, task=task, quantile=config.model.of_quantile),
        tuning=describe_tuning(fitted),
        backtest=performance,
        controls=controls,
        leak_check=leak_check,
        runtime=Runtime(clock.seconds),
        provenance=describe_provenance(config.threads),
    )
    return _collect_results(fitted, report, predictions, backtest)


# --- steps -----------------------------------------------------------------------------------------------------------


def _assign_instruments(
    sessions: list[SessionSamples], dataset: SyntheticDataset | FileDataset
) -> list[AssignedInstrument]:
    """Assign its instrument to each symbol, before anything is fitted."""
    listings = [Listing(s.key[0], s.calendar, s.home, s.source) for s in sessions]
    return list(assign_instruments(listings, dataset).values())


def _fit(
    sessions: list[SessionSamples],
    rows: pl.DataFrame,
    config: Config,
    workers: Workers,
    stages: Stages,
    report_folds: Callable[[int], None],
) -> FittedStudy:
    """Divide the labelled rows into folds, fit each, and assign the predicted bars to strata."""
    scratch = Scratch(choose_scratch_folder(config.features.store))
    labelled = take_rows(rows, np.flatnonzero(rows["y"].is_not_null().to_numpy()), scratch)
    divided = divide_rows(labelled, sessions, config.split)
    report_folds(len(divided.folds))
    settings, levels = FitSettings.of(config), sessions[0].flow_levels
    results = fit_folds(rows, labelled, divided.folds, levels, settings, workers, stages)
    hours = {s.key: (s.open, s.close) for s in sessions}
    results = [
        replace(r, predictions=assign_strata(r.predictions, take_rows(labelled, r.fold.train), hours)) for r in results
    ]
    results = [_keep_predictions(r, rows, scratch) for r in results]
    return FittedStudy(config, sessions, rows, labelled, divided, results, scratch)


def _score(predictions: pl.DataFrame, fitted: FittedStudy, bootstrap: BlockBootstrap) -> Scores:
    """Score the predictions and, in a simulated market, compare them with the oracle."""
    task, quantile = fitted.config.target.task, fitted.config.model.of_quantile
    scores = score_predictions(predictions, bootstrap, task=task, quantile=quantile)
    planted = any(s.planted is not None and s.planted.informative for s in fitted.sessions)
    return replace(scores, oracle=compare_with_oracle(predictions, scores.pooled, task=task, planted=planted))


def _measure_impact(fitted: FittedStudy) -> ImpactScore | None:
    """Measure the price impact of best-level flow. Return None for a forecast."""
    if fitted.config.target.kind != "impact":
        return None
    return measure_impact(fitted.labelled, {s.key: s.open for s in fitted.sessions})


@dataclass(frozen=True, slots=True)
class _Backtest:
    """The result of the backtest, what the strategy decided and learned, and what the leak check compared of decisions
    and execution (None without it).
    """

    result: BacktestResult
    decisions: pl.DataFrame
    rules: pl.DataFrame
    compared: int | None
    execution: CheckedExecution | None


def _backtest(
    predictions: pl.DataFrame,
    fitted: FittedStudy,
    assigned: list[AssignedInstrument],
    latency: Latency,
    stages: Stages,
) -> _Backtest:
    """Trade the forecasts by the strategy, in the instruments that were `assigned` to the symbols."""
    config, scratch = fitted.config, fitted.scratch
    lots = config.strategy.base_lots
    fees = {one.symbol: _measure_fee(one.instrument, lots) for one in assigned}
    rules = fit_rules(fitted, config.strategy, fees)
    plans = decide(fitted, config.strategy, rules, fees)
    compared = check_causality(fitted, config.strategy, rules, fees) if config.evaluation.leak_check else None
    desk = Desk(
        config=config.backtest,
        latency=latency,
        dataset=config.dataset,
        instruments={one.symbol: one for one in assigned},
        cap=config.strategy.max_position,
        bar=config.bars.label,
        store=config.features.store,
        seed=config.seed,
        threads=config.threads,
    )
    result = run_backtest(predictions, fitted.sessions, plans, desk, stages, scratch.keep)
    execution = check_execution(fitted.sessions, plans, result, desk) if config.evaluation.leak_check else None
    decisions = scratch.keep(tabulate_decisions(plans))
    return _Backtest(result, decisions, tabulate_rules(rules), compared, execution)


def _keep_predictions(result: FoldResult, rows: pl.DataFrame, scratch: Scratch) -> FoldResult:
    """Keep what the fit added to the tested bars, which are views of `rows`, in `scratch` too."""
    predictions = result.predictions
    added = predictions.select("y", pl.exclude(rows.columns))
    return replace(result, predictions=predictions.with_columns(scratch.keep(added)))


def _measure_fee(instrument: Instrument, lots: int) -> FeeTicks:
    """Return the taker's fee of an order of `lots` in ticks a lot, by mids in ticks."""

    def measure(mid: Float, tick: int) -> Float:
        return estimate_fee_ticks(instrument, np.abs(mid) * tick, lots=lots)

    return measure


def _collect_results(
    fitted: FittedStudy, report: Report, predictions: pl.DataFrame, backtest: _Backtest | None
) -> Study:
    """Collect the report, and what is written to files and drawn."""
    last = fitted.results[-1]
    return Study(
        config=fitted.config,
        report=report,
        predictions=predictions,
        trades=backtest.result if backtest else None,
        decisions=backtest.decisions if backtest else None,
        rules=backtest.rules if backtest else None,
        pipelines=[r.pipeline for r in fitted.results],
        example=last.pipeline.build_features(*fitted.select_inputs(fitted.labelled[last.fold.test[:5]])),
        truths=[s.planted for s in fitted.sessions if s.planted is not None],
        divided=fitted.divided,
    )


@dataclass(slots=True)
class Clock:
    """Measures the seconds spent in each stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside."""
        start = time.perf_counter()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 3)

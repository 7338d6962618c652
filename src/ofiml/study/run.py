"""The whole study, top to bottom: from sessions of events to a report. Knows neither Hydra nor MLflow."""

import hashlib
import importlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ofiml.backtest.paths import by_path
from ofiml.backtest.taker import FILL_SCHEMA, Result
from ofiml.config import Config
from ofiml.data.quality import add
from ofiml.data.truth import Truth
from ofiml.evaluation.decay import decay
from ofiml.evaluation.explanation import explained
from ofiml.evaluation.impact import r2_windows
from ofiml.evaluation.importance import importance, stability
from ofiml.evaluation.measures import judge, profit
from ofiml.evaluation.oracle import skill
from ofiml.evaluation.reliability import reliability
from ofiml.evaluation.seeds import spread
from ofiml.evaluation.strata import strata, stratified, trailing_volatility
from ofiml.models.pipeline import Pipeline
from ofiml.ofi.reduce import described
from ofiml.samples.prepare import prepare_sessions
from ofiml.samples.session import SessionSamples
from ofiml.samples.settings import SampleSettings
from ofiml.samples.table import feature_columns, pool_samples
from ofiml.splits.description import described_folds
from ofiml.splits.splitter import Divided
from ofiml.study.report import Report, predictions_sha256
from ofiml.training.folds import (
    FoldResult,
    divide,
    fit_all,
    histories,
    inputs,
    intervals,
)
from ofiml.ui.progress import Stages
from ofiml.validation.controls import controls
from ofiml.validation.leak_check import check

Float = NDArray[np.float64]


@dataclass(slots=True)
class Study:
    """What a study leaves behind. `predictions` are out of sample, with the book at each bar's close beside them."""

    config: Config
    report: Report
    predictions: pl.DataFrame
    fills: pl.DataFrame
    equity: pl.DataFrame | None
    gains: pl.DataFrame | None  # of each bar and symbol, in currency
    pipelines: list[Pipeline]
    example: Float  # a few rows of features as the model sees them
    truths: list[Truth]  # what each simulated session was made with
    divided: Divided


@dataclass(slots=True)
class Clock:
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 3)


def run(config: Config, stages: Stages, tell: Callable[[int], None] = lambda _: None) -> Study:
    """Runs the study that `config` describes; `tell` learns how many folds it has, before any is tuned. Raises
    ConfigError or DataError, in one sentence each.
    """
    clock = Clock()
    # One BLAS thread: its sums depend on how many there are. Folds and sessions are what runs side by side. Only
    # libraries that are loaded can be limited, so those with a BLAS or OpenMP of their own are loaded first.
    for library in ("numpy", "scipy.linalg", "sklearn.linear_model", "lightgbm"):
        importlib.import_module(library)
    with threadpool_limits(limits=1):
        with clock.stage("sessions"):
            sessions = prepare_sessions(SampleSettings.of(config), config.threads, stages)
            rows, dropped_rows = pool_samples(sessions)
            rows = trailing_volatility(rows)
            hours = {s.key: (s.open, s.close) for s in sessions}
            truths = [s.planted for s in sessions if s.planted is not None]
        with clock.stage("folds"):
            judged = rows.filter(pl.col("y").is_not_null())
            divided = divide(judged, sessions, config.split)
            tell(len(divided.folds))
            results = fit_all(rows, judged, divided.folds, sessions[0].flow_levels, config, stages)
            for r in results:
                r.predictions = stratified(r.predictions, judged[r.fold.train], hours)
            traded = histories(results)
            predictions = traded.filter(pl.col("y").is_not_null())
        with clock.stage("leak_check"):
            checked = check(rows, judged, results, sessions, config) if config.evaluation.leak_check else None
        with clock.stage("evaluation"):
            metrics = judge(predictions, config)
            if "oracle" in predictions.columns:
                planted = any(truth.informative for truth in truths)
                metrics["oracle"] = skill(predictions, metrics["pooled"], config.target.task, planted)
            impact = _impact(judged, sessions) if config.target.kind == "impact" else None
        with clock.stage("controls"):
            asked = config.evaluation.controls
            held = controls(rows, judged, results, sessions[0].flow_levels, config) if asked else None
        with clock.stage("backtest"):
            trades = _backtest(traded, sessions, config)
            if trades:
                trades.summary.update(profit(trades.equity, predictions, trades.annual, config))

    shap = np.stack([r.shap for r in results])
    names = results[0].pipeline.feature_names
    report = Report(
        kind=config.target.kind,
        dataset=_dataset(sessions, config),
        rows={
            "bars": sum(s.rows.height for s in sessions),
            "used": judged.height,
            "dropped": dropped_rows,
            "never_known": _never_known(judged, config),
        },
        ofi=_ofi(results, config),
        model={"name": config.model.name, "features": names, "target": config.target.form, "unit": config.target.unit},
        folds=[of | {"dead_band_ticks": r.dead_band} for of, r in zip(described_folds(divided), results, strict=True)],
        predictions={"sha256": predictions_sha256(predictions), "rows": predictions.height},
        metrics=metrics,
        impact=impact,
        strata=strata(predictions, traded, trades.decided if trades else None, config),
        decay=decay(predictions, config, {r.fold.index: intervals(judged[r.fold.train]) for r in results}),
        reliability=reliability(predictions, config),
        importance=importance(names, shap),
        importance_stability=stability(shap),
        explained=explained(results, sessions[0].flow_levels, config),
        seeds=spread(predictions, config),
        tuning=[
            {
                "fold": r.fold.index,
                "best": {k: getattr(r.tuned.model, k) for k in config.model.space},
                "importance": r.tuned.importance,
                "trials": r.tuned.trials,
            }
            for r in results
            if r.tuned is not None
        ],
        backtest=trades.summary if trades else None,
        controls=held,
        leak_check=checked,
        runtime={"seconds": clock.seconds},
    )
    last = results[-1]
    example = last.pipeline.features(*inputs(judged[last.fold.test[:5]], sessions[0].flow_levels, config))
    fills = trades.fills if trades else pl.DataFrame(schema=FILL_SCHEMA)
    equity, gains = (trades.equity, trades.gains) if trades else (None, None)
    pipelines = [r.pipeline for r in results]
    return Study(config, report, predictions, fills, equity, gains, pipelines, example, truths, divided)


# --- verdict ---------------------------------------------------------------------------------------------------------


def _impact(rows: pl.DataFrame, sessions: list[SessionSamples]) -> dict[str, Any]:
    windows = r2_windows(rows, {s.key: s.open for s in sessions})
    return {"r2_windows": windows, "r2_window_mean": float(np.mean(windows)) if windows else float("nan")}


def _backtest(predictions: pl.DataFrame, sessions: list[SessionSamples], config: Config) -> Result | None:
    if not config.backtest.enabled or config.target.kind == "impact":
        return None
    return by_path(
        predictions,
        {s.key: s.closing for s in sessions},
        config.backtest,
        bar=config.bars.label,
        size_unit=sessions[0].size_unit,
    )


def _dataset(sessions: list[SessionSamples], config: Config) -> dict[str, Any]:
    dropped: dict[str, int] = {}
    kept: dict[str, int] = {}
    for s in sessions:
        dropped, kept = add(dropped, s.quality.dropped), add(kept, s.quality.kept)
    return {
        "name": config.dataset.name,
        "digest": hashlib.sha256("".join(s.digest for s in sessions).encode()).hexdigest(),
        "events": sum(s.events for s in sessions),
        "dropped": dropped,
        "kept": kept,
        "notes": sorted({f"{s.key[0]}: {note}" for s in sessions for note in s.quality.notes}),
        "sessions": [
            {
                "symbol": s.key[0],
                "session": s.key[1],
                "events": s.events,
                "digest": s.digest,
                "tick": config.dataset.tick,
                "size_unit": s.size_unit,
                "quality": asdict(s.quality),
            }
            for s in sessions
        ],
        "sources": sorted({s.source for s in sessions}),
        "levels": sessions[0].levels,
    }


def _never_known(rows: pl.DataFrame, config: Config) -> list[str]:
    """Features that no row has: this feed, or this market, does not tell them."""
    columns = rows.select(pl.col(feature_columns(config.features)).cast(pl.Float64).fill_nan(None))
    return [c.name for c in columns if c.null_count() == rows.height]


def _ofi(results: list[FoldResult], config: Config) -> dict[str, Any]:
    asked = {"name": config.ofi.name, "normalise": config.ofi.normalise}
    return asked | described([r.pipeline.reducer for r in results])

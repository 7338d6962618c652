"""The whole study, top to bottom: from sessions of events to a report. Knows neither Hydra nor MLflow."""

import hashlib
import importlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import joblib
import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ofiml.backtest.execution import closing_quotes, execution_table
from ofiml.backtest.taker import FILL_SCHEMA, Result, backtest
from ofiml.bars.time import bar_table, states, time_bars
from ofiml.config import Config
from ofiml.errors import DataError
from ofiml.evaluation.bootstrap import blocks, interval
from ofiml.evaluation.impact import r2_windows
from ofiml.evaluation.importance import importance, sample, stability
from ofiml.evaluation.metrics import measure, measures
from ofiml.events.schema import TIME, Session
from ofiml.events.sessions import Source, sources
from ofiml.features.catalogue import look_back_bars
from ofiml.features.compute import View, feature_table
from ofiml.labels import label_table
from ofiml.models.pipeline import Pipeline
from ofiml.ofi.flow import flow_matrix, flow_table
from ofiml.progress import Bar, Stages
from ofiml.splits.walk_forward import Fold, Intervals, walk_forward
from ofiml.tracking.report import Report, predictions_sha256
from ofiml.tuning import Train, Tuned, tune

Float = NDArray[np.float64]
SessionKey = tuple[str, str]


@dataclass(slots=True)
class Prepared:
    """One session's rows (a bar each: bars, flow, features, labels, execution quotes), and what is known of it."""

    key: SessionKey
    rows: pl.DataFrame
    levels: int
    size_unit: float
    open: int
    closing: dict[str, int]
    source: str
    digest: str
    events: int
    dropped: dict[str, int]


@dataclass(slots=True)
class FoldResult:
    fold: Fold
    pipeline: Pipeline
    tuned: Tuned | None
    predictions: pl.DataFrame  # of every bar of the test block, labelled or not: whoever trades does not know which
    shap: Float


@dataclass(slots=True)
class Study:
    """What a study leaves behind. `predictions` are out of sample, with the book at each bar's close beside them."""

    config: Config
    report: Report
    predictions: pl.DataFrame
    fills: pl.DataFrame
    equity: pl.DataFrame | None
    pipelines: list[Pipeline]
    example: Float  # a few rows of features as the model sees them


@dataclass(slots=True)
class Clock:
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 3)


def run(config: Config, stages: Stages) -> Study:
    """Runs the study that `config` describes. Raises ConfigError or DataError, in one sentence each."""
    clock = Clock()
    # One BLAS thread: its sums depend on how many there are. Folds and sessions are what runs side by side. Only
    # libraries that are loaded can be limited, so those with a BLAS or OpenMP of their own are loaded first.
    for library in ("numpy", "scipy.linalg", "sklearn.linear_model", "lightgbm"):
        importlib.import_module(library)
    with threadpool_limits(limits=1):
        with clock.stage("sessions"):
            sessions = _prepare_all(config, stages)
            rows, dropped_rows = _rows(sessions, config)
        with clock.stage("folds"):
            judged = rows.filter(pl.col("y").is_not_null())
            folds = walk_forward(
                _intervals(judged),
                folds=config.split.folds,
                first_train=config.split.first_train,
                embargo=config.split.embargo_ns,
                window=config.split.window,
            )
            results = _fit_all(rows, judged, folds, sessions[0].levels, config, stages)
            traded = pl.concat([r.predictions for r in results])
            predictions = traded.filter(pl.col("y").is_not_null())
        with clock.stage("evaluation"):
            metrics = _metrics(predictions, results, config)
            impact = _impact(judged, sessions) if config.target.kind == "impact" else None
        with clock.stage("backtest"):
            trades = _backtest(traded, sessions, config)

    shap = np.stack([r.shap for r in results])
    names = results[0].pipeline.feature_names
    report = Report(
        kind=config.target.kind,
        dataset=_dataset(sessions, config),
        rows={"bars": sum(s.rows.height for s in sessions), "used": judged.height, "dropped": dropped_rows},
        ofi=_ofi(results, config),
        model={"name": config.model.name, "features": names, "target": config.target.form, "unit": config.target.unit},
        folds=[_describe(r.fold, judged) for r in results],
        predictions={"sha256": predictions_sha256(predictions), "rows": predictions.height},
        metrics=metrics,
        impact=impact,
        importance=importance(names, shap),
        importance_stability=stability(shap),
        tuning=[
            {
                "fold": r.fold.index,
                "best": {k: getattr(r.tuned.model, k) for k in config.model.space},
                "trials": r.tuned.trials,
            }
            for r in results
            if r.tuned is not None
        ],
        backtest=trades.summary if trades else None,
        runtime={"seconds": clock.seconds},
    )
    last = results[-1]
    example = last.pipeline.features(*_inputs(judged[last.fold.test[:5]], sessions[0].levels, config))
    fills = trades.fills if trades else pl.DataFrame(schema=FILL_SCHEMA)
    equity = trades.equity if trades else None
    return Study(config, report, predictions, fills, equity, [r.pipeline for r in results], example)


# --- sessions to rows ------------------------------------------------------------------------------------------------


def prepare(session: Session, config: Config) -> Prepared:
    """One session's bars with flow, features, label and execution quotes; the events are let go."""
    book = states(session, config.bars.per)
    bars = time_bars(session, book, config.bars.step_ns)
    table = bar_table(session, book, bars)
    columns = config.features.columns
    latency = config.backtest.latency_ns
    look_back = look_back_bars(columns) * config.bars.step_ns
    rows = pl.concat(
        [
            table,
            flow_table(book, bars, session.levels),
            feature_table(View(session, book, bars, table), columns),
            label_table(session, book, bars, config.target, config.horizon, latency),
            execution_table(session, book, bars, latency),
            pl.DataFrame({"first_used": np.maximum(bars.close - look_back, session.open)}),
        ],
        how="horizontal",
    ).with_columns(pl.lit(session.tick).alias("tick"))
    return Prepared(
        key=(session.symbol, session.date),
        rows=rows,
        levels=session.levels,
        size_unit=session.size_unit,
        open=session.open,
        closing=closing_quotes(session, book),
        source=session.source,
        digest=session.digest,
        events=session.events.height,
        dropped=session.dropped,
    )


def _prepare_all(config: Config, stages: Stages) -> list[Prepared]:
    """Every session, `threads` sources at a time: memory holds those sessions' events and all sessions' bars."""
    found = sources(config.dataset)

    def work(source: Source, bar: Bar) -> list[Prepared]:
        prepared = [prepare(session, config) for session in source()]
        bar.step()
        return prepared

    with stages.stage("sessions", len(found)) as bar:
        parallel = joblib.Parallel(n_jobs=config.threads, prefer="threads")
        prepared = [p for one in parallel(joblib.delayed(work)(s, bar) for s in found) for p in one]
    return prepared[: config.dataset.max_sessions]


def _rows(sessions: list[Prepared], config: Config) -> tuple[pl.DataFrame, dict[str, int]]:
    """The rows that have a mid, in time order, and how many rows have no mid, or a mid and no label."""
    if len({(s.levels, s.size_unit) for s in sessions}) > 1:
        raise DataError("The sessions differ in levels or size unit: set dataset.levels to what all of them have.")
    keys = [s.key for s in sessions]
    for s in sessions:
        if keys.count(s.key) > 1:
            both = ", ".join(other.source for other in sessions if other.key == s.key)
            raise DataError(f"{both} hold the same session of {s.key[0]}, {s.key[1]}: join them, or choose one.")
    rows = pl.concat([s.rows for s in sessions]).sort("bar_close", maintain_order=True)
    no_mid = pl.col("mid").is_null()
    no_label = ~no_mid & pl.col("y").is_null()
    dropped = rows.select(no_mid.sum().alias("no_mid"), no_label.sum().alias("no_label")).row(0, named=True)
    rows = rows.filter(~no_mid)
    if rows["y"].null_count() == rows.height:
        raise DataError(f"No bar has both a mid and a label ({dropped}): shorten the horizon, or give more data.")
    return rows, dropped


# --- folds -----------------------------------------------------------------------------------------------------------


def _fit_all(
    rows: pl.DataFrame, judged: pl.DataFrame, folds: list[Fold], levels: int, config: Config, stages: Stages
) -> list[FoldResult]:
    """Every fold's result. `rows` are all bars, `judged` those with a label, which the folds are made of."""
    starts = [int(judged["bar_close"][int(fold.test[0])]) for fold in folds]
    ends = [*starts[1:], int(rows["bar_close"][-1]) + 1]
    blocks = [
        rows.filter((pl.col("bar_close") >= a) & (pl.col("bar_close") < b)) for a, b in zip(starts, ends, strict=True)
    ]
    tuned = config.tuning.enabled and bool(config.model.space)
    with (
        stages.stage("folds", len(folds)) as fold_bar,
        stages.stage("trials", len(folds) * config.tuning.trials * tuned) as trial_bar,
    ):

        def work(fold: Fold) -> FoldResult:
            result = _fit(judged, blocks[fold.index], fold, levels, config, trial_bar)
            fold_bar.step()
            return result

        return list(joblib.Parallel(n_jobs=config.threads, prefer="threads")(joblib.delayed(work)(f) for f in folds))


def _fit(
    judged: pl.DataFrame, block: pl.DataFrame, fold: Fold, levels: int, config: Config, trial_bar: Bar
) -> FoldResult:
    """Tunes and fits on the fold's train rows, predicts every bar of its test block."""
    form, train_rows = config.target.form, judged[fold.train]
    y = train_rows["y"].to_numpy()
    flow, others = _inputs(train_rows, levels, config)
    model, tuned = config.model, None
    if config.tuning.enabled and model.space:
        train = Train(flow, others, y, _intervals(train_rows))
        tuned = tune(
            train, config.ofi, model, config.split, config.tuning, form=form, seed=config.seed, step=trial_bar.step
        )
        model = tuned.model
    pipeline = Pipeline(config.ofi, model, form=form, seed=config.seed, columns=config.features.columns)
    pipeline.fit(flow, others, y)
    y_hat = pipeline.predict(*_inputs(block, levels, config))
    train_move = float(np.abs(train_rows["move_ticks"].to_numpy()).mean())
    predictions = block.with_columns(
        pl.lit(fold.index, pl.Int32).alias("fold"),
        pl.lit(float(y.mean())).alias("train_mean"),
        pl.Series("y_hat", y_hat),
        pl.Series("edge_ticks", _edge_ticks(y_hat, block["mid"].to_numpy(), train_move, config)),
    )
    explained = judged[sample(fold.test, config.evaluation.importance_rows)]
    shap = np.abs(pipeline.contributions(*_inputs(explained, levels, config))).mean(axis=0)
    return FoldResult(fold, pipeline, tuned, predictions, shap)


def _intervals(rows: pl.DataFrame) -> Intervals:
    return Intervals(*(rows[c].to_numpy() for c in ("first_used", "label_start", "label_end")))


def _inputs(rows: pl.DataFrame, levels: int, config: Config) -> tuple[Float, Float]:
    columns = config.features.columns
    others = rows.select(columns).to_numpy() if columns else np.empty((rows.height, 0))
    return flow_matrix(rows, levels, config.ofi.normalise), others


def _edge_ticks(y_hat: Float, mid: Float, train_move: float, config: Config) -> Float:
    """The forecast move in ticks: what a trade would gain. A direction is worth the mean |move| of the train rows."""
    if config.target.form == "direction":
        return y_hat * train_move
    return y_hat * mid * 1e-4 if config.target.unit == "bps" else y_hat


# --- verdict ---------------------------------------------------------------------------------------------------------


def _metrics(predictions: pl.DataFrame, results: list[FoldResult], config: Config) -> dict[str, Any]:
    y, y_hat, mean = (predictions[c].to_numpy() for c in ("y", "y_hat", "train_mean"))
    span = int((predictions["label_end"] - predictions["label_start"]).max())  # type: ignore[arg-type]
    session = (predictions["symbol"] + " " + predictions["session"]).to_numpy()
    length = config.evaluation.block_ns
    block = blocks(session, predictions["bar_close"].to_numpy(), length, span)
    pooled = {}
    for name in measures(config.target.form):

        def value(rows: NDArray[np.int64], name: str = name) -> float:
            return measure(name, y[rows], y_hat[rows], mean[rows])

        low, high = interval(
            value,
            block,
            samples=config.evaluation.bootstrap,
            level=config.evaluation.level,
            seed=config.seed,
        )
        pooled[name] = {"value": measure(name, y, y_hat, mean), "low": low, "high": high}
    by_fold = []
    for r in results:
        rows = predictions.filter(pl.col("fold") == r.fold.index)
        part = [rows[c].to_numpy() for c in ("y", "y_hat", "train_mean")]
        values = {name: measure(name, *part) for name in measures(config.target.form)}
        by_fold.append({"fold": r.fold.index, "rows": rows.height, **values})
    bootstrap = {
        "samples": config.evaluation.bootstrap,
        "level": config.evaluation.level,
        "blocks": int(block.max()) + 1,
    }
    return {"pooled": pooled, "folds": by_fold, "bootstrap": bootstrap}


def _impact(rows: pl.DataFrame, sessions: list[Prepared]) -> dict[str, Any]:
    windows = r2_windows(rows, {s.key: s.open for s in sessions})
    return {"r2_windows": windows, "r2_window_mean": float(np.mean(windows)) if windows else float("nan")}


def _backtest(predictions: pl.DataFrame, sessions: list[Prepared], config: Config) -> Result | None:
    if not config.backtest.enabled or config.target.kind == "impact":
        return None
    return backtest(
        predictions,
        {s.key: s.closing for s in sessions},
        config.backtest,
        hold=config.horizon.length_ns,
        step=config.bars.step_ns,
        size_unit=sessions[0].size_unit,
    )


def _dataset(sessions: list[Prepared], config: Config) -> dict[str, Any]:
    dropped: dict[str, int] = {}
    for s in sessions:
        for cause, count in s.dropped.items():
            dropped[cause] = dropped.get(cause, 0) + count
    return {
        "name": config.dataset.name,
        "digest": hashlib.sha256("".join(s.digest for s in sessions).encode()).hexdigest(),
        "events": sum(s.events for s in sessions),
        "dropped": dropped,
        "sessions": [{"symbol": s.key[0], "session": s.key[1], "events": s.events} for s in sessions],
        "sources": sorted({s.source for s in sessions}),
        "levels": sessions[0].levels,
    }


def _ofi(results: list[FoldResult], config: Config) -> dict[str, Any]:
    described: dict[str, Any] = {"name": config.ofi.name, "normalise": config.ofi.normalise}
    reducers = [r.pipeline.reducer for r in results]
    if reducers[0].fitted:
        described["weights"] = [r.weights.tolist() for r in reducers if r.weights is not None]
        described["explained"] = [r.explained.tolist() for r in reducers if r.explained is not None]
    return described


def _describe(fold: Fold, rows: pl.DataFrame) -> dict[str, Any]:
    stamps = rows["bar_close"].cast(TIME)
    return {
        "fold": fold.index,
        "train_rows": len(fold.train),
        "purged": fold.purged,
        "embargoed": fold.embargoed,
        "test_rows": len(fold.test),
        "train_from": str(stamps[int(fold.train[0])]),
        "train_to": str(stamps[int(fold.train[-1])]),
        "test_from": str(stamps[int(fold.test[0])]),
        "test_to": str(stamps[int(fold.test[-1])]),
    }

"""Every fold: tuned and fitted on its train rows, predicted out of sample."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import joblib
import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import Config, Split, Target
from ofiml.config import Model as ModelConfig
from ofiml.errors import ConfigError, DataError, OneWayError, at
from ofiml.labels import Encoder, in_ticks
from ofiml.metrics.measured import PROBABILITIES
from ofiml.metrics.sampling import sample
from ofiml.metrics.scores import up_if_moved
from ofiml.models.pipeline import Pipeline
from ofiml.ofi.flow import flow_matrix, groups
from ofiml.samples.session import SessionSamples
from ofiml.samples.table import feature_columns
from ofiml.splits.fold import Fold
from ofiml.splits.inner import Inner
from ofiml.splits.rows import Hours, Intervals, Rows
from ofiml.splits.splitter import Divided, splitter
from ofiml.training.columns import column, up_column
from ofiml.tuning import Train, Tuned, tune
from ofiml.ui.progress import Bar, Stages

Float = NDArray[np.float64]


@dataclass(slots=True)
class FoldResult:
    fold: Fold
    model: ModelConfig  # as the fold was fitted with: tuned, or chosen before
    pipeline: Pipeline
    tuned: Tuned | None
    predictions: pl.DataFrame  # of every bar of the test block, labelled or not: whoever trades does not know which
    shap: Float
    dead_band: float | None  # ticks, as the train rows have it


def fit_all(
    rows: pl.DataFrame, judged: pl.DataFrame, folds: list[Fold], levels: int, config: Config, stages: Stages
) -> list[FoldResult]:
    """Every fold's result. `rows` are all bars, `judged` those with a label, which the folds are made of."""
    tuned = config.tuning.enabled and bool(config.model.space)
    chosen = config.tuning.best_params
    if chosen and len(chosen) != len(folds):
        raise ConfigError(f"tuning.best_params is of {len(chosen)} folds, and the split makes {len(folds)}.")
    with (
        stages.stage("folds", len(folds)) as fold_bar,
        stages.stage("trials", len(folds) * config.tuning.trials * tuned) as trial_bar,
    ):

        def work(fold: Fold) -> FoldResult:
            # Where folds are fewer than threads, several threads tune one fold.
            threads = max(1, config.threads // len(folds))
            with _told(fold, config.target):
                result = _fit(judged, tested_bars(rows, fold), fold, levels, config, trial_bar, threads)
            fold_bar.step()
            return result

        return list(joblib.Parallel(n_jobs=config.threads, prefer="threads")(joblib.delayed(work)(f) for f in folds))


def _fit(
    judged: pl.DataFrame, block: pl.DataFrame, fold: Fold, levels: int, config: Config, trial_bar: Bar, threads: int
) -> FoldResult:
    """Tunes and fits on the fold's train rows, predicts every bar of its test block."""
    task, train_rows = config.target.task, judged[fold.train]
    raw = train_rows["y"].to_numpy()
    encoder = Encoder.fit(raw, config.target.dead_band)
    y = encoder.encode(raw)
    flow, others = inputs(train_rows, levels, config)
    model, tuned = config.model, None
    if config.tuning.best_params:
        model = model.having(config.tuning.best_params[fold.index])
    if config.tuning.enabled and model.space:
        names = feature_columns(config.features)
        train = Train(flow, others, raw, intervals(train_rows), config.target.dead_band, names)
        tuned = tune(
            train,
            config.ofi,
            model,
            config.split,
            config.tuning,
            task=task,
            seed=config.seed,
            fold=fold.index,
            step=trial_bar.step,
            threads=threads,
        )
        model = tuned.model

    def fitted(seed: int) -> Pipeline:
        return unfitted(model, config, seed).fit(flow, others, y, Inner(intervals(train_rows), config.split.embargo_ns))

    pipeline, tested = fitted(config.seed), inputs(block, levels, config)
    y_hat = pipeline.predict(*tested)
    seeded = {s: pipeline if s == config.seed else fitted(s) for s in config.seeds}
    chances, move = pipeline.probabilities(*tested), train_rows["move_ticks"].to_numpy()
    flat = None if chances is None else chances[:, PROBABILITIES.index("p_flat")]
    predictions = block.with_columns(
        pl.lit(fold.index, pl.Int32).alias("fold"),
        pl.lit(float(y.mean())).alias("train_mean"),
        pl.Series("y_hat", y_hat),
        *(pl.Series(column(s), other.predict(*tested)) for s, other in seeded.items()),
        pl.Series("y", encoder.encode(block["y"].to_numpy())).fill_nan(None),
        pl.Series("edge_ticks", in_ticks(y_hat, flat, block["scale"].to_numpy(), y, move, config.target)),
    )
    if chances is not None:  # of a direction
        columns = (pl.Series(name, chances[:, k]) for k, name in enumerate(PROBABILITIES))
        of_seeds = {up_column(s): other.probabilities(*tested) for s, other in seeded.items()}
        ups = (pl.Series(name, up_if_moved(told)) for name, told in of_seeds.items() if told is not None)
        predictions = predictions.with_columns(*columns, *ups)
    explained = judged[sample(fold.test, config.evaluation.importance_rows)]
    shap = np.abs(pipeline.contributions(*inputs(explained, levels, config))).mean(axis=0)
    return FoldResult(fold, model, pipeline, tuned, predictions, shap, encoder.band)


@contextmanager
def _told(fold: Fold, target: Target) -> Iterator[None]:
    """Says of a DataError which fold it is of and, where its labels go one way only, what of the target helps."""
    try:
        with at(f"Fold {fold.index}"):
            yield
    except OneWayError as error:
        use = "a longer horizon"
        if target.form == "triple_barrier":
            stop, take_profit = target.barriers
            use = f"barriers nearer than target.stop={stop:g} and target.take_profit={take_profit:g} ticks"
        elif target.dead_band:
            use = f"a target.dead_band smaller than {target.dead_band:g}"
        raise DataError(f"{error}. Use {use}, or more data.") from error


def unfitted(model: ModelConfig, config: Config, seed: int) -> Pipeline:
    """A fold's pipeline before it has learned anything, with the fold's own (tuned) model."""
    return Pipeline(config.ofi, model, task=config.target.task, seed=seed, columns=feature_columns(config.features))


def divide(judged: pl.DataFrame, sessions: list[SessionSamples], config: Split) -> Divided:
    """The labelled rows of these sessions, as splitters see them, and their folds."""
    known = intervals(judged)
    hours = Hours.of((s.key[1], s.open, s.close) for s in sessions)
    rows = Rows(known.first_used, known.label_start, known.label_end, judged["bar_close"].to_numpy(), hours)
    return Divided(rows, splitter(config).split(rows))


def tested_bars(rows: pl.DataFrame, fold: Fold) -> pl.DataFrame:
    """All bars of the fold's test spans, in time order; a fold that belongs to paths says which, as `path`."""
    parts = []
    for start, until, path in fold.spans:
        part = rows.filter((pl.col("bar_close") >= start) & (pl.col("bar_close") < until))
        parts.append(part if path is None else part.with_columns(pl.lit(path, pl.Int32).alias("path")))
    return pl.concat(parts)


def histories(results: list[FoldResult]) -> pl.DataFrame:
    """The predictions of all folds in time order; where there are paths, one path after the other."""
    found = pl.concat([r.predictions for r in results])
    return found.sort("path", "bar_close", maintain_order=True) if "path" in found.columns else found


def intervals(rows: pl.DataFrame) -> Intervals:
    """What each row touches in time."""
    return Intervals(*(rows[c].to_numpy() for c in ("first_used", "label_start", "label_end")))


def inputs(rows: pl.DataFrame, levels: int, config: Config) -> tuple[Float, Float]:
    """What a pipeline sees of rows: flow (n, levels) and other features (n, k)."""
    columns = feature_columns(config.features)
    others = rows.select(columns).to_numpy() if columns else np.empty((rows.height, 0))
    return flow_matrix(rows, levels, config.ofi.normalise, groups(config.ofi)), others

"""Tune and fit each fold on its train rows, and predict its test bars out of sample."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import joblib
import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import Config, Split, Target
from ofiml.config import Model as ModelConfig
from ofiml.errors import ConfigError, DataError, OneWayError, locate_error
from ofiml.labels import Encoder, convert_to_ticks
from ofiml.metrics.sampling import sample_evenly
from ofiml.metrics.scores import up_if_moved
from ofiml.models.pipeline import Pipeline
from ofiml.samples.session import SessionSamples
from ofiml.samples.table import feature_columns
from ofiml.splits.fold import Fold
from ofiml.splits.inner import Inner
from ofiml.splits.rows import Hours, Rows
from ofiml.splits.splitter import Divided, build_splitter
from ofiml.training.columns import PROBABILITIES, name_seed_column, name_seed_up_column
from ofiml.training.inputs import read_intervals, select_inputs
from ofiml.tuning import Train, Tuned, tune
from ofiml.ui.progress import Stages

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FoldResult:
    """A fitted fold. `model` is the config that it was fitted with, tuned or chosen before; `tuned` is None where
    nothing was tuned.

    `predictions` has every bar of the test block, labelled or not, as a trader cannot tell them apart. `shap` is the
    mean |SHAP| (k,) of the features over test rows, `dead_band` the band in ticks as the train rows have it, None
    without one.
    """

    fold: Fold
    model: ModelConfig
    pipeline: Pipeline
    tuned: Tuned | None
    predictions: pl.DataFrame
    shap: Float
    dead_band: float | None


def divide_rows(labelled: pl.DataFrame, sessions: list[SessionSamples], config: Split) -> Divided:
    """Divide the labelled rows of these sessions into folds. Raises DataError where the config's split cannot."""
    known = read_intervals(labelled)
    hours = Hours.of((s.key[1], s.open, s.close) for s in sessions)
    rows = Rows(known.first_used, known.label_start, known.label_end, labelled["bar_close"].to_numpy(), hours)
    return Divided(rows, build_splitter(config).split(rows))


def fit_folds(
    rows: pl.DataFrame, labelled: pl.DataFrame, folds: list[Fold], levels: int, config: Config, stages: Stages
) -> list[FoldResult]:
    """Fit every fold. `rows` are all bars, `labelled` those with a label, which the folds are made of.

    Raises ConfigError for `tuning.best_params` of another number of folds, DataError for a fold that cannot learn.
    """
    tuned = config.tuning.enabled and bool(config.model.space)
    chosen = config.tuning.best_params
    if chosen and len(chosen) != len(folds):
        raise ConfigError(
            f"tuning.best_params has {len(chosen)} folds, and the split makes {len(folds)}: give one entry per fold."
        )
    with (
        stages.stage("folds", len(folds)) as fold_bar,
        stages.stage("trials", len(folds) * config.tuning.trials * tuned) as trial_bar,
    ):

        def work(fold: Fold) -> FoldResult:
            # Where folds are fewer than threads, several threads tune one fold.
            threads = max(1, config.threads // len(folds))
            with _naming_fold(fold, config.target):
                block = select_tested_bars(rows, fold)
                result = fit_fold(labelled, block, fold, levels, config, step=trial_bar.step, threads=threads)
            fold_bar.step()
            return result

        return list(joblib.Parallel(n_jobs=config.threads, prefer="threads")(joblib.delayed(work)(f) for f in folds))


def fit_fold(
    labelled: pl.DataFrame,
    block: pl.DataFrame,
    fold: Fold,
    levels: int,
    config: Config,
    *,
    step: Callable[[], None] = lambda: None,
    threads: int = 1,
) -> FoldResult:
    """Tune and fit on the fold's train rows of `labelled`, and predict every bar of its test `block`.

    `step` is called once a tuning trial.
    """
    train = labelled[fold.train]
    encoder = Encoder.fit(train["y"].to_numpy(), config.target.dead_band)
    y = encoder.encode(train["y"].to_numpy())
    flow, others = select_inputs(train, levels, config.ofi, config.features)
    spans = read_intervals(train)
    model, tuned = config.model, None
    if config.tuning.best_params:
        model = model.with_params(config.tuning.best_params[fold.index])
    if config.tuning.enabled and model.space:
        tuned = _tune(train, (flow, others), model, fold.index, config, step, threads)
        model = tuned.model

    def fit(seed: int) -> Pipeline:
        return build_pipeline(model, config, seed).fit(flow, others, y, Inner(spans, config.split.embargo_ns))

    pipeline = fit(config.seed)
    by_seed = {s: pipeline if s == config.seed else fit(s) for s in config.seeds}
    tested = select_inputs(block, levels, config.ofi, config.features)
    y_hat, chances, move = pipeline.predict(*tested), pipeline.probabilities(*tested), train["move_ticks"].to_numpy()
    flat = None if chances is None else chances[:, PROBABILITIES.index("p_flat")]
    predictions = block.with_columns(
        pl.lit(fold.index, pl.Int32).alias("fold"),
        pl.lit(float(y.mean())).alias("train_mean"),
        pl.Series("y_hat", y_hat),
        *(pl.Series(name_seed_column(s), other.predict(*tested)) for s, other in by_seed.items()),
        pl.Series("y", encoder.encode(block["y"].to_numpy())).fill_nan(None),
        pl.Series("edge_ticks", convert_to_ticks(y_hat, flat, block["scale"].to_numpy(), y, move, config.target)),
    )
    if chances is not None:
        predictions = predictions.with_columns(_probability_columns(chances, by_seed, tested))
    explained = labelled[sample_evenly(fold.test, config.evaluation.importance_rows)]
    contributions = pipeline.contributions(*select_inputs(explained, levels, config.ofi, config.features))
    return FoldResult(fold, model, pipeline, tuned, predictions, np.abs(contributions).mean(axis=0), encoder.band)


def _tune(
    train: pl.DataFrame,
    inputs: tuple[Float, Float],
    model: ModelConfig,
    fold: int,
    config: Config,
    step: Callable[[], None],
    threads: int,
) -> Tuned:
    """Tune the model on the train rows; labels are as they are before a fold encodes them."""
    names, labels = feature_columns(config.features), train["y"].to_numpy()
    return tune(
        Train(*inputs, labels, read_intervals(train), config.target.dead_band, names),
        config.ofi,
        model,
        config.split,
        config.tuning,
        task=config.target.task,
        seed=config.seed,
        fold=fold,
        step=step,
        threads=threads,
    )


def build_pipeline(model: ModelConfig, config: Config, seed: int) -> Pipeline:
    """Build a fold's pipeline before it has learned anything, with the fold's own (tuned) model."""
    return Pipeline(config.ofi, model, task=config.target.task, seed=seed, columns=feature_columns(config.features))


def select_tested_bars(rows: pl.DataFrame, fold: Fold) -> pl.DataFrame:
    """Select all bars of the fold's test spans, in time order; a fold of paths says which, as `path`."""
    parts = []
    for start, until, path in fold.spans:
        part = rows.filter((pl.col("bar_close") >= start) & (pl.col("bar_close") < until))
        parts.append(part if path is None else part.with_columns(pl.lit(path, pl.Int32).alias("path")))
    return pl.concat(parts)


def _probability_columns(chances: Float, by_seed: dict[int, Pipeline], tested: tuple[Float, Float]) -> list[pl.Series]:
    """Name the probabilities (n, 3) of a direction, and add for each seed P(up | the mid moves)."""
    columns = [pl.Series(name, chances[:, k]) for k, name in enumerate(PROBABILITIES)]
    for seed, pipeline in by_seed.items():
        of_seed = pipeline.probabilities(*tested)
        if of_seed is not None:
            columns.append(pl.Series(name_seed_up_column(seed), up_if_moved(of_seed)))
    return columns


@contextmanager
def _naming_fold(fold: Fold, target: Target) -> Iterator[None]:
    """Name the fold in a DataError and, where its labels go one way only, name the target setting to change."""
    try:
        with locate_error(f"Fold {fold.index}"):
            yield
    except OneWayError as error:
        use = "a longer horizon"
        if target.form == "triple_barrier":
            stop, take_profit = target.barriers
            use = f"barriers nearer than target.stop={stop:g} and target.take_profit={take_profit:g} ticks"
        elif target.dead_band:
            use = f"a target.dead_band smaller than {target.dead_band:g}"
        raise DataError(f"{error}. Use {use}, or more data.") from error

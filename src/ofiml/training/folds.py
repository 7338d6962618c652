"""Tune and fit each fold on its train rows, and predict its test bars out of sample."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import polars as pl

from ofiml._typing import Float, Int64
from ofiml.config import Model as ModelConfig
from ofiml.config import Split, Target
from ofiml.errors import ConfigError, DataError, OneWayError, locate_error
from ofiml.labels import Encoder, convert_to_ticks
from ofiml.metrics.sampling import sample_evenly
from ofiml.metrics.scores import condition_on_move
from ofiml.models.pipeline import Pipeline
from ofiml.parallel import SharedTable, Workers, run_pieces, share_table
from ofiml.samples.session import SessionSamples
from ofiml.samples.table import list_feature_columns, take_rows
from ofiml.splits.fold import Fold
from ofiml.splits.inner import Inner
from ofiml.splits.rows import Hours, Rows
from ofiml.splits.splitter import DividedRows, build_splitter
from ofiml.training.columns import PROBABILITIES, name_seed_column, name_seed_up_column
from ofiml.training.inputs import read_intervals, select_inputs
from ofiml.training.settings import FitSettings
from ofiml.tuning import TrainRows, TuningResult, tune
from ofiml.ui.progress import Stages


@dataclass(frozen=True, slots=True)
class FoldResult:
    """A fitted fold. `model` is its model config, with tuned parameters if any; `tuned` is None without tuning.

    `predictions` has every bar of the test block, with or without a label, because a trader cannot distinguish them.
    `shap` is the mean |SHAP| (k,) of the features over test rows. `dead_band` is the band in ticks that the train rows
    give, None without one.
    """

    fold: Fold
    model: ModelConfig
    pipeline: Pipeline
    tuned: TuningResult | None
    predictions: pl.DataFrame
    shap: Float
    dead_band: float | None


def divide_rows(labelled: pl.DataFrame, sessions: list[SessionSamples], config: Split) -> DividedRows:
    """Divide the labelled rows of these sessions into folds. Raises DataError if the config's split is not possible."""
    return divide_labelled(labelled, Hours.of((s.key[1], s.open, s.close) for s in sessions), config)


def divide_labelled(labelled: pl.DataFrame, hours: Hours, config: Split) -> DividedRows:
    """Divide rows with the times of `read_intervals` and `bar_close` into folds. Raises what `divide_rows` does."""
    spans = read_intervals(labelled)
    rows = Rows(spans.first_used, spans.label_start, spans.label_end, labelled["bar_close"].to_numpy(), hours)
    return DividedRows(rows, build_splitter(config).split(rows))


def fit_folds(
    rows: pl.DataFrame,
    labelled: pl.DataFrame,
    folds: list[Fold],
    levels: int,
    settings: FitSettings,
    workers: Workers,
    stages: Stages,
) -> list[FoldResult]:
    """Fit every fold, one a worker at a time. `rows` are all bars; `labelled` are those with a label, to which the
    folds refer; `levels` is the number of book levels with known flow.

    Raises ConfigError if `tuning.best_params` has another number of folds, DataError if a fold cannot be fitted. The
    error is that of the first such fold, whichever thread is the first to fail.
    """
    is_tuned = settings.tuning.enabled and bool(settings.model.space)
    best_params = settings.tuning.best_params
    if best_params and len(best_params) != len(folds):
        raise ConfigError(
            f"tuning.best_params has {len(best_params)} folds, and the split makes {len(folds)}: give one entry per "
            "fold."
        )
    with (
        stages.start_stage("folds", len(folds)) as fold_bar,
        stages.start_stage("trials", len(folds) * settings.tuning.trials * is_tuned) as trial_bar,
    ):
        work = partial(
            _fit_shared_fold,
            rows=share_table(rows, workers),
            labelled=share_table(labelled, workers),
            levels=levels,
            settings=settings,
        )
        if workers.share_memory:
            # With fewer folds than threads, several threads tune one fold.
            work = partial(work, step=trial_bar.step, threads=max(1, workers.threads // len(folds)))

        def step() -> None:
            if not workers.share_memory:
                for _ in range(settings.tuning.trials * is_tuned):
                    trial_bar.step()
            fold_bar.step()

        results = run_pieces(work, folds, workers, step)
    # Tested bars are views of `rows`, wherever they were predicted.
    return [replace(r, predictions=select_tested_bars(rows, r.fold).with_columns(r.predictions)) for r in results]


def _fit_shared_fold(
    fold: Fold,
    rows: SharedTable,
    labelled: SharedTable,
    levels: int,
    settings: FitSettings,
    step: Callable[[], None] = lambda: None,
    threads: int = 1,
) -> FoldResult:
    """Fit a fold as `fit_fold` does; its predictions have the columns that the fit adds or changes."""
    with _locate_fold(fold, settings.target):
        block = select_tested_bars(rows.read(), fold)
        result = fit_fold(labelled.read(), block, fold, levels, settings, step=step, threads=threads)
    return replace(result, predictions=result.predictions.select("y", pl.exclude(block.columns)))


def fit_fold(
    labelled: pl.DataFrame,
    block: pl.DataFrame,
    fold: Fold,
    levels: int,
    settings: FitSettings,
    *,
    step: Callable[[], None] = lambda: None,
    threads: int = 1,
) -> FoldResult:
    """Tune and fit a fold on its train rows of `labelled`, and predict every bar of its test `block`.

    `step` is called once per tuning trial.
    """
    train = take_rows(labelled, fold.train)
    encoder = Encoder.fit(train["y"].to_numpy(), settings.target.dead_band)
    y = encoder.encode(train["y"].to_numpy())
    flow, others = select_inputs(train, levels, settings.ofi, settings.features)
    spans = read_intervals(train)
    model, tuned = settings.model, None
    if settings.tuning.best_params:
        model = model.with_params(settings.tuning.best_params[fold.index])
    if settings.tuning.enabled and model.space:
        tuned = _tune(train, (flow, others), model, fold.index, settings, step, threads)
        model = tuned.model

    inner, seeds = Inner(spans, settings.split.embargo_ns), list(dict.fromkeys([settings.seed, *settings.seeds]))
    fits = {
        seed: build_pipeline(model, settings, seed).fit(flow, others, y, inner, in_place=seed == seeds[-1])
        for seed in seeds
    }
    del flow, others
    pipeline, by_seed = fits[settings.seed], {seed: fits[seed] for seed in settings.seeds}
    test = select_inputs(block, levels, settings.ofi, settings.features)
    y_hat, proba, move = pipeline.predict(*test), pipeline.probabilities(*test), train["move_ticks"].to_numpy()
    flat = None if proba is None else proba[:, PROBABILITIES.index("p_flat")]
    predictions = block.with_columns(
        pl.lit(fold.index, pl.Int32).alias("fold"),
        pl.lit(float(y.mean())).alias("train_mean"),
        pl.Series("y_hat", y_hat),
        *(pl.Series(name_seed_column(s), other.predict(*test)) for s, other in by_seed.items()),
        pl.Series("y", encoder.encode(block["y"].to_numpy())).fill_nan(None),
        pl.Series("edge_ticks", convert_to_ticks(y_hat, flat, block["scale"].to_numpy(), y, move, settings.target)),
    )
    if proba is not None:
        predictions = predictions.with_columns(_build_probability_columns(proba, by_seed, test))
    sample = labelled[sample_evenly(fold.test, settings.explained_rows)]
    contributions = pipeline.contributions(*select_inputs(sample, levels, settings.ofi, settings.features))
    return FoldResult(fold, model, pipeline, tuned, predictions, np.abs(contributions).mean(axis=0), encoder.band)


def _tune(
    train: pl.DataFrame,
    inputs: tuple[Float, Float],
    model: ModelConfig,
    fold: int,
    settings: FitSettings,
    step: Callable[[], None],
    threads: int,
) -> TuningResult:
    """Tune the model on the train rows, with labels that are not yet encoded."""
    names, labels = list_feature_columns(settings.features), train["y"].to_numpy()
    return tune(
        TrainRows(*inputs, labels, read_intervals(train), settings.target.dead_band, names),
        settings.ofi,
        model,
        settings.split,
        settings.tuning,
        task=settings.target.task,
        seed=settings.seed,
        fold=fold,
        step=step,
        threads=threads,
    )


def build_pipeline(model: ModelConfig, settings: FitSettings, seed: int) -> Pipeline:
    """Build an unfitted pipeline with the fold's own (tuned) model."""
    return Pipeline(
        settings.ofi, model, task=settings.target.task, seed=seed, columns=list_feature_columns(settings.features)
    )


def select_tested_bars(rows: pl.DataFrame, fold: Fold) -> pl.DataFrame:
    """Select all bars of the fold's test spans, in time order; with several paths, add the column `path`. `rows` are in
    time order, and the bars are views of them.
    """
    parts = []
    for (first, after), (_, _, path) in zip(_find_spans(rows, fold), fold.spans, strict=True):
        part = rows.slice(first, after - first)
        parts.append(part if path is None else part.with_columns(pl.lit(path, pl.Int32).alias("path")))
    return pl.concat(parts)


def locate_tested_bars(rows: pl.DataFrame, fold: Fold) -> Int64:
    """Locate the bars of `select_tested_bars` among `rows`, (n,)."""
    return np.concatenate([np.arange(first, after, dtype=np.int64) for first, after in _find_spans(rows, fold)])


def _find_spans(rows: pl.DataFrame, fold: Fold) -> list[tuple[int, int]]:
    """Find the first row of each test span and the first after it; `rows` are in time order."""
    close = rows["bar_close"].to_numpy()
    ends = [(span.start, span.until) for span in fold.spans]
    return [(int(a), max(int(a), int(b))) for a, b in np.searchsorted(close, ends, side="left")]


def _build_probability_columns(
    proba: Float, by_seed: dict[int, Pipeline], test: tuple[Float, Float]
) -> list[pl.Series]:
    """Build the columns of the probabilities (n, 3) of a direction, and of P(up | the mid moves) for each seed."""
    columns = [pl.Series(name, proba[:, k]) for k, name in enumerate(PROBABILITIES)]
    for seed, pipeline in by_seed.items():
        seed_proba = pipeline.probabilities(*test)
        if seed_proba is not None:
            columns.append(pl.Series(name_seed_up_column(seed), condition_on_move(seed_proba)))
    return columns


@contextmanager
def _locate_fold(fold: Fold, target: Target) -> Iterator[None]:
    """Name the fold in a DataError; if its labels have one sign only, also name the target setting to change."""
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

"""The second part of the leak check: a fold's model must not depend on rows outside its train rows.

The study's own `training.fit_fold` refits one fold. Every row outside its train rows (tested, purged, embargoed, or
left out) has altered labels, features and flow: each column is rotated among these rows by a random number of them and
multiplied by random factors between 2 and 4. The fold predicts the altered test block and the unaltered one.
Predictions of the unaltered block must equal those of the study to the bit. A scaler, dead band, calibration or
validation set that uses another row changes them.

Nothing is tuned: the fold keeps its tuned parameters.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import Target
from ofiml.data.schema import TIME
from ofiml.errors import LeakError
from ofiml.training import folds as training
from ofiml.training.fitted import FittedStudy
from ofiml.training.folds import FoldResult, select_tested_bars
from ofiml.training.settings import FitSettings

SKIP_HINT = "evaluation.leak_check=false skips the check."
# Columns that identify a row and its times; they are not altered.
_PLACE = {"tick", "path", "bar_open", "bar_close", "label_start", "label_end", "hold_until", "first_used"}


@dataclass(frozen=True, slots=True)
class PerturbedRefit:
    """The refitted `fold`, the number of altered `rows`, and the number of `values` of its predictions, all equal to
    those of the study.
    """

    fold: int
    rows: int
    values: int


def refit_perturbed(fitted: FittedStudy) -> PerturbedRefit:
    """Refit one fold with every row outside its train rows altered, and compare its predictions.

    Of the folds whose model is not a constant, it is the one with the fewest train rows: it is the cheapest, and most
    rows lie outside it. Raises LeakError with the first bar whose prediction differs.
    """
    labelled, config = fitted.labelled, fitted.config
    result = min(fitted.results, key=lambda r: (r.predictions["y_hat"].n_unique() == 1, len(r.fold.train)))
    outside = np.ones(labelled.height, bool)
    outside[result.fold.train] = False
    block = select_tested_bars(fitted.rows, result.fold)
    rng = np.random.default_rng([config.seed, 4])
    keep = fitted.scratch.keep
    others = alter_rows(labelled, outside, rng, config.target, keep)
    bars = pl.concat([alter_rows(block, np.ones(block.height, bool), rng, config.target, keep), block])
    settings = FitSettings.of(config).fix_model(result.model)
    # Called through the module, so that this is the function that the study itself calls.
    refit = training.fit_fold(others, bars, result.fold, fitted.flow_levels, settings)
    values = _compare(result, refit.predictions.tail(block.height), block)
    return PerturbedRefit(result.fold.index, int(outside.sum()), values)


def alter_rows(
    rows: pl.DataFrame,
    outside: NDArray[np.bool_],
    rng: np.random.Generator,
    target: Target,
    keep: Callable[[pl.DataFrame], pl.DataFrame] = lambda table: table,
) -> pl.DataFrame:
    """Alter the values of the rows marked `outside` (n,). Times and the number of missing values stay. `keep` may put
    each altered column in a file.
    """
    columns, at = [], np.flatnonzero(outside)
    has_classes = target.task == "classification" and not target.dead_band
    for column in rows.select(pl.selectors.numeric().exclude(_PLACE & set(rows.columns))):
        if column.name == "y" and has_classes:  # a class label must remain one of the classes
            classes = column.drop_nulls().unique().to_numpy()
            other = pl.Series(rng.choice(classes, len(at)) if len(classes) else np.full(len(at), np.nan))
        else:
            other = column.gather(np.roll(at, rng.integers(column.len()))).cast(pl.Float64)
            other = other * rng.uniform(2.0, 4.0, len(at))
            other = other if column.dtype.is_float() else other.round()
        altered = column.scatter(at, other.cast(column.dtype, strict=False))
        columns += keep(altered.to_frame()).get_columns()
    return rows.with_columns(columns)


def _compare(result: FoldResult, refit: pl.DataFrame, block: pl.DataFrame) -> int:
    """Compare the columns that the fit adds to the bars, to the bit, and count their values. Raises LeakError for one
    that differs.
    """
    added = [name for name in refit.columns if name not in block.columns]
    names = sorted({*added, "y"}, key=lambda name: name != "y_hat")
    for name in names:
        study, other = (t[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for t in (result.predictions, refit))
        differs = (study != other) & ~(np.isnan(study) & np.isnan(other))
        if differs.any():
            i = int(np.flatnonzero(differs)[0])
            raise LeakError(
                f"evaluation.leak_check: the model of fold {result.fold.index} learned from rows outside its train "
                f"rows: {name} of {name_bar(block.row(i, named=True))} is {study[i]:.12g} in the study, but "
                f"{other[i]:.12g} when those rows are altered ({int(differs.sum())} of {block.height} bars differ). "
                f"Fix the training; {SKIP_HINT}"
            )
    return len(names) * block.height


def name_bar(row: Mapping[str, object]) -> str:
    """Name a bar by symbol, session and time, for a message."""
    stamp = pl.Series([row["bar_close"]]).cast(TIME)[0]
    return f"{row['symbol']} {row['session']} at {stamp:%H:%M:%S.%f}"

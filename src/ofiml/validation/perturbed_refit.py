"""The leak check's second look: has a fold's model learned from rows that are not its train rows?

One fold is refitted by the study's own `training.fit_fold`, where every row outside its train rows (tested, purged,
embargoed, and all that the fold leaves out) has other labels, features and flow: each column is permuted among these
rows, by itself, and multiplied by a factor between 2 and 4, so that neither their order nor their scale is the same.
Beside the altered test block it predicts the unaltered one, which must come out as the study has it, to the bit. What a
scaler, a dead band, a calibration or a hold-out took from another row shows there.

Nothing is tuned: the fold keeps the parameters that the study chose for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import Config, Target
from ofiml.data.schema import TIME
from ofiml.errors import LeakError
from ofiml.training import folds as training
from ofiml.training.fitted import FittedStudy
from ofiml.training.folds import FoldResult, select_tested_bars

OFF = "evaluation.leak_check=false skips the check."
# What says which row it is, and when: the same in another row's place.
_PLACE = {"tick", "path", "bar_open", "bar_close", "label_start", "label_end", "hold_until", "fill_time", "first_used"}


@dataclass(frozen=True, slots=True)
class PerturbedRefit:
    """Which `fold` was refitted, how many `rows` were altered for it, and how many `values` of its predictions are the
    same as in the study.
    """

    fold: int
    rows: int
    values: int


def refit_perturbed(fitted: FittedStudy) -> PerturbedRefit:
    """Refit one fold with every row outside its train rows altered, and compare its predictions.

    Of the folds whose model says more than a constant it is that with the fewest train rows: the cheapest, and the one
    that most rows lie outside of. Raises LeakError with the first bar whose prediction differs.
    """
    labelled, config = fitted.labelled, fitted.config
    result = min(fitted.results, key=lambda r: (r.predictions["y_hat"].n_unique() == 1, len(r.fold.train)))
    outside = np.ones(labelled.height, bool)
    outside[result.fold.train] = False
    block = select_tested_bars(fitted.rows, result.fold)
    rng = np.random.default_rng([config.seed, 4])
    others = alter_rows(labelled, outside, rng, config.target)
    tested = pl.concat([alter_rows(block, np.ones(block.height, bool), rng, config.target), block])
    # Through the module, so that it is the function that the study itself called.
    refitted = training.fit_fold(others, tested, result.fold, fitted.flow_levels, _without_tuning(result, config))
    values = _compare(result, refitted.predictions.tail(block.height), block)
    return PerturbedRefit(result.fold.index, int(outside.sum()), values)


def alter_rows(
    rows: pl.DataFrame, outside: NDArray[np.bool_], rng: np.random.Generator, target: Target
) -> pl.DataFrame:
    """Give the rows that are `outside` (n,) other values; times stay, and so does how many values are missing."""
    changed, at = [], np.flatnonzero(outside)
    ways = target.task == "classification" and not target.dead_band
    for column in rows.select(pl.selectors.numeric().exclude(_PLACE & set(rows.columns))):
        if column.name == "y" and ways:  # 1, 0 and -1 are all that there is
            known = column.drop_nulls().unique().to_numpy()
            other = pl.Series(rng.choice(known, len(at)) if len(known) else np.full(len(at), np.nan))
        else:
            other = column.gather(rng.permutation(at)).cast(pl.Float64) * rng.uniform(2.0, 4.0, len(at))
            other = other if column.dtype.is_float() else other.round()
        changed.append(column.scatter(at, other.cast(column.dtype, strict=False)))
    return rows.with_columns(changed)


def _without_tuning(result: FoldResult, config: Config) -> Config:
    return replace(
        config,
        model=result.model,
        seeds=[],
        tuning=replace(config.tuning, enabled=False, best_params=[]),
        evaluation=replace(config.evaluation, importance_rows=1),
    )


def _compare(result: FoldResult, refitted: pl.DataFrame, block: pl.DataFrame) -> int:
    """Count the values of what the fit adds to the bars, all equal to the bit; raise LeakError for one that is not."""
    added = [name for name in refitted.columns if name not in block.columns]
    names = sorted({*added, "y"}, key=lambda name: name != "y_hat")
    for name in names:
        study, again = (t[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for t in (result.predictions, refitted))
        differs = (study != again) & ~(np.isnan(study) & np.isnan(again))
        if differs.any():
            i = int(np.flatnonzero(differs)[0])
            raise LeakError(
                f"evaluation.leak_check: the model of fold {result.fold.index} learned from rows outside its train "
                f"rows: {name} of {name_bar(block.row(i, named=True))} is {study[i]:.12g} in the study, but "
                f"{again[i]:.12g} when those rows are altered ({int(differs.sum())} of {block.height} bars differ). "
                f"Fix the training; {OFF}"
            )
    return len(names) * block.height


def name_bar(row: Mapping[str, object]) -> str:
    """Name a bar for a message."""
    stamp = pl.Series([row["bar_close"]]).cast(TIME)[0]
    return f"{row['symbol']} {row['session']} at {stamp:%H:%M:%S.%f}"

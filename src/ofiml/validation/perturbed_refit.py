"""The leak check's second look: has a fold's model learned from rows that are not its train rows?

One fold is fitted anew by the study's own `training._fit`, where every row outside its train rows (tested, purged,
embargoed, and all that the fold leaves out) has other labels, features and flow: dealt out anew among these rows, each
column for itself, and multiplied by a factor between 2 and 4, so that neither their order nor their scale is the same.
Beside the altered test block it predicts the unaltered one, which must come out as the study has it, to the bit. What a
scaler, a dead band, a calibration or a hold-out took from another row shows there.

Nothing is tuned: the fold keeps the parameters that the study chose for it.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.progress import Progress, TaskID

from ofiml.config import Config
from ofiml.data.schema import TIME
from ofiml.errors import LeakError
from ofiml.training import folds as training
from ofiml.training.folds import FoldResult, tested_bars
from ofiml.ui.progress import Bar

OFF = "evaluation.leak_check=false runs without the check."
# What says which row it is, and when: the same in another row's place.
_PLACE = {"tick", "path", "bar_open", "bar_close", "label_start", "label_end", "hold_until", "fill_time", "first_used"}


def relearned(
    rows: pl.DataFrame, judged: pl.DataFrame, results: list[FoldResult], levels: int, config: Config
) -> dict[str, int]:
    """Which `fold` was fitted anew, how many `rows` were altered for it and how many `values` that its model says are
    the same.

    Of the folds whose model says more than a constant it is that with the fewest train rows: the cheapest, and the one
    that most rows lie outside of. Raises LeakError with the first bar whose prediction is another.
    """
    result = min(results, key=lambda r: (r.predictions["y_hat"].n_unique() == 1, len(r.fold.train)))
    outside = np.ones(judged.height, bool)
    outside[result.fold.train] = False
    block = tested_bars(rows, result.fold)
    rng = np.random.default_rng([config.seed, 4])
    others = altered(judged, outside, rng, config)
    tested = pl.concat([altered(block, np.ones(block.height, bool), rng, config), block])
    silent = Bar(Progress(disable=True), TaskID(0))
    # Through the module, so that it is the function that the study itself called.
    again = training._fit(others, tested, result.fold, levels, _untuned(result, config), silent, 1)
    values = _same(result, again.predictions.tail(block.height), block)
    return {"fold": result.fold.index, "rows": int(outside.sum()), "values": values}


def altered(rows: pl.DataFrame, outside: NDArray[np.bool_], rng: np.random.Generator, config: Config) -> pl.DataFrame:
    """The rows with other values in those that are `outside` (n,); times stay, and what is missing somewhere."""
    changed, at = [], np.flatnonzero(outside)
    labelled = config.target.task == "classification" and not config.target.dead_band
    for column in rows.select(pl.selectors.numeric().exclude(_PLACE & set(rows.columns))):
        if column.name == "y" and labelled:  # 1, 0 and -1 are all that there is
            known = column.drop_nulls().unique().to_numpy()
            other = pl.Series(rng.choice(known, len(at)) if len(known) else np.full(len(at), np.nan))
        else:
            other = column.gather(rng.permutation(at)).cast(pl.Float64) * rng.uniform(2.0, 4.0, len(at))
            other = other if column.dtype.is_float() else other.round()
        changed.append(column.scatter(at, other.cast(column.dtype, strict=False)))
    return rows.with_columns(changed)


def _untuned(result: FoldResult, config: Config) -> Config:
    return replace(
        config,
        model=result.model,
        seeds=[],
        tuning=replace(config.tuning, enabled=False, best_params=[]),
        evaluation=replace(config.evaluation, importance_rows=1),
    )


def _same(result: FoldResult, again: pl.DataFrame, block: pl.DataFrame) -> int:
    """How many values of what the fit adds to the bars are equal to the bit; raises LeakError for one that is not."""
    added = [name for name in again.columns if name not in block.columns]
    names = sorted({*added, "y"}, key=lambda name: name != "y_hat")
    for name in names:
        study, anew = (t[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for t in (result.predictions, again))
        differs = (study != anew) & ~(np.isnan(study) & np.isnan(anew))
        if differs.any():
            i = int(np.flatnonzero(differs)[0])
            raise LeakError(
                f"evaluation.leak_check: the model of fold {result.fold.index} has learned from rows that are not its "
                f"train rows: {name} of {bar_named(block.row(i, named=True))} is {study[i]:.12g} in the study and "
                f"{anew[i]:.12g} where these have other values ({int(differs.sum())} of {block.height} bars differ). "
                f"Mend the training; {OFF}"
            )
    return len(names) * block.height


def bar_named(row: dict[str, Any]) -> str:
    """A bar as messages name it."""
    stamp = pl.Series([row["bar_close"]]).cast(TIME)[0]
    return f"{row['symbol']} {row['session']} at {stamp:%H:%M:%S.%f}"

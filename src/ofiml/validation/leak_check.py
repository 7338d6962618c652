"""The leak check: values at a time t must not change when the data after t are replaced.

For a sample of tested bars the session is read again and everything after the bar's close t is replaced. The functions
and fitted pipelines of the study then compute rows, flow, inputs and predictions again. The study's values may come
from the cache; the values that they are compared with never do. That rows passed may come from the cache, for exactly
these rows (`past_check`); models are compared in every run.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.data.schema import TIME
from ofiml.errors import LeakError
from ofiml.ofi.flow import list_flow_groups
from ofiml.samples.session import SessionKey
from ofiml.samples.table import list_feature_columns, take_rows
from ofiml.training.fitted import FittedStudy
from ofiml.training.folds import FoldResult
from ofiml.validation.altered_future import SEED, Moment
from ofiml.validation.column_equality import Column, Counts, require_equal
from ofiml.validation.execution_check import CheckedExecution
from ofiml.validation.past_check import check_pasts
from ofiml.validation.perturbed_refit import SKIP_HINT, PerturbedRefit, name_bar, refit_perturbed


@dataclass(frozen=True, slots=True)
class CheckedTime:
    """A time (UTC) after which everything was replaced, its session, and the fold that tested it.

    `earlier` says that the rows up to then passed in an earlier run of the same code; only models were compared now.
    """

    fold: int
    symbol: str
    session: str
    time: str
    earlier: bool = False


@dataclass(frozen=True, slots=True)
class LeakCheck:
    """The scope of a passed leak check: the `times`; the numbers of `bars`, `columns` and `values` compared, with 0
    `differing`; the numbers of `folds` and of `train_rows` compared with the test rows of their fold; and the refitted
    fold. `decisions` is the number of the strategy's decisions compared, None without a backtest, and `execution` what
    was traded again, None without an order.
    """

    times: list[CheckedTime]
    bars: int
    columns: int
    values: int
    differing: int
    folds: int
    train_rows: int
    refitted: PerturbedRefit
    decisions: int | None = None
    execution: CheckedExecution | None = None


#: The steps of a leak check: the past of all moments, their predictions, a fold refitted. `step` is called after each.
LEAK_CHECK_STEPS = 3

# The columns of train rows that are compared with test rows, and those that name one.
_TRAIN = ("symbol", "session", "bar_close", "first_used", "label_start", "label_end")


def check_leaks(fitted: FittedStudy, step: Callable[[], None]) -> LeakCheck:
    """Check that train rows, bars, flow, inputs, models and predictions do not depend on the future.

    Raises LeakError for the first value that differs, with the column, the bar and both values.
    """
    for result in fitted.results:
        check_train_rows(take_rows(fitted.labelled.select(_TRAIN), result.fold.train), result)
    moments = _choose_moments(fitted)
    pasts = check_pasts(moments, fitted)
    step()
    checked_times: list[CheckedTime] = []
    bars = columns = values = 0
    for moment in moments:
        past = pasts[moment]
        counts = past.counts, _compare_predictions(past.rows, moment, fitted)
        time = str(pl.Series([moment.t]).cast(TIME)[0])
        checked_times.append(CheckedTime(moment.fold, *moment.key, time, past.earlier))
        bars, values = bars + counts[0].bars, values + sum(c.values for c in counts)
        columns = max(columns, *(c.columns for c in counts))
    step()
    refitted = refit_perturbed(fitted)
    step()
    return LeakCheck(
        times=checked_times,
        bars=bars,
        columns=columns,
        values=values,
        differing=0,
        folds=len(fitted.results),
        train_rows=sum(len(r.fold.train) for r in fitted.results),
        refitted=refitted,
    )


# --- train and test --------------------------------------------------------------------------------------------------


def check_train_rows(train: pl.DataFrame, result: FoldResult) -> None:
    """Raise LeakError if the features or the label of a train row overlap the label of a test row of the fold.

    The code differs from that of the splitters: it counts the test intervals that overlap [a, b] as those that begin by
    b less those that end before a.
    """
    test = result.predictions.filter(pl.col("y").is_not_null())
    starts, ends = (np.sort(test[c].to_numpy()) for c in ("label_start", "label_end"))
    first = np.minimum(train["first_used"].to_numpy(), train["label_start"].to_numpy())
    n_started = np.searchsorted(starts, train["label_end"].to_numpy(), side="right")
    overlaps = n_started > np.searchsorted(ends, first, side="left")
    if overlaps.any():
        row = train.row(int(np.flatnonzero(overlaps)[0]), named=True)
        raise LeakError(
            f"evaluation.leak_check: fold {result.fold.index} trains on {name_bar(row)}, whose features or label "
            f"overlap the label of a test row ({int(overlaps.sum())} such train rows). Fix the split; {SKIP_HINT}"
        )


# --- another future --------------------------------------------------------------------------------------------------


def _choose_moments(fitted: FittedStudy) -> list[Moment]:
    """Choose tested bars in several folds and, if possible, several sessions; each has a later bar in its session.

    The sessions come from as few sources as possible, of other symbols if possible, so that few are read again.
    """
    config, results = fitted.config, fitted.results
    rng = np.random.default_rng([SEED, 2])
    count, by = config.evaluation.leak_times, ["symbol", "session"]
    ends = fitted.rows.group_by(by).agg(pl.col("bar_close").max().alias("end"))
    origins = {s.key: s.origin for s in fitted.sessions}
    moments: list[Moment] = []
    for index in np.linspace(0, len(results) - 1, count).round().astype(int):
        bars = results[index].predictions.select(*by, "bar_close").join(ends, on=by, maintain_order="left")
        bars = bars.filter(pl.col("bar_close") < pl.col("end")).group_by(by, maintain_order=True).agg("bar_close")
        keys = list(bars.select(by).iter_rows())
        candidates = _prefer_other_sessions(keys, [m.key for m in moments], origins)
        if candidates:
            key = candidates[int(rng.integers(len(candidates)))]
            closes = bars["bar_close"][keys.index(key)]
            moments.append(Moment(results[index].fold.index, key, closes[int(rng.integers(len(closes)))]))
    # Grouped by session, in the order of the first moment of each.
    return [m for key in dict.fromkeys(m.key for m in moments) for m in moments if m.key == key]


def _prefer_other_sessions(
    keys: list[SessionKey], chosen: list[SessionKey], origins: dict[SessionKey, int]
) -> list[SessionKey]:
    """Select the sessions not chosen yet; among them those of sources that are read anyway, then other symbols."""
    keys = [key for key in keys if key not in chosen] or keys
    keys = [key for key in keys if origins[key] in {origins[c] for c in chosen}] or keys
    return [key for key in keys if key[0] not in {c[0] for c in chosen}] or keys


# --- comparison ------------------------------------------------------------------------------------------------------


def _compare_predictions(remake: pl.DataFrame, moment: Moment, fitted: FittedStudy) -> Counts:
    """Compare the inputs and predictions of every fold up to the moment with those for the remade rows alone, and count
    them. Raises LeakError for one that differs.
    """
    count = values = 0
    for result in fitted.results:
        in_session = (pl.col("symbol") == moment.key[0]) & (pl.col("session") == moment.key[1])
        mask = result.predictions.select(in_session & (pl.col("bar_close") <= moment.t)).to_series()
        bars = result.predictions.filter(mask)
        if bars.height:
            rows = bars.select("bar_close").join(remake, on="bar_close", how="left", maintain_order="left")
            columns = list(_list_predicted_columns(result, mask.to_numpy(), bars, rows, fitted))
            require_equal(bars, columns)
            values += len(columns) * bars.height
            count = max(count, len(columns))
    return Counts(0, count, values)


def _list_predicted_columns(
    result: FoldResult, mask: NDArray[np.bool_], bars: pl.DataFrame, rows: pl.DataFrame, fitted: FittedStudy
) -> Iterator[Column]:
    """List the inputs, features and predictions of the pipeline: for the test block as a whole, as in the study, and
    for `rows`, the remade rows up to t alone.
    """
    block, part = fitted.select_inputs(result.predictions), fitted.select_inputs(rows)
    others, pipeline = list_feature_columns(fitted.config.features), result.pipeline
    flow = [c for g in list_flow_groups(fitted.config.ofi) for c in g.name_columns(fitted.flow_levels)]
    pairs = [
        ("flow", flow, block[0], part[0]),
        ("input", others, block[1], part[1]),
        ("the model's input", pipeline.feature_names, pipeline.build_features(*block), pipeline.build_features(*part)),
    ]
    for kind, names, of_block, of_part in pairs:
        for j, name in enumerate(names):
            yield Column(f"{kind} {name}", of_block[mask, j], of_part[:, j])
    yield Column("the prediction", bars["y_hat"].to_numpy(), pipeline.predict(*part))

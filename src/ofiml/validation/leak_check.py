"""The study's own leak check: does anything that it used at a time t change when what comes after t is another future?

For a sample of tested bars the session is read again, everything after the bar's close is replaced, and rows, flow,
inputs and predictions are made from it again by the functions and the fitted pipelines of the study itself. What the
study had may have come from the cache; what it is held against never does.

The future is replaced, not cut off: half of its events are left out, and those that stay have other prices, sizes,
actions and sides, so that their number and times differ too. A feature that peeks at a cut-off future often finds the
value that it would have had (no change, no trade), and the check would see nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.data.schema import TIME, Session, extract_times
from ofiml.errors import LeakError
from ofiml.ofi.flow import NET, flow_groups
from ofiml.samples import prepare as making
from ofiml.samples.cross import add_cross_flow
from ofiml.samples.prepare import read_session
from ofiml.samples.session import SessionKey, SessionSamples
from ofiml.samples.settings import SampleSettings
from ofiml.samples.table import feature_columns
from ofiml.training.fitted import FittedStudy
from ofiml.training.folds import FoldResult
from ofiml.validation.perturbed_refit import OFF, PerturbedRefit, name_bar, refit_perturbed

_BOOK = ["bar_open", "bid", "ask", "mid", "spread_ticks", "n_events", "scale", "first_used"]
# When what is not known at the bar's close is known, and what it is.
_LATER = {"label_end": ("y", "move_ticks"), "fill_time": ("fill_bid", "fill_ask", "fill_bid_sz", "fill_ask_sz")}


@dataclass(frozen=True, slots=True)
class _Moment:
    """A tested bar's close `t`, ns, in one symbol's session, and the fold that tested it."""

    fold: int
    key: SessionKey
    t: int


@dataclass(frozen=True, slots=True)
class CheckedTime:
    """A time after which everything was replaced: UTC, in a session of the fold that tested it."""

    fold: int
    symbol: str
    session: str
    time: str


@dataclass(frozen=True, slots=True)
class LeakCheck:
    """What was checked: at which `times`; how many `bars`, `columns` and `values` were compared, of which `differing`
    differ (0, or the study ends in a LeakError); how many `train_rows` of how many `folds` were compared with the test
    rows of their fold; and the fold that was refitted.
    """

    times: list[CheckedTime]
    bars: int
    columns: int
    values: int
    differing: int
    folds: int
    train_rows: int
    refitted: PerturbedRefit


def check_leaks(fitted: FittedStudy) -> LeakCheck:
    """Check that nothing of the study knows its future: train rows, bars, flow, inputs, models and predictions.

    Raises LeakError, with the column, the bar and both values, for the first value that differs.
    """
    for result in fitted.results:
        check_train_rows(fitted.train_rows(result), result)
    checked: list[CheckedTime] = []
    bars = columns = values = 0
    by_key = {s.key: s for s in fitted.sessions}
    moments = _choose_moments(fitted)
    for key in dict.fromkeys(m.key for m in moments):
        session, study = read_session(by_key[key], fitted.config.dataset), _select_session(fitted.rows, key)
        for moment in (m for m in moments if m.key == key):
            remade = _remake_rows(session, moment.t, by_key, fitted)
            counts = _compare(study, remade, moment, fitted)
            checked.append(CheckedTime(moment.fold, *key, str(pl.Series([moment.t]).cast(TIME)[0])))
            bars, values, columns = bars + counts.bars, values + counts.values, max(columns, counts.columns)
    return LeakCheck(
        times=checked,
        bars=bars,
        columns=columns,
        values=values,
        differing=0,
        folds=len(fitted.results),
        train_rows=sum(len(r.fold.train) for r in fitted.results),
        refitted=refit_perturbed(fitted),
    )


# --- train and test --------------------------------------------------------------------------------------------------


def check_train_rows(train: pl.DataFrame, result: FoldResult) -> None:
    """Raise LeakError if the features or the label of a train row meet the label of a row that the fold tests.

    Counted, not searched: of test intervals meet [a, b] as many as begin by b, less those that end before a.
    """
    test = result.predictions.filter(pl.col("y").is_not_null())
    begins, ends = (np.sort(test[c].to_numpy()) for c in ("label_start", "label_end"))
    first = np.minimum(train["first_used"].to_numpy(), train["label_start"].to_numpy())
    begun = np.searchsorted(begins, train["label_end"].to_numpy(), side="right")
    meeting = begun > np.searchsorted(ends, first, side="left")
    if meeting.any():
        row = train.row(int(np.flatnonzero(meeting)[0]), named=True)
        raise LeakError(
            f"evaluation.leak_check: fold {result.fold.index} trains on {name_bar(row)}, whose features or label "
            f"overlap the label of a test row ({int(meeting.sum())} such train rows). Fix the split; {OFF}"
        )


# --- another future --------------------------------------------------------------------------------------------------


def _choose_moments(fitted: FittedStudy) -> list[_Moment]:
    """Choose tested bars of several folds and, as far as there are, sessions; each with something after it."""
    config, results = fitted.config, fitted.results
    rng = np.random.default_rng([config.seed, 2])
    count, last = config.evaluation.leak_times, fitted.rows.group_by("symbol", "session").agg(pl.col("bar_close").max())
    ends = {(symbol, session): end for symbol, session, end in last.iter_rows()}
    moments: list[_Moment] = []
    for place in np.linspace(0, len(results) - 1, count).round().astype(int):
        tested = results[place].predictions.select("symbol", "session", "bar_close")
        closes: dict[SessionKey, list[int]] = {}
        for symbol, session, close in tested.iter_rows():
            if close < ends[symbol, session]:
                closes.setdefault((symbol, session), []).append(close)
        fresh = [key for key in closes if key not in {m.key for m in moments}] or list(closes)
        if fresh:
            key = fresh[int(rng.integers(len(fresh)))]
            moments.append(_Moment(results[place].fold.index, key, closes[key][int(rng.integers(len(closes[key])))]))
    return moments


def alter_future(session: Session, t: int, seed: int) -> Session:
    """Give the session another future after `t`, ns; what is known of its simulation is left out."""
    rng, events = np.random.default_rng([seed, 3, t]), session.events
    known = extract_times(events) <= t
    events = events.filter(pl.Series(known | (rng.random(len(known)) < 0.5)))
    n, after = events.height, pl.Series(extract_times(events) > t)
    # Never down: a price of 0 is another matter than another price.
    shift = pl.Series(session.tick * rng.integers(1, 200, n))
    wider = pl.Series(session.tick * rng.integers(0, 4, n))
    other: dict[str, pl.Expr | pl.Series] = {"price": pl.col("price") + shift}
    sizes = ["size"]
    for m in range(session.levels):
        other[f"bid_px_{m:02d}"] = pl.col(f"bid_px_{m:02d}") + shift
        other[f"ask_px_{m:02d}"] = pl.col(f"ask_px_{m:02d}") + shift + wider
        sizes += [f"bid_sz_{m:02d}", f"ask_sz_{m:02d}"]
    for name in sizes:
        other[name] = pl.when(pl.col(name).is_not_null()).then(pl.Series(rng.integers(1, 500, n)))
    for name, choices in (("action", ["A", "C", "T"]), ("side", ["A", "B"])):
        other[name] = pl.Series(rng.choice(choices, n)).cast(events[name].dtype)
    changed = [pl.when(after).then(value).otherwise(pl.col(name)).alias(name) for name, value in other.items()]
    return replace(session, events=events.with_columns(changed), truth=None, planted=None)


def _remake_rows(
    session: Session, t: int, by_key: dict[SessionKey, SessionSamples], fitted: FittedStudy
) -> pl.DataFrame:
    """Make the session's rows up to `t` as the study makes them, from what was known then and another future."""
    config, settings = fitted.config, SampleSettings.of(fitted.config)
    made = [making.prepare_session(alter_future(session, t, config.seed), settings)]
    for symbol in config.features.cross:
        other = by_key.get((symbol, session.date))
        if symbol != session.symbol and other is not None:
            altered = alter_future(read_session(other, config.dataset), t, config.seed)
            made.append(making.prepare_session(altered, settings))
        elif symbol != session.symbol:  # it has no session on this date, and another date's says nothing
            made.append(next(replace(s) for key, s in by_key.items() if key[0] == symbol))
    rows = add_cross_flow(made, config.features)[0].rows
    return rows.filter(pl.col("mid").is_not_null() & (pl.col("bar_close") <= t))


# --- what is compared ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Column:
    """One value a bar, as the study has it and as it was remade with another future."""

    name: str
    study: NDArray[np.float64]
    remade: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Counts:
    """How much was compared."""

    bars: int
    columns: int
    values: int


def _compare(study: pl.DataFrame, remade: pl.DataFrame, moment: _Moment, fitted: FittedStudy) -> _Counts:
    """Count the bars, columns and values up to the moment, all equal to the bit; raise LeakError where one differs."""
    study = study.filter(pl.col("bar_close") <= moment.t)
    _require_equal(study, [_Column("the close", *_both(study, remade, "bar_close"))])
    columns = list(_columns_known(study, remade, fitted))
    _require_equal(study, columns)
    count, values = len(columns), len(columns) * study.height
    for when, names in _LATER.items():
        past = study[when].is_not_null() & (study[when] <= moment.t)
        before, after = study.filter(past), remade.filter(past)
        _require_equal(before, [_Column(f"{name}, known by then,", *_both(before, after, name)) for name in names])
        values += len(names) * before.height
    for result in fitted.results:
        here = (pl.col("symbol") == moment.key[0]) & (pl.col("session") == moment.key[1])
        mask = result.predictions.select(here & (pl.col("bar_close") <= moment.t)).to_series()
        tested = result.predictions.filter(mask)
        if tested.height:
            again = tested.select("bar_close").join(remade, on="bar_close", how="left", maintain_order="left")
            columns = list(_columns_predicted(result, mask.to_numpy(), tested, again, fitted))
            _require_equal(tested, columns)
            values += len(columns) * tested.height
            count = max(count, len(columns))
    return _Counts(study.height, count, values)


def _columns_known(study: pl.DataFrame, remade: pl.DataFrame, fitted: FittedStudy) -> Iterator[_Column]:
    """What the rows hold that is known at the bar's close."""
    config, levels = fitted.config, fitted.flow_levels
    flow = [c for g in dict.fromkeys([NET, *flow_groups(config.ofi)]) for c in (*g.columns(levels), g.depth)]
    named = {"flow": flow, "feature": feature_columns(config.features), "column": _BOOK}
    for kind, names in named.items():
        for name in dict.fromkeys(names):
            yield _Column(f"{kind} {name}", *_both(study, remade, name))


def _columns_predicted(
    result: FoldResult, mask: NDArray[np.bool_], tested: pl.DataFrame, again: pl.DataFrame, fitted: FittedStudy
) -> Iterator[_Column]:
    """What the pipeline is given and makes of it: of the whole test block, and of the bars up to t alone."""
    whole, alone = fitted.inputs(result.predictions), fitted.inputs(again)
    seen, pipeline = feature_columns(fitted.config.features), result.pipeline
    flow = [c for g in flow_groups(fitted.config.ofi) for c in g.columns(fitted.flow_levels)]
    pairs = [
        ("flow", flow, whole[0], alone[0]),
        ("input", seen, whole[1], alone[1]),
        ("the model's input", pipeline.feature_names, pipeline.features(*whole), pipeline.features(*alone)),
    ]
    for kind, names, block, part in pairs:
        for j, name in enumerate(names):
            yield _Column(f"{kind} {name}", block[mask, j], part[:, j])
    yield _Column("the prediction", tested["y_hat"].to_numpy(), pipeline.predict(*alone))


def _both(study: pl.DataFrame, remade: pl.DataFrame, name: str) -> tuple[NDArray, NDArray]:
    """A column of both: whole numbers as they are, for a float does not hold every ns; what is missing is NaN."""
    return tuple(  # type: ignore[return-value]
        (c if c.dtype.is_integer() and not c.null_count() else c.cast(pl.Float64).fill_null(np.nan)).to_numpy()
        for c in (table[name].to_physical() for table in (study, remade))
    )


def _require_equal(rows: pl.DataFrame, columns: Iterable[_Column]) -> None:
    """Raise LeakError for the first value that differs, of `rows` with as many bars as each column."""
    for column in columns:
        a, b = column.study, column.remade
        if len(a) != len(b):
            raise LeakError(
                f"evaluation.leak_check: {rows['symbol'][0]} {rows['session'][0]} has {len(a)} bars up to a cut time, "
                f"but {len(b)} when the data after it are replaced: bar edges depend on the future. Fix the bars; {OFF}"
            )
        differs = (a != b) & ~(np.isnan(a) & np.isnan(b))
        if differs.any():
            i = int(np.flatnonzero(differs)[-1])
            raise LeakError(
                f"evaluation.leak_check: {column.name} of {name_bar(rows.row(i, named=True))} is {a[i]:.12g} in "
                f"the study, but {b[i]:.12g} when the data after it are replaced: it depends on the future. Fix it; "
                f"{OFF}"
            )


def _select_session(rows: pl.DataFrame, key: SessionKey) -> pl.DataFrame:
    return rows.filter((pl.col("symbol") == key[0]) & (pl.col("session") == key[1]))

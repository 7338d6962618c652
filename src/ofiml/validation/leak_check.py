"""The leak check: values at a time t must not change when the data after t are replaced.

For a sample of tested bars the session is read again and everything after the bar's close t is replaced. The functions
and fitted pipelines of the study then compute rows, flow, inputs and predictions again. The study's values may come
from the cache; the values that they are compared with never do.

The future is replaced, not cut off. Half of its events are removed, and the rest have other prices, sizes, actions and
sides. A feature that reads beyond a cut often gets the value that it would have had anyway (no change, no trade), so
the check would miss it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.data.schema import TIME, Session, extract_times
from ofiml.errors import LeakError
from ofiml.ofi.flow import NET, list_flow_groups
from ofiml.samples import prepare as preparation
from ofiml.samples.cross import add_cross_flow
from ofiml.samples.prepare import read_session
from ofiml.samples.session import SessionKey, SessionSamples
from ofiml.samples.settings import SampleSettings
from ofiml.samples.table import list_feature_columns
from ofiml.training.fitted import FittedStudy
from ofiml.training.folds import FoldResult
from ofiml.validation.perturbed_refit import SKIP_HINT, PerturbedRefit, name_bar, refit_perturbed

_BOOK = ["bar_open", "bid", "ask", "mid", "spread_ticks", "n_events", "scale", "first_used"]
# Columns that are known later than the bar's close, by the column with the time at which they are known.
_KNOWN_LATER = {"label_end": ("y", "move_ticks")}


@dataclass(frozen=True, slots=True)
class _Moment:
    """The close `t` (ns) of a tested bar in one symbol's session, and the fold that tested it."""

    fold: int
    key: SessionKey
    t: int


@dataclass(frozen=True, slots=True)
class CheckedTime:
    """A time (UTC) after which everything was replaced, its session, and the fold that tested it."""

    fold: int
    symbol: str
    session: str
    time: str


@dataclass(frozen=True, slots=True)
class LeakCheck:
    """The scope of a passed leak check: the `times`; the numbers of `bars`, `columns` and `values` compared, with 0
    `differing`; the numbers of `folds` and of `train_rows` compared with the test rows of their fold; and the refitted
    fold. `decisions` is the number of the strategy's decisions compared, None without a backtest.
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


def check_leaks(fitted: FittedStudy) -> LeakCheck:
    """Check that train rows, bars, flow, inputs, models and predictions do not depend on the future.

    Raises LeakError for the first value that differs, with the column, the bar and both values.
    """
    for result in fitted.results:
        check_train_rows(fitted.select_train_rows(result), result)
    checked_times: list[CheckedTime] = []
    bars = columns = values = 0
    by_key = {s.key: s for s in fitted.sessions}
    moments = _choose_moments(fitted)
    for key in dict.fromkeys(m.key for m in moments):
        session, study = read_session(by_key[key], fitted.config.dataset), _select_session(fitted.rows, key)
        for moment in (m for m in moments if m.key == key):
            remake = _remake_rows(session, moment.t, by_key, fitted)
            counts = _compare(study, remake, moment, fitted)
            checked_times.append(CheckedTime(moment.fold, *key, str(pl.Series([moment.t]).cast(TIME)[0])))
            bars, values, columns = bars + counts.bars, values + counts.values, max(columns, counts.columns)
    return LeakCheck(
        times=checked_times,
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


def _choose_moments(fitted: FittedStudy) -> list[_Moment]:
    """Choose tested bars in several folds and, if possible, several sessions; each has a later bar in its session."""
    config, results = fitted.config, fitted.results
    rng = np.random.default_rng([config.seed, 2])
    count, last = config.evaluation.leak_times, fitted.rows.group_by("symbol", "session").agg(pl.col("bar_close").max())
    ends = {(symbol, session): end for symbol, session, end in last.iter_rows()}
    moments: list[_Moment] = []
    for index in np.linspace(0, len(results) - 1, count).round().astype(int):
        bars = results[index].predictions.select("symbol", "session", "bar_close")
        closes: dict[SessionKey, list[int]] = {}
        for symbol, session, close in bars.iter_rows():
            if close < ends[symbol, session]:
                closes.setdefault((symbol, session), []).append(close)
        candidates = [key for key in closes if key not in {m.key for m in moments}] or list(closes)
        if candidates:
            key = candidates[int(rng.integers(len(candidates)))]
            moments.append(_Moment(results[index].fold.index, key, closes[key][int(rng.integers(len(closes[key])))]))
    return moments


def alter_future(session: Session, t: int, seed: int) -> Session:
    """Alter the session's events after `t` (ns), and remove the truth of a simulation."""
    rng, events = np.random.default_rng([seed, 3, t]), session.events
    known = extract_times(events) <= t
    events = events.filter(pl.Series(known | (rng.random(len(known)) < 0.5)))
    n, after = events.height, pl.Series(extract_times(events) > t)
    # Prices only rise: a positive price stays positive, so that its bps and logarithms stay defined.
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
    columns = [pl.when(after).then(value).otherwise(pl.col(name)).alias(name) for name, value in other.items()]
    return replace(session, events=events.with_columns(columns), truth=None, planted=None)


def _remake_rows(
    session: Session, t: int, by_key: dict[SessionKey, SessionSamples], fitted: FittedStudy
) -> pl.DataFrame:
    """Make the session's rows up to `t` again with the functions of the study, from events altered after `t`."""
    config, settings = fitted.config, SampleSettings.of(fitted.config)
    # Called through the module, so that this is the function that the study itself calls.
    samples = [preparation.prepare_session(alter_future(session, t, config.seed), settings)]
    for symbol in config.features.cross:
        other = by_key.get((symbol, session.date))
        if symbol != session.symbol and other is not None:
            other_session = alter_future(read_session(other, config.dataset), t, config.seed)
            samples.append(preparation.prepare_session(other_session, settings))
        elif symbol != session.symbol:  # no session on this date; any session of the symbol satisfies the check for one
            samples.append(next(replace(s) for key, s in by_key.items() if key[0] == symbol))
    rows = add_cross_flow(samples, config.features)[0].rows
    return rows.filter(pl.col("mid").is_not_null() & (pl.col("bar_close") <= t))


# --- comparison ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Column:
    """A column, one value per bar: the study's values, and those made again with another future."""

    name: str
    study: NDArray[np.float64]
    remake: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Counts:
    """The numbers of bars, columns and values compared."""

    bars: int
    columns: int
    values: int


def _compare(study: pl.DataFrame, remake: pl.DataFrame, moment: _Moment, fitted: FittedStudy) -> _Counts:
    """Compare all values up to the moment, to the bit, and count them. Raises LeakError for one that differs."""
    study = study.filter(pl.col("bar_close") <= moment.t)
    _require_equal(study, [_Column("the close", *_select_pair(study, remake, "bar_close"))])
    columns = list(_list_known_columns(study, remake, fitted))
    _require_equal(study, columns)
    count, values = len(columns), len(columns) * study.height
    for time, names in _KNOWN_LATER.items():
        past = study[time].is_not_null() & (study[time] <= moment.t)
        study_past, remake_past = study.filter(past), remake.filter(past)
        pairs = {name: _select_pair(study_past, remake_past, name) for name in names}
        _require_equal(study_past, [_Column(f"{name}, known by then,", *pair) for name, pair in pairs.items()])
        values += len(names) * study_past.height
    for result in fitted.results:
        in_session = (pl.col("symbol") == moment.key[0]) & (pl.col("session") == moment.key[1])
        mask = result.predictions.select(in_session & (pl.col("bar_close") <= moment.t)).to_series()
        bars = result.predictions.filter(mask)
        if bars.height:
            rows = bars.select("bar_close").join(remake, on="bar_close", how="left", maintain_order="left")
            columns = list(_list_predicted_columns(result, mask.to_numpy(), bars, rows, fitted))
            _require_equal(bars, columns)
            values += len(columns) * bars.height
            count = max(count, len(columns))
    return _Counts(study.height, count, values)


def _list_known_columns(study: pl.DataFrame, remake: pl.DataFrame, fitted: FittedStudy) -> Iterator[_Column]:
    """List the columns that are known at the bar's close."""
    config, levels = fitted.config, fitted.flow_levels
    flow = [c for g in dict.fromkeys([NET, *list_flow_groups(config.ofi)]) for c in (*g.name_columns(levels), g.depth)]
    names_by_kind = {"flow": flow, "feature": list_feature_columns(config.features), "column": _BOOK}
    for kind, names in names_by_kind.items():
        for name in dict.fromkeys(names):
            yield _Column(f"{kind} {name}", *_select_pair(study, remake, name))


def _list_predicted_columns(
    result: FoldResult, mask: NDArray[np.bool_], bars: pl.DataFrame, rows: pl.DataFrame, fitted: FittedStudy
) -> Iterator[_Column]:
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
            yield _Column(f"{kind} {name}", of_block[mask, j], of_part[:, j])
    yield _Column("the prediction", bars["y_hat"].to_numpy(), pipeline.predict(*part))


def _select_pair(study: pl.DataFrame, remake: pl.DataFrame, name: str) -> tuple[NDArray, NDArray]:
    """Select a column of both tables; null becomes NaN. Integers stay integers, because a float cannot represent every
    ns.
    """
    return tuple(  # type: ignore[return-value]
        (c if c.dtype.is_integer() and not c.null_count() else c.cast(pl.Float64).fill_null(np.nan)).to_numpy()
        for c in (table[name].to_physical() for table in (study, remake))
    )


def _require_equal(rows: pl.DataFrame, columns: Iterable[_Column]) -> None:
    """Raise LeakError for the first value that differs, and for columns of unequal length. `rows` are the study's bars
    of the columns.
    """
    for column in columns:
        a, b = column.study, column.remake
        if len(a) != len(b):
            raise LeakError(
                f"evaluation.leak_check: {rows['symbol'][0]} {rows['session'][0]} has {len(a)} bars up to a cut time, "
                f"but {len(b)} when the data after it are replaced: bar edges depend on the future. Fix the bars; "
                f"{SKIP_HINT}"
            )
        differs = (a != b) & ~(np.isnan(a) & np.isnan(b))
        if differs.any():
            i = int(np.flatnonzero(differs)[-1])
            raise LeakError(
                f"evaluation.leak_check: {column.name} of {name_bar(rows.row(i, named=True))} is {a[i]:.12g} in "
                f"the study, but {b[i]:.12g} when the data after it are replaced: it depends on the future. Fix it; "
                f"{SKIP_HINT}"
            )


def _select_session(rows: pl.DataFrame, key: SessionKey) -> pl.DataFrame:
    return rows.filter((pl.col("symbol") == key[0]) & (pl.col("session") == key[1]))

"""The study's own leak check: does anything that it used at a time t change when what comes after t is another future?

For a sample of tested bars the session is read again, everything after the bar's close is replaced, and rows, flow,
inputs and predictions are made anew from it by the functions and the fitted pipelines of the study itself. What the
study had may have come from the cache; what it is held against never does.

The future is replaced, not cut off: half of its events are left out, and those that stay have other prices, sizes,
actions and sides, so that their number and times differ too. A feature that peeks at a cut-off future often finds the
value that it would have had (no change, no trade), and the check would see nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import Config
from ofiml.data.schema import TIME, Session, times
from ofiml.errors import LeakError
from ofiml.ofi.flow import NET, groups
from ofiml.samples import prepare as making
from ofiml.samples.cross import add_cross_flow
from ofiml.samples.prepare import read_session
from ofiml.samples.session import SessionKey, SessionSamples
from ofiml.samples.settings import SampleSettings
from ofiml.samples.table import feature_columns
from ofiml.training.folds import FoldResult, inputs
from ofiml.validation.perturbed_refit import OFF, bar_named, relearned

_BOOK = ["bar_open", "bid", "ask", "mid", "spread_ticks", "n_events", "scale", "first_used"]
# When what is not known at the bar's close is known, and what it is.
_LATER = {"label_end": ("y", "move_ticks"), "fill_time": ("fill_bid", "fill_ask", "fill_bid_sz", "fill_ask_sz")}


@dataclass(frozen=True, slots=True)
class _Moment:
    """A tested bar's close `t`, ns, in one symbol's session, and the fold that tested it."""

    fold: int
    key: SessionKey
    t: int


def check(
    rows: pl.DataFrame, judged: pl.DataFrame, results: list[FoldResult], sessions: list[SessionSamples], config: Config
) -> dict[str, Any]:
    """What was checked: the `times`, and how many `bars`, `columns` and `values` were compared and how many are
    `differing`, which is 0; `train_rows` whose interval was held against the test rows of their fold, in all `folds`;
    `refitted`, the fold that was fitted anew among other rows.

    Raises LeakError, with the column, the bar and both values, for the first that differs.
    """
    for result in results:
        apart(judged, result)
    found: dict[str, Any] = {"times": [], "bars": 0, "columns": 0, "values": 0, "differing": 0}
    by_key = {s.key: s for s in sessions}
    moments = _moments(rows, results, config)
    for key in dict.fromkeys(m.key for m in moments):
        session, study = read_session(by_key[key], config.dataset), _of(rows, key)
        for moment in (m for m in moments if m.key == key):
            anew = _anew(session, moment.t, by_key, config)
            bars, columns, values = _compared(study, anew, moment, results, by_key[key].flow_levels, config)
            symbol, date = key
            stamp = str(pl.Series([moment.t]).cast(TIME)[0])
            found["times"].append({"fold": moment.fold, "symbol": symbol, "session": date, "time": stamp})
            found["bars"] += bars
            found["values"] += values
            found["columns"] = max(found["columns"], columns)
    trained = sum(len(r.fold.train) for r in results)
    refitted = relearned(rows, judged, results, sessions[0].flow_levels, config)
    return found | {"folds": len(results), "train_rows": trained, "refitted": refitted}


# --- train and test --------------------------------------------------------------------------------------------------


def apart(judged: pl.DataFrame, result: FoldResult) -> None:
    """Raises LeakError if what a train row used or was taught meets the label of a row that the fold tests.

    Counted, not searched: of test intervals meet [a, b] as many as begin by b, less those that end before a.
    """
    train = judged[result.fold.train]
    test = result.predictions.filter(pl.col("y").is_not_null())
    begins, ends = (np.sort(test[c].to_numpy()) for c in ("label_start", "label_end"))
    first = np.minimum(train["first_used"].to_numpy(), train["label_start"].to_numpy())
    begun = np.searchsorted(begins, train["label_end"].to_numpy(), side="right")
    meeting = begun > np.searchsorted(ends, first, side="left")
    if meeting.any():
        row = train.row(int(np.flatnonzero(meeting)[0]), named=True)
        raise LeakError(
            f"evaluation.leak_check: fold {result.fold.index} trains on {bar_named(row)}, whose features and label "
            f"meet the label of a row that it tests ({int(meeting.sum())} such rows). Mend the split; {OFF}"
        )


# --- another future --------------------------------------------------------------------------------------------------


def _moments(rows: pl.DataFrame, results: list[FoldResult], config: Config) -> list[_Moment]:
    """Tested bars of several folds and, as far as there are, sessions; each with something after it."""
    rng = np.random.default_rng([config.seed, 2])
    count, last = config.evaluation.leak_times, rows.group_by("symbol", "session").agg(pl.col("bar_close").max())
    ends = {(symbol, session): end for symbol, session, end in last.iter_rows()}
    moments: list[_Moment] = []
    for place in np.linspace(0, len(results) - 1, count).round().astype(int):
        tested = results[place].predictions.select("symbol", "session", "bar_close")
        found: dict[SessionKey, list[int]] = {}
        for symbol, session, close in tested.iter_rows():
            if close < ends[symbol, session]:
                found.setdefault((symbol, session), []).append(close)
        fresh = [key for key in found if key not in {m.key for m in moments}] or list(found)
        if fresh:
            key = fresh[int(rng.integers(len(fresh)))]
            moments.append(_Moment(results[place].fold.index, key, found[key][int(rng.integers(len(found[key])))]))
    return moments


def altered(session: Session, t: int, seed: int) -> Session:
    """The session with another future after `t`, ns; nothing is known of how it was simulated."""
    rng, events = np.random.default_rng([seed, 3, t]), session.events
    known = times(events) <= t
    events = events.filter(pl.Series(known | (rng.random(len(known)) < 0.5)))
    n, after = events.height, pl.Series(times(events) > t)
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


def _anew(session: Session, t: int, by_key: dict[SessionKey, SessionSamples], config: Config) -> pl.DataFrame:
    """The session's rows up to `t`, made as the study makes them, from what was known then and another future."""
    made = [making.prepare_session(altered(session, t, config.seed), SampleSettings.of(config))]
    for symbol in config.features.cross:
        other = by_key.get((symbol, session.date))
        if symbol != session.symbol and other is not None:
            made.append(
                making.prepare_session(
                    altered(read_session(other, config.dataset), t, config.seed), SampleSettings.of(config)
                )
            )
        elif symbol != session.symbol:  # it has no session on this date, and another date's says nothing
            made.append(next(replace(s) for key, s in by_key.items() if key[0] == symbol))
    rows = add_cross_flow(made, config.features)[0].rows
    return rows.filter(pl.col("mid").is_not_null() & (pl.col("bar_close") <= t))


# --- what is compared ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Column:
    """One value a bar, of the study and made anew, at the bars of `rows`."""

    what: str
    study: NDArray[np.float64]
    anew: NDArray[np.float64]


def _compared(
    study: pl.DataFrame, anew: pl.DataFrame, moment: _Moment, results: list[FoldResult], levels: int, config: Config
) -> tuple[int, int, int]:
    """How many bars, columns and values are equal to the bit; raises LeakError for one that is not."""
    study = study.filter(pl.col("bar_close") <= moment.t)
    _same(study, [_Column("the close", *_both(study, anew, "bar_close"))])
    columns = list(_known(study, anew, levels, config))
    _same(study, columns)
    count, values = len(columns), len(columns) * study.height
    for when, names in _LATER.items():
        past = study[when].is_not_null() & (study[when] <= moment.t)
        before, after = study.filter(past), anew.filter(past)
        _same(before, [_Column(f"{name}, known by then,", *_both(before, after, name)) for name in names])
        values += len(names) * before.height
    for result in results:
        here = (pl.col("symbol") == moment.key[0]) & (pl.col("session") == moment.key[1])
        mask = result.predictions.select(here & (pl.col("bar_close") <= moment.t)).to_series()
        tested = result.predictions.filter(mask)
        if tested.height:
            again = tested.select("bar_close").join(anew, on="bar_close", how="left", maintain_order="left")
            columns = list(_predicted(result, mask.to_numpy(), tested, again, levels, config))
            _same(tested, columns)
            values += len(columns) * tested.height
            count = max(count, len(columns))
    return study.height, count, values


def _known(study: pl.DataFrame, anew: pl.DataFrame, levels: int, config: Config) -> Iterator[_Column]:
    """What the rows hold that is known at the bar's close."""
    flow = [c for g in dict.fromkeys([NET, *groups(config.ofi)]) for c in (*g.columns(levels), g.depth)]
    named = {"flow": flow, "feature": feature_columns(config.features), "column": _BOOK}
    for kind, names in named.items():
        for name in dict.fromkeys(names):
            yield _Column(f"{kind} {name}", *_both(study, anew, name))


def _predicted(
    result: FoldResult, mask: NDArray[np.bool_], tested: pl.DataFrame, again: pl.DataFrame, levels: int, config: Config
) -> Iterator[_Column]:
    """What the pipeline is given and makes of it: of the whole test block, and of the bars up to t alone."""
    whole, alone = inputs(result.predictions, levels, config), inputs(again, levels, config)
    seen, pipeline = feature_columns(config.features), result.pipeline
    flow = [c for g in groups(config.ofi) for c in g.columns(levels)]
    pairs = [
        ("flow", flow, whole[0], alone[0]),
        ("input", seen, whole[1], alone[1]),
        ("the model's input", pipeline.feature_names, pipeline.features(*whole), pipeline.features(*alone)),
    ]
    for kind, names, block, part in pairs:
        for j, name in enumerate(names):
            yield _Column(f"{kind} {name}", block[mask, j], part[:, j])
    yield _Column("the prediction", tested["y_hat"].to_numpy(), pipeline.predict(*alone))


def _both(study: pl.DataFrame, anew: pl.DataFrame, name: str) -> tuple[NDArray, NDArray]:
    """A column of both: whole numbers as they are, for a float does not hold every ns; what is missing is NaN."""
    return tuple(  # type: ignore[return-value]
        (c if c.dtype.is_integer() and not c.null_count() else c.cast(pl.Float64).fill_null(np.nan)).to_numpy()
        for c in (table[name].to_physical() for table in (study, anew))
    )


def _same(rows: pl.DataFrame, columns: Iterable[_Column]) -> None:
    """Raises LeakError for the first value that differs, of `rows` with as many bars as each column."""
    for column in columns:
        a, b = column.study, column.anew
        if len(a) != len(b):
            raise LeakError(
                f"evaluation.leak_check: of {rows['symbol'][0]} {rows['session'][0]} there are {len(a)} bars up to a "
                f"time, and {len(b)} with other data after it: where bars end knows the future. Mend it; {OFF}"
            )
        differs = (a != b) & ~(np.isnan(a) & np.isnan(b))
        if differs.any():
            i = int(np.flatnonzero(differs)[-1])
            raise LeakError(
                f"evaluation.leak_check: {column.what} of {bar_named(rows.row(i, named=True))} is {a[i]:.12g} with the "
                f"data that came after it and {b[i]:.12g} with other data after it: it knows the future. Mend it; {OFF}"
            )


def _of(rows: pl.DataFrame, key: SessionKey) -> pl.DataFrame:
    return rows.filter((pl.col("symbol") == key[0]) & (pl.col("session") == key[1]))

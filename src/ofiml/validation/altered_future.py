"""Sessions with another future, and the rows that the study's own functions make of them.

The future is replaced, not cut off. Half of its events are removed, and the rest have other prices, sizes, actions and
sides. A feature that reads beyond a cut often gets the value that it would have had anyway (no change, no trade), so
the check would miss it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from ofiml.data.schema import Session, extract_times
from ofiml.samples import prepare as preparation
from ofiml.samples.cross import add_cross_flow
from ofiml.samples.prepare import read_sessions
from ofiml.samples.session import SessionKey, SessionSamples
from ofiml.samples.settings import SampleSettings
from ofiml.training.fitted import FittedStudy

#: The seed of the tested moments and of their altered futures. With the study's own seed a sweep over seeds would check
#: the same rows again for each.
SEED = 7


@dataclass(frozen=True, slots=True)
class Moment:
    """The close `t` (ns) of a tested bar in one symbol's session, and the fold that tested it."""

    fold: int
    key: SessionKey
    t: int


def alter_future(session: Session, t: int) -> Session:
    """Alter the session's events after `t` (ns), and remove the truth of a simulation."""
    rng, events = np.random.default_rng([SEED, 3, t]), session.events
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


def remake_rows(moments: Sequence[Moment], fitted: FittedStudy) -> dict[Moment, pl.DataFrame]:
    """Make the rows of the sessions up to each moment again, with the functions of the study, from altered events.

    Each source is read or simulated once for all moments, one session at a time.
    """
    config, settings = fitted.config, SampleSettings.of(fitted.config)
    by_key = {s.key: s for s in fitted.sessions}
    needed: dict[SessionKey, list[Moment]] = {}
    for moment in moments:
        for key in list_sessions(moment, by_key, config.features.cross):
            needed.setdefault(key, []).append(moment)
    remade: dict[tuple[Moment, SessionKey], SessionSamples] = {}
    for session in read_sessions([by_key[key] for key in needed], config.dataset):
        key = session.symbol, session.date
        for moment in needed[key]:
            # Called through the module, so that this is the function that the study itself calls.
            remade[moment, key] = preparation.prepare_session(alter_future(session, moment.t), settings)
    rows: dict[Moment, pl.DataFrame] = {}
    for moment in moments:
        keys = list_sessions(moment, by_key, config.features.cross)
        samples = [remade[moment, key] for key in keys]
        # A symbol without a session on this date needs one all the same; its flow is not read.
        absent = set(config.features.cross) - {key[0] for key in keys}
        samples += [next(replace(s) for key, s in by_key.items() if key[0] == symbol) for symbol in sorted(absent)]
        made = next(add_cross_flow(samples, config.features))
        rows[moment] = made.filter(pl.col("mid").is_not_null() & (pl.col("bar_close") <= moment.t))
    return rows


def list_sessions(moment: Moment, by_key: dict[SessionKey, SessionSamples], cross: Sequence[str]) -> list[SessionKey]:
    """List the sessions on which the rows of a moment depend: its own, then those of the symbols in `cross`."""
    symbol, date = moment.key
    return [moment.key, *((other, date) for other in cross if other != symbol and (other, date) in by_key)]

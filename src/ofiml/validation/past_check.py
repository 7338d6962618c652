"""The part of the leak check in which no model takes part: rows up to t must not change when the data after t do.

Whether they change depends on the session, the settings of samples and the code. A pass is therefore kept in the cache
of samples, for exactly these rows: its key holds their content, and all on which they depend. A failed check is never
kept.
"""

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import polars as pl

from ofiml.data.cache import read_sealed, write_sealed
from ofiml.ofi.flow import NET, list_flow_groups
from ofiml.samples.cache import make_samples_key
from ofiml.samples.settings import SampleSettings
from ofiml.samples.table import list_feature_columns
from ofiml.storage import open_storage
from ofiml.training.fitted import FittedStudy
from ofiml.validation.altered_future import SEED, Moment, list_sessions, remake_rows
from ofiml.validation.column_equality import Column, Counts, require_equal, select_pair

_BOOK = ["bar_open", "bid", "ask", "mid", "spread_ticks", "n_events", "scale", "first_used"]
# Columns that are known later than the bar's close, by the column with the time at which they are known.
_KNOWN_LATER = {"label_end": ("y", "move_ticks")}


@dataclass(frozen=True, slots=True)
class PastCheck:
    """The past of a moment that passed: its `rows` up to then, as another future gives them, and the `counts`.

    `earlier` says that these very rows passed in an earlier run; `rows` are then those of the study, which are equal.
    """

    rows: pl.DataFrame
    counts: Counts
    earlier: bool


def check_pasts(moments: list[Moment], fitted: FittedStudy) -> dict[Moment, PastCheck]:
    """Check that the rows up to each moment do not depend on the data after it. Raises LeakError for a difference."""
    store = fitted.config.features.store
    storage = None if store is None else open_storage(store)
    pasts = {m: select_past(fitted.rows, m) for m in moments}
    names = {m: None if storage is None else _name_pass(m, pasts[m], fitted) for m in moments}
    checks: dict[Moment, PastCheck] = {}
    for moment, name in names.items():
        kept = None if storage is None or name is None else read_sealed(storage, name)
        if kept is not None:
            checks[moment] = PastCheck(pasts[moment], Counts(**kept), earlier=True)
    remade = remake_rows([m for m in moments if m not in checks], fitted)
    for moment, rows in remade.items():
        counts = _compare_past(pasts[moment], rows, moment, fitted)
        name = names[moment]
        if storage is not None and name is not None:
            write_sealed(storage, name, asdict(counts))
        checks[moment] = PastCheck(rows, counts, earlier=False)
    return checks


def select_past(rows: pl.DataFrame, moment: Moment) -> pl.DataFrame:
    symbol, date = moment.key
    of_session = (pl.col("symbol") == symbol) & (pl.col("session") == date)
    return rows.filter(of_session & (pl.col("bar_close") <= moment.t))


def _name_pass(moment: Moment, past: pl.DataFrame, fitted: FittedStudy) -> str | None:
    """Name the file of a pass by all that the check depends on; None if a source has no name.

    That is the content of the study's rows, the sessions from which they are made again, the settings and the code
    that make them, and the seed of the altered future, which is no choice of a study.
    """
    config, by_key = fitted.config, {s.key: s for s in fitted.sessions}
    settings, keys = SampleSettings.of(config), list_sessions(moment, by_key, config.features.cross)
    inputs = [by_key[key].input_name for key in keys]
    if None in inputs:
        return None
    content = io.BytesIO()
    past.write_ipc(content)
    parts = [
        *("past", keys, moment.t, SEED, asdict(config.features) | {"store": None}),
        *(make_samples_key(name, settings) for name in inputs if name is not None),
        hashlib.sha256(content.getvalue()).hexdigest(),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32] + "-past.json"


def _compare_past(study: pl.DataFrame, remake: pl.DataFrame, moment: Moment, fitted: FittedStudy) -> Counts:
    """Compare all values up to the moment, to the bit, and count them. Raises LeakError for one that differs."""
    require_equal(study, [Column("the close", *select_pair(study, remake, "bar_close"))])
    columns = list(_list_known_columns(study, remake, fitted))
    require_equal(study, columns)
    values = len(columns) * study.height
    for time, names in _KNOWN_LATER.items():
        past = study[time].is_not_null() & (study[time] <= moment.t)
        study_past, remake_past = study.filter(past), remake.filter(past)
        pairs = {name: select_pair(study_past, remake_past, name) for name in names}
        require_equal(study_past, [Column(f"{name}, known by then,", *pair) for name, pair in pairs.items()])
        values += len(names) * study_past.height
    return Counts(study.height, len(columns), values)


def _list_known_columns(study: pl.DataFrame, remake: pl.DataFrame, fitted: FittedStudy) -> Iterator[Column]:
    """List the columns that are known at the bar's close."""
    config, levels = fitted.config, fitted.flow_levels
    flow = [c for g in dict.fromkeys([NET, *list_flow_groups(config.ofi)]) for c in (*g.name_columns(levels), g.depth)]
    names_by_kind = {"flow": flow, "feature": list_feature_columns(config.features), "column": _BOOK}
    for kind, names in names_by_kind.items():
        for name in dict.fromkeys(names):
            yield Column(f"{kind} {name}", *select_pair(study, remake, name))

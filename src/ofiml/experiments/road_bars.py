"""Bars of one market that was read in several ways: their columns, and which of them are the same to the bit."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from ofiml.bars import cut_bars
from ofiml.bars.time import select_states
from ofiml.data.schema import Session, make_level_columns
from ofiml.features.catalogue import CATALOGUE
from ofiml.ofi.flow import name_flow_columns
from ofiml.samples.prepare import prepare_session
from ofiml.samples.settings import SampleSettings
from ofiml.units import SECOND

KEY = ["symbol", "session", "bar_open", "bar_close"]
BAR, BEST, BOOK, FLOW = (
    "number of states",
    "best quotes at the close",
    "deeper levels at the close",
    "flow of each level",
)
_BEST = tuple(f"{side}_{what}_00" for side in ("bid", "ask") for what in ("px", "sz", "ct"))


@dataclass(slots=True)
class Agreement:
    """The bars that two tables share (same session, open and close), and all bars of the first and of the second.

    `equal` has, by group and column, the number of shared bars with the same bits; `same` (shared,) by group the bars
    in which all its columns are the same.
    """

    first: int
    second: int
    shared: int
    equal: dict[str, dict[str, int]] = field(default_factory=dict)
    same: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether both have the same bars, with the same bits in each column."""
        same, every = self.count_columns()
        return same == every and self.first == self.second == self.shared

    def count_columns(self, group: str | None = None) -> tuple[int, int]:
        """Count the columns with the same bits in each shared bar, and all columns, of a group or of all.

        Without a shared bar no column is the same.
        """
        counts = [n for name, columns in self.equal.items() if group in (None, name) for n in columns.values()]
        return sum(n == self.shared > 0 for n in counts), len(counts)

    def list_differing(self) -> list[str]:
        """List the columns that are not the same in each shared bar."""
        return [name for columns in self.equal.values() for name, n in columns.items() if not n == self.shared > 0]


def tabulate_bars(session: Session, settings: SampleSettings) -> pl.DataFrame:
    """Tabulate the bars of a session: KEY, `seconds`, `volume` (lots), `n_events`, `mid` (ticks), the book at the
    close, the net flow of each level, and the features of the settings.

    Known at `bar_close`. Raises DataError for a session without a whole bar.
    """
    book = select_states(session, settings.bars.per)
    bars = cut_bars(session, book, settings.bars)
    rows = prepare_session(session, settings).rows
    at = np.searchsorted(book.stamps, bars.close, side="right") - 1
    shown = [name for m in range(session.levels) for name in make_level_columns(m)]
    at_close = book.events.select(shown)[np.maximum(at, 0)].select(
        pl.when(pl.Series(at >= 0)).then(pl.col(name)).alias(name) for name in shown
    )
    names = [*KEY, "n_events", "mid", *name_flow_columns(session.levels), *settings.features.columns]
    trades = session.events.filter(pl.col("action") == "T")
    ends = np.searchsorted(trades["ts_recv"].to_physical().to_numpy(), bars.edges, side="right")
    volume = np.diff(np.concatenate([[0], np.cumsum(trades["size"].to_numpy())])[ends])
    return pl.concat([rows.select(list(dict.fromkeys(names))), at_close], how="horizontal").with_columns(
        ((pl.col("bar_close") - pl.col("bar_open")) / SECOND).alias("seconds"),
        pl.Series("volume", volume),
    )


def group_columns(table: pl.DataFrame) -> dict[str, list[str]]:
    """Group the compared columns of a table of bars; features by their group in the catalogue, save the clock's."""
    shown = {name for m in range(100) for name in make_level_columns(m)}
    groups: dict[str, list[str]] = {BEST: list(_BEST), BOOK: [], FLOW: [], BAR: ["n_events"]}
    flow = set(name_flow_columns(100))
    for name in table.columns:
        if name in shown and name not in _BEST:
            groups[BOOK].append(name)
        elif name in flow:
            groups[FLOW].append(name)
        elif name in CATALOGUE and CATALOGUE[name].group != "clock":
            groups.setdefault(f"features: {CATALOGUE[name].group}", []).append(name)
    groups.setdefault("features: trades", []).append("volume")
    return groups


def compare_bars(first: pl.DataFrame, second: pl.DataFrame) -> Agreement:
    """Compare two tables of bars, bit by bit: NaN equals NaN, null equals null, and -0 differs from 0.

    Columns that one of the two does not have, or has no value of, are left out.
    """
    both = first.join(second, on=KEY, how="inner", suffix="_other", maintain_order="left")
    agreement = Agreement(first.height, second.height, both.height)
    for group, names in group_columns(first).items():
        known = [name for name in names if name in second.columns and _has_values(first[name], second[name])]
        same = {name: _compare_bits(both[name], both[f"{name}_other"]) for name in known}
        if known:
            agreement.equal[group] = {name: int(mask.sum()) for name, mask in same.items()}
            agreement.same[group] = np.logical_and.reduce(list(same.values()))
    return agreement


def _has_values(*columns: pl.Series) -> bool:
    return all(column.null_count() < len(column) for column in columns)


def _compare_bits(a: pl.Series, b: pl.Series) -> np.ndarray:
    """Return where two columns have the same bits (n,)."""
    missing = a.is_null() | b.is_null()
    if a.dtype == pl.Float64 and b.dtype == pl.Float64:
        x, y = (one.fill_null(0.0).to_numpy() for one in (a, b))
        bits = (x.view(np.int64) == y.view(np.int64)) | (np.isnan(x) & np.isnan(y))
    else:
        bits = (a == b).fill_null(False).to_numpy()
    return np.where(missing.to_numpy(), (a.is_null() & b.is_null()).to_numpy(), bits)


def describe_columns(table: pl.DataFrame, names: Sequence[str]) -> dict[str, tuple[float, float, float, float]]:
    """Describe columns over bars by mean, standard deviation, 5 % and 95 % quantile, of the values that are known."""
    out = {}
    for name in names:
        x = table[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
        x = x[np.isfinite(x)]
        low, high = np.quantile(x, [0.05, 0.95]) if len(x) else (np.nan, np.nan)
        mean, deviation = (float(x.mean()), float(x.std())) if len(x) else (np.nan, np.nan)
        out[name] = (mean, deviation, float(low), float(high))
    return out

"""Print and draw the folds of a split."""

from collections.abc import Iterable
from typing import TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from ofiml._typing import Float, Int64
from ofiml.splits.fold import count_leaks
from ofiml.splits.rows import Rows
from ofiml.splits.splitter import DividedRows
from ofiml.ui.figure import (
    BLUE,
    DARK,
    GREY,
    RED,
)
from ofiml.ui.format import format_span, format_time
from ofiml.ui.lines import print_line
from ofiml.units import SECOND

T = TypeVar("T")

_AMBER, _PALE = "#e0a030", "#cfe3ea"
_HAIRLINE = 0.002  # smallest drawn width, as a share of the axis
_HOUR = 3600 * SECOND
_MAX_DATES = 12  # more labels do not fit on the axis


def show_folds(divided: DividedRows, console: Console) -> None:
    """Print one line per fold: train and test rows with their times (UTC), and the number of train rows that leak."""
    at = divided.rows.known_at
    bounds = f"{len(at):,} labelled rows from {format_time(at[0])[:16]} to {format_time(at[-1])[:16]}"
    print_line(console, bounds)
    table = Table(box=None, pad_edge=False)
    for column in ("fold", "train", "between (UTC)", "purged", "embargo", "test", "tested times (UTC)", "leaking"):
        times = column.endswith("(UTC)")
        table.add_column(column, justify="left" if times else "right", no_wrap=not times)
    rows = divided.rows
    for fold in divided.folds:
        numbers = [f"{n:,}" for n in (len(fold.train), fold.purged, fold.embargoed, len(fold.test))]
        trains = _format_times(*rows.known_at[fold.train[[0, -1]]].tolist())
        tested = join_spans((span.start, span.until) for span in fold.spans)
        spans = ", ".join(_format_span(rows, start, until) for start, until in tested)
        table.add_row(str(fold.index), numbers[0], trains, *numbers[1:], spans, str(count_leaks(rows, fold)))
    console.print(table)


def join_spans(spans: Iterable[tuple[T, T]]) -> list[tuple[T, T]]:
    """Join spans of which one begins where the one before ends.

    >>> join_spans([(1, 2), (2, 4), (5, 6)])
    [(1, 4), (5, 6)]
    """
    out: list[tuple[T, T]] = []
    for start, until in spans:
        if out and out[-1][1] == start:
            out[-1] = out[-1][0], until
        else:
            out.append((start, until))
    return out


def _format_span(rows: Rows, start: int, until: int) -> str:
    first, last = np.searchsorted(rows.known_at, [start, until])
    return _format_times(int(rows.known_at[first]), int(rows.known_at[last - 1]))


def _format_times(first: int, last: int) -> str:
    return format_span(format_time(first), format_time(last), year=False)


def draw_folds(figure: Figure, divided: DividedRows) -> None:
    """Draw one line per fold on an axis of trading time: train, purged, embargoed and test rows."""
    rows, folds = divided.rows, divided.folds
    axis = figure.subplots()
    at = rows.hours.convert_to_trading_time(rows.known_at) / _HOUR
    total = rows.hours.total / _HOUR
    step = float(np.median(np.diff(at))) if len(at) > 1 else total
    # Before the bars, each of which would fit the limits to its own.
    axis.set_ylim(len(folds) - 0.4, -0.6)
    axis.set_xlim(0, total)
    axis.barh([fold.index for fold in folds], total, color=_PALE, alpha=0.35, height=0.7, linewidth=0)
    for fold in folds:
        drawn = ((fold.train, BLUE), (fold.test, DARK), (fold.embargoed_rows, _AMBER), (fold.purged_rows, RED))
        for positions, colour in drawn:
            _draw_bars(axis, fold.index, positions, at, step, _HAIRLINE * total, colour)
    legend = {"train": BLUE, "test": DARK, "embargoed": _AMBER, "purged": RED}
    axis.set_axisbelow(True)
    axis.set_ylabel("fold")
    ticks = np.unique(np.linspace(0, len(folds) - 1, min(len(folds), 20)).round().astype(int))
    axis.set_yticks(ticks, [str(t) for t in ticks])
    _mark_dates(axis, rows)
    purged, embargoed = (sum(n) for n in zip(*((f.purged, f.embargoed) for f in folds), strict=True))
    axis.set_title(f"{len(folds)} folds: {purged:,} train rows purged, {embargoed:,} embargoed", fontsize=11)
    for label, colour in legend.items():  # one entry each, even if no fold has such rows
        axis.barh([0], [0], color=colour, label=label)


def _draw_bars(axis: Axes, y: int, positions: Int64, at: Float, step: float, min_width: float, colour: str) -> None:
    """Draw each run of consecutive rows as one bar, from one step before its first known time to its last."""
    if len(positions) == 0:
        return
    cuts = np.flatnonzero(np.diff(positions) > 1)
    first, last = positions[np.r_[0, cuts + 1]], positions[np.r_[cuts, len(positions) - 1]]
    left = np.maximum(at[first] - step, 0)
    widths = np.maximum(at[last] - left, min_width)
    axis.broken_barh(list(zip(left, widths, strict=True)), (y - 0.35, 0.7), facecolor=colour, linewidth=0)


def _mark_dates(axis: Axes, rows: Rows) -> None:
    """Mark the open of each date, and label as many dates as fit."""
    starts = (rows.hours.ends - (rows.hours.close - rows.hours.open)) / _HOUR
    for start in starts[1:]:
        axis.axvline(start, color=GREY, linewidth=0.5, alpha=0.6)
    if len(starts) == 1:
        axis.set_xlabel(f"hours of trading since the open of {rows.hours.dates[0]}")
        return
    shown = np.unique(np.linspace(0, len(starts) - 1, min(len(starts), _MAX_DATES)).round().astype(int))
    axis.set_xticks(starts[shown], [rows.hours.dates[k] for k in shown], rotation=30, ha="right", fontsize=8)
    axis.set_xlabel("trading time (lines: open of each date)")

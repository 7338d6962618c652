"""The published numbers of a notebook on multi-level OFI, beside those in feed order and in bars of this project."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ofiml._typing import Float
from ofiml.bars.time import Bars, Book, cut_time_bars, select_states
from ofiml.data.schema import Session
from ofiml.experiments.flow_bars import compute_level_flow, sum_states
from ofiml.experiments.page import Table
from ofiml.experiments.row_order import PublishedDay, cut_left_closed_bins
from ofiml.metrics.scores import ic
from ofiml.study.json_border import Json
from ofiml.ui.format import format_number
from ofiml.units import SECOND

LEVELS, STEP = 10, 60 * SECOND
CORRELATION = "correlation of best level and sum"
SIZES = tuple(f"mean size of OFI, level {m + 1}" for m in range(LEVELS))


@dataclass(frozen=True, slots=True)
class PublishedLevels:
    """The notebook's numbers by name: in its bins in feed order, and in bars of this page."""

    #: As printed by the notebook, lots.
    PRINTED: ClassVar[dict[str, float]] = {
        "mean, best level": -169.49,
        "mean, sum": 220.32,
        "mean, weights 1/m": -41.55,
        "mean, weights exp": -58.83,
        "standard deviation, best level": 761.90,
        "standard deviation, sum": 4736.23,
        "standard deviation, weights 1/m": 585.79,
        "standard deviation, weights exp": 668.86,
        CORRELATION: 0.711,
        **dict(zip(SIZES, (477.0, 868.7, 897.3, 616.7, 539.0, 390.3, 341.9, 307.5, 326.7, 305.7), strict=True)),
    }

    feed: dict[str, float]
    bars: dict[str, float]

    def list_numbers(self) -> dict[str, Json]:
        """List the numbers of both by name."""
        return {"feed": dict(self.feed), "bars": dict(self.bars)}


def compare_levels(session: Session, per: str) -> PublishedLevels:
    """Measure the notebook's numbers in its bins of every row and in bars of the states of `per`."""
    rows, book = select_states(session, "row"), select_states(session, per)
    return PublishedLevels(
        _measure(rows, cut_left_closed_bins(rows, STEP)), _measure(book, cut_time_bars(session, book, STEP))
    )


def _measure(book: Book, bars: Bars) -> dict[str, float]:
    flow = np.column_stack([sum_states(compute_level_flow(book, m), bars.first) for m in range(LEVELS)]).astype(float)
    m = np.arange(1, LEVELS + 1)
    weights: dict[str, Float] = {
        "best level": (m == 1).astype(np.float64),
        "sum": np.ones(LEVELS),
        "weights 1/m": (1 / m) / (1 / m).sum(),
        "weights exp": np.exp(-0.5 * (m - 1)) / np.exp(-0.5 * (m - 1)).sum(),
    }
    reduced = {name: flow @ w for name, w in weights.items()}
    return {
        **{f"mean, {name}": float(x.mean()) for name, x in reduced.items()},
        **{f"standard deviation, {name}": float(x.std(ddof=1)) for name, x in reduced.items()},
        CORRELATION: ic(reduced["best level"], reduced["sum"]),
        **dict(zip(SIZES, np.abs(flow).mean(axis=0).tolist(), strict=True)),
    }


def tabulate_levels(day: PublishedLevels) -> Table:
    """Tabulate the published numbers beside the others."""
    rows = []
    for name, printed in PublishedLevels.PRINTED.items():
        form = ".3f" if name == CORRELATION else ",.1f"
        unit = "" if name == CORRELATION else ", lots"
        values = (printed, day.feed[name], day.bars[name])
        rows.append([f"{name}{unit}", *(format_number(value, form) for value in values)])
    return Table(
        "The AAPL morning of a well-known notebook, OFI of 60 s on ten levels. Published: sorted by time with an "
        f"unstable sort, which moves {PublishedDay.MOVED} of {PublishedDay.ROWS:,} rows. Feed order: the same bins "
        "from UTC midnight, every row counted. This page: bars from the session's open, and the rows of one message "
        "counted once.",
        ["", "published", "feed order", "this page"],
        rows,
    )


def judge_levels(day: PublishedLevels) -> str:
    """Say how the published numbers differ from those in feed order."""
    printed, feed = PublishedLevels.PRINTED["mean, sum"], day.feed["mean, sum"]
    return (
        f"The notebook's unstable sort makes the mean of the sum over levels {format_number(printed, ',.0f')} lots a "
        f"minute instead of {format_number(feed, ',.0f')}, and its correlation with the best level "
        f"{PublishedLevels.PRINTED[CORRELATION]:.3f} instead of {day.feed[CORRELATION]:.3f}."
    )

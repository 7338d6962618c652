"""What the order of rows of the same time does to OFI, and the published numbers of a notebook that sorted unstably."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from ofiml._typing import Float, Int64
from ofiml.bars.time import Bars, Book, cut_time_bars, select_states
from ofiml.data.schema import Session, extract_level
from ofiml.experiments.flow_bars import compute_level_flow, sum_states
from ofiml.experiments.page import Table
from ofiml.features.kernel import flow_events
from ofiml.metrics.moments import Moments, measure_moments
from ofiml.study.json_border import Json
from ofiml.ui.format import format_number
from ofiml.units import SECOND

DRAWS = 20


@dataclass(frozen=True, slots=True)
class TieEffect:
    """OFI under random orders of rows of the same time: `flows` of the bars in feed order (bars,) and in each order
    (DRAWS, bars), the number of `rows`, of those `tied` with a neighbour, and of those `moved` by each order (DRAWS,).
    """

    flows: Float = field(default_factory=lambda: np.empty(0))
    drawn: Float = field(default_factory=lambda: np.empty((DRAWS, 0)))
    rows: int = 0
    tied: int = 0
    moved: Int64 = field(default_factory=lambda: np.zeros(DRAWS, np.int64))

    def add(self, other: "TieEffect") -> "TieEffect":
        """Add the effect on another session."""
        return TieEffect(
            np.concatenate([self.flows, other.flows]),
            np.concatenate([self.drawn, other.drawn], axis=1),
            self.rows + other.rows,
            self.tied + other.tied,
            self.moved + other.moved,
        )

    def summarise(self) -> dict[str, Json]:
        """Summarise: means over the orders; `error` is the root mean square error of OFI over its deviation."""
        wrong = self.drawn - self.flows
        deviation = measure_moments(self.flows).deviation
        error = float(np.sqrt(np.mean(wrong**2))) if wrong.size else float("nan")
        totals = self.drawn.sum(axis=1)
        return {
            "rows": self.rows,
            "tied": self.tied,
            "moved": float(self.moved.mean()),
            "changed": float(np.mean(wrong != 0)) if wrong.size else float("nan"),
            "error": error / deviation if deviation > 0 else float("nan"),
            "sum": float(self.flows.sum()),
            "lowest_sum": float(totals.min()),
            "highest_sum": float(totals.max()),
        }


def shuffle_session(session: Session, step: int, seed: int) -> TieEffect:
    """Shuffle the rows of the same time DRAWS times, and measure OFI of `step` ns, every row counted, in each order.

    A session shorter than `step` has no bars.
    """
    if session.close - session.open < step:
        return TieEffect()
    book = select_states(session, "row")
    bars, rng = cut_time_bars(session, book, step), np.random.default_rng(seed)
    same = np.diff(book.stamps) == 0
    tied = np.flatnonzero(np.append(False, same) | np.append(same, False))
    level, place = extract_level(book.events, 0), np.arange(len(book.stamps))
    drawn, moved = [], []
    for _ in range(DRAWS):
        order = place.copy()
        order[tied] = tied[np.lexsort((rng.random(len(tied)), book.stamps[tied]))]
        bid, bid_size, ask, ask_size = (np.ascontiguousarray(one[order]) for one in level)
        flow = np.empty(len(order), np.int64)
        flow_events(bid, bid_size, ask, ask_size, book.reset[order], flow)
        drawn.append(sum_states(flow, bars.first))
        moved.append(np.count_nonzero(order != place))
    flows = sum_states(compute_level_flow(book, 0), bars.first)
    return TieEffect(
        flows.astype(np.float64), np.array(drawn, np.float64), len(place), len(tied), np.array(moved, np.int64)
    )


def tabulate_order(ties: dict[str, TieEffect]) -> Table:
    """Tabulate the effect of the order of rows by market."""
    found = [one.summarise() for one in ties.values()]

    def cells(key: str, form: str) -> list[str]:
        return [format_number(float(str(one[key])), form) for one in found]

    ranges = zip(cells("lowest_sum", ",.0f"), cells("highest_sum", ",.0f"), strict=True)
    return Table(
        "What an unstable sort by time may do: OFI of 60 s, every row counted, with rows of the same time in random "
        f"order, {DRAWS} times.",
        ["", *ties],
        [
            ["rows", *cells("rows", ",.0f")],
            ["rows with the time of a neighbour", *cells("tied", ",.0f")],
            ["rows that an order moves, mean", *cells("moved", ",.0f")],
            ["bars whose OFI changes, mean", *cells("changed", ".1%")],
            ["error of OFI (root mean square), in its standard deviations", *cells("error", ".3f")],
            ["sum of OFI in feed order, lots", *cells("sum", ",.0f")],
            ["lowest and highest sum over the orders, lots", *(f"{low} to {high}" for low, high in ranges)],
        ],
    )


def judge_order(market: str, ties: TieEffect) -> str:
    """Say what the order of rows of the same time does to OFI on a market."""
    found = ties.summarise()
    tied, changed, error = (float(str(found[key])) for key in ("tied", "changed", "error"))
    if tied == 0:
        return f"On {market} no two rows have the same time, so every sort by time gives the same OFI."
    return (
        f"On {market}, {tied / ties.rows:.1%} of the rows share their time with a neighbour. Another order of them "
        f"changes OFI in {changed:.0%} of the minutes, by {error:.3f} of its standard deviations (root mean square)."
    )


# --- a published day -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PublishedDay:
    """OFI of a notebook's day by window (s): in the notebook's bins in feed order, and in bars of this page."""

    #: As printed by the notebook: bars, mean, standard deviation, minimum, maximum.
    PRINTED: ClassVar[dict[int, tuple[float, ...]]] = {
        30: (141, -85.35, 500.22, -3456.0, 1180.0),
        60: (71, -169.49, 761.90, -4344.0, 1380.0),
        120: (36, -334.28, 1152.51, -4163.0, 1214.0),
        300: (15, -802.27, 2227.00, -6493.0, 3150.0),
    }
    ROWS: ClassVar[int] = 5000
    MOVED: ClassVar[int] = 112

    feed: dict[int, Moments]
    bars: dict[int, Moments]

    def list_numbers(self) -> dict[str, Json]:
        """List what is printed of both by window."""
        parts = {"feed": self.feed, "bars": self.bars}
        return {
            name: {str(step): dict(zip(_PRINTED, _list_printed(m), strict=True)) for step, m in part.items()}
            for name, part in parts.items()
        }


def is_published_day(session: Session) -> bool:
    """Whether the session is the notebook's: 5,000 rows of AAPL on 2024-10-21."""
    key = session.symbol, session.date, session.events.height
    return key == ("AAPL", "2024-10-21", PublishedDay.ROWS)


def compare_published(session: Session, per: str) -> PublishedDay:
    """Measure the windows of the notebook in its bins and in bars, with the states of `per`."""
    rows, book = select_states(session, "row"), select_states(session, per)
    steps = [step for step in PublishedDay.PRINTED if session.close - session.open >= step * SECOND]
    return PublishedDay(
        feed={step: _measure(rows, cut_left_closed_bins(rows, step * SECOND)) for step in steps},
        bars={step: _measure(book, cut_time_bars(session, book, step * SECOND)) for step in steps},
    )


def cut_left_closed_bins(book: Book, step: int) -> Bars:
    """Cut bins [k·step, (k + 1)·step) from UTC midnight (step divides a day) that cover all states.

    With integer times these are bars (open, close] that begin 1 ns earlier.
    """
    start, last = int(book.stamps[0]) // step, int(book.stamps[-1]) // step
    edges = step * np.arange(start, last + 2, dtype=np.int64) - 1
    return Bars(edges, np.searchsorted(book.stamps, edges, side="right").astype(np.int64))


def _measure(book: Book, bars: Bars) -> Moments:
    return measure_moments(sum_states(compute_level_flow(book, 0), bars.first).astype(np.float64))


def tabulate_published(day: PublishedDay) -> Table:
    """Tabulate the published numbers beside those in feed order and those of this page."""
    rows = []
    for step in day.feed:
        ours = [_list_printed(part[step]) for part in (day.feed, day.bars)]
        for name, *values in zip(_PRINTED, PublishedDay.PRINTED[step], *ours, strict=True):
            form = ",.0f" if name in ("bars", "minimum", "maximum") else ",.2f"
            rows.append([f"{step}", name, *(format_number(value, form) for value in values)])
    return Table(
        "The AAPL morning of a well-known notebook, OFI in lots. Published: sorted by time with an unstable sort, "
        f"which moves {day.MOVED} of {day.ROWS:,} rows. Feed order: the same bins from UTC midnight, every row "
        "counted, in the order of the feed. This page: bars from the session's open, and the rows of one message "
        "counted once.",
        ["window, s", "", "published", "feed order", "this page"],
        rows,
    )


_PRINTED = ("bars", "mean", "standard deviation", "minimum", "maximum")


def _list_printed(of: Moments) -> tuple[float, ...]:
    return of.count, of.mean, of.deviation, of.minimum, of.maximum


def judge_published(day: PublishedDay) -> str:
    """Say how the published numbers differ from those in feed order."""
    printed = PublishedDay.PRINTED
    means = [printed[step][1] / m.mean - 1 for step, m in day.feed.items()]
    deviations = [printed[step][2] / m.deviation - 1 for step, m in day.feed.items()]
    ranges = all(printed[step][3:] == (m.minimum, m.maximum) for step, m in day.feed.items())
    return (
        f"The notebook's unstable sort moves {day.MOVED} of {day.ROWS:,} rows; its mean OFI is off by "
        f"up to {max(map(abs, means)):.1%} and its standard deviation by up to {max(map(abs, deviations)):.1%}, and "
        f"its ranges are {'those' if ranges else 'not those'} of feed order."
    )

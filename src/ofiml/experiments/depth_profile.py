"""The depth of a book by level and side: averages over states and over time, and the distance from the mid."""

from dataclasses import dataclass

import numpy as np

from ofiml._typing import Float
from ofiml.bars.time import Book
from ofiml.data.schema import NO_ASK, NO_BID, Session, extract_level
from ofiml.experiments.page import Table
from ofiml.study.json_border import Json
from ofiml.ui.format import format_number

_SIDES = ("bid", "ask")


@dataclass(frozen=True, slots=True)
class DepthProfile:
    """Sums over states and over time by level and side, (levels, 2) each; a missing level has size 0.

    `states` and `time` (s) are the weights; `shown` those of the time in which the level has a price. `size`, `square`
    and `timed_size` sum sizes (lots), `distance` the distance from the mid (ticks) over the time `placed`, in which
    level and mid exist.
    """

    states: Float
    size: Float
    square: Float
    time: Float
    timed_size: Float
    shown: Float
    placed: Float
    distance: Float

    def add(self, other: "DepthProfile") -> "DepthProfile":
        """Add the sums of another session over the levels that both have."""
        levels = min(len(self.states), len(other.states))
        return DepthProfile(*(getattr(self, n)[:levels] + getattr(other, n)[:levels] for n in self.__slots__))

    def average(self) -> dict[str, Float]:
        """Average: `mean` and `deviation` over states, `timed` over time (lots), `shown` (share of the time), and
        `distance` (ticks); (levels, 2) each, NaN without time.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = self.size / self.states
            return {
                "mean": mean,
                "deviation": np.sqrt(np.maximum(self.square / self.states - mean**2, 0)),
                "timed": self.timed_size / self.time,
                "shown": self.shown / self.time,
                "distance": self.distance / self.placed,
            }


def measure_depth(session: Session, book: Book, levels: int) -> DepthProfile:
    """Measure the depth between the session's open and close. A state lasts until the next one."""
    first = max(int(np.searchsorted(book.stamps, session.open, side="right")) - 1, 0)
    until = int(np.searchsorted(book.stamps, session.close, side="right"))
    ends = np.clip(np.append(book.stamps[first:until], session.close), session.open, session.close)
    weights, inside = np.diff(ends) / 1e9, book.events[first:until]
    best_bid, _, best_ask, _ = extract_level(inside, 0)
    two_sided = (best_bid != NO_BID) & (best_ask != NO_ASK)
    mid = np.where(two_sided, best_bid, 0) / 2 + np.where(two_sided, best_ask, 0) / 2
    sums = np.zeros((len(DepthProfile.__slots__), levels, 2))
    for m in range(levels):
        bid, bid_size, ask, ask_size = extract_level(inside, m)
        for side, (price, size, missing) in enumerate(((bid, bid_size, NO_BID), (ask, ask_size, NO_ASK))):
            lots, shown = size.astype(np.float64), price != missing
            placed = shown & two_sided
            away = np.abs(np.where(placed, price, 0) - np.where(placed, mid, 0)) / session.tick
            sums[:, m, side] = (
                len(lots),
                lots.sum(),
                (lots**2).sum(),
                weights.sum(),
                (weights * lots).sum(),
                weights[shown].sum(),
                weights[placed].sum(),
                (weights * away).sum(),
            )
    return DepthProfile(*sums)


def tabulate_depth(market: str, profile: DepthProfile) -> Table:
    """Tabulate the depth of each level."""
    averages = profile.average()

    def cells(key: str, m: int, form: str) -> list[str]:
        return [format_number(float(value), form) for value in averages[key][m]]

    return Table(
        f"{market}: the size of each level in lots, averaged over book states and over time; its standard deviation "
        "over states; the share of the time in which it is shown; and its mean distance from the mid.",
        [
            "level",
            *(f"{side}, states" for side in _SIDES),
            *(f"{side}, deviation" for side in _SIDES),
            *(f"{side}, time" for side in _SIDES),
            *(f"{side} shown" for side in _SIDES),
            *(f"{side}, ticks away" for side in _SIDES),
        ],
        [
            [
                f"{m + 1}",
                *cells("mean", m, ",.0f"),
                *cells("deviation", m, ",.0f"),
                *cells("timed", m, ",.0f"),
                *cells("shown", m, ".1%"),
                *cells("distance", m, ".1f"),
            ]
            for m in range(len(profile.states))
        ],
    )


def list_depth(profile: DepthProfile) -> dict[str, Json]:
    """List the averages by name, one pair (bid, ask) per level."""
    return {name: values.tolist() for name, values in profile.average().items()}

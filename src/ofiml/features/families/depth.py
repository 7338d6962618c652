"""Depth, and its imbalance between the sides."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ofiml.features.entry import BARS, EVEN, FEW, NO_BOTH, NO_SIDE, ODD, Feature
from ofiml.features.measures import NEAR, bar_back, ratio, shown_sizes, zscore

if TYPE_CHECKING:
    from ofiml.features.memory import Memory

ENTRIES = (
    Feature("depth_best", "depth", "(q^b + q^a)/2 at the best level", "lots", "never", EVEN, 1),
    Feature("depth_5", "depth", "(Σ q^b + Σ q^a)/2 over levels 1-5", "lots", "never", EVEN, 1),
    Feature("depth_all", "depth", "(Σ q^b + Σ q^a)/2 over all levels", "lots", "never", EVEN, 1),
    Feature(
        "queue_imbalance",
        "depth",
        "(q^b - q^a)/(q^b + q^a) at the best level",
        "1",
        NO_BOTH,
        ODD,
        source="Gould & Bonart 2016, arXiv 1512.03492",
    ),
    Feature("imbalance_5", "depth", "(Σ q^b - Σ q^a)/(Σ q^b + Σ q^a) over levels 1-5", "1", NO_BOTH, ODD),
    Feature(
        "depth_imbalance",
        "depth",
        "(Σ q^b - Σ q^a)/(Σ q^b + Σ q^a) over all levels",
        "1",
        NO_BOTH,
        ODD,
        source="Cartea, Donnelly & Jaimungal 2018",
    ),
    Feature("depth_ratio", "depth", "ln(Σ q^b / Σ q^a) over all levels", "1", NO_SIDE, ODD),
    Feature("best_share", "depth", "(q^b + q^a) at the best level / (Σ q^b + Σ q^a) of all", "1", NO_BOTH, EVEN),
    Feature(
        "imbalance_change",
        "depth",
        "queue_imbalance - its value at the close of the bar before",
        "1",
        "one of the two is NaN, or no bar before since the start",
        ODD,
        bars=2,
    ),
    Feature(
        "depth_zscore",
        "depth",
        "(depth_all - mean)/sd (ddof 1) over the closes of the last 30 bars",
        "1",
        FEW,
        EVEN,
        bars=BARS,
    ),
)


def fill(m: Memory, t: int, out: Any) -> None:
    """Write the family's features at t to `out`."""
    s, book = m.state, m.book
    best = book[1] + book[3]
    bid5, ask5 = shown_sizes(book, min(NEAR, s.levels))
    bid, ask = shown_sizes(book, s.levels)
    out.depth_best = best / 2.0
    out.depth_5 = (bid5 + ask5) / 2.0
    out.depth_all = (bid + ask) / 2.0
    out.queue_imbalance = ratio(book[1] - book[3], best)
    out.imbalance_5 = ratio(bid5 - ask5, bid5 + ask5)
    out.depth_imbalance = ratio(bid - ask, bid + ask)
    if bid > 0 and ask > 0:
        out.depth_ratio = math.log(bid / ask)
    out.best_share = ratio(best, bid + ask)
    if s.closed:
        out.imbalance_change = out.queue_imbalance - bar_back(s.queues, s.closed, 1)
    out.depth_zscore = zscore(s.depths, s.closed)

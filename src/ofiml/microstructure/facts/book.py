"""The book's shape and the messages that change it: spread, depth profile, event mix."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.bars.time import Book
from ofiml.data.schema import (
    F_LAST,
    NO_ASK,
    NO_BID,
    Session,
    extract_level,
)
from ofiml.units import SECOND

Float = NDArray[np.float64]
Curve = dict[str, float]


def measure_durations(session: Session, book: Book) -> Float:
    """Measure how long each state lasts in seconds, (n,): to the next state, the last one to the session's close."""
    return np.diff(np.append(book.stamps, max(session.close, int(book.stamps[-1])))) / SECOND


def measure_spread(session: Session, book: Book) -> Curve:
    """Measure the time-weighted spread in ticks: `mean`, `median`, and `one_tick`, the share of time at one tick.

    Time without both sides is excluded; NaN if no time remains.
    """
    bid, _, ask, _ = extract_level(book.events, 0)
    both = (bid != NO_BID) & (ask != NO_ASK)
    ticks, weight = (ask[both] - bid[both]) / session.tick, measure_durations(session, book)[both]
    return {
        "mean": _compute_mean(ticks, weight),
        "median": _compute_median(ticks, weight),
        "one_tick": _compute_mean((ticks == 1).astype(np.float64), weight),
    }


def measure_depth(session: Session, book: Book) -> dict[str, Curve]:
    """Measure time-weighted means by level, "1" the best, over the time that the level exists; NaN if it never does.

    `bid_size` and `ask_size` are in lots. `relative_size` is the size of both sides over that of the best level.
    `distance_ticks` is the distance from the mid, the mean of both sides, over the time that the mid exists. Levels are
    the feed's: occupied prices.
    """
    weight = measure_durations(session, book)
    bid, _, ask, _ = extract_level(book.events, 0)
    both = (bid != NO_BID) & (ask != NO_ASK)
    mid = np.where(both, bid / 2 + ask / 2, np.nan)
    out: dict[str, Curve] = {"bid_size": {}, "ask_size": {}, "relative_size": {}, "distance_ticks": {}}
    for m in range(session.levels):
        name = str(m + 1)
        bid_px, bid_sz, ask_px, ask_sz = extract_level(book.events, m)
        distances = []
        for side, px, sz, away in (("bid", bid_px, bid_sz, -1), ("ask", ask_px, ask_sz, 1)):
            exists = (px != NO_BID) & (px != NO_ASK)
            out[f"{side}_size"][name] = _compute_mean(sz[exists].astype(np.float64), weight[exists])
            exists &= both
            distances.append(_compute_mean(away * (px[exists] - mid[exists]) / session.tick, weight[exists]))
        out["distance_ticks"][name] = (distances[0] + distances[1]) / 2
        best = out["bid_size"]["1"] + out["ask_size"]["1"]
        size = out["bid_size"][name] + out["ask_size"][name]
        out["relative_size"][name] = size / best if best else float("nan")
    return out


def measure_messages(session: Session, book: Book, per: str) -> Curve:
    """Measure the mix of messages, with `per` as in `bars.time.select_states`.

    `add`, `cancel`, `modify`, `trade`, `other`: shares by count. A message of several rows is a trade if one of them
    is, else it has the action of its last row. `per_second`: messages over the session's length. `best_changed`: the
    share that changes price or size of a best quote; `price_changed`: the share that changes a best price. No
    difference is taken across a reset.
    """
    action = session.events["action"].cast(pl.String).to_numpy()
    if per == "message":
        last = ((session.events["flags"] & F_LAST) != 0).to_numpy()
        trades = np.diff(np.cumsum(action == "T")[last], prepend=0)
        action = np.where(trades > 0, "T", action[last])
    names = {"add": "A", "cancel": "C", "modify": "M", "trade": "T"}
    out = {name: float(np.mean(action == code)) for name, code in names.items()}
    out["other"] = float(np.mean(~np.isin(action, list(names.values()))))
    out["per_second"] = len(action) / ((session.close - session.open) / SECOND)
    bid_px, bid_sz, ask_px, ask_sz = extract_level(book.events, 0)
    follows = ~book.reset[1:]
    price, size = (((a[1:] != a[:-1]) | (b[1:] != b[:-1]))[follows] for a, b in ((bid_px, ask_px), (bid_sz, ask_sz)))
    out["best_changed"] = float(np.mean(price | size)) if len(price) else float("nan")
    out["price_changed"] = float(np.mean(price)) if len(price) else float("nan")
    return out


def _compute_mean(values: Float, weight: Float) -> float:
    total = float(weight.sum())
    return float(np.sum(values * weight)) / total if total > 0 else float("nan")


def _compute_median(values: Float, weight: Float) -> float:
    """Compute the weighted median: the smallest value at which the cumulative weight reaches half."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order])
    if not len(reached) or reached[-1] <= 0:
        return float("nan")
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])

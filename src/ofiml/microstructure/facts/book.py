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
    level,
)
from ofiml.units import SECOND

Float = NDArray[np.float64]
Curve = dict[str, float]


def state_durations(session: Session, book: Book) -> Float:
    """Return the seconds that each state lasted, (n,): until the next state, the last until the session's close."""
    return np.diff(np.append(book.stamps, max(session.close, int(book.stamps[-1])))) / SECOND


def measure_spread(session: Session, book: Book) -> Curve:
    """Measure the time-weighted spread in ticks: `mean`, `median`, and `one_tick`, the share of time at one tick.

    Time without both sides is left out; NaN if nothing remains.
    """
    bid, _, ask, _ = level(book.events, 0)
    there = (bid != NO_BID) & (ask != NO_ASK)
    ticks, weight = (ask[there] - bid[there]) / session.tick, state_durations(session, book)[there]
    return {
        "mean": _mean(ticks, weight),
        "median": _median(ticks, weight),
        "one_tick": _mean((ticks == 1).astype(np.float64), weight),
    }


def measure_depth(session: Session, book: Book) -> dict[str, Curve]:
    """Measure time-weighted means by level, "1" the best, over the time that the level exists (else NaN).

    `bid_size` and `ask_size` in lots, `relative_size` both sides' over that of the best level, `distance_ticks` from
    the mid, the mean of both sides, over the time that the mid exists too. Levels are the feed's: occupied prices.
    """
    weight = state_durations(session, book)
    bid, _, ask, _ = level(book.events, 0)
    both = (bid != NO_BID) & (ask != NO_ASK)
    mid = np.where(both, bid / 2 + ask / 2, np.nan)
    out: dict[str, Curve] = {"bid_size": {}, "ask_size": {}, "relative_size": {}, "distance_ticks": {}}
    for m in range(session.levels):
        name = str(m + 1)
        bid_px, bid_sz, ask_px, ask_sz = level(book.events, m)
        distances = []
        for side, px, sz, away in (("bid", bid_px, bid_sz, -1), ("ask", ask_px, ask_sz, 1)):
            there = (px != NO_BID) & (px != NO_ASK)
            out[f"{side}_size"][name] = _mean(sz[there].astype(np.float64), weight[there])
            there &= both
            distances.append(_mean(away * (px[there] - mid[there]) / session.tick, weight[there]))
        out["distance_ticks"][name] = (distances[0] + distances[1]) / 2
        best = out["bid_size"]["1"] + out["ask_size"]["1"]
        size = out["bid_size"][name] + out["ask_size"][name]
        out["relative_size"][name] = size / best if best else float("nan")
    return out


def measure_messages(session: Session, book: Book, per: str) -> Curve:
    """Measure the mix of messages, with `per` as in `bars.time.select_states`.

    `add`, `cancel`, `modify`, `trade`, `other`: shares by count; a message of several rows that holds a trade is a
    trade, any other is what its last row says. `per_second`: messages over the session's length. `best_changed`,
    `price_changed`: the share that changes price or size of a best quote, or a best price, no difference being taken
    across a reset.
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
    bid_px, bid_sz, ask_px, ask_sz = level(book.events, 0)
    follows = ~book.reset[1:]
    price, size = (((a[1:] != a[:-1]) | (b[1:] != b[:-1]))[follows] for a, b in ((bid_px, ask_px), (bid_sz, ask_sz)))
    out["best_changed"] = float(np.mean(price | size)) if len(price) else float("nan")
    out["price_changed"] = float(np.mean(price)) if len(price) else float("nan")
    return out


def _mean(values: Float, weight: Float) -> float:
    total = float(weight.sum())
    return float(np.sum(values * weight)) / total if total > 0 else float("nan")


def _median(values: Float, weight: Float) -> float:
    """The least value at which half of the weight is reached."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order])
    if not len(reached) or reached[-1] <= 0:
        return float("nan")
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])

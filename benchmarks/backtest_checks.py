"""Whether ofiml and hftbacktest fill the same orders alike."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ofiml.samples.tape import LEVEL, Tape

Fills = NDArray[Any]
"""Fills as `backtest_cases.FILL`."""


class TakerCheck(NamedTuple):
    """How many marketable orders were filled alike, and how many at worse prices as too little was left at the best.

    `unexplained` has a sentence for each other difference.
    """

    equal: int
    walked: int
    unexplained: list[str]


def check_taker(tape: Tape, ours: Fills, theirs: Fills) -> TakerCheck:
    """Compare the fills of marketable orders: hftbacktest fills an order whole at the best price."""
    equal = walked = 0
    unexplained = []
    for sent in np.union1d(ours["sent"], theirs["sent"]):
        a, b = (fills[fills["sent"] == sent] for fills in (ours, theirs))
        if np.array_equal(a, b):
            equal += 1
        elif _is_walk(tape, a, b, ours[ours["sent"] < sent]):
            walked += 1
        else:
            unexplained.append(f"order sent at {sent}: ofiml {a.tolist()}, hftbacktest {b.tolist()}")
    return TakerCheck(equal, walked, unexplained)


def _is_walk(tape: Tape, ours: Fills, theirs: Fills, earlier: Fills) -> bool:
    """Return whether ofiml took all that is left at hftbacktest's price, and the rest at worse prices.

    Left is what the tape shows less what `earlier` fills took there since the best price has passed the level last.
    """
    if len(theirs) != 1 or len(ours) == 0 or (ours["time"] != theirs["time"][0]).any():
        return False
    time, price, lots = (int(theirs[name][0]) for name in ("time", "price", "lots"))
    side = 1 if lots > 0 else -1
    own = earlier[(earlier["price"] == price) & (earlier["lots"] * side > 0)]
    taken = abs(own["lots"][own["time"] > find_passed(tape, time, -side, price)].sum())
    left = max(0, find_shown(tape, time, -side, price) - taken)
    worse = ours if left == 0 else ours[1:]
    return bool(
        left < abs(lots)
        and ours["lots"].sum() == lots
        and (left == 0 or (ours["price"][0], ours["lots"][0]) == (price, side * left))
        and ((worse["price"] - price) * side > 0).all()
        and (np.diff(ours["price"]) * side > 0).all()
    )


def find_passed(tape: Tape, time: int, side: int, price: int) -> int:
    """Find when the best price of a side has passed a price (ticks) last, up to a time; -1 for never."""
    until, index = np.searchsorted(tape.exchange, time, side="right"), price - tape.base
    best = (tape.bid if side > 0 else tape.ask)[:until]
    passed = np.flatnonzero((best < index) if side > 0 else ((best > index) | (best < 0)))
    return int(tape.exchange[passed[-1]]) if len(passed) else -1


def find_shown(tape: Tape, time: int, side: int, price: int) -> int:
    """Find the lots shown at a price (ticks) of a side at a time, from the tape's last event of that level."""
    events = slice(0, tape.first[np.searchsorted(tape.exchange, time, side="right")])
    level = (tape.kind[events] == LEVEL) & (tape.side[events] == side) & (tape.price[events] == price - tape.base)
    changes = np.flatnonzero(level)
    return int(tape.size[changes[-1]]) if len(changes) else 0


class MakerCheck(NamedTuple):
    """How many orders were filled by the lower bound, ofiml's queue model, hftbacktest's and the upper bound.

    `differ` counts orders that the two models fill at other times or not at all. `outside` has a sentence for each
    order that hftbacktest fills later than the lower bound or sooner than the upper one, or at another price.
    """

    through: int
    ours: int
    theirs: int
    touch: int
    differ: int
    outside: list[str]


def check_maker(through: Fills, ours: Fills, theirs: Fills, touch: Fills) -> MakerCheck:
    """Compare the fills of orders of one lot that do not depend on each other's."""
    lower, model, peer, upper = (key_fills(fills) for fills in (through, ours, theirs, touch))
    outside = []
    for key in sorted(lower.keys() | peer.keys()):
        earliest, fill, latest = upper.get(key), peer.get(key), lower.get(key)
        late = latest is not None and (fill is None or fill[0] > latest[0] or fill[1:] != latest[1:])
        soon = fill is not None and (earliest is None or fill[0] < earliest[0] or fill[1:] != earliest[1:])
        if late or soon:
            outside.append(f"order {key}: touch {earliest}, hftbacktest {fill}, through {latest}")
    differ = sum(model.get(key) != peer.get(key) for key in model.keys() | peer.keys())
    return MakerCheck(len(lower), len(model), len(peer), len(upper), differ, outside)


def key_fills(fills: Fills) -> dict[tuple[int, int], tuple[int, int, int]]:
    """Return time, price and lots of the fill of each order, by when it was sent and its side."""
    keyed = {
        (sent, 1 if lots > 0 else -1): (time, price, lots)
        for sent, time, price, lots in fills[["sent", "time", "price", "lots"]].tolist()
    }
    assert len(keyed) == len(fills), "an order of one lot was filled twice"
    return keyed

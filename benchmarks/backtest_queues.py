"""Why ofiml and hftbacktest fill a resting order at different times: the lots ahead of it in both, event by event.

Both have a power queue, with three differences. hftbacktest rounds: an order of a lot is filled once half a lot of the
expected queue is through, in ofiml once a whole lot is. hftbacktest's queue goes below 0 and stays there, so halves of
two trades add up; ofiml's ends at 0. And hftbacktest's trades explain only the next change of the level, in ofiml all
changes of their own time.
"""

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from backtest_checks import Fills, find_shown, key_fills

from ofiml.backtest.orders import Queue
from ofiml.backtest.queue import count_lots, pass_cancels
from ofiml.samples.tape import LEVEL, TRADE, Tape


@dataclass
class OwnOrder:
    """An order of one lot with the lots `ahead` of it, as ofiml's queue reads and changes it."""

    ahead: float
    arrived: int
    lots: int = 1
    filled: int = 0
    traded: int = 0
    traded_at: int = 0


@dataclass
class PeerOrder:
    """An order of one lot with the lots `ahead` of it, by the rules of hftbacktest's power queue."""

    ahead: float
    power: float
    traded: float = field(default=0.0)

    def trade(self, lots: int) -> bool:
        """Let a trade at the price take lots; return whether the order is filled."""
        self.ahead -= lots
        self.traded += lots
        return math.floor(0.5 - self.ahead) > 0

    def change(self, before: int, after: int) -> None:
        """Change the level; what it lost beyond what traded was cancelled."""
        cancels = before - after - self.traded
        self.traded = 0.0
        if cancels < 0:
            self.ahead = min(self.ahead, after)
            return
        behind = before - self.ahead
        front, back = abs(self.ahead) ** self.power, abs(behind) ** self.power
        share = back / (front + back) if front + back else 1.0
        self.ahead = min(self.ahead - (1 - share) * cancels + min(behind - share * cancels, 0.0), after)


class Step(NamedTuple):
    """An event at an order's price: what it was, the lots ahead before it, and who fills the order by it."""

    time: int
    event: str
    ours: float
    theirs: float
    fills_ours: bool
    fills_theirs: bool


def follow_order(tape: Tape, side: int, price: int, arrival: int, until: int, power: float) -> list[Step]:
    """Follow an order of one lot at `price` (ticks; side 1 bid, -1 ask) from its arrival (ns) to `until`."""
    size, index = find_shown(tape, arrival, side, price), price - tape.base
    ours, theirs = OwnOrder(float(size), arrival), PeerOrder(float(size), power)
    steps = []
    first, last = (int(np.searchsorted(tape.exchange, t, side="right")) for t in (arrival, until))
    for m in range(first, last):
        now, changed = int(tape.exchange[m]), False
        for e in range(tape.first[m], tape.first[m + 1]):
            before = ours.ahead, theirs.ahead
            at, lots = int(tape.price[e]), int(tape.size[e])
            if tape.kind[e] == TRADE and tape.side[e] * side <= 0 and (at - index) * side < 0:
                steps.append(Step(now, f"a trade of {lots} beyond the price", *before, True, True))
            elif tape.kind[e] == TRADE and tape.side[e] * side <= 0 and at == index:
                done = count_lots(Queue.POWER, ours, lots, 0, 1.0, False, now) > 0
                steps.append(Step(now, f"a trade of {lots}", *before, done, theirs.trade(lots)))
            elif tape.kind[e] == LEVEL and tape.side[e] == side and at == index:
                pass_cancels(Queue.POWER, power, ours, size, lots, int(tape.order_time[e]), now)
                theirs.change(size, lots)
                steps.append(Step(now, f"a change of the level from {size} to {lots}", *before, False, False))
                size, changed = lots, True
        opposite = int(tape.ask[m] if side > 0 else tape.bid[m])
        if opposite >= 0 and (opposite - index) * side <= 0:
            steps.append(Step(now, "a quote of the other side", ours.ahead, theirs.ahead, True, True))
        if changed and now > ours.traded_at:
            ours.traded = 0
    return steps


def explain_differences(
    tape: Tape, ours: Fills, theirs: Fills, latency: int, power: float
) -> tuple[list[str], list[str]]:
    """Explain each order that the two fill at other times, or not at all: sentences, and those that explain nothing.

    An order is explained if the rules of both, followed event by event, give the fill that was seen first, and no fill
    of the other at that time.
    """
    model, peer = key_fills(ours), key_fills(theirs)
    explained: list[str] = []
    unexplained: list[str] = []
    for key in sorted(model.keys() | peer.keys()):
        if model.get(key) == peer.get(key):
            continue
        sentence, is_explained = _explain(tape, key, model.get(key), peer.get(key), latency, power)
        (explained if is_explained else unexplained).append(sentence)
    return explained, unexplained


def _explain(tape: Tape, key: tuple[int, int], ours: Any, theirs: Any, latency: int, power: float) -> tuple[str, bool]:
    (sent, side), known = key, [fill for fill in (ours, theirs) if fill is not None]
    time, price = min(fill[0] for fill in known), known[0][1]
    steps = follow_order(tape, side, price, sent + latency, time, power)
    name = "bid" if side > 0 else "ask"
    start = f"{name} at {price} sent at {sent}: {_say('ofiml', ours)}, {_say('hftbacktest', theirs)}"
    fill = next((step for step in steps if step.fills_ours or step.fills_theirs), None)
    if fill is None:
        return f"{start}; no event at its price fills it", False
    parted = next((k for k, step in enumerate(steps) if abs(step.ours - step.theirs) > 1e-6), len(steps))
    at = steps.index(fill)
    since = f"; they part at {steps[parted - 1].event} at {steps[parted - 1].time}" if 0 < parted <= at else ""
    queues = f"{fill.ours:.3f} lots ahead in ofiml, {fill.theirs:.3f} in hftbacktest"
    sentence = f"{start}; {fill.event} at {fill.time} met {queues}{since}"
    mine, other = (one is not None and one[0] == fill.time for one in (ours, theirs))
    return sentence, fill.time == time and (fill.fills_ours, fill.fills_theirs) == (mine, other)


def _say(name: str, fill: Any) -> str:
    return f"{name} never fills it" if fill is None else f"{name} fills it at {fill[0]}"

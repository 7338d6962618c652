"""What own orders took of the lots that the recorded book still shows.

The recorded book does not know of own orders. What they took of a side would be there again at once: for a second
order, or for what rests of the first. So the lots taken are kept, with the best and the worst of their prices. They are
gone from the first level, from that best price on, that shows lots; and they are forgotten when the side's best price
has moved beyond the worst of theirs, or the side is empty. Less is gone if less is shown there now.
"""

from typing import Any

from ofiml.backtest.desk import Desk
from ofiml.backtest.ladder import find_part, sum_parts
from ofiml.backtest.orders import NEVER


def find_taken(desk: Desk, s: int, k: int) -> int:
    """Find how many of the lots that side k (0 bid, 1 ask) shows now are taken by the trader."""
    trader = desk.traders[s]
    if trader.taken[k] > 0:
        first, last = trader.taken_best[k], trader.taken_worst[k]
        there = sum_parts(desk.ladder, k, min(first, last), max(first, last), desk.scene[0].share_of_shown)
        trader.taken[k] = min(trader.taken[k], there)
    return trader.taken[k]


def cut_taken(trader: Any, k: int, price: int, part: int, gone: int) -> int:
    """Return how many of the `part` lots at a price of side k are among the `gone` lots taken."""
    is_better = (price - trader.taken_best[k]) * (1 - 2 * k) > 0
    return 0 if is_better else min(part, gone)


def take_up_to(desk: Desk, s: int, side: int, touch: int, limit: int, lots: int) -> int:
    """Take at most `lots` that the opposite side of an order shows from its best price `touch` to `limit`."""
    scene, trader, k = desk.scene[0], desk.traders[s], 1 if side > 0 else 0
    gone, got, worst = find_taken(desk, s, k), 0, -1
    for p in range(touch, limit + side, side):
        part = find_part(desk.ladder[k, p], scene.share_of_shown)
        if part > 0 and got < lots:
            cut = cut_taken(trader, k, p, part, gone)
            gone -= cut
            if part > cut:
                got += min(lots - got, part - cut)
                worst = p
    note_taken(desk, s, k, got, touch, worst)
    return got


def note_taken(desk: Desk, s: int, k: int, lots: int, touch: int, worst: int) -> None:
    """Note that the trader took lots of side k, from its best price `touch` to `worst`."""
    if lots == 0:
        return
    trader = desk.traders[s]
    if trader.taken[k] == 0:
        trader.taken_best[k], trader.taken_worst[k] = touch, worst
    elif k == 0:
        trader.taken_best[k], trader.taken_worst[k] = max(trader.taken_best[k], touch), min(trader.taken_worst[k], worst)
    else:
        trader.taken_best[k], trader.taken_worst[k] = min(trader.taken_best[k], touch), max(trader.taken_worst[k], worst)
    trader.taken[k] += lots
    find_kept(desk)


def forget_taken(desk: Desk, bid: int, ask: int) -> None:
    """Forget what was taken of the levels that the best quotes have passed."""
    for s in range(len(desk.traders)):
        trader = desk.traders[s]
        if bid < trader.taken_worst[0]:
            trader.taken[0] = 0
        if ask < 0 or ask > trader.taken_worst[1]:
            trader.taken[1] = 0
    find_kept(desk)


def find_kept(desk: Desk) -> None:
    """Find the quotes at which some trader forgets."""
    scene = desk.scene[0]
    scene.kept_bid, scene.kept_ask, scene.took = -1, NEVER, 0
    for s in range(len(desk.traders)):
        trader = desk.traders[s]
        if trader.taken[0] > 0:
            scene.kept_bid, scene.took = max(scene.kept_bid, trader.taken_worst[0]), 1
        if trader.taken[1] > 0:
            scene.kept_ask, scene.took = min(scene.kept_ask, trader.taken_worst[1]), 1

"""Remember the lots that own orders have taken from levels of the recorded book.

The recorded book does not react to own orders: the lots that an order took would be shown again at once, to a second
order or to the rest of the first. So the lots that a trader took are kept by price and subtracted from what the level
shows, down to 0. They are forgotten when the side's best price has passed the level, because lots shown there later
are new.

Of prices that are a multiple of `TAKEN_LEVELS` ticks apart, only the last one taken is kept, in a row of its own. The
rows in use are listed, because few ever are.
"""

from typing import Any

from ofiml.backtest.desk import Desk
from ofiml.backtest.ladder import find_part
from ofiml.backtest.orders import NEVER, TAKEN_LEVELS


def find_free(desk: Desk, s: int, k: int, price: int) -> int:
    """Find the lots that the trader may take at a price of side k (0 bid, 1 ask)."""
    trader = desk.traders[s]
    part = find_part(desk.ladder[k, price], desk.scene.share_of_shown)
    if desk.ladder[k, price] > 0 and trader.took != 0:
        j = k * TAKEN_LEVELS + price % TAKEN_LEVELS
        if trader.taken_price[j] == price:
            trader.taken[j] = min(trader.taken[j], part)
            return part - trader.taken[j]
    return part


def take_lots(desk: Desk, s: int, k: int, price: int, lots: int) -> None:
    """Remember lots that the trader took at a price of side k."""
    scene, trader = desk.scene, desk.traders[s]
    j = k * TAKEN_LEVELS + price % TAKEN_LEVELS
    if trader.taken_price[j] < 0:
        trader.taken_rows[trader.took] = j
        trader.took += 1
    if trader.taken_price[j] != price:
        trader.taken[j] = 0
    trader.taken[j] += lots
    trader.taken_price[j] = price
    scene.took = 1
    if k == 0:
        scene.kept_bid = max(scene.kept_bid, price)
    else:
        scene.kept_ask = min(scene.kept_ask, price)


def is_passed(scene: Any, bid: int, ask: int) -> bool:
    """Return whether best quotes have passed levels of which some trader took lots."""
    return bid < scene.kept_bid or ask > scene.kept_ask or (ask < 0 and scene.kept_ask < NEVER)


def forget_taken(desk: Desk, bid: int, ask: int) -> None:
    """Forget what was taken of the levels that the best quotes have passed, and find the best of the others."""
    scene = desk.scene
    scene.kept_bid, scene.kept_ask, scene.took = -1, NEVER, 0
    for s in range(len(desk.traders)):
        trader = desk.traders[s]
        kept = 0
        for n in range(trader.took):
            j = trader.taken_rows[n]
            price = trader.taken_price[j]
            if trader.taken[j] == 0 or ((bid < price) if j < TAKEN_LEVELS else (ask < 0 or ask > price)):
                trader.taken_price[j] = -1
                continue
            trader.taken_rows[kept] = j
            kept += 1
            scene.took = 1
            if j < TAKEN_LEVELS:
                scene.kept_bid = max(scene.kept_bid, price)
            else:
                scene.kept_ask = min(scene.kept_ask, price)
        trader.took = kept

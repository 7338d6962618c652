"""The queue models: how many of the lots before a resting order leave, and what a trade leaves for it.

Let a be the lots ahead of an own order at its price and q the size shown there. On arrival a = q, whatever is hidden
counts as when it was last seen. A trade of v lots at the price takes min(a, v) of what is ahead; what is left of v is
the order's. A trade beyond the price takes all that is ahead. If the shown size then falls by c lots more than traded,
these were cancels, and the models differ in how many of them were ahead (b = q - a is behind):

    PESSIMISTIC   none, but a <= the size shown
    PROPORTIONAL  c·a/q
    POWER(n)      c·a^n/(a^n + b^n)
    EXACT         all of them if the cancelled order was in the queue when the own order arrived
                  (order_time <= arrival), else none; as PROPORTIONAL where that is not known

A trade explains decreases at its own time, in its message or in later ones, and those of the first later message that
changes the level, as feeds of levels are behind their trades. In that message the cancel of a known order is a cancel.

Not more than b cancels can have been behind: the rest was ahead. At all times a <= the size shown. The numbers are
expectations, not draws; a lot is filled when it is whole.

Two bounds need no queue. THROUGH fills only what trades beyond the price, or what the opposite side shows at the price
or beyond it. TOUCH fills the whole order as soon as a trade reaches its price, or the opposite side does. Each model
fills a single order at least as far as THROUGH and at most as far as TOUCH, at every time.
"""

from typing import Any

from ofiml.backtest.orders import EXACT, PESSIMISTIC, POWER, THROUGH, TOUCH


def pass_cancels(queue: int, power: float, order: Any, before: int, after: int, order_time: int, at: int) -> None:
    """Move the order up as the size shown at its price goes from `before` to `after` lots, at time `at`.

    A cancel of a known order is no trade, unless it comes at the trade's own time.
    """
    if queue <= TOUCH:  # or THROUGH
        return
    fall = before - after
    if fall > 0 and order.ahead > 0:
        is_cancel = queue == EXACT and order_time >= 0 and at > order.traded_at
        traded = 0 if is_cancel else min(fall, order.traded)
        order.traded -= traded
        cancels = fall - traded
        size = before - traded
        if cancels > 0 and queue != PESSIMISTIC:
            order.ahead -= count_ahead(queue, power, order.ahead, size, cancels, order_time, order.arrived)
    order.ahead = max(0.0, min(order.ahead, float(after)))


def count_ahead(
    queue: int, power: float, ahead: float, size: int, cancels: int, order_time: int, arrived: int
) -> float:
    """Count how many of the cancels, of `size` lots shown, were ahead."""
    behind = max(0.0, size - ahead)
    if queue == EXACT and order_time >= 0:
        return float(cancels) if order_time <= arrived else 0.0
    share = ahead / (ahead + behind)
    if queue == POWER:
        # Of ratios, as powers of lots overflow.
        if ahead >= behind:
            share = 1.0 / (1.0 + (behind / ahead) ** power)
        else:
            ratio = (ahead / behind) ** power
            share = ratio / (1.0 + ratio)
    return cancels * share


def count_lots(queue: int, order: Any, size: int, used: int, share: float, through: bool, at: int) -> int:
    """Count the lots that a trade of `size` fills, `used` of which went to own orders before, and move the order up.

    `through` says that the trade was beyond the order's price. At most `share` of the trade goes to own orders.
    """
    rest = order.lots - order.filled
    if queue == TOUCH:
        return rest
    allowed = min(size, int(share * size + 1e-9)) - used
    if through:
        order.ahead = 0.0
        return max(0, min(rest, allowed))
    if queue == THROUGH:
        return 0
    left = int(size - order.ahead + 1e-9) - used
    order.ahead = max(0.0, order.ahead - (size - used))
    order.traded += size
    order.traded_at = at
    return max(0, min(rest, allowed, left))

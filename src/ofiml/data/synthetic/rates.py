"""The rates of the synthetic market: who sends orders how often, what they move, and how it all decays.

The compiled event loop of `kernel`, which says what the symbols mean, calls the functions.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ofiml.data.synthetic.books import ALIVE, ASK, BEST, BID, COUNT, GRID, PRICES, STATE_COLUMNS, TOTAL

Int64 = NDArray[np.int64]
Float = NDArray[np.float64]

MIDDLE = GRID // 2  # where V starts
MAX_ROOM = 8.0  # vacant prices, or ticks overtaken, beyond which quotes react no faster

# Kinds of events, in the order of a symbol's rates; those before INFORMED are [ask, bid] pairs but ANY_CANCEL.
LIMIT, BETTER, STALE, ANY_CANCEL, MARKET, INFORMED = 0, 2, 4, 6, 7, 9

# Columns of a symbol's state: V, Y, A at the last update, sum of rates, next candidate; pairs H and m; private news g
# and transient impact p, in ticks; then its rates.
V, Y, SEEN, SUM, NEXT, H, M, PRIVATE, TRANSIENT = 0, 1, 2, 3, 4, 5, 7, 9, 10
RATE = STATE_COLUMNS - (INFORMED + 1)

# Columns of the clock, times in seconds: the last event; start, end, number and U of the period; first and last fill of
# our own order.
NOW, STARTS, ENDS, PART, LEVEL, FIRST_FILL, LAST_FILL = range(7)
CLOCK_COLUMNS = 7


class Rules(NamedTuple):
    """The rules that all symbols share: rates per second, lengths in ticks, sizes in lots, times in seconds."""

    limit_rate: float  # limit orders per side
    cancel_rate: float  # of each resting order alone at its price
    resilience: float  # per vacant price, and per order and tick overtaken
    half_spread: float
    placement: float  # scale of the distance from the touch
    crowd: float  # orders in a queue that halve the arrivals there
    size_scale: float  # of the exponential whose integer part, plus 1, is a size
    large_limits: float  # share of limit orders that are LARGE times as long
    large_markets: float  # the same of market orders
    mean_size: float  # of a market order, which follows
    sigma: float
    clustering: float  # n
    clustering_decay: float  # 1/s
    stirring: float  # s
    excitation: float  # branching ratio of market orders
    excitation_decay: float  # 1/s
    cross_side: float  # share of the excitation that falls on the other side
    state: float  # dependence of market orders on the book, 0 to 1
    usual_spread: float
    usual_queue: float
    informed_decay: float
    informed_start: float  # rate at the start of a period, as a share of the period's orders, 1/s
    news_move: float  # ticks
    news_decay: float  # 1/s
    quote_reaction: float  # share of limit orders that fresh private news turns to its side
    permanent_impact: float  # share of Λ
    impact_decay: float  # 1/s
    period: float
    length: float
    burn_in: float  # before the open, from an empty book
    written_from: float  # from when on rows are written


class Plan(NamedTuple):
    """The plan of a day, by symbol and period.

    `base` (K,) uninformed buys (and as many sells) per second; `informed` (K,) orders in a period with news; `news`
    (periods, K) of -1, 0, 1; `activity` (periods,) U; `impact` (K, K) Λ in ticks per lot; `lowest` the lowest grid
    index that is a price.
    """

    base: Float
    informed: Float
    news: Int64
    activity: Float
    impact: Float
    lowest: int


def round_to(x: float, parts: float) -> float:
    return np.floor(x * parts + 0.5) / parts


def clip(x: float, low: float, high: float) -> float:
    return low if x < low else high if x > high else x


def compute_activity(k: int, level: float, rules: Rules, state: Float) -> float:
    """Compute the activity A; `level` is U."""
    return level * (1.0 - rules.clustering - rules.stirring + state[k, Y])


def measure_room(k: int, side: int, rules: Rules, book: Int64, state: Float) -> float:
    """Measure the ticks from the best quote of `side` to V less the half spread; negative if V overtook the quote."""
    ahead = state[k, V] - (book[k, BEST + side] - MIDDLE)
    return (ahead if side == BID else -ahead) - rules.half_spread


def compute_book_factor(k: int, side: int, rules: Rules, grid: Int64, book: Int64) -> float:
    """Compute the factor m of market orders of `side`, from 0 to 1 + state.

    It falls with the spread and with the opposite queue, and is 0 if the opposite side is empty.
    """
    if book[k, PRICES + 1 - side] == 0:
        return 0.0
    spread = float(book[k, BEST + ASK] - book[k, BEST + BID])
    queue = float(grid[k, book[k, BEST + 1 - side], TOTAL])
    liked = 2.0 * rules.usual_spread / (rules.usual_spread + spread)
    liked *= 2.0 * rules.usual_queue / (rules.usual_queue + queue)
    return 1.0 - rules.state + rules.state * clip(liked, 0.0, 2.0)


def compute_lean(k: int, rules: Rules, state: Float) -> float:
    """Compute the share of limit orders that private news turns to its side; negative for bad news, -1 to 1."""
    if rules.news_move == 0.0:
        return 0.0
    return rules.quote_reaction * clip(state[k, PRIVATE] / rules.news_move, -1.0, 1.0)


def update_rates(
    k: int, now: float, changed: bool, level: float, base: float, informed: float, rng: np.random.Generator,
    rules: Rules, grid: Int64, book: Int64, state: Float,
) -> None:  # fmt: skip
    """Update the rates of symbol k to those of now, and draw the time of its next candidate event.

    `changed` is whether its book may have changed since the last update, `level` is U, `base` and `informed` are market
    orders per second.
    """
    own = state[k]
    active = compute_activity(k, level, rules, state)
    limits, quotes = rules.limit_rate * active, rules.resilience * active
    for s in range(2):
        room = measure_room(k, s, rules, book, state)
        own[RATE + LIMIT + s] = limits
        own[RATE + BETTER + s] = quotes * clip(np.floor(room), 0.0, MAX_ROOM)
        own[RATE + STALE + s] = 0.0
        if room < 0.0 and book[k, PRICES + s] > 0:
            own[RATE + STALE + s] = quotes * clip(-room, 0.0, MAX_ROOM) * grid[k, book[k, BEST + s], COUNT]
        if changed:
            own[M + s] = compute_book_factor(k, s, rules, grid, book)
        own[RATE + MARKET + s] = own[M + s] * (base + own[H + s])
    own[RATE + ANY_CANCEL] = rules.cancel_rate * active * book[k, ALIVE]
    own[RATE + INFORMED] = informed
    total = 0.0
    for kind in range(INFORMED + 1):
        total += own[RATE + kind]
    own[SEEN], own[SUM] = active, total
    own[NEXT] = now + round_to(rng.exponential(1.0 / total), 2.0**30)


def advance(
    wait: float, level: float, base: Float, impact: Float, rng: np.random.Generator, rules: Rules, state: Float
) -> None:
    """Advance time by `wait` seconds: Y and H decay, and V moves.

    It diffuses with activity, learns private news, loses transient impact and the effect of expected flow.
    """
    quiet = math.exp(-rules.clustering_decay * wait)
    faded = math.exp(-rules.excitation_decay * wait)
    calm = 1.0 - rules.clustering - rules.stirring
    public = 1.0 - math.exp(-rules.news_decay * wait)
    lost = public if rules.impact_decay == rules.news_decay else 1.0 - math.exp(-rules.impact_decay * wait)
    passing = 1.0 - rules.permanent_impact
    for j in range(len(base)):
        own = state[j]
        learnt, reverted = public * own[PRIVATE], lost * own[TRANSIENT]
        own[PRIVATE] -= learnt
        own[TRANSIENT] -= reverted
        own[V] += learnt - reverted
        clock = level * (calm * wait + own[Y] * (1.0 - quiet) / rules.clustering_decay)
        own[V] += rules.sigma * math.sqrt(clock) * rng.standard_normal()
        own[Y] *= quiet
        expected = 0.0
        for s in range(2):
            orders = own[M + s] * (level * base[j] * wait + own[H + s] * (1.0 - faded) / rules.excitation_decay)
            expected += orders if s == BID else -orders
            own[H + s] *= faded
        for i in range(len(base)):
            if impact[i, j] != 0.0:
                effect = impact[i, j] * rules.mean_size * expected
                state[i, V] -= effect
                state[i, TRANSIENT] -= passing * effect
    for i in range(len(base)):
        state[i, V] = round_to(state[i, V], 2.0**16)


def compute_informed(k: int, clock: Float, rules: Rules, plan: Plan) -> float:
    """Compute the informed orders per second of symbol k now."""
    part = int(clock[PART])
    if part < 0 or plan.news[part, k] == 0:  # before the first period an empty book fills
        return 0.0
    age = (clock[NOW] - clock[STARTS]) / rules.informed_decay
    return plan.informed[k] * rules.informed_start * math.exp(-age)


def apply_market_order(k: int, side: int, size: int, usual: float, impact: Float, rules: Rules, state: Float) -> None:
    """Apply the effects of a market order: every V moves by Λ, and further market orders and quotes are excited.

    All of the move but the permanent share is transient.
    `usual` is the usual number of market orders per second.
    """
    jump = rules.excitation * rules.excitation_decay
    state[k, H + side] += jump * (1.0 - rules.cross_side)
    state[k, H + 1 - side] += jump * rules.cross_side
    if usual > 0.0:
        state[k, Y] += rules.stirring * rules.clustering_decay / usual
    for i in range(len(impact)):
        move = impact[i, k] * (size if side == BID else -size)
        state[i, TRANSIENT] += (1.0 - rules.permanent_impact) * move
        state[i, V] = round_to(state[i, V] + move, 2.0**16)

"""The event loop of the synthetic market: K limit order books with price-time priority around K efficient prices.

`run_py` is the specification, `run` its njit. docs/market.md has the model in full. In short, for symbol i:

- V_i, the efficient price in ticks: dV_i = Σ_j Λ_ij·(dN_j - c_j dt) + σ·sqrt(A_i)·dW_i, with N_j the signed volume of the
  market orders of j and c_j the part of it that excitation, state and base rate foretell; informed orders are not in c.
- A_i = U·(1 - n + Y_i), the activity: U is constant within a period, Y_i is excited by arriving limit orders (Hawkes).
- Quotes, at rates proportional to A_i: limit orders at a distance from V_i, better quotes where V_i left room, cancels
  of quotes that V_i overtook, and cancels of any order.
- Market orders: λ_± = m_±·(U·base + H_±), H excited by market orders (Hawkes), m_± by spread and opposite queue;
  informed orders on the side of the period's news.

Rates are held from one touch of a symbol to its next; those that decay in between are thinned, so draws are exact.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
Float = NDArray[np.float64]

# Codes as in events.schema: the positions of A, C, T in ACTION and of A, B in SIDE.
_ADD, _CANCEL, _TRADE = 0, 1, 4
_ASK, _BID = 0, 1

GRID = 1 << 16  # prices a book can stand on; the first and the last stay empty and stand for "no quote"
ORDERS = 1 << 13  # resting orders a symbol can have; a full book takes no more
OFF_GRID = -1  # what `run` returns when a price leaves the grid
ROW_COLUMNS = 7  # symbol, action, side, price (grid index), size, last of message, order id
_FARTHEST = 2000.0  # ticks from V, where a limit order still is placed
LARGE = 10.0  # times as long as others are large orders
_ROOM = 8  # vacant prices, or ticks overtaken, beyond which quotes react no faster

# Columns of an order, of a price, of a symbol's book.
_PRICE, _SIZE, _BEFORE, _AFTER, _PLACE, _ID = range(6)
_TOTAL, _COUNT, _HEAD, _TAIL = range(4)
_BEST, _PRICES, _ALIVE, _NEXT_ID = 0, 2, 4, 5  # best and number of prices are [ask, bid] pairs

# Kinds of events, in the order of a symbol's rates.
_LIMIT, _BETTER, _STALE, _ANY_CANCEL, _MARKET, _INFORMED = 0, 2, 4, 6, 7, 9


class Rules(NamedTuple):
    """What all symbols share; rates a second, lengths in ticks, sizes in lots."""

    limit_rate: float  # limit orders a side
    cancel_rate: float  # of each resting order alone at its price
    resilience: float  # per vacant price, and per order and tick overtaken
    half_spread: float
    placement: float  # scale of the distance from the touch
    crowd: float  # orders in a queue that halve the arrivals there
    size_scale: float  # of the exponential whose integer part, plus 1, is a size
    large: float  # share of orders that are LARGE times as long
    sigma: float
    excitation: float  # branching ratio of market orders
    excitation_decay: float  # 1/s
    cross_side: float  # share of the excitation that falls on the other side
    clustering: float  # branching ratio of quotes
    clustering_decay: float
    stirring: float  # share of the activity that market orders bring
    state: float  # how far market orders heed the book, 0 to 1
    usual_spread: float
    usual_queue: float
    mean_size: float
    informed_decay: float  # s
    period: float  # s
    length: float  # s
    burn_in: float  # s before the open, from an empty book
    written_from: float  # s, from when on rows are written


@njit(cache=True)
def _add(
    k: int, side: int, price: int, size: int, orders: Int64, live: Int64, grid: Int64, book: Int64
) -> int:  # fmt: skip
    """Puts an order at the end of its queue; `live` is a permutation of slots whose first ones are in use."""
    slot = live[k, book[k, _ALIVE]]
    order, queue = orders[k, slot], grid[k, price]
    order[_PRICE], order[_SIZE], order[_AFTER] = price, size, -1
    order[_PLACE], order[_ID] = book[k, _ALIVE], book[k, _NEXT_ID]
    book[k, _ALIVE] += 1
    book[k, _NEXT_ID] += 1
    if queue[_COUNT] == 0:
        order[_BEFORE] = -1
        queue[_HEAD] = slot
        book[k, _PRICES + side] += 1
        best = book[k, _BEST + side]
        book[k, _BEST + side] = max(best, price) if side == _BID else min(best, price)
    else:
        order[_BEFORE] = queue[_TAIL]
        orders[k, queue[_TAIL], _AFTER] = slot
    queue[_TAIL] = slot
    queue[_COUNT] += 1
    queue[_TOTAL] += size
    return slot


@njit(cache=True)
def _remove(k: int, side: int, slot: int, orders: Int64, live: Int64, grid: Int64, book: Int64) -> None:
    """Takes an order out of its queue and frees its slot; the best price moves on if its queue is gone."""
    order = orders[k, slot]
    price = order[_PRICE]
    queue = grid[k, price]
    if order[_BEFORE] >= 0:
        orders[k, order[_BEFORE], _AFTER] = order[_AFTER]
    else:
        queue[_HEAD] = order[_AFTER]
    if order[_AFTER] >= 0:
        orders[k, order[_AFTER], _BEFORE] = order[_BEFORE]
    else:
        queue[_TAIL] = order[_BEFORE]
    queue[_COUNT] -= 1
    queue[_TOTAL] -= order[_SIZE]
    last = book[k, _ALIVE] - 1
    moved, place = live[k, last], order[_PLACE]
    live[k, place], live[k, last] = moved, slot
    orders[k, moved, _PLACE] = place
    book[k, _ALIVE] = last
    if queue[_COUNT] > 0:
        return
    book[k, _PRICES + side] -= 1
    if price != book[k, _BEST + side]:
        return
    step = -1 if side == _BID else 1
    if book[k, _PRICES + side] == 0:
        price = 0 if side == _BID else GRID - 1
    else:
        price += step
        while grid[k, price, _COUNT] == 0:
            price += step
    book[k, _BEST + side] = price


@njit(cache=True)
def _write(
    n: int, k: int, action: int, side: int, price: int, size: int, last: int, order: int,
    grid: Int64, book: Int64, rows: Int64, levels: Int64,
) -> None:  # fmt: skip
    """Row n: the event, and symbol k's book after it. A level that is missing has size 0."""
    row = rows[n]
    row[0], row[1], row[2], row[3], row[4], row[5], row[6] = k, action, side, price, size, last, order
    depth = levels.shape[1]
    for s in range(2):
        step = -1 if s == _BID else 1
        at, there = book[k, _BEST + s], book[k, _PRICES + s]
        for m in range(depth):
            if m >= there:
                levels[3 * s, m, n] = levels[3 * s + 1, m, n] = levels[3 * s + 2, m, n] = 0
                continue
            while grid[k, at, _COUNT] == 0:
                at += step
            levels[3 * s, m, n] = at
            levels[3 * s + 1, m, n] = grid[k, at, _TOTAL]
            levels[3 * s + 2, m, n] = grid[k, at, _COUNT]
            at += step


@njit(cache=True)
def _size(rng: np.random.Generator, rules: Rules) -> int:
    scale = rules.size_scale * (LARGE if rng.random() < rules.large else 1.0)
    return 1 + int(rng.exponential(scale))


@njit(cache=True)
def _match(
    n: int, k: int, side: int, size: int, written: bool,
    orders: Int64, live: Int64, grid: Int64, book: Int64, rows: Int64, levels: Int64,
) -> int:  # fmt: skip
    """A market order of `side` against the oldest orders of the best prices; returns the next row's number.

    One row a price. What finds no order is not filled.
    """
    passive, first = 1 - side, n
    while size > 0 and book[k, _PRICES + passive] > 0 and n < len(rows):
        price = book[k, _BEST + passive]
        oldest = orders[k, grid[k, price, _HEAD], _ID]
        taken = 0
        while size > 0 and grid[k, price, _COUNT] > 0:
            slot = grid[k, price, _HEAD]
            part = min(size, orders[k, slot, _SIZE])
            size -= part
            taken += part
            if part == orders[k, slot, _SIZE]:
                _remove(k, passive, slot, orders, live, grid, book)
            else:
                orders[k, slot, _SIZE] -= part
                grid[k, price, _TOTAL] -= part
        if written:
            _write(n, k, _TRADE, side, price, taken, 0, oldest, grid, book, rows, levels)
            n += 1
    if n > first:
        rows[n - 1, 5] = 1
    return n


@njit(cache=True)
def _heed(k: int, side: int, rules: Rules, grid: Int64, book: Int64) -> float:
    """m: how much a market order of `side` likes the book: less in a wide spread and against a long queue."""
    if book[k, _PRICES + 1 - side] == 0:
        return 0.0
    spread = float(book[k, _BEST + _ASK] - book[k, _BEST + _BID])
    queue = float(grid[k, book[k, _BEST + 1 - side], _TOTAL])
    liked = min(2.0, 2.0 * rules.usual_spread / (rules.usual_spread + spread))
    liked *= 2.0 * rules.usual_queue / (rules.usual_queue + queue)
    return 1.0 - rules.state + rules.state * min(liked, 2.0)


@njit(cache=True)
def _rates(
    k: int, rules: Rules, value: float, active: float, base: float, excited: Float, informed: float,
    grid: Int64, book: Int64, heed: Float, rates: Float,
) -> float:  # fmt: skip
    """Fills symbol k's rates by kind of event and returns their sum."""
    inner = (np.ceil(value + rules.half_spread), np.floor(value - rules.half_spread))  # where V would have the quotes
    for s in range(2):
        behind = 1.0 if s == _BID else -1.0
        best = book[k, _BEST + s]
        vacant = behind * (inner[s] - best)
        overtaken = -(behind * (value - best) - rules.half_spread)
        rates[_LIMIT + s] = rules.limit_rate * active
        rates[_BETTER + s] = rules.resilience * active * min(max(vacant, 0.0), float(_ROOM))
        rates[_STALE + s] = 0.0
        if book[k, _PRICES + s] > 0 and overtaken > 0.0:
            rates[_STALE + s] = rules.resilience * active * min(overtaken, float(_ROOM)) * grid[k, best, _COUNT]
        heed[s] = _heed(k, s, rules, grid, book)
        rates[_MARKET + s] = heed[s] * (base + excited[s])
    rates[_ANY_CANCEL] = rules.cancel_rate * active * book[k, _ALIVE]
    rates[_INFORMED] = informed
    total = 0.0
    for rate in rates:
        total += rate
    return total


def run_py(
    rng: np.random.Generator,
    rules: Rules,
    base: Float,
    informed: Float,
    news: Int64,
    activity: Float,
    impact: Float,
    lowest: int,
    seconds: Float,
    values: Float,
    rows: Int64,
    levels: Int64,
) -> int:
    """Runs one day of K symbols and returns the number of rows written, or OFF_GRID.

    In: `base` (K,) uninformed buys (and as many sells) a second; `informed` (K,) orders in a period with news; `news`
    (periods, K) of -1, 0, 1; `activity` (periods,) is U; `impact` (K, K) is Λ in ticks a lot; `lowest` is the lowest
    grid index that is a price.
    Out: `seconds`, `values` (n,) time and the symbol's V after the event; `rows` (n, ROW_COLUMNS); `levels` (6, depth,
    n) of ask price, size, count, bid price, size, count. Prices and V are in ticks from the grid's start. Full buffers
    end the run.
    """
    symbols = len(base)
    orders = np.zeros((symbols, ORDERS, 6), np.int64)
    live = np.empty((symbols, ORDERS), np.int64)
    grid = np.zeros((symbols, GRID, 4), np.int64)
    book = np.zeros((symbols, 6), np.int64)
    for k in range(symbols):
        live[k] = np.arange(ORDERS)
        book[k, _BEST + _ASK] = GRID - 1
    value = np.full(symbols, GRID / 2.0)
    excited = np.zeros((symbols, 2))  # H, by side
    stirred = np.full(symbols, rules.clustering + rules.stirring)  # Y, from its mean on
    heed = np.zeros((symbols, 2))
    rates = np.zeros((symbols, _INFORMED + 1))
    total, seen, following = np.zeros(symbols), np.zeros(symbols), np.full(symbols, np.inf)
    calm = 1.0 - rules.clustering - rules.stirring
    at_start = 1.0 / (rules.informed_decay * (1.0 - np.exp(-rules.period / rules.informed_decay)))
    now, n, part = -rules.burn_in, 0, -1
    boundary, level, since = 0.0, activity[0], 1.0
    fresh = True  # every symbol's rates are to be drawn anew
    while True:
        k = 0
        if fresh:
            at = now
        else:
            for i in range(1, symbols):
                if following[i] < following[k]:
                    k = i
            at = min(following[k], boundary)
        wait = at - now
        now = at
        if wait > 0.0:
            quiet = np.exp(-rules.clustering_decay * wait)
            faded = np.exp(-rules.excitation_decay * wait)
            for j in range(symbols):
                clock = level * (calm * wait + stirred[j] * (1.0 - quiet) / rules.clustering_decay)
                value[j] += rules.sigma * np.sqrt(clock) * rng.standard_normal()
                stirred[j] *= quiet
                foretold = 0.0
                for s in range(2):
                    echo = excited[j, s] * (1.0 - faded) / rules.excitation_decay
                    sign = 1.0 if s == _BID else -1.0
                    foretold += sign * heed[j, s] * (level * base[j] * wait + echo)
                    excited[j, s] *= faded
                for i in range(symbols):
                    value[i] -= impact[i, j] * rules.mean_size * foretold
            since *= np.exp(-wait / rules.informed_decay)
        if not fresh and now >= boundary:
            part += 1
            if part == len(activity):
                break
            level, since = activity[part], 1.0
            boundary = min((part + 1) * rules.period, rules.length)
            fresh = True
            continue
        if fresh:
            for i in range(symbols):
                seen[i] = level * (calm + stirred[i])
                arrivals = informed[i] * at_start * since if part >= 0 and news[part, i] != 0 else 0.0
                total[i] = _rates(
                    i, rules, value[i], seen[i], level * base[i], excited[i], arrivals, grid, book, heed[i], rates[i]
                )
                following[i] = now + rng.exponential(1.0 / total[i])
            fresh = False
            continue

        active = level * (calm + stirred[k])
        pick, kind = rng.random() * total[k], 0
        while kind < _INFORMED and pick >= rates[k, kind]:
            pick -= rates[k, kind]
            kind += 1
        written = now >= rules.written_from
        before = n
        if kind < _MARKET:
            if rng.random() * seen[k] < active:
                if kind < _STALE:
                    side = kind % 2
                    if kind < _BETTER:
                        stirred[k] += rules.clustering * rules.clustering_decay / (2.0 * rules.limit_rate * level)
                        far = min(rules.placement * (1.0 / np.sqrt(1.0 - rng.random()) - 1.0), _FARTHEST)
                    else:
                        far = -1.0
                    near = value[k] - rules.half_spread if side == _BID else value[k] + rules.half_spread
                    if kind < _BETTER:
                        price = int(np.floor(near - far)) if side == _BID else int(np.ceil(near + far))
                    else:
                        room = int(min(rates[k, kind] / (rules.resilience * seen[k]) + 0.5, _ROOM))
                        back = int(rng.random() * room)
                        price = int(np.floor(near)) - back if side == _BID else int(np.ceil(near)) + back
                    other = book[k, _BEST + 1 - side]
                    passive = price < other if side == _BID else price > other
                    if passive and lowest <= price < GRID - 1 and book[k, _ALIVE] < ORDERS:
                        if rng.random() * (1.0 + grid[k, price, _COUNT] / rules.crowd) < 1.0:
                            size = _size(rng, rules)
                            slot = _add(k, side, price, size, orders, live, grid, book)
                            if written:
                                order = orders[k, slot, _ID]
                                _write(n, k, _ADD, side, price, size, 1, order, grid, book, rows, levels)
                                n += 1
                else:
                    if kind < _ANY_CANCEL:  # the youngest has the least to lose
                        side = kind - _STALE
                        slot = grid[k, book[k, _BEST + side], _TAIL]
                        leaves = True
                    else:
                        slot = live[k, int(rng.random() * book[k, _ALIVE])]
                        side = _BID if orders[k, slot, _PRICE] <= book[k, _BEST + _BID] else _ASK
                        count = grid[k, orders[k, slot, _PRICE], _COUNT]
                        leaves = rng.random() * np.sqrt(count) < 1.0
                    if leaves:
                        price, size, order = orders[k, slot, _PRICE], orders[k, slot, _SIZE], orders[k, slot, _ID]
                        _remove(k, side, slot, orders, live, grid, book)
                        if written:
                            _write(n, k, _CANCEL, side, price, size, 1, order, grid, book, rows, levels)
                            n += 1
        else:
            if kind == _INFORMED:
                side = _BID if news[part, k] > 0 else _ASK
                intensity = informed[k] * at_start * since
            else:
                side = kind - _MARKET
                intensity = heed[k, side] * (level * base[k] + excited[k, side])
            if rng.random() * rates[k, kind] < intensity:
                size = _size(rng, rules)
                n = _match(n, k, side, size, written, orders, live, grid, book, rows, levels)
                jump = rules.excitation * rules.excitation_decay
                excited[k, side] += jump * (1.0 - rules.cross_side)
                excited[k, 1 - side] += jump * rules.cross_side
                if base[k] > 0.0:
                    usual = 2.0 * level * base[k] / (1.0 - rules.excitation)
                    stirred[k] += rules.stirring * rules.clustering_decay / usual
                for i in range(symbols):
                    value[i] += impact[i, k] * size if side == _BID else -impact[i, k] * size
        for row in range(before, n):
            seconds[row] = now
            values[row] = value[k]
        if n >= len(rows):
            break
        if not lowest + 1 <= value[k] < GRID - 2:
            return OFF_GRID
        seen[k] = level * (calm + stirred[k])
        arrivals = informed[k] * at_start * since if part >= 0 and news[part, k] != 0 else 0.0
        total[k] = _rates(
            k, rules, value[k], seen[k], level * base[k], excited[k], arrivals, grid, book, heed[k], rates[k]
        )
        following[k] = now + rng.exponential(1.0 / total[k])
    return n


run = njit(cache=True, nogil=True)(run_py)

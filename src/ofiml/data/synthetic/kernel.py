"""The event loop of the synthetic market: K limit order books with price-time priority around K efficient prices.

`run_day_py` is the specification, `run_day` its njit. docs/market.md has the model in full. In short, for symbol i:

- V_i, the efficient price in ticks: dV_i = Σ_j Λ_ij·(dN_j - c_j dt) + σ·sqrt(A_i)·dW_i, with N_j the signed volume of
  the market orders of j and c_j the part of it that base rate, excitation and book predict, without informed
  orders.
- A_i = U·(1 - n - s + Y_i), the activity: U is constant within a period, Y_i is excited by arriving limit orders
  (branching ratio n) and by market orders (share s), and decays.
- Quotes, at rates proportional to A_i: limit orders at a distance from V_i, better quotes where V_i left room, cancels
  of quotes that V_i overtook, and cancels of any order.
- Market orders: λ_± = m_±·(U·base + H_±), H excited by market orders, m_± by spread and opposite queue; and informed
  orders on the side of the period's news.

A symbol's rates are constant from one update to the next. Rates that decay in between are thinned, so that times are
drawn exactly.

The model is chaotic in its last bits, which differ between compilers and processors. So waits are multiples of 2^-30 s,
and V is one of 2^-16 ticks: a difference in the last bit is rounded away before it can move an order.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ofiml._numba import compiled

Int64 = NDArray[np.int64]
Float = NDArray[np.float64]

# Codes as in data.schema: the positions of A, C, T in ACTION and of A, B in SIDE.
_ADD, _CANCEL, _TRADE = 0, 1, 4
_ASK, _BID = 0, 1

GRID = 1 << 16  # prices a book can stand on; the first and the last stay empty and stand for "no quote"
ORDERS = 1 << 13  # resting orders a symbol can have; a full book takes no more
_MIDDLE = GRID // 2  # where V starts
OFF_GRID = -1  # what `run` returns when a price leaves the grid
ROW_COLUMNS = 7  # symbol, action, side, price (grid index), size, last of message, order id
LARGE = 10.0  # size of large orders as a multiple of others
_MAX_DISTANCE = 2000.0  # ticks from V, the maximum distance of a limit order
_MAX_ROOM = 8.0  # vacant prices, or ticks overtaken, beyond which quotes react no faster

# Columns of an order, of a price, of a symbol's book.
_PRICE, _SIZE, _BEFORE, _AFTER, _PLACE, _ID = range(6)
_TOTAL, _COUNT, _HEAD, _TAIL = range(4)
_BEST, _PRICES, _ALIVE, _NEXT_ID = 0, 2, 4, 5  # best price and number of prices are [ask, bid] pairs

# Columns of a symbol's state: V, Y, A at the last update, sum of rates, next candidate; pairs H and m; then its rates.
_V, _Y, _SEEN, _SUM, _NEXT, _H, _M, _RATE = 0, 1, 2, 3, 4, 5, 7, 9

# Kinds of events, in the order of a symbol's rates; those before _INFORMED are [ask, bid] pairs but _ANY_CANCEL.
_LIMIT, _BETTER, _STALE, _ANY_CANCEL, _MARKET, _INFORMED = 0, 2, 4, 6, 7, 9


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


class Out(NamedTuple):
    """The output of n rows: `seconds` (n,), the time; `values` (n,), the symbol's V after the event, in ticks from its
    start; `rows` (n, ROW_COLUMNS); `levels` (6, depth, n) of ask price, size, count, bid price, size, count. A missing
    level has size 0.
    """

    seconds: Float
    values: Float
    rows: Int64
    levels: Int64


class Books(NamedTuple):
    """The books of K symbols: `orders` (K, ORDERS, 6) by slot; `live` (K, ORDERS), a permutation of slots whose first
    ones are in use; `grid` (K, GRID, 4), the queues by price; `book` (K, 6) and `state` (K, 19), one row per symbol.
    """

    orders: Int64
    live: Int64
    grid: Int64
    book: Int64
    state: Float


def empty_books(symbols: int) -> Books:
    """Make the books of `symbols` symbols before their first order."""
    return Books(
        orders=np.zeros((symbols, ORDERS, 6), np.int64),
        live=np.tile(np.arange(ORDERS), (symbols, 1)),
        grid=np.zeros((symbols, GRID, 4), np.int64),
        book=np.zeros((symbols, 6), np.int64),
        state=np.zeros((symbols, _RATE + _INFORMED + 1)),
    )


# --- the book --------------------------------------------------------------------------------------------------------


def _add(k: int, side: int, price: int, size: int, orders: Int64, live: Int64, grid: Int64, book: Int64) -> int:
    """Put an order at the end of its queue and return its id."""
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
        if (price > best) if side == _BID else (price < best):
            book[k, _BEST + side] = price
    else:
        order[_BEFORE] = queue[_TAIL]
        orders[k, queue[_TAIL], _AFTER] = slot
    queue[_TAIL] = slot
    queue[_COUNT] += 1
    queue[_TOTAL] += size
    return order[_ID]


def _remove(k: int, side: int, slot: int, orders: Int64, live: Int64, grid: Int64, book: Int64) -> None:
    """Remove an order from its queue and free its slot; if the queue is then empty, move the best price."""
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
    last, place = book[k, _ALIVE] - 1, order[_PLACE]
    moved = live[k, last]
    live[k, place], live[k, last] = moved, slot
    orders[k, moved, _PLACE] = place
    book[k, _ALIVE] = last
    if queue[_COUNT] > 0:
        return
    book[k, _PRICES + side] -= 1
    if price != book[k, _BEST + side]:
        return
    if book[k, _PRICES + side] == 0:
        price = 0 if side == _BID else GRID - 1
    else:
        step = -1 if side == _BID else 1
        price += step
        while grid[k, price, _COUNT] == 0:
            price += step
    book[k, _BEST + side] = price


def _write(
    n: int, k: int, action: int | np.int64, side: int, price: int, size: int, order: int,
    grid: Int64, book: Int64, rows: Int64, levels: Int64,
) -> int:  # fmt: skip
    """Write row n, the event and symbol k's book after it; return n + 1. The last row of a trade is marked later."""
    row = rows[n]
    row[0], row[1], row[2], row[3], row[4], row[5], row[6] = k, action, side, price, size, action != _TRADE, order
    for s in range(2):
        step = -1 if s == _BID else 1
        at, there = book[k, _BEST + s], book[k, _PRICES + s]
        for depth in range(levels.shape[1]):
            if depth >= there:
                levels[3 * s, depth, n] = levels[3 * s + 1, depth, n] = levels[3 * s + 2, depth, n] = 0
                continue
            while grid[k, at, _COUNT] == 0:
                at += step
            levels[3 * s, depth, n] = at
            levels[3 * s + 1, depth, n] = grid[k, at, _TOTAL]
            levels[3 * s + 2, depth, n] = grid[k, at, _COUNT]
            at += step
    return n + 1


def _match(
    n: int, k: int, side: int, size: int, written: bool,
    orders: Int64, live: Int64, grid: Int64, book: Int64, rows: Int64, levels: Int64,
) -> int:  # fmt: skip
    """Match a market order of `side` with the oldest orders at the best prices, and write one row per price.

    Size without a counterparty is not filled. Returns the number of the next row.
    """
    passive, first = 1 - side, n
    while size > 0 and book[k, _PRICES + passive] > 0 and n < len(rows):
        price = book[k, _BEST + passive]
        queue = grid[k, price]
        oldest, taken = orders[k, queue[_HEAD], _ID], 0
        while size > 0 and queue[_COUNT] > 0:
            slot = queue[_HEAD]
            left = orders[k, slot, _SIZE]
            part = size if size < left else left
            size -= part
            taken += part
            if part == left:
                _remove(k, passive, slot, orders, live, grid, book)
            else:
                orders[k, slot, _SIZE] -= part
                queue[_TOTAL] -= part
        if written:
            n = _write(n, k, _TRADE, side, price, taken, oldest, grid, book, rows, levels)
    if n > first:
        rows[n - 1, 5] = 1
    return n


def _round_to(x: float, parts: float) -> float:
    return np.floor(x * parts + 0.5) / parts


def _clip(x: float, low: float, high: float) -> float:
    return low if x < low else high if x > high else x


# --- rates -----------------------------------------------------------------------------------------------------------


def _compute_activity(k: int, level: float, rules: Rules, state: Float) -> float:
    """Compute the activity A; `level` is U."""
    return level * (1.0 - rules.clustering - rules.stirring + state[k, _Y])


def _measure_room(k: int, side: int, rules: Rules, book: Int64, state: Float) -> float:
    """Measure the ticks from the best quote of `side` to V less the half spread; negative if V overtook the quote."""
    ahead = state[k, _V] - (book[k, _BEST + side] - _MIDDLE)
    return (ahead if side == _BID else -ahead) - rules.half_spread


def _compute_book_factor(k: int, side: int, rules: Rules, grid: Int64, book: Int64) -> float:
    """Compute the factor m of market orders of `side`, from 0 to 1 + state.

    It falls with the spread and with the opposite queue, and is 0 if the opposite side is empty.
    """
    if book[k, _PRICES + 1 - side] == 0:
        return 0.0
    spread = float(book[k, _BEST + _ASK] - book[k, _BEST + _BID])
    queue = float(grid[k, book[k, _BEST + 1 - side], _TOTAL])
    liked = 2.0 * rules.usual_spread / (rules.usual_spread + spread)
    liked *= 2.0 * rules.usual_queue / (rules.usual_queue + queue)
    return 1.0 - rules.state + rules.state * _clip(liked, 0.0, 2.0)


def _update_rates(
    k: int, now: float, level: float, base: float, informed: float, rng: np.random.Generator, rules: Rules,
    grid: Int64, book: Int64, state: Float,
) -> None:  # fmt: skip
    """Update the rates of symbol k to those of now, and draw the time of its next candidate event.

    `level` is U, `base` and `informed` are market orders per second.
    """
    own = state[k]
    active = _compute_activity(k, level, rules, state)
    for s in range(2):
        room = _measure_room(k, s, rules, book, state)
        own[_RATE + _LIMIT + s] = rules.limit_rate * active
        own[_RATE + _BETTER + s] = rules.resilience * active * _clip(float(math.floor(room)), 0.0, _MAX_ROOM)
        own[_RATE + _STALE + s] = 0.0
        if room < 0.0 and book[k, _PRICES + s] > 0:
            count = grid[k, book[k, _BEST + s], _COUNT]
            own[_RATE + _STALE + s] = rules.resilience * active * _clip(-room, 0.0, _MAX_ROOM) * count
        own[_M + s] = _compute_book_factor(k, s, rules, grid, book)
        own[_RATE + _MARKET + s] = own[_M + s] * (base + own[_H + s])
    own[_RATE + _ANY_CANCEL] = rules.cancel_rate * active * book[k, _ALIVE]
    own[_RATE + _INFORMED] = informed
    total = 0.0
    for kind in range(_INFORMED + 1):
        total += own[_RATE + kind]
    own[_SEEN], own[_SUM] = active, total
    own[_NEXT] = now + _round_to(rng.exponential(1.0 / total), 2.0**30)


def _advance(
    wait: float, level: float, base: Float, impact: Float, rng: np.random.Generator, rules: Rules, state: Float
) -> None:
    """Advance time by `wait` seconds: V diffuses with activity, less the effect of expected flow; Y and H decay."""
    quiet = math.exp(-rules.clustering_decay * wait)
    faded = math.exp(-rules.excitation_decay * wait)
    calm = 1.0 - rules.clustering - rules.stirring
    for j in range(len(base)):
        own = state[j]
        clock = level * (calm * wait + own[_Y] * (1.0 - quiet) / rules.clustering_decay)
        own[_V] += rules.sigma * math.sqrt(clock) * rng.standard_normal()
        own[_Y] *= quiet
        expected = 0.0
        for s in range(2):
            orders = own[_M + s] * (level * base[j] * wait + own[_H + s] * (1.0 - faded) / rules.excitation_decay)
            expected += orders if s == _BID else -orders
            own[_H + s] *= faded
        for i in range(len(base)):
            state[i, _V] -= impact[i, j] * rules.mean_size * expected
    for i in range(len(base)):
        state[i, _V] = _round_to(state[i, _V], 2.0**16)


# --- events ----------------------------------------------------------------------------------------------------------


def _draw_size(rng: np.random.Generator, scale: float, large: float) -> int:
    return 1 + int(rng.exponential(scale * (LARGE if rng.random() < large else 1.0)))


def _quote(
    n: int, k: int, kind: int, written: bool, lowest: int, rng: np.random.Generator, rules: Rules,
    orders: Int64, live: Int64, grid: Int64, book: Int64, state: Float, rows: Int64, levels: Int64,
) -> int:  # fmt: skip
    """Place a limit order at a distance from V with a power-law tail, or at one of the prices that V left vacant.

    It is not sent if it would trade; the probability that it is sent falls with the number of orders at its price.
    Returns the number of the next row.
    """
    side = kind % 2
    if kind >= _BETTER:
        room = _clip(float(math.floor(_measure_room(k, side, rules, book, state))), 1.0, _MAX_ROOM)
        far = float(math.floor(rng.random() * room))
    else:
        far = _clip(rules.placement * (1.0 / math.sqrt(1.0 - rng.random()) - 1.0), 0.0, _MAX_DISTANCE)
    if side == _BID:
        price = _MIDDLE + math.floor(state[k, _V] - rules.half_spread - far)
        passive = price < book[k, _BEST + _ASK]
    else:
        price = _MIDDLE + math.ceil(state[k, _V] + rules.half_spread + far)
        passive = price > book[k, _BEST + _BID]
    if not passive or not lowest <= price < GRID - 1 or book[k, _ALIVE] == ORDERS:
        return n
    if rng.random() * (1.0 + grid[k, price, _COUNT] / rules.crowd) >= 1.0:
        return n
    size = _draw_size(rng, rules.size_scale, rules.large_limits)
    order = _add(k, side, price, size, orders, live, grid, book)
    return _write(n, k, _ADD, side, price, size, order, grid, book, rows, levels) if written else n


def _cancel(
    n: int, k: int, kind: int, written: bool, rng: np.random.Generator,
    orders: Int64, live: Int64, grid: Int64, book: Int64, rows: Int64, levels: Int64,
) -> int:  # fmt: skip
    """Cancel the youngest order of a queue that V overtook, or any order.

    An order in a queue of q orders is cancelled with probability 1/sqrt(q), so that cancels grow with the square root
    of the queue. Returns the number of the next row.
    """
    if kind < _ANY_CANCEL:
        side = kind - _STALE
        slot = grid[k, book[k, _BEST + side], _TAIL]
    else:
        slot = live[k, int(rng.random() * book[k, _ALIVE])]
        side = _BID if orders[k, slot, _PRICE] <= book[k, _BEST + _BID] else _ASK
        if rng.random() * math.sqrt(grid[k, orders[k, slot, _PRICE], _COUNT]) >= 1.0:
            return n
    price, size, order = orders[k, slot, _PRICE], orders[k, slot, _SIZE], orders[k, slot, _ID]
    _remove(k, side, slot, orders, live, grid, book)
    return _write(n, k, _CANCEL, side, price, size, order, grid, book, rows, levels) if written else n


def _apply_market_order(k: int, side: int, size: int, usual: float, impact: Float, rules: Rules, state: Float) -> None:
    """Apply the effects of a market order: every V moves by Λ, and further market orders and quotes are excited.

    `usual` is the usual number of market orders per second.
    """
    jump = rules.excitation * rules.excitation_decay
    state[k, _H + side] += jump * (1.0 - rules.cross_side)
    state[k, _H + 1 - side] += jump * rules.cross_side
    if usual > 0.0:
        state[k, _Y] += rules.stirring * rules.clustering_decay / usual
    for i in range(len(impact)):
        moved = state[i, _V] + impact[i, k] * (size if side == _BID else -size)
        state[i, _V] = _round_to(moved, 2.0**16)


def run_day_py(rng: np.random.Generator, rules: Rules, plan: Plan, books: Books, out: Out) -> int:
    """Run one day of K symbols from `empty_books`; see `run`."""
    base, parts, rows, levels = plan.base, len(plan.activity), out.rows, out.levels
    orders, live, grid, book, state = books.orders, books.live, books.grid, books.book, books.state
    symbols = len(base)
    at_start = 1.0 / (rules.informed_decay * (1.0 - math.exp(-rules.period / rules.informed_decay)))
    now, part = -rules.burn_in, -1
    starts, ends = now, 0.0  # of the period; before the first one an empty book fills
    level = plan.activity[0]
    for k in range(symbols):
        book[k, _BEST + _ASK] = GRID - 1
        state[k, _Y] = rules.clustering + rules.stirring
        _update_rates(k, now, level, level * base[k], 0.0, rng, rules, grid, book, state)
    n = 0
    while n < len(rows):
        k = 0
        for i in range(1, symbols):
            if state[i, _NEXT] < state[k, _NEXT]:
                k = i
        at = state[k, _NEXT]
        if ends < at:
            at = ends
        _advance(at - now, level, base, plan.impact, rng, rules, state)
        now = at
        if now >= ends:
            part += 1
            if part == parts:
                break
            starts, ends = now, (part + 1) * rules.period
            if rules.length < ends:
                ends = rules.length
            level = plan.activity[part]
            for i in range(symbols):
                informed = abs(plan.news[part, i]) * plan.informed[i] * at_start
                _update_rates(i, now, level, level * base[i], informed, rng, rules, grid, book, state)
            continue
        news = plan.news[part, k] if part >= 0 else 0
        informed = abs(news) * plan.informed[k] * at_start * math.exp(-(now - starts) / rules.informed_decay)
        # The kind of the candidate is drawn by the rates of the last update. It occurs with the remaining share of its
        # rate.
        pick, kind = rng.random() * state[k, _SUM], 0
        while kind < _INFORMED and pick >= state[k, _RATE + kind]:
            pick -= state[k, _RATE + kind]
            kind += 1
        chance = rng.random()
        written, before = now >= rules.written_from, n
        if kind >= _MARKET:
            side, left = (_BID if news > 0 else _ASK), informed
            if kind < _INFORMED:
                side = kind - _MARKET
                left = state[k, _M + side] * (level * base[k] + state[k, _H + side])
            if chance * state[k, _RATE + kind] < left:
                size = _draw_size(rng, rules.size_scale, rules.large_markets)
                n = _match(n, k, side, size, written, orders, live, grid, book, rows, levels)
                usual = 2.0 * level * base[k] / (1.0 - rules.excitation)
                _apply_market_order(k, side, size, usual, plan.impact, rules, state)
        elif chance * state[k, _SEEN] < _compute_activity(k, level, rules, state):
            if kind < _BETTER:
                state[k, _Y] += rules.clustering * rules.clustering_decay / (2.0 * rules.limit_rate * level)
            if kind < _STALE:
                n = _quote(n, k, kind, written, plan.lowest, rng, rules, orders, live, grid, book, state, rows, levels)
            else:
                n = _cancel(n, k, kind, written, rng, orders, live, grid, book, rows, levels)
        for row in range(before, n):
            out.seconds[row] = now
            out.values[row] = state[k, _V]
        if not plan.lowest < _MIDDLE + state[k, _V] < GRID - 2:
            return OFF_GRID
        _update_rates(k, now, level, level * base[k], informed, rng, rules, grid, book, state)
    return n


run_day = compiled(run_day_py)


def run(rng: np.random.Generator, rules: Rules, plan: Plan, out: Out) -> int:
    """Run one day of K symbols; return the number of rows written, or OFF_GRID. Full buffers end the run."""
    return run_day(rng, rules, plan, empty_books(len(plan.base)), out)


def run_py(rng: np.random.Generator, rules: Rules, plan: Plan, out: Out) -> int:
    """Run `run` as plain Python, its specification."""
    return run_day_py(rng, rules, plan, empty_books(len(plan.base)), out)

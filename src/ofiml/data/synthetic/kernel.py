"""The event loop of the synthetic market: K limit order books with price-time priority around K efficient prices.

`follow_py` is the specification, `follow` its njit. `begin` a day, then `follow` it to a time, `own_order.post` or
`own_order.withdraw` an order of our own, and `follow` it further; `run` is a whole day without such an order.
docs/market.md has the model in full. In short, for symbol i:

- V_i, the efficient price in ticks: dV_i = Σ_j Λ_ij·(dN_j - c_j dt) + σ·sqrt(A_i)·dW_i + (ν·g_i - κ·p_i) dt, with
  N_j the signed volume of the market orders of j and c_j the part of it that base rate, excitation and book predict,
  without informed orders.
- g_i, the private news: it jumps by `news_move` at the start of a period with news, and V learns it at the rate ν.
- p_i, the transient impact in V: all impact but the share `permanent_impact` of it, and it decays at the rate κ.
- A_i = U·(1 - n - s + Y_i), the activity: U is constant within a period, Y_i is excited by arriving limit orders
  (branching ratio n) and by market orders (share s), and decays.
- Quotes, at rates proportional to A_i: limit orders at a distance from V_i, of which private news turns a share to its
  side; better quotes where V_i left room, cancels of quotes that V_i overtook, and cancels of any order.
- Market orders: λ_± = m_±·(U·base + H_±), H excited by market orders, m_± by spread and opposite queue; and informed
  orders on the side of the period's news.

A symbol's rates are constant from one update to the next. Rates that decay in between are thinned, so that times are
drawn exactly.

The model is chaotic in its last bits, which differ between compilers and processors. So waits are multiples of 2^-30 s,
and V is one of 2^-16 ticks: a difference in the last bit is rounded away before it can move an order.
"""

import math

import numpy as np
from numpy.typing import NDArray

from ofiml._numba import compiled
from ofiml.data.synthetic.books import ASK, BEST, BID, GRID, Books, Out, empty_books, match_order
from ofiml.data.synthetic.events import cancel_order, draw_size, place_quote
from ofiml.data.synthetic.own_order import OWN_SLOT, empty_own, note_fill
from ofiml.data.synthetic.rates import (
    BETTER,
    CLOCK_COLUMNS,
    ENDS,
    INFORMED,
    LEVEL,
    MARKET,
    MIDDLE,
    NEXT,
    NOW,
    PART,
    PRIVATE,
    RATE,
    SEEN,
    STALE,
    STARTS,
    SUM,
    TRANSIENT,
    H,
    M,
    Plan,
    Rules,
    V,
    Y,
    advance,
    apply_market_order,
    compute_activity,
    compute_informed,
    update_rates,
)

Int64 = NDArray[np.int64]
Float = NDArray[np.float64]

OFF_GRID = -1  # what `follow` and `run` return when a price leaves the grid


def begin(rng: np.random.Generator, rules: Rules, plan: Plan, books: Books) -> Float:
    """Start a day from `empty_books`; return its clock (CLOCK_COLUMNS,), without fills of ours yet (NaN).

    Plain Python: it is called once a day.
    """
    clock, level = np.full(CLOCK_COLUMNS, np.nan), plan.activity[0]
    clock[NOW] = clock[STARTS] = now = -rules.burn_in
    clock[ENDS], clock[PART], clock[LEVEL] = 0.0, -1, level  # before the first period an empty book fills
    for k in range(len(plan.base)):
        books.book[k, BEST + ASK] = GRID - 1
        books.state[k, Y] = rules.clustering + rules.stirring
        update_rates(k, now, True, level, level * plan.base[k], 0.0, rng, rules, books.grid, books.book, books.state)
    return clock


def _start_period(clock: Float, rng: np.random.Generator, rules: Rules, plan: Plan, books: Books) -> None:
    """Start the next period, now, with its activity and its news."""
    part = int(clock[PART])
    clock[STARTS], clock[ENDS] = clock[NOW], min((part + 1) * rules.period, rules.length)
    level = clock[LEVEL] = plan.activity[part]
    for k in range(len(plan.base)):
        informed = compute_informed(k, clock, rules, plan)
        base = level * plan.base[k]
        books.state[k, PRIVATE] += rules.news_move * plan.news[part, k]
        update_rates(k, clock[NOW], False, level, base, informed, rng, rules, books.grid, books.book, books.state)


def follow_py(
    n: int, until: float, stop_between: bool, clock: Float, own: Int64,
    rng: np.random.Generator, rules: Rules, plan: Plan, books: Books, out: Out,
) -> int:  # fmt: skip
    """Let the market run to the last event at or before `until`; return the next row's number, or OFF_GRID.

    Rows are written from `n` on; full buffers end the run. With `stop_between` it runs to the time `until` itself, so
    that an order can be posted or withdrawn then; this draws other random numbers afterwards. `clock` and our order
    `own` (OWN_COLUMNS,) are kept up to date. Nothing happens after the last period.
    """
    # An array taken from a tuple within the loop would be counted, with two locked instructions each time.
    base, parts, impact, news = plan.base, len(plan.activity), plan.impact, plan.news
    seconds, values, transient, rows, levels = out.seconds, out.values, out.transient, out.rows, out.levels
    orders, live, grid, book, state = books.orders, books.live, books.grid, books.book, books.state
    while n < len(rows) and clock[PART] < parts:
        k = 0
        for i in range(1, len(base)):
            if state[i, NEXT] < state[k, NEXT]:
                k = i
        at = state[k, NEXT]
        if clock[ENDS] < at:
            at = clock[ENDS]
        stop = at > until
        if stop:
            if not stop_between:
                break
            at = until
        level = clock[LEVEL]
        advance(at - clock[NOW], level, base, impact, rng, rules, state)
        now = clock[NOW] = at
        if stop:
            break
        if now >= clock[ENDS]:
            clock[PART] += 1
            if clock[PART] < parts:
                _start_period(clock, rng, rules, plan, books)
            continue
        informed = compute_informed(k, clock, rules, plan)
        # The kind of the candidate is drawn by the rates of the last update. It occurs with the remaining share of its
        # rate.
        pick, kind = rng.random() * state[k, SUM], 0
        while kind < INFORMED and pick >= state[k, RATE + kind]:
            pick -= state[k, RATE + kind]
            kind += 1
        chance = rng.random()
        written, before = now >= rules.written_from, n
        if kind >= MARKET:
            side, left = kind - MARKET, informed
            if kind < INFORMED:
                left = state[k, M + side] * (level * base[k] + state[k, H + side])
            else:
                side = BID if clock[PART] >= 0 and news[int(clock[PART]), k] > 0 else ASK
            if chance * state[k, RATE + kind] < left:
                size = draw_size(rng, rules.size_scale, rules.large_markets)
                n = match_order(n, k, side, size, written, orders, live, grid, book, rows, levels)
                usual = 2.0 * level * base[k] / (1.0 - rules.excitation)
                apply_market_order(k, side, size, usual, impact, rules, state)
                if k == 0 and own[OWN_SLOT] >= 0:
                    note_fill(now, own, clock, orders, live, book)
        elif chance * state[k, SEEN] < compute_activity(k, level, rules, state):
            if kind < BETTER:
                state[k, Y] += rules.clustering * rules.clustering_decay / (2.0 * rules.limit_rate * level)
            if kind < STALE:
                n = place_quote(
                    n, k, kind, written, plan.lowest, rng, rules, orders, live, grid, book, state, rows, levels
                )
            else:
                slot = own[OWN_SLOT] if k == 0 else -1
                n = cancel_order(n, k, kind, written, slot, rng, orders, live, grid, book, rows, levels)
        for row in range(before, n):
            seconds[row] = now
            values[row], transient[row] = state[k, V], state[k, TRANSIENT]
        if not plan.lowest < MIDDLE + state[k, V] < GRID - 2:
            return OFF_GRID
        changed = n > before or not written
        update_rates(k, now, changed, level, level * base[k], informed, rng, rules, grid, book, state)
    return n


follow = compiled(follow_py)


def run(rng: np.random.Generator, rules: Rules, plan: Plan, out: Out) -> int:
    """Run one day of K symbols; return the number of rows written, or OFF_GRID. Full buffers end the run."""
    books = empty_books(len(plan.base))
    clock = begin(rng, rules, plan, books)
    return follow(0, math.inf, False, clock, empty_own(), rng, rules, plan, books, out)

"""Execution on a recorded book, written a second time: one trader, plain objects, a queue of things to happen.

It follows the rules of the event loop in words, not its code, and is slow. `simulate` returns orders and fills. Times
are ns: the market's and the orders' on the exchange's clock, decisions on the receipt clock. Where the rules leave a
choice, the comment "choice" says what is chosen.
"""

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from ofiml.data.schema import Session
from tests.oracle.messages import ASK, BID, Clear, Level, Message, Trade, list_messages

Queue = Literal["through", "touch", "pessimistic", "proportional", "power", "exact"]
Reason = Literal["SIGNAL", "EXPIRED", "STOP", "TAKE_PROFIT", "CLOSE", "LOSS_LIMIT", "QUOTE"]
Status = Literal["", "FILLED", "PARTLY", "CANCELLED", "REJECTED", "EXPIRED", "LATE"]
NEVER = 2**62

# What happens at the same time, in this order.
_MESSAGE, _ARRIVAL, _FATE, _RECEIPT, _DECISION, _CLOSE = range(6)


@dataclass(frozen=True)
class Decision:
    """What is wanted from `time` on; prices of quotes in 1e-9, sizes in lots."""

    time: int
    kind: Literal["HOLD", "TARGET", "QUOTE"]
    target: int = 0
    until: int = NEVER
    bid: int = 0
    bid_size: int = 0
    ask: int = 0
    ask_size: int = 0


@dataclass(frozen=True)
class Limits:
    """The limits of risk: see the event loop. `loss` is in the money of `Money`."""

    cap: int = 1
    stop: int = 0
    take: int = 0
    flat_from: int = NEVER
    loss: float = math.inf
    post: bool = False


@dataclass(frozen=True)
class Money:
    """The value of one tick of one lot, and the fees of a lot."""

    tick: Fraction = Fraction(1)
    taker: Fraction = Fraction(0)
    maker: Fraction = Fraction(0)


@dataclass(frozen=True)
class Scenario:
    """How the market treats our orders. `latency(order number, time)` is in ns."""

    latency: Callable[[int, int], int] = lambda number, time: 0
    response: int = 0
    queue: Queue = "pessimistic"
    power: float = 1.0
    remainder: Literal["cancel", "rest"] = "cancel"
    share_of_shown: float = 1.0
    share_of_traded: float = 1.0


@dataclass
class Order:
    """An order: `side` 1 buys, `price` None is marketable; `ahead` lots of others stand before it once it rests."""

    id: int
    side: int
    lots: int
    price: int | None
    reason: Reason
    decided: int
    arrived: int
    mid2_decided: int | None
    post: bool = False
    filled: int = 0
    known_filled: int = 0
    status: Status = ""
    ended: int = -1
    resting: bool = False
    cancelling: bool = False
    closing: bool = False
    ahead: float = 0.0
    ahead_at_join: float | None = None
    mid2_arrived: int | None = None

    @property
    def left(self) -> int:
        return self.lots - self.filled


@dataclass(frozen=True)
class Fill:
    """A fill of `lots` (signed) at tick index `price`; `touch` as in the event loop."""

    order: int
    time: int
    known: int
    price: int
    lots: int
    maker: bool
    touch: int
    mid2_decided: int | None
    mid2_arrived: int | None
    mid2_filled: int | None


@dataclass
class Outcome:
    """All orders and fills of a session; `beyond_shown` lots were closed deeper than the book shows."""

    orders: list[Order]
    fills: list[Fill]
    beyond_shown: int = 0

    @property
    def position(self) -> int:
        return sum(fill.lots for fill in self.fills)


@dataclass
class Exchange:
    """The recorded book, and our orders in it, which do not change it."""

    scenario: Scenario
    report: Callable[[Order, int, int, int, bool, int], None]  # of a fill: order, time, price, lots, maker, touch
    end: Callable[[Order, int, Status], None]
    message: Message | None = None
    seen: dict[int, dict[int, int]] = field(default_factory=lambda: {BID: {}, ASK: {}})
    pending: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    resting: list[Order] = field(default_factory=list)
    waiting: list[Order] = field(default_factory=list)

    # --- the market acts ---

    def apply(self, message: Message) -> None:
        """Let the market do what the message says; fills of our orders are stamped with the book after it."""
        earned: list[tuple[Order, int]] = []
        for change in message.changes:
            if isinstance(change, Trade):
                self._trade(change, message, earned)
            elif isinstance(change, Clear):
                self.seen = {BID: {}, ASK: {}}
                self.pending.clear()
            else:
                self._set_level(change, message)
        self.message = message
        for order, lots in earned:
            self._fill_maker(order, lots, message.exchange)
        if message.tradable:
            self._meet_opposite(message)
            waiting, self.waiting = self.waiting, []
            for order in waiting:
                self._meet_book(order, message.exchange)

    def _in_priority(self, side: int) -> list[Order]:
        """Our resting orders of a side, best price first, then first come; the sort is stable."""
        return sorted((o for o in self.resting if o.side == side), key=lambda o: -side * o.price)

    def _trade(self, trade: Trade, message: Message, earned: list[tuple[Order, int]]) -> None:
        for side in (BID, ASK):
            if trade.side == side:  # our order of the aggressor's own side
                continue
            # Choice: an off-tick print reaches the next tick on the aggressor's worse side, as the tape rounds it.
            reached = trade.low if side == BID else trade.high
            if trade.low == trade.high:
                held = self.pending.get((side, reached))
                before = held[1] if held and held[0] == message.exchange else 0
                self.pending[side, reached] = [message.exchange, before + trade.size]
            promised = {id(o): 0 for o in self.resting}
            for order, lots in earned:
                promised[id(order)] += lots
            budget, taken = math.floor(self.scenario.share_of_traded * trade.size), 0
            for order in self._in_priority(side):
                beyond = side * (order.price - reached)  # > 0: the print went through our price
                if beyond < 0:
                    continue
                left, lots = order.left - promised[id(order)], 0
                if self.scenario.queue == "touch":
                    lots = left
                elif beyond > 0:
                    order.ahead = 0.0
                    lots = min(left, budget - taken)
                elif self.scenario.queue != "through":
                    volume = trade.size - taken
                    lots = max(0, min(left, math.floor(volume - order.ahead + 1e-9), budget - taken))
                    order.ahead = max(0.0, order.ahead - volume)
                if not message.tradable:
                    continue
                if lots > 0:
                    earned.append((order, lots))
                    if self.scenario.queue != "touch":
                        taken += lots

    def _set_level(self, level: Level, message: Message) -> None:
        """Change a level; what it lost beyond what traded at this time was cancelled."""
        before = self.seen[level.side].get(level.price)
        self.seen[level.side][level.price] = level.size
        cancelled = 0
        if before is not None and level.size < before:
            cancelled = before - level.size
            held = self.pending.get((level.side, level.price))
            # Choice: a trade explains decreases at its own exchange time only, in its message or in a later one.
            if held and held[0] == message.exchange:
                traded = min(held[1], cancelled)
                held[1] -= traded
                cancelled -= traded
                before -= traded
        for order in self.resting:
            if (order.side, order.price) != (level.side, level.price):
                continue
            if cancelled:
                order.ahead -= self._ahead_share(order, before, cancelled, level.order_time)
            order.ahead = min(max(order.ahead, 0.0), level.size)

    def _ahead_share(self, order: Order, size: int, cancelled: int, order_time: int | None) -> float:
        """How many of the cancelled lots stood ahead of our order at a level of `size`."""
        ahead, behind = order.ahead, max(size - order.ahead, 0.0)
        model = self.scenario.queue
        if model == "proportional" or model == "power":
            n = self.scenario.power if model == "power" else 1.0
            weights = ahead**n, behind**n
            return cancelled * weights[0] / sum(weights) if sum(weights) > 0 else 0.0
        if model == "exact":  # Choice: an order of unknown time is older than ours.
            return float(cancelled) if order_time is None or order_time <= order.arrived else 0.0
        return 0.0

    def _meet_opposite(self, message: Message) -> None:
        """Fill resting orders that the opposite best quote reaches, at their price, with what is shown there."""
        for side in (BID, ASK):
            taken = 0
            for order in self._in_priority(side):
                shown = sum(self._part(q) for p, q in message.book[-side].items() if side * (order.price - p) >= 0)
                if shown == 0:
                    continue
                lots = order.left if self.scenario.queue == "touch" else min(order.left, shown - taken)
                if lots > 0:
                    taken += lots
                    self._fill_maker(order, lots, message.exchange)

    def _part(self, shown: int) -> int:
        return math.floor(self.scenario.share_of_shown * shown)

    # --- we act ---

    def arrive(self, order: Order, now: int) -> None:
        """Receive an order: it meets the book, or waits until the market trades."""
        order.mid2_arrived = self.message.mid2() if self.message else None
        if self.message is None or not self.message.tradable:
            self.waiting.append(order)
        else:
            self._meet_book(order, now)

    def cancel(self, order: Order, now: int) -> None:
        """Receive a cancel; it is too late for an order that has ended."""
        if order.status:
            return
        self._stop(order, now, "PARTLY" if order.filled else "CANCELLED")

    def expire(self, now: int) -> None:
        """End all open orders at the session's close."""
        for order in [*self.resting, *self.waiting]:
            self._stop(order, now, "PARTLY" if order.filled else "EXPIRED")

    def _stop(self, order: Order, now: int, status: Status) -> None:
        self.resting = [o for o in self.resting if o is not order]
        self.waiting = [o for o in self.waiting if o is not order]
        order.resting = False
        self.end(order, now, status)

    def _meet_book(self, order: Order, now: int) -> None:
        assert self.message is not None
        if order.price is not None:
            opposite = self.message.best(-order.side)
            if opposite is not None and order.side * (order.price - opposite) >= 0:
                self._stop(order, now, "REJECTED")
            else:
                self._rest(order, order.price)
            return
        touch, price = self.message.best(-order.side), None
        for price_, size in sorted(self.message.book[-order.side].items(), key=lambda level: order.side * level[0]):
            lots = min(order.left, self._part(size))
            if lots > 0:
                price = price_
                order.filled += lots
                self.report(order, now, price, order.side * lots, False, touch)
            if order.left == 0:
                self._stop(order, now, "FILLED")
                return
        if self.scenario.remainder == "rest" and price is not None:
            self._rest(order, price)
        else:
            self._stop(order, now, "PARTLY" if order.filled else "CANCELLED")

    def _rest(self, order: Order, price: int) -> None:
        order.price, order.resting = price, True
        order.ahead = order.ahead_at_join = float(self.seen[order.side].get(price, 0))
        self.resting.append(order)

    def _fill_maker(self, order: Order, lots: int, now: int) -> None:
        order.filled += lots
        self.report(order, now, order.price, order.side * lots, True, order.price)
        if order.left == 0:
            self._stop(order, now, "FILLED")


class Trader:
    """What we know and do: known fills, known market, orders whose end is not known yet."""

    def __init__(
        self, session: Session, decisions: Sequence[Decision], limits: Limits, scenario: Scenario, money: Money,
        messages: Sequence[Message],
    ) -> None:  # fmt: skip
        self.session, self.limits, self.scenario, self.money = session, limits, scenario, money
        self.exchange = Exchange(scenario, self._report, self._end)
        self.outcome = Outcome([], [])
        self.market: Message | None = None
        self.outstanding: list[Order] = []
        self.position, self.entry, self.cash = 0, Fraction(0), Fraction(0)
        self.until, self.stopped = NEVER, False
        self.agenda: list[tuple[int, int, int, Callable[[int], None]]] = []
        self.now, self.count = -(2**62), 0
        self.two_sided: Message | None = None
        for message in messages:
            if message.exchange <= session.close:
                self._plan(message.exchange, _MESSAGE, lambda now, m=message: self._on_message(m))
            if message.receipt <= session.close:
                self._plan(message.receipt, _RECEIPT, lambda now, m=message: self._on_receipt(m, now))
        for decision in decisions:
            if decision.time <= session.close:
                self._plan(decision.time, _DECISION, lambda now, d=decision: self._decide(d, now))
        self._plan(session.close, _CLOSE, self._close)

    def run(self) -> Outcome:
        """Run the session."""
        while self.agenda:
            time, kind, _, act = heapq.heappop(self.agenda)
            self.now = time
            act(time)
            if kind == _CLOSE:
                break
        return self.outcome

    def _plan(self, time: int, kind: int, act: Callable[[int], None]) -> None:
        heapq.heappush(self.agenda, (time, kind, self.count, act))
        self.count += 1

    # --- what reaches us ---

    def _on_message(self, message: Message) -> None:
        self.exchange.apply(message)
        if message.mid2() is not None and message.best(BID) < message.best(ASK):
            self.two_sided = message

    def _report(self, order: Order, time: int, price: int, lots: int, maker: bool, touch: int) -> None:
        mid2 = self.exchange.message.mid2()
        known = time + self.scenario.response
        fill = Fill(order.id, time, known, price, lots, maker, touch, order.mid2_decided, order.mid2_arrived, mid2)
        self.outcome.fills.append(fill)
        self._plan(known, _FATE, lambda now: self._learn_fill(order, fill))

    def _end(self, order: Order, time: int, status: Status) -> None:
        order.status, order.ended = status, time
        self._plan(time + self.scenario.response, _FATE, lambda now: self.outstanding.remove(order))

    def _learn_fill(self, order: Order, fill: Fill) -> None:
        order.known_filled += abs(fill.lots)
        fee = self.money.maker if fill.maker else self.money.taker
        self.cash -= fill.lots * fill.price * self.money.tick + abs(fill.lots) * fee
        after = self.position + fill.lots
        if self.position * fill.lots >= 0:  # the average of the entries
            self.entry = (self.entry * abs(self.position) + Fraction(fill.price * abs(fill.lots))) / abs(after)
        elif self.position * after < 0:  # through zero
            self.entry = Fraction(fill.price)
        self.position = after

    def _on_receipt(self, message: Message, now: int) -> None:
        self.market = message
        self._watch(now)

    # --- what we do ---

    def _watch(self, now: int) -> bool:
        """Look at the limits; return whether they rule out anything but closing."""
        limits, closing = self.limits, None
        if self.position and self.market:
            closing = self.market.best(BID if self.position > 0 else ASK)
        worth = None
        if self.position == 0:
            worth = self.cash
        elif closing is not None:
            worth = self.cash + self.position * closing * self.money.tick
        if worth is not None and worth < -limits.loss:
            self.stopped = True
        if self.stopped:
            self._flatten(now, "LOSS_LIMIT")
            return True
        if now >= limits.flat_from:
            self._flatten(now, "CLOSE")
            return True
        if closing is not None:
            gain = (closing - self.entry) * (1 if self.position > 0 else -1)
            if limits.stop and gain <= -limits.stop:
                self._flatten(now, "STOP")
            elif limits.take and gain >= limits.take:
                self._flatten(now, "TAKE_PROFIT")
        return False

    def _flatten(self, now: int, reason: Reason) -> None:
        """Cancel what is open and close the known position.

        Choice: an order that could close it on its own is waited for until its end is known, so that the position
        cannot go through zero; an entry's cancel and the closing order leave together.
        """
        side = -1 if self.position > 0 else 1
        for order in self.outstanding:
            if not order.closing and not (order.price is None and order.side == side):
                self._cancel(order, now)
        if self.position and not any(order.side == side for order in self.outstanding):
            self._send(now, -self.position, None, reason, closing=True)

    def _decide(self, decision: Decision, now: int) -> None:
        if self._watch(now):
            return
        if decision.kind == "QUOTE":
            if any(order.closing for order in self.outstanding):
                return
            self._quote(BID, decision.bid // self.session.tick, decision.bid_size, now)
            self._quote(ASK, -(-decision.ask // self.session.tick), decision.ask_size, now)
            return
        expired = now >= self.until
        if decision.kind == "HOLD" or self.outstanding:
            # Choice: an entry that still rests at the end of its holding time is cancelled, and what it got is closed.
            if expired and (self.position or self.outstanding):
                self._flatten(now, "EXPIRED")
            return
        self.until = decision.until
        cap = self.limits.cap
        lots = min(max(decision.target, -cap), cap) - self.position
        if lots == 0:
            return
        exits = self.position * lots < 0
        if not self.limits.post:
            self._send(now, lots, None, "SIGNAL", closing=exits)
        elif exits:  # Choice: a reversal closes first; its entry is for a later decision.
            self._send(now, int(math.copysign(min(abs(lots), abs(self.position)), lots)), None, "SIGNAL", closing=True)
        else:
            near = self.market.best(BID if lots > 0 else ASK) if self.market else None
            if near is not None:
                self._send(now, lots, near, "SIGNAL")

    def _quote(self, side: int, price: int, size: int, now: int) -> None:
        """Have a quote of at most `size` lots at `price`; one that is there already keeps its place."""
        open_ = [o for o in self.outstanding if o.side == side]
        for order in open_:
            keeps = size > 0 and order.price == price and order.lots - order.known_filled <= size
            if keeps and not order.cancelling:
                return
        for order in open_:
            self._cancel(order, now)
        # Choice: an order on its way out may still fill, so it counts against the cap until its end is known.
        exposure = side * self.position + sum(o.lots - o.known_filled for o in open_)
        lots = min(size, self.limits.cap - exposure)
        if lots > 0:
            self._send(now, side * lots, price, "QUOTE")

    def _send(self, now: int, lots: int, price: int | None, reason: Reason, *, closing: bool = False) -> None:
        number = len(self.outcome.orders)
        arrival = now + self.scenario.latency(number, now)
        mid2 = self.market.mid2() if self.market else None
        order = Order(
            number, 1 if lots > 0 else -1, abs(lots), price, reason, now, arrival, mid2,
            post=price is not None, closing=closing,
        )  # fmt: skip
        self.outcome.orders.append(order)
        self.outstanding.append(order)
        if arrival > self.session.close:
            order.status, order.ended = "LATE", arrival
        else:
            self._plan(arrival, _ARRIVAL, lambda at: self.exchange.arrive(order, at))

    def _cancel(self, order: Order, now: int) -> None:
        """Send a cancel, once; it travels as long as its order did."""
        if order.cancelling:
            return
        order.cancelling = True
        delay = self.scenario.latency(order.id, order.decided)
        self._plan(max(now + delay, order.arrived), _ARRIVAL, lambda at: self.exchange.cancel(order, at))

    def _close(self, now: int) -> None:
        """Expire all orders, and close the true position at the last two-sided book."""
        self.exchange.expire(now)
        left = -self.outcome.position
        if left == 0 or self.two_sided is None:
            return
        book, side = self.two_sided, 1 if left > 0 else -1
        mid2, touch = book.mid2(), book.best(-side)
        order = Order(len(self.outcome.orders), side, abs(left), None, "CLOSE", now, now, mid2, closing=True)
        order.mid2_arrived, order.status, order.ended, order.filled = mid2, "FILLED", now, abs(left)
        self.outcome.orders.append(order)
        levels, rest = sorted(book.book[-side].items(), key=lambda level: side * level[0]), abs(left)
        for i, (price, size) in enumerate(levels):
            lots = min(rest, size)
            if i == len(levels) - 1:
                self.outcome.beyond_shown += rest - lots
                lots = rest
            rest -= lots
            if lots:
                fill = Fill(order.id, now, now, price, side * lots, False, touch, mid2, mid2, mid2)
                self.outcome.fills.append(fill)


def simulate(
    session: Session,
    decisions: Sequence[Decision],
    limits: Limits = Limits(),
    scenario: Scenario = Scenario(),
    money: Money = Money(),
    messages: Sequence[Message] | None = None,
) -> Outcome:
    """Trade one session: the decisions, under the limits, in the scenario. `messages` are those of the session."""
    return Trader(
        session, decisions, limits, scenario, money, list_messages(session) if messages is None else messages
    ).run()

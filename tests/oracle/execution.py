"""Execution on a recorded book, written a second time: one trader, plain objects, a queue of things to happen.

It follows the rules of the event loop in words, not its code, and is slow. `simulate` returns orders and fills. Times
are ns: the market's and the orders' on the exchange's clock, decisions on the receipt clock.
"""

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal

from ofiml.data.schema import Session
from tests.oracle.messages import ASK, BID, Clear, Level, Message, Trade, list_messages

Queue = Literal["through", "touch", "pessimistic", "proportional", "power", "exact"]
Reason = Literal["SIGNAL", "EXPIRED", "STOP", "TAKE_PROFIT", "CLOSE", "LOSS_LIMIT", "QUOTE"]
Status = Literal["", "FILLED", "PARTLY", "CANCELLED", "REJECTED", "EXPIRED", "LATE"]
NEVER = 2**62
REMEMBERED = 256  # of prices so many ticks apart only the last is remembered at which we took lots

# What happens at the same time, in this order. What a request or a decision brings about at once comes after it.
_MESSAGE, _RECEIPT, _ARRIVAL, _FATE, _FLAT, _DECISION, _CLOSE = range(7)


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
    """How the market treats our orders. `latency(number of the request, time)` is in ns."""

    latency: Callable[[int, int], int] = lambda number, time: 0
    response: int = 0
    queue: Queue = "pessimistic"
    power: float = 1.0
    remainder: Literal["cancel", "rest"] = "cancel"
    share_of_shown: float = 1.0
    share_of_traded: float = 1.0


@dataclass
class Order:
    """An order: `side` 1 buys, `price` None is marketable; `ahead` lots of others stand before it once it rests.

    `replaces` is the order that this one replaces, `base` what was known to be filled of it then, and `asked` the lots
    asked for. `prints` are the lots that traded at its price and are still shown, `printed` the time of the last one.
    """

    id: int
    side: int
    lots: int
    price: int | None
    reason: Reason
    decided: int
    mid2_decided: int | None
    post: bool = False
    asked: int = 0
    replaces: "Order | None" = None
    base: int = 0
    arrived: int | None = None
    filled: int = 0
    known_filled: int = 0
    status: Status = ""
    ended: int = -1
    resting: bool = False
    cancelling: bool = False
    ahead: float = 0.0
    ahead_at_join: float | None = None
    mid2_arrived: int | None = None
    prints: int = 0
    printed: int = 0
    shown_since: bool = False

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
    mid2: int | None = None  # of the last book with two sides
    seen: dict[int, dict[int, int]] = field(default_factory=lambda: {BID: {}, ASK: {}})
    taken: dict[int, dict[int, int]] = field(default_factory=dict)  # side -> price -> lots
    resting: list[Order] = field(default_factory=list)
    waiting: list[Order] = field(default_factory=list)

    # --- the market acts ---

    def apply(self, message: Message) -> None:
        """Let the market do what the message says; fills of our orders are stamped with the mid before it."""
        now = message.exchange
        fills = message.tradable and self.message is not None and self.message.tradable
        for change in message.changes:
            if isinstance(change, Clear):
                self.seen = {BID: {}, ASK: {}}
            elif isinstance(change, Level):
                self._set_level(change, now)
            elif fills:  # what trades in an auction, a halt or a crossed book fills no order, nor moves its queue
                self._trade(change, now)
        self._forget_taken(message)
        if message.tradable:
            self._meet_opposite(message)
        for order in self.resting:
            if order.shown_since and now > order.printed:
                order.prints = 0
            order.shown_since = False
        self.message, self.mid2 = message, self.mid2 if message.mid2() is None else message.mid2()
        if message.tradable:
            waiting, self.waiting = self.waiting, []
            for order in waiting:
                self._meet_book(order, now)

    def _in_priority(self, side: int) -> list[Order]:
        """Our resting orders of a side, best price first, then first come; the sort is stable."""
        return sorted((o for o in self.resting if o.side == side), key=lambda o: -side * o.price)

    def _trade(self, trade: Trade, now: int) -> None:
        for side in (BID, ASK):
            if trade.side == side:  # our order of the aggressor's own side
                continue
            # An off-tick print reaches the ticks that it passed, and not the next one.
            reached = trade.high if side == BID else trade.low
            ours = math.floor(self.scenario.share_of_traded * trade.size + 1e-9)
            given = 0
            for order in self._in_priority(side):
                beyond = side * (order.price - reached)  # > 0: the print went through our price
                if beyond < 0:
                    continue
                lots = 0
                if self.scenario.queue == "touch":
                    lots = order.left
                elif beyond > 0:
                    order.ahead = 0.0
                    lots = min(order.left, ours - given)
                elif self.scenario.queue != "through":
                    volume = trade.size - given
                    lots = min(order.left, ours - given, math.floor(trade.size - order.ahead + 1e-9) - given)
                    order.ahead = max(0.0, order.ahead - volume)
                    order.prints += trade.size
                    order.printed = now
                if lots > 0:
                    given += lots
                    self._fill_maker(order, lots, now)

    def _set_level(self, level: Level, now: int) -> None:
        """Change a level; what it lost beyond what traded there was cancelled.

        Prints explain decreases at their own exchange time, and in the first later message that changes the level, as
        feeds of levels are behind their prints. A cancel of a known order in a later message is one.
        """
        before = self.seen[level.side].get(level.price, 0)
        self.seen[level.side][level.price] = level.size
        for order in self.resting:
            if (order.side, order.price) != (level.side, level.price):
                continue
            order.shown_since = True
            if before > level.size and self.scenario.queue not in ("through", "touch"):
                known = self.scenario.queue == "exact" and level.order_time is not None
                traded = 0 if known and now > order.printed else min(order.prints, before - level.size)
                order.prints -= traded
                cancelled, size = before - level.size - traded, before - traded
                if cancelled > 0 and order.ahead > 0:
                    order.ahead -= self._ahead_share(order, size, cancelled, level.order_time)
            order.ahead = min(max(order.ahead, 0.0), level.size)

    def _ahead_share(self, order: Order, size: int, cancelled: int, order_time: int | None) -> float:
        """How many of the cancelled lots stood ahead of our order at a level of `size`."""
        ahead, behind = order.ahead, max(size - order.ahead, 0.0)
        model = self.scenario.queue
        if model == "pessimistic":
            return 0.0
        if model == "exact" and order_time is not None:
            return float(cancelled) if order_time <= order.arrived else 0.0
        n = self.scenario.power if model == "power" else 1.0
        weights = ahead**n, behind**n
        return cancelled * weights[0] / sum(weights)

    def _meet_opposite(self, message: Message) -> None:
        """Fill resting orders that the opposite best quote reaches, at their price, with what is shown up to it."""
        for side in (BID, ASK):
            touch = message.best(-side)
            for order in self._in_priority(side):
                if touch is None or side * (order.price - touch) < 0:
                    continue
                if self.scenario.queue == "touch":
                    self._fill_maker(order, order.left, message.exchange)
                    continue
                got = sum(lots for _, lots in self._walk(-side, message, order.left, order.price))
                if got:
                    self._fill_maker(order, got, message.exchange)

    # What we took of a level is not there again before the best price of its side has passed it.

    def _walk(self, side: int, message: Message, wanted: int, limit: int | None = None) -> Iterator[tuple[int, int]]:
        """Take lots of a side from its best price on, as far as they are our part and we have not taken them."""
        for price, size in sorted(message.book[side].items(), key=lambda level: -side * level[0]):
            if wanted == 0 or (limit is not None and side * price < side * limit):
                return
            part = math.floor(self.scenario.share_of_shown * size + 1e-9)
            taken = self.taken.setdefault(side, {})
            taken[price] = min(taken.get(price, 0), part)
            lots = min(wanted, part - taken[price])
            if lots > 0:
                for other in [p for p in taken if p != price and (p - price) % REMEMBERED == 0]:
                    del taken[other]
                taken[price] += lots
                wanted -= lots
                yield price, lots

    def _forget_taken(self, message: Message) -> None:
        for side, taken in self.taken.items():
            best = message.best(side)
            for price in list(taken):
                if best is None or side * best < side * price:
                    del taken[price]

    # --- we act ---

    def arrive(self, order: Order, now: int) -> None:
        """Receive an order: it meets the book, or waits until the market trades."""
        order.arrived, order.mid2_arrived = now, self.mid2
        if order.replaces is not None:
            order.lots = max(0, order.asked - (order.replaces.filled - order.base))
            if order.lots == 0:  # all of it was filled before
                order.lots = order.asked
                self._stop(order, now, "CANCELLED")
                return
        if self.message is None or not self.message.tradable:
            self.waiting.append(order)
        else:
            self._meet_book(order, now)

    def cancel(self, order: Order, now: int) -> None:
        """Receive a cancel; it is too late for an order that has ended."""
        if not order.status:
            self._stop(order, now, "CANCELLED")

    def expire(self, now: int) -> None:
        """End all open orders at the session's close."""
        for order in [*self.resting, *self.waiting]:
            self._stop(order, now, "EXPIRED")

    def _stop(self, order: Order, now: int, status: Status) -> None:
        """End an order; `status` is that of an order without a fill."""
        self.resting = [o for o in self.resting if o is not order]
        self.waiting = [o for o in self.waiting if o is not order]
        order.resting = False
        self.end(order, now, "FILLED" if order.left == 0 else "PARTLY" if order.filled else status)

    def _meet_book(self, order: Order, now: int) -> None:
        assert self.message is not None
        touch = self.message.best(-order.side)
        if order.price is not None:
            if touch is not None and order.side * (order.price - touch) >= 0:
                self._stop(order, now, "REJECTED")
            else:
                self._rest(order, order.price)
            return
        worst = None
        for price, lots in self._walk(-order.side, self.message, order.left):
            worst = price
            order.filled += lots
            self.report(order, now, price, order.side * lots, False, touch)
        # What is left of an order that has to get out never rests.
        rests = self.scenario.remainder == "rest" and order.reason in ("SIGNAL", "EXPIRED")
        if order.left and rests and worst is not None:
            self._rest(order, worst)
        else:
            self._stop(order, now, "CANCELLED")

    def _rest(self, order: Order, price: int) -> None:
        order.price, order.resting = price, True
        order.ahead = order.ahead_at_join = float(self.seen[order.side].get(price, 0))
        self.resting.append(order)

    def _fill_maker(self, order: Order, lots: int, now: int) -> None:
        order.filled += lots
        self.report(order, now, order.price, order.side * lots, True, order.price)
        if order.left == 0:
            self._stop(order, now, "FILLED")


# A trader's orders by what they are for: a posted order a side and its replacement, and a marketable one.
_BID, _ASK, _MARKET, _NEW_BID, _NEW_ASK = "bid", "ask", "market", "new bid", "new ask"
_POSTED = {BID: (_BID, _NEW_BID), ASK: (_ASK, _NEW_ASK)}


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
        self.market_mid2: int | None = None
        self.received = self.tried = 0
        self.open: dict[str, Order] = {}
        self.fates: list[tuple[int, Fill | Order]] = []
        self.position, self.entry, self.cash = 0, Fraction(0), Fraction(0)
        self.until, self.stopped, self.closing = NEVER, False, False
        self.leaving: Reason | None = None
        self.requests, self.last_arrival = 0, -(2**62)
        self.agenda: list[tuple[int, int, int, Callable[[int], None]]] = []
        self.count = 0
        self.books: list[Message] = []
        for message in messages:
            if message.exchange <= session.close:
                self._plan(message.exchange, _MESSAGE, lambda now, m=message: self._on_message(m))
            if message.receipt <= session.close:
                self._plan(message.receipt, _RECEIPT, lambda now, m=message: self._on_receipt(m, now))
        at: dict[int, list[Decision]] = {}
        for decision in decisions:
            at.setdefault(decision.time, []).append(decision)
        for time, several in at.items():
            self._plan(time, _DECISION, lambda now, d=several: [self._decide(one, now) for one in d])
        self._plan(limits.flat_from, _FLAT, self._start_closing)
        self._plan(session.close, _CLOSE, self._close)

    def run(self) -> Outcome:
        """Run the session."""
        while self.agenda:
            time, kind, _, act = heapq.heappop(self.agenda)
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
        if message.mid2() is not None:
            self.books.append(message)

    def _report(self, order: Order, time: int, price: int, lots: int, maker: bool, touch: int) -> None:
        known = time + self.scenario.response
        mids = order.mid2_decided, order.mid2_arrived, self.exchange.mid2
        fill = Fill(order.id, time, known, price, lots, maker, touch, *mids)
        self.outcome.fills.append(fill)
        self.fates.append((known, fill))
        self._plan(known, _FATE, self._learn)

    def _end(self, order: Order, time: int, status: Status) -> None:
        order.status, order.ended = status, time
        self.fates.append((time + self.scenario.response, order))
        self._plan(time + self.scenario.response, _FATE, self._learn)

    def _learn(self, now: int) -> None:
        """Learn all that is known by now of fills and ends, and look at the limits if there was anything."""
        known = [fate for time, fate in self.fates if time <= now]
        self.fates = [(time, fate) for time, fate in self.fates if time > now]
        for fate in known:
            if isinstance(fate, Fill):
                self._learn_fill(fate)
            else:
                self.open = {name: order for name, order in self.open.items() if order is not fate}
        for name, new in _POSTED.values():
            if name not in self.open and new in self.open:
                self.open[name] = self.open.pop(new)
        if known:
            self._watch(now)

    def _learn_fill(self, fill: Fill) -> None:
        self.outcome.orders[fill.order].known_filled += abs(fill.lots)
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
        self.received += 1
        self.market_mid2 = self.market_mid2 if message.mid2() is None else message.mid2()
        self._watch(now)

    def _best(self, side: int) -> int | None:
        return self.market.best(side) if self.market else None

    # --- limits ---

    def _start_closing(self, now: int) -> None:
        self.closing = True
        if self.leaving is None and self.open:
            self.leaving = "CLOSE"
        self._watch(now)

    def _watch(self, now: int) -> None:
        """Look at the limits; once one of them is reached we leave, until we are flat and have no order."""
        limits, quote = self.limits, self._best(BID if self.position > 0 else ASK)
        if self.position == 0 or quote is not None:
            worth = self.cash + (self.position * quote * self.money.tick if self.position else 0)
            if not self.stopped and worth < -limits.loss:
                self.stopped, self.leaving = True, "LOSS_LIMIT"
        if self.leaving is None and self.position and quote is not None:
            gain = (quote - self.entry) * (1 if self.position > 0 else -1)
            if limits.stop and gain <= -limits.stop:
                self.leaving = "STOP"
            elif limits.take and gain >= limits.take:
                self.leaving = "TAKE_PROFIT"
        if self.leaving is None and self.position and self.closing:
            self.leaving = "CLOSE"
        if self.leaving is not None and now < self.session.close:
            self._leave(now)

    def _leave(self, now: int) -> None:
        """Cancel what may rest, and sell or buy what we know to have: one try for each book that we receive.

        The order leaves with the cancels. Both may be filled, which the next one makes good.
        """
        idle = not self.open
        for name in (_BID, _ASK, _MARKET, _NEW_BID, _NEW_ASK):
            order = self.open.get(name)
            if order and (order.post or (order.price is not None and self._has_arrived(order, now))):
                self._cancel(order, now)
        if self.position == 0:
            self.leaving = None if idle else self.leaving
            return
        side = -1 if self.position > 0 else 1
        lots = min(abs(self.position), self._find_room(side, (), now))
        if _MARKET not in self.open and self._best(-side) is not None and lots > 0 and self.tried != self.received:
            self.tried = self.received
            self._send(now, _MARKET, side * lots, None, self.leaving)

    # --- what may still be filled ---

    def _has_arrived(self, order: Order, now: int) -> bool:
        """Whether we know that an order has arrived."""
        return order.arrived is not None and order.arrived + self.scenario.response <= now

    def _count_open(self, name: str, now: int) -> int:
        order = self.open.get(name)
        if order is None:
            return 0
        if order.replaces is not None and not self._has_arrived(order, now):
            return max(0, order.asked - (order.replaces.known_filled - order.base))
        return order.lots - order.known_filled

    def _find_room(self, side: int, but: tuple[str, ...], now: int) -> int:
        """How many lots more on a side the cap allows; of an order and its replacement only one can be filled whole."""
        room = self.limits.cap - side * self.position
        if _POSTED[side] != but:
            room -= max(self._count_open(name, now) for name in _POSTED[side])
        market = self.open.get(_MARKET)
        if market and market.side == side:
            room -= self._count_open(_MARKET, now)
        return room

    # --- what we do ---

    def _decide(self, decision: Decision, now: int) -> None:
        if self.stopped or self.closing or self.leaving or self.market_mid2 is None or now >= self.session.close:
            return
        if decision.kind == "QUOTE":
            self.until = NEVER
            self._quote(BID, decision.bid // self.session.tick, decision.bid_size, now)
            self._quote(ASK, -(-decision.ask // self.session.tick), decision.ask_size, now)
        elif decision.kind == "TARGET":
            self.until = decision.until
            self._aim(min(max(decision.target, -self.limits.cap), self.limits.cap), "SIGNAL", now)
        elif now >= self.until:
            if self.position == 0 and not self.open:
                self.until = NEVER
            else:
                self._aim(0, "EXPIRED", now)

    def _aim(self, position: int, reason: Reason, now: int) -> None:
        """Order what is missing to a position, unless an order is out; manage the one that is."""
        wanted = position - self.position
        for name in (_BID, _ASK, _MARKET):
            order = self.open.get(name)
            if order is None or order.price is None or order.cancelling or not self._has_arrived(order, now):
                continue
            out = self.position * order.side < 0
            if wanted * order.side <= 0 or (order.post and (out or not self.limits.post)):
                self._cancel(order, now)
            elif order.post:
                near = self._best(order.side)
                lots = min(abs(wanted), self._find_room(order.side, _POSTED[order.side], now))
                if near is not None and lots > 0 and (near != order.price or order.lots - order.known_filled > lots):
                    self._replace(order, near, lots, now)
        if self.open or wanted == 0:
            return
        side = 1 if wanted > 0 else -1
        exits = self.position * side < 0
        lots = min(abs(wanted), self._find_room(side, (), now))
        if self.limits.post and not exits:
            if self._best(side) is not None and lots > 0:
                self._send(now, _POSTED[side][0], side * lots, self._best(side), reason)
            return
        if self.limits.post:  # a reversal closes first; its entry is for a later decision
            lots = min(lots, abs(self.position))
        if self._best(-side) is not None and lots > 0:
            self._send(now, _MARKET, side * lots, None, reason)

    def _quote(self, side: int, price: int, size: int, now: int) -> None:
        """Have a quote of at most `size` lots at `price`; one that is there already keeps its place."""
        name, new = _POSTED[side]
        order = self.open.get(name)
        if new in self.open:
            return
        lots = min(size, self._find_room(side, _POSTED[side], now))
        if order is None:
            if lots > 0:
                self._send(now, name, side * lots, price, "QUOTE")
            return
        keeps = order.price == price and order.lots - order.known_filled <= size
        if order.cancelling or not self._has_arrived(order, now) or keeps:
            return
        if lots > 0:
            self._replace(order, price, lots, now)
        else:
            self._cancel(order, now)

    # --- requests: they arrive in the order in which they are sent ---

    def _time_request(self, now: int) -> int:
        self.last_arrival = max(self.last_arrival, now + self.scenario.latency(self.requests, now))
        self.requests += 1
        return self.last_arrival

    def _send(self, now: int, name: str, lots: int, price: int | None, reason: Reason) -> Order:
        order = Order(
            len(self.outcome.orders), 1 if lots > 0 else -1, abs(lots), price, reason, now, self.market_mid2,
            post=price is not None, asked=abs(lots),
        )  # fmt: skip
        self.outcome.orders.append(order)
        self.open[name] = order
        self._plan(self._time_request(now), _ARRIVAL, lambda at: self._arrive(order, at))
        return order

    def _arrive(self, order: Order, at: int) -> None:
        if order.replaces is not None:  # one request for both
            self.exchange.cancel(order.replaces, at)
        self.exchange.arrive(order, at)

    def _replace(self, order: Order, price: int, lots: int, now: int) -> None:
        new = self._send(now, _POSTED[order.side][1], order.side * lots, price, order.reason)
        new.replaces, new.base = order, order.known_filled
        order.cancelling = True

    def _cancel(self, order: Order, now: int) -> None:
        """Send a cancel, once."""
        if not order.cancelling:
            order.cancelling = True
            self._plan(self._time_request(now), _ARRIVAL, lambda at: self.exchange.cancel(order, at))

    # --- the close ---

    def _close(self, now: int) -> None:
        """Expire all orders, and close the true position at the last two-sided book that was tradable, if any was."""
        self.exchange.expire(now)
        for order in self.outcome.orders:
            if not order.status:
                order.status, order.ended = "LATE", now
        left = -self.outcome.position
        books = [book for book in self.books if book.tradable] or self.books
        if left == 0 or not books:
            return
        book, side = books[-1], 1 if left > 0 else -1
        mid2, touch = book.mid2(), book.best(-side)
        order = Order(len(self.outcome.orders), side, abs(left), None, "CLOSE", now, mid2, arrived=now)
        order.mid2_arrived, order.status, order.ended, order.filled = mid2, "FILLED", now, abs(left)
        self.outcome.orders.append(order)
        levels, rest = sorted(book.book[-side].items(), key=lambda level: side * level[0]), abs(left)
        for i, (price, size) in enumerate(levels):
            lots = min(rest, math.floor(self.scenario.share_of_shown * size + 1e-9))
            if i == len(levels) - 1:
                self.outcome.beyond_shown += rest - lots
                lots = rest
            rest -= lots
            if lots:
                known = now + self.scenario.response
                fill = Fill(order.id, now, known, price, side * lots, False, touch, mid2, mid2, mid2)
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


def delay_feed(
    messages: Sequence[Message], decisions: Sequence[Decision], delays: Sequence[int], median: int
) -> tuple[list[Message], list[Decision]]:
    """Let each message be known so much after its receipt, but not before an earlier one, and decide as much later."""
    known: list[int] = []
    for message, delay in zip(messages, delays, strict=True):
        known.append(max(message.receipt + delay, *known[-1:]) if known else message.receipt + delay)

    def find(time: int) -> int:
        before = [k for message, k in zip(messages, known, strict=True) if message.receipt <= time]
        return max(time + median, *before[-1:]) if before else time + median

    late = [replace(message, receipt=k) for message, k in zip(messages, known, strict=True)]
    ends = [decision.until if decision.until >= NEVER else find(decision.until) for decision in decisions]
    return late, [replace(d, time=find(d.time), until=end) for d, end in zip(decisions, ends, strict=True)]

"""Trade one session for several scenarios at once: the kernel's door."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ofiml.backtest import kernel
from ofiml.backtest.desk import Desk
from ofiml.backtest.kernel import FULL, Plan
from ofiml.backtest.latency import Latency
from ofiml.backtest.orders import BEFORE_ALL, FILL, NEVER, ORDER, REPORT, SCENE, SLOTS, TRADER, Queue
from ofiml.backtest.requests import scale_lots
from ofiml.backtest.trader import NOT_LEAVING
from ofiml.errors import DataError
from ofiml.samples.tape import Tape
from ofiml.strategy.decisions import Decisions, Limits

#: The contracts of `ContractNumbers`.
LINEAR, INVERSE = 0, 1

_FIRST_ROWS = 1 << 21  # of orders and of fills, for all scenarios
_LEAST_ROWS = 1024  # for each
_BLOCK = 1 << 12  # of messages
_NO_TIME = np.empty(0, np.int64)
_MAX_LEVELS = 1 << 12  # of the closing book that are kept a side


class ContractNumbers(NamedTuple):
    """What the loss limit needs of an instrument, as plain numbers in the account's money.

    With P the price in ticks, a lot of a LINEAR contract is worth factor·P and one of an INVERSE contract -factor/P, up
    to a constant. Fees are so much per lot and a share of the absolute value factor·|P| or factor/|P|.
    """

    contract: int = LINEAR
    factor: float = 1.0
    taker_lot: float = 0.0
    taker_rate: float = 0.0
    maker_lot: float = 0.0
    maker_rate: float = 0.0


class ExecutionRules(NamedTuple):
    """How orders are filled: whether what is left of a marketable order rests, and at most what share of each shown
    level and of each trade own orders take, in (0, 1].
    """

    rest: bool = False
    share_of_shown: float = 1.0
    share_of_traded: float = 1.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way to trade the same decisions: latency, queue model with the `power` of POWER, and a factor on all sizes,
    the cap and the loss limit.
    """

    latency: Latency
    queue: Queue = Queue.PROPORTIONAL
    power: float = 1.0
    size_factor: float = 1.0

    def __post_init__(self) -> None:
        if not (0 < self.size_factor < math.inf and 0 < self.power < math.inf):
            raise DataError("size_factor and power of a scenario must be above 0.")


@dataclass(frozen=True, slots=True)
class Trades:
    """The orders and fills of one scenario, as arrays with named columns, in the order of sending and filling.

    Orders: `decided`, `sent`, `arrived` (-1 never), `ended` (ns), `side` (1 buy, -1 sell), `price` (index; -1 for a
    marketable order that did not rest), `lots`, `filled`, `maker` (1 if posted), `reason`, `status` (codes of
    `orders.Reason` and `Status`), `ahead_at_join` (lots). The number of an order is its row.

    Fills: `order`, `time` and `known` (ns), `price` (index), `lots` (negative for a sale), `maker`, `touch` (index of
    the best opposite quote on arrival, or a maker's own price), `mid2_decided`, `mid2_arrived`, `mid2_filled` (bid +
    ask index of the last two-sided book as known at the decision, and at the exchange on arrival and before the fill),
    `beyond_shown` (lots of a closing order that no level showed), `ahead_at_join`.

    `position` is what could not be closed as there was no book: 0 but in a session without a two-sided book.
    """

    orders: NDArray[Any]
    fills: NDArray[Any]
    position: int = field(default=0)


def simulate(
    tape: Tape,
    decisions: Decisions,
    limits: Limits,
    numbers: ContractNumbers,
    scenarios: Sequence[Scenario],
    *,
    close: int,
    rules: ExecutionRules = ExecutionRules(),  # noqa: B008
) -> list[Trades]:
    """Trade one session until `close` (ns) and return the orders and fills of each scenario.

    All scenarios see the tape in one pass; none sees another. Raises DataError for decisions out of order, for shares
    out of (0, 1], and for an inverse contract at prices of 0 or below.
    """
    _check(tape, decisions, limits, numbers, rules)
    plan = make_plan(tape, decisions, close)
    # Memory that is not written to is not taken: the tables are long from the start, as a pass costs more.
    capacity = max(_LEAST_ROWS, min(4 * len(plan.time) + 4096, _FIRST_ROWS // max(1, len(scenarios))))
    while True:
        desk = make_desk(tape, limits, numbers, scenarios, rules, close, capacity)
        closing = np.zeros((2, _MAX_LEVELS, 2), np.int64)
        if kernel.run(prepare_tape(tape), plan, desk, closing) != FULL:
            break
        capacity *= 4
    made = (desk.traders[name].tolist() for name in ("first_row", "orders", "fills", "position"))
    return [
        Trades(
            orders=desk.reports[first : first + orders].view(_ORDER_COLUMNS),
            fills=desk.fills[first : first + fills].view(_FILL_COLUMNS),
            position=position,
        )
        for first, orders, fills, position in zip(*made, strict=True)
    ]


def _check(tape: Tape, decisions: Decisions, limits: Limits, numbers: ContractNumbers, rules: ExecutionRules) -> None:
    if (decisions.time[1:] < decisions.time[:-1]).any():
        raise DataError("Decisions must be in order of time.")
    if not (0 < rules.share_of_shown <= 1 and 0 < rules.share_of_traded <= 1):
        raise DataError("share_of_shown and share_of_traded must be above 0 and at most 1.")
    if min(decisions.bid_size.min(initial=0), decisions.ask_size.min(initial=0)) < 0:
        raise DataError("The sizes of quotes cannot be below 0.")
    if limits.cap < 0 or limits.stop < 0 or limits.take < 0 or not limits.loss >= 0 or not numbers.factor > 0:
        raise DataError("Cap, stop, take-profit and loss limit cannot be below 0, nor the contract's factor 0.")
    if numbers.contract == INVERSE and len(tape.bid):
        best = [side[side >= 0] for side in (tape.bid, tape.ask)]
        if tape.base + min((int(side.min()) for side in best if len(side)), default=1 - tape.base) <= 0:
            raise DataError("An inverse contract has a price of 0 or below: it has no value there.")


def prepare_tape(tape: Tape) -> Tape:
    """Return the tape with arrays as the kernel is compiled for: contiguous, and not read-only.

    `first` becomes unsigned, because an index that cannot count from the end is found faster.
    """
    members: list[Any] = [np.require(a, requirements=["C", "W"]) if isinstance(a, np.ndarray) else int(a) for a in tape]
    whole = Tape(*members)
    return whole._replace(first=whole.first.view(np.uint64))


def make_plan(tape: Tape, decisions: Decisions, close: int) -> Plan:
    """Make what the kernel reads of the decisions before `close`: bids are rounded down to the tick and asks up, as
    indexes.
    """
    messages = int(np.searchsorted(tape.exchange, close, side="right"))
    count = int(np.searchsorted(decisions.time, close))
    columns: list[Any] = [
        np.require(c, t, ["C", "W"]) for c, t in zip(decisions, (np.int64, np.uint8, *[np.int64] * 6), strict=True)
    ]
    time, kind, target, until, bid, bid_size, ask, ask_size = (column[:count] for column in columns)
    return Plan(
        time,
        kind,
        target,
        until,
        bid // tape.tick - tape.base,
        bid_size,
        -(-ask // tape.tick) - tape.base,
        ask_size,
        messages,
        _find_last_book(tape, messages),
    )


def _find_last_book(tape: Tape, messages: int) -> int:
    """Find the last of the first messages with two sides in a tradable book, else in any; -1 if there is none."""
    for tradable in (True, False):
        for stop in range(messages, 0, -_BLOCK):  # from the end: it is most often the last
            part = slice(max(0, stop - _BLOCK), stop)
            two_sided = (tape.bid[part] >= 0) & (tape.ask[part] >= 0)
            books = np.flatnonzero(two_sided & tape.tradable[part] if tradable else two_sided)
            if len(books):
                return int(part.start + books[-1])
    return -1


def make_desk(
    tape: Tape,
    limits: Limits,
    numbers: ContractNumbers,
    scenarios: Sequence[Scenario],
    rules: ExecutionRules,
    close: int,
    capacity: int,
) -> Desk:
    """Make the desk before the session, with a trader for each scenario and tables of `capacity` orders and fills."""
    count = len(scenarios)
    eager = [limits.stop > 0 or limits.take > 0 or limits.loss < math.inf] * count
    scene = np.zeros(1, SCENE)[0]
    given = {
        "base_ticks": tape.base,
        "span": tape.span,
        "stop_ticks": limits.stop,
        "take_ticks": limits.take,
        "post": limits.post,
        "rest": rules.rest,
        "flat_from": limits.flat_from,
        "close": close,
        "capacity": capacity,
        "eager": any(eager),
        "settled_until": BEFORE_ALL,
        "goal": BEFORE_ALL,
        "mid2": -1,
        "wake": NEVER,
        "known_mid2": -1,
        "best_bid": -1,
        "best_ask": tape.span,
        "kept_bid": -1,
        "kept_ask": NEVER,
        "low_bid": -2,
        "low_ask": -2,
        "high_bid": NEVER,
        "high_ask": NEVER,
        "share_of_shown": rules.share_of_shown,
        "share_of_traded": rules.share_of_traded,
        **numbers._asdict(),
    }
    for name, value in given.items():
        scene[name] = value
    latencies = [scenario.latency for scenario in scenarios]
    lengths = [len(latency.values) for latency in latencies]
    traders = np.zeros(count, TRADER)
    own = {
        "queue": [int(scenario.queue) for scenario in scenarios],
        "power": [scenario.power for scenario in scenarios],
        "size_factor": [scenario.size_factor for scenario in scenarios],
        "cap": [scale_lots(limits.cap, scenario.size_factor) for scenario in scenarios],
        "loss": [limits.loss * scenario.size_factor for scenario in scenarios],
        "response": [latency.response for latency in latencies],
        "latency_start": np.cumsum(lengths) - lengths,
        "latency_count": lengths,
        "eager": eager,
        "latency_by_time": [latency.times is not None for latency in latencies],
        "first_row": np.arange(count) * capacity,
        "leave": NOT_LEAVING,
        **dict.fromkeys(("last_arrival", "settled_until"), BEFORE_ALL),
        **dict.fromkeys(("until", "wake", "news", "high_bid", "high_ask"), NEVER),
        **dict.fromkeys(("low_bid", "low_ask"), -2),
        **dict.fromkeys(("tried", "slots", "taken_price"), -1),
    }
    for name, values in own.items():
        traders[name] = values
    values = [each.values for each in latencies]
    times = [each.values if each.times is None else each.times for each in latencies]
    return Desk(
        scene=scene,
        traders=traders,
        orders=np.zeros(count * SLOTS, ORDER),
        reports=_make_rows(count * capacity, REPORT),
        fills=_make_rows(count * capacity, FILL),
        ladder=np.zeros((4, tape.span), np.int64),
        latencies=np.stack([np.concatenate([*column, _NO_TIME]) for column in (values, times)], axis=1),
    )


def _take_columns(record: np.dtype[Any], **others: str) -> np.dtype[Any]:
    """Make the type of a table with the columns of a record, and with some of them under another name, too."""
    fields = {name: record.fields[name] for name in record.names}  # type: ignore[index, union-attr]
    fields |= {name: fields[column] for name, column in others.items()}
    formats, offsets = [field[0] for field in fields.values()], [field[1] for field in fields.values()]
    return np.dtype({"names": list(fields), "formats": formats, "offsets": offsets, "itemsize": record.itemsize})


_ORDER_COLUMNS, _FILL_COLUMNS = _take_columns(REPORT, decided="sent"), _take_columns(FILL)


def _make_rows(count: int, record: Any) -> NDArray[Any]:
    """Make rows that the kernel writes whole before they are read: setting them to 0 would take longer than it does."""
    return np.empty(count, record)

"""The memory of the state machine, and what its two drivers share: the market, the plan, the growth of queues."""

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from ofiml.config import Features, Ofi
from ofiml.data.schema import Session
from ofiml.features import layout
from ofiml.features.catalogue import select_features
from ofiml.features.memory import Arrays, Memory
from ofiml.features.state import STATE
from ofiml.features.update import RING_FULL
from ofiml.units import SECOND

Int64 = NDArray[np.int64]
Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Market:
    """The facts of a session that are known before its first event.

    Prices and `tick` are in 1e-9 currency units, times in UTC ns; `utc_offset` is how far exchange-local time is ahead
    of UTC, `weekday` 0 for a Monday; a lot is `size_unit` shares, contracts or coins.
    """

    levels: int
    tick: int
    size_unit: float
    open: int
    scheduled_close: int
    utc_offset: int
    weekday: int
    per: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a machine's work: the levels that flow takes (None for all), its look-back `windows` besides the bar
    (ns, ascending), the longest `look_back` that the chosen features need (ns), the sizes of the catalogue, in units.
    """

    flow_levels: int | None
    windows: tuple[int, ...]
    look_back: int
    trade_size: float
    vpin_bucket: float


FLOW_ONLY = Plan(None, (), 0, 1.0, 1.0)


def describe_market(session: Session, per: str, zone: ZoneInfo | None = None) -> Market:
    """Describe the market of a recorded session before its first event; `zone` is the exchange's, None for UTC."""
    opened = dt.datetime.fromtimestamp(session.open // SECOND, zone or dt.UTC)
    offset = opened.utcoffset()
    assert offset is not None
    return Market(
        levels=session.levels,
        tick=session.tick,
        size_unit=session.size_unit,
        open=session.open,
        scheduled_close=session.close if session.scheduled_close is None else session.scheduled_close,
        utc_offset=int(offset.total_seconds()) * SECOND,
        weekday=dt.date.fromisoformat(session.date).weekday(),
        per=per,
    )


def plan_features(features: Features, ofi: Ofi) -> Plan:
    """Plan what the machine computes for the features and the flow of a config.

    Raises ConfigError for a feature that is not in the catalogue.
    """
    look_back = max((f.window for f in select_features(features.columns)), default=0)
    return Plan(ofi.levels, tuple(ofi.look_backs), look_back, features.trade_size, features.vpin_bucket)


class Machine:
    """The kernel's memory for one session."""

    def __init__(self, market: Market, plan: Plan) -> None:
        width = min(plan.flow_levels or market.levels, market.levels)
        lots = [max(1, round(size / market.size_unit)) for size in (plan.trade_size, plan.vpin_bucket)]
        self.windows = np.array(plan.windows, np.int64)
        state = np.zeros(1, STATE)
        known = {
            "tick": market.tick,
            "levels": market.levels,
            "flow_levels": width,
            "per_row": market.per == "row",
            "open": market.open,
            "scheduled_close": market.scheduled_close,
            "utc_offset": market.utc_offset,
            "weekday": market.weekday,
            "longest": max((plan.look_back, *plan.windows)),
            "lanes": layout.FIXED_LANES + (layout.PARTS * width + layout.SIDES + 1) * bool(plan.windows),
            "trade_size": lots[0],
            "bucket": lots[1],
            "hit": -1,
            "after": -1,
            "size_unit": market.size_unit,
        }
        none = ("start", "mid", "last_mid", "high", "low", "last_trade", "last_move")
        for name, value in (known | dict.fromkeys(none, layout.NONE)).items():
            state[name] = value
        sums = np.zeros(layout.PARTS * width + layout.SUMS, np.int64)
        empty = [layout.NO_BID, 0, layout.NO_ASK, 0]
        self.memory = Memory(
            state=state,
            total=sums,
            opened=sums.copy(),
            book=np.array(empty * market.levels, np.int64),
            ring=np.empty((1024, layout.LANES + int(state["lanes"][0])), np.int64),
            due=np.empty((256, layout.DUE_FIELDS), np.int64),
        )
        self.width = width

    @property
    def memory(self) -> Memory:
        """The arrays by name; `state` (1,) is an array here."""
        return self._memory

    @memory.setter
    def memory(self, memory: Memory) -> None:
        self._memory = memory
        self.arrays: Arrays = tuple(memory)

    def grow(self, full: int) -> None:
        """Double the queue that `full` names, and keep its entries in order."""
        name, head = ("ring", "ring_head") if full == RING_FULL else ("due", "due_head")
        state, old = self.memory.state, getattr(self.memory, name)
        new = np.empty((2 * len(old), old.shape[1]), np.int64)
        new[: len(old)] = np.roll(old, -int(state[head][0]), axis=0)
        state[head] = 0
        self.memory = self.memory._replace(**{name: new})

    @property
    def flow_width(self) -> int:
        """The number of integers that `kernel.sums` writes for the bar, and for each window."""
        return layout.PARTS * self.width + layout.SIDES + 1


def compute_row_width(levels: int) -> int:
    """Compute the number of integers in a row of `batch.pack_rows`."""
    return layout.BOOK + 4 * levels

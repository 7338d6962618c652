"""The event schema: columns named as Databento MBP-10, and the session that carries a table of them.

Prices are int64 in 1e-9 currency units, a missing level is null (price and size), sizes are integer lots of
`Session.size_unit`, times are UTC nanoseconds, rows keep feed order. `side` of a trade (`action` T) is the aggressor's;
of any other event, the side of the order.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.data.quality import Quality
from ofiml.data.truth import Truth

Int64 = NDArray[np.int64]

TIME = pl.Datetime("ns", "UTC")
ACTION = pl.Enum(["A", "C", "M", "R", "T", "F", "N"])
SIDE = pl.Enum(["A", "B", "N"])

F_LAST = 128  # the last row of one exchange message
F_SNAPSHOT = 32  # the row states a book, it does not change one

# What kernels see where a level is missing: farther from the mid than any price, so that the flow formula counts an
# appearing level as arriving and a vanishing one as leaving without a case of its own.
NO_BID = np.iinfo(np.int64).min
NO_ASK = np.iinfo(np.int64).max

# What a reader writes for a price that stands for no price, until it is counted and made null (Databento's own value).
NO_PRICE = np.iinfo(np.int64).max

EVENT_COLUMNS: dict[str, pl.DataType] = {
    "ts_event": TIME,
    "ts_recv": TIME,
    "action": ACTION,
    "side": SIDE,
    "price": pl.Int64(),
    "size": pl.Int64(),
    "flags": pl.UInt8(),
    "sequence": pl.Int64(),
}

# No event is later: beyond it, int64 nanoseconds soon end, and polars and numpy wrap round in silence.
LATEST = 9_151_488_000_000_000_000  # 2260-01-01 UTC


def level_columns(level: int) -> dict[str, pl.DataType]:
    """The six columns of one book level (0 is the best), in schema order. Counts are null where a feed has none."""
    m = f"{level:02d}"
    return {
        f"bid_px_{m}": pl.Int64(),
        f"ask_px_{m}": pl.Int64(),
        f"bid_sz_{m}": pl.Int64(),
        f"ask_sz_{m}": pl.Int64(),
        f"bid_ct_{m}": pl.UInt32(),
        f"ask_ct_{m}": pl.UInt32(),
    }


def schema(levels: int) -> dict[str, pl.DataType]:
    """Columns and dtypes of an event table with `levels` levels."""
    columns = dict(EVENT_COLUMNS)
    for m in range(levels):
        columns |= level_columns(m)
    return columns | {"symbol": pl.String()}


@dataclass(frozen=True, slots=True)
class Session:
    """One symbol's trading session.

    `open` and `close` bound it (UTC ns): bars tile (open, close], and a state at the open is where they start from.
    `scheduled_close` is what its end was expected to be, where the data end before (None: `close`, which was known).
    `tick` is in 1e-9 currency units, `size_unit` is what a lot is, in shares, contracts or coins; `digest` is the
    SHA-256 of what the session was made from; `quality` says what was dropped or noticed. A simulated session has
    `truth`, the efficient price V in ticks after each event (`ts_recv`, `value`), and `planted`, what it was made with:
    both for the oracle alone, no feature and no model may look at them.
    """

    symbol: str
    date: str
    events: pl.DataFrame
    open: int
    close: int
    tick: int
    levels: int
    size_unit: float
    source: str
    digest: str
    quality: Quality
    scheduled_close: int | None = None
    truth: pl.DataFrame | None = None
    planted: Truth | None = None


def times(events: pl.DataFrame) -> Int64:
    """`ts_recv` as int64 ns: the clock of decisions."""
    return events["ts_recv"].to_physical().to_numpy()


def level(events: pl.DataFrame, m: int) -> tuple[Int64, Int64, Int64, Int64]:
    """(bid price, bid size, ask price, ask size) of level `m`; a missing level is NO_BID or NO_ASK with size 0."""
    fills = (("bid_px", NO_BID), ("bid_sz", 0), ("ask_px", NO_ASK), ("ask_sz", 0))
    bid_px, bid_sz, ask_px, ask_sz = (
        events[f"{name}_{m:02d}"].fill_null(int(missing)).to_numpy() for name, missing in fills
    )
    return bid_px, bid_sz, ask_px, ask_sz

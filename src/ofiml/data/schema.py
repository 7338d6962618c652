"""The event schema, with columns named as in Databento MBP-10, and the session, a table of events.

Prices are int64 in 1e-9 currency units, sizes integer lots of `Session.size_unit`, times UTC nanoseconds. A missing
level is null (price and size). Rows keep feed order. `side` is the aggressor's side for a trade (`action` T), the
order's side for any other event.
"""

from collections.abc import Sequence
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
F_SNAPSHOT = 32  # the row states a book instead of changing it
F_BAD_RECEIPT = 8  # ts_recv is not when the row's event was received (Databento's F_BAD_TS_RECV)

# Prices of a missing level in kernels. They are farther from the mid than any price, so the flow formula needs no
# special case: a level that appears adds its size, one that vanishes removes it.
NO_BID = np.iinfo(np.int64).min
NO_ASK = np.iinfo(np.int64).max

# A feed's placeholder for no price (Databento's value). The checks count it and replace it by null.
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

#: The optional column, last in the table: the exchange time (ns UTC) at which the order of an event got its place in
#: its queue. Only sources that state each order write it.
ORDER_TIME = "order_time"

# Upper bound of all times: int64 nanoseconds end soon after it, and polars and numpy overflow silently.
LATEST = 9_151_488_000_000_000_000  # 2260-01-01 UTC


def make_level_columns(level: int) -> dict[str, pl.DataType]:
    """Return the six columns of one book level (0 is the best), in schema order. Counts are null if a feed has none."""
    m = f"{level:02d}"
    return {
        f"bid_px_{m}": pl.Int64(),
        f"ask_px_{m}": pl.Int64(),
        f"bid_sz_{m}": pl.Int64(),
        f"ask_sz_{m}": pl.Int64(),
        f"bid_ct_{m}": pl.UInt32(),
        f"ask_ct_{m}": pl.UInt32(),
    }


def make_schema(levels: int) -> dict[str, pl.DataType]:
    """Return the columns and dtypes of an event table with `levels` levels."""
    columns = dict(EVENT_COLUMNS)
    for m in range(levels):
        columns |= make_level_columns(m)
    return columns | {"symbol": pl.String()}


def list_columns(levels: int, names: Sequence[str]) -> list[str]:
    """List the columns of an event table with `levels` levels, and the optional one if it is among `names`."""
    return [*make_schema(levels), *([ORDER_TIME] if ORDER_TIME in names else [])]


@dataclass(frozen=True, slots=True)
class Session:
    """One symbol's trading session.

    `open` and `close` bound it (UTC ns): bars tile (open, close] and start from a state at the open.
    `scheduled_close` is the expected end if the data end earlier (None: `close`). `calendar` gives the exchange's time
    zone (None: UTC), and `home` is the calendar of the exchange that the source states, if any. `tick` is in 1e-9
    currency units; `size_unit` is one lot in shares, contracts or coins; `digest` is the SHA-256 of the input;
    `quality` counts the rows dropped and kept by cause. A simulated session has `truth`, the efficient price V in ticks
    after each event and the transient impact in it (`ts_recv`, `value`, `transient`), and `planted`, the parameters of
    the simulation. Only the oracle may read these two, no feature and no model.
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
    calendar: str | None = None
    home: str | None = None
    truth: pl.DataFrame | None = None
    planted: Truth | None = None


def extract_times(events: pl.DataFrame) -> Int64:
    """Return `ts_recv` (n,) as int64 ns, the clock of all decisions."""
    return events["ts_recv"].to_physical().to_numpy()


def extract_level(events: pl.DataFrame, m: int) -> tuple[Int64, Int64, Int64, Int64]:
    """Return bid price, bid size, ask price and ask size (n,) of level `m`.

    A missing level is NO_BID or NO_ASK with size 0.
    """
    fills = (("bid_px", NO_BID), ("bid_sz", 0), ("ask_px", NO_ASK), ("ask_sz", 0))
    bid_px, bid_sz, ask_px, ask_sz = (
        events[f"{name}_{m:02d}"].fill_null(int(missing)).to_numpy() for name, missing in fills
    )
    return bid_px, bid_sz, ask_px, ask_sz

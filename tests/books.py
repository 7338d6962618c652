"""Books written by hand and at random, as sessions of the event schema."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from ofiml.data.quality import Quality
from ofiml.data.schema import (
    F_LAST,
    F_SNAPSHOT,
    TIME,
    Session,
    make_schema,
)

SECOND = 1_000_000_000
TICK = 10_000_000
Row = dict[str, Any]


def session(rows: Sequence[Row], *, levels: int = 1, close: int | None = None, open_: int = 0) -> Session:
    """A session of `rows`: each has `t` (s) and the levels' (bid_px, bid_sz, ask_px, ask_sz) in ticks and lots.

    `book` is a list of such tuples, with None where a side is missing; action, side, price (ticks), size, flags are
    optional.
    """
    columns: dict[str, list[Any]] = {name: [] for name in make_schema(levels)}
    for i, row in enumerate(rows):
        stamp = round(row["t"] * SECOND)
        columns["ts_event"].append(stamp)
        columns["ts_recv"].append(stamp)
        columns["action"].append(row.get("action", "A"))
        columns["side"].append(row.get("side", "B"))
        columns["price"].append(None if row.get("price") is None else row["price"] * TICK)
        columns["size"].append(row.get("size", 1))
        columns["flags"].append(row.get("flags", F_LAST))
        columns["sequence"].append(i)
        columns["symbol"].append("TEST")
        for m, (bid, bid_sz, ask, ask_sz) in enumerate(row["book"]):
            columns[f"bid_px_{m:02d}"].append(None if bid is None else bid * TICK)
            columns[f"ask_px_{m:02d}"].append(None if ask is None else ask * TICK)
            columns[f"bid_sz_{m:02d}"].append(None if bid is None else bid_sz)
            columns[f"ask_sz_{m:02d}"].append(None if ask is None else ask_sz)
            columns[f"bid_ct_{m:02d}"].append(None)
            columns[f"ask_ct_{m:02d}"].append(None)
    stamps = columns.pop("ts_event"), columns.pop("ts_recv")
    types = {k: v for k, v in make_schema(levels).items() if k in columns}
    times = [pl.Series(name, s, pl.Int64).cast(TIME) for name, s in zip(("ts_event", "ts_recv"), stamps, strict=True)]
    events = pl.DataFrame(columns, schema=types).with_columns(times).select(list(make_schema(levels)))
    return Session(
        symbol="TEST",
        date="1970-01-01",
        events=events,
        open=open_ * SECOND,
        close=(int(stamps[1][-1]) if close is None else close * SECOND),
        tick=TICK,
        levels=levels,
        size_unit=1.0,
        source="a book of the tests",
        digest="0" * 64,
        quality=Quality(),
    )


def random_session(seed: int, n: int, levels: int = 3, *, gaps: float = 0.1) -> Session:
    """n random book states: prices walk, sizes jump, deep levels are sometimes missing, times sometimes tie."""
    rng = np.random.default_rng(seed)
    mid, rows, t = 1000, [], 0.0
    for _ in range(n):
        mid += int(rng.integers(-1, 2))
        t += float(rng.choice([0.0, 0.1, 0.5, 2.0]))
        depth = int(rng.integers(1, levels + 1)) if rng.random() < gaps else levels
        book = []
        for m in range(levels):
            bid, ask = (mid - 1 - m, mid + 1 + m) if m < depth else (None, None)
            book.append((bid, int(rng.integers(1, 20)), ask, int(rng.integers(1, 20))))
        action, side = str(rng.choice(["A", "C", "T"])), str(rng.choice(["A", "B"]))
        rows.append({"t": t, "book": book, "action": action, "side": side, "size": int(rng.integers(1, 9))})
    return session(rows, levels=levels)


def busy_session(seed: int, n: int, levels: int = 3, *, resets: float = 0.01) -> Session:
    """n random rows with all that feeds do: messages of several rows, sides and levels that go missing, trades with and
    without side, price and size, clears and snapshots, ties in time, quiet spells, a book before the open.
    """
    rng = np.random.default_rng(seed)
    mid, rows, t = 1000, [], -3.0
    spacing = float(rng.choice([0.3, 1.0, 4.0]))
    for _ in range(n):
        mid += int(rng.choice([-2, -1, 0, 0, 0, 1, 2]))
        t += float(rng.choice([0.0, 0.1, 0.5, 2.0, 9.0], p=[0.3, 0.3, 0.2, 0.15, 0.05])) * spacing
        half = int(rng.integers(1, 4))
        shown = [levels if rng.random() < 0.7 else int(rng.integers(0, levels + 1)) for _ in range(2)]
        gap = [np.cumsum(rng.integers(1, 4, levels)) for _ in range(2)]
        book = []
        for m in range(levels):
            bid = mid - half - int(gap[0][m]) if m < shown[0] else None
            ask = mid + half + int(gap[1][m]) if m < shown[1] else None
            book.append((bid, int(rng.integers(1, 20)), ask, int(rng.integers(1, 20))))
        row: Row = {"t": t, "book": book, "action": str(rng.choice(["A", "C", "M", "T", "T"]))}
        row["side"] = str(rng.choice(["A", "B", "N"], p=[0.45, 0.45, 0.1]))
        row["size"] = int(rng.choice([0, 1, 2, 5, 9, 80], p=[0.02, 0.3, 0.3, 0.2, 0.13, 0.05]))
        row["price"] = mid + int(rng.integers(-3, 4)) if rng.random() < 0.95 else None
        row["flags"] = F_LAST if rng.random() < 0.8 else 0
        if rng.random() < resets:
            row |= {"action": "R"} if rng.random() < 0.5 else {"flags": row["flags"] | F_SNAPSHOT}
        rows.append(row)
    rows[-1]["flags"] = F_LAST
    return session(rows, levels=levels, open_=1)


def mirrored(original: Session, top: int = 10_000 * TICK) -> Session:
    """The same session with bid and ask swapped, prices reflected: p -> top - p."""
    from dataclasses import replace

    swap = {}
    for m in range(original.levels):
        for q in ("px", "sz", "ct"):
            for a, b in (("bid", "ask"), ("ask", "bid")):
                column = pl.col(f"{b}_{q}_{m:02d}")
                swap[f"{a}_{q}_{m:02d}"] = top - column if q == "px" else column
    side = pl.col("side").cast(pl.String).replace({"A": "B", "B": "A"}).cast(original.events["side"].dtype)
    price = top - pl.col("price")
    return replace(original, events=original.events.with_columns(**swap, side=side, price=price))

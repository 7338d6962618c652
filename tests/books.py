"""Books written by hand and at random, as sessions of the event schema."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from ofiml.events.quality import Quality
from ofiml.events.schema import F_LAST, TIME, Session, schema

SECOND = 1_000_000_000
TICK = 10_000_000
Row = dict[str, Any]


def session(rows: Sequence[Row], *, levels: int = 1, close: int | None = None, open_: int = 0) -> Session:
    """A session of `rows`: each has `t` (s) and the levels' (bid_px, bid_sz, ask_px, ask_sz) in ticks and lots.

    `book` is a list of such tuples, with None where a side is missing; action, side, size, flags are optional.
    """
    columns: dict[str, list[Any]] = {name: [] for name in schema(levels)}
    for i, row in enumerate(rows):
        stamp = round(row["t"] * SECOND)
        columns["ts_event"].append(stamp)
        columns["ts_recv"].append(stamp)
        columns["action"].append(row.get("action", "A"))
        columns["side"].append(row.get("side", "B"))
        columns["price"].append(None)
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
    types = {k: v for k, v in schema(levels).items() if k in columns}
    times = [pl.Series(name, s, pl.Int64).cast(TIME) for name, s in zip(("ts_event", "ts_recv"), stamps, strict=True)]
    events = pl.DataFrame(columns, schema=types).with_columns(times).select(list(schema(levels)))
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


def mirrored(original: Session) -> Session:
    """The same session with bid and ask swapped, prices reflected."""
    from dataclasses import replace

    top = 10_000 * TICK
    swap = {}
    for m in range(original.levels):
        for q in ("px", "sz", "ct"):
            for a, b in (("bid", "ask"), ("ask", "bid")):
                column = pl.col(f"{b}_{q}_{m:02d}")
                swap[f"{a}_{q}_{m:02d}"] = top - column if q == "px" else column
    side = pl.col("side").cast(pl.String).replace({"A": "B", "B": "A"}).cast(original.events["side"].dtype)
    return replace(original, events=original.events.with_columns(**swap, side=side))

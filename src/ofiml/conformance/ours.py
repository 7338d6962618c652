"""This package's OFI as an implementation to check, computed as in a study: session, states, bars, flow."""

from collections.abc import Iterator
from itertools import groupby

import numpy as np
import polars as pl

from ofiml.bars.time import cut_time_bars, select_states
from ofiml.conformance.books import Answer, Given, State
from ofiml.data.quality import Quality
from ofiml.data.schema import (
    F_LAST,
    F_SNAPSHOT,
    Int64,
    Session,
    make_schema,
)
from ofiml.features import kernel, layout
from ofiml.features.batch import pack_rows
from ofiml.features.machine import FLOW_ONLY, Machine, describe_market
from ofiml.ofi.flow import compute_bar_flow, name_flow_columns

_PRICE_UNIT = 100_000  # the file's 0.0001 in 1e-9
_TICK = 100 * _PRICE_UNIT
# Action and flags (beside F_LAST) of the row that marks each boundary.
_MARKS = {
    None: ("A", 0),
    "session": ("A", 0),
    "halt": ("N", F_SNAPSHOT),
    "clear": ("R", 0),
    "snapshot": ("A", F_SNAPSHOT),
}


def answers(given: Given) -> Answer:
    """Compute flow per state and level, row by row as in a stream, and sums and events per bar as in a study.

    `edges` bound a single session.
    """
    levels, edges = given["levels"], given["edges"]
    answer: Answer = {"flow": [], "bar_flow": None, "bar_events": None}
    for rows in _split_sessions(given["states"]):
        session = _make_session(rows, levels, edges or [rows[0]["time"], rows[-1]["time"]])
        flow = _measure_state_flow(session)
        answer["flow"] += [list(next(flow)) if row["ends_message"] else [None] * levels for row in rows]
        if edges:
            bars = cut_time_bars(session, select_states(session, "message"), edges[1] - edges[0])
            flow_of_bars = compute_bar_flow(session, "message", bars).select(name_flow_columns(levels))
            answer["bar_flow"] = [list(row) for row in flow_of_bars.iter_rows()]
            answer["bar_events"] = bars.events.tolist()
    return answer


def _measure_state_flow(session: Session) -> Iterator[list[int]]:
    """Yield the flow of each level at each state: the change of the machine's running sums."""
    m, levels = Machine(describe_market(session, "message"), FLOW_ONLY), session.levels

    def compute_net() -> Int64:
        return m.memory.total[:levels] - m.memory.total[levels : 2 * levels]

    for rows in pack_rows(session):
        for row in rows:
            before = compute_net()
            kernel.step(m.arrays, row)
            if row[layout.FLAGS] & F_LAST:
                yield (compute_net() - before).tolist()


def _split_sessions(rows: list[State]) -> list[list[State]]:
    number = np.cumsum([row["boundary"] == "session" for row in rows]).tolist()
    return [[row for _, row in group] for _, group in groupby(zip(number, rows, strict=True), key=lambda pair: pair[0])]


def _make_session(rows: list[State], levels: int, edges: list[int]) -> Session:
    table = []
    for i, row in enumerate(rows):
        action, flags = _MARKS[row["boundary"]]
        flags |= F_LAST if row["ends_message"] else 0
        record = {"ts_event": row["time"], "ts_recv": row["time"], "action": action, "side": "N", "flags": flags}
        record |= {"sequence": i, "symbol": "BOOK"}
        for side, quotes in (("bid", row["bids"]), ("ask", row["asks"])):
            for m, quote in enumerate(quotes):
                if quote is not None:
                    record |= {f"{side}_px_{m:02d}": quote[0] * _PRICE_UNIT, f"{side}_sz_{m:02d}": quote[1]}
        table.append(record)
    types = make_schema(levels)
    plain = {name: pl.Int64() if name in ("ts_event", "ts_recv") else kind for name, kind in types.items()}
    return Session(
        symbol="BOOK",
        date="1970-01-01",
        events=pl.DataFrame(table, schema=plain).cast({"ts_event": types["ts_event"], "ts_recv": types["ts_recv"]}),
        open=edges[0],
        close=edges[-1],
        tick=_TICK,
        levels=levels,
        size_unit=1.0,
        source="the conformance file",
        digest="",
        quality=Quality(),
    )

"""Bars of a session with the net flow on each level and the move of the mid, for experiments that need nothing else."""

import numpy as np
import polars as pl

from ofiml._typing import Float, Int64
from ofiml.bars.time import Bars, Book, compute_mid_ticks, find_quotes_at
from ofiml.data.schema import Session, extract_level
from ofiml.features.kernel import flow_events
from ofiml.ofi.flow import name_flow_columns


def compute_level_flow(book: Book, level: int) -> Int64:
    """Compute the flow e_n (states,) at a level (0 is the best), lots; 0 for the first state and after a reset."""
    bid, bid_size, ask, ask_size = extract_level(book.events, level)
    flow = np.empty(len(bid), np.int64)
    flow_events(bid, bid_size, ask, ask_size, book.reset, flow)
    return flow


def sum_states(values: Int64, first: Int64) -> Int64:
    """Sum `values` (states,) over the states first[k] … first[k + 1] - 1 of each bar k, (bars,)."""
    return np.diff(np.concatenate([[0], np.cumsum(values)])[first])


def compute_moves(book: Book, bars: Bars, tick: int) -> Float:
    """Compute the mid's change in each bar, (bars,), in ticks; NaN where a mid is missing. Known at the bar's close."""
    before, after = (compute_mid_ticks(find_quotes_at(book, at), tick) for at in (bars.open, bars.close))
    return (after - before).cast(pl.Float64).to_numpy()  # null becomes NaN


def tabulate_flow(session: Session, book: Book, bars: Bars, levels: int) -> pl.DataFrame:
    """Tabulate the bars: `symbol`, `session`, `bar_open`, `bar_close` (ns), `n_events`, `move_ticks` (NaN where a mid
    is missing), and the net flow of each level in lots, `ofi_00` ….

    The move is that of the same bar. Known at `bar_close`.
    """
    return pl.DataFrame(
        {
            "symbol": [session.symbol] * len(bars.open),
            "session": [session.date] * len(bars.open),
            "bar_open": bars.open,
            "bar_close": bars.close,
            "n_events": bars.events,
            "move_ticks": compute_moves(book, bars, session.tick),
        }
        | {
            name: sum_states(compute_level_flow(book, m), bars.first)
            for m, name in enumerate(name_flow_columns(levels))
        }
    )

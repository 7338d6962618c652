"""The batch driver: the rows of a session go through the state machine piece by piece and give one row per bar."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.data.schema import (
    NO_ASK,
    NO_BID,
    NO_PRICE,
    Session,
)
from ofiml.features import kernel
from ofiml.features.catalogue import CATALOGUE, INDEX
from ofiml.features.layout import NONE
from ofiml.features.machine import Machine, Market, Plan, compute_row_width

_PIECE = 1 << 15  # rows, so that the memory beyond the events does not depend on the length of the session


@dataclass(frozen=True, slots=True)
class BarValues:
    """The values of n bars, known at their closes: `features` (n, k), NaN where undefined; `flow` (n, 1 + windows,
    5·levels + 3), as `kernel.sums` writes it; and `known` (n,), the number of windows, shortest first, that lie after
    the start.
    """

    features: NDArray[np.float64]
    flow: NDArray[np.int64]
    known: NDArray[np.int64]


def compute_bars(
    session: Session, market: Market, plan: Plan, edges: NDArray[np.int64], names: Sequence[str] | None = None
) -> BarValues:
    """Compute the flow of each bar and its features `names`, all of the catalogue for None.

    Bar k is (edges[k], edges[k + 1]] in UTC ns; edges[0] is the session's open.
    """
    columns = np.array([INDEX[n] for n in (CATALOGUE if names is None else names)], np.int64)
    m = Machine(market, plan)
    bars = len(edges) - 1
    features = np.empty((bars, len(columns)))
    flow = np.zeros((bars, 1 + len(m.windows), m.flow_width), np.int64)
    known = np.zeros(bars, np.int64)
    passed = np.zeros(2, np.int64)
    nothing = np.empty((0, compute_row_width(session.levels)), np.int64)
    for rows, until in chain(((piece, NONE) for piece in pack_rows(session)), [(nothing, NO_PRICE)]):
        passed[0] = 0
        while full := kernel.run(m.arrays, rows, until, edges, m.windows, passed, columns, features, flow, known):
            m.grow(full)
    return BarValues(features, flow, known)


def pack_rows(session: Session) -> Iterator[NDArray[np.int64]]:
    """Pack the session's rows as the kernel takes them; yield pieces (n, BOOK + 4·levels), int64, in order."""
    missing = {"bid_px": NO_BID, "bid_sz": 0, "ask_px": NO_ASK, "ask_sz": 0}
    columns = [
        pl.col("ts_recv").to_physical(),
        pl.col("action").to_physical().cast(pl.Int64),
        pl.col("side").to_physical().cast(pl.Int64),
        pl.col("price").fill_null(NO_PRICE),
        pl.col("size").fill_null(0),
        pl.col("flags").cast(pl.Int64),
        *(
            pl.col(f"{name}_{m:02d}").fill_null(int(value))
            for m in range(session.levels)
            for name, value in missing.items()
        ),
    ]
    for piece in session.events.iter_slices(_PIECE):
        yield piece.select(columns).to_numpy(order="c")

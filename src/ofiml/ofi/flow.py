"""Columns of flow: per level, part and look-back, raw in lots or relative to depth."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml._numba import compiled
from ofiml._typing import Float
from ofiml.bars.time import Bars
from ofiml.config import PARTS, Ofi
from ofiml.data.schema import Session
from ofiml.features import layout
from ofiml.features.batch import Computed, compute
from ofiml.features.machine import FLOW_ONLY, market
from ofiml.ofi.columns import NET_PART, FlowColumn, suffix
from ofiml.units import duration


@dataclass(frozen=True, slots=True)
class Group:
    """Flow of one part over one look-back, a column a level: `window` in ns and `window_name` as text, None for the
    bar.
    """

    part: str
    window: int | None
    window_name: str | None

    def columns(self, levels: int) -> list[str]:
        """Return their names, best level first."""
        return [FlowColumn(self.part, m, self.window_name).name for m in range(levels)]

    @property
    def depth(self) -> str:
        """The column of the depth that divides them."""
        return f"depth{suffix(self.window_name)}"


NET = Group(NET_PART, None, None)

# Of each part, which of the machine's sums it is, and which is taken from it.
_NO_PART = -1
_PARTS = {
    "ofi": (layout.BID_FLOW, layout.ASK_FLOW),
    "bid": (layout.BID_FLOW, _NO_PART),
    "ask": (layout.ASK_FLOW, _NO_PART),
    "adds": (layout.ADDS, _NO_PART),
    "cancels": (layout.CANCELS, _NO_PART),
    "trades": (layout.TRADES, _NO_PART),
}


def flow_groups(config: Ofi) -> list[Group]:
    """List the groups of flow in `config`, look-back by look-back."""
    return [
        Group(part, *((None, None) if w == "bar" else (duration(w, "ofi.windows"), w)))
        for w in config.windows
        for part in PARTS[config.parts]
    ]


def flow_columns(levels: int) -> list[str]:
    """Return the column names of the bar's net flow, best level first."""
    return NET.columns(levels)


def bar_flow(session: Session, per: str, bars: Bars) -> pl.DataFrame:
    """Compute the bar's flow of all levels and its depth, without features: see `flow_table`."""
    return flow_table(compute(session, market(session, per), FLOW_ONLY, bars.edges, []), [NET], ())


def flow_table(computed: Computed, groups: list[Group], windows: tuple[int, ...]) -> pl.DataFrame:
    """Build, per bar, the flow of each level in lots: of the bar (`ofi_00` …), and of each of `groups`; and
    `depth` of the bar and of each look-back among `windows` (ns, ascending, as in the machine).

    Bid and ask flow are what arrived there, so that OFI is their difference. Depth is the average, over levels and over
    the states of bar or look-back, of (q^b + q^a)/2, counting only sides that are there (Cont, Cucuringu & Zhang, arXiv
    2112.13213); NaN without states. All is null where a look-back begins before the start. Known at the bar's close.
    """
    width = (computed.flow.shape[2] - layout.SIDES - 1) // layout.PARTS
    out: dict[str, pl.Series] = {}
    for group in [NET, *(g for g in groups if g != NET)]:
        w = 0 if group.window is None else 1 + windows.index(group.window)
        known = pl.Series(computed.known >= w)
        read = computed.flow[:, w]
        for name, values in zip(group.columns(width), _part(read, group.part, width).T, strict=True):
            out[name] = pl.select(pl.when(known).then(pl.Series(np.ascontiguousarray(values)))).to_series()
        size, sides = (read[:, layout.PARTS * width + k].astype(np.float64) for k in (layout.DEPTH, layout.SIDES))
        depth = np.divide(size, sides, out=np.full(len(size), np.nan), where=sides > 0)
        out[group.depth] = pl.select(pl.when(known).then(pl.Series(depth))).to_series()
    return pl.DataFrame(out)


def _part(read: NDArray[np.int64], part: str, width: int) -> NDArray[np.int64]:
    plus, minus = _PARTS[part]
    arrived = read[:, plus * width : (plus + 1) * width]
    return arrived if minus == _NO_PART else arrived - read[:, minus * width : (minus + 1) * width]


def flow_matrix(table: pl.DataFrame, levels: int, normalise: str, groups: list[Group] | None = None) -> Float:
    """Return the flow of all levels, group after group, (rows, groups·levels), in lots, or divided by the depth of bar
    or look-back if `normalise` is depth.

    Depth is one number for all levels. Without depth there is no flow, and it gives 0. NaN where a look-back begins
    before the start.
    """
    blocks = []
    for group in groups or [NET]:
        flow = table.select(pl.col(group.columns(levels)).cast(pl.Float64).fill_null(np.nan)).to_numpy()
        if normalise == "depth":
            depth = table[group.depth].fill_null(np.nan).to_numpy()[:, None]
            flow = np.divide(flow, depth, out=np.where(np.isnan(flow), np.nan, 0.0), where=depth > 0)
        blocks.append(flow.astype(np.float64))
    return np.ascontiguousarray(np.hstack(blocks))


def fill_flow_row_py(
    read: NDArray[np.int64],
    known: int,
    picked: NDArray[np.int64],
    depth_at: int,
    sides_at: int,
    by_depth: bool,
    out: Float,
) -> None:
    """Fill `out` (groups, levels) from a bar's sums `read` (look-backs, …), of which those up to `known` are known.

    `picked` (groups, 3) is the look-back of each group, the part that it is, and the one that is taken from it or -1;
    `depth_at` and `sides_at` are the columns of depth and of the sides that it counts.
    """
    groups, width = out.shape
    for g in range(groups):
        w, plus, minus = picked[g]
        if w > known:
            out[g] = np.nan
            continue
        depth = 0.0
        if read[w, sides_at] > 0:
            depth = read[w, depth_at] / read[w, sides_at]
        for m in range(width):
            flow = read[w, plus * width + m]
            if minus >= 0:
                flow -= read[w, minus * width + m]
            if not by_depth:
                out[g, m] = flow
            elif depth > 0:
                out[g, m] = flow / depth
            else:
                out[g, m] = 0.0


fill_flow_row = compiled(fill_flow_row_py)


class FlowRow:
    """A row of `flow_matrix`, (1, groups·levels), of a single bar as a stream gives it: the same bits.

    Made once for `groups` and the stream's `windows`; called with each bar's `flow` and `known`.
    """

    def __init__(self, windows: tuple[int, ...], normalise: str, groups: list[Group]) -> None:
        look_backs = [0 if g.window is None else 1 + windows.index(g.window) for g in groups]
        self._picked = np.array([(w, *_PARTS[g.part]) for w, g in zip(look_backs, groups, strict=True)], np.int64)
        self._by_depth = normalise == "depth"

    def __call__(self, read: NDArray[np.int64], known: int) -> Float:
        width = (read.shape[1] - layout.SIDES - 1) // layout.PARTS
        after = layout.PARTS * width
        out = np.empty((len(self._picked), width))
        fill_flow_row(read, known, self._picked, after + layout.DEPTH, after + layout.SIDES, self._by_depth, out)
        return out.reshape(1, -1)

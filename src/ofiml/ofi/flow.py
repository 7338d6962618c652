"""Columns of flow per level, part and look-back, in lots or relative to depth."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml._typing import Float, Int64
from ofiml.bars.time import Bars
from ofiml.config import PARTS, Ofi
from ofiml.data.schema import Session
from ofiml.features import layout
from ofiml.features.batch import BarValues, compute_bars
from ofiml.features.machine import FLOW_ONLY, describe_market
from ofiml.ofi.columns import NET_PART, FlowColumn, format_suffix
from ofiml.ofi.flow_kernel import fill_flow_row
from ofiml.units import parse_duration

_BLOCK_ROWS = 1 << 15  # whose flow stays in the cache while its columns are written


@dataclass(frozen=True, slots=True)
class Group:
    """Flow of one part over one look-back, one column per level. `window` is in ns and `window_name` is its text; both
    are None for the bar.
    """

    part: str
    window: int | None
    window_name: str | None

    def name_columns(self, levels: int) -> list[str]:
        """Name the columns of the group, best level first."""
        return [FlowColumn(self.part, m, self.window_name).name for m in range(levels)]

    @property
    def depth(self) -> str:
        """The column of the depth that normalises the group."""
        return f"depth{format_suffix(self.window_name)}"


NET = Group(NET_PART, None, None)

# The sum of the state machine that each part reads, and the sum that is subtracted from it.
_NO_PART = -1
_PARTS = {
    "ofi": (layout.BID_FLOW, layout.ASK_FLOW),
    "bid": (layout.BID_FLOW, _NO_PART),
    "ask": (layout.ASK_FLOW, _NO_PART),
    "adds": (layout.ADDS, _NO_PART),
    "cancels": (layout.CANCELS, _NO_PART),
    "trades": (layout.TRADES, _NO_PART),
}


def list_flow_groups(config: Ofi) -> list[Group]:
    """List the groups of flow in `config`, look-back by look-back."""
    return [
        Group(part, *((None, None) if w == "bar" else (parse_duration(w, "ofi.windows"), w)))
        for w in config.windows
        for part in PARTS[config.parts]
    ]


def name_flow_columns(levels: int) -> list[str]:
    """Name the columns of the bar's net flow, best level first."""
    return NET.name_columns(levels)


def compute_bar_flow(session: Session, per: str, bars: Bars) -> pl.DataFrame:
    """Compute the bar's flow on all levels and its depth, without features; columns as in `build_flow_table`."""
    return build_flow_table(compute_bars(session, describe_market(session, per), FLOW_ONLY, bars.edges, []), [NET], ())


def build_flow_table(computed: BarValues, groups: list[Group], windows: tuple[int, ...]) -> pl.DataFrame:
    """Build the flow of each level in lots, one row per bar: of the bar (`ofi_00` …) and of each of `groups`. Add the
    `depth` of the bar and of each look-back of the groups. `windows` are the look-backs of the state machine, ns,
    ascending.

    Bid and ask flow are the sizes that arrived at each side, so OFI is their difference. Depth is the average of
    (q^b + q^a)/2 over the levels and over the states in the bar or look-back; a missing side is not counted (Cont,
    Cucuringu & Zhang, arXiv 2112.13213). It is NaN without states. Values are null where a look-back begins before the
    start. Known at the bar's close.
    """
    width = (computed.flow.shape[2] - layout.SIDES - 1) // layout.PARTS
    out: dict[str, pl.Series] = {}
    for group in [NET, *(g for g in groups if g != NET)]:
        w = 0 if group.window is None else 1 + windows.index(group.window)
        known = pl.Series(computed.known >= w)
        sums = computed.flow[:, w]
        for name, values in zip(group.name_columns(width), _select_part(sums, group.part, width).T, strict=True):
            out[name] = pl.select(pl.when(known).then(pl.Series(np.ascontiguousarray(values)))).to_series()
        size, sides = (sums[:, layout.PARTS * width + k].astype(np.float64) for k in (layout.DEPTH, layout.SIDES))
        depth = np.divide(size, sides, out=np.full(len(size), np.nan), where=sides > 0)
        out[group.depth] = pl.select(pl.when(known).then(pl.Series(depth))).to_series()
    return pl.DataFrame(out)


def _select_part(sums: NDArray[np.int64], part: str, width: int) -> NDArray[np.int64]:
    plus, minus = _PARTS[part]
    flow = sums[:, plus * width : (plus + 1) * width]
    return flow if minus == _NO_PART else flow - sums[:, minus * width : (minus + 1) * width]


def build_flow_matrix(
    table: pl.DataFrame, levels: int, normalise: str, groups: list[Group] | None = None, at: Int64 | None = None
) -> Float:
    """Build the flow of all levels, group after group, (rows, groups·levels): in lots, or divided by the depth of the
    bar or look-back if `normalise` is depth. The rows are all, or those `at` positions (k,).

    Depth is one number for all levels; the ratio is 0 where depth is 0. NaN where a look-back begins before the start.
    """
    groups = groups or [NET]
    count = table.height if at is None else len(at)
    out = np.empty((count, len(groups) * levels))
    for first in range(0, count, _BLOCK_ROWS):
        block = out[first : first + _BLOCK_ROWS]
        rows = slice(first, first + len(block)) if at is None else at[first : first + len(block)]
        for g, group in enumerate(groups):
            depth = table[group.depth][rows].to_numpy() if normalise == "depth" else None
            for m, name in enumerate(group.name_columns(levels)):
                flow = table[name][rows].to_numpy()
                if depth is not None:
                    flow = np.divide(flow, depth, out=np.where(np.isnan(flow), np.nan, 0.0), where=depth > 0)
                block[:, g * levels + m] = flow
    return out


class FlowRow:
    """One row of `build_flow_matrix`, (1, groups·levels), for one bar of a stream, with the same bits.

    Build it once for `groups` and the stream's `windows`, and call it with the `flow` and `known` of each bar.
    """

    def __init__(self, windows: tuple[int, ...], normalise: str, groups: list[Group]) -> None:
        look_backs = [0 if g.window is None else 1 + windows.index(g.window) for g in groups]
        self._selection = np.array([(w, *_PARTS[g.part]) for w, g in zip(look_backs, groups, strict=True)], np.int64)
        self._by_depth = normalise == "depth"

    def __call__(self, sums: NDArray[np.int64], known: int) -> Float:
        width = (sums.shape[1] - layout.SIDES - 1) // layout.PARTS
        after = layout.PARTS * width
        out = np.empty((len(self._selection), width))
        fill_flow_row(sums, known, self._selection, after + layout.DEPTH, after + layout.SIDES, self._by_depth, out)
        return out.reshape(1, -1)

"""Columns of flow: per level, part and look-back, raw in lots or relative to depth."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.bars.time import Bars
from ofiml.config import PARTS, Ofi
from ofiml.events.schema import Session
from ofiml.features import kernel
from ofiml.features.batch import Computed, compute
from ofiml.features.machine import FLOW_ONLY, market
from ofiml.units import duration

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Group:
    """Flow of one part over one look-back: a column a level. `window` is in ns, None for the bar."""

    part: str
    window: int | None
    suffix: str

    def columns(self, levels: int) -> list[str]:
        """Their names, best level first."""
        return [f"{self.part}_{m:02d}{self.suffix}" for m in range(levels)]

    @property
    def depth(self) -> str:
        """The column of the depth that divides them."""
        return f"depth{self.suffix}"


NET = Group("ofi", None, "")


def groups(config: Ofi) -> list[Group]:
    """What `config` asks for, look-back by look-back."""
    return [
        Group(part, None if w == "bar" else duration(w, "ofi.windows"), "" if w == "bar" else f"_{w}")
        for w in config.windows
        for part in PARTS[config.parts]
    ]


def flow_columns(levels: int) -> list[str]:
    """Names of the bar's net flow, best level first."""
    return NET.columns(levels)


def bar_flow(session: Session, per: str, bars: Bars) -> pl.DataFrame:
    """The bar's flow of all levels and its depth, for who wants no features: see `flow_table`."""
    return flow_table(compute(session, market(session, per), FLOW_ONLY, bars.edges, []), [NET], ())


def flow_table(computed: Computed, asked: list[Group], windows: tuple[int, ...]) -> pl.DataFrame:
    """Per bar, the flow of each level in lots: of the bar (`ofi_00` …), and of each group that is `asked`; and `depth`
    of the bar and of each look-back among `windows` (ns, ascending, as the machine had them).

    Bid and ask flow are what arrived there, so that OFI is their difference. Depth is the average, over levels and over
    the states of bar or look-back, of (q^b + q^a)/2, counting only sides that are there (Cont, Cucuringu & Zhang, arXiv
    2112.13213); NaN without states. All is null where a look-back begins before the start. Known at the bar's close.
    """
    width = (computed.flow.shape[2] - kernel.SIDES - 1) // kernel.PARTS
    out: dict[str, pl.Series] = {}
    for group in [NET, *(g for g in asked if g != NET)]:
        w = 0 if group.window is None else 1 + windows.index(group.window)
        known = pl.Series(computed.known >= w)
        read = computed.flow[:, w]
        for name, values in zip(group.columns(width), _part(read, group.part, width).T, strict=True):
            out[name] = pl.select(pl.when(known).then(pl.Series(np.ascontiguousarray(values)))).to_series()
        size, sides = (read[:, kernel.PARTS * width + k].astype(np.float64) for k in (kernel.DEPTH, kernel.SIDES))
        depth = np.divide(size, sides, out=np.full(len(size), np.nan), where=sides > 0)
        out[group.depth] = pl.select(pl.when(known).then(pl.Series(depth))).to_series()
    return pl.DataFrame(out)


def _part(read: NDArray[np.int64], part: str, width: int) -> NDArray[np.int64]:
    def of(k: int) -> NDArray[np.int64]:
        return read[:, k * width : (k + 1) * width]

    if part == "ofi":
        return of(kernel.BID_FLOW) - of(kernel.ASK_FLOW)
    names = {
        "bid": kernel.BID_FLOW,
        "ask": kernel.ASK_FLOW,
        "adds": kernel.ADDS,
        "cancels": kernel.CANCELS,
        "trades": kernel.TRADES,
    }
    return of(names[part])


def flow_matrix(table: pl.DataFrame, levels: int, normalise: str, asked: list[Group] | None = None) -> Float:
    """The flow of all levels, group after group, (rows, groups·levels), in lots, or divided by the depth of bar or
    look-back if `normalise` is depth.

    Depth is one number for all levels. Without depth there is no flow, and it gives 0. NaN where a look-back begins
    before the start.
    """
    blocks = []
    for group in asked or [NET]:
        flow = table.select(pl.col(group.columns(levels)).cast(pl.Float64).fill_null(np.nan)).to_numpy()
        if normalise == "depth":
            depth = table[group.depth].fill_null(np.nan).to_numpy()[:, None]
            flow = np.divide(flow, depth, out=np.where(np.isnan(flow), np.nan, 0.0), where=depth > 0)
        blocks.append(flow.astype(np.float64))
    return np.ascontiguousarray(np.hstack(blocks))


def flow_row(
    read: NDArray[np.int64], known: int, windows: tuple[int, ...], normalise: str, asked: list[Group]
) -> Float:
    """A row of `flow_matrix`, (1, groups·levels), of a single bar as a stream gives it: the same bits."""
    width = (read.shape[1] - kernel.SIDES - 1) // kernel.PARTS
    out = np.full((len(asked), width), np.nan)
    for i, group in enumerate(asked):
        w = 0 if group.window is None else 1 + windows.index(group.window)
        if w <= known:
            out[i] = _part(read[w : w + 1], group.part, width)[0]
            if normalise == "depth":
                size, sides = (float(read[w, kernel.PARTS * width + k]) for k in (kernel.DEPTH, kernel.SIDES))
                out[i] = out[i] / (size / sides) if sides and size else 0.0
    return out.reshape(1, -1)

"""The names of flow columns. This module alone writes and parses them.

A column of flow is `PART_LEVEL[_WINDOW]`: `ofi_00` is the net flow of the bar at the best level, `bid_03_30s` the flow
at the fourth bid level over the last 30 s. A reduction over levels is `REDUCTION[_PART][_WINDOW]`: `mlofi_sum`,
`ofi_pca_adds_1s`.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

# The direction in which more of a part pushes the price. Size that arrives at the bid pushes up, at the ask down. Net
# flow and its adds, cancels and trades are bid less ask.
PRICE_SIGN = {"ofi": 1, "bid": 1, "ask": -1, "adds": 1, "cancels": 1, "trades": 1}
NET_PART = "ofi"

_PART = "|".join(PRICE_SIGN)
_WINDOW = r"(?:_(?P<window>[0-9.]+[a-z]+))?"
_FLOW = re.compile(rf"(?P<part>{_PART})_(?P<level>[0-9]{{2,}}){_WINDOW}")
_PARTS_BUT_NET = "|".join(part for part in PRICE_SIGN if part != NET_PART)
_REDUCED = re.compile(
    rf"(?P<reduction>mlofi_[a-z]+?|ofi_pca)(?:_(?P<part>{_PARTS_BUT_NET}))?{_WINDOW}",
)
_REDUCTIONS = ("mlofi_sum", "mlofi_weighted", "mlofi_decay", "mlofi_ridge", "mlofi_powell", "ofi_pca")
# Flow in the feature catalogue. A difference of flows (ofi_acceleration) and another symbol's flow have no known sign.
_CATALOGUE = re.compile(r"ofi_([0-9]+s|to_depth|zscore|deep|adds|cancels|trades)|bid_flow|ask_flow")


@dataclass(frozen=True, slots=True)
class FlowColumn:
    """A column of flow: its `part`, its book `level` (0 is the best) and its look-back as text, None for the bar."""

    part: str
    level: int
    window: str | None = None

    @property
    def name(self) -> str:
        """The name of the column, such as `ofi_00` or `bid_02_30s`."""
        return f"{self.part}_{self.level:02d}{format_suffix(self.window)}"

    @classmethod
    @lru_cache(maxsize=4096)
    def parse(cls, name: str) -> Self | None:
        """Parse a column name; None for a name of another kind."""
        match = _FLOW.fullmatch(name)
        return None if match is None else cls(match["part"], int(match["level"]), match["window"])


@dataclass(frozen=True, slots=True)
class ReducedColumn:
    """The output column of a reduction over all levels of a part and a look-back."""

    reduction: str
    part: str = NET_PART
    window: str | None = None

    @property
    def name(self) -> str:
        return f"{self.reduction}{'' if self.part == NET_PART else f'_{self.part}'}{format_suffix(self.window)}"

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """Parse a column name; None for a name of another kind."""
        match = _REDUCED.fullmatch(name)
        if match is None or match["reduction"] not in _REDUCTIONS:
            return None
        return cls(match["reduction"], match["part"] or NET_PART, match["window"])


def format_suffix(window: str | None) -> str:
    """Format the suffix that a look-back adds to a column name; empty for the bar."""
    return "" if window is None else f"_{window}"


#: The net flow of the bar at the best level.
BEST_FLOW = FlowColumn(NET_PART, 0).name


def find_price_sign(name: str) -> int:
    """Find the expected sign of the price response to a column: 1, -1, or 0 where it is not known.

    A Ridge reduction is fitted to the label, so its sign is 1 for every part.
    """
    flow = FlowColumn.parse(name)
    if flow is not None:
        return PRICE_SIGN[flow.part]
    reduced = ReducedColumn.parse(name)
    if reduced is not None:
        return 1 if reduced.reduction == "mlofi_ridge" else PRICE_SIGN[reduced.part]
    return (-1 if name == "ask_flow" else 1) if _CATALOGUE.fullmatch(name) else 0

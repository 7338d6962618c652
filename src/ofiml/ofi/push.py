"""Which way a column of flow should push the price, if flow pushes it at all."""

import re

# Of each part of the flow: what arrives at the bid pushes up, what arrives at the ask down; net flow, and its adds,
# cancels and trades, are bid less ask.
_PARTS = {"ofi": 1, "bid": 1, "ask": -1, "adds": 1, "cancels": 1, "trades": 1}
_LEVEL = re.compile(r"(ofi|bid|ask|adds|cancels|trades)_[0-9]{2}(_[0-9.]+[a-z]+)?")
# Weighted by weights that are not negative, or sum positive: the part's own sign.
_WEIGHTED = re.compile(
    r"(?:mlofi_(?:sum|weighted|decay|powell)|ofi_pca)(?:_(bid|ask|adds|cancels|trades))?(_[0-9.]+[a-z]+)?"
)
# Of the catalogue. What is a difference of flows (ofi_acceleration), or another symbol's, is left free.
_CATALOGUE = re.compile(r"ofi_([0-9]+s|to_depth|zscore|deep|adds|cancels|trades)|bid_flow|ask_flow")


def push(column: str) -> int:
    """1 where more of the column should go with a higher price, -1 with a lower, 0 where nothing is said of it."""
    if column.startswith("mlofi_ridge"):
        return 1  # its weights are a fit of the label, signs and all
    level = _LEVEL.fullmatch(column)
    if level:
        return _PARTS[level[1]]
    weighted = _WEIGHTED.fullmatch(column)
    if weighted:
        return _PARTS[weighted[1] or "ofi"]
    return (-1 if column == "ask_flow" else 1) if _CATALOGUE.fullmatch(column) else 0

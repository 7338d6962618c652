"""The kernel of flow: one row of it for one bar of a stream.

`fill_flow_row_py` is the specification, `fill_flow_row` its njit.
"""

import numpy as np
from numpy.typing import NDArray

from ofiml._numba import compiled
from ofiml._typing import Float


def fill_flow_row_py(
    sums: NDArray[np.int64],
    known: int,
    selection: NDArray[np.int64],
    depth_at: int,
    sides_at: int,
    by_depth: bool,
    out: Float,
) -> None:
    """Fill `out` (groups, levels) from the `sums` of a bar, (look-backs, …); NaN for a look-back beyond `known`.

    `selection` (groups, 3) has the look-back of each group, its part, and the part to subtract or -1. `depth_at` and
    `sides_at` are the columns of the summed depth and of the number of sides in it.
    """
    groups, width = out.shape
    for g in range(groups):
        w, plus, minus = selection[g]
        if w > known:
            out[g] = np.nan
            continue
        depth = 0.0
        if sums[w, sides_at] > 0:
            depth = sums[w, depth_at] / sums[w, sides_at]
        for m in range(width):
            flow = sums[w, plus * width + m]
            if minus >= 0:
                flow -= sums[w, minus * width + m]
            if not by_depth:
                out[g, m] = flow
            elif depth > 0:
                out[g, m] = flow / depth
            else:
                out[g, m] = 0.0


fill_flow_row = compiled(fill_flow_row_py)

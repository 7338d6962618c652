"""Many symbols at once: whose forecast is more than luck, if as many are asked as there are."""

from typing import Any

import polars as pl
from numpy.typing import NDArray


def q_values(p: NDArray) -> tuple[NDArray, NDArray]:
    """Benjamini & Hochberg's q of each p (independent or positively dependent), and Benjamini & Yekutieli's (any
    dependence); NaN where p is, which counts as not asked.
    """
    import numpy as np
    from statsmodels.stats.multitest import multipletests

    known = ~np.isnan(p)
    both = []
    for method in ("fdr_bh", "fdr_by"):
        q = np.full(len(p), np.nan)
        if known.any():
            q[known] = multipletests(p[known], method=method)[1]
        both.append(q)
    return both[0], both[1]


def by_symbol(judged: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table of `judged` symbols, each with its HAC `p`: `q` and `q_any`, as in `q_values`, added."""
    q, q_any = q_values(pl.Series([one["p"] for one in judged], dtype=pl.Float64).to_numpy())
    return [one | {"q": float(a), "q_any": float(b)} for one, a, b in zip(judged, q, q_any, strict=True)]

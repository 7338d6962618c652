"""Many symbols at once: whose forecast is more than luck, if as many are asked as there are."""

import numpy as np
from numpy.typing import NDArray


def q_values(p: NDArray) -> tuple[NDArray, NDArray]:
    """Benjamini & Hochberg's q of each p (independent or positively dependent), and Benjamini & Yekutieli's (any
    dependence); NaN where p is, which counts as not asked.
    """
    from statsmodels.stats.multitest import multipletests

    known = ~np.isnan(p)
    both = []
    for method in ("fdr_bh", "fdr_by"):
        q = np.full(len(p), np.nan)
        if known.any():
            q[known] = multipletests(p[known], method=method)[1]
        both.append(q)
    return both[0], both[1]

"""False discovery rates over many symbols."""

import numpy as np
from numpy.typing import NDArray


def q_values(p: NDArray) -> tuple[NDArray, NDArray]:
    """Compute q-values (n,) of p-values (n,): Benjamini & Hochberg's (1995; independent or positively dependent tests)
    and Benjamini & Yekutieli's (2001; any dependence). NaN stays NaN and does not count as a test.
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

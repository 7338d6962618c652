"""False discovery rates over many symbols."""

import numpy as np
from numpy.typing import NDArray


def compute_q_values(p: NDArray) -> tuple[NDArray, NDArray]:
    """Compute q-values (n,) of p-values (n,) by Benjamini & Hochberg (1995; independent or positively dependent tests)
    and by Benjamini & Yekutieli (2001; any dependence). NaN stays NaN and does not count as a test.
    """
    from statsmodels.stats.multitest import multipletests

    known = ~np.isnan(p)
    results = []
    for method in ("fdr_bh", "fdr_by"):
        q = np.full(len(p), np.nan)
        if known.any():
            q[known] = multipletests(p[known], method=method)[1]
        results.append(q)
    return results[0], results[1]

"""Evenly spaced samples of rows, where using all would take too long."""

import numpy as np
from numpy.typing import NDArray


def sample_evenly(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Select at most `most` of `rows`, evenly spaced."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]

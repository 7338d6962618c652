"""Evenly spaced samples of rows, where all rows would take too long."""

import numpy as np
from numpy.typing import NDArray


def sample_evenly(rows: NDArray[np.int64], max_rows: int) -> NDArray[np.int64]:
    """Select at most `max_rows` of `rows` (n,), evenly spaced."""
    if len(rows) <= max_rows:
        return rows
    return rows[np.linspace(0, len(rows) - 1, max_rows).round().astype(np.int64)]

"""Rows whose labels do not overlap."""

import numpy as np

from ofiml.splits.inner import Inner
from ofiml.splits.walk_forward import Intervals


def apart(n, embargo=0):
    """`n` rows, one every 10 s, with labels of 5 s."""
    t = np.arange(n, dtype=np.int64) * 10_000_000_000
    return Inner(Intervals(t, t, t + 5_000_000_000), embargo)

"""The dots of the folds beside a bar of their mean."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from ofiml.ui.figure import BLUE


def draw_dots(axis: Axes, rows: Sequence[Sequence[float]], *, size: float, label: str) -> None:
    """Draw one dot per value, those of `rows[k]` at the height k. `size` is in points², as of `Axes.scatter`.

    All dots are one collection: one for each row takes as long to draw as all of them.
    """
    heights = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    axis.scatter(np.concatenate(rows), heights, s=size, color=BLUE, zorder=3, label=label)

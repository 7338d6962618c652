"""Draw the folds on an axis of trading time: train, purged, embargoed and test rows."""

from collections.abc import Callable

from matplotlib.figure import Figure

from ofiml.reporting.folds import draw_folds
from ofiml.study.run import Study


def choose_figures(study: Study) -> dict[str, Callable[[Figure, Study], None]]:
    """Choose the figure of the folds."""
    return {"splits.png": lambda figure, study: draw_folds(figure, study.divided)}

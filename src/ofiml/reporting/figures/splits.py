"""The folds: what trained, was purged, embargoed and tested, on a time axis."""

from collections.abc import Callable

from matplotlib.figure import Figure

from ofiml.reporting.folds import draw_folds
from ofiml.study.run import Study


def choose_figures(study: Study) -> dict[str, Callable[[Figure, Study], None]]:
    return {"splits.png": lambda figure, study: draw_folds(figure, study.divided)}

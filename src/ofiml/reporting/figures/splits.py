"""The folds: what trained, was purged, embargoed and tested, on a time axis."""

from collections.abc import Callable

from matplotlib.figure import Figure

from ofiml.reporting.folds import draw
from ofiml.study.run import Study


def drawn(study: Study) -> dict[str, Callable[[Figure, Study], None]]:
    return {"splits.png": lambda figure, study: draw(figure, study.divided)}

"""The folds: what trained, was purged, embargoed and tested, on a time axis."""

from collections.abc import Callable

from matplotlib.figure import Figure

from ofiml.experiment import Study
from ofiml.folds import draw


def drawn(study: Study) -> dict[str, Callable[[Figure, Study], None]]:
    return {"splits.png": lambda figure, study: draw(figure, study.divided)}

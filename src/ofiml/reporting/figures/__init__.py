"""Draw the figures of a study. `choose_figures` of each module maps file names to the functions that draw them."""

from collections.abc import Callable
from functools import partial

from matplotlib.figure import Figure

from ofiml.reporting.figures import controls as controls_figures
from ofiml.reporting.figures import explanation as explanation_figures
from ofiml.reporting.figures import impact as impact_figures
from ofiml.reporting.figures import parts as strata_figures
from ofiml.reporting.figures import splits as split_figures
from ofiml.reporting.figures import study as study_figures
from ofiml.reporting.figures import tuning as tuning_figures
from ofiml.reporting.verdict import write_title
from ofiml.study.run import Study
from ofiml.ui.figure import style_figure

__all__ = ["choose_figures"]

_SUBJECTS = (
    *(study_figures, impact_figures, explanation_figures, strata_figures, split_figures, tuning_figures),
    controls_figures,
)


def choose_figures(study: Study) -> dict[str, Callable[[], Figure]]:
    """Choose the figures of a study. Return by file name a function that draws the figure."""
    choices = {name: draw for subject in _SUBJECTS for name, draw in subject.choose_figures(study).items()}
    caption = write_title(study)
    return {
        name: partial(style_figure, partial(draw, study=study), legend_columns=3, caption=caption)
        for name, draw in choices.items()
    }

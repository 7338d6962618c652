"""The figures of a study. Each module has `choose_figures`: file names and the functions that draw them."""

from functools import partial

from matplotlib.figure import Figure

from ofiml.reporting.figures import controls as of_controls
from ofiml.reporting.figures import explanation as of_explanation
from ofiml.reporting.figures import parts as of_parts
from ofiml.reporting.figures import splits as of_splits
from ofiml.reporting.figures import study as of_study
from ofiml.reporting.figures import tuning as of_tuning
from ofiml.reporting.verdict import write_title
from ofiml.study.run import Study
from ofiml.ui.figure import GREY, style_figure

_SUBJECTS = (of_study, of_explanation, of_parts, of_splits, of_tuning, of_controls)


def draw_figures(study: Study) -> dict[str, Figure]:
    """Draw the figures of a study, by file name."""
    drawn = {name: draw for subject in _SUBJECTS for name, draw in subject.choose_figures(study).items()}
    return {
        name: _titled(style_figure(partial(draw, study=study), legend_columns=3), study) for name, draw in drawn.items()
    }


def _titled(figure: Figure, study: Study) -> Figure:
    figure.suptitle(write_title(study), fontsize=8, color=GREY)
    return figure

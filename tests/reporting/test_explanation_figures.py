"""The figure of ranks by fold: a thin line leads from the end of each curve to its name."""

from types import SimpleNamespace

import numpy as np
from matplotlib.figure import Figure

from ofiml.reporting.figures.explanation import choose_figures
from ofiml.ui.figure import style_figure

FOLDS = {"first": (9.0, 8.0, 9.0), "second": (3.0, 4.0, 1.0), "third": (2.0, 1.0, 3.0)}
RANKS = {"first": 1, "third": 2, "second": 3}  # in the last fold


def draw() -> Figure:
    explained = SimpleNamespace(families=[], permutation=None, interactions=None)
    report = SimpleNamespace(
        importance=[SimpleNamespace(feature=name, folds=values) for name, values in FOLDS.items()],
        folds=[SimpleNamespace(fold=k) for k in range(3)],
        importance_stability=0.5,
        explained=explained,
    )
    study = SimpleNamespace(report=report)
    figure_of_ranks = choose_figures(study)["stability.png"]
    return style_figure(lambda figure: figure_of_ranks(figure, study), legend_columns=3)


def test_each_curve_is_led_to_its_name():
    figure = draw()
    (axis,) = figure.axes
    (lines,) = axis.collections
    names = [text for text in axis.texts if text.get_text()]
    assert [text.get_text() for text in names] == [f"{rank}  {name}" for name, rank in RANKS.items()]
    for segment, text, rank in zip(lines.get_segments(), names, RANKS.values(), strict=True):
        start, end = axis.transAxes.transform(segment)
        np.testing.assert_allclose(start, axis.transData.transform((2, rank)), atol=1e-6)
        box = text.get_window_extent()
        assert 0 < box.x0 - end[0] < 8
        assert box.y0 < end[1] < box.y1
    assert max(text.get_window_extent().x1 for text in names) < figure.bbox.width

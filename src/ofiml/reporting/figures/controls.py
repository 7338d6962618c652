"""Draw the IC of the model and of its controls."""

import numpy as np
from matplotlib.figure import Figure

from ofiml.reporting.controls import NAMES
from ofiml.reporting.figures.study import Draw
from ofiml.study.run import Study
from ofiml.ui.figure import BLUE, DARK, GREY


def choose_figures(study: Study) -> dict[str, Draw]:
    """Choose the figure of the controls; none if controls are switched off."""
    return {} if study.report.controls is None else {"controls.png": _draw_controls}


def _draw_controls(figure: Figure, study: Study) -> None:
    """Draw one line per IC with its interval; label a control without an IC."""
    assert study.report.controls is not None
    pooled = study.report.metrics.pooled["ic"]
    entries = [("the model", pooled.value, pooled.low, pooled.high)]
    entries += [(NAMES[k], c.ic, c.ic_low, c.ic_high) for k, c in study.report.controls.items()]
    axis, level = figure.subplots(), study.report.metrics.bootstrap.level
    value, low, high = np.array([entry[1:] for entry in entries], np.float64).T
    ends, y = np.maximum([value - low, high - value], 0.0), np.arange(len(entries))
    for rows, colour in ((slice(1), BLUE), (slice(1, None), DARK)):
        axis.errorbar(value[rows], y[rows], xerr=ends[:, rows], fmt="o", capsize=3, color=colour)
    for i in np.flatnonzero(np.isnan(value)).tolist():
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # the lines would cross the text
        axis.text(0, i, " no IC: the forecast is constant", va="center", fontsize=9, color=GREY, bbox=box)
    axis.axvline(0, color=GREY, linewidth=0.8)
    if pooled.value == pooled.value:
        axis.axvline(pooled.value, color=BLUE, linewidth=0.8, linestyle="--")
    axis.set_yticks(range(len(entries)), [name for name, *_ in entries])
    axis.invert_yaxis()
    axis.set_xlabel(f"IC out of sample, with its {level:.0%} interval")
    axis.set_title("Does the model beat its controls?")

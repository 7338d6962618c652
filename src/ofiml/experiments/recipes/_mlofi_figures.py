"""The figures of `mlofi_ridge`, one panel a market."""

from collections.abc import Mapping
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from ofiml._typing import Float
from ofiml.experiments.recipes._mlofi_levels import Levels
from ofiml.ui.figure import BLUE, DARK, GREY, RED

_REACH = 3.0  # standard deviations of the best level's flow that the distributions show
_QUANTILES, _MARKS = 400, 40  # of a cumulative curve: its points, and those from one marker to the next
_CURVES = ((DARK, "o", "-"), (BLUE, "s", "--"), (GREY, "^", "-."), (RED, "v", ":"))
_FLOOR = -0.3  # of the R² shown; one below it stands there, with its number


def draw_rmse(figure: Figure, found: Mapping[str, Levels]) -> None:
    """Draw the errors by the number of levels, relative to the best level's out of sample."""
    for axis, (_, one) in zip(_list_panels(figure, found), found.items(), strict=True):
        base = one.ols[0].rmse[1]
        # Ridge is drawn first and wider, because least squares often lies on it.
        for text, fits, colour, width in (("Ridge", one.ridge, RED, 3.0), ("least squares", one.ols, BLUE, 1.2)):
            for where, place, dash in (("in sample", 0, "--"), ("out of sample", 1, "-")):
                values = [fit.rmse[place] / base for fit in fits]
                axis.plot(_count(values), values, dash, color=colour, linewidth=width, label=f"{text}, {where}")
        axis.set_xlabel("number of levels")
    figure.axes[0].set_ylabel("error (best level out of sample = 1)")


def draw_weights(figure: Figure, found: Mapping[str, Levels]) -> None:
    """Draw the weights over levels of Ridge, least squares and Powell's search."""
    for axis, (_, one) in zip(_list_panels(figure, found), found.items(), strict=True):
        for text, fit, colour, marker in (
            ("Ridge", one.ridge[-1], RED, "o"),
            ("least squares", one.ols[-1], BLUE, "s"),
            ("Powell", one.powell, GREY, "^"),
        ):
            weights = fit.weights.mean(axis=0)
            total = np.abs(weights).sum()
            axis.plot(
                _count(weights),
                weights / total if total > 0 else weights,
                color=colour,
                marker=marker,
                markersize=4,
                linewidth=1,
                label=text,
            )
        axis.axhline(0, color=DARK, linewidth=0.6)
        axis.set_xlabel("level")
    figure.axes[0].set_ylabel("weight (share)")


def draw_level_fits(figure: Figure, found: Mapping[str, Levels]) -> None:
    """Draw the R² of the line of each level."""
    for axis, (_, one) in zip(_list_panels(figure, found), found.items(), strict=True):
        for text, values, colour, dash, marker in (
            ("out of sample, all rows", [line.all for line in one.lines], BLUE, "-", "o"),
            ("out of sample, trained without outliers of flow", [line.trimmed for line in one.lines], DARK, "-", "s"),
            ("in sample, all rows", [line.r2 for line in one.seen], GREY, "--", "^"),
            ("in sample, a forest that sees the move", [line.trimmed_r2 for line in one.seen], RED, "--", "v"),
        ):
            shown = np.maximum(values, _FLOOR)
            axis.plot(_count(shown), shown, dash, color=colour, marker=marker, markersize=4, linewidth=1, label=text)
            for m in np.flatnonzero(shown > values):  # too far below to leave room for the others
                axis.annotate(f" {values[m]:.2f}".replace("-", "−"), (m + 1, _FLOOR), color=colour, fontsize=9)
        axis.set_xlabel("level")
    figure.axes[0].set_ylabel("R²")
    figure.axes[0].set_ylim(_FLOOR - 0.03, 1)


def draw_distributions(figure: Figure, found: Mapping[str, Levels]) -> None:
    """Draw the distribution of each level's flow: violins above, cumulative below."""
    panels = figure.subplots(2, len(found), squeeze=False)
    for (above, below), (name, one) in zip(panels.T, found.items(), strict=True):
        flow = one.flow / (one.flow[:, 0].std() or 1.0)
        _draw_violins(above, flow)
        levels = flow.shape[1]
        shown = {"best level": 0, "level 2": 1, "middle level": levels // 2, "deepest level": levels - 1}
        for k, (label, m) in enumerate(shown.items()):
            points, (colour, marker, dash) = np.quantile(flow[:, m], np.linspace(0, 1, _QUANTILES)), _CURVES[k]
            below.plot(
                points,
                np.linspace(0, 1, _QUANTILES),
                dash,
                color=colour,
                linewidth=1.2,
                marker=marker,
                markersize=5,
                # Each curve has its markers at other heights, so that those of curves that lie together are all seen.
                markevery=(k * _MARKS // len(_CURVES), _MARKS),
                label=label,
            )
        below.set_xlim(-_REACH, _REACH)
        above.set_title(name, fontsize=10)
        above.set_xlabel("level")
        below.set_xlabel("flow (standard deviations)")
    panels[0, 0].set_ylabel("flow (standard deviations)")
    panels[1, 0].set_ylabel("share of bars below")


def _draw_violins(axis: Axes, flow: Float) -> None:
    within = {m: column[np.abs(column) <= _REACH] for m, column in enumerate(flow.T)}
    varying = [m for m, column in within.items() if len(column) and np.ptp(column) > 0]
    bodies = axis.violinplot([within[m] for m in varying], [m + 1 for m in varying], widths=0.85, showextrema=False)
    for m, body in zip(varying, cast("list[PolyCollection]", bodies["bodies"]), strict=True):
        body.set_facecolor(_shade(m, flow.shape[1]))
        body.set_alpha(0.9)
    axis.set_ylim(-_REACH, _REACH)
    axis.set_xticks(range(1, flow.shape[1] + 1, 1 if flow.shape[1] < 6 else 3))


def _shade(level: int, levels: int) -> tuple[float, float, float]:
    """Mix the colour of a level: from dark for the best to light red for the deepest, apart in lightness too."""
    share = level / max(levels - 1, 1)
    red, green, blue = ((1 - share) * a + share * b for a, b in zip(to_rgb(DARK), to_rgb("#f0a58f"), strict=True))
    return red, green, blue


def draw_similarity(figure: Figure, found: Mapping[str, Levels]) -> None:
    """Draw the correlation and the distance of each level with the best one and with the one above it."""
    for axis, (_, one) in zip(_list_panels(figure, found), found.items(), strict=True):
        kinds = (("correlation", one.correlation, BLUE, "os"), ("distance in lots", one.ks[0], RED, "^v"))
        for text, matrix, colour, marks in kinds:
            levels = np.arange(2, len(matrix) + 1)
            axis.plot(levels, matrix[0, 1:], color=colour, marker=marks[0], markersize=4, label=f"{text}, best level")
            axis.plot(
                levels,
                np.diag(matrix, 1),
                "--",
                color=colour,
                marker=marks[1],
                markersize=3,
                linewidth=1,
                label=f"{text}, level above",
            )
        axis.set_xlabel("level")
        axis.set_xticks(levels[:: 1 if len(levels) < 6 else 2])
        axis.set_ylim(-0.1, 1)
    figure.axes[0].set_ylabel("correlation or distance")


def draw_spectrum(figure: Figure, found: Mapping[str, Levels]) -> None:
    """Draw the share of each principal component, and their sums."""
    for axis, (_, one) in zip(_list_panels(figure, found), found.items(), strict=True):
        axis.bar(_count(one.spectrum), one.spectrum, color=BLUE, width=0.7, label="component")
        axis.plot(_count(one.spectrum), np.cumsum(one.spectrum), color=RED, marker="o", markersize=4, label="sum")
        axis.set_xlabel("component")
        axis.set_ylim(0, 1.05)
    figure.axes[0].set_ylabel("share of the variance")


def _list_panels(figure: Figure, found: Mapping[str, Levels]) -> list[Axes]:
    panels = list(figure.subplots(1, len(found), sharey=True, squeeze=False)[0])
    for axis, (name, one) in zip(panels, found.items(), strict=True):
        axis.set_title(name, fontsize=10)
        levels = one.flow.shape[1]
        axis.set_xticks(range(1, levels + 1, 1 if levels < 6 else 3))
    return panels


def _count(values: Float | list[float]) -> list[int]:
    return list(range(1, len(values) + 1))

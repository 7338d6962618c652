"""The figures of `cross_impact`: matrices as heat maps and as networks, one figure a market."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch

from ofiml._typing import Float
from ofiml.ui.figure import BLUE, DARK, GREY, RED
from ofiml.ui.format import format_number

_COLOURS = LinearSegmentedColormap.from_list("signs", [RED, "white", BLUE])
_WIDEST = 4.0  # points, of the strongest link of a panel
_NODE = 0.24  # radius that arrows keep free
Style = tuple[str, Literal["-", "--"]]
_RAISES: Style = (BLUE, "-")
_LOWERS: Style = (RED, "--")
_SHAPES = ("o", "s", "^", "D", "v", "p")  # by sector


def draw_heat_maps(figure: Figure, panels: Mapping[str, Float], symbols: Sequence[str], forms: Sequence[str]) -> None:
    """Draw each matrix (K, K) with its numbers in the given forms; colours are relative to its largest entry."""
    axes = figure.subplots(-(-len(panels) // 2), 2, squeeze=False).ravel()
    for axis, (title, matrix), form in zip(axes, panels.items(), forms, strict=False):
        top = float(np.nanmax(np.abs(matrix))) or 1.0
        axis.imshow(matrix, cmap=_COLOURS, vmin=-top, vmax=top, aspect="auto")
        for (i, j), value in np.ndenumerate(matrix):
            text = format_number(float(value), form).replace("-", "−")
            axis.text(
                j, i, text, ha="center", va="center", fontsize=9, color="white" if abs(value) > 0.6 * top else DARK
            )
        axis.set_xticks(range(len(symbols)), symbols, fontsize=9)
        axis.set_yticks(range(len(symbols)), symbols, fontsize=9)
        axis.set_title(title, fontsize=10)
    for axis in axes[: len(panels)][-2:]:
        axis.set_xlabel("flow of")
    for axis in axes[: len(panels) : 2]:
        axis.set_ylabel("move of")
    for axis in axes[len(panels) :]:
        axis.set_visible(False)


def draw_networks(figure: Figure, panels: Mapping[str, Float], symbols: Sequence[str], sectors: Sequence[str]) -> None:
    """Draw the entries outside the diagonal as arrows from the column's symbol to the row's; 0 is none.

    Widths are relative to the strongest of a panel; shapes of nodes are sectors.
    """
    axes = figure.subplots(-(-len(panels) // 2), 2, squeeze=False).ravel()
    for axis, (title, matrix) in zip(axes, panels.items(), strict=False):
        _draw_network(axis, matrix, symbols, sectors)
        axis.set_title(title, fontsize=10)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    # Lines without data, for the legend: arrows give it none.
    for (colour, dash), label in ((_RAISES, "raises the price"), (_LOWERS, "lowers it")):
        axes[0].add_line(Line2D([], [], color=colour, linestyle=dash, linewidth=2.5, label=label))
    for k, sector in enumerate(dict.fromkeys(sector for sector in sectors if sector)):
        axes[0].plot([], [], _SHAPES[k % len(_SHAPES)], color=GREY, markersize=8, label=f"sector {sector}")


def _draw_network(axis: Axes, matrix: Float, symbols: Sequence[str], sectors: Sequence[str]) -> None:
    angle = np.pi / 2 - 2 * np.pi * np.arange(len(symbols)) / len(symbols)
    place = np.column_stack([np.cos(angle), np.sin(angle)])
    away = np.where(np.eye(len(symbols), dtype=bool), 0.0, matrix)
    top = float(np.max(np.abs(away))) or 1.0
    for (i, j), value in np.ndenumerate(away):
        if value == 0:
            continue
        step = (place[i] - place[j]) / np.linalg.norm(place[i] - place[j])
        colour, dash = _RAISES if value > 0 else _LOWERS
        axis.add_patch(
            FancyArrowPatch(
                tuple(place[j] + _NODE * step),
                tuple(place[i] - _NODE * step),
                connectionstyle="arc3,rad=0.14",  # so that the arrows of both directions are apart
                arrowstyle="-|>",
                mutation_scale=11,
                linewidth=max(0.6, _WIDEST * abs(value) / top),
                color=colour,
                linestyle=dash,
                alpha=0.85,
            )
        )
    known = list(dict.fromkeys(sector for sector in sectors if sector))
    for (x, y), symbol, sector in zip(place, symbols, sectors, strict=True):
        shape = _SHAPES[known.index(sector) % len(_SHAPES)] if sector else _SHAPES[0]
        axis.plot([x], [y], shape, color="white", markeredgecolor=GREY, markersize=24, zorder=3)
        axis.text(x, y, symbol, ha="center", va="center", fontsize=9, color=DARK, zorder=4)
    axis.set_xlim(-1.35, 1.35)
    axis.set_ylim(-1.3, 1.3)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_aspect("equal")
    axis.spines[:].set_visible(False)

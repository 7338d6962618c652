"""The style of figures, which are drawn without a display and without global state."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from ofiml.ui.canvas import HINTING, write_png, write_svg
from ofiml.ui.margins import arrange_axes

DARK, RED, BLUE, GREY = "#1f2d3d", "#c8553d", "#2a7f9e", "#8a8f98"

_STYLE: dict[Any, Any] = {
    # A grid that is there before the ticks need not be given to each of them.
    **{"axes.grid": True, "grid.alpha": 0.25, "grid.linewidth": 0.6},
    **{"axes.spines.top": False, "axes.spines.right": False},
    # Titles stand above the axes whatever the ticks are. Else they are measured once more for each title.
    **{"axes.titley": 1.0, "text.hinting": HINTING},
}


def style_figure(draw: Callable[[Figure], None], *, legend_columns: int, caption: str = "") -> Figure:
    """Draw a figure with `draw`, and give it light axes, one legend for all axes below them, and a grey caption above.

    The axes of the figure stand in one grid. Margins are as wide as their labels.
    """
    figure = Figure(figsize=(9, 5.4), dpi=110)
    with mpl.rc_context(_STYLE):
        draw(figure)
        _finish(figure, legend_columns, caption)
    return figure


def _finish(figure: Figure, legend_columns: int, caption: str) -> None:
    """Give a drawn figure its legend and its caption, and move the axes so that all texts have room."""
    handles: dict[str, Artist] = {}
    for axis in figure.axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if handles:
        figure.legend(
            list(handles.values()),
            list(handles),
            loc="lower center",
            ncols=legend_columns,
            frameon=False,
            fontsize=9,
        )
    if caption:
        figure.text(0.5, 0.995, caption, ha="center", va="top", fontsize=8, color=GREY)
    arrange_axes(figure)


def save_figure(figure: Figure, path: Path, *, form: str, dpi: float) -> None:
    """Write a figure in the form `png`, `svg` or `pdf`; the text of SVG and PDF stays text.

    The same figure gives the same file.
    """
    match form:
        case "png":
            write_png(figure, path, dpi)
        case "svg":
            with path.open("w", encoding="utf-8") as file:
                write_svg(figure, file, dpi)
        case "pdf":
            # With the tools for fonts it takes a fifth of a second to import.
            from matplotlib.backends.backend_pdf import FigureCanvasPdf

            before, figure.dpi = figure.dpi, dpi
            with mpl.rc_context({"pdf.fonttype": 42, "text.hinting": HINTING}):
                FigureCanvasPdf(figure).print_pdf(path, metadata={"CreationDate": None})
            figure.dpi = before
        case _:
            raise AssertionError(f"no figure is written as {form}")

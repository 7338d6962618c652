"""The style of figures, which are drawn without a display and without global state."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from ofiml.ui.canvas import Canvas
from ofiml.ui.margins import arrange_axes

DARK, RED, BLUE, GREY = "#1f2d3d", "#c8553d", "#2a7f9e", "#8a8f98"

_COMPRESSION = 3  # of PNG; 6, the default, takes twice as long for a few percent
#: Letters keep their true distances at each resolution; fitting them to pixels takes a third of the time of a text.
HINTING = "no_hinting"


def style_figure(draw: Callable[[Figure], None], *, legend_columns: int, caption: str = "") -> Figure:
    """Draw a figure with `draw`, and give it light axes, one legend for all axes below them, and a grey caption above.

    The axes of the figure stand in one grid. Margins are as wide as their labels.
    """
    figure = Figure(figsize=(9, 5.4), dpi=110)
    # Titles stand above the axes whatever the ticks are. Else they are measured once more for each title.
    with mpl.rc_context({"axes.titley": 1.0, "text.hinting": HINTING}):
        draw(figure)
        _finish(figure, legend_columns, caption)
    return figure


def _finish(figure: Figure, legend_columns: int, caption: str) -> None:
    """Give a drawn figure light axes, its legend and its caption, and move the axes so that all texts have room."""
    handles: dict[str, Artist] = {}
    for axis in figure.axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25, linewidth=0.6)
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
        figure.text(0.5, 1.0, caption, ha="center", va="top", fontsize=8, color=GREY)
    arrange_axes(figure)


def save_figure(figure: Figure, path: Path, *, form: str, dpi: float) -> None:
    """Write a figure in the form `png`, `svg` or `pdf`; the text of SVG and PDF stays text.

    The same figure gives the same file. Unlike `savefig`, this does not draw the figure once more to measure it.
    """
    before, figure.dpi = figure.dpi, dpi
    forms: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "ofiml", "pdf.fonttype": 42}
    with mpl.rc_context({**forms, "text.hinting": HINTING}):
        match form:
            case "png":
                picture = Canvas(figure).draw_picture()
                picture.save(path, format="png", compress_level=_COMPRESSION, dpi=(dpi, dpi))
            case "svg":
                FigureCanvasSVG(figure).print_svg(path, metadata={"Date": None})
            case "pdf":
                # With the tools for fonts it takes a fifth of a second to import.
                from matplotlib.backends.backend_pdf import FigureCanvasPdf

                FigureCanvasPdf(figure).print_pdf(path, metadata={"CreationDate": None})
            case _:
                raise AssertionError(f"no figure is written as {form}")
    figure.dpi = before

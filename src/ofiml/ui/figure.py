"""The style of figures, which are drawn without a display and without global state."""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.figure import Figure

DARK, RED, BLUE, GREY = "#1f2d3d", "#c8553d", "#2a7f9e", "#8a8f98"


def style_figure(draw: Callable[[Figure], None], *, legend_columns: int) -> Figure:
    """Draw a figure with `draw`, and give it light axes and one legend for all axes, below them."""
    figure = Figure(figsize=(9, 5.4), dpi=110, layout="constrained")
    draw(figure)
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
            loc="outside lower center",
            ncols=legend_columns,
            frameon=False,
            fontsize=9,
        )
    return figure


#: What makes a file the same whenever it is written.
_SAME = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}


def save_figure(figure: Figure, path: Path, dpi: float) -> None:
    """Write a figure as PNG, SVG or PDF, by the ending of `path`; the text of SVG and PDF stays text.

    The first call computes the layout, and later ones keep it.
    """
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ofiml", "pdf.fonttype": 42}):
        figure.savefig(path, dpi=dpi, metadata=_SAME[path.suffix[1:]])
    figure.set_layout_engine("none")

"""How figures look: drawn without a display and without global state."""

from collections.abc import Callable

from matplotlib.artist import Artist
from matplotlib.figure import Figure

DARK, RED, BLUE, GREY = "#1f2d3d", "#c8553d", "#2a7f9e", "#8a8f98"


def style_figure(draw: Callable[[Figure], None], *, legend_columns: int) -> Figure:
    """A figure as `draw` draws it, with light axes; what its axes name is said once, below them, where it hides
    nothing."""
    figure = Figure(figsize=(9, 5.4), dpi=110, layout="constrained")
    draw(figure)
    named: dict[str, Artist] = {}
    for axis in figure.axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25, linewidth=0.6)
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    if named:
        figure.legend(
            list(named.values()),
            list(named),
            loc="outside lower center",
            ncols=legend_columns,
            frameon=False,
            fontsize=9,
        )
    return figure

"""The margins of a figure: as wide as tick labels, axis labels, titles and the legend need.

Matplotlib's constrained layout measures every text four times. Here each is measured once, unless axes of another
size have other ticks: the axes stand in one grid with equal gaps, and a gap is as wide as the widest labels in it.
Axis labels stand at fixed distances, so that drawing a file measures no tick labels.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.axis import Axis, YAxis
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox, ScaledTranslation

from ofiml.ui.canvas import Canvas

# The margins before texts are measured. Ticks depend on the size of the axes, so these are close to the final ones.
_GUESS = {"left": 0.1, "right": 0.97, "bottom": 0.17, "top": 0.9, "hspace": 0.15}
_MAX_ROUNDS = 3  # of measuring; a second one only if axes of another size have other ticks
_PAD = 7.0  # points between texts, and between them and the edge


class _Overhang(NamedTuple):
    """The pixels by which the texts of axes reach beyond them."""

    left: float
    right: float
    bottom: float
    top: float


def arrange_axes(figure: Figure) -> None:
    """Move the axes of a figure, which stand in one grid, so that all labels, titles and legends have room."""
    axes = [axis for axis in figure.axes if axis.get_visible() and axis.get_subplotspec() is not None]
    if not axes:
        return
    figure.subplots_adjust(**_GUESS)
    renderer = Canvas(figure).get_renderer()
    for _ in range(_MAX_ROUNDS):
        before = _list_tick_places(axes)
        _adjust_margins(figure, axes, renderer)
        if _list_tick_places(axes) == before:
            for axis in axes:
                _fix_ticks(axis.xaxis)
                _fix_ticks(axis.yaxis)
            return


def _adjust_margins(figure: Figure, axes: list[Axes], renderer: RendererAgg) -> None:
    """Measure all texts, and move the axes accordingly."""
    pad, width, height = _PAD * figure.dpi / 72, figure.bbox.width, figure.bbox.height
    lefts, rights, bottoms, tops = (defaultdict[int, float](float) for _ in range(4))
    for axis in axes:
        over, place = _measure_overhang(axis, figure, renderer), axis.get_subplotspec()
        assert place is not None
        for side, at, size in (
            (lefts, place.colspan.start, over.left),
            (rights, place.colspan.stop - 1, over.right),
            (bottoms, place.rowspan.stop - 1, over.bottom),
            (tops, place.rowspan.start, over.top),
        ):
            side[at] = max(side[at], size)
    grid = axes[0].get_gridspec()
    assert grid is not None
    rows, columns = grid.nrows, grid.ncols
    above, below = _measure_edges(figure, renderer)
    left, right = lefts[0] + pad, width - rights[columns - 1] - pad
    bottom, top = below + bottoms[rows - 1] + pad, height - above - tops[0] - pad
    across = max([rights[k] + lefts[k + 1] + pad for k in range(columns - 1)], default=0.0)
    down = max([bottoms[k] + tops[k + 1] + pad for k in range(rows - 1)], default=0.0)
    figure.subplots_adjust(
        left=left / width,
        right=right / width,
        bottom=bottom / height,
        top=top / height,
        wspace=_divide_by_mean_size(across, right - left, columns),
        hspace=_divide_by_mean_size(down, top - bottom, rows),
    )


def _fix_ticks(side: Axis) -> None:
    """Let drawing leave out the measuring of tick labels, which only an exponent below an axis needs."""
    if isinstance(side, YAxis) or not side.get_offset_text().get_text():
        for tick in side.majorTicks:
            tick.label1.set_in_layout(False)
            tick.label2.set_in_layout(False)


def _list_tick_places(axes: list[Axes]) -> list[list[float]]:
    """List the places of the ticks of each axis."""
    return [list(side.get_majorticklocs()) for axis in axes for side in (axis.xaxis, axis.yaxis)]


def _divide_by_mean_size(gap: float, total: float, count: int) -> float:
    """Return a gap as a fraction of the mean size of `count` axes, which with their gaps fill `total`."""
    size = (total - gap * (count - 1)) / count
    return gap / max(size, 0.1 * total / count)


def _measure_overhang(axis: Axes, figure: Figure, renderer: RendererAgg) -> _Overhang:
    """Measure how far tick labels, axis labels, titles and notes reach beyond their axes."""
    texts = (text.get_window_extent(renderer) for text in _list_texts(axis.get_children()))
    sides = [box for side in (axis.xaxis, axis.yaxis) if axis.axison for box in _measure_side(side, figure, renderer)]
    boxes: list[Bbox] = [*texts, *sides]
    inner = axis.bbox
    return _Overhang(
        left=max([inner.x0 - box.x0 for box in boxes] + [0.0]),
        right=max([box.x1 - inner.x1 for box in boxes] + [0.0]),
        bottom=max([inner.y0 - box.y0 for box in boxes] + [0.0]),
        top=max([box.y1 - inner.y1 for box in boxes] + [0.0]),
    )


def _measure_side(side: Axis, figure: Figure, renderer: RendererAgg) -> list[Bbox]:
    """Measure tick labels, their common exponent and the axis label, which is placed beyond the tick labels."""
    texts = [text for text in (side.label, side.get_offset_text()) if text.get_visible()]
    along = side.label.get_position()[isinstance(side, YAxis)]
    side.set_label_coords(along, along)  # else the tick labels are measured once more to place it
    for text in texts:
        text.set_visible(False)
    ticks = side.get_tightbbox(renderer)
    for text in texts:
        text.set_visible(True)
    _place_label(side, along, ticks or side.axes.bbox, figure)
    boxes = [text.get_window_extent(renderer) for text in texts if text.get_text()]
    return boxes if ticks is None else [ticks, *boxes]


def _place_label(side: Axis, along: float, ticks: Bbox, figure: Figure) -> None:
    """Place an axis label at a fixed distance from its axes, beyond ticks and tick labels, whose box is `ticks`."""
    box, position = side.axes.bbox, side.get_label_position()
    reach = {
        "left": box.x0 - ticks.x0,
        "right": ticks.x1 - box.x1,
        "bottom": box.y0 - ticks.y0,
        "top": ticks.y1 - box.y1,
    }[position]
    beyond = position in ("right", "top")
    marks = [(tick.tick2line if beyond else tick.tick1line, tick) for tick in side.majorTicks]
    length = max([tick.get_tick_padding() for mark, tick in marks if mark.get_visible()], default=0.0)
    distance = max(reach / figure.dpi, length / 72) + side.labelpad / 72
    far, out = (1.0, distance) if beyond else (0.0, -distance)
    x, y, dx, dy = (far, along, out, 0.0) if isinstance(side, YAxis) else (along, far, 0.0, out)
    shift = ScaledTranslation(dx, dy, figure.dpi_scale_trans)
    side.set_label_coords(x, y, transform=side.axes.transAxes + shift)


def _measure_edges(figure: Figure, renderer: RendererAgg) -> tuple[float, float]:
    """Measure the pixels that captions and titles take at the top of the figure, and legends at its bottom."""
    texts = [text.get_window_extent(renderer) for text in _list_texts(figure.get_children())]
    legends = [legend.get_tightbbox(renderer) for legend in figure.legends]
    top = max([figure.bbox.height - box.y0 for box in texts] + [0.0])
    return top, max([box.y1 for box in legends if box is not None] + [0.0])


def _list_texts(artists: Iterable[object]) -> list[Text]:
    return [artist for artist in artists if isinstance(artist, Text) and artist.get_visible() and artist.get_text()]

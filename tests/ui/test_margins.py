"""The margins of figures: no text leaves the canvas, and none of one panel meets another panel."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from ofiml.ui import margins
from ofiml.ui.canvas import HINTING, Canvas
from ofiml.ui.figure import save_figure, style_figure


@pytest.fixture(autouse=True)
def _as_saved():
    """The texts are measured as those of saved figures are."""
    with mpl.rc_context({"text.hinting": HINTING}):
        yield


LONG = [f"a feature with a long name, {k}" for k in range(6)]


def draw_long_names(figure: Figure) -> None:
    axis = figure.subplots()
    axis.barh(LONG, range(6), label="bars\nof two lines")
    axis.set_xlabel("x\nin two lines")
    axis.set_title("A title")


def draw_grid(figure: Figure) -> None:
    """Numbers of many digits, a title and two labels in each panel."""
    for k, axis in enumerate(figure.subplots(2, 2).ravel()):
        axis.plot(np.arange(30) / 1e3, 1e6 + np.arange(30) * 12.3456**k, label=f"curve {k}")
        axis.ticklabel_format(useOffset=False)
        axis.set(xlabel="x", ylabel="y\nin two lines", title=f"Panel {k}\nof four")


def draw_notes(figure: Figure) -> None:
    """Notes at the right of the axes, and slanted dates."""
    axis = figure.subplots()
    axis.plot(range(4), range(4))
    axis.set_xticks(range(4), ["2024-01-01 is a date"] * 4, rotation=30, ha="right")
    axis.annotate("a note beyond the axes", (3, 3), xytext=(1.02, 0.5), textcoords="axes fraction")


def draw_flat_panel(figure: Figure) -> None:
    """A panel so low that its final height has other ticks than the first guess."""
    high, low = figure.subplots(2, 1, sharex=True, height_ratios=[6, 1])
    high.plot([0, 1], [0, 1])
    low.plot([0, 1], [-4.1, 6.2])
    low.set_ylabel("predicted\n(ticks)")


def measure(figure: Figure) -> tuple[list[Bbox], list[Bbox]]:
    """The box of each panel with its texts, and those of the texts and legends of the whole figure."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    for axis in figure.axes:
        for tick in (*axis.xaxis.get_major_ticks(), *axis.yaxis.get_major_ticks()):
            tick.label1.set_in_layout(True), tick.label2.set_in_layout(True)
    panels = [box for axis in figure.axes if (box := axis.get_tightbbox(renderer)) is not None]
    return panels, [artist.get_window_extent(renderer) for artist in (*figure.texts, *figure.legends)]


@pytest.mark.parametrize("draw", [draw_long_names, draw_grid, draw_notes, draw_flat_panel])
def test_every_text_has_room(draw):
    figure = style_figure(draw, legend_columns=3, caption="a caption")
    panels, others = measure(figure)
    for box in (*panels, *others):
        assert min(box.x0, box.y0) >= -0.5
        assert box.x1 <= figure.bbox.width + 0.5
        assert box.y1 <= figure.bbox.height + 0.5
    for one, other in itertools.combinations([*panels, *others], 2):
        assert Bbox.intersection(one, other) is None
    assert (
        sum(axis.bbox.width * axis.bbox.height for axis in figure.axes) > 0.35 * figure.bbox.width * figure.bbox.height
    )


def test_axes_are_measured_again_only_with_other_ticks(monkeypatch):
    rounds = []
    adjust = margins._adjust_margins
    monkeypatch.setattr(margins, "_adjust_margins", lambda *args: (rounds.append(1), adjust(*args)))
    style_figure(draw_long_names, legend_columns=3)
    assert len(rounds) == 1
    monkeypatch.setattr(margins, "_GUESS", {"bottom": 0.45, "top": 0.5})
    style_figure(draw_notes, legend_columns=3)
    assert len(rounds) == 3


def test_a_figure_without_axes_has_no_margins(tmp_path):
    figure = style_figure(lambda figure: None, legend_columns=1, caption="only a caption")
    save_figure(figure, tmp_path / "empty.png", form="png", dpi=110)
    assert (tmp_path / "empty.png").read_bytes()[:4] == b"\x89PNG"


def draw_right(figure: Figure) -> None:
    """Labels at the top and at the right, of two panels of other heights."""
    for k, axis in enumerate(figure.subplots(2, 1, height_ratios=[2, 1])):
        axis.plot([0, 1000 * k + 1], [0, 1e5])
        axis.yaxis.set_label_position("right")
        axis.yaxis.tick_right()
        axis.set(xlabel=f"x of {k}", ylabel="y")
    figure.axes[0].xaxis.set_label_position("top")


def draw_exponents(figure: Figure) -> None:
    """Exponents at the ends of both axes, and an axis without tick labels."""
    for k, axis in enumerate(figure.subplots(1, 2)):
        axis.plot([0, 1e9], [0, 1e-9])
        axis.set(xlabel=f"x of {k}", ylabel="y")
    figure.axes[1].tick_params(labelleft=False)


@pytest.mark.parametrize("draw", [draw_long_names, draw_grid, draw_notes, draw_flat_panel, draw_right, draw_exponents])
def test_axis_labels_and_exponents_stand_where_matplotlib_puts_them(draw):
    figure = style_figure(draw, legend_columns=3)
    plain = Figure(figsize=figure.get_size_inches())
    draw(plain)
    for axis, other in zip(figure.axes, plain.axes, strict=True):
        other.set_position(axis.get_position())
    for dpi, tolerance in ((figure.dpi, 1e-6), (300, 300 / figure.dpi)):  # of another resolution by up to its pixel
        figure.dpi = plain.dpi = dpi
        measure(figure), measure(plain)
        for axis, other in zip(figure.axes, plain.axes, strict=True):
            for side, free in ((axis.xaxis, other.xaxis), (axis.yaxis, other.yaxis)):
                for text, expected in ((side.label, free.label), (side.offsetText, free.offsetText)):
                    assert text.get_text() == expected.get_text()
                    box, place = text.get_window_extent().extents, expected.get_window_extent().extents
                    np.testing.assert_allclose(box, place, atol=tolerance)


def test_drawing_measures_no_tick_label(monkeypatch):
    figure = style_figure(draw_grid, legend_columns=3)
    monkeypatch.setattr(Text, "get_window_extent", lambda *_, **__: pytest.fail("measured again"))
    FigureCanvasAgg(figure).draw()


def test_a_text_is_measured_once_for_all_figures(monkeypatch):
    style_figure(draw_long_names, legend_columns=3)
    monkeypatch.setattr(RendererAgg, "get_text_width_height_descent", lambda *_: pytest.fail("measured again"))
    style_figure(draw_long_names, legend_columns=3)


def test_each_thread_draws_on_its_own_canvas():
    figure = style_figure(draw_notes, legend_columns=3)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(Canvas(figure).get_renderer).result()
    assert other is not Canvas(figure).get_renderer() is Canvas(figure).get_renderer()

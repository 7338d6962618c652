"""The look of figures: what several axes name is said once. Their files are those that matplotlib writes."""

import io
import re

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.textpath import TextToPath
from PIL import Image

from ofiml.ui.canvas import HINTING
from ofiml.ui.figure import save_figure, style_figure


def test_the_legend_names_each_curve_once_below_the_axes():
    def draw(figure):
        left, right = figure.subplots(1, 2)
        left.plot([0, 1], label="a")
        right.plot([0, 1], label="a")
        right.plot([1, 0], label="b")

    figure = style_figure(draw, legend_columns=2)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b"]
    assert [axis.spines["top"].get_visible() for axis in figure.axes] == [False, False]


def test_the_grid_is_light(tmp_path):
    figure = style_figure(lambda figure: figure.subplots().plot([0, 1]), legend_columns=1)
    save_figure(figure, tmp_path / "figure.png", form="png", dpi=300)
    lines = [line for side in (figure.axes[0].xaxis, figure.axes[0].yaxis) for line in side.get_gridlines()]
    assert {(line.get_visible(), line.get_alpha(), line.get_linewidth()) for line in lines} == {(True, 0.25, 0.6)}


def test_nothing_named_is_no_legend():
    assert style_figure(lambda figure: figure.subplots().plot([0, 1]), legend_columns=2).legends == []


def test_a_picture_has_the_pixels_that_matplotlib_draws_and_no_transparency(tmp_path):
    figure = style_figure(lambda figure: figure.subplots().plot([0, 1], label="a"), legend_columns=2, caption="c")
    for dpi in (110, 70):
        save_figure(figure, tmp_path / "figure.png", form="png", dpi=dpi)
        with Image.open(tmp_path / "figure.png") as picture:
            assert picture.mode == "RGB"
            assert picture.info["dpi"][0] == picture.info["dpi"][1]
            assert abs(picture.info["dpi"][0] - dpi) < 0.1
            written = np.asarray(picture)
        before, figure.dpi = figure.dpi, dpi
        canvas = FigureCanvasAgg(figure)
        with mpl.rc_context({"text.hinting": HINTING}):
            canvas.draw()
        drawn, figure.dpi = np.asarray(canvas.buffer_rgba()), before
        assert (drawn[..., 3] == 255).all()
        np.testing.assert_array_equal(written, drawn[..., :3])


def draw_texts(figure):
    """Texts that turn, stand right of a point, and have two lines."""
    axis = figure.subplots()
    axis.bar(["a name", "another\nname"], [1e5, 2e5], label="bars")
    axis.set(xlabel="x", ylabel="y\nin two lines", title="A title")
    axis.text(0.5, 1e5, "right", ha="right", va="top", rotation=40)


def test_an_svg_has_the_shapes_and_places_that_matplotlib_draws(tmp_path):
    figure = style_figure(draw_texts, legend_columns=2)
    save_figure(figure, tmp_path / "figure.svg", form="svg", dpi=110)
    drawn = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ofiml"}):
        FigureCanvasSVG(figure).print_svg(drawn, metadata={"Date": None})
    number, texts = re.compile(r"-?\d+\.\d+"), ((tmp_path / "figure.svg").read_text(), drawn.getvalue())
    assert len({number.sub("0.0", text) for text in texts}) == 1
    written, expected = (np.array(number.findall(text), float) for text in texts)
    np.testing.assert_allclose(written, expected, atol=0.05)


def test_an_svg_measures_no_text_again(tmp_path, monkeypatch):
    figure = style_figure(draw_texts, legend_columns=2)
    for kind in (RendererAgg, TextToPath):
        monkeypatch.setattr(kind, "get_text_width_height_descent", lambda *_: pytest.fail("measured again"))
    save_figure(figure, tmp_path / "figure.svg", form="svg", dpi=300)

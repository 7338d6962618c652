"""The look of figures: what several axes name is said once."""

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from ofiml.ui.figure import HINTING, save_figure, style_figure


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

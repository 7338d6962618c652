"""The look of figures: what several axes name is said once."""

from ofiml.ui.figure import style_figure


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

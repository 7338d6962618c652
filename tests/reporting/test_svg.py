"""Figures inside a document: the same text and numbers, colours of the theme, ids of their own."""

import base64
import re

import numpy as np
from matplotlib.figure import Figure

from ofiml.reporting.html.svg import write_inline_svg
from ofiml.ui.figure import BLUE, DARK, style_figure


def draw(figure: Figure) -> None:
    axis = figure.subplots()
    axis.plot(np.arange(5.0), np.arange(5.0) ** 2, marker="o", color=BLUE, label='fill: #000000 "of" <b>')
    axis.axhline(3, color=DARK)
    axis.set_title("R² 0.03071234, IC 0.174999: font-family: x")
    figure.suptitle("the caption", fontsize=8)


def write(name: str = "one", draw=draw, **more) -> str:
    figure = style_figure(draw, legend_columns=1)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return str(write_inline_svg(figure, name, 'a "label" <i>', **more))


def test_texts_stay_as_they_are():
    svg = write()
    assert ">R² 0.03071234, IC 0.174999: font-family: x</text>" in svg
    assert '>fill: #000000 "of" &lt;b&gt;</text>' in svg
    assert 'aria-label="a &#34;label&#34; &lt;i&gt;"' in svg
    assert "font-family" not in "".join(re.findall("<[^>]*>", svg))


def test_colours_are_those_of_the_theme():
    svg = write()
    colours = set(re.findall(r"(?:fill|stroke): ([^;\"]+)", "".join(re.findall("<[^>]*>", svg))))
    assert {"var(--ink)", "var(--blue)", "var(--paper)", "none"} <= colours
    assert not [one for one in colours if one.startswith("#")]


def test_text_on_a_picture_keeps_its_colour_and_the_picture_its_bytes():
    def grid(figure: Figure) -> None:
        axis = figure.subplots()
        axis.imshow(np.arange(4.0).reshape(2, 2))
        axis.text(0, 0, "cell", color="white")
        axis.text(1, 1, "dark", color=DARK)

    svg = write(draw=grid)
    assert re.search(r"<text [^>]*fill: #ffffff[^>]*>cell", svg)
    assert re.search(r"<text [^>]*fill: #1f2d3d[^>]*>dark", svg)
    (picture,) = re.findall(r'base64,([^"]*)"', svg)
    assert base64.b64decode(picture).startswith(b"\x89PNG")


def test_text_on_cells_keeps_its_colour():
    def grid(figure: Figure) -> None:
        axis = figure.subplots()
        axis.pcolormesh(np.arange(4.0).reshape(2, 2))
        axis.text(1, 1, "dark", color=DARK)

    svg = write(draw=grid)
    assert re.search(r"<text [^>]*fill: #1f2d3d[^>]*>dark", svg)
    assert "<image" not in svg


def test_ids_are_those_of_the_figure_and_each_has_a_use():
    one, two = write("one"), write("two")
    ids = [set(re.findall(r' id="([^"]+)"', svg)) for svg in (one, two)]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert all(name.startswith("one-") for name in ids[0])
    assert set(re.findall(r'(?:url\(#|href="#)([^")]+)', one)) == ids[0]
    assert one == write("one"), "a figure has the same text each time"


def test_the_caption_is_left_out_with_its_room():
    whole, without = write(), write(caption="the caption")
    assert "the caption" in whole
    assert "the caption" not in without
    assert 'viewBox="0 12 648 376.8"' in without
    assert 'viewBox="0 0 648 388.8"' in whole


def test_very_many_paths_become_one_picture():
    def bars(figure: Figure) -> None:
        figure.subplots().vlines(np.arange(1000.0), 0, np.sin(np.arange(1000.0)), colors=[BLUE, DARK] * 500)

    svg = write(draw=bars)
    assert svg.count("<image") == 1
    assert svg.count("<path") < 100


def test_a_long_line_keeps_a_decimal_and_a_short_one_two():
    def line(figure: Figure) -> None:
        axis = figure.subplots()
        axis.plot(np.random.default_rng(0).normal(size=2000).cumsum(), color=BLUE)

    lengths = sorted(re.findall(r' d="([^"]*)"', write(draw=line)), key=len)
    decimals = [{len(d) for d in re.findall(r"\.(\d+)", path)} for path in (lengths[-1], lengths[0])]
    assert decimals[0] == {1}
    assert max(decimals[1] or {0}) <= 2

"""Write figures as SVG inside an HTML document: text as text, and colours that follow the document's theme."""

import io
import re
from functools import partial

from markupsafe import Markup
from matplotlib.artist import Artist
from matplotlib.collections import Collection, QuadMesh
from matplotlib.figure import Figure

from ofiml.ui.canvas import write_svg

_MAX_PATHS = 300  # a collection with more becomes a small picture
_DPI = 130  # of such pictures

#: The variable of the style sheet for each colour of the figures. Others stay as they are in both themes.
_VARIABLES = {
    "#000000": "ink",
    "#1f2d3d": "ink",
    "#ffffff": "paper",
    "#8a8f98": "grey",
    "#b0b0b0": "line",
    "#2a7f9e": "blue",
    "#c8553d": "red",
    "#cfe3ea": "band",
    "#e0a030": "amber",
    "#b8860b": "amber",
    "#5b8c5a": "green",
    "#6f5a9e": "violet",
}

_OMITTED = re.compile(r"<(?:metadata>.*?</metadata>|!--.*?-->|defs>\s*<style.*?</style>\s*</defs>)", re.DOTALL)
_SVG = re.compile(r'<svg [^>]*viewBox="0 0 ([\d.]+) ([\d.]+)"[^>]*>')
_KEPT, _PLACE = re.compile(r'>[^<\n]+|base64,[^"]*'), re.compile(r".\0")  # texts and pictures, and where they stand
_ID = re.compile(r' id="([^"]*)"')
_REFERENCE = re.compile(r'(href="#|url\(#)([^")]+)')
_COLOUR = re.compile(r"(fill|stroke|stop-color): (#[0-9a-f]{6})")
_FONT = re.compile(r"font(?:-family:|: ([\d.]+px)) [^;\"]*;? ?")
_SHAPE = re.compile(r"<(?!text)[^>]*>")
_DECIMALS, _COARSE = re.compile(r"(?<=\.\d\d)\d+"), re.compile(r"(?<=\.\d)\d+")  # those to leave out
_LONG = re.compile(r"<[^>]{3000,}>")  # a line of many points, whose coordinates keep one decimal


def write_inline_svg(figure: Figure, name: str, label: str, caption: str = "") -> Markup:
    """Write a figure as an `<svg>` element whose ids start with `name`, for readers of the screen called `label`.

    The same figure gives the same text. A text of the figure that is `caption` is left out, with the room above it: the
    document says it once. The figure keeps its layout, which is not computed again.
    """
    shown = [text for text in figure.texts if caption and text.get_text() == caption]
    above = 1.5 * max((float(text.get_fontsize()) for text in shown), default=0.0)
    hidden: list[Artist] = [figure.patch, *shown]
    for part in hidden:
        part.set_visible(False)
    for axis in figure.axes:
        for collection in axis.collections:
            _flatten(collection)
    content = io.StringIO()
    write_svg(figure, content, _DPI)
    for part in hidden:
        part.set_visible(True)
    on_cells = any(axis.images or any(isinstance(c, QuadMesh) for c in axis.collections) for axis in figure.axes)
    return Markup(_clean(content.getvalue(), name, label, above, on_cells=on_cells))  # noqa: S704


def _flatten(part: Collection) -> None:
    """Draw a collection of very many paths as a picture inside the SVG."""
    if len(part.get_paths()) > _MAX_PATHS:
        part.set_rasterized(True)


def _clean(text: str, name: str, label: str, above: float, *, on_cells: bool) -> str:
    """Turn matplotlib's document into an element for HTML. Text `on_cells` of colour keeps its own."""
    text = _OMITTED.sub("", text[text.index("<svg") :])
    kept = iter(_KEPT.findall(text))
    text = _KEPT.sub(lambda m: m[0][0] + "\0", text)  # they may look like anything
    text = "".join(line.strip() for line in text.split("\n"))
    used = {reference for _, reference in _REFERENCE.findall(text)}
    text = _ID.sub(lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", text)
    text = _REFERENCE.sub(rf"\g<1>{name}-\g<2>", text)
    text = _DECIMALS.sub("", _LONG.sub(lambda m: _COARSE.sub("", m[0]), text))
    text = _FONT.sub(lambda m: f"font-size: {m[1]}; " if m[1] else "", text)
    recolour = partial(_COLOUR.sub, _name_colour)
    text = _SHAPE.sub(lambda m: recolour(m[0]), text) if on_cells else recolour(text)
    size = _SVG.search(text)
    assert size is not None, "matplotlib writes the size of an SVG"
    width, height = float(size[1]), float(size[2])
    opening = f'<svg role="img" aria-label="{Markup.escape(label)}" viewBox="0 {above:g} {width:g} {height - above:g}">'
    text = text[: size.start()] + opening + text[size.end() :]
    return _PLACE.sub(lambda _: next(kept), text)


def _name_colour(match: re.Match[str]) -> str:
    variable = _VARIABLES.get(match[2])
    return f"{match[1]}: var(--{variable})" if variable else match[0]

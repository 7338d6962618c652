"""Write figures as SVG inside an HTML document: text as text, and colours that follow the document's theme."""

import io
import re

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.artist import Artist
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import Collection
from matplotlib.figure import Figure

_SALT = "ofiml"  # of the ids, which matplotlib otherwise draws at random
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

_PROLOGUE = re.compile(
    r"^.*?(?=<svg)|<metadata>.*?</metadata>|<!--.*?-->|<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL
)
_SVG = re.compile(r'<svg [^>]*viewBox="0 0 ([\d.]+) ([\d.]+)"[^>]*>', re.DOTALL)
_ID = re.compile(r' id="([^"]*)"')
_REFERENCE = re.compile(r'(href="#|url\(#)([^")]+)')
_COLOUR = re.compile(r"(fill|stroke|stop-color): (#[0-9a-f]{6})")
_FONT = re.compile(r"(font-size: [\d.]+px; )?font-family: [^;\"]*;? ?|font: ([\d.]+px) [^;\"]*;? ?")
_TAG = re.compile(r"<[^>]*>")
_DECIMALS, _COARSE = re.compile(r"(?<=\d\.\d\d)\d+"), re.compile(r"(?<=\d\.\d)\d+")  # decimals to leave out
_LONG = 3000  # characters of a tag, a line of many points, whose coordinates keep one decimal
_PICTURE = re.compile(r'(?<=base64,)[^"]*')
_SPACE = re.compile(r"(?<=>)\s+(?=<)|\n\s*(?=\")|(?<=\")\s*\n\s*|(?<=[\dz])\s*\n\s*(?=[A-Za-z\d-])")


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
    content, dpi = io.StringIO(), figure.dpi
    figure.dpi = _DPI
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": _SALT}):
        # Unlike savefig, this does not draw the figure once more to measure it.
        FigureCanvasSVG(figure).print_svg(content, metadata={"Date": None})
    figure.dpi = dpi
    for part in hidden:
        part.set_visible(True)
    return Markup(_clean(content.getvalue(), name, label, above, on_cells=any(a.images for a in figure.axes)))  # noqa: S704


def _flatten(part: Collection) -> None:
    """Draw a collection of very many paths as a picture inside the SVG."""
    if len(part.get_paths()) > _MAX_PATHS:
        part.set_rasterized(True)


def _clean(text: str, name: str, label: str, above: float, *, on_cells: bool) -> str:
    """Turn matplotlib's document into an element for HTML. Text `on_cells` of a picture keeps its colour."""
    pictures = _PICTURE.findall(text)
    text = _PICTURE.sub("", text)  # their bytes may look like anything
    text = _PROLOGUE.sub("", text)
    used = {reference for _, reference in _REFERENCE.findall(text)}
    text = _TAG.sub(lambda m: _shorten_tag(m[0], name, used, on_cells), text)
    text = _SPACE.sub("", text)
    restored = iter(pictures)
    text = re.sub(r"base64,(?=\")", lambda m: m[0] + next(restored), text)
    size = _SVG.search(text)
    assert size is not None, "matplotlib writes the size of an SVG"
    width, height = float(size[1]), float(size[2])
    opening = f'<svg role="img" aria-label="{Markup.escape(label)}" viewBox="0 {above:g} {width:g} {height - above:g}">'
    return text[: size.start()] + opening + text[size.end() :]


def _shorten_tag(tag: str, name: str, used: set[str], on_cells: bool) -> str:
    """Give a tag the ids, colours and fonts of the document, and fewer decimals. Text between tags stays as it is."""
    tag = _ID.sub(lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", tag)
    tag = _REFERENCE.sub(rf"\g<1>{name}-\g<2>", tag)
    tag = (_COARSE if len(tag) > _LONG else _DECIMALS).sub("", tag)
    if "font" in tag:
        tag = _FONT.sub(lambda m: m[1] or (f"font-size: {m[2]}; " if m[2] else ""), tag)
    return tag if on_cells and tag.startswith("<text") else _COLOUR.sub(_name_colour, tag)


def _name_colour(match: re.Match[str]) -> str:
    variable = _VARIABLES.get(match[2])
    return f"{match[1]}: var(--{variable})" if variable else match[0]

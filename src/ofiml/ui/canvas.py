"""The canvases on which figures are measured and drawn: as pictures, and as SVG."""

import threading
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.backends.backend_mixed import MixedModeRenderer
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from PIL import Image

#: Letters keep their true distances at each resolution; fitting them to pixels takes a third of the time of a text.
HINTING = "no_hinting"

_SALT = "ofiml"  # of the ids in an SVG, which matplotlib otherwise draws at random
_COMPRESSION = 3  # of PNG; 6, the default, takes twice as long for a few percent

Size = tuple[float, float, float]


class Renderer(RendererAgg):
    """Draw pictures, and remember the size of each text."""

    def __init__(self, width: float, height: float, dpi: float) -> None:
        super().__init__(width, height, dpi)
        self._sizes: dict[tuple[str, FontProperties, Any], Size] = {}

    def get_text_width_height_descent(self, s: str, prop: FontProperties, ismath: Any) -> Size:
        """Measure a text in pixels: its width, its height, and the part of its height below the line."""
        size = self._sizes.get((s, prop, ismath))
        if size is None:
            size = super().get_text_width_height_descent(s, prop, ismath)
            self._sizes[s, prop.copy(), ismath] = size  # the font of a text may change
        return size


class _RendererSVG(RendererSVG):
    """Write SVG, with the sizes of texts that `renderer` knows: measuring them at another size takes as long again."""

    def __init__(self, width: float, height: float, file: IO[str], dpi: float, renderer: Renderer) -> None:
        self._renderer = renderer
        super().__init__(width, height, file, image_dpi=dpi, metadata={"Date": None})

    def get_text_width_height_descent(self, s: str, prop: FontProperties, ismath: Any) -> Size:
        """Measure a text in points."""
        width, height, descent = self._renderer.get_text_width_height_descent(s, prop, ismath)
        scale = 72 / self._renderer.dpi
        return width * scale, height * scale, descent * scale


class Canvas(FigureCanvasAgg):
    """Draw on the same renderer as every other canvas of this size, which measures a text once for all of them.

    What was drawn stays until the next figure is.
    """

    def get_renderer(self) -> Renderer:
        """Return the renderer of this thread for the size of the figure."""
        width, height = self.get_width_height(physical=True)
        self.renderer = _shared.get_renderer(width, height, self.figure.dpi)
        return self.renderer


class _Renderers(threading.local):
    """The renderers of a thread: one for measuring, one for pictures of another resolution."""

    def __init__(self) -> None:
        self.get_renderer = lru_cache(maxsize=2)(Renderer)


_shared = _Renderers()


def write_png(figure: Figure, path: Path, dpi: float) -> None:
    """Write a figure, which fills the whole canvas, as a PNG without transparency: half the time to write."""
    before, figure.dpi = figure.dpi, dpi
    canvas = Canvas(figure)
    with mpl.rc_context({"text.hinting": HINTING}):
        canvas.draw()
    renderer = canvas.get_renderer()
    size = int(renderer.width), int(renderer.height)
    picture = Image.frombuffer("RGBA", size, canvas.buffer_rgba(), "raw", "RGBA", 0, 1).convert("RGB")
    figure.dpi = before
    picture.save(path, format="png", compress_level=_COMPRESSION, dpi=(dpi, dpi))


def write_svg(figure: Figure, file: IO[str], dpi: float) -> None:
    """Write a figure as SVG with texts as text and pictures of `dpi`. The same figure gives the same text.

    Unlike `savefig`, this does not draw the figure once more to measure it.
    """
    before, renderer = figure.dpi, Canvas(figure).get_renderer()
    figure.dpi = 72
    width, height = figure.get_size_inches()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": _SALT, "text.hinting": HINTING}):
        vector = _RendererSVG(width * 72, height * 72, file, dpi, renderer)
        mixed: Any = MixedModeRenderer(figure, width, height, dpi, vector)
        figure.draw(mixed)
        mixed.finalize()
    figure.dpi = before

"""A canvas on which several figures are measured and drawn."""

import threading
from functools import lru_cache

from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from PIL import Image


class Canvas(FigureCanvasAgg):
    """Draw on the same renderer as every other canvas of this size, which measures a text once for all of them.

    What was drawn stays until the next figure is.
    """

    def get_renderer(self) -> RendererAgg:
        """Return the renderer of this thread for the size of the figure."""
        width, height = self.get_width_height(physical=True)
        self.renderer = _shared.get_renderer(width, height, self.figure.dpi)
        return self.renderer

    def draw_picture(self) -> Image.Image:
        """Draw the figure, which fills the whole canvas, as a picture without transparency: half the time to write."""
        self.draw()
        renderer = self.get_renderer()
        size = int(renderer.width), int(renderer.height)
        return Image.frombuffer("RGBA", size, self.buffer_rgba(), "raw", "RGBA", 0, 1).convert("RGB")


class _Renderers(threading.local):
    """The renderers of a thread: one for measuring, one for pictures of another resolution."""

    def __init__(self) -> None:
        self.get_renderer = lru_cache(maxsize=2)(RendererAgg)


_shared = _Renderers()

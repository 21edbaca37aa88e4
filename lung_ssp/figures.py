"""One way to make and write a figure: without a screen, atomically, with its notice in the file as well."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lung_ssp.files import write_atomically

PNG_LEVEL = 1  # of zlib: a third of the time of its own choice, a few percent more bytes


def new_figure(width: float, height: float, constrained: bool = True, dots_per_inch: int = 110) -> Figure:
    """An empty figure of `width` x `height` inches, independent of any screen; `constrained` lays its parts out."""
    return Figure(figsize=(width, height), dpi=dots_per_inch, layout="constrained" if constrained else None)


class Redrawing:
    """A figure that is drawn many times with other contents: what stays the same is drawn once.

    Args:
        figure: made by `new_figure`; nothing but the contents of `changing` may change from here on.
        changing: what is drawn anew each time, over the rest and in this order.
    """

    def __init__(self, figure: Figure, changing: Sequence[Artist]) -> None:
        self._canvas = FigureCanvasAgg(figure)
        self._changing = list(changing)
        for artist in self._changing:
            artist.set_animated(True)  # left out by draw()
        self._canvas.draw()
        self._rest = self._canvas.copy_from_bbox(figure.bbox)

    def pixels(self) -> np.ndarray:
        """The figure as it is now, uint8 (rows, columns, 3), red, green, blue."""
        self._canvas.restore_region(self._rest)
        for artist in self._changing:
            self._canvas.figure.draw_artist(artist)
        return pixels_of(self._canvas)


def pixels_of(canvas: FigureCanvasAgg) -> np.ndarray:
    """A copy of what has been drawn, uint8 (rows, columns, 3); a figure's background hides what is behind it."""
    return np.asarray(Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba()).convert("RGB"))


def save_figure(figure: Figure, path: Path, notice: str) -> None:
    """Write a figure as PNG; `notice` as in `write_picture`."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    write_picture(pixels_of(canvas), path, notice)


def write_picture(pixels: np.ndarray, path: Path, notice: str) -> None:
    """Write a picture as PNG.

    Args:
        pixels: uint8 (rows, columns, 3), red, green, blue.
        notice: what the figure says of its origin; it goes into the PNG's text chunk "Description".
    """
    text = PngInfo()
    text.add_text("Description", notice)
    picture = io.BytesIO()  # PIL would say "encoder error" of a full disk
    Image.fromarray(pixels).save(picture, "png", pnginfo=text, compress_level=PNG_LEVEL)
    write_atomically(path, lambda file: file.write(picture.getbuffer()))

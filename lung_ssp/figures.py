"""One way to make and write a figure: without a screen, atomically, with its notice in the file as well."""

import io
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lung_ssp.files import write_atomically


def new_figure(width: float, height: float, constrained: bool = True) -> Figure:
    """An empty figure of `width` x `height` inches, independent of any screen; `constrained` lays its parts out."""
    figure = Figure(figsize=(width, height), layout="constrained" if constrained else None)
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path, notice: str, dots_per_inch: int = 110) -> None:
    """Write a figure as PNG.

    Args:
        notice: what the figure says of its origin; it also goes into the PNG's text chunk "Description".
    """
    picture = io.BytesIO()  # PIL would say "encoder error" of a full disk
    figure.savefig(picture, format="png", dpi=dots_per_inch, metadata={"Description": notice})
    write_atomically(path, lambda file: file.write(picture.getbuffer()))

"""Figures drawn again and again are what each would be by itself, and files hold the picture and its notice."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from lung_ssp.figures import Redrawing, new_figure, pixels_of, save_figure, write_picture


def test_a_picture_is_read_back_with_its_notice(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    write_picture(pixels, tmp_path / "new" / "a.png", "Research use only: ° <&>")
    with Image.open(tmp_path / "new" / "a.png") as picture:
        assert picture.mode == "RGB" and picture.text == {"Description": "Research use only: ° <&>"}
        np.testing.assert_array_equal(np.asarray(picture), pixels)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]


def test_a_figure_has_the_size_that_it_was_made_with(tmp_path: Path) -> None:
    figure = new_figure(3, 2, dots_per_inch=50)
    figure.add_subplot().plot([0, 1])
    save_figure(figure, tmp_path / "a.png", "a notice")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (150, 100) and picture.text == {"Description": "a notice"}


def test_what_is_drawn_again_is_the_figure_drawn_afresh() -> None:
    """A line and a text change; a frame, ticks and a title stay."""

    def figure_with(values: list[float], words: str) -> tuple:
        figure = new_figure(3, 2, constrained=False, dots_per_inch=50)
        axes = figure.add_subplot()
        axes.set_title("it stays")
        axes.set(xlim=(0, 2), ylim=(0, 4))
        (line,) = axes.plot(values)
        return figure, line, axes.text(0.5, 3, words), list(axes.spines.values())

    figure, line, text, frame = figure_with([1, 3, 1], "first")
    drawing = Redrawing(figure, [line, *frame, text])  # the frame is drawn over the line's ends
    for values, words in (([1, 3, 1], "first"), ([3, 0, 2], "second"), ([1, 3, 1], "first")):
        line.set_ydata(values)
        text.set_text(words)
        afresh = FigureCanvasAgg(figure_with(values, words)[0])
        afresh.draw()
        np.testing.assert_array_equal(drawing.pixels(), pixels_of(afresh))

"""Pictures of slices with outlines of what is there and of what was found."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from lung_ssp.ct.volume import Volume, window
from lung_ssp.figures import new_figure, save_figure

TRUTH = (64, 220, 64)
FOUND = (255, 80, 80)
MOST_NODULES = 24
SHOWN = 6  # nodules of each kind in a picture of many: the best, those in the middle, the worst


def outlined(image: np.ndarray, masks: dict[tuple[int, int, int], np.ndarray], zoom: int = 3) -> np.ndarray:
    """A grey picture, enlarged, with the outline of each mask in its colour.

    Args:
        image: (y, x), 0..1.
        masks: bool (y, x) for each colour (red, green, blue).
        zoom: screen pixels for each pixel.

    Returns:
        uint8 (zoom * y, zoom * x, 3).
    """
    grey = np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
    picture = np.repeat(np.kron(grey, np.ones((zoom, zoom), np.uint8))[..., np.newaxis], 3, axis=2)
    for colour, mask in masks.items():
        enlarged = np.kron(mask, np.ones((zoom, zoom), bool)).astype(bool)
        picture[enlarged & ~ndimage.binary_erosion(enlarged)] = colour
    return picture


def save_scan_figure(
    path: Path, volume: Volume, lesions: np.ndarray, found: np.ndarray, window_hu: Sequence[float], caption: str
) -> None:
    """Each lesion's widest slice with truth and result, and last the slice with most of the result outside lesions.

    Args:
        lesions: (z, y, x) labels.
        found: bool (z, y, x).
        window_hu: HU shown as black and white.
        caption: whose scan it is.
    """
    titles = {f"lesion {label}": lesions == label for label in np.unique(lesions) if label}
    titles["most outside lesions"] = found & (lesions == 0)
    panels = []
    for title, mask in titles.items():
        index = int(mask.sum(axis=(1, 2)).argmax())
        outlines = {TRUTH: lesions[index] > 0, FOUND: found[index]}
        panels.append((f"{title}, slice {index}", outlined(window(volume.hu[index], window_hu), outlines, zoom=2)))
    _save_panels(path, panels, caption, columns=3)


def save_nodule_figure(
    path: Path, cubes: np.ndarray, masks: np.ndarray, found: np.ndarray, window_hu: Sequence[float], caption: str
) -> None:
    """The middle slices of the first nodules (n, z, y, x) with the reader's outline and the result."""
    middle = cubes.shape[1] // 2
    panels = []
    for number in range(min(MOST_NODULES, len(cubes))):
        outlines = {TRUTH: masks[number, middle], FOUND: found[number, middle]}
        panels.append((f"nodule {number + 1}", outlined(window(cubes[number, middle], window_hu), outlines, zoom=4)))
    _save_panels(path, panels, caption, columns=6)


@dataclass(frozen=True, eq=False)
class NodulePanel:
    """One slice of a nodule: hu int16 (y, x), what most readers marked and the result, bool (y, x), and a title."""

    title: str
    hu: np.ndarray
    majority: np.ndarray
    found: np.ndarray


def ranked(dices: Sequence[float]) -> list[tuple[str, int]]:
    """The kind, best, median or worst, and the place of the nodules to show of many, by their Dice; SHOWN of each."""
    order = np.argsort([-own for own in dices], kind="stable")
    middle = max(0, (len(order) - SHOWN) // 2)
    kinds = {"best": order[:SHOWN], "median": order[middle : middle + SHOWN], "worst": order[-SHOWN:]}
    return [(kind, int(place)) for kind, places in kinds.items() for place in places]


def save_nodules_by_dice(path: Path, nodules: Sequence[NodulePanel], window_hu: Sequence[float], caption: str) -> None:
    """Slices of single nodules, a row a kind, with the outlines of the readers' majority and of the result."""
    panels = [
        (own.title, outlined(window(own.hu, window_hu), {TRUTH: own.majority, FOUND: own.found}, zoom=3))
        for own in nodules
    ]
    _save_panels(path, panels, caption, columns=len(panels) // 3)


def _save_panels(path: Path, panels: list[tuple[str, np.ndarray]], caption: str, columns: int) -> None:
    rows = -(-len(panels) // columns)
    figure = new_figure(3.2 * columns, 3.5 * rows + 0.8)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, (title, picture) in zip(grid.flat, panels, strict=False):
        axes.imshow(picture)
        axes.set_title(title, fontsize=8)
    legend = f"green: truth, red: result. {caption}. Research use only, not for diagnosis."
    figure.supxlabel(legend, fontsize=8, wrap=True)
    save_figure(figure, path, legend)

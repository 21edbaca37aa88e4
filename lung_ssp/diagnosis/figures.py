"""One picture a finding: where it is, how it looks, and its probabilities."""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import cast

import numpy as np
from contourpy import LineType, contour_generator
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.image import AxesImage
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from lung_ssp.cohort.classes import TASK_NAMES, class_name
from lung_ssp.ct.lesion import Lesion
from lung_ssp.ct.volume import Volume
from lung_ssp.diagnosis.finding import NO_SLIDE, Finding
from lung_ssp.diagnosis.learnt_from import NODULE, mark_of
from lung_ssp.figures import Redrawing, new_figure, write_picture

LUNG_WINDOW = (-1350, 150)  # HU from black to white, as lungs are read
DETAIL_MM = 70.0
NOTICE_POINTS, SMALL_NOTICE_POINTS = 9.5, 7.0
LONG_NOTICE = 600  # characters that have room in large letters
BEYOND = 4  # pixels of a plane beyond what is shown of it, from which its border is interpolated
WAITING = 2  # pictures that are drawn and not yet written
OUTLINE, LUNG_OUTLINE = "#ff5a36", "#38b6ff"
TASK_COLOURS = {"image": "#4c78a8", "pathology": "#f58518"}
PLANES = ("axial", "coronal", "sagittal")  # in the order of the axes z, y, x, which they are perpendicular to


def save_overviews(
    findings: Sequence[Finding],
    volume: Volume,
    lungs: np.ndarray,
    notice: str,
    folder: Path,
    learnt: Mapping[str, str],
) -> None:
    """Write the pictures of the findings of a scan, each by its `figure_name`.

    Args:
        lungs: bool (z, y, x), the lung mask, outlined in the whole slice.
        notice: what every output says, written across the top.
        learnt: what the weights behind each of a finding's numbers have learnt from (`learnt_from`).
    """
    if not findings:
        return
    written: deque[Future[None]] = deque()
    # The BLAS's threads would wait actively for each of the many 3x3 matrices of a drawing. While a picture is
    # compressed, the interpreter is free to draw the next one.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(1) as writer:
        overview = Overview(volume, lungs, notice, findings[0], learnt)
        for finding in tqdm(findings, "figures", unit="finding"):
            pixels = overview.pixels(finding)
            written.append(writer.submit(write_picture, pixels, folder / finding.figure_name, notice))
            if len(written) > WAITING:
                written.popleft().result()  # which raises what the writing has raised
        while written:
            written.popleft().result()


class Overview:
    """The picture of one finding after the other: what all have in common is drawn once.

    Args:
        volume, lungs, notice, learnt: as for `save_overviews`.
        first: one of the findings, for the tasks and classes, which all of a scan have in common.
    """

    def __init__(
        self, volume: Volume, lungs: np.ndarray, notice: str, first: Finding, learnt: Mapping[str, str]
    ) -> None:
        self._volume, self._lungs, self._learnt = volume, lungs, learnt
        figure = new_figure(16, 7.6, constrained=False, dots_per_inch=80)
        grid = figure.add_gridspec(2, 5, left=0.01, right=0.86, top=0.84, bottom=0.11, hspace=0.2, wspace=0.06)
        size = NOTICE_POINTS if len(notice) <= LONG_NOTICE else SMALL_NOTICE_POINTS
        figure.text(0.5, 0.975, notice, ha="center", va="top", fontsize=size, color="#b00020", wrap=True)
        self._measures = figure.text(0.01, 0.895, "", fontsize=11, va="center")
        self._slice = SlicePanel(figure.add_subplot(grid[:, :2]), volume)
        self._details = [DetailPanel(figure.add_subplot(grid[0, 2 + axis]), volume, axis) for axis in range(3)]
        section = figure.add_subplot(grid[1, 2])
        self._section = section.imshow(first.section, cmap="gray", vmin=0, vmax=1)
        section.set_title("section for the classifier", fontsize=9)
        section.set_axis_off()
        self._probabilities = ProbabilityPanel(figure.add_subplot(grid[1, 3:]), first, learnt)
        self._set(first)
        of_details = [artist for detail in self._details for artist in detail.changing]
        changing = *self._slice.changing, *of_details, *self._probabilities.changing
        self._drawing = Redrawing(figure, [self._measures, self._section, *changing])

    def pixels(self, finding: Finding) -> np.ndarray:
        """The picture of a finding, uint8 (608, 1280, 3), red, green, blue."""
        self._set(finding)
        return self._drawing.pixels()

    def _set(self, finding: Finding) -> None:
        lesion = finding.candidate.lesion
        _, y, x = (round(float(value)) for value in self._volume.to_index(np.array(lesion.centre_mm)))
        centre = lesion.slice_index, y, x
        self._measures.set_text(describe(finding, self._learnt))
        self._slice.set(self._lungs[lesion.slice_index], lesion, centre)
        for detail in self._details:
            detail.set(lesion, centre)
        self._section.set_data(finding.section)
        self._probabilities.set(finding)


def describe(finding: Finding, learnt: Mapping[str, str]) -> str:
    """Position and measures in one line; `learnt`: what the weights behind each number have learnt from."""
    candidate, lesion = finding.candidate, finding.candidate.lesion
    x, y, z = lesion.centre_mm
    judged = candidate.nodule_probability
    nodule = "" if judged is None else f", nodule {judged:.2f}{mark_of(learnt[NODULE])}"
    return (
        f"finding {finding.number}: diameter {lesion.diameter_mm:.1f} mm, longest axial "
        f"{lesion.longest_axial_diameter_mm:.1f} mm, volume {lesion.volume_mm3 / 1000:.2f} ml, "
        f"mean {candidate.mean_hu:.0f} HU, score {candidate.score:.2f}{mark_of(learnt['score'])}{nodule}, "
        f"at LPS ({x:.1f}, {y:.1f}, {z:.1f}) mm"
    )


class SlicePanel:
    """The whole axial slice with the outlines of the lungs and of a lesion, and a cross at the lesion's centre.

    changing: what differs between findings, in the order in which it is drawn.
    """

    def __init__(self, axes: Axes, volume: Volume) -> None:
        self._volume = volume
        self._image = show(axes, volume.hu[0], volume, axis=0)
        self._lungs = lines(axes, LUNG_OUTLINE, 0.5)
        self._outline = lines(axes, OUTLINE, 1.0)
        (self._cross,) = axes.plot([0], [0], "+", color=OUTLINE, ms=16, mew=0.6)
        self._title = axes.set_title(" ", fontsize=9)
        self.changing: list[Artist] = [self._image, self._lungs, self._outline, self._cross, self._title]

    def set(self, lungs: np.ndarray, lesion: Lesion, centre: tuple[int, int, int]) -> None:
        """Show the slice of the centre (z, y, x); `lungs` is the lung mask there, bool (y, x)."""
        z, y, x = centre
        self._image.set_data(self._volume.hu[z])
        self._lungs.set_segments(outlines(lungs))
        self._outline.set_segments(lesion_outline(lesion, 0, z))
        self._cross.set_data([x], [y])
        self._title.set_text(f"axial slice {z + 1} of {self._volume.shape[0]}")


class DetailPanel:
    """The surroundings of a lesion's centre in one plane; feet below in the coronal and the sagittal one.

    Args:
        axis: which the plane is perpendicular to: 0 axial, 1 coronal, 2 sagittal.

    changing: what differs between findings, in the order in which it is drawn.
    """

    def __init__(self, axes: Axes, volume: Volume, axis: int) -> None:
        self._axes, self._volume, self._axis = axes, volume, axis
        self._image = show(axes, np.take(volume.hu, 0, axis), volume, axis)
        self._outline = lines(axes, OUTLINE, 1.0)
        axes.set_title(f"{PLANES[axis]}, {DETAIL_MM:.0f} mm", fontsize=9)
        self.changing: list[Artist] = [self._image, self._outline]

    def set(self, lesion: Lesion, centre: tuple[int, int, int]) -> None:
        """Show the surroundings of the centre (z, y, x)."""
        limits, shown = [], [slice(0, size) for size in self._volume.shape]
        for other in in_plane(self._axis):
            half = DETAIL_MM / 2 / self._volume.spacing[other]
            low, high = centre[other] - half, centre[other] + half
            limits.append((low, high))
            shown[other] = slice(max(0, math.floor(low) - BEYOND), math.ceil(high) + BEYOND)
        shown[self._axis] = slice(centre[self._axis], centre[self._axis] + 1)
        plane = self._volume.hu[tuple(shown)].squeeze(self._axis)
        rows, columns = (shown[other].start - 0.5 for other in in_plane(self._axis))
        self._image.set_data(plane)
        self._image.set_extent((columns, columns + plane.shape[1], rows + plane.shape[0], rows))
        self._outline.set_segments(lesion_outline(lesion, self._axis, centre[self._axis]))
        (low_row, high_row), across = limits
        self._axes.set_xlim(across)
        # Array rows run downwards in an axial plane (towards the back), but z runs upwards (towards the head).
        self._axes.set_ylim((high_row, low_row) if self._axis == 0 else (low_row, high_row))


def in_plane(axis: int) -> tuple[int, int]:
    """The axes (rows, columns) of a plane perpendicular to an axis of (z, y, x)."""
    rows, columns = (other for other in range(3) if other != axis)
    return rows, columns


def show(axes: Axes, plane: np.ndarray, volume: Volume, axis: int) -> AxesImage:
    """A plane in the lung window, its pixels in true proportion."""
    rows, columns = in_plane(axis)
    aspect = volume.spacing[rows] / volume.spacing[columns]
    axes.set_axis_off()
    return axes.imshow(plane, cmap="gray", vmin=LUNG_WINDOW[0], vmax=LUNG_WINDOW[1], aspect=aspect)


def lines(axes: Axes, colour: str, width: float) -> LineCollection:
    """Lines of `width` points, none so far."""
    collection = LineCollection([], colors=colour, linewidths=width)
    axes.add_collection(collection)
    return collection


def lesion_outline(lesion: Lesion, axis: int, index: int) -> list[np.ndarray]:
    """The border of a lesion in a plane of its scan, as `outlines` gives it; none where the plane misses it."""
    side = lesion.box[axis]
    if not side.start <= index < side.stop:
        return []
    rows, columns = (lesion.box[other] for other in in_plane(axis))
    return outlines(np.take(lesion.voxels, index - side.start, axis), rows.start, columns.start)


def outlines(mask: np.ndarray, first_row: int = 0, first_column: int = 0) -> list[np.ndarray]:
    """The border of a mask (rows, columns) as lines halfway between its pixels and the others, each (points, 2) (x, y).

    Args:
        first_row, first_column: of the mask in its plane, all of which around the mask is outside of it.
    """
    if not mask.any():
        return []
    inside = np.pad(mask, 1).astype(float)
    generator = contour_generator(z=inside, line_type=LineType.Separate)
    found = cast("list[np.ndarray]", generator.lines(0.5))  # of that type of lines
    return [line + np.array([first_column - 1, first_row - 1]) for line in found]


class ProbabilityPanel:
    """The probabilities of both tasks as bars.

    Args:
        first: a finding; the others have its tasks and classes.
        learnt: by task, what its weights have learnt from.

    changing: what differs between findings, in the order in which it is drawn.
    """

    def __init__(self, axes: Axes, first: Finding, learnt: Mapping[str, str]) -> None:
        places = np.arange(max(len(values) for values in first.probabilities.values()))
        self._bars = {}
        for shift, task in zip((-0.2, 0.2), TASK_NAMES, strict=True):
            if task not in first.probabilities:
                axes.plot([], [], " ", label=f"{task} diagnosis: {NO_SLIDE}")
                continue
            centres = np.arange(len(first.probabilities[task])) + shift
            self._bars[task] = axes.barh(
                centres, np.ones(len(centres)), 0.38, color=TASK_COLOURS[task], label=f"{task} diagnosis"
            )
        axes.set_yticks(places, [class_of_both(k, first) for k in places], fontsize=8)
        axes.yaxis.tick_right()
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        origins = (f"{task} diagnosis learnt from {learnt[task]}" for task in TASK_NAMES)
        axes.set_xlabel("\n".join(["probability", *origins]), fontsize=8)
        axes.legend(fontsize=8, ncols=2, loc="lower right", bbox_to_anchor=(1.0, 0.99), frameon=False)
        axes.set_title("probabilities of both branches", fontsize=9, loc="left")
        # the frame after the bars, which would hide half of its line
        self.changing: list[Artist] = [*(bar for bars in self._bars.values() for bar in bars), *axes.spines.values()]

    def set(self, finding: Finding) -> None:
        """Show the probabilities of a finding."""
        for task, bars in self._bars.items():
            for bar, probability in zip(bars, finding.probabilities[task], strict=True):
                bar.set_width(float(probability))


def class_of_both(label: int, finding: Finding) -> str:
    """The name of a class, or both where the tasks have different ones."""
    image, pathology = (class_name(label, finding.names[task]) for task in TASK_NAMES)
    return image if image == pathology else f"{image} | {pathology}"

"""One picture a finding: where it is, how it looks, and its probabilities."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from lung_ssp.cohort.classes import TASK_NAMES, class_name
from lung_ssp.ct.volume import Volume
from lung_ssp.diagnosis.finding import NO_SLIDE, Finding
from lung_ssp.figures import new_figure, save_figure

LUNG_WINDOW = (-1350, 150)  # HU from black to white, as lungs are read
DETAIL_MM = 70.0
OUTLINE = "#ff5a36"


def save_overview(finding: Finding, volume: Volume, lungs: np.ndarray, notice: str, path: Path) -> None:
    """Write the picture of one finding.

    Args:
        lungs: bool (z, y, x), the lung mask, outlined in the whole slice.
        notice: what every output says, written across the top.
    """
    figure = new_figure(16, 7.6, constrained=False)
    grid = figure.add_gridspec(2, 5, left=0.01, right=0.86, top=0.84, bottom=0.08, hspace=0.2, wspace=0.06)
    figure.text(0.5, 0.975, notice, ha="center", va="top", fontsize=9.5, color="#b00020", wrap=True)
    figure.text(0.01, 0.895, describe(finding), fontsize=11, va="center")

    lesion = finding.candidate.lesion
    mask = lesion.mask(volume.shape)
    _, y, x = (round(float(value)) for value in volume.to_index(np.array(lesion.centre_mm)))
    z = lesion.slice_index
    _, step_y, step_x = volume.spacing
    whole = figure.add_subplot(grid[:, :2])
    show(whole, volume.hu[z], step_y, step_x, f"axial slice {z + 1} of {volume.shape[0]}")
    whole.contour(lungs[z], [0.5], colors="#38b6ff", linewidths=0.5)
    outline(whole, mask[z])
    whole.plot([x], [y], "+", color=OUTLINE, ms=16, mew=0.6)

    planes = {"axial": (0, z), "coronal": (1, y), "sagittal": (2, x)}
    places = {"axial": grid[0, 2], "coronal": grid[0, 3], "sagittal": grid[0, 4]}
    for name, (axis, index) in planes.items():
        axes = figure.add_subplot(places[name])
        detail(axes, volume, mask, axis, index, (z, y, x), name)

    section = figure.add_subplot(grid[1, 2])
    section.imshow(finding.section, cmap="gray", vmin=0, vmax=1)
    section.set_title("section for the classifier", fontsize=9)
    section.set_axis_off()
    draw_probabilities(figure.add_subplot(grid[1, 3:]), finding)
    save_figure(figure, path, notice, dots_per_inch=80)


def describe(finding: Finding) -> str:
    """Position and measures in one line."""
    candidate, lesion = finding.candidate, finding.candidate.lesion
    x, y, z = lesion.centre_mm
    return (
        f"finding {finding.number}: diameter {lesion.diameter_mm:.1f} mm, longest axial "
        f"{lesion.longest_axial_diameter_mm:.1f} mm, volume {lesion.volume_mm3 / 1000:.2f} ml, "
        f"mean {candidate.mean_hu:.0f} HU, score {candidate.score:.2f}, at LPS ({x:.1f}, {y:.1f}, {z:.1f}) mm"
    )


def show(axes: Axes, plane: np.ndarray, step_rows: float, step_columns: float, title: str) -> None:
    """A plane in the lung window with its pixels in true proportion."""
    axes.imshow(plane, cmap="gray", vmin=LUNG_WINDOW[0], vmax=LUNG_WINDOW[1], aspect=step_rows / step_columns)
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def outline(axes: Axes, mask: np.ndarray) -> None:
    """The border of a mask, if the plane holds any of it."""
    if mask.any():
        axes.contour(mask, [0.5], colors=OUTLINE, linewidths=1.0)


def detail(
    axes: Axes, volume: Volume, mask: np.ndarray, axis: int, index: int, centre: tuple[int, int, int], name: str
) -> None:
    """The surroundings of the centre in one plane; feet below in the coronal and the sagittal one."""
    rows, columns = (other for other in range(3) if other != axis)
    plane, inside = np.take(volume.hu, index, axis), np.take(mask, index, axis)
    half = [DETAIL_MM / 2 / volume.spacing[other] for other in (rows, columns)]
    show(axes, plane, volume.spacing[rows], volume.spacing[columns], f"{name}, {DETAIL_MM:.0f} mm")
    outline(axes, inside)
    low_row, high_row = centre[rows] - half[0], centre[rows] + half[0]
    axes.set_xlim(centre[columns] - half[1], centre[columns] + half[1])
    # Array rows run downwards in an axial plane (towards the back), but z runs upwards (towards the head).
    axes.set_ylim(*((high_row, low_row) if name == "axial" else (low_row, high_row)))


def class_of_both(label: int, finding: Finding) -> str:
    """The name of a class, or both where the tasks have different ones."""
    image, pathology = (class_name(label, finding.names[task]) for task in TASK_NAMES)
    return image if image == pathology else f"{image} | {pathology}"


def draw_probabilities(axes: Axes, finding: Finding) -> None:
    """The probabilities of both tasks as bars."""
    places = np.arange(max(len(values) for values in finding.probabilities.values()))
    for shift, task, colour in ((-0.2, "image", "#4c78a8"), (0.2, "pathology", "#f58518")):
        if task not in finding.probabilities:
            axes.plot([], [], " ", label=f"{task} diagnosis: {NO_SLIDE}")
            continue
        values = finding.probabilities[task]
        axes.barh(np.arange(len(values)) + shift, values, 0.38, color=colour, label=f"{task} diagnosis")
    axes.set_yticks(places, [class_of_both(k, finding) for k in places], fontsize=8)
    axes.yaxis.tick_right()
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("probability", fontsize=8)
    axes.legend(fontsize=8, ncols=2, loc="lower right", bbox_to_anchor=(1.0, 0.99), frameon=False)
    axes.set_title("probabilities of both branches", fontsize=9, loc="left")

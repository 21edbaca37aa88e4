"""The picture of a lung mask, as the paper's Fig. 1."""

from pathlib import Path

import numpy as np

from lung_ssp.ct.parenchyma import LungMask
from lung_ssp.ct.volume import Volume
from lung_ssp.figures import new_figure, save_figure

WINDOW_HU = (-1000, 200)


def save_lung_figure(path: Path, volume: Volume, lungs: LungMask, notice: str, slice_index: int | None = None) -> None:
    """Write a PNG of one axial slice in four steps: slice, binary, cleaned, lungs.

    Args:
        lungs: the scan's, from `segment_lungs`.
        notice: the statement on every output, written across the top.
        slice_index: which slice, counted from 0 (its title counts from 1); without it, the one that shows most lung.
    """
    if slice_index is None:
        slice_index = int(np.count_nonzero(lungs.mask, axis=(1, 2)).argmax())
    hu = volume.hu[slice_index]
    lowest, highest = WINDOW_HU
    figure = new_figure(12, 3.9, dots_per_inch=120)
    panels = (
        (f"slice {slice_index + 1}", hu, (lowest, highest)),
        (f"binary, up to {lungs.threshold_hu:.0f} HU", lungs.binary[slice_index], (0, 1)),
        ("cleaned", lungs.cleaned[slice_index], (0, 1)),
        (f"lungs, {lungs.volume_ml:.0f} ml", np.where(lungs.mask[slice_index], hu, lowest), (lowest, highest)),
    )
    for axes, (title, picture, (black, white)) in zip(figure.subplots(1, 4), panels, strict=True):
        axes.imshow(picture, cmap="gray", vmin=black, vmax=white, aspect=volume.spacing[1] / volume.spacing[2])
        axes.set_title(title, fontsize=10)
        axes.set_axis_off()
    figure.suptitle(notice, fontsize=8, color="#b00020", wrap=True)
    save_figure(figure, path, notice)

"""Masks in NIfTI, MHA, NRRD and npz files, brought onto a series' voxels."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from lung_ssp.cohort.annotations.mask_values import marked, require_part
from lung_ssp.cohort.annotations.settings import LARGEST_LOSS
from lung_ssp.ct.volume import Volume
from lung_ssp.ct.volume_file import read_image
from lung_ssp.errors import CohortError, DamagedFile, SeriesError
from lung_ssp.files import read_npz
from lung_ssp.formats import ArrayForm

GRID_TOLERANCE_MM = 0.1  # grids whose corners lie nearer to one another are one grid
ROUNDING = 1e-6


def read_mask(path: Path, volume: Volume, value: int | None = None, largest_loss: float = LARGEST_LOSS) -> np.ndarray:
    """Read a mask and bring it onto the voxels of a volume.

    An image goes by its coordinates, whatever its orientation and grid (see `mask_onto`). An npz file with an array
    `mask` (z, y, x), z towards the head, knows no coordinates and must have the volume's shape.

    Args:
        path: .nii, .nii.gz, .mha, .nrrd or .npz.
        value: which of its values is meant; None: everything but 0.

    Returns:
        bool (z, y, x) of the volume's shape, not empty.

    Raises:
        CohortError: the file cannot be read, holds no such voxel, values that are no mask's or more than half of the
            volume, or does not fit the volume. The message begins with the path.
    """
    if path.suffix != ".npz":
        try:
            image = read_image(path)
        except SeriesError as error:  # of a mask it is a problem of the cohort
            raise CohortError(str(error)) from error
        labels = sitk.GetImageFromArray(marked(sitk.GetArrayViewFromImage(image), value, str(path)).astype(np.uint8))
        labels.CopyInformation(image)
        mask = mask_onto(labels, volume, str(path), largest_loss)
        require_part(mask, str(path))
        return mask
    try:
        values = read_npz(path, {"mask": ArrayForm("biuf", 3)})["mask"]
    except DamagedFile as error:
        raise CohortError(str(error)) from error
    if values.shape != volume.shape:
        raise CohortError(f"{path} has the size {values.shape} (z, y, x), the series {volume.shape}.")
    mask = marked(values, value, str(path))
    require_part(mask, str(path))
    return mask


def mask_onto(image: sitk.Image, volume: Volume, what: str, largest_loss: float = LARGEST_LOSS) -> np.ndarray:
    """Bring a mask onto the voxels of a volume through patient coordinates.

    On the same grid, its axes turned or not, the mask is copied exactly; on another, each voxel takes the value of the
    mask's nearest one.

    Args:
        image: 8-bit, 0 or 1, in LPS coordinates.
        what: the mask's name, with which a message begins.
        largest_loss: by how much the mask's volume may change on the way, as a share of it.

    Returns:
        bool (z, y, x), not empty.

    Raises:
        CohortError: the mask is empty, lies partly outside the volume, or changes its volume more than that.
    """
    mask = sitk.GetArrayViewFromImage(image) != 0
    _require_voxels(mask, what)
    axes = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(volume.direction)
    turned = sitk.DICOMOrient(image, axes)
    grid = Volume.from_image(sitk.Cast(turned, sitk.sitkInt16))
    if _same_grid(grid, volume):
        return sitk.GetArrayFromImage(turned) != 0
    _require_inside(grid, volume, what)
    to_volume = sitk.ResampleImageFilter()
    to_volume.SetSize(volume.shape[::-1])
    to_volume.SetOutputOrigin(volume.origin)
    to_volume.SetOutputSpacing(volume.spacing[::-1])
    to_volume.SetOutputDirection(volume.direction)
    to_volume.SetInterpolator(sitk.sitkNearestNeighbor)
    moved = to_volume.Execute(turned)
    result: np.ndarray = sitk.GetArrayFromImage(moved) != 0
    before = np.count_nonzero(mask) * grid.voxel_mm3
    change = np.count_nonzero(result) * volume.voxel_mm3 / before - 1
    if abs(change) > largest_loss:
        raise CohortError(
            f"{what} has another grid than the series, on whose voxels it {'loses' if change < 0 else 'gains'} "
            f"{abs(change):.0%} of its volume, more than {largest_loss:.0%}: give a mask on a finer grid."
        )
    return result


def _require_voxels(mask: np.ndarray, what: str) -> None:
    if not mask.any():
        raise CohortError(f"{what} holds no voxel of the lesion.")


def _same_grid(grid: Volume, volume: Volume) -> bool:
    if grid.shape != volume.shape:
        return False
    corners = np.array([[0, 0, 0], *np.diag(volume.shape)])
    return bool(np.abs(grid.to_world(corners) - volume.to_world(corners)).max() < GRID_TOLERANCE_MM)


def _require_inside(grid: Volume, volume: Volume, what: str) -> None:
    """Refuse a mask (the voxels of `grid` that are not 0) with voxels beside the volume's, by more than half of one."""
    extent = [np.flatnonzero(grid.hu.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    corners = np.array(np.meshgrid(*[(places[0], places[-1]) for places in extent])).reshape(3, -1).T
    if not _outside(corners, grid, volume).any():
        return
    share = float(_outside(np.argwhere(grid.hu), grid, volume).mean())
    if share > 0:
        raise CohortError(
            f"{what} has another origin or spacing than the series, and {share:.1%} of it lie outside: check which "
            "series it is of."
        )


def _outside(index: np.ndarray, grid: Volume, volume: Volume) -> np.ndarray:
    """Whether voxels of a grid, (n, 3) in (z, y, x), lie beside the volume, bool (n)."""
    place = volume.to_index(grid.to_world(index))
    reach = np.maximum(1, np.divide(grid.spacing, volume.spacing)) / 2 + ROUNDING
    outside: np.ndarray = ((place < -reach) | (place > np.array(volume.shape) - 1 + reach)).any(axis=1)
    return outside

"""NIfTI (.nii and .nii.gz), whose header nibabel reads."""

import gzip
import io
import math
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import nibabel
import numpy as np

from lung_ssp.ct.voxels import GZIP, Grid, checked_shape, read_voxels
from lung_ssp.errors import SeriesError, is_of_the_system

LONGEST_HEADER = 2**20  # bytes, with its extensions
SIZES = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}  # of the header itself, which begins with its size
MILLIMETRES = {"mm": 1.0, "unknown": 1.0, "meter": 1000.0, "micron": 0.001}
LARGEST_DIFFERENCE = 0.02  # of the voxel sizes told in two ways
LEAST_COSINE = math.cos(math.radians(30))  # of an axis told in two ways
FROM_RAS = np.array([-1.0, -1.0, 1.0])  # NIfTI's x and y run to the right and the front


def read_nifti(path: Path) -> tuple[np.ndarray, Grid]:
    """The voxels (z, y, x) of a NIfTI file, scaled as its header says, and their grid.

    The place is told by the sform, else by the qform (NIfTI-1 standard, methods 3 and 2).

    Raises:
        SeriesError: the header is damaged or of another kind of image, or the voxels are damaged.
    """
    framing = GZIP if path.name.lower().endswith(".gz") else None
    try:
        with _opened(path, framing) as file:
            header = _header(file.read(LONGEST_HEADER))
        shape = checked_shape(path, [int(size) for size in header.get_data_shape()])
        _require_one_place(path, header)
        affine = header.get_best_affine() * MILLIMETRES[header.get_xyzt_units()[0]]
        dtype, begin = header.get_data_dtype(), int(header.get_data_offset())
        slope, inter = header.get_slope_inter()
    except SeriesError:
        raise
    except Exception as error:  # nibabel raises errors of many kinds where a header is garbled
        raise SeriesError(
            f"{path} has a damaged header, or is no NIfTI file: copy it again from its source.", reason="damaged"
        ) from error
    if dtype.fields or dtype.kind not in "iuf" or not 0 <= begin <= LONGEST_HEADER:
        raise SeriesError(f"{path} holds no image with one value a voxel: export it again.", reason="foreign file")
    x, y, z = (FROM_RAS * affine[:3, 3]).tolist()
    grid = Grid(shape, dtype, FROM_RAS[:, None] * affine[:3, :3], (x, y, z))
    values = _voxels(path, grid, begin, framing)
    if (slope or 1.0) == 1.0 and not inter:
        return values, grid
    return values * np.float64(slope or 1.0) + (inter or 0.0), grid


def _require_one_place(path: Path, header: nibabel.Nifti1Header) -> None:
    """Refuse a file that does not say where left is, or says it in two ways that contradict each other.

    The sform, the qform and pixdim tell the same axes and voxel sizes, but for a rounding or a small turn.

    Raises:
        SeriesError: it does not.
    """
    places = [place for place, code in (header.get_sform(coded=True), header.get_qform(coded=True)) if code]
    if not places:
        raise SeriesError(
            f"{path} does not say how the scan lies in the patient (qform_code and sform_code are 0): export it with "
            "its geometry.",
            reason="orientation",
        )
    axes = [place[:3, :3] for place in places]
    steps = [np.linalg.norm(matrix, axis=0) for matrix in axes]
    pixdim = np.abs(header["pixdim"][1:4])
    alike = np.allclose(steps[0], np.where(pixdim > 0, pixdim, steps[0]), rtol=LARGEST_DIFFERENCE)
    if alike and len(places) == 2 and min(steps[0].min(), steps[1].min()) > 0:
        alike = min((axes[0] / steps[0] * axes[1] / steps[1]).sum(axis=0)) > LEAST_COSINE
    if not alike:
        raise SeriesError(
            f"{path} tells its axes or voxel sizes in two ways that disagree (sform, and qform with pixdim): export it "
            "again from its source.",
            reason="orientation",
        )


def _opened(path: Path, framing: int | None) -> BinaryIO:
    return path.open("rb") if framing is None else cast(BinaryIO, gzip.open(path, "rb"))


def _header(content: bytes) -> nibabel.Nifti1Header:
    """The header of either version and byte order.

    Raises:
        ValueError: there is none.
    """
    size = content[:4]
    for order in ("little", "big"):
        kind = SIZES.get(int.from_bytes(size, order))
        if kind is not None:
            header = kind.from_fileobj(io.BytesIO(content[: kind.template_dtype.itemsize]), check=False)
            if header["magic"] != kind.single_magic:
                raise ValueError("no NIfTI file with header and voxels in one")
            header["pixdim"][0] = header["pixdim"][0] or 1  # a qfac of 0 stands for 1
            return header
    raise ValueError("no NIfTI header")


def _voxels(path: Path, grid: Grid, begin: int, framing: int | None) -> np.ndarray:
    """What follows the header, exactly as many bytes as it declares."""
    try:
        with _opened(path, framing) as file:
            file.seek(begin)
            return read_voxels(path, file, grid, None)
    except (OSError, EOFError, zlib.error) as error:
        if is_of_the_system(error):
            raise
        raise SeriesError(
            f"{path} is damaged or truncated, its voxels cannot be unpacked: copy it again from its source.",
            reason="damaged",
        ) from error

"""Patches of lung tumours in HDF5: their HU, whose they are, and files that are none."""

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from lung_ssp.errors import CohortError, EnvironmentProblem
from lung_ssp.segmentation.patch_file import read_patches

SHAPE = (20, 1, 8, 9)


def write(path: Path, **changed: np.ndarray) -> Path:
    """A file of two patients whose patches go from -1000 HU on, one HU a patch."""
    images = np.broadcast_to(np.arange(20).reshape(-1, 1, 1, 1) / 1100, SHAPE).astype(np.float32)
    labels = np.zeros(SHAPE)
    labels[3, 0, 2:4, 5] = 1
    with h5py.File(path, "w") as file:
        for name, values in ({"images": images, "labels": labels} | changed).items():
            file[name] = values
    return path


def test_values_are_whole_hu_of_the_window_and_ten_patches_are_a_patient_s(tmp_path: Path) -> None:
    patches = read_patches(write(tmp_path / "a.h5"))
    assert patches.hu.dtype == np.int16 and patches.hu.shape == patches.tumour.shape == (20, 8, 9)
    assert patches.hu[:, 0, 0].tolist() == list(range(-1000, -980))
    assert np.argwhere(patches.tumour).tolist() == [[3, 2, 5], [3, 3, 5]]
    assert patches.patients.tolist() == [1] * 10 + [2] * 10
    every = np.arange(1101) / 1100
    hu = read_patches(write(tmp_path / "b.h5", images=np.tile(every, (20, 1, 1, 1)), labels=np.zeros((20, 1, 1, 1101))))
    assert (hu.hu == np.arange(-1000, 101)).all()


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"images": np.zeros((20, 8, 9))}, "images has 3 axes, not 4"),
        ({"images": np.zeros(SHAPE, np.int16)}, "images holds whole numbers, not decimal numbers"),
        ({"labels": np.zeros((20, 1, 8, 8))}, r"labels \(20, 1, 8, 8\), not both \(n, 1, y, x\)"),
        ({"images": np.zeros((0, 1, 8, 9)), "labels": np.zeros((0, 1, 8, 9))}, r"not both \(n, 1, y, x\)"),
        ({"images": np.zeros((11, 1, 8, 9)), "labels": np.zeros((11, 1, 8, 9))}, "11 patches, not 10 a patient"),
        ({"labels": np.full(SHAPE, 0.5)}, "labels holds other values than 0 and 1"),
        ({"images": np.full(SHAPE, 1.1)}, "images holds other values than 0 to 1"),
        ({"images": np.full(SHAPE, np.nan)}, "images holds other values than 0 to 1"),
        ({"images": np.full(SHAPE, 1 / 1400)}, "images is not scaled from whole HU of -1000 to 100"),
    ],
)
def test_another_form_or_scaling_is_one_sentence(changed: dict, problem: str, tmp_path: Path) -> None:
    path = write(tmp_path / "val_patches.h5", **changed)
    with pytest.raises(CohortError, match=rf"val_patches\.h5 cannot be read \(.*{problem}.*\): copy the file of "):
        read_patches(path)


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(b"nothing")
    whole = write(tmp_path / "whole.h5").read_bytes()
    (tmp_path / "b.h5").write_bytes(whole[: len(whole) // 2])
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["images"] = np.zeros(SHAPE)
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file.create_group("images")
    for name in ("a.h5", "b.h5", "c.h5", "d.h5", "absent.h5"):
        with pytest.raises(CohortError, match=rf"{name} cannot be read \(.+\): copy the file of patches again\.$"):
            read_patches(tmp_path / name)


def test_other_files_are_not_opened(tmp_path: Path) -> None:
    other = write(tmp_path / "other.h5")
    layout = h5py.VirtualLayout(shape=SHAPE, dtype="f4")
    layout[:] = h5py.VirtualSource(other, "images", shape=SHAPE)
    for kind in ("link", "virtual", "raw"):
        with h5py.File(tmp_path / f"{kind}.h5", "w") as file:
            file["labels"] = np.zeros(SHAPE)
            if kind == "link":
                file["images"] = h5py.ExternalLink(str(other), "images")
            elif kind == "virtual":
                file.create_virtual_dataset("images", layout)
            else:
                raw = [(str(other), 0, h5py.h5f.UNLIMITED)]
                file.create_dataset("images", SHAPE, "f4", external=raw)
        with pytest.raises(CohortError, match=r"images lies in another file|holds no array images"):
            read_patches(tmp_path / f"{kind}.h5")


def test_sizes_are_looked_at_before_memory_is_taken(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "large.h5", "w") as file:
        file.create_dataset("images", (10, 1, 1 << 15, 1 << 15), "f4", chunks=(1, 1, 64, 64))
    with pytest.raises(CohortError, match=r"images holds 10,737,418,240 values, too many"):
        read_patches(tmp_path / "large.h5")


def test_without_h5py_it_is_said_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(EnvironmentProblem, match=r"a\.h5 is HDF5 and needs h5py, .*pip install 'lung-ssp\[hdf5\]'"):
        read_patches(tmp_path / "a.h5")


def test_fat_and_lung_of_the_real_patches_lie_where_they_do_in_hu(shared_data: Path) -> None:
    """What the window was told by: 1,101 equally spaced values, and fat between -120 and -90 HU. CC BY-SA 4.0."""
    path = shared_data / "msd-lung-2mm" / "val_patches.h5"
    if not path.is_file():
        pytest.skip(f"no patches of the Medical Segmentation Decathlon: {path} is missing")
    patches = read_patches(path)
    values = patches.hu[(patches.hu > -1000) & (patches.hu < 100)]  # beyond the window nothing is known
    assert len(np.unique(values)) == 1099
    counts = np.convolve(np.bincount(values + 1000, minlength=1101), np.ones(21), "same")
    assert -120 < -200 + counts[800:920].argmax() < -90  # fat
    assert -920 < -1000 + counts[20:600].argmax() + 20 < -850  # lung
    assert 0 < -60 + counts[940:1080].argmax() < 60  # muscle
    assert patches.tumour.any(axis=(1, 2)).sum() == 111 and patches.patients.max() == 13

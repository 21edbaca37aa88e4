"""Which values of a mask are the lesion."""

import numpy as np
import pytest
import SimpleITK as sitk

from lung_ssp.cohort.annotations.mask_values import marked, require_part
from lung_ssp.cohort.annotations.masks import read_mask
from lung_ssp.ct.volume import Volume
from lung_ssp.errors import CohortError

LABELS = [[0, 1], [2, 0]]


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint64, np.float32, np.float64])
def test_a_value_is_found_in_every_type(kind: type) -> None:
    values = np.array(LABELS, kind)
    assert marked(values, None, "a mask").tolist() == [[False, True], [True, False]]
    assert marked(values, 2, "a mask").tolist() == [[False, False], [True, False]]
    assert not marked(values, 3, "a mask").any()


def test_truth_values_are_0_and_1() -> None:
    values = np.array(LABELS, bool)
    assert marked(values, 1, "a mask").tolist() == [[False, True], [True, False]]
    assert not marked(values, 2, "a mask").any()


@pytest.mark.parametrize(("kind", "value"), [(np.uint8, 256), (np.uint8, 257), (np.int8, 128), (np.int16, 65536)])
def test_a_value_beyond_the_type_never_stands_for_another(kind: type, value: int) -> None:
    with pytest.raises(
        CohortError, match=f"a mask holds no voxel of the lesion, .*cannot be {value}: correct mask_value"
    ):
        marked(np.array(LABELS, kind), value, "a mask")


@pytest.mark.parametrize(
    "values", [[np.nan, 1.0], [np.inf, 0.0], [0.5, 1.0], ["a", "b"], [1j, 0], np.array(["2020-01-01"], "M8[D]")]
)
def test_values_that_are_no_whole_numbers_are_refused(values: object) -> None:
    with pytest.raises(CohortError, match=r"a mask holds .*whole numbers"):
        marked(np.asarray(values), None, "a mask")


def test_a_lesion_is_a_part_of_its_scan() -> None:
    mask = np.zeros((4, 5), bool)
    with pytest.raises(CohortError, match="a mask holds no voxel"):
        require_part(mask, "a mask")
    mask[:2] = True
    require_part(mask, "a mask")
    mask[2, 0] = True
    with pytest.raises(CohortError, match="a mask marks 55% of the scan as the lesion"):
        require_part(mask, "a mask")


FILES = {
    "nan.npz": (np.full((6, 7, 8), np.nan), "no whole numbers"),
    "text.npz": (np.full((6, 7, 8), "a"), "mask holds text"),
    "objects.npz": (np.full((6, 7, 8), None), "mask holds other values"),
    "complex.npz": (np.ones((6, 7, 8), complex), "mask holds other values"),
    "flat.npz": (np.ones((7, 8), np.uint8), "mask has 2 axes, not 3"),
    "all.npz": (np.ones((6, 7, 8), np.uint8), "marks 100% of the scan"),
    "none.npz": (np.zeros((6, 7, 8), np.uint8), "no voxel"),
    "all.nrrd": (np.ones((6, 7, 8), np.uint8), "marks 100% of the scan"),
    "none.nrrd": (np.zeros((6, 7, 8), np.uint8), "no voxel"),
    "nan.nrrd": (np.full((6, 7, 8), np.nan, np.float32), "no whole numbers"),
    "half.nrrd": (np.full((6, 7, 8), 0.5, np.float32), "no whole numbers"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_whose_mask_is_none_is_named(tmp_path, name: str) -> None:
    values, message = FILES[name]
    volume = Volume(np.zeros((6, 7, 8), np.int16), (2.0, 0.5, 0.5))
    if name.endswith(".npz"):
        np.savez(tmp_path / name, mask=values)
    else:
        image = sitk.GetImageFromArray(values)
        image.SetSpacing((0.5, 0.5, 2.0))
        sitk.WriteImage(image, str(tmp_path / name))
    with pytest.raises(CohortError, match=message) as caught:
        read_mask(tmp_path / name, volume)
    assert str(caught.value).startswith(str(tmp_path / name))


@pytest.mark.parametrize("name", ["mask.npz", "mask.nrrd"])
def test_the_background_is_never_selected_by_a_value_that_wraps(tmp_path, name: str) -> None:
    labels = np.zeros((6, 7, 8), np.uint8)
    labels[2, 3, 4] = 1
    volume = Volume(np.zeros((6, 7, 8), np.int16), (2.0, 0.5, 0.5))
    np.savez(tmp_path / "mask.npz", mask=labels)
    image = sitk.GetImageFromArray(labels)
    image.SetSpacing((0.5, 0.5, 2.0))
    sitk.WriteImage(image, str(tmp_path / "mask.nrrd"))
    for value in (256, 257, 2**40):
        with pytest.raises(CohortError, match=f"cannot be {value}"):
            read_mask(tmp_path / name, volume, value)

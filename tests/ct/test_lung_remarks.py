import numpy as np
import pytest

from lung_ssp.ct.lung_remarks import SideOfLungs, lung_remarks, measure_sides


def right(volume_ml, share=0.0):
    return SideOfLungs("right", volume_ml, share)


def left(volume_ml, share=0.0):
    return SideOfLungs("left", volume_ml, share)


@pytest.mark.parametrize("first_is_right", [True, False])
def test_each_side_by_hand(first_is_right):
    """12 voxels of 500 mm3 in the first columns, a quarter of them below -950 HU; 8 in the last ones."""
    mask = np.zeros((2, 4, 10), bool)
    mask[:, 1:3, 1:4] = mask[:, 1:3, 7:9] = True
    hu = np.full(mask.shape, -1000, np.int16)
    hu[mask] = -950
    hu[0, 1, 1:4] = -951
    sides = measure_sides(mask, hu, 5, 500.0, first_is_right)
    assert [side.name for side in sides] == ["right", "left"]
    first, last = sides if first_is_right else sides[::-1]
    assert (first.volume_ml, first.share_below_950_hu) == (6.0, 0.25)
    assert (last.volume_ml, last.share_below_950_hu) == (4.0, 0.0)


def test_the_side_without_lung_holds_nothing():
    mask = np.zeros((2, 4, 10), bool)
    mask[:, :, 7:9] = True
    sides = measure_sides(mask, np.full(mask.shape, -990, np.int16), 5, 500.0, first_is_right=True)
    assert sides == (right(0.0), left(8.0, 1.0))


@pytest.mark.parametrize("sides", [(right(2200), left(1800)), (right(1500), left(950)), (right(2000, 0.3), left(1500))])
def test_ordinary_lungs_need_no_remark(sides):
    assert lung_remarks(*sides) == ()


def test_a_missing_lung_and_the_nodules_in_it_are_told():
    (remark,) = lung_remarks(right(0, 0), left(2100))
    assert remark.startswith("no lung was found on the right (the left lung holds 2.1 l): it may be missing, collapsed")
    assert remark.endswith("nodules on the right cannot be found")
    # what reaches beyond the middle of the other lung is no lung of its own
    assert lung_remarks(right(2100), left(20, 1.0))[0].startswith("no lung was found on the left")
    assert len(lung_remarks(right(2100), left(20, 1.0))) == 1


def test_unequal_lungs_are_told():
    (remark,) = lung_remarks(right(420), left(2100))
    assert remark.startswith("the right lung holds 0.4 l, the left 2.1 l: the right one may be collapsed")
    assert remark.endswith("nodules in what is lost of it cannot be found")
    assert lung_remarks(right(2050), left(41))[0].startswith("the left lung holds 0.04 l, the right 2.0 l")


def test_gas_is_told_of_the_lung_that_holds_it():
    (remark,) = lung_remarks(right(2100, 0.62), left(2000, 0.1))
    assert remark == (
        "62 % of the right lung lies below -950 HU: emphysema, a pneumothorax or other gas; "
        "the outline of this lung may be inexact"
    )
    assert [text.split(" lies")[0] for text in lung_remarks(right(2100, 0.9), left(2000, 0.8))] == [
        "90 % of the right lung",
        "80 % of the left lung",
    ]

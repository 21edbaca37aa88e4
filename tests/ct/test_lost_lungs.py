"""Lungs that look like none are kept; bowel gas, a stomach, the table and the trachea are not taken for one."""

from dataclasses import replace

import numpy as np
import pytest

from lung_ssp.ct.background import body_box, remove_background
from lung_ssp.ct.parenchyma import segment_lungs
from lung_ssp.ct.parts import find_parts
from lung_ssp.ct.settings import ParenchymaSettings

SETTINGS = ParenchymaSettings(volume_ml=[100.0, 7500.0])
MIDDLE = 47  # the column between the lungs of the schematic chest
SIDES = ("right", "left")
RNG = np.random.default_rng(5)


def side_of(chest, side):
    columns = np.arange(chest.lungs.shape[2])
    return chest.lungs & ((columns < MIDDLE) if side == "right" else (columns >= MIDDLE))


def changed(chest, voxels, hu, noise=12.0):
    values = chest.volume.hu.copy()
    values[voxels] = np.rint(hu + RNG.normal(0, noise, np.count_nonzero(voxels)))
    return replace(chest.volume, hu=values)


def ball(chest, centre_mm, radius_mm):
    z, y, x = (index * 4.0 for index in np.indices(chest.lungs.shape))
    centre_z, centre_y, centre_x = centre_mm
    return (z - centre_z) ** 2 + (y - centre_y) ** 2 + (x - centre_x) ** 2 < radius_mm**2


def share(mask, of):
    return np.count_nonzero(mask & of) / np.count_nonzero(of)


def check_background(chest, mask):
    for background in (chest.gas, chest.table):
        assert not mask[background].any()


def test_the_schematic_chest_needs_no_remark(chest):
    assert segment_lungs(chest.volume).remarks == ()


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("hu", "noise"), [(-965, 12), (-980, 40), (-990, 12), (-1000, 20)])
def test_emphysema_of_one_lung_is_kept_and_told(chest, side, hu, noise):
    """Bowel gas of -1000 HU lies below the left lung, the trachea's between both."""
    emphysema = side_of(chest, side) & ~chest.lesion
    lungs = segment_lungs(changed(chest, emphysema, hu, noise))
    assert share(lungs.mask, chest.lungs) > 0.97
    assert share(lungs.mask, chest.lesion) > 0.9
    check_background(chest, lungs.mask)
    (remark,) = lungs.remarks
    assert f"% of the {side} lung lies below -950 HU" in remark


@pytest.mark.parametrize("hu", [-960, -990])
def test_emphysema_of_both_lungs_is_kept_and_told(chest, hu):
    lungs = segment_lungs(changed(chest, chest.lungs & ~chest.lesion, hu))
    assert share(lungs.mask, chest.lungs) > 0.97
    check_background(chest, lungs.mask)
    assert [remark.split(" lung ")[0].split()[-1] for remark in lungs.remarks] == ["right", "left"]


def test_a_loop_of_bowel_does_not_stand_for_lungs_of_pure_gas(chest):
    loop = ball(chest, (20, 120, 190), 17)
    assert not loop[chest.lungs].any()
    volume = changed(chest, chest.lungs & ~chest.lesion, -985)
    volume.hu[loop] = -900
    lungs = segment_lungs(volume)
    assert share(lungs.mask, chest.lungs) > 0.97
    assert not lungs.mask[loop].any()


@pytest.mark.parametrize("side", SIDES)
def test_a_pneumothorax_is_kept_with_the_lung_behind_it(chest, side):
    front = side_of(chest, side) & (np.arange(80) < 38)[None, :, None]
    lungs = segment_lungs(changed(chest, front, -995, 8))
    assert share(lungs.mask, chest.lungs) > 0.97
    check_background(chest, lungs.mask)
    assert f"of the {side} lung lies below -950 HU" in lungs.remarks[0]


def test_a_collapsed_lung_and_the_air_around_it_are_both_kept(chest):
    air = side_of(chest, "right")
    lump, core = (ball(chest, (110, 150, 140), radius) for radius in (34, 26))
    volume = changed(chest, air, -995, 8)
    volume.hu[lump & air] = 20
    volume.hu[core & air] = -600
    lungs = segment_lungs(volume)
    assert share(lungs.mask, air) > 0.97


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("radius_mm", [60, 36, 24])
def test_a_small_lung_is_kept_and_told(chest, side, radius_mm):
    """Of 0.9, 0.2 and 0.06 l, beside 1.9 l."""
    whole = side_of(chest, side)
    small = ball(chest, (130, 150, 115 if side == "right" else 265), radius_mm) & whole
    lungs = segment_lungs(changed(chest, whole & ~small, 30), SETTINGS)
    assert share(lungs.mask, small) > 0.95
    assert share(lungs.mask, whole & ~small) < 0.1
    check_background(chest, lungs.mask)
    (remark,) = lungs.remarks
    assert remark.startswith(f"the {side} lung holds 0.")


@pytest.mark.parametrize("side", SIDES)
def test_a_missing_lung_is_told_and_nothing_is_taken_for_it(chest, side):
    lungs = segment_lungs(changed(chest, side_of(chest, side), 30))
    assert not lungs.mask[side_of(chest, side)].any()
    check_background(chest, lungs.mask)
    (remark,) = lungs.remarks
    assert remark.startswith(f"no lung was found on the {side}")


@pytest.mark.parametrize("height_mm", [20, 60])
def test_a_stomach_below_a_missing_lung_is_no_lung(chest, height_mm):
    """The larger of 0.4 l, risen half way to where the lung was."""
    missing = side_of(chest, "left")
    volume = changed(chest, missing, 30)
    bubble = ball(chest, (height_mm, 130, 265), 45)
    volume.hu[bubble] = -1000
    lungs = segment_lungs(volume)
    assert not lungs.mask[bubble].any()
    assert lungs.remarks[0].startswith("no lung was found on the left")


def test_gas_less_tall_than_half_a_lung_is_none(chest):
    """A bubble of 0.3 l, as high as the lung that is missing."""
    volume = changed(chest, side_of(chest, "left"), 30)
    bubble = ball(chest, (110, 150, 265), 40)
    volume.hu[bubble] = -1000
    assert not segment_lungs(volume).mask[bubble].any()


def test_gas_near_the_middle_is_no_lung(chest):
    """A wide oesophagus of 0.15 l, 14 mm beside the middle, where the left lung is missing."""
    z, y, x = (index * 4.0 for index in np.indices(chest.lungs.shape))
    oesophagus = ((x - 202) ** 2 + (y - 170) ** 2 < 18**2) & (z > 50) & (z < 200)
    volume = changed(chest, side_of(chest, "left"), 30)
    volume.hu[oesophagus] = -1000
    lungs = segment_lungs(volume)
    assert not lungs.mask[oesophagus & ~chest.lungs].any()
    assert lungs.remarks[0].startswith("no lung was found on the left")


def test_the_trachea_of_a_single_lung_is_left_out(chest):
    """It is joined to the lung; the middle of the lung is not where it lies."""
    z, y, x = (index * 4.0 for index in np.indices(chest.lungs.shape))
    bronchus = ((y - 120) ** 2 + (z - 128) ** 2 < 8**2) & (x > 186) & (x < 240)
    volume = changed(chest, side_of(chest, "right"), 30)
    trachea = ((x - 190) ** 2 + (y - 120) ** 2 < 12**2) & (z > 120)
    volume.hu[bronchus | trachea] = -1000
    lungs = segment_lungs(volume)
    assert share(lungs.cleaned, trachea & (z > 140)) < 0.4  # 1.0 if it is sought in the middle of the lung
    assert share(lungs.mask, side_of(chest, "left")) > 0.97


def test_air_around_a_body_without_lungs_is_none(chest):
    """In a wide field with few slices it lies along the border with fewer than three faces of a cube of its size."""
    hu = np.where(chest.lungs | chest.trachea | chest.gas, 40, chest.volume.hu)[::3]
    wide = np.pad(hu, ((0, 0), (40, 40), (40, 40)), constant_values=-999).astype(np.int16)
    low_attenuation = wide < -480
    spacing = (12.0, 4.0, 4.0)
    border = np.ones(wide.shape, bool)
    border[:, 1:-1, 1:-1] = False
    around = find_parts(low_attenuation, wide, border)
    assert 1 < around.contact[np.argmax(around.sizes)] < 3
    assert not remove_background(low_attenuation, wide, spacing, body_box(low_attenuation, spacing)).any()


@pytest.mark.parametrize("radius_mm", [40, 70])
def test_gas_alone_is_no_lung(refused, chest, radius_mm):
    """A trachea without lungs, and a bubble of 0.3 or 1.4 l."""
    volume = changed(chest, chest.lungs, 30)
    volume.hu[ball(chest, (110, 150, 275), radius_mm)] = -1000
    refused(segment_lungs, volume, SETTINGS, reason="no lungs")


def test_air_beside_the_body_is_no_lung_where_one_is_missing(chest):
    """A narrow field in which the air in front of the body lies along one border only."""
    volume = changed(chest, side_of(chest, "right"), 30)
    narrow = replace(volume, hu=np.ascontiguousarray(volume.hu[:, 2:60, 14:80]))
    lungs = segment_lungs(narrow, SETTINGS)
    assert not lungs.mask[:, :, : MIDDLE - 14].any()
    assert lungs.remarks[0].startswith("no lung was found on the right")


def test_right_and_left_are_the_patients(chest):
    volume = changed(chest, side_of(chest, "right"), 30)
    mirrored = replace(
        volume, hu=np.ascontiguousarray(volume.hu[:, :, ::-1]), direction=(-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    )
    one, other = segment_lungs(volume), segment_lungs(mirrored)
    assert (one.right.volume_ml, one.left.volume_ml) == (other.right.volume_ml, other.left.volume_ml)
    assert one.remarks == other.remarks
    assert one.left.volume_ml == pytest.approx(one.volume_ml)

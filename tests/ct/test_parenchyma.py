from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from lung_ssp.cohort.phantom.scans import make_scan, plan_scans
from lung_ssp.cohort.phantom.settings import PhantomSettings
from lung_ssp.ct.parenchyma import otsu, segment_lungs
from lung_ssp.ct.series import read_series
from lung_ssp.ct.settings import ParenchymaSettings
from lung_ssp.ct.volume import AIR_HU, Volume

PAPER = ParenchymaSettings(recipe="paper")
PRESERVING = ParenchymaSettings(recipe="lesion_preserving")
COARSE = {"erosion_radius": 0, "closing_radius": 1}  # pixels of 4 mm


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def share(mask, of):
    return np.count_nonzero(mask & of) / np.count_nonzero(of)


def test_otsu_splits_two_values():
    hu = np.repeat(np.array([-900, 30], np.int16), 500).reshape(10, 10, 10)
    threshold, below = otsu(hu, [-1024, 400])
    assert -900 <= threshold < 30
    np.testing.assert_array_equal(below, hu == -900)


@pytest.mark.parametrize("clip_hu", [[-1024.0, 400.0], [-900.5, 99.5], [-900.5, 99.2], [-40000.0, 20000.0]])
def test_bounds_with_fractions_or_beyond_16_bits_clip_as_written(clip_hu):
    """The levels are those of the clipped values above the lowest, cut to whole numbers."""
    hu = (
        np.random.default_rng(3)
        .choice([-32768, -1000, -900, -870, 40, 99, 100, 700, 32767], (6, 7, 8))
        .astype(np.int16)
    )
    levels = np.floor(np.clip(hu.astype(float), *clip_hu) - clip_hu[0])
    threshold, below = otsu(hu, clip_hu)
    np.testing.assert_array_equal(below, levels <= threshold - clip_hu[0])
    assert 0 < below.mean() < 1


def test_otsu_is_that_of_simpleitk(chest):
    clipped = sitk.Clamp(chest.volume.to_image(), sitk.sitkInt16, -1024, 400)
    reference = sitk.OtsuThresholdImageFilter()
    reference.SetNumberOfHistogramBins(1424)
    reference.Execute(clipped)
    threshold, _ = otsu(chest.volume.hu, [-1024, 400])
    assert threshold == pytest.approx(reference.GetThreshold(), abs=3)


def test_clipping_keeps_padding_and_metal_from_moving_the_threshold(chest):
    hu = chest.volume.hu.copy()
    threshold, _ = otsu(hu, [-1024, 400])
    hu[:, :8], hu[:, -8:] = -3024, 3071
    assert otsu(hu, [-1024, 400])[0] == pytest.approx(threshold, abs=60)
    assert abs(otsu(hu, [-3024, 3071])[0] - threshold) > 200


def test_lesion_preserving_keeps_the_lesion_at_the_wall(chest):
    lungs = segment_lungs(chest.volume, PRESERVING)
    assert dice(lungs.mask, chest.lungs) > 0.95
    assert share(lungs.mask, chest.lesion) > 0.9  # of 124 voxels of 4 mm
    assert share(lungs.cleaned, chest.lesion) == 0
    assert share(lungs.mask, chest.gas) == 0
    assert share(lungs.mask, chest.table) == 0
    assert share(lungs.cleaned, chest.trachea) < 0.2
    assert lungs.volume_ml == pytest.approx(lungs.mask.sum() * 0.064)
    sizes = np.bincount(ndimage.label(lungs.cleaned)[0].ravel())[1:]
    assert np.count_nonzero(sizes >= 0.1 * sizes.max()) == 2  # without the trachea they lie apart


def test_the_papers_recipe_step_by_step(chest):
    """With radii of 0 it is the cleaned mask with holes filled; erosion shrinks it; the lesion at the wall is lost."""
    plain = segment_lungs(chest.volume, ParenchymaSettings(recipe="paper", erosion_radius=0, closing_radius=0))
    assert plain.mask[plain.cleaned].all()
    assert dice(plain.mask, chest.lungs & ~chest.lesion) > 0.98
    eroded = segment_lungs(chest.volume, ParenchymaSettings(recipe="paper", erosion_radius=1, closing_radius=0))
    assert eroded.mask.sum() < plain.mask.sum()
    assert plain.mask[eroded.mask].all()
    assert share(segment_lungs(chest.volume, ParenchymaSettings(recipe="paper", **COARSE)).mask, chest.lesion) < 0.3


def test_padding_outside_a_round_field_changes_nothing(chest):
    y, x = np.indices(chest.volume.shape[1:])
    outside = ((y - 40) / 40) ** 2 + ((x - 48) / 48) ** 2 > 1
    padded = replace(chest.volume, hu=np.where(outside, AIR_HU, chest.volume.hu).astype(np.int16))
    assert dice(segment_lungs(padded, PRESERVING).mask, segment_lungs(chest.volume, PRESERVING).mask) > 0.995


def test_no_lungs(refused, chest):
    filled = np.where(chest.lungs | chest.trachea | chest.gas, 40, chest.volume.hu).astype(np.int16)
    solid = replace(chest.volume, hu=filled, series_uid="1.2.3")
    message = refused(segment_lungs, solid, PRESERVING)
    assert "Series 1.2.3 shows no lungs" in message


def test_impossible_volume_and_the_setting_for_partial_scans(refused, chest):
    part = replace(chest.volume, spacing=(2.0, 2.0, 2.0))
    message = refused(segment_lungs, part, PRESERVING)
    assert "expected are 700 to 7500" in message
    assert segment_lungs(part, ParenchymaSettings(volume_ml=[100.0, 7500.0])).volume_ml < 700


@pytest.mark.parametrize("cut", [slice(14, None), slice(None, 40), slice(10, 44)])
def test_a_scan_cut_through_the_lungs_gains_no_soft_tissue(chest, cut):
    """At an end the wall of a lung that narrows there is not between lung above and below."""
    part = replace(chest.volume, hu=chest.volume.hu[cut])
    lungs = segment_lungs(part, ParenchymaSettings(volume_ml=[100.0, 7500.0])).mask
    truth = (chest.lungs | chest.trachea)[cut]
    soft = (part.hu > -300) & ~ndimage.binary_dilation(truth)
    gained = np.count_nonzero(lungs & soft) * part.voxel_mm3 / 1000
    assert gained < 1
    assert share(lungs, chest.lungs[cut]) > 0.98


def test_a_cut_changes_the_lungs_near_the_cut_alone(chest):
    whole = segment_lungs(chest.volume, PRESERVING).mask
    part = segment_lungs(replace(chest.volume, hu=chest.volume.hu[:40]), PRESERVING).mask
    np.testing.assert_array_equal(part[:31], whole[:31])  # 28 mm and the smoothing


def test_a_lesion_at_the_wall_that_a_cut_halves_is_kept(chest):
    """Of 16 mm; nothing shows it from below any more."""
    z, y, x = (index * 4.0 for index in np.indices(chest.lungs.shape))
    lesion = chest.lungs & ((x - 56) ** 2 + (y - 150) ** 2 + (z - 112) ** 2 < 8**2)
    hu = chest.volume.hu.copy()
    hu[lesion] = 30
    for cut in (slice(28, None), slice(None, 29)):
        part = replace(chest.volume, hu=hu[cut])
        assert share(segment_lungs(part, PRESERVING).mask, lesion[cut]) == 1


@pytest.mark.slow
def test_phantom_scan_whose_lungs_are_known():
    settings = PhantomSettings()
    scan = make_scan(plan_scans(settings, 0)[3], settings, 0)
    hu = np.where(scan.hu < -1024, AIR_HU, scan.hu).astype(np.int16)
    volume = Volume(hu, scan.spacing, scan.origin)
    preserving, paper = segment_lungs(volume, PRESERVING), segment_lungs(volume, PAPER)
    assert dice(preserving.mask, scan.lungs) >= 0.95
    assert share(preserving.mask, scan.lesions > 0) >= 0.98
    assert 0.84 <= dice(paper.mask, scan.lungs) <= 0.96


def test_real_nodule_at_the_pleura_is_kept(lidc_series, shared_data):
    """LIDC-IDRI-0001's nodule of 24.6 mm, which the paper's recipe loses more than half of."""
    volume = read_series(lidc_series)
    with np.load(shared_data / "lidc-idri" / "LIDC-IDRI-0001_nodules.npz") as arrays:
        nodule = arrays["labels"] > 0
    preserving, paper = segment_lungs(volume, PRESERVING), segment_lungs(volume, PAPER)
    assert share(preserving.mask, nodule) >= 0.95
    assert preserving.volume_ml <= 1.15 * paper.volume_ml
    assert share(paper.mask, nodule) < 0.5
    assert -516 <= preserving.threshold_hu <= -470


def test_real_nodule_at_the_pleura_is_kept_where_a_cut_halves_it(lidc_series, shared_data):
    volume = read_series(lidc_series)
    with np.load(shared_data / "lidc-idri" / "LIDC-IDRI-0001_nodules.npz") as arrays:
        nodule = arrays["labels"] > 0
    middle = int(np.mean(np.flatnonzero(nodule.any(axis=(1, 2)))))
    for cut in (slice(middle, None), slice(None, middle + 1)):
        lungs = segment_lungs(replace(volume, hu=volume.hu[cut]), PRESERVING)
        assert share(lungs.mask, nodule[cut]) >= 0.95


def test_real_lungs_of_reference(shared_data):
    """A coarse real CT with its reference mask: labels 9 to 14 are the thirds of the lungs."""
    folder = shared_data / "cip"
    if not folder.is_dir():
        pytest.skip(f"no real lung mask: {folder} is missing")
    volume = Volume.from_image(sitk.ReadImage(str(folder / "ct-64.nrrd")))
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "lm-64.nrrd"))) & 0xFF
    reference = (labels >= 9) & (labels <= 14)
    assert dice(segment_lungs(volume, PRESERVING).mask, reference) >= 0.95
    coarse = ParenchymaSettings(recipe="paper", **COARSE)
    assert dice(segment_lungs(volume, coarse).mask, reference) >= 0.95

"""Enhanced and Legacy Converted Enhanced CT, as highdicom makes the latter from single slices."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from highdicom.legacy import LegacyConvertedEnhancedCTImage
from pydicom.dataset import Dataset

from lung_ssp.ct.series import open_series, read_series

UID = "1.2.826.0.1.3680043.8.498.1"
LEGACY = "1.2.826.0.1.3680043.8.498.5"
ENHANCED = "1.2.840.10008.5.1.4.1.1.2.1"


def complete(dataset, index):
    """What highdicom wants beyond what a slice needs."""
    dataset.StudyInstanceUID, dataset.FrameOfReferenceUID = f"{UID}.9", f"{UID}.8"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    for name in ("AccessionNumber", "StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName", "Manufacturer"):
        setattr(dataset, name, "")
    for name in ("PatientBirthDate", "PatientSex", "PositionReferenceIndicator"):
        setattr(dataset, name, "")
    dataset.BodyPartExamined, dataset.SeriesDate, dataset.SeriesTime = "CHEST", "20200101", "120000"
    dataset.AcquisitionDate, dataset.AcquisitionTime = "20200101", "120000"
    dataset.ContentDate, dataset.ContentTime = "20200101", "120000"
    dataset.PatientPosition, dataset.SeriesNumber, dataset.AcquisitionNumber = "HFS", 1, 1


@pytest.fixture
def legacy(tmp_path, hu, write_series) -> Path:
    """One file of 18 frames, in the order of the slices' names."""
    paths = write_series(tmp_path / "single", hu, slopes=0.5, edit=complete)
    datasets = [pydicom.dcmread(path) for path in sorted(paths)]
    image = LegacyConvertedEnhancedCTImage(datasets, LEGACY, 2, f"{LEGACY}.1", 1)
    (tmp_path / "multi").mkdir()
    image.save_as(tmp_path / "multi" / "LEG")
    return tmp_path / "multi" / "LEG"


def changed(path: Path, change) -> Path:
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path


def test_a_series_in_one_file_is_the_series_of_single_slices(legacy, hu):
    for source in (legacy, legacy.parent):
        series = open_series(source)
        np.testing.assert_array_equal(series.volume.hu, hu)
        assert series.volume.spacing == pytest.approx((2.5, 0.8, 0.7))
        assert series.volume.origin == pytest.approx((-100, -120, 30))
        assert series.volume.series_uid == LEGACY
        assert {reference.path for reference in series.slices} == {legacy}
        assert sorted(reference.instance_number for reference in series.slices) == list(range(1, 19))
        assert (series.corrections, series.left_out) == ((), ())


def test_enhanced_ct_is_read_alike(legacy, hu):
    def enhanced(dataset):
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = ENHANCED

    np.testing.assert_array_equal(read_series(changed(legacy, enhanced)).hu, hu)


def test_frames_of_a_scout_are_left_out(legacy, hu):
    def with_a_scout(dataset):
        kind = Dataset()
        kind.FrameType = ["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"]
        lowest = min(
            dataset.PerFrameFunctionalGroupsSequence,
            key=lambda groups: groups.PlanePositionSequence[0].ImagePositionPatient[2],
        )
        lowest.CTImageFrameTypeSequence = [kind]

    np.testing.assert_array_equal(read_series(changed(legacy, with_a_scout)).hu, hu[1:])


def test_compressed_frames(legacy, hu):
    """A frame too small for JPEG 2000's five halvings would not be written: RLE has no such bound."""
    changed(legacy, lambda dataset: dataset.compress(pydicom.uid.RLELossless, generate_instance_uid=False))
    np.testing.assert_array_equal(read_series(legacy).hu, hu)


def test_a_deflated_file_is_told(legacy, refused):
    def deflated(dataset):
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian

    assert "is deflated as a whole" in refused(read_series, changed(legacy, deflated), reason="compressed")


def test_a_file_that_does_not_tell_the_place_of_its_frames_is_refused(legacy, refused):
    def cut(dataset):
        del dataset.PerFrameFunctionalGroupsSequence

    message = refused(read_series, changed(legacy, cut), reason="header")
    assert f"{legacy} (series {LEGACY}) has 18 frames, but tells the place of 0" in message


def test_a_frame_without_a_scale_is_refused(legacy, refused):
    def cut(dataset):
        for groups in [*dataset.SharedFunctionalGroupsSequence, *dataset.PerFrameFunctionalGroupsSequence]:
            if "PixelValueTransformationSequence" in groups:
                del groups.PixelValueTransformationSequence

    message = refused(read_series, changed(legacy, cut), reason="header")
    assert "has a frame that has no RescaleSlope" in message


def test_truncation_is_told(legacy, refused):
    legacy.write_bytes(legacy.read_bytes()[:-100])
    message = refused(read_series, legacy, reason="damaged")
    assert f"{legacy} (" in message and "truncated" in message


def test_a_study_of_both_kinds_is_a_choice_of_series(legacy, hu, refused):
    study = legacy.parent.parent
    message = refused(read_series, study, reason="several series")
    assert f"{UID} (18 slices)" in message and f"{LEGACY} (1 file of 18 frames)" in message
    for uid in (UID, LEGACY):
        np.testing.assert_array_equal(read_series(study, uid).hu, hu)


def test_a_screen_shot_beside_the_file_is_left_out(legacy, hu, write_series, change_tag):
    shot = write_series(legacy.parent / "shot", hu[:1], series_uid=LEGACY)[0]
    change_tag(shot, ImagePositionPatient=None, ImageOrientationPatient=None, PixelSpacing=None)
    series = open_series(legacy.parent)
    np.testing.assert_array_equal(series.volume.hu, hu)
    assert [one.path for one in series.left_out] == [shot]


def test_phases_in_one_file_are_told_by_their_frames(legacy, refused):
    def with_a_phase(dataset):
        frames = dataset.PerFrameFunctionalGroupsSequence
        frames[5].PlanePositionSequence = frames[4].PlanePositionSequence

    message = refused(read_series, changed(legacy, with_a_phase), reason="duplicate")
    assert f"frame 5 of {legacy} and frame 6 of {legacy}" in message


FRAME_TAGS = {
    "StackID": ("1", "2"),
    "TemporalPositionIndex": (1, 2),
    "FrameAcquisitionDateTime": ("20200101", "20200102"),
}


@pytest.mark.parametrize("tag", FRAME_TAGS)
def test_frames_of_two_stacks_or_moments_may_not_alternate(legacy, refused, tag):
    def alternate(dataset):
        frames = dataset.PerFrameFunctionalGroupsSequence
        frames = sorted(frames, key=lambda groups: groups.PlanePositionSequence[0].ImagePositionPatient[2])
        for index, groups in enumerate(frames):
            setattr(groups.FrameContentSequence[0], tag, FRAME_TAGS[tag][index % 2])

    assert f"({tag} changes to and fro" in refused(read_series, changed(legacy, alternate), reason="mixed")


@pytest.mark.filterwarnings("error")
def test_odd_values_are_not_shown_in_warnings(legacy, hu, capfd):
    """An unreadable UID is judged where it matters, and nothing of it is printed."""
    content = legacy.read_bytes()
    place = content.index(b"1.2.840.10008.5.1.4.1.1.2.2", 400)
    (legacy.parent / "odd").write_bytes(content[:place] + b"Doe^Jane" + content[place + 8 :])
    series = open_series(legacy.parent)
    np.testing.assert_array_equal(series.volume.hu, hu)
    assert len(series.left_out) == 1
    assert capfd.readouterr() == ("", "")

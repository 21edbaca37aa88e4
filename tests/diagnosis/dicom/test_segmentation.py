"""Segmentations, read back by other code than wrote them: by pydicom through patient coordinates, and by highdicom."""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from highdicom.legacy import LegacyConvertedEnhancedCTImage
from highdicom.seg import Segmentation, segread
from pydicom.dataset import FileDataset
from pydicom.uid import RLELossless

from lung_ssp.ct.settings import GapSettings
from lung_ssp.ct.volume import Volume
from lung_ssp.diagnosis.diagnosis import Diagnosis
from lung_ssp.diagnosis.label_map import findings_map

ONE_GAP = GapSettings(largest_share=0.1)
LEGACY = "1.2.826.0.1.3680043.8.498.5"


def compressed(dataset: FileDataset, _: int) -> None:
    """As archives keep slices."""
    dataset.compress(RLELossless, generate_instance_uid=False)


def tilted(dataset: FileDataset, index: int) -> None:
    """The table moves, and the slices with it to the back."""
    x, y, z = dataset.ImagePositionPatient
    dataset.ImagePositionPatient = [x, f"{float(y) + index * 0.45:.4f}", z]


SERIES = {
    "axial": {},
    "rows upwards": {"orientation": (1, 0, 0, 0, -1, 0)},
    "on the face": {"orientation": (-1, 0, 0, 0, -1, 0)},
    "rows and columns exchanged": {"orientation": (0, 1, 0, 1, 0, 0)},
    "oblique": {"orientation": (np.cos(0.1), np.sin(0.1), 0, -np.sin(0.1), np.cos(0.1), 0)},
    "compressed": {"edit": compressed},
    "a gap": {"missing": (7,)},
    "tilted": {"edit": tilted},
}


@pytest.fixture(params=SERIES)
def diagnosis(
    request: pytest.FixtureRequest, new_series: Callable[..., Path], made_up: Callable[..., Diagnosis], tmp_path: Path
) -> Diagnosis:
    """A diagnosis of each kind of series."""
    return made_up(new_series(tmp_path / "in", **SERIES[request.param]), accept=("gaps", "tilt"), gaps=ONE_GAP)


def save(diagnosis: Diagnosis, folder: Path) -> tuple[Path, Path]:
    diagnosis.save(folder, ["seg"])
    return folder / "lungs-seg.dcm", folder / "findings-seg.dcm"


def voxels_of(path: Path, scan: Volume) -> dict[int, np.ndarray]:
    """Of each segment its voxels of the scan, bool (z, y, x): each pixel by its place in the patient."""
    image = pydicom.dcmread(path)
    shared = image.SharedFunctionalGroupsSequence[0]
    row, column = np.reshape(shared.PlaneOrientationSequence[0].ImageOrientationPatient, (2, 3)).astype(float)
    between_rows, between_columns = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    masks = {int(item.SegmentNumber): np.zeros(scan.shape, bool) for item in image.SegmentSequence}
    frames = image.pixel_array.reshape(-1, image.Rows, image.Columns)
    for groups, frame in zip(image.PerFrameFunctionalGroupsSequence, frames, strict=True):
        rows, columns = np.nonzero(frame)
        first = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
        places = first + columns[:, None] * between_columns * row + rows[:, None] * between_rows * column
        index = scan.to_index(places)
        assert np.abs(index - np.rint(index)).max() < 0.01
        number = (groups if "SegmentIdentificationSequence" in groups else shared).SegmentIdentificationSequence[0]
        masks[int(number.ReferencedSegmentNumber)][tuple(np.rint(index).T.astype(int))] = True
    return masks


def test_every_voxel_is_where_it_was(diagnosis: Diagnosis, tmp_path: Path) -> None:
    lungs, findings = save(diagnosis, tmp_path / "out")
    (mask,) = voxels_of(lungs, diagnosis.scan).values()
    np.testing.assert_array_equal(mask, diagnosis.lungs.mask)
    masks = voxels_of(findings, diagnosis.scan)
    assert list(masks) == [1, 2, 3]
    for finding in diagnosis.findings:
        expected = finding.candidate.lesion.mask(diagnosis.scan.shape)
        np.testing.assert_array_equal(masks[finding.number], expected)


def test_frames_lie_on_the_pixels_of_the_files_that_they_name(
    diagnosis: Diagnosis, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """By highdicom's reader: the HU that a frame marks in its source file are those of the finding."""
    if "tilted" in request.node.name:
        pytest.skip("a straightened scan has other pixels than its files")
    _, path = save(diagnosis, tmp_path / "out")
    image = segread(path)
    files = {one.SOPInstanceUID: one for one in map(pydicom.dcmread, (tmp_path / "in").iterdir())}
    for finding in diagnosis.findings:
        marked: list[int] = []
        named = [uid for _, _, uid in image.get_source_image_uids()]
        masks = image.get_pixels_by_source_instance(named, [finding.number], assert_missing_frames_are_empty=True)
        for uid, mask in zip(named, masks[..., 0], strict=True):
            marked += files[uid].pixel_array[mask > 0].tolist()
        lesion = finding.candidate.lesion
        planes = [z for z in range(lesion.box[0].start, lesion.box[0].stop) if diagnosis.dicom.slices[z] is not None]
        expected = np.concatenate([diagnosis.scan.hu[z][lesion.mask(diagnosis.scan.shape)[z]] for z in planes])
        assert sorted(marked) == sorted(expected.tolist())


def references(path: Path) -> list[tuple[str, str, int | None] | None]:
    """Of each frame the object and the frame that it was made from."""
    found: list[tuple[str, str, int | None] | None] = []
    for groups in pydicom.dcmread(path).PerFrameFunctionalGroupsSequence:
        if not groups.DerivationImageSequence:
            found.append(None)
            continue
        (source,) = groups.DerivationImageSequence[0].SourceImageSequence
        found.append(
            (source.ReferencedSOPInstanceUID, source.SpatialLocationsPreserved, source.get("ReferencedFrameNumber"))
        )
    return found


def test_an_interpolated_plane_names_no_slice(
    new_series: Callable[..., Path], made_up: Callable[..., Diagnosis], tmp_path: Path
) -> None:
    diagnosis = made_up(new_series(tmp_path / "in", missing=(7,)), accept=("gaps",), gaps=ONE_GAP)
    lungs, _ = save(diagnosis, tmp_path / "out")
    found = references(lungs)
    assert (
        len(found) == 16 and found[10] is None and found.count(None) == 1
    )  # from the head; planes 0 and 1 hold no lung
    named = {one.ReferencedSOPInstanceUID for one in pydicom.dcmread(lungs).SourceImageSequence}
    assert named == {one[0] for one in found if one is not None}


@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1, 0), (1, 0, 0, 0, -1, 0)])
@pytest.mark.parametrize(("inside", "nearest"), [(5, 4), (6, 7)])
def test_a_finding_in_interpolated_planes_alone_names_the_nearest_slice(
    in_a_gap: Callable[..., Diagnosis], tmp_path: Path, orientation: tuple[float, ...], inside: int, nearest: int
) -> None:
    """Of slices 5 and 6, which are missing; an object must name the slices that it is of."""
    diagnosis = in_a_gap(tmp_path / "in", missing=(5, 6), inside=inside, orientation=orientation)
    _, path = save(diagnosis, tmp_path / "out")
    image = pydicom.dcmread(path)
    files = {one.SOPInstanceUID: one for one in map(pydicom.dcmread, (tmp_path / "in").iterdir())}
    (named,) = image.SourceImageSequence
    (in_series,) = image.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert named.ReferencedSOPInstanceUID == in_series.ReferencedSOPInstanceUID
    assert named.ReferencedSOPInstanceUID.split(".")[-1] == str(nearest + 1)
    (groups,) = image.PerFrameFunctionalGroupsSequence
    of_frame = groups.PlanePositionSequence[0].ImagePositionPatient[2]
    of_slice = files[named.ReferencedSOPInstanceUID].ImagePositionPatient[2]
    assert abs(of_frame - of_slice) == pytest.approx(2.5) and references(path) == [None]
    if shutil.which("dciodvfy") is not None:
        said = subprocess.run(["dciodvfy", path], capture_output=True, text=True)
        assert "Error" not in said.stdout + said.stderr


def test_straightened_slices_do_not_keep_their_places(
    new_series: Callable[..., Path], made_up: Callable[..., Diagnosis], tmp_path: Path
) -> None:
    diagnosis = made_up(new_series(tmp_path / "in", edit=tilted), accept=("tilt",))
    assert diagnosis.corrections and diagnosis.scan.shape[1] > 20
    lungs, _ = save(diagnosis, tmp_path / "out")
    assert {kept for _, kept, _ in filter(None, references(lungs))} == {"NO"}


def test_a_multi_frame_source_is_named_by_its_frames(
    new_series: Callable[..., Path], made_up: Callable[..., Diagnosis], tmp_path: Path
) -> None:
    source = multi_frame(new_series(tmp_path / "single"), tmp_path)
    diagnosis = made_up(source)
    paths = save(diagnosis, tmp_path / "out")
    (mask,) = voxels_of(paths[0], diagnosis.scan).values()
    np.testing.assert_array_equal(mask, diagnosis.lungs.mask)
    file = pydicom.dcmread(source)
    for groups, (uid, kept, frame) in zip(
        pydicom.dcmread(paths[0]).PerFrameFunctionalGroupsSequence, references(paths[0]), strict=True
    ):
        assert (uid, kept) == (f"{LEGACY}.1", "YES")
        own = file.PerFrameFunctionalGroupsSequence[frame - 1].PlanePositionSequence[0].ImagePositionPatient
        assert list(groups.PlanePositionSequence[0].ImagePositionPatient) == list(own)
    (item,) = pydicom.dcmread(paths[0]).ReferencedSeriesSequence
    assert item.SeriesInstanceUID == LEGACY
    assert [one.ReferencedSOPInstanceUID for one in item.ReferencedInstanceSequence] == [f"{LEGACY}.1"]
    image = segread(paths[1])
    pixels = file.pixel_array
    for finding in diagnosis.findings:
        frames = list(range(1, len(pixels) + 1))
        masks = image.get_pixels_by_source_frame(
            f"{LEGACY}.1", frames, [finding.number], assert_missing_frames_are_empty=True
        )
        lesion = finding.candidate.lesion
        assert sorted(pixels[masks[..., 0] > 0].tolist()) == sorted(
            diagnosis.scan.hu[lesion.box][lesion.voxels].tolist()
        )


def multi_frame(small_series: Path, folder: Path) -> Path:
    """The slices of a series as one Legacy Converted Enhanced CT file, not in the order of their places."""
    slices = []
    for path in sorted(small_series.iterdir()):
        dataset = pydicom.dcmread(path)
        dataset.ImageType, dataset.ReferringPhysicianName, dataset.Manufacturer = (
            ["ORIGINAL", "PRIMARY", "AXIAL"],
            "",
            "",
        )
        dataset.PositionReferenceIndicator, dataset.BodyPartExamined, dataset.PatientPosition = "", "CHEST", "HFS"
        for name in ("Series", "Acquisition", "Content"):
            setattr(dataset, f"{name}Date", "20200101")
            setattr(dataset, f"{name}Time", "120000")
        dataset.SeriesNumber = dataset.AcquisitionNumber = 1
        slices.append(dataset)
    LegacyConvertedEnhancedCTImage(slices, LEGACY, 2, f"{LEGACY}.1", 1).save_as(folder / "multi.dcm")
    return folder / "multi.dcm"


def test_segments_say_what_they_are(small_series: Path, made_up: Callable[..., Diagnosis], tmp_path: Path) -> None:
    diagnosis = made_up(small_series)
    lungs, findings = (segread(path) for path in save(diagnosis, tmp_path / "out"))
    (lung,) = lungs.SegmentSequence
    assert code(lung.SegmentedPropertyTypeCodeSequence) == ("39607008", "SCT", "Lung")
    assert code(lung.SegmentationAlgorithmIdentificationSequence[0].AlgorithmFamilyCodeSequence)[0] == "123104"
    assert [item.SegmentLabel for item in findings.SegmentSequence] == ["Finding 1", "Finding 2", "Finding 3"]
    sides = [code(item.AnatomicRegionSequence)[2] for item in findings.SegmentSequence]
    assert sides == ["Right lung", "Right lung", "Left lung"]
    for item in findings.SegmentSequence:
        assert code(item.SegmentedPropertyTypeCodeSequence) == ("27925004", "SCT", "Nodule")
        (algorithm,) = item.SegmentationAlgorithmIdentificationSequence
        assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("lung_ssp findings", "0.1.0")
        assert code(algorithm.AlgorithmFamilyCodeSequence) == ("123110", "DCM", "Artificial Intelligence")
        assert item.TrackingID == f"lung_ssp finding {item.SegmentNumber}"
        assert "SYNTHETIC" in item.SegmentDescription and "Research use only" in item.SegmentDescription
    assert len({item.TrackingUID for item in findings.SegmentSequence}) == 3
    for image in (lungs, findings):
        assert image.ContentDescription == "Research use only, not for diagnosis."
        assert image.ImageComments == diagnosis.notice and "SYNTHETIC" in image.ImageComments
        assert "Research use only" in image.SeriesDescription
        source = pydicom.dcmread(next(small_series.iterdir()))
        for name in ("StudyInstanceUID", "FrameOfReferenceUID"):
            assert image[name].value == source[name].value
        assert [one.SeriesInstanceUID for one in image.ReferencedSeriesSequence] == [source.SeriesInstanceUID]
        assert (image.SegmentationType, image.BitsAllocated) == ("BINARY", 1)
        assert image.SoftwareVersions == "0.1.0"


def code(sequence: pydicom.Sequence) -> tuple[str, str, str]:
    return sequence[0].CodeValue, sequence[0].CodingSchemeDesignator, sequence[0].CodeMeaning


def test_empty_frames_are_left_out(small_series: Path, made_up: Callable[..., Diagnosis], tmp_path: Path) -> None:
    diagnosis = made_up(small_series)
    lungs, findings = (pydicom.dcmread(path) for path in save(diagnosis, tmp_path / "out"))
    assert lungs.NumberOfFrames == 16  # of 18 planes
    labels = findings_map(diagnosis.findings, diagnosis.scan.shape)
    assert findings.NumberOfFrames == sum(len(set(plane[plane > 0].tolist())) for plane in labels)


def test_without_findings_the_lungs_stand_alone(
    small_series: Path, made_up: Callable[..., Diagnosis], tmp_path: Path
) -> None:
    save(made_up(small_series, findings=0), tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"findings.json", "lungs-seg.dcm"}


def test_more_than_255_findings_keep_their_numbers(small_series: Path, made_up: Callable[..., Diagnosis]) -> None:
    diagnosis = made_up(small_series)
    many = [replace(diagnosis.findings[number % 3], number=number + 1) for number in range(300)]
    labels = findings_map(many, diagnosis.scan.shape)
    assert labels.dtype == np.uint16 and sorted(set(labels[labels > 0].tolist())) == [298, 299, 300]


def test_the_same_scan_gives_the_same_bytes_and_another_one_other_identifiers(
    small_series: Path, made_up: Callable[..., Diagnosis], tmp_path: Path
) -> None:
    first = [path.read_bytes() for path in save(made_up(small_series), tmp_path / "1")]
    assert [path.read_bytes() for path in save(made_up(small_series), tmp_path / "2")] == first
    other = made_up(small_series)
    other.lungs.mask[5, 5, 5] ^= True
    uids = [identifiers(pydicom.dcmread(path)) for path in save(other, tmp_path / "3")]
    before = [identifiers(pydicom.dcmread(tmp_path / "1" / f"{name}-seg.dcm")) for name in ("lungs", "findings")]
    assert not set(uids[0] + uids[1]) & set(before[0] + before[1])
    kept = [
        identifiers(pydicom.dcmread(path)) for path in save(made_up(small_series, keep_patient=True), tmp_path / "4")
    ]
    assert not set(kept[0] + kept[1]) & set(before[0] + before[1])


def identifiers(image: Segmentation) -> list[str]:
    """What is unique to an object, its series and its segments."""
    own = [image.SOPInstanceUID, image.SeriesInstanceUID, *(item.TrackingUID for item in image.SegmentSequence)]
    assert all(uid.startswith("2.25.") and len(uid) <= 64 and pydicom.uid.UID(uid).is_valid for uid in own)
    return own


def test_the_validator_finds_no_error(diagnosis: Diagnosis, tmp_path: Path) -> None:
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is missing: apt-get install dicom3tools")
    for path in save(diagnosis, tmp_path / "out"):
        said = subprocess.run(["dciodvfy", path], capture_output=True, text=True)
        lines = (said.stdout + said.stderr).splitlines()
        assert "Segmentation" in lines and not [line for line in lines if "Error" in line], lines

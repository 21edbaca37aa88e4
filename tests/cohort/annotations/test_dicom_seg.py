"""DICOM segmentations, written and read back, of the same series and of others."""

import numpy as np
import pydicom
import pytest
from highdicom import imread
from highdicom.seg import Segmentation, SegmentDescription
from pydicom.sr.codedict import codes
from pydicom.uid import DeflatedExplicitVRLittleEndian, generate_uid

from lung_ssp.cohort.annotations.dicom_seg import read_segmentation
from lung_ssp.cohort.annotations.dicom_seg_writer import write_segmentation
from lung_ssp.cohort.annotations.settings import AnnotationSettings
from lung_ssp.cohort.phantom.dicom import write_series
from lung_ssp.cohort.phantom.scans import make_scan as make_phantom
from lung_ssp.cohort.phantom.scans import plan_scans
from lung_ssp.cohort.phantom.settings import PhantomSettings
from lung_ssp.ct.series import open_series
from lung_ssp.errors import CohortError, EnvironmentProblem, LungSspError


def lesions(shape):
    """Two lesions without any symmetry, with empty slices between and around them."""
    masks = np.zeros(shape, np.uint8)
    masks[4:6, 3:9, 10:14] = 1
    masks[5, 3, 9] = 1
    masks[9, 20:22, 30:37] = masks[10, 21, 31] = 2
    return masks


def joined(segments):
    return sum(segment.mask.astype(np.uint8) * segment.number for segment in segments)


def edit(path, change):
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)


def anonymous(dataset):
    """Removes the names of the slices and of the series that it was made from."""
    del dataset.ReferencedSeriesSequence
    for groups in dataset.PerFrameFunctionalGroupsSequence:
        del groups.DerivationImageSequence


@pytest.fixture(scope="module")
def written(scan, tmp_path_factory):
    """A series, its lesions and their segmentation in a folder of its own."""
    series = open_series(scan)
    masks = lesions(series.volume.shape)
    path = tmp_path_factory.mktemp("seg") / "folder" / "lesions.dcm"
    write_segmentation(path, sorted(scan.iterdir()), masks, ["Lesion 1 - Tumor", "Lesion 2 - Nodule"], "key")
    return series, masks, path


@pytest.fixture
def segmentation(written, tmp_path):
    """A copy of it that may be changed."""
    path = tmp_path / "lesions.dcm"
    path.write_bytes(written[2].read_bytes())
    return path


@pytest.fixture
def other(make_scan, written, tmp_path):
    """Another reconstruction of the exam: thinner slices, a wider field, the same frame of reference."""
    x, y, z = written[0].volume.origin
    folder = make_scan(tmp_path / "other", (36, 40, 60), (1.25, 0.75, 0.6), (x - 3, y - 3, z - 0.625), key="other")
    frame = pydicom.dcmread(next(iter(written[0].slices)).path).FrameOfReferenceUID
    for path in folder.iterdir():
        edit(path, lambda dataset: setattr(dataset, "FrameOfReferenceUID", frame))
    return folder


def test_what_was_written_is_read_back(written):
    series, masks, path = written
    segments = read_segmentation(path.parent, series)
    np.testing.assert_array_equal(joined(segments), masks)
    first = segments[0]
    assert (first.label, first.number, first.tracking_id) == ("Lesion 1 - Tumor", 1, "Lesion 1 - Tumor")
    assert (first.category, first.kind, first.region) == ("Morphologically Abnormal Structure", "Nodule", "")
    assert first.mask.dtype == bool


@pytest.mark.slow
def test_a_phantoms_lesions_are_read_back(tmp_path):
    settings = PhantomSettings.model_validate({"scans": {"size": 96, "slices": [30, 30], "slice_mm": [8.0, 8.5]}})
    planned = plan_scans(settings, 4)[0]  # all its lesions fill a voxel
    phantom = make_phantom(planned, settings, 4)
    write_series(tmp_path / "ct", phantom, planned, "key", np.random.default_rng(0))
    labels = [f"Lesion {number}" for number in range(1, phantom.lesions.max() + 1)]
    write_segmentation(tmp_path / "seg.dcm", list((tmp_path / "ct").iterdir()), phantom.lesions, labels, "key")
    segments = read_segmentation(tmp_path / "seg.dcm", open_series(tmp_path / "ct"), ["lesion*"])
    np.testing.assert_array_equal(joined(segments), phantom.lesions)


def test_the_bytes_depend_on_the_key_and_not_on_the_files_order_or_the_clock(written, scan, tmp_path):
    _, masks, path = written
    files = sorted(scan.iterdir())[::-1]
    labels = ["Lesion 1 - Tumor", "Lesion 2 - Nodule"]
    write_segmentation(tmp_path / "again.dcm", files, masks, labels, "key")
    assert (tmp_path / "again.dcm").read_bytes() == path.read_bytes()
    write_segmentation(tmp_path / "other.dcm", files, masks, labels, "another")
    one, two = (pydicom.dcmread(file) for file in (path, tmp_path / "other.dcm"))
    assert one.SOPInstanceUID != two.SOPInstanceUID and one.SeriesInstanceUID != two.SeriesInstanceUID


def test_a_series_that_is_stored_upside_down(turned, tmp_path):
    series = open_series(turned)
    masks = lesions(series.volume.shape)
    write_segmentation(tmp_path / "seg.dcm", list(turned.iterdir()), masks, ["a", "b"], "key")
    np.testing.assert_array_equal(joined(read_segmentation(tmp_path / "seg.dcm", series)), masks)
    frames = imread(tmp_path / "seg.dcm").get_stored_frames()
    for mask in masks[[4, 5, 9, 10], ::-1, ::-1] > 0:
        assert sum(np.array_equal(frame, mask) for frame in frames) == 1


def test_frames_that_begin_within_a_byte(make_scan, tmp_path):
    folder = make_scan(tmp_path / "scan", (18, 29, 39))  # 1131 pixels of one bit
    series = open_series(folder)
    masks = lesions((18, 29, 39))
    write_segmentation(tmp_path / "seg.dcm", list(folder.iterdir()), masks, ["a", "b"], "key")
    np.testing.assert_array_equal(joined(read_segmentation(tmp_path / "seg.dcm", series)), masks)


def test_a_deflated_file(written, tmp_path):
    series, masks, path = written
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(tmp_path / "deflated.dcm")
    assert (tmp_path / "deflated.dcm").stat().st_size < path.stat().st_size / 2
    np.testing.assert_array_equal(joined(read_segmentation(tmp_path / "deflated.dcm", series)), masks)


def test_without_names_the_frames_go_by_their_positions(written, segmentation):
    series, masks, _ = written
    edit(segmentation, anonymous)
    np.testing.assert_array_equal(joined(read_segmentation(segmentation, series)), masks)


def test_another_reconstruction_of_the_exam_goes_by_coordinates(written, other):
    _, masks, path = written
    series = open_series(other)
    segments = read_segmentation(path, series)
    for segment in segments:
        truth = masks == segment.number
        centre = series.volume.to_world(np.argwhere(segment.mask)).mean(axis=0)
        np.testing.assert_allclose(centre, written[0].volume.to_world(np.argwhere(truth)).mean(axis=0), atol=0.4)
        volume = segment.mask.sum() * series.volume.voxel_mm3
        assert volume == pytest.approx(truth.sum() * written[0].volume.voxel_mm3, rel=0.25)


def test_another_frame_of_reference_is_refused_unless_it_is_accepted(written, other, segmentation):
    edit(segmentation, lambda dataset: setattr(dataset, "FrameOfReferenceUID", "1.2.3"))
    assert read_segmentation(segmentation, written[0])
    series = open_series(other)
    with pytest.raises(CohortError, match=r"another series than .* another frame of reference"):
        read_segmentation(segmentation, series)
    assert len(read_segmentation(segmentation, series, accept_other_series=True)) == 2


def test_only_the_segments_that_are_wanted(written):
    series, masks, path = written
    (nodule,) = read_segmentation(path, series, ["*2 - nodule*"])
    np.testing.assert_array_equal(nodule.mask, masks == 2)
    assert len(read_segmentation(path, series, AnnotationSettings().lesion_segments)) == 2
    with pytest.raises(CohortError, match=r"fits lung.*: its segments are Lesion 1 - Tumor, Lesion 2 - Nodule"):
        read_segmentation(path, series, ["lung*"])


def test_a_lesion_outside_the_series_is_refused(written, segmentation):
    def move(dataset):
        anonymous(dataset)
        for groups in dataset.PerFrameFunctionalGroupsSequence:
            groups.PlanePositionSequence[0].ImagePositionPatient[0] += 4 * 0.75

    edit(segmentation, move)
    with pytest.raises(CohortError, match=r"segment 2 \(Lesion 2 - Nodule\) .* partly outside"):
        read_segmentation(segmentation, written[0])


def test_a_frame_beside_the_slice_it_names_is_refused(written, segmentation):
    def move(dataset):
        for groups in dataset.PerFrameFunctionalGroupsSequence:
            groups.PlanePositionSequence[0].ImagePositionPatient[2] += 5

    edit(segmentation, move)
    with pytest.raises(CohortError, match=r"lies 2\.0 slices beside its own"):
        read_segmentation(segmentation, written[0])


def segment(number, label):
    return SegmentDescription(number, label, codes.SCT.Tissue, codes.SCT.Nodule, "MANUAL")


@pytest.mark.filterwarnings("ignore:The string:UserWarning")
@pytest.mark.parametrize("kind", ["FRACTIONAL", "LABELMAP"])
def test_other_types_of_segmentation(written, tmp_path, kind):
    series, masks, _ = written
    slices = [imread(reference.path) for reference in series.slices]
    pixels = masks if kind == "LABELMAP" else np.stack([masks == 1, 0.5 * (masks == 2) + 0.49 * (masks == 1)], axis=-1)
    Segmentation(
        slices,
        pixels.astype(np.uint8 if kind == "LABELMAP" else np.float32),
        kind,
        [segment(1, "a"), segment(2, "b")],
        series_instance_uid=generate_uid(),
        series_number=1,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="",
        manufacturer_model_name="",
        software_versions="1",
        device_serial_number="0",
    ).save_as(tmp_path / "seg.dcm")
    np.testing.assert_array_equal(joined(read_segmentation(tmp_path / "seg.dcm", series)), masks)


def test_faulty_files_are_told(written, scan, segmentation, tmp_path, capfd):
    series = written[0]
    with pytest.raises(CohortError, match="holds no DICOM segmentation"):
        read_segmentation(scan, series)
    with pytest.raises(CohortError, match="does not exist"):
        read_segmentation(tmp_path / "none", series)
    (tmp_path / "notes.dcm").write_text("no DICOM")
    with pytest.raises(CohortError, match="is not a DICOM file"):
        read_segmentation(tmp_path / "notes.dcm", series)
    whole = segmentation.read_bytes()
    for size in (len(whole) - 200, len(whole) // 2):
        segmentation.write_bytes(whole[:size])
        with pytest.raises(CohortError, match="damaged, truncated"):
            read_segmentation(segmentation, series)
    segmentation.write_bytes(whole)
    edit(segmentation, lambda dataset: dataset.pop("PerFrameFunctionalGroupsSequence"))
    with pytest.raises(CohortError, match="damaged, truncated"):
        read_segmentation(segmentation, series)
    assert "Traceback" not in capfd.readouterr().err


def test_a_missing_package_is_told(written, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EnvironmentProblem, match="need highdicom"):
        read_segmentation(written[2], written[0])


def test_masks_that_do_not_fit_the_series_are_not_written(written, scan, tmp_path):
    _, masks, _ = written
    with pytest.raises(CohortError, match="have the size"):
        write_segmentation(tmp_path / "seg.dcm", list(scan.iterdir()), masks[1:], ["a", "b"], "key")
    with pytest.raises(CohortError, match="up to 2, but 1 descriptions"):
        write_segmentation(tmp_path / "seg.dcm", list(scan.iterdir()), masks, ["a"], "key")
    assert not (tmp_path / "seg.dcm").exists()


def first_frame(dataset):
    return dataset.PerFrameFunctionalGroupsSequence[0]


def measures(dataset):
    return dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]


def place(dataset, values):
    first_frame(dataset).PlanePositionSequence[0].ImagePositionPatient = values


ODD = {
    "a position far away": lambda d: place(d, ["1e300", "0", "0"]),
    "a position of two numbers": lambda d: place(d, ["0", "0"]),
    "no position": lambda d: delattr(first_frame(d), "PlanePositionSequence"),
    "tiny pixels": lambda d: setattr(measures(d), "PixelSpacing", ["1e-9", "1e-9"]),
    "negative pixels": lambda d: setattr(measures(d), "PixelSpacing", ["-1", "1"]),
    "huge frames": lambda d: (setattr(d, "Rows", 65535), setattr(d, "Columns", 65535)),
    "no rows": lambda d: delattr(d, "Rows"),
    "no segments": lambda d: delattr(d, "SegmentSequence"),
    "no frames": lambda d: delattr(d, "PerFrameFunctionalGroupsSequence"),
    "no number of a segment": lambda d: delattr(d.SegmentSequence[0], "SegmentNumber"),
    "an odd highest value": lambda d: d.add_new("MaximumFractionalValue", "US", [1, 2]),
    "no pixels": lambda d: delattr(d, "PixelData"),
}


@pytest.mark.parametrize("what", ODD)
def test_odd_values_are_told_with_the_file(written, segmentation, what):
    edit(segmentation, ODD[what])
    with pytest.raises(CohortError, match=r"lesions\.dcm"):
        read_segmentation(segmentation, written[0])


def test_a_label_is_shown_on_one_line(written, segmentation):
    edit(segmentation, lambda d: setattr(d.SegmentSequence[0], "SegmentLabel", "a\x1b[2Jb"))
    with pytest.raises(CohortError) as caught:
        read_segmentation(segmentation, written[0], ["nothing like it"])
    assert "\x1b" not in str(caught.value) and "a [2Jb" in str(caught.value)


@pytest.mark.slow
def test_flipped_bytes_give_a_mask_or_one_error(written, segmentation):
    """Every error is of the package's own: a header's bytes are changed one by one, at random."""
    content = written[2].read_bytes()
    rng = np.random.default_rng(0)
    end = content.rfind(b"\xe0\x7f\x10\x00")  # PixelData
    told = 0
    for _ in range(150):
        changed = bytearray(content)
        for position in rng.integers(132, end, rng.integers(1, 4)):
            changed[position] = rng.integers(256)
        segmentation.write_bytes(bytes(changed))
        try:
            read_segmentation(segmentation, written[0])
        except LungSspError as error:
            told += "lesions.dcm" in str(error)
    assert told > 10

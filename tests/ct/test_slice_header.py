import pytest

from lung_ssp.ct.dicom_file import read_dicom
from lung_ssp.ct.series import read_series
from lung_ssp.ct.slice_header import parse_header

UID = "1.2.826.0.1.3680043.8.498.1"


def header_of(path):
    return parse_header(read_dicom(path))


@pytest.mark.parametrize(
    "tag",
    [
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "Rows",
        "SamplesPerPixel",
        "PhotometricInterpretation",
        "RescaleSlope",
        "RescaleIntercept",
    ],
)
def test_missing_tag_is_named(tmp_path, hu, write_series, refused, change_tag, tag):
    paths = write_series(tmp_path, hu)
    change_tag(paths[5], **{tag: None})
    message = refused(read_series, tmp_path)
    assert f"{paths[5]} (series {UID}) has no {tag}" in message


@pytest.mark.parametrize(
    ("tag", "value", "fault"),
    [
        ("PixelSpacing", [0.7, 0.0], "zero or negative PixelSpacing"),
        ("RescaleSlope", 0.0, "zero or negative RescaleSlope"),
        ("ImagePositionPatient", [1.0, 2.0], "unreadable ImagePositionPatient"),
        ("ImageOrientationPatient", None, "no ImageOrientationPatient"),
        ("PhotometricInterpretation", "RGB", "not one grey-scale slice"),
        ("SamplesPerPixel", 3, "not one grey-scale slice"),
        ("NumberOfFrames", 2, "not one grey-scale slice"),
    ],
)
def test_impossible_value_is_named(tmp_path, hu, write_series, refused, change_tag, tag, value, fault):
    paths = write_series(tmp_path, hu)
    change_tag(paths[5], **{tag: value})
    message = refused(read_series, tmp_path, reason="header")
    assert str(paths[5]) in message
    assert UID in message
    assert fault in message


@pytest.mark.parametrize(
    ("stored", "limit", "signed", "bits", "padding_hu"),
    [
        (-2000, None, True, 16, (-3024, -3024)),
        (63536, None, True, 16, (-3024, -3024)),  # the same bits, written as unsigned
        (63536, None, True, 12, (-3024, -3024)),
        (2096, None, True, 12, (-3024, -3024)),  # the lowest 12 of the same bits
        (0, None, False, 16, (-1024, -1024)),
        (-2000, None, False, 16, (62512, 62512)),
        (-2000, None, False, 12, (1072, 1072)),
        (63536, None, False, 12, (1072, 1072)),
        (-2000, -1990, True, 16, (-3024, -3014)),
    ],
)
def test_padding_in_hu(tmp_path, hu, write_series, stored, limit, signed, bits, padding_hu):
    def pad(dataset, index):
        dataset.PixelRepresentation = int(signed)
        dataset.BitsStored, dataset.HighBit = bits, bits - 1
        dataset.add_new(0x00280120, "SS" if stored < 0 else "US", stored)
        if limit is not None:
            dataset.add_new(0x00280121, "SS", limit)

    path = write_series(tmp_path, hu[:1], edit=pad)[0]
    assert header_of(path).padding_hu == padding_hu


def test_several_padding_values_are_unreadable(tmp_path, hu, write_series, refused):
    write_series(tmp_path, hu, edit=lambda dataset, index: dataset.add_new(0x00280120, "SS", [-2000, -1024]))
    assert "unreadable PixelPaddingValue" in refused(read_series, tmp_path, reason="header")


def test_header_holds_what_the_file_says(tmp_path, hu, write_series):
    header = header_of(write_series(tmp_path, hu)[2])
    assert header.position == pytest.approx((-100, -120, 35))
    assert header.pixel_spacing == pytest.approx((0.8, 0.7))
    assert header.shape == (20, 24)
    assert header.padding_hu is None
    assert header.sop_uid == f"{UID}.3"
    assert header.instance_number == int(header.path.stem)
    assert header.kernel == ""

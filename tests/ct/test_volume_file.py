"""Scans of Hounsfield units in one file."""

import gzip
import math
import struct

import numpy as np
import pytest
import SimpleITK as sitk

from lung_ssp.ct.series import open_series, read_series
from lung_ssp.ct.volume import Volume
from lung_ssp.ct.volume_file import read_image
from lung_ssp.errors import SeriesError

SPACING, ORIGIN = (2.0, 0.5, 0.5), (-10.0, 20.0, 30.0)


@pytest.fixture
def volume(hu):
    return Volume(hu, SPACING, ORIGIN)


SUFFIXES = [".nii", ".nii.gz", ".mha", ".mhd", ".nrrd"]


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("axes", ["LPS", "RAS", "SAL"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_volume_is_read_from_every_format(volume, tmp_path, suffix, axes, compressed):
    path = tmp_path / f"ct{suffix}"
    sitk.WriteImage(sitk.DICOMOrient(volume.to_image(), axes), str(path), useCompression=compressed)
    read = read_series(path)
    np.testing.assert_array_equal(read.hu, volume.hu)
    np.testing.assert_allclose(read.spacing, SPACING, atol=1e-5)
    np.testing.assert_allclose(read.origin, ORIGIN, atol=1e-4)
    np.testing.assert_allclose(read.direction, volume.direction, atol=1e-6)


KINDS = [
    sitk.sitkInt64,
    sitk.sitkUInt64,
    sitk.sitkInt8,
    sitk.sitkUInt8,
    sitk.sitkUInt16,
    sitk.sitkInt32,
    sitk.sitkUInt32,
    sitk.sitkFloat32,
    sitk.sitkFloat64,
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_images_are_what_simpleitk_makes_of_them(volume, tmp_path, suffix, kind):
    """Every kind of number, on an oblique grid."""
    path = tmp_path / f"image{suffix}"
    image = sitk.Cast(Volume(volume.hu % 100, SPACING, ORIGIN).to_image(), kind)
    turn = math.radians(10)
    image.SetDirection([1, 0, 0, 0, math.cos(turn), -math.sin(turn), 0, math.sin(turn), math.cos(turn)])
    sitk.WriteImage(image, str(path))
    ours, theirs = read_image(path), sitk.ReadImage(str(path))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(ours), sitk.GetArrayFromImage(theirs))
    for of in ("GetSpacing", "GetOrigin", "GetDirection"):
        np.testing.assert_allclose(getattr(ours, of)(), getattr(theirs, of)(), atol=1e-5)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_truncation_is_found_wherever_it_is(volume, tmp_path, refused, suffix, compressed):
    path = tmp_path / f"ct{suffix}"
    sitk.WriteImage(volume.to_image(), str(path), useCompression=compressed)
    data = max(tmp_path.iterdir(), key=lambda file: file.stat().st_size)
    whole = data.read_bytes()
    for length in (0, 1, 200, 360, len(whole) // 2, len(whole) - 20, len(whole) - 1):
        data.write_bytes(whole[:length])
        assert refused(read_series, path).startswith(str(path)), length


@pytest.mark.parametrize("offset", [1024, -1024])
def test_stored_numbers_are_not_taken_for_hounsfield_units(volume, tmp_path, refused, offset):
    path = tmp_path / "ct.nii.gz"
    sitk.WriteImage(volume.to_image() + offset, str(path))
    message = refused(read_series, path, reason="implausible HU")
    assert message.startswith(str(path)) and "implausible" in message


def test_what_lies_outside_the_field_of_view_is_air(volume, tmp_path):
    padded = volume.hu.copy()
    padded[:, :2] = -3024
    sitk.WriteImage(Volume(padded, SPACING, ORIGIN).to_image(), str(tmp_path / "ct.mha"))
    read = read_series(tmp_path / "ct.mha").hu
    assert (read[:, :2] == -1000).all()
    np.testing.assert_array_equal(read[:, 2:], volume.hu[:, 2:])


def sheared(path, shear):
    """Write what the sform of a NIfTI file says about the third axis, with no qform."""
    content = bytearray(path.read_bytes())
    affine = np.array(struct.unpack_from("<12f", content, 280)).reshape(3, 4)
    affine[0, 2] += shear * SPACING[0]
    struct.pack_into("<12f", content, 280, *affine.ravel())
    struct.pack_into("<2h", content, 252, 0, 1)
    path.write_bytes(content)


def test_a_shear_is_taken_as_none_or_told(volume, tmp_path, refused):
    path = tmp_path / "ct.nii"
    sitk.WriteImage(volume.to_image(), str(path))
    sheared(path, 2e-3)
    series = open_series(path)
    np.testing.assert_array_equal(series.volume.hu, volume.hu)
    np.testing.assert_allclose(series.volume.direction, volume.direction, atol=2e-3)
    # half of the angle goes to each axis: 1e-3 x 17 x 2 mm, and 1e-3 x 23 x 0.5 mm across it
    assert series.corrections == ("a shear of 0.04 mm over the scan taken as none",)
    sheared(path, 0.1)
    assert "axes that are not perpendicular" in refused(read_series, path, reason="orientation")


def test_a_declared_size_is_refused_before_memory_is_taken(volume, tmp_path, refused):
    path = tmp_path / "ct.mha"
    sitk.WriteImage(volume.to_image(), str(path), useCompression=False)
    content = path.read_bytes()
    for size, reason in (("65535 65535 100", "header"), ("20 20", "foreign file"), ("20 20 18 3", "foreign file")):
        path.write_bytes(content.replace(b"DimSize = 24 20 18", f"DimSize = {size}".encode()))
        assert refused(read_series, path, reason=reason).startswith(str(path))


@pytest.mark.parametrize("name", ["/etc/hostname", "../secret", "LIST", "x%s 1 2 1", "LOCAL 3", "", "missing.raw"])
def test_voxels_are_not_sought_elsewhere(volume, tmp_path, refused, name):
    sitk.WriteImage(volume.to_image(), str(tmp_path / "ct.mhd"), useCompression=False)
    header = (tmp_path / "ct.mhd").read_text().replace("ct.raw", name)
    for path in (tmp_path / "other.mhd", tmp_path / "other.mha"):
        path.write_text(header)
        assert refused(read_series, path).startswith(str(path))


def test_nrrd_with_its_voxels_elsewhere_is_told(volume, tmp_path, refused):
    path = tmp_path / "ct.nrrd"
    sitk.WriteImage(volume.to_image(), str(path))
    path.write_bytes(path.read_bytes().replace(b"encoding:", b"data file: ct.raw\nencoding:"))
    assert "in another place than behind its header" in refused(read_series, path, reason="foreign file")


def test_fractions_become_whole_hounsfield_units_and_other_values_are_refused(volume, tmp_path):
    path = tmp_path / "ct.mha"
    sitk.WriteImage(sitk.Cast(volume.to_image(), sitk.sitkFloat32) + 0.3, str(path))
    np.testing.assert_array_equal(read_series(path).hu, volume.hu)
    for wrong in (volume.to_image() + 1000, sitk.Cast(volume.to_image(), sitk.sitkFloat32) * 1e4):
        sitk.WriteImage(wrong, str(path))
        with pytest.raises(SeriesError, match=r"implausible HU|no Hounsfield units"):
            read_series(path)


def test_a_volume_file_has_slices_without_files_and_no_series_uid(volume, tmp_path, refused):
    path = tmp_path / "CT.NII.GZ"
    sitk.WriteImage(volume.to_image(), str(tmp_path / "ct.nii.gz"))
    (tmp_path / "ct.nii.gz").rename(path)
    series = open_series(str(path))
    assert len(series.slices) == 18 and {reference.path for reference in series.slices} == {None}
    assert series.corrections == ()
    message = refused(open_series, path, "1.2.3", reason="not found")
    assert message.startswith(str(path)) and "leave the UID 1.2.3 out" in message


def test_files_that_hold_no_scan_are_told(tmp_path, refused):
    (tmp_path / "broken.nrrd").write_text("no image")
    sitk.WriteImage(sitk.Image(4, 4, sitk.sitkUInt8), str(tmp_path / "flat.mha"))
    for name, reason, what in (
        ("broken.nrrd", "damaged", "a damaged header"),
        ("none.nrrd", "not found", "there is no such file"),
        ("flat.mha", "foreign file", "has the size 4 x 4: three dimensions"),
    ):
        message = refused(read_series, tmp_path / name, reason=reason)
        assert message.startswith(str(tmp_path / name)) and what in message


@pytest.mark.parametrize(("was", "becomes"), [("MET_SHORT", "MET_COMPLEX"), ("LOCAL", "x" * 400)])
def test_a_metaimage_with_what_is_not_read_is_told(volume, tmp_path, refused, was, becomes):
    path = tmp_path / "ct.mha"
    sitk.WriteImage(volume.to_image(), str(path), useCompression=False)
    path.write_bytes(path.read_bytes().replace(was.encode(), becomes.encode()))
    assert refused(read_series, path, reason="foreign file").startswith(str(path))


@pytest.mark.parametrize("begin", ["-2", "1000000", "9223372036854775807", "1" + "0" * 30])
def test_voxels_beyond_the_end_of_a_file_are_told(volume, tmp_path, refused, begin):
    path = tmp_path / "ct.mhd"
    sitk.WriteImage(volume.to_image(), str(path), useCompression=False)
    path.write_text(path.read_text().replace("ElementType", f"HeaderSize = {begin}\nElementType"))
    assert refused(read_series, path, reason="damaged").startswith(str(path))


def test_voxels_that_end_a_file_are_found(volume, tmp_path):
    path = tmp_path / "ct.mhd"
    sitk.WriteImage(volume.to_image(), str(path), useCompression=False)
    path.write_text(path.read_text().replace("ElementType", "HeaderSize = -1\nElementType"))
    (tmp_path / "ct.raw").write_bytes(b"a header of its own" + (tmp_path / "ct.raw").read_bytes())
    np.testing.assert_array_equal(read_series(path).hu, volume.hu)


def test_a_nifti_file_that_does_not_tell_its_place_is_refused(volume, tmp_path, refused):
    path = tmp_path / "ct.nii"
    sitk.WriteImage(volume.to_image(), str(path))
    content = bytearray(path.read_bytes())
    struct.pack_into("<2h", content, 252, 0, 0)  # qform_code and sform_code
    path.write_bytes(content)
    assert "does not say how the scan lies" in refused(read_series, path, reason="orientation")


@pytest.mark.parametrize("step", ["1e200", "0", "30", "1e-9"])
def test_impossible_spacing_of_a_mask_is_told(volume, tmp_path, refused, step):
    path = tmp_path / "mask.nrrd"
    sitk.WriteImage(volume.to_image(), str(path))
    path.write_bytes(path.read_bytes().replace(b"(0.5,0,0)", f"({step},0,0)".encode()))
    assert refused(read_image, path, reason="header").startswith(str(path))


def test_a_nrrd_file_with_what_is_not_read_is_told(volume, tmp_path, refused):
    path = tmp_path / "ct.nrrd"
    sitk.WriteImage(volume.to_image(), str(path), useCompression=False)
    content = path.read_bytes()
    for was, becomes in ((b"encoding: raw", b"encoding: hex"), (b"type: short", b"type: block")):
        path.write_bytes(content.replace(was, becomes))
        assert "which is not read" in refused(read_series, path, reason="foreign file")


def edited(path, *changes):
    content = path.read_bytes()
    for before, after in changes:
        assert before in content
        content = content.replace(before, after)
    path.write_bytes(content)
    return path


@pytest.fixture
def mha(volume, tmp_path):
    sitk.WriteImage(volume.to_image(), str(tmp_path / "ct.mha"), useCompression=False)
    return tmp_path / "ct.mha"


@pytest.fixture
def nrrd(volume, tmp_path):
    sitk.WriteImage(volume.to_image(), str(tmp_path / "ct.nrrd"), useCompression=False)
    return tmp_path / "ct.nrrd"


@pytest.fixture
def nifti(volume, tmp_path):
    sitk.WriteImage(volume.to_image(), str(tmp_path / "ct.nii"))
    return tmp_path / "ct.nii"


def test_centimetres_are_centimetres(volume, mha, nrrd):
    edited(
        mha,
        (b"NDims", b"DistanceUnits = cm\nNDims"),
        (b"0.5 0.5 2", b"0.05 0.05 0.2"),
        (b"Offset = -10 20 30", b"Offset = -1 2 3"),
    )
    edited(nrrd, (b"kinds:", b'space units: "um" "um" "um"\nkinds:'), (b"0.5", b"500"), (b",2)", b",2000)"))
    edited(nrrd, (b"(-10,20,30)", b"(-10000,20000,30000)"))
    for path in (mha, nrrd):
        read = read_series(path)
        np.testing.assert_allclose(read.spacing, SPACING)
        np.testing.assert_allclose(read.origin, ORIGIN)
        np.testing.assert_array_equal(read.hu, volume.hu)


@pytest.mark.parametrize("change", [(b"ElementSpacing = 0.5 0.5 2\n", b""), (b"0.5 0.5 2\n", b"0.5 0.5 -2\n")])
def test_no_voxel_size_is_made_up(mha, refused, change):
    assert f"{mha} has no ElementSpacing" in refused(read_series, edited(mha, change), reason="header")


@pytest.mark.parametrize("change", [(b"space:", b"# space:"), (b"space directions:", b"# space directions:")])
def test_no_direction_is_made_up(nrrd, refused, change):
    message = refused(read_series, edited(nrrd, change), reason="orientation")
    assert f"{nrrd} does not say how the scan lies in the patient" in message


@pytest.mark.parametrize("matrix", [b"1", b"1 0 0 1", b"", b"1 0 0 0 1 0 0 0", b"0 0 0 0 0 0 0 0 0"])
def test_a_matrix_that_is_none_is_told(mha, refused, matrix):
    edited(mha, (b"TransformMatrix = 1 0 0 0 1 0 0 0 1", b"TransformMatrix = " + matrix))
    assert str(mha) in refused(read_series, mha)


@pytest.mark.parametrize("text", [b"T", b"true", b"1", b"True"])
def test_a_flag_is_read_as_its_library_reads_it(volume, mha, text):
    swapped = volume.hu.astype(">i2").tobytes()
    edited(
        mha,
        (volume.hu.tobytes(), swapped),
        (b"MSB = False", b"MSB = " + text),
        (b"BinaryData = True", b"BinaryData = T"),
    )
    np.testing.assert_array_equal(read_series(mha).hu, volume.hu)


@pytest.mark.parametrize("number", [b"Slope = 2", b"Offset = -1024"])
def test_numbers_that_stand_for_others_are_refused(mha, refused, number):
    edited(mha, (b"NDims", b"ElementToIntensityFunction" + number + b"\nNDims"))
    assert "export the scan in HU" in refused(read_series, mha, reason="implausible HU")


@pytest.mark.parametrize(("name", "kind"), [("MET_LONG", "i4"), ("MET_LONG_LONG", "i8")])
def test_long_numbers_in_a_metaimage(volume, mha, name, kind):
    edited(mha, (b"MET_SHORT", name.encode()), (volume.hu.tobytes(), volume.hu.astype(kind).tobytes()))
    np.testing.assert_array_equal(read_series(mha).hu, volume.hu)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(mha))), volume.hu)


def test_long_numbers_in_an_nrrd_file(volume, nrrd):
    edited(nrrd, (b"type: short", b"type: longlong"), (volume.hu.tobytes(), volume.hu.astype("i8").tobytes()))
    np.testing.assert_array_equal(read_series(nrrd).hu, volume.hu)


def test_gzip_of_several_members(volume, mha, nrrd):
    content = volume.hu.tobytes()
    packed = b"".join(gzip.compress(content[at : at + 5000]) for at in range(0, len(content), 5000))
    edited(nrrd, (content, packed), (b"encoding: raw", b"encoding: gzip"))
    edited(mha, (content, gzip.compress(content)), (b"CompressedData = False", b"CompressedData = True"))
    for path in (mha, nrrd):
        np.testing.assert_array_equal(read_series(path).hu, volume.hu)
    edited(nrrd, (packed, packed[:-3000]))
    assert "fewer voxels" in refused_of(nrrd)


def refused_of(path):
    with pytest.raises(SeriesError) as caught:
        read_series(path)
    return str(caught.value)


def written(path, offset, format_, *values):
    content = bytearray(path.read_bytes())
    struct.pack_into(format_, content, offset, *values)
    path.write_bytes(content)


def test_a_nifti_file_that_does_not_tell_left_from_right_is_refused(nifti, refused):
    written(nifti, 252, "<2h", 0, 0)
    message = refused(read_series, nifti, reason="orientation")
    assert message.startswith(f"{nifti} does not say how the scan lies in the patient")


@pytest.mark.parametrize("codes", [(1, 1), (1, 4), (0, 2)])
@pytest.mark.parametrize("factor", [-1, 2])
def test_two_places_that_contradict_each_other_are_refused(nifti, refused, codes, factor):
    """The sform's first axis the other way round, which only a qform can contradict, or of twice the length."""
    (step,) = struct.unpack_from("<f", nifti.read_bytes(), 280)
    written(nifti, 280, "<f", factor * step)
    written(nifti, 252, "<2h", *codes)
    if codes[0] == 0 and factor == -1:
        np.testing.assert_allclose(read_series(nifti).spacing, SPACING)
        return
    assert f"{nifti} tells its axes or voxel sizes in two ways" in refused(read_series, nifti, reason="orientation")


@pytest.mark.parametrize("change", [lambda hu: hu // 2, lambda hu: np.clip(hu, -600, 400)])
def test_clipped_or_scaled_values_are_no_hounsfield_units(volume, tmp_path, refused, change):
    path = tmp_path / "ct.mha"
    sitk.WriteImage(Volume(change(volume.hu), SPACING, ORIGIN).to_image(), str(path))
    assert f"{path} shows nothing below -700 HU" in refused(read_series, path, reason="implausible HU")


@pytest.mark.parametrize("name", ["scan.hdr", "scan.nhdr", "scan.raw", "scan.tif", "scan"])
def test_a_file_of_another_form_is_told_what_is_read(tmp_path, refused, name):
    (tmp_path / name).write_bytes(b"something else" * 100)
    message = refused(read_series, tmp_path / name, reason="foreign file")
    assert f"{tmp_path / name} is not a DICOM file: give a folder or a .zip" in message and ".nrrd" in message


def test_a_folder_may_have_the_name_of_a_volume(tmp_path, hu, write_series):
    write_series(tmp_path / "scan.nii.gz", hu)
    np.testing.assert_array_equal(read_series(tmp_path / "scan.nii.gz").hu, hu)


@pytest.mark.filterwarnings("error")
def test_numbers_too_large_are_told_and_not_warned_of(mha, refused):
    edited(mha, (b"ElementSpacing = 0.5", b"ElementSpacing = 1e308"), (b"= 1 0 0 0 1", b"= 1e300 0 0 0 1"))
    assert f"{mha} has axes or an origin that are no numbers" in refused(read_series, mha)

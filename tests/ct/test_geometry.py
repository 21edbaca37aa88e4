from lung_ssp.ct.series import read_series

UID = "1.2.826.0.1.3680043.8.498.1"


def test_mixed_orientation(tmp_path, hu, write_series, refused, change_tag):
    paths = write_series(tmp_path, hu)
    change_tag(paths[4], ImageOrientationPatient=[1, 0, 0, 0, 0.998, 0.0632])
    message = refused(read_series, tmp_path, reason="mixed")
    assert f"Series {UID} mixes orientations" in message
    assert str(paths[4]) in message


def test_mixed_sizes(tmp_path, hu, write_series, refused):
    write_series(tmp_path, hu)
    other = write_series(tmp_path / "more", hu[:1, :16], origin=(-100, -120, 80))
    message = refused(read_series, tmp_path)
    assert f"Series {UID} mixes sizes" in message
    assert str(other[0]) in message


def test_mixed_pixel_spacing(tmp_path, hu, write_series, refused, change_tag):
    paths = write_series(tmp_path, hu)
    change_tag(paths[4], PixelSpacing=[0.8, 0.71])
    message = refused(read_series, tmp_path)
    assert f"Series {UID} mixes pixel spacings" in message
    assert str(paths[4]) in message


def test_coronal_series(tmp_path, hu, write_series, refused):
    write_series(tmp_path, hu, orientation=(1, 0, 0, 0, 0, -1))
    message = refused(read_series, tmp_path, reason="orientation")
    assert UID in message
    assert "not axial" in message


def test_impossible_orientation(tmp_path, hu, write_series, refused):
    paths = write_series(tmp_path, hu, orientation=(1, 0, 0, 0.5, 0.5, 0))
    message = refused(read_series, tmp_path)
    assert "impossible ImageOrientationPatient" in message
    assert any(str(path) in message for path in paths)

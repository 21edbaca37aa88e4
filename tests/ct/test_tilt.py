import math

import numpy as np
import pytest

from lung_ssp.ct.series import open_series, read_series

UID = "1.2.826.0.1.3680043.8.498.1"
FIRST = np.array([-100.0, -120.0, 30.0])
SPACING = (2.5, 0.8, 0.7)
SHAPE = (30, 40, 48)


def tilted(degrees, flipped=False, about_y=False):
    """The orientation of slices of a gantry tilted about the x (or y) axis; `flipped`, with rows stored backwards."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    row = np.array([cosine, 0, sine]) if about_y else np.array([1.0, 0, 0])
    column = np.array([0.0, 1, 0]) if about_y else np.array([0, cosine, sine])
    return np.concatenate([-row, -column] if flipped else [row, column])


def positions(orientation, count=SHAPE[0]):
    """Where a straight table brings the slices' first pixels, (count, 3) in mm; 2.5 mm apart along the normal."""
    normal = np.cross(orientation[:3], orientation[3:])
    return FIRST + np.arange(count)[:, None] * SPACING[0] / normal[2] * np.array([0, 0, 1])


def scan(orientation, hu_at, places):
    """The slices of a body with `hu_at(points (..., 3))`, int (z, y, x)."""
    rows, columns = np.arange(SHAPE[1])[:, None, None], np.arange(SHAPE[2])[:, None]
    in_plane = rows * SPACING[1] * orientation[3:] + columns * SPACING[2] * orientation[:3]
    return np.rint(np.stack([hu_at(place + in_plane) for place in places])).astype(int)


def write(write_series, folder, orientation, hu, places):
    def place(dataset, index):
        dataset.ImagePositionPatient = [f"{value:.6f}" for value in places[index]]

    return write_series(folder, hu, spacing=SPACING, orientation=orientation, edit=place)


def slope(points, flipped=False):
    """HU that change evenly with the place, which linear interpolation must give back: -300 in the middle."""
    middle = FIRST + ([-16, -16, 40] if flipped else [16, 16, 40])
    return -300 + (points - middle) @ [18.0, 15.0, 3.0]


CASES = [(12, False, False), (-20, False, False), (12, True, False), (8, False, True), (29, True, True)]


@pytest.mark.parametrize(("degrees", "flipped", "about_y"), CASES)
def test_what_was_seen_keeps_its_place_and_the_rest_is_air(tmp_path, write_series, degrees, flipped, about_y):
    orientation = tilted(degrees, flipped, about_y)
    places = positions(orientation)
    hu = scan(orientation, lambda points: slope(points, flipped), places)
    paths = write(write_series, tmp_path, orientation, hu, places)
    series = open_series(tmp_path, accept=["tilt"])
    assert series.corrections == (f"gantry tilt of {abs(degrees):.1f} degrees straightened",)
    volume = series.volume
    points = volume.to_world(np.moveaxis(np.indices(volume.shape), 0, -1))
    order = [paths.index(reference.path) for reference in series.slices]
    aside = (points - places[order][:, None, None]) @ orientation.reshape(2, 3).T / [SPACING[2], SPACING[1]]
    inside = np.all((aside > 0.01) & (aside < np.array(SHAPE[:0:-1]) - 1.01), axis=-1)
    beyond = np.any((aside < -1.01) | (aside > np.array(SHAPE[:0:-1]) + 0.01), axis=-1)
    assert inside.sum() > 0.9 * hu.size
    np.testing.assert_allclose(volume.hu[inside], slope(points, flipped)[inside], atol=1.2)
    assert np.all(volume.hu[beyond] == -1000)
    assert beyond.any()


@pytest.mark.parametrize(("degrees", "flipped", "about_y"), CASES)
def test_a_bead_is_found_where_it_lies(tmp_path, write_series, degrees, flipped, about_y):
    orientation = tilted(degrees, flipped, about_y)
    places = positions(orientation)
    bead = places[18] + 21 * SPACING[1] * orientation[3:] + 17 * SPACING[2] * orientation[:3] + [0.1, 0.2, 0.3]

    def hu_at(points):
        distance = np.linalg.norm(points - bead, axis=-1)
        return np.where(points[..., 0] < bead[0] - 6, -850, 40) + 2000 * np.exp(-((distance / 2.5) ** 2))

    write(write_series, tmp_path, orientation, scan(orientation, hu_at, places), places)
    volume = open_series(tmp_path, accept=["tilt"]).volume
    weights = np.clip(volume.hu - 300.0, 0, None)
    centre = np.average(volume.to_world(np.argwhere(weights)), axis=0, weights=weights[weights > 0])
    np.testing.assert_allclose(centre, bead, atol=0.1)


def test_the_grid_is_straight(tmp_path, write_series):
    orientation = tilted(12)
    places = positions(orientation)
    write(write_series, tmp_path, orientation, scan(orientation, slope, places), places)
    volume = open_series(tmp_path, accept=["tilt"]).volume
    normal = np.cross(orientation[:3], orientation[3:])
    np.testing.assert_allclose(
        np.reshape(volume.direction, (3, 3)), np.column_stack([*orientation.reshape(2, 3), normal])
    )
    assert volume.spacing == pytest.approx(SPACING, abs=1e-5)
    assert volume.shape == (30, 40 + math.ceil(29 * 2.5 * math.tan(math.radians(12)) / 0.8), 48)


def test_tilt_and_gap_together(tmp_path, write_series):
    orientation = tilted(10)
    places = positions(orientation)
    write(write_series, tmp_path, orientation, scan(orientation, slope, places), places)[15].unlink()
    series = open_series(tmp_path, accept=["tilt", "gaps"])
    assert series.corrections == (
        "gantry tilt of 10.0 degrees straightened",
        "1 gap of 1 slice filled by interpolation",
    )
    inner = (15, slice(20, 30), slice(10, 40))
    points = series.volume.to_world(np.moveaxis(np.indices(series.volume.shape), 0, -1))
    np.testing.assert_allclose(series.volume.hu[inner], slope(points)[inner], atol=1.2)
    assert series.slices[15].path is None


def test_tilt_is_refused_unless_accepted(tmp_path, write_series, refused):
    orientation = tilted(12)
    places = positions(orientation)
    paths = write(write_series, tmp_path, orientation, scan(orientation, slope, places), places)
    message = refused(read_series, tmp_path, reason="tilt")
    assert f"Series {UID} has a tilted gantry, 12.0 degrees ({paths[-1]} lies" in message
    assert "--accept tilt" in message


def test_one_shifted_slice_is_no_tilt(tmp_path, write_series, refused):
    orientation = tilted(0)
    places = positions(orientation)
    places[10] += [0, 3, 0]
    paths = write(write_series, tmp_path, orientation, scan(orientation, slope, places), places)
    message = refused(open_series, tmp_path, None, ["tilt"], reason="irregular")
    assert f"shifted slices ({paths[10]} lies 3.0 mm beside the first)" in message


def test_no_gantry_tilts_so_far(tmp_path, write_series, refused):
    orientation = tilted(40)
    places = positions(orientation)
    write(write_series, tmp_path, orientation, scan(orientation, slope, places), places)
    assert "no tilted gantry explains" in refused(open_series, tmp_path, None, ["tilt"], reason="irregular")

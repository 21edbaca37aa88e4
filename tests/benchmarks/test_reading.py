"""The comparison of reading refuses what the two ways do not read the same."""

import shutil
from pathlib import Path

import pytest

import reading
from lung_ssp.errors import LungSspError, SeriesError
from reading import compare_reading


def test_reading_is_timed_both_ways(series: Path) -> None:
    compared = compare_reading(series, repeats=3)
    assert len(compared.seconds) == len(compared.simpleitk_seconds) == 3
    ratio = sorted(compared.seconds)[1] / sorted(compared.simpleitk_seconds)[1]
    assert compared.times_its_time == pytest.approx(ratio, rel=0.1, abs=0.02)


def test_a_series_that_is_read_differently_is_not_timed(series: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = reading.simpleitk_series
    monkeypatch.setattr(reading, "simpleitk_series", lambda *where: theirs(*where) + 1)
    with pytest.raises(LungSspError, match="is read differently by SimpleITK"):
        compare_reading(series, repeats=1)


def test_a_series_in_two_folders_is_refused(series: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(series, tmp_path / "series")
    (folder / "more").mkdir()
    file = sorted(path for path in folder.iterdir() if path.suffix == ".dcm")[0]
    file.rename(folder / "more" / file.name)
    with pytest.raises(LungSspError, match="spreads its series over several folders"):
        compare_reading(folder, repeats=1)


def test_a_series_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(SeriesError, match="holds no CT slice"):
        compare_reading(tmp_path, repeats=1)

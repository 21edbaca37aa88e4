"""The benchmark of reading refuses what the two ways do not read the same."""

import shutil
from pathlib import Path

import pytest

from lung_ssp.benchmark import reading
from lung_ssp.errors import LungSspError


def test_a_series_that_is_read_differently_is_not_timed(series: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = reading.sitk_series
    monkeypatch.setattr(reading, "sitk_series", lambda *where: theirs(*where) + 1)
    with pytest.raises(LungSspError, match="is read differently by SimpleITK"):
        reading.benchmark_reading(series, repeats=1)


def test_a_series_in_two_folders_is_refused(series: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(series, tmp_path / "series")
    (folder / "more").mkdir()
    file = sorted(path for path in folder.iterdir() if path.suffix == ".dcm")[0]
    file.rename(folder / "more" / file.name)
    with pytest.raises(LungSspError, match="spreads its series over several folders"):
        reading.benchmark_reading(folder, repeats=1)

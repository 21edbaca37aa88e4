"""A tiny archive of synthetic nodules (tests/conftest.py), and settings for it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lung_ssp.cohort.nodules.settings import NodulePreparationSettings

SOURCE = {"origin": "SYNTHETIC disks", "licence": "none", "citation": "Nobody. Tests of lung_ssp."}


@pytest.fixture
def archive(write_archive: Callable[[Path], Path], tmp_path: Path) -> Path:
    return write_archive(tmp_path / "archive")


@pytest.fixture
def settings_of() -> Callable[..., NodulePreparationSettings]:
    """Settings for an archive and a folder; keyword arguments change those of the cohort."""

    def make(archive: Path, root: Path, **cohort: object) -> NodulePreparationSettings:
        own = {"name": "synthetic disks", "root": str(root), "archive": str(archive), "source": SOURCE, **cohort}
        return NodulePreparationSettings.model_validate({"task": "nodules", "cohort": own})

    return make

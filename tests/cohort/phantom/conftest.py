"""A cohort small enough to be made in seconds, of the same kind as the shipped one."""

from pathlib import Path

import pytest

from lung_ssp.cohort.phantom.make import make_phantom_cohort
from lung_ssp.cohort.phantom.settings import ClassCounts, PhantomCohortSettings
from lung_ssp.ct.settings import SectionSettings

TINY_SEED = 7


def counts(*values: int) -> ClassCounts:
    return ClassCounts(**dict(zip(ClassCounts.model_fields, values, strict=True)))


@pytest.fixture(scope="session")
def tiny_settings() -> PhantomCohortSettings:
    return PhantomCohortSettings.model_validate(
        {
            "name": "tiny",
            "phantom": {
                "sections": {
                    "counts": {
                        "train": counts(12, 4, 3, 1, 1, 1, 1, 1, 2),
                        "validation": counts(5, 2, 1, 0, 1, 0, 0, 0, 1),
                        "test": counts(6, 2, 2, 1, 1, 1, 1, 1, 1),
                    }
                },
                "scans": {
                    "patients": [1, 1, 0],
                    "lesions": counts(1, 3, 1, 0, 0, 1, 0, 0, 0),
                    "size": 96,
                    "slices": [40, 44],
                    "slice_mm": [6.0, 6.5],
                },
            },
        }
    )


@pytest.fixture(scope="session")
def tiny_cohort(tiny_settings: PhantomCohortSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tiny") / "cohort"
    make_phantom_cohort(root, tiny_settings, SectionSettings(), TINY_SEED, processes=1)
    return root

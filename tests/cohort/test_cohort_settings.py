"""Settings that cohorts of every kind share, and of a cohort from a manifest."""

import pytest
from pydantic import ValidationError

from lung_ssp.cohort.settings import ManifestSettings, SplitSettings
from lung_ssp.config import load_config


def test_shares_of_a_split_sum_to_one():
    with pytest.raises(ValidationError, match=r"shares\n  Value error, must sum to 1, but sum to 0\.9"):
        SplitSettings(shares=[0.5, 0.2, 0.2])


def test_the_shipped_file_for_a_manifest_says_what_the_defaults_say():
    settings = load_config("cohort/manifest.yml", ManifestSettings).settings
    cohort = {"name": "my-cohort", "root": "output/my-cohort", "manifest": "manifest.csv"}
    assert settings == ManifestSettings.model_validate({"task": "manifest", "cohort": cohort})


def test_a_cohort_from_a_manifest_names_its_manifest():
    with pytest.raises(ValidationError, match=r"cohort\.manifest\n  Field required"):
        ManifestSettings.model_validate({"task": "manifest", "cohort": {}})

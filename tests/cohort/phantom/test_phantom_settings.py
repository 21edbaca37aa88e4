"""Settings of the embedded cohort: what cannot be is refused, and the shipped files say what the defaults say."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from lung_ssp.cohort.phantom.settings import (
    ClassCounts,
    PhantomCohortSettings,
    PhantomPreparationSettings,
    PhantomSettings,
)
from lung_ssp.config import load_config

CONFIGS = Path(__file__).resolve().parents[3] / "configs" / "cohort"


def test_the_shipped_file_equals_the_defaults():
    config = yaml.safe_load((CONFIGS / "phantom.yml").read_text(encoding="utf-8"))
    assert PhantomCohortSettings.model_validate(config["cohort"]) == PhantomCohortSettings()


def test_the_smoke_file_builds_on_it_with_about_300_sections():
    settings = load_config("cohort/phantom_smoke.yml", PhantomPreparationSettings).settings
    counts = settings.cohort.phantom.sections.counts
    assert 250 <= counts.train.total + counts.validation.total + counts.test.total <= 350
    assert settings.cohort.phantom.scans.patients == [2, 1, 1]
    assert settings.cohort.root != PhantomCohortSettings().root


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (
            {"scanner": {"noise_sd_hu": [60.0, 20.0]}},
            r"scanner\.noise_sd_hu\n  Value error, must not fall, but is 60 to 20",
        ),
        (
            {"scanner": {"noise_lag1": [0.1, 0.8]}},
            r"scanner\.noise_lag1\.1\n  Input should be less than or equal to 0\.65",
        ),
        ({"scans": {"slices": [8, 20]}}, r"scans\.slices\.0\n  Input should be greater than or equal to 16"),
        ({"scans": {"patients": [0, 0, 0]}}, "72 lesions need at least one scan"),
        (
            {"patients": {"years_seen": [0.5, 0.5, 0.5]}},
            r"patients\.years_seen\n  Value error, must sum to 1, but sum to 1\.5",
        ),
        ({"reader": {"normal_calls": [10, 10, 2000]}}, "cannot call 2000 of the 1540 test sections normal"),
        ({"sections": {"pixel_mm": [0.0, 0.8]}}, r"sections\.pixel_mm\.0\n  Input should be greater than 0"),
        (
            {"sections": {"counts": {"validation": dict.fromkeys(ClassCounts.model_fields, 0)}}},
            "the validation split needs at least one section",
        ),
        ({"sectoins": {}}, "Extra inputs are not permitted"),
    ],
)
def test_impossible_settings_are_refused(tree, message):
    with pytest.raises(ValidationError, match=message):
        PhantomSettings.model_validate(tree)

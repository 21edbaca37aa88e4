"""The settings of annotations."""

import pytest
from pydantic import ValidationError

from lung_ssp.cohort.annotations.settings import AnnotationSettings


def test_the_defaults_are_what_the_data_support():
    settings = AnnotationSettings()
    assert settings.consensus == 0.5 and settings.outline_inside
    assert settings.nlstx_slice_number == "instance_number"
    assert not settings.accept_other_series


@pytest.mark.parametrize(
    "values",
    [
        {"consensus": 0.0},
        {"consensus": 1.5},
        {"nlstx_slice_number": "from_top"},
        {"lesion_segments": []},
        {"concensus": 1.0},
    ],
)
def test_impossible_values_are_refused(values):
    with pytest.raises(ValidationError):
        AnnotationSettings(**values)

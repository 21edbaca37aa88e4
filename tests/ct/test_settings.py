import pytest
from pydantic import ValidationError

from lung_ssp.ct.settings import NoduleSettings, ParenchymaSettings, SectionSettings


@pytest.mark.parametrize(
    ("group", "values", "words"),
    [
        (SectionSettings, {"window_hu": [400.0, -1000.0]}, r"window_hu\n  Value error, must rise"),
        (SectionSettings, {"window_hu": [0.0]}, "window_hu"),
        (SectionSettings, {"size": "28"}, "size"),
        (ParenchymaSettings, {"recipe": "papers"}, "recipe"),
        (ParenchymaSettings, {"clip_hu": [400.0, 400.0]}, r"clip_hu\n  Value error, must rise"),
        (ParenchymaSettings, {"volume_ml": [7500.0, 700.0]}, r"volume_ml\n  Value error, must rise"),
        (ParenchymaSettings, {"closing": 5}, "closing"),
        (NoduleSettings, {"threshold": 1.0}, "threshold"),
        (NoduleSettings, {"min_diameter_mm": 50.0, "max_diameter_mm": 5.0}, "must be below max_diameter_mm"),
    ],
)
def test_impossible_settings_are_refused(group, values, words):
    with pytest.raises(ValidationError, match=words):
        group.model_validate(values)


def test_the_papers_figures_are_the_defaults():
    section, lungs = SectionSettings(), ParenchymaSettings()
    assert (section.size, section.field_mm, section.window_hu) == (28, 56.0, [-1000.0, 400.0])
    assert (lungs.erosion_radius, lungs.closing_radius, lungs.clip_hu) == (2, 5, [-1024.0, 400.0])
    assert lungs.volume_ml == [700.0, 7500.0]
    assert NoduleSettings().max_candidates == 50

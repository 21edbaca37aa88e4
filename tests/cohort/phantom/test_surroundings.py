"""What lies around a single lesion."""

import numpy as np
import pytest

from lung_ssp.cohort.phantom import tissue
from lung_ssp.cohort.phantom.attributes import LesionAttributes
from lung_ssp.cohort.phantom.surroundings import draw_surroundings, render_surroundings

AXES = (np.arange(-12, 12, 1.0), np.arange(-34, 34, 1.0), np.arange(-34, 34, 1.0))


def render(location: str, finding: str = "nodule", seed: int = 0):
    lesion = LesionAttributes(finding, 20.0, "solid", 0.2, 0.2, 0.2, False, "none", False, location, 0)
    rng = np.random.default_rng(seed)
    return render_surroundings(draw_surroundings(lesion, -830.0, 34.0, rng), AXES, rng)


@pytest.mark.parametrize("location", ["wall", "mediastinum"])
def test_the_lungs_border_passes_through_the_lesion(location):
    """Its distance from the centre is less than the lesion's radius, and the centre does not lie beyond it."""
    z, y, x = np.meshgrid(*AXES, indexing="ij")
    radius = np.sqrt(z**2 + y**2 + x**2)
    for seed in range(5):
        _, outside, _ = render(location, seed=seed)
        assert (outside[radius < 10] > 0.5).any()
        assert outside[radius < 1].max() < 0.9


def test_the_chest_wall_has_ribs_and_the_mediastinum_none():
    wall, outside, _ = render("wall")
    assert wall[outside > 0.9].max() > 400
    mediastinum, outside, _ = render("mediastinum")
    inner = mediastinum[outside > 0.9]
    assert inner.max() < 100 and np.median(inner) > -20


def test_lung_and_vessels():
    hu, outside, finding = render("vessel")
    lung = hu[outside < 0.01]
    assert np.median(lung) == pytest.approx(-830, abs=25)
    assert finding.max() == 1
    assert hu[finding == 1] == pytest.approx(tissue.BLOOD, abs=1e-3)
    _, _, none = render("parenchyma")
    assert not none.any()


def test_a_vessel_taken_for_a_lesion_runs_through_the_centre():
    _, _, finding = render("parenchyma", "vessel")
    assert finding[12, 34, 34] > 0.9

"""Where the lesions of a whole chest lie: inside the lung, on a vessel, against the chest wall or the mediastinum."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from lung_ssp.cohort.phantom.anatomy import Anatomy
from lung_ssp.cohort.phantom.attributes import LesionAttributes
from lung_ssp.cohort.phantom.exact import length
from lung_ssp.cohort.phantom.shapes import Plane
from lung_ssp.cohort.phantom.vessels import Tubes

SURVEY_MM = 4.0  # spacing of the survey, in all directions
TOLERANCE_MM = 3.0
GAP_MM = 6.0  # between two lesions
CLEAR_MM = 3.0  # between a lesion and a border of the lung that it does not lie against
THICK_VESSEL_MM = 1.4  # radius from which on a lesion is said to lie on a vessel


@dataclass(frozen=True)
class Survey:
    """A chest seen coarsely: places in its lungs, (n, 3) mm (z, y, x), and how far from what bounds them."""

    places: np.ndarray
    to_wall: np.ndarray
    to_mediastinum: np.ndarray
    to_diaphragm: np.ndarray
    to_surface: np.ndarray


def survey_chest(anatomy: Anatomy, low: tuple[float, ...], high: tuple[float, ...]) -> Survey:
    """Look at the box from `low` to `high`, mm (z, y, x), at every SURVEY_MM."""
    z, y, x = (np.arange(a, b, SURVEY_MM) for a, b in zip(low, high, strict=True))
    plane = Plane.of_axes(y, x)
    slices = [anatomy.slice_at(float(height), plane) for height in z]
    lung = np.stack([s.lung for s in slices]) > 0.5
    wall = np.stack([s.wall_depth for s in slices])
    mediastinum = np.stack([s.mediastinum_depth for s in slices])
    index = np.argwhere(lung)
    places = np.stack([axis[i] for axis, i in zip((z, y, x), index.T, strict=True)], axis=1)

    def distance_to(there: np.ndarray) -> np.ndarray:
        return ndimage.distance_transform_edt(~there, sampling=SURVEY_MM)[lung] - SURVEY_MM / 2

    return Survey(
        places,
        to_wall=distance_to((wall > 0) & (mediastinum < -SURVEY_MM)),
        to_mediastinum=distance_to((mediastinum > 0) & (wall < 0)),
        to_diaphragm=distance_to(~lung & (mediastinum < 0) & (wall < 0)),
        to_surface=distance_to(~lung),
    )


def place_lesions(
    lesions: list[LesionAttributes], survey: Survey, vessels: Tubes, rng: np.random.Generator
) -> np.ndarray:
    """The centre of each lesion, (n, 3) mm (z, y, x), where its location has it and clear of those placed before."""
    thick = vessels.start_radius > THICK_VESSEL_MM
    to_vessel = cKDTree(vessels.start[thick]).query(survey.places)[0]
    centres: list[np.ndarray] = []
    clear = np.full(len(survey.places), np.inf)
    for lesion in lesions:
        radius = lesion.diameter_mm / 2
        clearance = radius + CLEAR_MM
        match lesion.location:
            case "wall":
                misfit = np.abs(survey.to_wall - radius * rng.uniform(0.55, 0.9))
                misfit += _lack(np.minimum(survey.to_mediastinum, survey.to_diaphragm), clearance)
            case "mediastinum":
                misfit = np.abs(survey.to_mediastinum - radius * rng.uniform(0.5, 0.9))
                misfit += _lack(np.minimum(survey.to_wall, survey.to_diaphragm), clearance)
            case "vessel":
                misfit = np.abs(to_vessel - radius * 0.7) + _lack(survey.to_surface, clearance)
            case _:
                misfit = _lack(survey.to_surface, clearance)
        misfit = misfit + 10 * _lack(clear, radius + GAP_MM)
        fitting = np.flatnonzero(misfit <= max(misfit.min(), TOLERANCE_MM))
        centre = survey.places[rng.choice(fitting)] + rng.uniform(-0.5, 0.5, 3)
        clear = np.minimum(clear, length(survey.places - centre) - radius)
        centres.append(centre)
    return np.array(centres).reshape(-1, 3)


def _lack(distance_mm: np.ndarray, wanted_mm: float) -> np.ndarray:
    """How much of the wanted distance is lacking at each place, in mm."""
    return np.clip(wanted_mm - distance_mm, 0, None)

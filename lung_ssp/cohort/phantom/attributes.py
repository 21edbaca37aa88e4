"""The attributes of a lesion: drawing them, and the exact probability of each class given them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special, stats

from lung_ssp.cohort.phantom.looks import VALUES, Look
from lung_ssp.cohort.phantom.randomness import draw_beta, draw_index

DIAMETER_RANGE_MM = (4.0, 66.0)  # from the smallest nodule NLST reports to one that fills a section
BETA_MARGIN = 1e-6  # keeps the densities of Beta distributions finite


@dataclass(frozen=True)
class LesionAttributes:
    """What one lesion looks like in one screening year.

    finding, texture, calcification, location: one of their VALUES.
    diameter_mm: longest diameter. spiculation, lobulation, elongation: 0..1. cavity, necrosis: whether there is one.
    years_grown: screening years since the lesion was first seen, 0..2.
    """

    finding: str
    diameter_mm: float
    texture: str
    spiculation: float
    lobulation: float
    elongation: float
    cavity: bool
    calcification: str
    necrosis: bool
    location: str
    years_grown: int


def draw_lesion(looks: Sequence[Look], years: int, rng: np.random.Generator) -> list[LesionAttributes]:
    """Draw a lesion of a class as it looks in `years` successive screening years.

    Only its diameter changes, by its look's growth, and keeps its place among lesions of that look; so the attributes
    of each single year follow the look's distribution exactly.
    """
    look = looks[draw_index([look.weight for look in looks], rng)]
    quantile = rng.random()

    def value(name: str) -> str:
        return VALUES[name][draw_index(getattr(look, name), rng)]

    def degree(parameters: Sequence[float]) -> float:
        return min(max(draw_beta(parameters, rng), BETA_MARGIN), 1 - BETA_MARGIN)

    first = LesionAttributes(
        finding=value("finding"),
        diameter_mm=_diameter_at(look, 0, quantile),
        texture=value("texture"),
        spiculation=degree(look.spiculation),
        lobulation=degree(look.lobulation),
        elongation=degree(look.elongation),
        cavity=bool(rng.random() < look.cavity),
        calcification=value("calcification"),
        necrosis=bool(rng.random() < look.necrosis),
        location=value("location"),
        years_grown=0,
    )
    later = (
        replace(first, diameter_mm=_diameter_at(look, year, quantile), years_grown=year) for year in range(1, years)
    )
    return [first, *later]


def log_posterior(
    lesions: Sequence[LesionAttributes], classes: Sequence[Sequence[Look]], priors: np.ndarray
) -> np.ndarray:
    """The generator's own knowledge: log p(class | attributes), exact by Bayes' rule.

    p(class | attributes) is proportional to prior(class) * sum over looks (weight * product of the attributes'
    densities); the year a lesion has grown to is known to it.

    Args:
        lesions: n lesions' attributes.
        classes: the looks of each class, the weights of a class summing to 1.
        priors: (classes,) share of each class.

    Returns:
        float64 (n, classes), each row the logarithms of probabilities that sum to 1.
    """
    columns = {
        name: np.array([getattr(lesion, name) for lesion in lesions]) for name in LesionAttributes.__annotations__
    }
    columns |= {name: np.array([VALUES[name].index(value) for value in columns[name]], dtype=int) for name in VALUES}
    with np.errstate(divide="ignore"):  # a class that does not occur has the prior 0
        log_priors = np.log(priors)
    densities = [[np.log(look.weight) + _log_density(look, columns) for look in looks] for looks in classes]
    joint = np.stack([special.logsumexp(of_class, axis=0) for of_class in densities], axis=1) + log_priors
    return joint - special.logsumexp(joint, axis=1, keepdims=True)


def _diameter_limits(look: Look, years_grown: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of the diameter's natural logarithm, and DIAMETER_RANGE_MM in standard deviations from it."""
    median, spread = look.diameter_mm
    mean = np.log(median) + years_grown * np.log(look.growth)
    lowest, highest = ((np.log(end) - mean) / spread for end in DIAMETER_RANGE_MM)
    return mean, lowest, highest


def _diameter_at(look: Look, years_grown: int, quantile: float) -> float:
    """The diameter in mm below which this share of the look's lesions lies: log-normal, cut off at its ends."""
    mean, lowest, highest = _diameter_limits(look, np.array(years_grown))
    below, above = special.ndtr(lowest), special.ndtr(highest)
    exact = float(np.exp(mean + look.diameter_mm[1] * special.ndtri(below + quantile * (above - below))))
    return round(exact, 3)  # the last bits of exp and ndtr depend on the processor


def _log_density(look: Look, columns: dict[str, np.ndarray]) -> np.ndarray:
    """The logarithm of the density of the attributes, the diameter by its logarithm, under one look, (n,)."""
    mean, lowest, highest = _diameter_limits(look, columns["years_grown"])
    inside = special.ndtr(highest) - special.ndtr(lowest)
    density = stats.norm.logpdf(np.log(columns["diameter_mm"]), mean, look.diameter_mm[1]) - np.log(inside)
    with np.errstate(divide="ignore"):  # an impossible attribute has density 0, its logarithm is -inf
        for name in VALUES:
            density = density + np.log(np.array(getattr(look, name)))[columns[name]]
        for name in ("cavity", "necrosis"):
            share = getattr(look, name)
            density = density + np.log(np.where(columns[name], share, 1 - share))
    for name in ("spiculation", "lobulation", "elongation"):
        density = density + stats.beta.logpdf(columns[name], *getattr(look, name))
    return density

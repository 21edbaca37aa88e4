"""The looks of the cancers on a pathology slide as data: which tissue a slide of a class may show."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from lung_ssp.cohort.phantom.data import shipped
from lung_ssp.cohort.phantom.looks import Pair
from lung_ssp.cohort.phantom.randomness import draw_beta, draw_index
from lung_ssp.settings import Settings, Shares

ARRANGEMENTS = ("sheet", "glands", "whorls", "alveolar walls", "nests")


class SlideLook(Settings):
    """How a class looks on a slide: attributes drawn independently of each other, once a slide."""

    arrangement: Annotated[Shares, Field(min_length=5, max_length=5)] = Field(
        description="probabilities of a sheet, glands, whorls with keratin, growth along alveolar walls, nests"
    )
    nuclei_mm2: Pair = Field(description="median nuclei a mm2 of tumour, and the spread of its natural logarithm")
    nucleus_um: Pair = Field(description="median diameter of a nucleus in micrometres, and the spread of its logarithm")
    variation: Pair = Field(description="Beta distribution (a, b) of how much the nuclei of one slide differ in size")
    elongation: Pair = Field(description="Beta distribution (a, b) of the nuclei's elongation, 0 round to 1 spindles")


def _shipped_look(name: str) -> Any:
    """A field that holds the look of slide_looks.yml unless the configuration gives another."""
    return Field(
        default_factory=lambda: SlideLook(**shipped("slide_looks")[name]),
        description=f"{name.replace('_', ' ')} on a slide; the shipped look is in cohort/phantom/slide_looks.yml",
    )


class SlideLooks(Settings):
    """The looks of the classes 1 to 7; slides of unclassified carcinomas take theirs from these."""

    adenocarcinoma: SlideLook = _shipped_look("adenocarcinoma")
    squamous_cell: SlideLook = _shipped_look("squamous_cell")
    bronchio_alveolar: SlideLook = _shipped_look("bronchio_alveolar")
    large_cell: SlideLook = _shipped_look("large_cell")
    small_cell: SlideLook = _shipped_look("small_cell")
    carcinoid: SlideLook = _shipped_look("carcinoid")
    pleomorphic: SlideLook = _shipped_look("pleomorphic")

    def of_cancer(self, label: int, unclassified: list[float], rng: np.random.Generator) -> SlideLook:
        """The look of the class `label`, 1..8.

        Args:
            unclassified: weights of the classes 1 to 7, from which the class 8 draws one.
        """
        looks = [getattr(self, name) for name in SlideLooks.model_fields]
        if label <= len(looks):
            return looks[label - 1]
        return looks[draw_index([weight / sum(unclassified) for weight in unclassified], rng)]


@dataclass(frozen=True)
class SlideAttributes:
    """What one slide shows.

    arrangement: one of ARRANGEMENTS. nuclei_mm2: nuclei a mm2 of tumour. nucleus_um: mean diameter of a nucleus in
    micrometres. variation: standard deviation of the logarithm of the diameters. elongation: 0 round to 1 spindles.
    """

    arrangement: str
    nuclei_mm2: float
    nucleus_um: float
    variation: float
    elongation: float


def draw_attributes(look: SlideLook, rng: np.random.Generator) -> SlideAttributes:
    """What one slide of this look shows."""
    return SlideAttributes(
        arrangement=ARRANGEMENTS[draw_index(look.arrangement, rng)],
        nuclei_mm2=_log_normal(look.nuclei_mm2, rng),
        nucleus_um=_log_normal(look.nucleus_um, rng),
        variation=0.05 + 0.4 * draw_beta(look.variation, rng),
        elongation=draw_beta(look.elongation, rng),
    )


def _log_normal(median_and_spread: list[float], rng: np.random.Generator) -> float:
    median, spread = median_and_spread
    return round(float(median * np.exp(spread * rng.normal())), 3)  # the last bits of exp depend on the processor

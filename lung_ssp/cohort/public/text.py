"""The results of a public collection's preparation: the text that is printed, and the numbers beside it."""

from typing import Any

from lung_ssp.cohort.nlst.results import PreparationFigures, PreparationResult
from lung_ssp.cohort.nlst.text import samples_text, series_text


def public_preparation_text(result: PreparationResult) -> str:
    """What a preparation made: series, samples with their labels, and the cohort's statement."""
    parts = [
        public_figures_text(result.figures),
        samples_text(result.samples, result.classes),
        f"{result.root}: {result.cohort.statement}",
    ]
    about = result.cohort.public
    if about is not None and about.labels is not None:
        parts.insert(2, f"labels   {about.labels}")
    return "\n\n".join(parts)


def public_figures_text(figures: PreparationFigures) -> str:
    """The numbers of a preparation."""
    own = [f"  nodules without a voxel on which enough readers agree: {figures.abnormalities_without_place}"]
    return series_text(figures, own, synthetic=False)


def public_figures_json(figures: PreparationFigures) -> dict[str, Any]:
    """The numbers that are known, by the names that a collection without tables of exams has for them."""
    numbers = figures.as_json()
    del numbers["not_in_tables"]
    numbers["nodules_without_agreement"] = numbers.pop("abnormalities_without_place")
    return {"synthetic": False, **numbers}

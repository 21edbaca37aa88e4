"""One finding: where a lesion is, how large, and how probable each class is."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lung_ssp.cohort.classes import TASK_NAMES, class_name
from lung_ssp.ct.lesion import Candidate
from lung_ssp.diagnosis.formats import FINDING_FIGURE

NO_SLIDE = "no slide"  # in place of a diagnosis that needs a pathology slide


@dataclass(frozen=True, eq=False)
class Finding:
    """A candidate with the probabilities that the classifier gives it.

    number: 1 for the most suspicious.
    section: float32 (size, size), what the classifier saw.
    probabilities: by task name, (classes,) summing to 1; a task that needs a slide, which a CT does not have, is left
        out.
    names: by task name, the names of its classes.
    """

    number: int
    candidate: Candidate
    section: np.ndarray
    probabilities: dict[str, np.ndarray]
    names: dict[str, tuple[str, ...]]

    @property
    def figure_name(self) -> str:
        """The file of its picture."""
        return FINDING_FIGURE.format(self.number)

    def as_json(self) -> dict[str, Any]:
        """Plain numbers with their units in the names; positions in patient coordinates (LPS).

        slice_index counts from 0 at the feet, whereas the table and the pictures count slices from 1.
        """
        lesion, nodule = self.candidate.lesion, self.candidate.nodule_probability
        return {
            "number": self.number,
            "centre_lps_mm": [round(value, 2) for value in lesion.centre_mm],
            "slice_index": lesion.slice_index,
            "diameter_mm": round(lesion.diameter_mm, 2),
            "longest_axial_diameter_mm": round(lesion.longest_axial_diameter_mm, 2),
            "volume_mm3": round(lesion.volume_mm3, 1),
            "mean_hu": round(self.candidate.mean_hu, 1),
            "score": round(self.candidate.score, 4),
            **({} if nodule is None else {"nodule_probability": round(nodule, 4)}),
            **{f"{task}_diagnosis": self._diagnosis(task) for task in TASK_NAMES},
            "figure": self.figure_name,
        }

    def _diagnosis(self, task: str) -> dict[str, float] | str:
        """The probability of each class by its name."""
        if task not in self.probabilities:
            return NO_SLIDE
        return {class_name(k, self.names[task]): round(float(p), 6) for k, p in enumerate(self.probabilities[task])}

    def prediction(self, task: str) -> str:
        """The most probable class of a task and its probability."""
        if task not in self.probabilities:
            return NO_SLIDE
        best = int(np.argmax(self.probabilities[task]))
        return f"{class_name(best, self.names[task])} {self.probabilities[task][best]:.2f}"

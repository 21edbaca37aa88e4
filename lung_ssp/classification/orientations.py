"""The eight orientations of a square image, and predictions that are means over them."""

from collections.abc import Callable

import numpy as np

ORIENTATIONS = 8  # four turns, each also mirrored

# Sections, float32 (n, 1, size, size), 0..1, to the logits of both tasks by name, (n, classes).
SectionPredictor = Callable[[np.ndarray], dict[str, np.ndarray]]


def in_orientation(images: np.ndarray, orientation: int) -> np.ndarray:
    """Images (n, size, size, ...) in one orientation: turned by 0, 90, 180 or 270 degrees, from 4 on mirrored too."""
    turned = np.rot90(images, orientation % 4, axes=(1, 2))
    return turned[:, :, ::-1] if orientation >= 4 else turned


def averaged(predict: SectionPredictor) -> SectionPredictor:
    """The same predictor, its logits the means over all orientations of a section."""

    def predict_mean(sections: np.ndarray) -> dict[str, np.ndarray]:
        images = sections[:, 0]
        turned = (np.ascontiguousarray(in_orientation(images, k)) for k in range(ORIENTATIONS))
        logits = [predict(images[:, None]) for images in turned]
        return {task: np.mean([one[task] for one in logits], axis=0) for task in logits[0]}

    return predict_mean

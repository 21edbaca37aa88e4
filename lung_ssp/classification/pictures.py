"""Samples as pictures for the dashboard and the reports."""

from collections.abc import Sequence

import cv2
import numpy as np

from lung_ssp.cohort.classes import CLASS_NAMES, class_name

SCALE = 8
CAPTION = 36


def captioned(
    picture: np.ndarray, image_label: int, pathology_label: int, image_names: Sequence[str] = CLASS_NAMES
) -> np.ndarray:
    """A picture, enlarged, above the names of its two labels.

    Args:
        picture: float32 (height, width, 3), 0..1.
        image_names: of the image diagnosis' classes.

    Returns:
        uint8 (height, width, 3).
    """
    small = np.clip(picture * 255, 0, 255).astype(np.uint8)
    large = cv2.resize(small, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_NEAREST)
    page = np.full((large.shape[0] + CAPTION, large.shape[1], 3), 255, np.uint8)
    page[: large.shape[0]] = large
    labels = f"image: {class_name(image_label, image_names)}", f"pathology: {class_name(pathology_label)}"
    for line, label in enumerate(labels):
        cv2.putText(
            page,
            label,
            (3, large.shape[0] + 14 + 16 * line),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.36,
            (0, 0, 0),
            1,
            cv2.LINE_AA,
        )
    return page

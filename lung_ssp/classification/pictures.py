"""Sections as pictures for the dashboard and the reports."""

import cv2
import numpy as np

from lung_ssp.cohort.classes import class_name

SCALE = 8
CAPTION = 36


def labelled_section(section: np.ndarray, image_label: int, pathology_label: int) -> np.ndarray:
    """A section, enlarged, above its two labels.

    Args:
        section: float32 (height, width), 0..1.

    Returns:
        uint8 (height, width, 3).
    """
    grey = np.clip(section * 255, 0, 255).astype(np.uint8)
    large = cv2.resize(grey, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_NEAREST)
    picture = np.full((large.shape[0] + CAPTION, large.shape[1]), 255, np.uint8)
    picture[: large.shape[0]] = large
    for line, (task, label) in enumerate((("image", image_label), ("pathology", pathology_label))):
        cv2.putText(
            picture,
            f"{task}: {class_name(label)}",
            (3, large.shape[0] + 14 + 16 * line),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.36,
            0,
            1,
            cv2.LINE_AA,
        )
    return np.repeat(picture[:, :, None], 3, axis=2)

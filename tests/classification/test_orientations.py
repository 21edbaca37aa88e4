"""Predictions as means over the eight orientations of a section."""

import numpy as np

from lung_ssp.classification.orientations import ORIENTATIONS, averaged, in_orientation


def corner(sections: np.ndarray) -> dict[str, np.ndarray]:
    """A predictor that looks at one corner alone."""
    return {"image": sections[:, 0, :1, 0], "pathology": 2 * sections[:, 0, :1, 0]}


def test_the_eight_orientations_of_a_square_differ() -> None:
    image = np.arange(9.0).reshape(1, 3, 3)
    assert len({in_orientation(image, k).tobytes() for k in range(ORIENTATIONS)}) == 8


def test_every_corner_is_seen_twice() -> None:
    sections = np.arange(18, dtype=np.float32).reshape(2, 1, 3, 3)
    logits = averaged(corner)(sections)  # corners 0, 2, 6, 8, and 9 more in the second section
    assert logits["image"].tolist() == [[4], [13]] and logits["pathology"].tolist() == [[8], [26]]


def test_a_turned_section_has_the_same_logits() -> None:
    sections = np.random.default_rng(0).random((3, 1, 8, 8))
    turned = np.rot90(sections, axes=(2, 3))
    np.testing.assert_allclose(averaged(corner)(turned)["image"], averaged(corner)(sections)["image"], rtol=1e-12)

"""Tubes and trees of tubes."""

import numpy as np
import pytest

from lung_ssp.cohort.phantom.exact import GRID
from lung_ssp.cohort.phantom.vessels import Tubes, draw_tubes, grow_tree, join_tubes


def test_a_tube_covers_its_volume():
    """A cylinder of radius 3 mm through a cube of 20 mm: pi * 9 * 20 cubic millimetres."""
    axis = np.arange(-10, 10, 0.5) + 0.25
    coverage = np.zeros((40, 40, 40), dtype=np.float32)
    tube = Tubes(np.array([[-30.0, 0, 0]]), np.array([[30.0, 0, 0]]), np.array([3.0]), np.array([3.0]))
    draw_tubes(coverage, (axis, axis, axis), tube)
    assert coverage.sum() * 0.5**3 == pytest.approx(np.pi * 9 * 20, rel=0.02)
    assert coverage.max() == 1 and coverage.min() == 0


def test_a_tube_tapers():
    axis = np.arange(-10, 10, 0.5) + 0.25
    coverage = np.zeros((40, 40, 40), dtype=np.float32)
    tube = Tubes(np.array([[-10.0, 0, 0]]), np.array([[10.0, 0, 0]]), np.array([4.0]), np.array([1.0]))
    draw_tubes(coverage, (axis, axis, axis), tube)
    areas = coverage.sum(axis=(1, 2)) * 0.25
    assert areas[5] > 2 * areas[20] > 2 * areas[35] > 0


def test_tubes_outside_the_grid_draw_nothing():
    axis = np.arange(10.0)
    coverage = np.zeros((10, 10, 10), dtype=np.float32)
    draw_tubes(
        coverage, (axis, axis, axis), Tubes(np.full((1, 3), 50.0), np.full((1, 3), 60.0), np.ones(1), np.ones(1))
    )
    assert not coverage.any()


def test_a_tree_reaches_every_target_and_grows_thinner_outwards():
    rng = np.random.default_rng(0)
    root, targets = np.zeros(3), rng.uniform(10, 60, (80, 3))
    tree = grow_tree(root, targets, 0.5, 3.0, 0.1, rng)
    ends = {tuple(end) for end in tree.end}
    assert all(tuple(target) in ends for target in targets)
    starts = {tuple(start) for start in tree.start}
    assert starts <= ends | {tuple(root)}  # connected
    assert (tree.end_radius <= tree.start_radius + 1e-9).all()
    tips = [radius for end, radius in zip(tree.end, tree.end_radius, strict=True) if tuple(end) not in starts]
    np.testing.assert_allclose(tips, 0.5)
    # Murray's law: what enters at the root is the sum of the tips' cubes
    assert tree.end_radius.max() <= (len(tips) * 0.5**3) ** (1 / 3) + GRID


def test_joining():
    one = Tubes(np.zeros((1, 3)), np.ones((1, 3)), np.ones(1), np.ones(1))
    assert len(join_tubes([one, one])) == 2
    assert len(join_tubes([])) == 0

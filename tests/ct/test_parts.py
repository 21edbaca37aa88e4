import numpy as np

from lung_ssp.ct.parts import find_parts


def test_parts_by_hand():
    """A bar of 6 voxels along the first row, which is the border, and a cube of 8 in the middle."""
    mask = np.zeros((4, 8, 9), bool)
    mask[1, 0, 1:7] = True
    mask[1:3, 3:5, 4:6] = True
    border = np.zeros_like(mask)
    border[:, 0] = True
    hu = np.full(mask.shape, 40, np.int16)
    hu[1, 0, 1:7] = -1000
    hu[1:3, 3:5, 4:6] = [[[-900, -900], [-900, -900]], [[-800, -800], [-800, -900]]]
    parts = find_parts(mask, hu, border)
    cube, bar = parts.within((slice(0, 8), slice(0, 9)))
    assert (parts.sizes[cube], parts.sizes[bar], parts.sizes[0]) == (8, 6, 0)
    assert parts.contact[cube] == 0
    np.testing.assert_allclose(parts.contact[bar], 6 / 6 ** (2 / 3))
    np.testing.assert_allclose(parts.centroids[cube], (1.5, 3.5, 4.5))
    voxels = parts.voxels(cube)
    assert voxels.shape == (2, 2, 2) and voxels.all()
    assert (parts.median_hu(cube, voxels), parts.median_hu(bar, parts.voxels(bar))) == (-900, -1000)
    assert parts.within((slice(3, 5), slice(0, 9))).tolist() == [cube]
    assert parts.within((slice(0, 8), slice(0, 4))).tolist() == [bar]
    assert parts.within((slice(0, 0), slice(0, 0))).size == 0

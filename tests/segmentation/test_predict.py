"""A scan goes to the working grid, through the network, and back to where it came from."""

from functools import partial

import numpy as np
import paddle
import pytest
from scipy.ndimage import uniform_filter

from lung_ssp.ct.volume import Volume
from lung_ssp.segmentation.networks import ImprovedUNet
from lung_ssp.segmentation.predict import (
    probability_by_onnx,
    probability_of_images,
    probability_of_slices,
    segment_nodules,
)
from lung_ssp.segmentation.settings import PredictionSettings, SegmentationSettings
from lung_ssp.training.finite import NotFinite


class Brightness(paddle.nn.Layer):
    """Says "nodule" with the probability that is the middle slice's own normalised HU."""

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.seen: list[list[int]] = []

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        assert not self.training
        self.seen.append(x.shape)
        middle = x[:, self.in_channels // 2 : self.in_channels // 2 + 1].clip(1e-6, 1 - 1e-6)
        return [paddle.concat([paddle.log(1 - middle), paddle.log(middle)], axis=1)]


@pytest.fixture
def settings(shipped_tree):
    shipped_tree["slices"] = {"spacing_mm": [2.5, 1.4, 1.4], "margin_mm": 5.0, "window_hu": [-1000.0, 400.0]}
    shipped_tree["prediction"] = {"batch_size": 5}
    return SegmentationSettings.model_validate(shipped_tree)


def blob(shape, spacing, **place) -> Volume:
    """A Gaussian blob 24 mm wide in the middle of air, between -1000 and 400 HU."""
    z, y, x = (np.arange(n) * step - (n - 1) * step / 2 for n, step in zip(shape, spacing, strict=True))
    squared = z[:, None, None] ** 2 + y[None, :, None] ** 2 + x[None, None, :] ** 2
    return Volume((-1000 + 1400 * np.exp(-squared / (2 * 12**2))).astype(np.int16), spacing, **place)


@pytest.mark.parametrize("spacing", [(2.5, 0.7, 0.7), (1.25, 1.0, 0.8), (3.0, 1.4, 1.4), (5.0, 2.0, 2.0)])
def test_the_result_lies_where_the_scan_lies(settings, spacing):
    shape = tuple(int(size / step) for size, step in zip((60, 90, 80), spacing, strict=True))
    volume = blob(shape, spacing, origin=(40.0, -30.0, 7.0))
    lungs = np.zeros(shape, bool)
    lungs[2:-2, 8:-8, 8:-8] = True
    probability = segment_nodules(partial(probability_of_images, Brightness()), volume, lungs, settings).probability_in(
        shape
    )
    assert probability.shape == shape and probability.dtype == np.float32
    assert (probability[~lungs] == 0).all()
    expected = (volume.hu + 1000) / 1400
    assert np.abs(probability - expected)[lungs].max() < 0.06


def test_slices_go_in_batches_of_a_size_that_the_network_can_halve(settings):
    volume = blob((18, 50, 60), (2.5, 1.4, 1.4))
    network = Brightness()
    segment_nodules(partial(probability_of_images, network), volume, np.ones(volume.shape, bool), settings)
    assert network.seen == [[5, 3, 64, 64]] * 3 + [[3, 3, 64, 64]]


def test_slices_without_lung_do_not_go_through_the_network(settings):
    volume = blob((18, 50, 60), (2.5, 1.4, 1.4))
    lungs = np.zeros(volume.shape, bool)
    lungs[6:10, 20:30, 20:40] = True
    network = Brightness()
    found = segment_nodules(partial(probability_of_images, network), volume, lungs, settings)
    assert len(found.probability) == 8  # two slices of margin at either end
    assert sum(shape[0] for shape in network.seen) == 4
    assert (found.probability_in(volume.shape)[lungs] > 0.1).all()


def test_padding_is_cut_off_again():
    images = np.random.default_rng(0).random((2, 1, 17, 30), dtype=np.float32)
    network = Brightness(in_channels=1)
    np.testing.assert_allclose(probability_of_images(network, images), images[:, 0], atol=1e-5)
    assert network.seen == [[2, 1, 32, 32]]


def test_batches_do_not_change_the_result(settings):
    paddle.seed(0)
    network = ImprovedUNet(num_classes=2, in_channels=3, width=2, growth_rate=8, dense_layers=3)
    slices = np.random.default_rng(0).random((7, 32, 32), dtype=np.float32)
    predict = partial(probability_of_images, network)
    whole, parts = (
        probability_of_slices(
            predict, slices, settings.model_copy(update={"prediction": PredictionSettings(batch_size=n)})
        )
        for n in (7, 2)
    )
    assert whole.shape == (7, 32, 32) and np.ptp(whole) > 0.01
    np.testing.assert_allclose(parts, whole, atol=1e-6)


def test_the_network_is_left_in_evaluation_mode(settings):
    paddle.seed(0)
    network = ImprovedUNet(num_classes=2, in_channels=3, width=1, growth_rate=8, dense_layers=3)
    network.train()
    volume = blob((16, 40, 40), (2.5, 1.4, 1.4))
    one, two = (
        segment_nodules(partial(probability_of_images, network), volume, np.ones(volume.shape, bool), settings)
        for _ in range(2)
    )
    assert not network.training
    assert np.array_equal(one.probability, two.probability)  # no averages of batch normalisation moved in between


class Lost(paddle.nn.Layer):
    """Gives logits that are no numbers."""

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        return [paddle.full([x.shape[0], 2, *x.shape[2:]], float("nan"))]


def test_probabilities_that_are_no_numbers_are_never_no_findings() -> None:
    images = np.zeros((1, 1, 16, 16), np.float32)
    with pytest.raises(NotFinite, match="output is not finite"):
        probability_of_images(Lost(), images)
    with pytest.raises(NotFinite, match="output is not finite"):
        probability_by_onnx(lambda batch: [np.full((1, 2, 16, 16), np.inf, np.float32)], images)


class Blur:
    """An export whose logits see three pixels to each side, zeros beyond the border of what is computed."""

    takes_region = True

    def __init__(self) -> None:
        self.regions: list[list[int]] = []

    def __call__(self, batch: np.ndarray, region: np.ndarray | None = None) -> list[np.ndarray]:
        if region is not None:
            self.regions.append(region.tolist())
            batch = batch[:, :, 2 * region[0] : 2 * region[2], 2 * region[1] : 2 * region[3]]
        mean = uniform_filter(batch[:, 0], (0, 7, 7), mode="constant")
        return [np.stack([-mean, 5 * mean], axis=1)]


def test_a_part_has_the_numbers_of_the_whole_image() -> None:
    images = np.random.default_rng(0).random((3, 1, 45, 70), dtype=np.float32)
    where = [(slice(11, 20), slice(30, 41)), (slice(0, 45), slice(0, 70)), (slice(44, 45), slice(0, 1))]
    network = Blur()
    whole = probability_by_onnx(network, images)
    parts = probability_by_onnx(network, images, where, reach=3)
    assert network.regions == [[4, 13, 12, 22], [0, 0, 24, 37], [20, 0, 24, 2]]
    for one, part, place in zip(whole, parts, where, strict=True):
        np.testing.assert_allclose(part[place], one[place], atol=1e-6)
    assert parts[0][0, 0] == 0 and parts.shape == whole.shape


def test_an_export_that_knows_no_parts_computes_the_whole_image() -> None:
    images = np.random.default_rng(0).random((2, 1, 16, 32), dtype=np.float32)
    network = Blur()
    network.takes_region = False
    found = probability_by_onnx(network, images, [(slice(3, 5), slice(2, 9))] * 2, reach=3)
    np.testing.assert_array_equal(found, probability_by_onnx(network, images))
    assert network.regions == []

"""The networks in PyTorch compute what the package's compute."""

from typing import get_args

import numpy as np
import paddle
import pytest

from lung_ssp.classification.networks import TwoTaskClassifier
from lung_ssp.classification.settings import ClassifierSettings, SharingMode, TwoInputClassifierSettings
from lung_ssp.errors import ConfigError
from lung_ssp.segmentation.networks import ImprovedUNet, UNet
from lung_ssp.segmentation.settings import ImprovedUNetSettings, UNetSettings

torch = pytest.importorskip("torch", reason="the comparison with PyTorch needs PyTorch")

from torch_networks import copy_weights, torch_classifier, torch_unet  # noqa: E402

MODES = get_args(SharingMode)
SMALL = {"image_size": 16, "conv_channels": [2, 3], "fully_connected": 5}
ALPHAS = {"initial": [[0.9, 0.1], [0.2, 0.8]]}
UNETS = {
    "UNet": (UNet, UNetSettings(type="UNet", width=2)),
    "ImprovedUNet": (ImprovedUNet, ImprovedUNetSettings(type="ImprovedUNet", width=2, growth_rate=3, dense_layers=2)),
}


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).random(shape, dtype=np.float32)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("mode", "granularity"),
    [*((mode, "channel") for mode in MODES), ("partial_soft_sharing", "layer"), ("partial_soft_sharing", "dense")],
)
def test_the_classifiers_logits_are_equal(mode: str, granularity: str, training: bool) -> None:
    settings = ClassifierSettings.model_validate(
        {**SMALL, "sharing": mode, "alphas": {**ALPHAS, "granularity": granularity}, "keep_probability": 1.0}
    )
    paddle.seed(0)
    network = TwoTaskClassifier(settings)
    network.set_normalisation(paddle.to_tensor(random(9, 16, 16)))
    other = torch_classifier(settings)
    copy_weights(network, other)
    network.train() if training else network.eval()
    other.train(training)
    sections = random(6, 1, 16, 16)
    for ours, theirs in zip(network(paddle.to_tensor(sections)), other(torch.from_numpy(sections)), strict=True):
        assert np.abs(ours.numpy()).max() > 0.1
        np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), atol=1e-4)


@pytest.mark.parametrize("size", [(32, 32), (21, 35)])
@pytest.mark.parametrize("name", UNETS)
def test_the_unets_logits_are_equal(name: str, size: tuple[int, int]) -> None:
    make, settings = UNETS[name]
    paddle.seed(0)
    network = make(**settings.model_dump(exclude={"type"}))
    other = torch_unet(settings)
    copy_weights(network, other)
    images = random(2, 3, *size)
    ours, theirs = network(paddle.to_tensor(images))[0].numpy(), other(torch.from_numpy(images)).detach().numpy()
    assert ours.shape == (2, 2, *size)
    assert ours.std() > 1e-3
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_weights_of_another_network_are_refused() -> None:
    network = UNet(num_classes=2, in_channels=3, width=2)
    with pytest.raises(RuntimeError, match="Missing key"):
        copy_weights(network, torch_unet(UNETS["ImprovedUNet"][1]))


def test_there_is_no_network_of_two_inputs() -> None:
    with pytest.raises(ConfigError, match="TwoInputClassifier"):
        torch_classifier(TwoInputClassifierSettings())

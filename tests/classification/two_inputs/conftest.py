"""The settings of small networks with two inputs."""

from collections.abc import Callable

import pytest

from lung_ssp.classification.settings import (
    ClassificationSettings,
    TwoInputClassifierSettings,
    TwoTaskClassifierSettings,
)


@pytest.fixture
def two_inputs(small_settings: Callable[..., ClassificationSettings]) -> Callable[..., ClassificationSettings]:
    """Settings of a small network on the disks and their tiles; keyword arguments change the network."""
    return lambda **model: small_settings(type="TwoInputClassifier", **model)


@pytest.fixture
def two_input_network(
    small_network_settings: Callable[..., TwoTaskClassifierSettings],
) -> Callable[..., TwoInputClassifierSettings]:
    """Settings of a small network with two inputs alone; keyword arguments change it."""
    common = small_network_settings().model_dump(exclude={"type"})
    return lambda **changes: TwoInputClassifierSettings.model_validate({**common, **changes})

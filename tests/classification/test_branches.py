"""One branch of the network: the order of ReLU and pooling."""

from collections.abc import Callable

import numpy as np
import paddle

from lung_ssp.classification.branches import Trunk
from lung_ssp.classification.settings import TwoTaskClassifierSettings

SettingsMaker = Callable[..., TwoTaskClassifierSettings]


def test_rectifying_after_the_pooling_changes_nothing(small_network_settings: SettingsMaker) -> None:
    settings = small_network_settings()
    before, after = Trunk(settings, rectify_first=True), Trunk(settings, rectify_first=False)
    after.set_state_dict(before.state_dict())
    x = paddle.to_tensor(np.random.default_rng(1).random((6, 1, 16, 16), dtype=np.float32))
    # the order in which a batch's statistics are summed depends on where its memory begins
    pooled = [trunk.pool1(trunk.conv1(x)).numpy() for trunk in (before, after)]
    np.testing.assert_allclose(pooled[0], pooled[1], rtol=1e-5, atol=1e-6)


def test_a_trunk_runs_its_stages_in_turn(small_network_settings: SettingsMaker) -> None:
    trunk = Trunk(small_network_settings(), rectify_first=False)
    trunk.eval()
    x = paddle.to_tensor(np.random.default_rng(1).random((6, 1, 16, 16), dtype=np.float32))
    in_turn = trunk.fc3(trunk.pool2(trunk.conv2(trunk.pool1(trunk.conv1(x)))))
    assert in_turn.shape == [6, 5]
    assert np.array_equal(trunk(x).numpy(), in_turn.numpy())

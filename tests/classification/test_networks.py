"""The two-branch network: what is shared in each mode, counted and compared by hand."""

from collections.abc import Callable
from typing import get_args

import numpy as np
import paddle
import pytest

from lung_ssp.classification.networks import TwoTaskClassifier
from lung_ssp.classification.settings import SharingMode, TwoTaskClassifierSettings

MODES = get_args(SharingMode)
SettingsMaker = Callable[..., TwoTaskClassifierSettings]


def sections(count: int = 6, size: int = 16) -> paddle.Tensor:
    return paddle.to_tensor(np.random.default_rng(1).random((count, 1, size, size), dtype=np.float32))


def learned(built: TwoTaskClassifier) -> dict[str, paddle.Tensor]:
    """Parameters without batch normalisation's moving averages, which Paddle counts among them."""
    return {name: parameter for name, parameter in built.named_parameters() if not parameter.stop_gradient}


def network(settings: TwoTaskClassifierSettings, seed: int = 0) -> TwoTaskClassifier:
    paddle.seed(seed)
    return TwoTaskClassifier(settings)


@pytest.mark.parametrize(
    ("mode", "units"),
    [
        ("single_task", []),
        ("hard_sharing", []),
        ("full_soft_sharing", ["conv1", "pool1", "conv2", "pool2", "fc3"]),
        ("partial_soft_sharing", ["pool1", "pool2", "fc3"]),
    ],
)
def test_each_mode_has_exactly_its_units(small_network_settings: SettingsMaker, mode: str, units: list[str]) -> None:
    built = network(small_network_settings(sharing=mode))
    assert list(built.units.keys()) == units
    names = [name for name, _ in built.named_parameters() if name.endswith("alphas")]
    assert names == [f"units.{stage}.alphas" for stage in units]


# By hand, at 28x28 with nine classes. One branch: conv1 3*3*32 = 288 + BN 2*32; conv2 3*3*32*64 = 18432 + BN 2*64;
# fc3 64*7*7*1024 = 3211264 + BN 2*1024; output 1024*9 = 9216 + BN 2*9. Alphas per channel: 4 a channel.
TRUNK = 288 + 64 + 18432 + 128 + 3211264 + 2048
HEAD = 9216 + 18


@pytest.mark.parametrize(
    ("mode", "alphas", "expected"),
    [
        ("single_task", {}, 2 * (TRUNK + HEAD)),
        ("hard_sharing", {}, TRUNK + 2 * HEAD),
        ("full_soft_sharing", {}, 2 * (TRUNK + HEAD) + 4 * (32 + 32 + 64 + 64 + 1024)),
        ("partial_soft_sharing", {}, 2 * (TRUNK + HEAD) + 4 * (32 + 64 + 1024)),
        ("partial_soft_sharing", {"granularity": "layer"}, 2 * (TRUNK + HEAD) + 4 * 3),
        (
            "partial_soft_sharing",
            {"initial": [[0.9, 0.1], [0.1, 0.9]], "least_sharing": 0.05},
            2 * (TRUNK + HEAD) + 4 * (32 + 64 + 1024),
        ),
    ],
)
def test_parameters_are_as_many_as_counted_by_hand(mode: str, alphas: dict[str, str], expected: int) -> None:
    built = TwoTaskClassifier(TwoTaskClassifierSettings.model_validate({"sharing": mode, "alphas": alphas}))
    assert sum(int(parameter.size) for parameter in learned(built).values()) == expected


def test_dense_units_are_as_large_as_counted_by_hand(small_network_settings: SettingsMaker) -> None:
    built = network(small_network_settings(alphas={"granularity": "dense"}))
    # pool1 2*8*8 = 128, pool2 3*4*4 = 48, fc3 5 features a task; each unit is (2 features)^2.
    assert [unit.size for unit in built.alphas().values()] == [256**2, 96**2, 10**2]


@pytest.mark.parametrize("granularity", ["layer", "channel", "dense"])
@pytest.mark.parametrize("mode", ["full_soft_sharing", "partial_soft_sharing"])
def test_identity_alphas_are_two_single_task_networks(
    small_network_settings: SettingsMaker, mode: str, granularity: str
) -> None:
    single = network(small_network_settings(sharing="single_task"))
    stitched = network(small_network_settings(sharing=mode, alphas={"granularity": granularity}), seed=9)
    weights = single.state_dict()
    missing, unexpected = stitched.set_state_dict(weights)
    assert unexpected == []
    assert all(name.startswith("units.") for name in missing)
    for training in (True, False):
        outputs = []
        for built in (single, stitched):
            built.train() if training else built.eval()
            paddle.seed(5)  # the same dropout
            outputs.append(built(sections()))
        for one, other in zip(*outputs, strict=True):
            if mode == "full_soft_sharing":  # it cannot normalise after the pooling
                assert one.numpy() == pytest.approx(other.numpy(), abs=1e-5)
            else:
                assert np.array_equal(one.numpy(), other.numpy())


def test_equal_alphas_give_both_tasks_equal_features(small_network_settings: SettingsMaker) -> None:
    built = network(small_network_settings(alphas={"initial": [[0.5, 0.5], [0.5, 0.5]]}))
    built.eval()
    seen: list[np.ndarray] = []
    for head in built.heads.values():
        head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].numpy()))
    built(sections())
    assert np.array_equal(seen[0], seen[1])


def test_single_task_weights_load_into_either_branch_by_name(small_network_settings: SettingsMaker) -> None:
    single = network(small_network_settings(sharing="single_task"), seed=1)
    other = network(small_network_settings(sharing="partial_soft_sharing"), seed=2)
    for task in ("image", "pathology"):
        other.trunks[task].set_state_dict(single.trunks["image"].state_dict())
        for name, value in single.trunks["image"].state_dict().items():
            assert np.array_equal(other.trunks[task].state_dict()[name].numpy(), value.numpy())


@pytest.mark.parametrize("mode", MODES)
def test_saved_weights_give_the_same_logits(small_network_settings: SettingsMaker, mode: str) -> None:
    settings = small_network_settings(sharing=mode)
    first, second = network(settings, seed=1), network(settings, seed=2)
    first.eval(), second.eval()
    before, expected = second(sections()), first(sections())
    second.set_state_dict(first.state_dict())
    for logits, wanted, old, task in zip(second(sections()), expected, before, ("image", "pathology"), strict=True):
        assert logits.shape == [6, getattr(settings.num_classes, task)]
        assert np.array_equal(logits.numpy(), wanted.numpy())
        assert not np.array_equal(logits.numpy(), old.numpy())


@pytest.mark.parametrize("mode", MODES)
def test_every_parameter_receives_a_gradient(small_network_settings: SettingsMaker, mode: str) -> None:
    alphas = {"initial": [[0.9, 0.1], [0.1, 0.9]]}
    built = network(small_network_settings(sharing=mode, fully_connected=40, keep_probability=1.0, alphas=alphas))
    image, pathology = built(sections(32))
    labels = paddle.to_tensor(np.arange(32) % 3)
    sum(paddle.nn.functional.cross_entropy(logits, labels) for logits in (image, pathology)).backward()
    without = [name for name, p in learned(built).items() if p.grad is None or not np.any(p.grad.numpy())]
    assert without == []


def test_single_tasks_do_not_touch_each_other(small_network_settings: SettingsMaker) -> None:
    built = network(small_network_settings(sharing="single_task"))
    image, _ = built(sections())
    image.sum().backward()
    assert all(p.grad is None for p in built.trunks["pathology"].parameters())


def test_each_task_has_its_own_number_of_classes(small_network_settings: SettingsMaker) -> None:
    built = network(small_network_settings(num_classes={"image": 2, "pathology": 9}))
    assert [logits.shape for logits in built(sections(4))] == [[4, 2], [4, 9]]


def test_normalisation_is_the_z_score_of_each_pixel(small_network_settings: SettingsMaker) -> None:
    built = network(small_network_settings())
    images = np.random.default_rng(0).random((50, 16, 16), dtype=np.float32)
    images[:, 0, 0] = 0.25  # a constant pixel
    built.set_normalisation(paddle.to_tensor(images))
    scored = (images - built.mean.numpy()) / built.deviation.numpy()
    np.testing.assert_allclose(scored.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(scored.std(axis=0)[1:], 1, atol=1e-4)
    assert scored[:, 0, 0].tolist() == [0.0] * 50


def test_the_penalised_weights_are_the_convolutions_and_the_fully_connected_ones(
    small_network_settings: SettingsMaker,
) -> None:
    built = network(small_network_settings())
    names = {id(parameter): name for name, parameter in built.named_parameters()}
    penalised = sorted(names[id(weight)] for weight in built.decayed_weights())
    layers = ["_conv1", "_conv2", "_fc3"]
    assert penalised == sorted(
        [f"trunks.{task}.{layer}.weight" for task in ("image", "pathology") for layer in layers]
        + [f"heads.{task}._fc4.weight" for task in ("image", "pathology")]
    )


def test_one_input_has_no_trace_of_the_second(small_network_settings: SettingsMaker) -> None:
    assert not [name for name in network(small_network_settings()).state_dict() if "slide" in name]

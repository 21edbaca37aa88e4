"""The two-branch network: what is shared in each mode, counted and compared by hand."""

from collections.abc import Callable

import numpy as np
import paddle
import pytest
from pydantic import ValidationError

from lung_ssp.classification.cross_stitch import stitched_where_both_are
from lung_ssp.classification.networks import Trunk, TwoTaskClassifier, pool
from lung_ssp.classification.settings import ClassifierSettings

GRANULARITIES = ["layer", "channel", "dense"]
TWO_INPUT_MODES = ["single_task", "full_soft_sharing", "partial_soft_sharing"]
MODES = ["single_task", "hard_sharing", "full_soft_sharing", "partial_soft_sharing"]
SettingsMaker = Callable[..., ClassifierSettings]


def sections(count: int = 6, size: int = 16) -> paddle.Tensor:
    return paddle.to_tensor(np.random.default_rng(1).random((count, 1, size, size), dtype=np.float32))


def learned(built: TwoTaskClassifier) -> dict[str, paddle.Tensor]:
    """Parameters without batch normalisation's moving averages, which Paddle counts among them."""
    return {name: parameter for name, parameter in built.named_parameters() if not parameter.stop_gradient}


def network(settings: ClassifierSettings, seed: int = 0) -> TwoTaskClassifier:
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
    ],
)
def test_parameters_are_as_many_as_counted_by_hand(mode: str, alphas: dict[str, str], expected: int) -> None:
    built = TwoTaskClassifier(ClassifierSettings.model_validate({"sharing": mode, "alphas": alphas}))
    assert sum(int(parameter.size) for parameter in learned(built).values()) == expected


def test_dense_units_are_as_large_as_counted_by_hand(small_network_settings: SettingsMaker) -> None:
    built = network(small_network_settings(alphas={"granularity": "dense"}))
    # pool1 2*8*8 = 128, pool2 3*4*4 = 48, fc3 5 features a task; each unit is (2 features)^2.
    assert [unit.size for unit in built.alphas().values()] == [256**2, 96**2, 10**2]


@pytest.mark.parametrize("granularity", ["layer", "channel", "dense"])
@pytest.mark.parametrize("mode", ["full_soft_sharing", "partial_soft_sharing"])
def test_identity_alphas_are_two_single_task_networks_bit_for_bit(
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
def test_every_parameter_receives_a_gradient(small_network_settings: SettingsMaker, mode: str) -> None:
    alphas = {"initial": [[0.9, 0.1], [0.1, 0.9]]}
    built = network(small_network_settings(sharing=mode, fully_connected=40, keep_probability=1.0, alphas=alphas))
    image, pathology = built(sections(32))
    labels = paddle.to_tensor(np.arange(32) % 3)
    for logits in (image, pathology):
        paddle.nn.functional.cross_entropy(logits, labels).backward(retain_graph=True)
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


def test_rectifying_after_the_pooling_changes_nothing(small_network_settings: SettingsMaker) -> None:
    settings = small_network_settings()
    before, after = Trunk(settings, rectify_first=True), Trunk(settings, rectify_first=False)
    after.set_state_dict(before.state_dict())
    x = sections()
    assert np.array_equal(before.pool1(before.conv1(x)).numpy(), after.pool1(after.conv1(x)).numpy())


def test_pool_takes_the_greatest_of_four_and_sends_the_gradient_there() -> None:
    x = paddle.to_tensor([[[[1.0, 2.0], [4.0, 3.0]]]], stop_gradient=False)
    pooled = pool(x)
    pooled.backward()
    assert pooled.tolist() == [[[[4.0]]]]
    assert x.grad.tolist() == [[[[0.0, 0.0], [1.0, 0.0]]]]


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


def patches(count: int = 6, size: int = 16) -> paddle.Tensor:
    return paddle.to_tensor(np.random.default_rng(2).random((count, 3, size, size), dtype=np.float32))


def bits(values: paddle.Tensor) -> bytes:
    return values.numpy().tobytes()


SOME = np.array([True, False, True, True, False, False])


def test_two_inputs_need_two_trunks() -> None:
    with pytest.raises(ValidationError, match="needs a trunk for each branch"):
        ClassifierSettings.model_validate({"two_inputs": True, "sharing": "hard_sharing"})


def test_only_the_pathology_trunk_takes_colours(small_network_settings: SettingsMaker) -> None:
    built = network(small_network_settings(two_inputs=True))
    assert built.trunks["image"]._conv1.weight.shape == [2, 1, 3, 3]
    assert built.trunks["pathology"]._conv1.weight.shape == [2, 3, 3, 3]


def test_one_input_has_no_trace_of_the_second(small_network_settings: SettingsMaker) -> None:
    assert not [name for name in network(small_network_settings()).state_dict() if "slide" in name]


@pytest.mark.parametrize("mode", TWO_INPUT_MODES)
def test_the_pathology_diagnosis_is_a_number_where_there_is_a_slide(
    small_network_settings: SettingsMaker, mode: str
) -> None:
    built = network(small_network_settings(two_inputs=True, sharing=mode))
    for training in (True, False):
        built.train() if training else built.eval()
        image, pathology = built(sections(), patches(), paddle.to_tensor(SOME))
        assert np.isfinite(image.numpy()).all()
        assert np.isfinite(pathology.numpy()).all(axis=1).tolist() == SOME.tolist()
        assert np.isnan(pathology.numpy()).all(axis=1).tolist() == (~SOME).tolist()


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("mode", TWO_INPUT_MODES)
def test_without_a_slide_the_image_branch_is_the_single_task_network(
    small_network_settings: SettingsMaker, mode: str, granularity: str
) -> None:
    """Rows of alphas that sum to 1 change nothing, whatever they are."""
    alphas = {"granularity": granularity, "initial": [[0.7, 0.3], [0.4, 0.6]]}
    stitched = network(small_network_settings(two_inputs=True, sharing=mode, alphas=alphas))
    single = network(small_network_settings(sharing="single_task"), seed=3)
    own = stitched.state_dict()
    single.set_state_dict({name: own[name] for name in single.state_dict() if "pathology" not in name})
    for built in (stitched, single):
        built.eval()
    expected = single(sections())[0].numpy()
    for slides in ((), (patches(), paddle.zeros([6], "bool"))):
        image, pathology = stitched(sections(), *slides)
        np.testing.assert_allclose(image.numpy(), expected, rtol=1e-4, atol=1e-5)
        assert np.isnan(pathology.numpy()).all()


def test_the_missing_activation_is_replaced_by_the_sum_of_the_alphas(small_network_settings: SettingsMaker) -> None:
    unit = network(small_network_settings(two_inputs=True, alphas={"granularity": "layer"})).units["fc3"]
    unit.alphas.set_value(np.array([[0.5, 0.25], [2.0, 3.0]], np.float32))
    a, b = paddle.to_tensor([[1.0, 2.0], [4.0, 8.0]]), paddle.to_tensor([[10.0, 20.0]])
    new_a, new_b = stitched_where_both_are(unit, a, b, paddle.to_tensor([1]))
    assert new_a.tolist() == [[0.75, 1.5], [4.5, 9.0]]  # 0.75 a; 0.5 a + 0.25 b
    assert new_b.tolist() == [[38.0, 76.0]]  # 2 a + 3 b
    alone, nothing = stitched_where_both_are(unit, a, None, paddle.zeros([0], "int64"))
    assert alone.tolist() == [[0.75, 1.5], [3.0, 6.0]] and nothing is None


def test_a_slide_changes_its_own_section_alone(small_network_settings: SettingsMaker) -> None:
    built = network(small_network_settings(two_inputs=True, alphas={"initial": [[0.7, 0.3], [0.3, 0.7]]}))
    built.eval()
    alone = built(sections())[0].numpy()
    image, _ = built(sections(), patches(), paddle.to_tensor(SOME))
    changed = np.abs(image.numpy() - alone).max(axis=1) > 1e-6
    assert changed.tolist() == SOME.tolist()


def test_absent_slides_touch_no_statistics(small_network_settings: SettingsMaker) -> None:
    """The pathology branch learns the same from three slides as from the same three among six sections."""

    def trained_on(rows: np.ndarray, has_slide: np.ndarray, slides: np.ndarray) -> dict[str, bytes]:
        built = network(small_network_settings(two_inputs=True, sharing="single_task", keep_probability=1.0))
        built.train()
        built(sections()[rows.tolist()], paddle.to_tensor(slides[rows]), paddle.to_tensor(has_slide[rows]))
        state = {**built.trunks["pathology"].state_dict(), **built.heads["pathology"].state_dict()}
        return {name: bits(value) for name, value in state.items()}

    noise = patches().numpy().copy()
    noise[~SOME] = 1e6  # never looked at
    among = trained_on(np.arange(6), SOME, noise)
    alone = trained_on(np.flatnonzero(SOME), SOME, noise)
    none = trained_on(np.flatnonzero(~SOME), SOME, noise)
    built = network(small_network_settings(two_inputs=True, sharing="single_task"))
    untouched = {**built.trunks["pathology"].state_dict(), **built.heads["pathology"].state_dict()}
    assert among == alone
    assert none == {name: bits(value) for name, value in untouched.items()}
    assert among["_bn1._mean"] != none["_bn1._mean"]


@pytest.mark.parametrize("has_slide", [SOME, ~SOME, np.zeros(6, bool), np.ones(6, bool)])
@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("mode", TWO_INPUT_MODES)
def test_gradients_are_finite_whoever_has_a_slide(
    small_network_settings: SettingsMaker, mode: str, granularity: str, has_slide: np.ndarray
) -> None:
    alphas = {"granularity": granularity, "initial": [[0.9, 0.1], [0.1, 0.9]]}
    built = network(small_network_settings(two_inputs=True, sharing=mode, alphas=alphas))
    image, pathology = built(sections(), patches(), paddle.to_tensor(has_slide))
    rows = np.flatnonzero(has_slide)
    loss = image.square().sum()
    if len(rows):
        loss = loss + paddle.gather(pathology, paddle.to_tensor(rows)).square().sum()
    loss.backward()
    gradients = {name: p.grad for name, p in learned(built).items() if p.grad is not None}
    assert all(np.isfinite(gradient.numpy()).all() for gradient in gradients.values())
    assert any(name.startswith("trunks.image") for name in gradients)
    assert any(name.startswith("heads.pathology") for name in gradients) == bool(len(rows))


def test_slides_teach_the_image_branch_through_the_units(small_network_settings: SettingsMaker) -> None:
    built = network(small_network_settings(two_inputs=True, alphas={"initial": [[0.8, 0.2], [0.2, 0.8]]}))
    image, _ = built(sections(), patches(), paddle.to_tensor(SOME))
    image.sum().backward()
    assert np.any(built.trunks["pathology"]._conv1.weight.grad.numpy())


def test_colours_are_normalised_each_by_its_own(small_network_settings: SettingsMaker) -> None:
    built = network(small_network_settings(two_inputs=True))
    training = np.random.default_rng(0).integers(0, 200, (9, 16, 16, 3)).astype(np.uint8)
    training[..., 1] = 51  # a constant colour is left unscaled
    built.set_slide_normalisation(training)
    mean, deviation = built.slide_mean.numpy(), built.slide_deviation.numpy()
    scaled = training.reshape(-1, 3) / 255
    np.testing.assert_allclose(mean, scaled.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(deviation, [scaled[:, 0].std(), 1.0, scaled[:, 2].std()], atol=1e-6)

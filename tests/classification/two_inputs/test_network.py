"""The network with two inputs: a section without a slide goes through the image branch alone."""

from collections.abc import Callable
from typing import get_args

import numpy as np
import paddle
import pytest
from pydantic import ValidationError

from lung_ssp.classification.networks import TwoBranchNetwork, TwoTaskClassifier
from lung_ssp.classification.settings import SharingMode, TwoInputClassifierSettings, TwoTaskClassifierSettings
from lung_ssp.classification.two_inputs.network import TwoInputClassifier, combine_alone, combine_rows

GRANULARITIES = ["layer", "channel", "dense"]
MODES = [mode for mode in get_args(SharingMode) if mode != "hard_sharing"]
SOME = np.array([True, False, True, True, False, False])
SettingsMaker = Callable[..., TwoInputClassifierSettings]


def sections(count: int = 6, size: int = 16) -> paddle.Tensor:
    return paddle.to_tensor(np.random.default_rng(1).random((count, 1, size, size), dtype=np.float32))


def learned(built: TwoBranchNetwork) -> dict[str, paddle.Tensor]:
    """Parameters without batch normalisation's moving averages, which Paddle counts among them."""
    return {name: parameter for name, parameter in built.named_parameters() if not parameter.stop_gradient}


def network(settings: TwoInputClassifierSettings, seed: int = 0) -> TwoInputClassifier:
    paddle.seed(seed)
    return TwoInputClassifier(settings)


def tiles(count: int = 6, size: int = 16) -> paddle.Tensor:
    return paddle.to_tensor(np.random.default_rng(2).random((count, 3, size, size), dtype=np.float32))


def bits(values: paddle.Tensor) -> bytes:
    return values.numpy().tobytes()


def test_two_inputs_need_two_trunks() -> None:
    with pytest.raises(ValidationError, match="needs a trunk for each branch"):
        TwoInputClassifierSettings.model_validate({"sharing": "hard_sharing"})


def test_both_networks_name_their_weights_alike(
    two_input_network: SettingsMaker, small_network_settings: Callable[..., TwoTaskClassifierSettings]
) -> None:
    one, two = TwoTaskClassifier(small_network_settings()), network(two_input_network())
    names = list(two.state_dict())
    assert [name for name in names if not name.startswith("slide_")] == list(one.state_dict())
    assert [name for name in names if name.startswith("slide_")] == ["slide_mean", "slide_deviation"]
    assert (one.diagnosed_tasks, two.diagnosed_tasks) == (("image", "pathology"), ("image",))


def test_only_the_pathology_trunk_takes_colours(two_input_network: SettingsMaker) -> None:
    built = network(two_input_network())
    assert built.trunks["image"]._conv1.weight.shape == [2, 1, 3, 3]
    assert built.trunks["pathology"]._conv1.weight.shape == [2, 3, 3, 3]


@pytest.mark.parametrize("mode", MODES)
def test_the_pathology_diagnosis_is_a_number_where_there_is_a_slide(
    two_input_network: SettingsMaker, mode: str
) -> None:
    built = network(two_input_network(sharing=mode))
    for training in (True, False):
        built.train() if training else built.eval()
        image, pathology = built(sections(), tiles(), paddle.to_tensor(SOME))
        assert np.isfinite(image.numpy()).all()
        assert np.isfinite(pathology.numpy()).all(axis=1).tolist() == SOME.tolist()
        assert np.isnan(pathology.numpy()).all(axis=1).tolist() == (~SOME).tolist()


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("mode", MODES)
def test_without_a_slide_the_image_branch_is_the_single_task_network(
    two_input_network: SettingsMaker,
    small_network_settings: Callable[..., TwoTaskClassifierSettings],
    mode: str,
    granularity: str,
) -> None:
    """Rows of alphas that sum to 1 change nothing, whatever they are."""
    alphas = {"granularity": granularity, "initial": [[0.7, 0.3], [0.4, 0.6]]}
    stitched = network(two_input_network(sharing=mode, alphas=alphas))
    paddle.seed(3)
    single = TwoTaskClassifier(small_network_settings(sharing="single_task"))
    own = stitched.state_dict()
    single.set_state_dict({name: own[name] for name in single.state_dict() if "pathology" not in name})
    for built in (stitched, single):
        built.eval()
    expected = single(sections())[0].numpy()
    for slides in ((), (tiles(), paddle.zeros([6], "bool"))):
        image, pathology = stitched(sections(), *slides)
        np.testing.assert_allclose(image.numpy(), expected, rtol=1e-4, atol=1e-5)
        assert np.isnan(pathology.numpy()).all()


def test_the_missing_activation_is_replaced_by_the_sum_of_the_alphas(two_input_network: SettingsMaker) -> None:
    unit = network(two_input_network(alphas={"granularity": "layer"})).units["fc3"]
    unit.alphas.set_value(np.array([[0.5, 0.25], [2.0, 3.0]], np.float32))
    a, b = paddle.to_tensor([[1.0, 2.0], [4.0, 8.0]]), paddle.to_tensor([[10.0, 20.0]])
    new_a, new_b = combine_rows(unit, a, b, paddle.to_tensor([1]))
    assert new_a.tolist() == [[0.75, 1.5], [4.5, 9.0]]  # 0.75 a; 0.5 a + 0.25 b
    assert new_b.tolist() == [[38.0, 76.0]]  # 2 a + 3 b
    assert combine_alone(unit, a).tolist() == [[0.75, 1.5], [3.0, 6.0]]


def test_a_slide_changes_its_own_section_alone(two_input_network: SettingsMaker) -> None:
    built = network(two_input_network(alphas={"initial": [[0.7, 0.3], [0.3, 0.7]]}))
    built.eval()
    alone = built(sections())[0].numpy()
    image, _ = built(sections(), tiles(), paddle.to_tensor(SOME))
    changed = np.abs(image.numpy() - alone).max(axis=1) > 1e-6
    assert changed.tolist() == SOME.tolist()


def test_absent_slides_touch_no_statistics(two_input_network: SettingsMaker) -> None:
    """The pathology branch learns the same from three slides as from the same three among six sections."""

    def trained_on(rows: np.ndarray, has_slide: np.ndarray, slides: np.ndarray) -> dict[str, bytes]:
        built = network(two_input_network(sharing="single_task", keep_probability=1.0))
        built.train()
        built(sections()[rows.tolist()], paddle.to_tensor(slides[rows]), paddle.to_tensor(has_slide[rows]))
        state = {**built.trunks["pathology"].state_dict(), **built.heads["pathology"].state_dict()}
        return {name: bits(value) for name, value in state.items()}

    noise = tiles().numpy().copy()
    noise[~SOME] = 1e6  # never looked at
    among = trained_on(np.arange(6), SOME, noise)
    alone = trained_on(np.flatnonzero(SOME), SOME, noise)
    none = trained_on(np.flatnonzero(~SOME), SOME, noise)
    built = network(two_input_network(sharing="single_task"))
    untouched = {**built.trunks["pathology"].state_dict(), **built.heads["pathology"].state_dict()}
    assert among == alone
    assert none == {name: bits(value) for name, value in untouched.items()}
    assert among["_bn1._mean"] != none["_bn1._mean"]


@pytest.mark.parametrize("has_slide", [SOME, ~SOME, np.zeros(6, bool), np.ones(6, bool)])
@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("mode", MODES)
def test_gradients_are_finite_whoever_has_a_slide(
    two_input_network: SettingsMaker, mode: str, granularity: str, has_slide: np.ndarray
) -> None:
    alphas = {"granularity": granularity, "initial": [[0.9, 0.1], [0.1, 0.9]]}
    built = network(two_input_network(sharing=mode, alphas=alphas))
    image, pathology = built(sections(), tiles(), paddle.to_tensor(has_slide))
    rows = np.flatnonzero(has_slide)
    loss = image.square().sum()
    if len(rows):
        loss = loss + paddle.gather(pathology, paddle.to_tensor(rows)).square().sum()
    loss.backward()
    gradients = {name: p.grad for name, p in learned(built).items() if p.grad is not None}
    assert all(np.isfinite(gradient.numpy()).all() for gradient in gradients.values())
    assert any(name.startswith("trunks.image") for name in gradients)
    assert any(name.startswith("heads.pathology") for name in gradients) == bool(len(rows))


def test_slides_teach_the_image_branch_through_the_units(two_input_network: SettingsMaker) -> None:
    built = network(two_input_network(alphas={"initial": [[0.8, 0.2], [0.2, 0.8]]}))
    image, _ = built(sections(), tiles(), paddle.to_tensor(SOME))
    image.sum().backward()
    assert np.any(built.trunks["pathology"]._conv1.weight.grad.numpy())


def test_colours_are_normalised_each_by_its_own(two_input_network: SettingsMaker) -> None:
    built = network(two_input_network())
    training = np.random.default_rng(0).integers(0, 200, (9, 16, 16, 3)).astype(np.uint8)
    training[..., 1] = 51  # a constant colour is left unscaled
    built.set_slide_normalisation(training)
    mean, deviation = built.slide_mean.numpy(), built.slide_deviation.numpy()
    scaled = training.reshape(-1, 3) / 255
    np.testing.assert_allclose(mean, scaled.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(deviation, [scaled[:, 0].std(), 1.0, scaled[:, 2].std()], atol=1e-6)

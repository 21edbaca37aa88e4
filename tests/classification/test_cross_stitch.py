"""Cross-stitch units against hand-computed combinations."""

import numpy as np
import paddle
import pytest

from lung_ssp.classification.cross_stitch import BoundedCrossStitch, CrossStitch, DenseCrossStitch, mean_alphas

IDENTITY = np.eye(2)
MIXED = np.array([[0.9, 0.1], [0.2, 0.8]])
SHAPES = [(4, 3), (4, 3, 2, 2)]


def activations(shape: tuple[int, ...]) -> tuple[paddle.Tensor, paddle.Tensor]:
    rng = np.random.default_rng(0)
    return tuple(paddle.to_tensor(rng.normal(size=shape).astype("float32")) for _ in range(2))


def all_units(initial: np.ndarray, shape: tuple[int, ...]) -> list[paddle.nn.Layer]:
    return [CrossStitch(initial), CrossStitch(initial, shape[1]), DenseCrossStitch(initial, shape[1:])]


@pytest.mark.parametrize("shape", SHAPES)
def test_identity_alphas_pass_both_activations_bit_for_bit(shape: tuple[int, ...]) -> None:
    a, b = activations(shape)
    for unit in all_units(IDENTITY, shape):
        new_a, new_b = unit(a, b)
        assert np.array_equal(new_a.numpy(), a.numpy())
        assert np.array_equal(new_b.numpy(), b.numpy())


@pytest.mark.parametrize("shape", SHAPES)
def test_given_alphas_combine_as_the_formula_says(shape: tuple[int, ...]) -> None:
    a, b = activations(shape)
    for unit in all_units(MIXED, shape):
        new_a, new_b = unit(a, b)
        np.testing.assert_allclose(new_a.numpy(), 0.9 * a.numpy() + 0.1 * b.numpy(), atol=1e-6)
        np.testing.assert_allclose(new_b.numpy(), 0.2 * a.numpy() + 0.8 * b.numpy(), atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_equal_alphas_give_both_tasks_equal_features(shape: tuple[int, ...]) -> None:
    a, b = activations(shape)
    for unit in all_units(np.full((2, 2), 0.5), shape):
        new_a, new_b = unit(a, b)
        assert np.array_equal(new_a.numpy(), new_b.numpy())


def test_alphas_per_channel_act_on_their_channel_alone() -> None:
    unit = CrossStitch(IDENTITY, channels=2)
    alphas = unit.alphas.numpy()
    alphas[:, :, 1] = [[0, 1], [1, 0]]  # channel 1 changes places
    unit.alphas.set_value(alphas)
    new_a, new_b = unit(paddle.to_tensor([[1.0, 2.0]]), paddle.to_tensor([[3.0, 4.0]]))
    assert new_a.tolist() == [[1.0, 4.0]]
    assert new_b.tolist() == [[3.0, 2.0]]


@pytest.mark.parametrize("granularity", range(3))
def test_every_alpha_receives_a_gradient_and_rows_sum_to_one_at_first(granularity: int) -> None:
    a, b = activations((4, 3))
    unit = all_units(MIXED, (4, 3))[granularity]
    new_a, new_b = unit(a, b)
    ((new_a**2).sum() + (new_b**2).sum()).backward()
    assert np.all(unit.alphas.grad.numpy() != 0)
    np.testing.assert_allclose(mean_alphas(unit.alphas.numpy()).sum(axis=1), 1, atol=1e-6)


def test_the_gradient_of_one_alpha_is_the_one_computed_by_hand() -> None:
    # a' = alpha_AA a + alpha_AB b with a = 2, b = 3: d(a' + b') / d alpha_AB = b = 3, / d alpha_BA = a = 2.
    unit = CrossStitch(IDENTITY)
    new_a, new_b = unit(paddle.to_tensor([[2.0]]), paddle.to_tensor([[3.0]]))
    (new_a + new_b).sum().backward()
    assert unit.alphas.grad.tolist() == [[2.0, 3.0], [2.0, 3.0]]


@pytest.mark.parametrize("shape", [(5, 3), (5, 3, 4, 2)])
@pytest.mark.parametrize("channels", [None, 3])
def test_gradients_are_those_of_the_formula(channels: int | None, shape: tuple[int, ...]) -> None:
    unit = CrossStitch([[0.9, 0.1], [0.3, 0.7]], channels)
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype(np.float32) for _ in range(4)]
    a, b = (paddle.to_tensor(array, stop_gradient=False) for array in arrays[:2])
    gradients = arrays[2:]
    paddle.autograd.backward(list(unit(a, b)), [paddle.to_tensor(gradient) for gradient in gradients])
    axes = tuple(axis for axis in range(len(shape)) if channels is None or axis != 1)
    for i in range(2):
        for j in range(2):
            by_hand = (gradients[i] * arrays[j]).sum(axis=axes)
            np.testing.assert_allclose(unit.alphas.grad.numpy()[i, j], by_hand, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(a.grad.numpy(), 0.9 * gradients[0] + 0.3 * gradients[1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(b.grad.numpy(), 0.1 * gradients[0] + 0.7 * gradients[1], rtol=1e-5, atol=1e-6)


def test_mean_alphas_are_the_initial_ones_whatever_the_granularity() -> None:
    for unit in all_units(MIXED, (4, 3, 2, 2)):
        np.testing.assert_allclose(mean_alphas(unit.alphas.numpy()), MIXED, atol=1e-6)


@pytest.mark.parametrize("channels", [None, 3])
def test_a_bounded_unit_begins_with_the_given_alphas_and_combines_as_the_formula_says(channels: int | None) -> None:
    a, b = activations((4, 3))
    unit = BoundedCrossStitch(MIXED, channels, 1.0, least=0.05)
    assert unit.alphas.shape == ([2, 2] if channels is None else [2, 2, 3])
    np.testing.assert_allclose(mean_alphas(unit.alphas.numpy()), MIXED, atol=1e-6)
    new_a, new_b = unit(a, b)
    np.testing.assert_allclose(new_a.numpy(), 0.9 * a.numpy() + 0.1 * b.numpy(), atol=1e-6)
    np.testing.assert_allclose(new_b.numpy(), 0.2 * a.numpy() + 0.8 * b.numpy(), atol=1e-6)


def test_a_bounded_unit_cannot_become_two_single_tasks() -> None:
    bounded, free = BoundedCrossStitch(MIXED, 3, 1.0, least=0.05), CrossStitch(MIXED, 3)
    for unit in (bounded, free):
        optimizer = paddle.optimizer.SGD(0.1, parameters=unit.parameters())
        for _ in range(100):  # a loss that falls with what the tasks take from each other
            alphas = unit.alphas
            (alphas[0, 1] + alphas[1, 0]).sum().backward()
            optimizer.step()
            optimizer.clear_grad()
    assert float(free.alphas.numpy()[0, 1].max()) < 0
    least = bounded.alphas.numpy()[[0, 1], [1, 0]]
    assert (least >= 0.05).all() and (least < 0.1).all()
    assert np.isfinite(bounded.free.numpy()).all()


def test_every_alpha_of_a_bounded_unit_receives_a_gradient() -> None:
    a, b = activations((4, 3))
    unit = BoundedCrossStitch(MIXED, 3, 1.0, least=0.05)
    new_a, new_b = unit(a, b)
    (new_a.square().sum() + new_b.square().sum()).backward()
    assert np.all(unit.free.grad.numpy() != 0)

"""The classifier learns the same from a team of threads as from one thread."""

from collections.abc import Callable

import numpy as np
import paddle
import pytest

from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.classification.task import ClassificationTask
from lung_ssp.errors import TrainingError
from lung_ssp.training.finite import NotFinite
from lung_ssp.training.precision import Precision
from lung_ssp.training.update import Updater

BATCH = 24
SettingsMaker = Callable[..., ClassificationSettings]
MODES = ("single_task", "hard_sharing", "full_soft_sharing", "partial_soft_sharing")


def learner(settings: ClassificationSettings) -> tuple[ClassificationTask, Updater]:
    paddle.seed(3)
    task = ClassificationTask(settings)
    task.network.train()
    optimizer = paddle.optimizer.SGD(0.1, parameters=task.network.parameters())
    settings = settings.model_copy(update={"batch_size": BATCH})
    return task, Updater(task, Precision(settings.compute, task.network, optimizer), settings)


def learnt(settings: ClassificationSettings) -> tuple[list[dict[str, float]], dict[str, np.ndarray]]:
    """The losses of three steps, and the network's state after them."""
    task, update = learner(settings)
    losses = []
    for step in range(3):
        paddle.seed(step)
        batch = task.load(np.arange(BATCH * step, BATCH * (step + 1)), np.random.default_rng(step))
        losses.append({name: float(value) for name, value in update(batch).items()})
    return losses, {name: value.numpy() for name, value in task.network.state_dict().items()}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("threads", [2, 12])  # of twelve some have no share of the weights that carry the penalty
def test_a_team_learns_what_one_thread_learns(
    small_settings: SettingsMaker, monkeypatch: pytest.MonkeyPatch, mode: str, threads: int
) -> None:
    settings = small_settings(sharing=mode)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    expected_losses, expected = learnt(settings)
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    losses, state = learnt(settings)
    for own, alone in zip(losses, expected_losses, strict=True):
        assert own == pytest.approx(alone, rel=1e-4)
    for name, value in expected.items():
        assert state[name] == pytest.approx(value, abs=2e-4 * max(1, np.abs(value).max())), name


def test_activations_that_are_not_finite_in_one_thread_end_all(
    small_settings: SettingsMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    task, update = learner(small_settings())
    batch = task.load(np.arange(BATCH), np.random.default_rng(0))
    batch.images[1] = np.nan  # in the second thread's shard
    with pytest.raises((NotFinite, TrainingError), match="not finite"):
        update(batch)
    assert all(p.grad is None or not p.grad.numpy().any() for p in task.network.parameters())
    batch = task.load(np.arange(BATCH), np.random.default_rng(0))
    assert np.isfinite(float(update(batch)["total"]))  # the threads work again

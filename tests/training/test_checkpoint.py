"""Checkpoints: exact, atomic, and refused when they are damaged or foreign."""

import json
from pathlib import Path

import numpy as np
import paddle
import pytest

from lung_ssp.errors import CheckpointError
from lung_ssp.training.checkpoint import (
    load_checkpoint,
    network_arrays,
    optimizer_arrays,
    restore_network,
    restore_optimizer,
    save_checkpoint,
)
from lung_ssp.training.optimizer import make_optimizer, make_scheduler
from lung_ssp.training.settings import OptimizerSettings, SchedulerSettings

ARRAYS = {"network/weight": np.arange(3, dtype=np.float32)}


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, "latest", 7, ARRAYS, {"best_score": 0.1 + 0.2})
    step, arrays, state = load_checkpoint(tmp_path, "latest")
    assert step == 7
    assert np.array_equal(arrays["network/weight"], ARRAYS["network/weight"])
    assert state == {"best_score": 0.1 + 0.2}


def test_a_newer_checkpoint_replaces_the_older_and_leaves_one_pair(tmp_path: Path) -> None:
    for step in (1, 2):
        save_checkpoint(tmp_path, "latest", step, ARRAYS, {})
    assert load_checkpoint(tmp_path, "latest")[0] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest-000002.npz", "latest.json"]


def test_only_arrays_of_earlier_steps_are_removed_and_no_copy_of_the_users(tmp_path: Path) -> None:
    mine = ("best-copy.npz", "best-1.npz", "best-0000001.npz", "best-000001 (copy).npz", "latest-000001.npz")
    later = ("best-000009.npz", "best-1234567.npz")
    for name in (*mine, *later, "best-000001.npz", "best-000003.npz"):  # the last two are left by a kill
        (tmp_path / name).write_bytes(b"mine")
    for step in (3, 5):
        save_checkpoint(tmp_path, "best", step, ARRAYS, {})
    kept = {*mine, *later, "best-000005.npz", "best.json"}
    assert {path.name for path in tmp_path.iterdir()} == kept
    assert all((tmp_path / name).read_bytes() == b"mine" for name in (*mine, *later))


def test_a_kill_between_arrays_and_pointer_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, "latest", 1, ARRAYS, {})
    (tmp_path / "latest-000002.npz").write_bytes(b"half of a new")
    assert load_checkpoint(tmp_path, "latest")[0] == 1


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda folder: damage(folder / "latest-000007.npz"), "damaged"),
        (lambda folder: (folder / "latest-000007.npz").unlink(), "missing"),
        (lambda folder: (folder / "latest.json").write_text("{"), "damaged"),
        (lambda folder: (folder / "latest.json").write_text("[]"), "damaged"),
        (
            lambda folder: (folder / "latest.json").write_text(json.dumps({"format": "other" * 1000})),
            r"latest\.json has the format 'other.{100,120}, not 'lung_ssp checkpoint 1': it is of another version of "
            "lung_ssp, use that one, or train afresh in another folder",
        ),
        (lambda folder: (folder / "latest.json").unlink(), "no checkpoint"),
    ],
)
def test_damage_is_refused_with_the_file_named(tmp_path: Path, harm, words: str) -> None:  # type: ignore[no-untyped-def]
    save_checkpoint(tmp_path, "latest", 7, ARRAYS, {})
    harm(tmp_path)
    with pytest.raises(CheckpointError, match=words) as caught:
        load_checkpoint(tmp_path, "latest")
    assert str(tmp_path) in str(caught.value)


def test_pickled_arrays_are_never_loaded(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, "latest", 7, {"network/evil": np.array([{"a": 1}], dtype=object)}, {})
    with pytest.raises(CheckpointError, match="network/evil holds objects, which are never unpickled"):
        load_checkpoint(tmp_path, "latest")


def test_the_pointer_cannot_name_a_file_outside_its_folder(tmp_path: Path) -> None:
    inside = tmp_path / "run"
    save_checkpoint(inside, "latest", 7, ARRAYS, {})
    pointer = json.loads((inside / "latest.json").read_text())
    pointer["arrays"] = "../latest-000007.npz"
    (inside / "latest.json").write_text(json.dumps(pointer))
    (inside / "latest-000007.npz").rename(tmp_path / "latest-000007.npz")
    with pytest.raises(CheckpointError, match="missing"):
        load_checkpoint(inside, "latest")


def make_network() -> paddle.nn.Layer:
    return paddle.nn.Sequential(paddle.nn.Linear(2, 3), paddle.nn.BatchNorm1D(3), paddle.nn.Linear(3, 2))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (paddle.nn.Sequential(paddle.nn.Linear(2, 3)), "holds beyond the network"),
        (paddle.nn.Sequential(*make_network(), paddle.nn.Linear(2, 2)), "lacks"),
        (paddle.nn.Sequential(paddle.nn.Linear(2, 4), paddle.nn.BatchNorm1D(4), paddle.nn.Linear(4, 2)), "shape"),
    ],
)
def test_weights_of_another_network_are_refused_by_name(other: paddle.nn.Layer, words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        restore_network(other, network_arrays(make_network()), "run")


def test_a_restored_optimizer_goes_on_bit_for_bit_under_other_parameter_names() -> None:
    x = paddle.to_tensor(np.random.default_rng(0).normal(size=(8, 2)).astype("float32"))

    def training(network: paddle.nn.Layer):  # type: ignore[no-untyped-def]
        return make_optimizer(OptimizerSettings(), network, make_scheduler(SchedulerSettings(), 10))

    def step(network: paddle.nn.Layer, optimizer: paddle.optimizer.Optimizer) -> None:
        (network(x) ** 2).sum().backward()
        optimizer.step()
        optimizer.clear_grad()

    first = make_network()
    optimizer = training(first)
    for _ in range(3):
        step(first, optimizer)
    arrays = {**network_arrays(first), **optimizer_arrays(optimizer, first)}
    assert any(key.startswith("optimizer/0.weight/moment2") for key in arrays)

    second = make_network()
    assert second[0].weight.name != first[0].weight.name
    restored = training(second)
    restore_network(second, arrays, "test")
    restore_optimizer(restored, second, arrays)
    for _ in range(3):
        step(first, optimizer)
        step(second, restored)
    for name, value in first.state_dict().items():
        assert np.array_equal(value.numpy(), second.state_dict()[name].numpy()), name


class Masters:
    """An optimizer's state as Paddle holds it for float16 weights (a stand-in: a CPU has no such update)."""

    def __init__(self, names: dict[str, np.ndarray]) -> None:
        masters, moments = {}, {}
        for name, value in names.items():
            master = paddle.to_tensor(value)
            master.name = f"{name}_fp32_master_0"
            masters[name] = master
            moments[f"{master.name}_moment1_0"] = paddle.to_tensor(value + 1)
        self.state = {"LR_Scheduler": {"last_epoch": 3}, "master_weights": masters, **moments}

    def state_dict(self) -> dict:
        return dict(self.state)

    def set_state_dict(self, state: dict) -> None:
        self.state = state


def test_float32_masters_come_back_under_the_names_of_another_process() -> None:
    values = np.array([0.5, 0.25], np.float32)
    first, second = paddle.nn.Linear(1, 2, bias_attr=False), paddle.nn.Linear(1, 2, bias_attr=False)
    arrays = optimizer_arrays(Masters({first.weight.name: values}), first)
    assert set(arrays) == {"optimizer/weight/fp32_master_0_moment1_0", "master_weights/weight/fp32_master_0"}
    other = Masters({})
    restore_optimizer(other, second, arrays)
    master = other.state["master_weights"][second.weight.name]
    assert master.name == f"{second.weight.name}_fp32_master_0"
    assert np.array_equal(master.numpy(), values)
    assert np.array_equal(other.state[f"{master.name}_moment1_0"].numpy(), values + 1)


def test_float16_weights_are_kept_as_float32_and_go_back_into_either() -> None:
    half = paddle.nn.Linear(2, 2)
    half.to(dtype="float16")
    arrays = network_arrays(half)
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}
    for dtype in ("float16", "float32"):
        other = paddle.nn.Linear(2, 2)
        other.to(dtype=dtype)
        restore_network(other, arrays, "here")
        assert other.weight.numpy().dtype == dtype
        assert np.array_equal(other.weight.numpy(), half.weight.numpy())

"""The loop: a run that stops and goes on is the run that never stopped."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import paddle
import pytest
from visualdl import LogReader

from lung_ssp.errors import CheckpointError, TrainingError
from lung_ssp.files import sha256_of
from lung_ssp.training import loop, precision
from lung_ssp.training.checkpoint import load_checkpoint
from lung_ssp.training.loop import Trainer, train
from lung_ssp.training.optimizer import make_optimizer, make_scheduler
from lung_ssp.training.run import VISUALDL_FILE
from lung_ssp.training.settings import (
    CheckpointSettings,
    ComputeSettings,
    DatasetSettings,
    LogSettings,
    OptimizerSettings,
    SchedulerSettings,
    TrainingSettings,
)
from lung_ssp.training.task import Training


class Line:
    """Learns y = 3 x with dropout and a noisy batch (a small task of the tests)."""

    size = 20
    score_name = "closeness"
    log_name = "log.csv"
    log_columns = ("global_step_value", "epoch", "loss_total_value", "slope_value")

    def __init__(self, target: float = 3.0) -> None:
        paddle.seed(0)
        self.network = paddle.nn.Sequential(paddle.nn.Linear(1, 8), paddle.nn.Dropout(0.5), paddle.nn.Linear(8, 1))
        self.target = target

    def load(self, indices: np.ndarray, rng: np.random.Generator) -> paddle.Tensor:
        return paddle.to_tensor((indices[:, None] / 20 + rng.normal(0, 0.1, (len(indices), 1))).astype("float32"))

    def losses(self, batch: paddle.Tensor) -> dict[str, paddle.Tensor]:
        error = ((self.network(batch) - self.target * batch) ** 2).mean()
        return {"total": error, "half": error * 0.5}

    def log_values(self, batch: paddle.Tensor, validation: Callable[[], dict[str, float]]) -> dict[str, float]:
        return {"slope_value": self.slope()}

    def validate(self) -> dict[str, float]:
        return {"closeness": -abs(self.slope() - 3)}

    def slope(self) -> float:
        self.network.eval()
        zero, one = self.network(paddle.to_tensor([[0.0], [1.0]])).numpy().ravel()
        self.network.train()
        return float(one - zero)

    def scalars(self) -> dict[str, float]:
        return {"slope": self.slope()}

    def histograms(self) -> dict[str, np.ndarray]:
        return {"weights": self.network[0].weight.numpy()}

    def images(self) -> dict[str, np.ndarray]:
        return {"grey": np.zeros((4, 4, 3), np.uint8)}


def settings(
    every: int = 3, validate_every: int = 4, log: tuple[int, int] = (5, 2), prefetch: int = 0
) -> TrainingSettings:
    """Of a training of `Line`; `log`: steps between two lines, and between two points of the curves."""
    return TrainingSettings(
        task="line",
        seed=1,
        batch_size=6,
        train_dataset=DatasetSettings(dataset_root="none"),
        checkpoint=CheckpointSettings(every=every, validate_every=validate_every),
        log=LogSettings(every=log[0], scalars_every=log[1]),
        compute=ComputeSettings(prefetch=prefetch),
    )


def run(
    folder: Path,
    task: Line | None = None,
    own: TrainingSettings | None = None,
    steps: int = 20,
    stop_after: int | None = None,
) -> Line:
    """Train; `stop_after` breaks the run off, as a kill would, in the middle of that step."""
    task, own = task or Line(), own or settings()
    scheduler = make_scheduler(SchedulerSettings(learning_rate=0.05, end_lr=0.0), steps)
    training = Training(task, make_optimizer(OptimizerSettings(), task.network, scheduler), scheduler, steps)
    if stop_after is not None:
        steps_done = iter(range(stop_after + 1))
        losses = task.losses

        def failing(batch: paddle.Tensor) -> dict[str, paddle.Tensor]:
            if next(steps_done) == stop_after:
                raise KeyboardInterrupt
            return losses(batch)

        task.losses = failing  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            train(training, own, {"a": 1}, folder)
    else:
        train(training, own, {"a": 1}, folder)
    return task


def weights(task: Line) -> list[bytes]:
    return [value.numpy().tobytes() for value in task.network.state_dict().values()]


def curves(folder: Path) -> dict[str, dict[str, list[tuple[int, float]]]]:
    reader = LogReader(file_path=str(folder / "visualdl" / VISUALDL_FILE))
    found: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for kind, tags in reader.get_tags().items():
        for tag in tags:
            points = reader.get_data(kind, tag)
            found.setdefault(kind, {})[tag] = [(p.id, p.value if kind == "scalar" else 0.0) for p in points]
    return found


def test_one_seed_gives_the_same_bits(tmp_path: Path) -> None:
    assert weights(run(tmp_path / "a")) == weights(run(tmp_path / "b"))


@pytest.mark.parametrize("stops", [[1], [3], [4, 11], [7, 8, 9, 17]])
def test_a_broken_run_goes_on_bit_for_bit(tmp_path: Path, stops: list[int]) -> None:
    straight = run(tmp_path / "straight")
    broken = tmp_path / "broken"
    done = 0
    for stop in stops:
        resumed_from = done - done % 3
        run(broken, stop_after=stop - resumed_from)
        done = stop
    task = run(broken)
    assert weights(task) == weights(straight)
    assert (broken / "log.csv").read_bytes() == (tmp_path / "straight" / "log.csv").read_bytes()
    assert curves(broken) == curves(tmp_path / "straight")
    for name in ("best", "latest"):
        ours, theirs = (load_checkpoint(folder / "checkpoints", name) for folder in (broken, tmp_path / "straight"))
        assert ours[0] == theirs[0]
        assert all(np.array_equal(ours[1][key], theirs[1][key]) for key in theirs[1])


def test_the_log_holds_the_due_steps_with_seven_decimals(tmp_path: Path) -> None:
    run(tmp_path)
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == list(Line.log_columns)
    assert [row[0] for row in rows[1:]] == ["5", "10", "15", "20"]
    assert [row[1] for row in rows[1:]] == ["1", "2", "4", "5"]  # 6 of 20 samples a step
    assert all(len(cell.split(".")[1]) == 7 for row in rows[1:] for cell in row[2:])


def test_the_dashboard_holds_each_step_of_each_tag_once(tmp_path: Path) -> None:
    run(tmp_path, stop_after=8)
    run(tmp_path)
    found = curves(tmp_path)
    assert [step for step, _ in found["scalar"]["loss/total"]] == list(range(2, 21, 2))
    assert [step for step, _ in found["scalar"]["slope_value"]] == [5, 10, 15, 20]
    assert [step for step, _ in found["histogram"]["weights"]] == [5, 10, 15, 20]
    assert [step for step, _ in found["image"]["grey"]] == [0]
    first_rate = found["scalar"]["learning_rate"][0]
    assert first_rate == (2, pytest.approx(0.05 * 19 / 20))


def test_each_thing_is_due_every_n_steps_and_the_last_step_is_validated_and_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved, checked, check = [], [], Trainer.check_losses
    monkeypatch.setattr(loop, "save_checkpoint", lambda _, name, step, *__: saved.append((name, step)))
    monkeypatch.setattr(Trainer, "check_losses", lambda self: (checked.append(self.progress.step), check(self)))
    run(tmp_path, own=settings(every=3, validate_every=4, log=(5, 2)), steps=11)
    found = curves(tmp_path)["scalar"]
    assert [step for step, _ in found["loss/total"]] == [2, 4, 6, 8, 10]
    assert [step for step, _ in found["slope_value"]] == [5, 10]
    assert [step for step, _ in found["closeness"]] == [4, 8, 11]  # the validation
    assert [step for name, step in saved if name == "latest"] == [0, 3, 6, 9, 11]
    assert checked == [2, 3, 4, 5, 6, 8, 9, 10, 11]


def test_the_best_checkpoint_is_the_one_validation_chose(tmp_path: Path) -> None:
    run(tmp_path)
    scores = dict(curves(tmp_path)["scalar"]["closeness"])
    step, _, state = load_checkpoint(tmp_path / "checkpoints", "best")
    assert scores[step] == max(scores.values())
    assert state["score"] == pytest.approx(scores[step], abs=1e-6)


class Checked(Line):
    """Logs its validation, and counts how often it is measured."""

    log_columns = (*Line.log_columns, "closeness_value")

    def __init__(self) -> None:
        super().__init__()
        self.validations = 0

    def log_values(self, batch: paddle.Tensor, validation: Callable[[], dict[str, float]]) -> dict[str, float]:
        return {**super().log_values(batch, validation), "closeness_value": validation()["closeness"]}

    def validate(self) -> dict[str, float]:
        self.validations += 1
        return super().validate()


def test_validation_is_measured_once_a_step(tmp_path: Path) -> None:
    task = Checked()
    run(tmp_path, task)  # validated at 4, 8, 12, 16, 20; logged at 5, 10, 15, 20
    assert task.validations == 8
    with (tmp_path / "log.csv").open() as file:
        logged = {int(row["global_step_value"]): float(row["closeness_value"]) for row in csv.DictReader(file)}
    chosen = dict(curves(tmp_path)["scalar"]["closeness"])
    assert logged[20] == pytest.approx(chosen[20], abs=1e-6)
    assert logged[5] != pytest.approx(chosen[4], abs=1e-6)  # of the weights of its own step


def test_a_finished_run_does_nothing_more(tmp_path: Path) -> None:
    run(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    run(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_damaged_checkpoint_is_refused_and_nothing_is_overwritten(tmp_path: Path) -> None:
    run(tmp_path, stop_after=8)
    arrays = next((tmp_path / "checkpoints").glob("latest-*.npz"))
    arrays.write_bytes(arrays.read_bytes()[:-1])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(CheckpointError, match="damaged"):
        run(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_log_cut_short_is_refused(tmp_path: Path) -> None:
    run(tmp_path, stop_after=8)
    (tmp_path / "log.csv").write_text("")
    with pytest.raises(CheckpointError, match=r"log\.csv"):
        run(tmp_path)


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("log.csv", 10**15, r"log\.csv is missing or shorter"),
        ("vdlrecords.run.log", 10**15, r"vdlrecords\.run\.log is missing or shorter"),
        ("log.csv", 9, r"log\.csv has no end of a line"),
        ("log.csv", 0, r"log\.csv has no end of a line"),
        ("log.csv", -1, r"latest\.json is damaged \(state\.log_positions\.log\.csv"),
    ],
)
def test_positions_in_the_log_that_cannot_be_are_refused(tmp_path: Path, name: str, size: int, words: str) -> None:
    run(tmp_path, stop_after=8)
    pointer = tmp_path / "checkpoints" / "latest.json"
    content = json.loads(pointer.read_text())
    content["state"]["log_positions"][name] = size
    pointer.write_text(json.dumps(content))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(CheckpointError, match=words):
        run(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_loss_that_is_no_number_stops_the_training(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="step 1"):
        run(tmp_path, Line(target=float("nan")))


class Spoilt(Line):
    """Turns to NaN after some steps: in its loss, a gradient, its weights or its validation."""

    def __init__(self, where: str, after: int) -> None:
        super().__init__()
        self.where, self.steps_left = where, after

    def losses(self, batch: paddle.Tensor) -> dict[str, paddle.Tensor]:
        losses = super().losses(batch)
        self.steps_left -= 1
        if self.steps_left < 0 and self.where == "loss":
            return {name: value * float("nan") for name, value in losses.items()}
        if self.steps_left < 0 and self.where == "gradient":  # of a square root at 0: infinite; the loss is finite
            return {**losses, "total": losses["total"] + (self.network[0].bias * 0).sqrt().sum()}
        return losses

    def validate(self) -> dict[str, float]:
        return {"closeness": float("nan")} if self.where == "validation" and self.steps_left < 0 else super().validate()

    def log_values(self, batch: paddle.Tensor, validation: Callable[[], dict[str, float]]) -> dict[str, float]:
        if self.where == "weight" and self.steps_left < 0:
            self.network[0].bias.set_value(self.network[0].bias * float("nan"))
        return super().log_values(batch, validation)


@pytest.mark.parametrize("on_cpu", [True, False])
@pytest.mark.parametrize(
    ("where", "what", "step"),
    [
        ("loss", "The loss is nan", 8),
        ("gradient", r"The gradient of 0\.bias is not finite", 8),
        ("validation", "The validation's closeness is nan", 8),
        ("weight", r"network/0\.bias is not finite", 10),
    ],
)
def test_numbers_that_are_lost_stop_the_training_before_a_checkpoint_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, what: str, step: int, on_cpu: bool
) -> None:
    if not on_cpu:  # as on a GPU, where no step waits for the loss
        monkeypatch.setattr(precision, "on_cpu", lambda tensor: False)
        what = "The validation's closeness is nan" if where == "gradient" else what  # of weights spoilt by it
    with pytest.raises(TrainingError, match=f"{what} at step {step}: train again with a lower"):
        run(tmp_path, Spoilt(where, after=7), settings(every=5, validate_every=4, log=(5, 5)))
    latest, best = (load_checkpoint(tmp_path / "checkpoints", name) for name in ("latest", "best"))
    assert latest[0] == 5 and best[0] in (4, 8)
    for _, arrays, _ in (latest, best):
        assert all(np.isfinite(array).all() for array in arrays.values())


def test_a_checkpoint_with_nan_is_not_gone_on_from(tmp_path: Path) -> None:
    run(tmp_path, stop_after=8)
    folder = tmp_path / "checkpoints"
    step, arrays, _state = load_checkpoint(folder, "latest")
    (name,) = (key for key in arrays if key.startswith("optimizer/0.weight/moment2"))
    arrays[name] = np.full_like(arrays[name], np.inf)
    path = folder / f"latest-{step:06d}.npz"
    np.savez(path, **arrays)
    pointer = {**json.loads((folder / "latest.json").read_text()), "sha256": sha256_of(path)}
    (folder / "latest.json").write_text(json.dumps(pointer))
    with pytest.raises(CheckpointError, match=rf"checkpoints/latest holds numbers that are not finite \({name}\)"):
        run(tmp_path)


def test_a_run_whose_latest_checkpoint_is_gone_is_refused_and_untouched(tmp_path: Path) -> None:
    run(tmp_path, stop_after=8)
    (tmp_path / "checkpoints" / "latest.json").unlink()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(CheckpointError, match=r"latest\.json is missing"):
        run(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_checkpoint_that_lacks_part_of_its_state_is_refused(tmp_path: Path) -> None:
    run(tmp_path, stop_after=8)
    pointer = tmp_path / "checkpoints" / "latest.json"
    content = json.loads(pointer.read_text())
    del content["state"]["scheduler"]
    pointer.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="lacks scheduler"):
        run(tmp_path)


def test_a_loss_that_is_no_number_never_becomes_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(TrainingError):
        run(tmp_path, Line(target=float("nan")), settings(every=1))
    assert load_checkpoint(tmp_path / "checkpoints", "latest")[0] == 0


def test_batches_prefetched_train_the_same_bits(tmp_path: Path) -> None:
    plain, early = run(tmp_path / "plain"), run(tmp_path / "early", own=settings(prefetch=3))
    assert weights(early) == weights(plain)
    assert (tmp_path / "early" / "log.csv").read_bytes() == (tmp_path / "plain" / "log.csv").read_bytes()
    run(tmp_path / "broken", own=settings(prefetch=3), stop_after=11)
    assert weights(run(tmp_path / "broken", own=settings(prefetch=3))) == weights(plain)


def test_a_step_does_not_wait_for_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever reads a tensor waits for all that was asked of the device before: not between two points of the log."""
    reads: list[int] = []
    steps = iter(range(1, 1000))
    task, now = Line(), 0
    losses = task.losses

    def counted(batch: paddle.Tensor) -> dict[str, paddle.Tensor]:
        nonlocal now
        now = next(steps)
        return losses(batch)

    task.losses = counted  # type: ignore[method-assign]
    for name in ("numpy", "item", "__float__", "__int__", "__bool__", "tolist", "__array__"):
        original = getattr(paddle.Tensor, name)

        def noted(tensor: paddle.Tensor, *args: object, original: Callable = original, **kwargs: object) -> object:
            reads.append(now)
            return original(tensor, *args, **kwargs)

        monkeypatch.setattr(paddle.Tensor, name, noted)
    monkeypatch.setattr(precision, "on_cpu", lambda tensor: False)  # on a CPU, reading waits for nothing
    run(tmp_path, task, settings(every=8, validate_every=8, log=(8, 4)), steps=16)
    assert set(reads) - {0} == {4, 8, 12, 16}

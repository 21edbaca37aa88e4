"""What is measured is the product's own step on the product's own batches."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lung_ssp.benchmark.cases import Case
from lung_ssp.benchmark.measure import Request, measure, write_config
from lung_ssp.benchmark.steps import Subject, build_subject, inference_batches, training_batches
from lung_ssp.tasks import read_training
from lung_ssp.training.batches import batches
from lung_ssp.training.order import SampleOrder
from lung_ssp.training.precision import Precision
from lung_ssp.training.update import Updater

pytestmark = pytest.mark.slow

TWO_INPUTS = [
    "model.type=TwoInputClassifier",
    *(f"{split}_dataset.type=SectionAndSlideDataset" for split in ("train", "val", "test")),
]
TASKS = ("classification", "segmentation")
SHARING: dict[str, Any] = {"classification": "partial_soft_sharing", "segmentation": ""}


def case_of(task: Any, phase: Any, source: Any = "synthetic", engine: Any = "paddle", batch_size: int = 0) -> Case:
    default = {"classification": 6, "segmentation": 2}[task]
    return Case(task, phase, SHARING[task], "O0", source, batch_size or default, engine)


def request_of(config: Path, case: Case, warmup: int = 1, steps: int = 2) -> Request:
    return Request(case, read_training(config, case.overrides())[1].tree, "cpu", warmup, steps)


def on_noise(config: Path, folder: Path) -> Path:
    """The same configuration on a cohort of noise, which stands in for a real one."""
    task = read_training(config)[0].name
    return write_config(request_of(config, case_of(task, "training")), folder)


@pytest.fixture(params=TASKS)
def subject(request: pytest.FixtureRequest, small_configs: dict[str, Path], tmp_path: Path) -> Subject:
    return build_subject(on_noise(small_configs[request.param], tmp_path))


def arrays(batch: Any) -> list[np.ndarray]:
    """A training batch's images and labels."""
    labels = batch.labels.values() if isinstance(batch.labels, dict) else [batch.labels]
    return [batch.images, *labels]


def test_real_batches_are_those_of_the_training(subject: Subject) -> None:
    settings, task = subject.settings, subject.training.task
    order = SampleOrder(task.size, settings.batch_size, settings.seed)
    with (
        training_batches(case_of(settings.task, "training", "real"), subject) as measured,
        batches(task.load, order, settings.seed, range(1, 4), prefetch=0) as trained,
    ):
        for expected, found in zip(trained, measured, strict=False):
            assert found.step == expected.step
            for a, b in zip(arrays(expected.batch), arrays(found.batch), strict=True):
                np.testing.assert_array_equal(a, b)


def test_synthetic_input_is_one_batch_again_and_again(subject: Subject) -> None:
    with training_batches(case_of(subject.settings.task, "training"), subject) as step_batches:
        first = next(step_batches)
        assert next(step_batches) is first
        assert len(first.batch.images) == subject.settings.batch_size
    step_batches = inference_batches(case_of(subject.settings.task, "inference", batch_size=5), subject)
    assert next(step_batches) is (again := next(step_batches))
    assert len(again[0]) == 5


@pytest.mark.slow
def test_the_steps_are_the_trainings_own(small_configs: dict[str, Path], tmp_path: Path) -> None:
    config = on_noise(small_configs["classification"], tmp_path)
    found = measure(request_of(config, case_of("classification", "training", "real"), warmup=2, steps=3))
    subject = build_subject(config)
    settings, task = subject.settings, subject.training.task
    update = Updater(task, Precision(settings.compute, task.network, subject.training.optimizer), settings)
    task.network.train()
    with batches(task.load, SampleOrder(task.size, 6, settings.seed), settings.seed, range(1, 6), 0) as step_batches:
        losses = [float(update(step_batch.batch)["total"]) for step_batch in step_batches]
    assert found.times.outcome == losses[-1] != losses[-2]


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["training", "inference"])
@pytest.mark.parametrize("task", TASKS)
def test_a_case_is_measured_without_a_cohort(small_configs: dict[str, Path], task: str, phase: str) -> None:
    request = request_of(small_configs[task], case_of(task, phase), steps=3)
    result = measure(request)
    assert len(result.times.step_seconds) == len(result.times.reader_seconds) == 3
    assert all(
        0 <= read < step for read, step in zip(result.times.reader_seconds, result.times.step_seconds, strict=True)
    )
    assert result.memory_mb.resident > 100 and result.memory_mb.allocated is result.memory_mb.reserved is None
    assert result.parameters > 0 and result.flops is not None and result.flops > 0
    assert result.matrix_product_gflops > 0
    assert measure(request).times.outcome == result.times.outcome


@pytest.mark.slow
def test_inference_is_counted_forward_alone(small_configs: dict[str, Path]) -> None:
    config = small_configs["classification"]
    phases = ("training", "inference")
    training, inference = (
        measure(request_of(config, case_of("classification", phase), steps=1)).flops for phase in phases
    )
    assert training is not None and inference is not None
    assert training > 2 * inference > 0


@pytest.mark.slow
def test_two_inputs_are_measured_but_not_counted(small_configs: dict[str, Path]) -> None:
    config = read_training(small_configs["classification"], TWO_INPUTS)[1]
    result = measure(Request(case_of("classification", "training"), config.tree, "cpu", 0, 1))
    assert result.parameters > 0 and result.flops is None
    assert np.isfinite(result.times.outcome)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_onnx_runtime_comes_to_the_same(small_configs: dict[str, Path], task: str) -> None:
    for package in ("paddle2onnx", "onnxruntime"):
        pytest.importorskip(package, reason="the comparison with ONNX Runtime needs the extra onnx")
    paddles, onnx = (
        measure(request_of(small_configs[task], case_of(task, "inference", engine=engine), steps=1)).times.outcome
        for engine in ("paddle", "onnx")
    )
    assert onnx == pytest.approx(paddles, abs=1e-4)


def test_noise_of_one_cohort_stands_for_further_ones(small_configs: dict[str, Path], tmp_path: Path) -> None:
    asked = request_of(small_configs["segmentation"], case_of("segmentation", "training"))
    further = {**asked.tree["train_dataset"], "also": [{"dataset_root": "nowhere", "share": 0.5}]}
    path = write_config(replace(asked, tree={**asked.tree, "train_dataset": further}), tmp_path)
    assert len(build_subject(path).training.task.train_dataset) > 0

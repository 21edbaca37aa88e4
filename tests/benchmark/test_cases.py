"""The cases are every combination of what was asked for."""

from pathlib import Path

from lung_ssp.benchmark.cases import BenchmarkPlan, Case
from lung_ssp.benchmark.run import make_cases
from lung_ssp.tasks import read_training


def cases_of(plan: BenchmarkPlan) -> list[Case]:
    task_type, config = read_training(plan.config, plan.overrides)
    return make_cases(plan, config.settings, task_type.benchmark_cases(config.settings))


def test_a_classifier_is_measured_in_every_combination(small_configs: dict[str, Path]) -> None:
    cases = cases_of(
        BenchmarkPlan(
            phase="inference",
            config=small_configs["classification"],
            sharing=["single_task", "hard_sharing"],
            amp=["O0", "O1"],
            inputs=["real"],
        )
    )
    assert [(case.sharing, case.amp, case.batch_size, case.engine) for case in cases] == [
        (mode, level, size, engine)
        for mode in ("single_task", "hard_sharing")
        for level in ("O0", "O1")
        for size in (1, 6)
        for engine in ("paddle", "onnx")
    ]
    assert {(case.task, case.phase, case.input) for case in cases} == {("classification", "inference", "real")}
    assert len({case.name for case in cases}) == len(cases)


def test_what_is_not_named_is_as_the_configuration_says(small_configs: dict[str, Path]) -> None:
    overrides = ["model.sharing=full_soft_sharing", "compute.amp_level=O2"]
    (case,) = cases_of(BenchmarkPlan(phase="training", config=small_configs["classification"], overrides=overrides))
    assert case == Case("classification", "training", "full_soft_sharing", "O2", "synthetic", 6, "paddle")
    assert case.name == "classification training full_soft_sharing O2 synthetic batch 6 paddle"
    assert case.overrides() == ["model.sharing=full_soft_sharing", "compute.amp_level=O2"]


def test_inference_takes_one_image_and_many(small_configs: dict[str, Path]) -> None:
    cases = cases_of(BenchmarkPlan(phase="inference", config=small_configs["segmentation"]))
    assert [case.name for case in cases if case.engine == "paddle"] == [
        "segmentation inference O0 synthetic batch 1 paddle",
        "segmentation inference O0 synthetic batch 3 paddle",
    ]

"""The cases are every combination of what was asked for."""

from pathlib import Path

from lung_ssp.benchmark.cases import Case, make_cases
from lung_ssp.tasks import read_training


def test_a_classifier_is_measured_in_every_combination(small_configs: dict[str, Path]) -> None:
    settings = read_training(small_configs["classification"])[1].settings
    cases = make_cases(settings, "training", ["single_task", "hard_sharing"], ["O0", "O1"], ["real"], torch=True)
    assert [(case.sharing, case.amp, case.engine) for case in cases] == [
        (mode, level, engine)
        for mode in ("single_task", "hard_sharing")
        for level in ("O0", "O1")
        for engine in ("paddle", "torch")
    ]
    assert {(case.task, case.phase, case.input, case.batch_size) for case in cases} == {
        ("classification", "training", "real", 6)
    }
    assert len({case.name for case in cases}) == len(cases)


def test_what_is_not_named_is_as_the_configuration_says(small_configs: dict[str, Path]) -> None:
    settings = read_training(
        small_configs["classification"], ["model.sharing=full_soft_sharing", "compute.amp_level=O2"]
    )[1].settings
    (case,) = make_cases(settings, "training", [], [], ["synthetic"], torch=False)
    assert case == Case("classification", "training", "full_soft_sharing", "O2", "synthetic", 6, "paddle")
    assert case.name == "classification training full_soft_sharing O2 synthetic batch 6 paddle"
    assert case.overrides() == ["model.sharing=full_soft_sharing", "compute.amp_level=O2"]


def test_inference_takes_one_image_and_many(small_configs: dict[str, Path]) -> None:
    settings = read_training(small_configs["segmentation"])[1].settings
    cases = make_cases(settings, "inference", [], [], ["synthetic"], torch=False)
    assert [case.name for case in cases if case.engine == "paddle"] == [
        "segmentation inference O0 synthetic batch 1 paddle",
        "segmentation inference O0 synthetic batch 3 paddle",
    ]

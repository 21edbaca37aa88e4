"""What a study trains, and what is refused before anything is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lung_ssp.errors import CohortError, ConfigError
from lung_ssp.studies.plan import plan_study

Write = Callable[..., Path]
Describe = Callable[[Path, str], Path]


def on_cohort(root: Path) -> list[str]:
    return [f"{split}_dataset.dataset_root={root}" for split in ("train", "val", "test")]


def test_every_variant_is_trained_with_every_seed_on_the_same_cohort(write_study: Write) -> None:
    study = plan_study(write_study())
    assert [run.name for run in study.runs] == ["single/0", "single/1", "partial/0", "partial/1"]
    assert {run.made_from.cohort for run in study.runs} == {"0123456789abcdef"}
    assert len({run.made_from.configuration for run in study.runs}) == 4
    assert study.runs[2].overrides[-2:] == ("model.sharing=partial_soft_sharing", "seed=0")
    assert study.task == "classification"
    assert "SYNTHETIC" in study.statement


def test_a_grid_has_every_combination_and_a_level_may_name_a_base_of_its_own(write_study: Write) -> None:
    factors = {
        "protocol": {"paper": {}, "best": {"base": "classification/best.yml"}},
        "size": {"small": {"overrides": ["batch_size=8"]}, "large": {"overrides": ["batch_size=16"]}},
    }
    study = plan_study(write_study(factors=factors, seeds=[3]))
    names = [run.name for run in study.runs]
    assert len(names) == 8
    assert names[0] == "single-paper-small/3"
    assert names[-1] == "partial-best-large/3"
    assert study.cells[-1].config.name == "best.yml"
    assert study.cells[0].config.name == "smoke.yml"
    assert study.cells[-1].overrides[-2:] == ("batch_size=16", "model.sharing=partial_soft_sharing")


def test_each_fold_has_its_own_overrides(write_study: Write, describe_cohort: Describe, tmp_path: Path) -> None:
    for fold in (0, 1):
        describe_cohort(tmp_path / f"fold-{fold}", f"{fold}" * 16)
    folds = {"numbers": [0, 1], "overrides": on_cohort(tmp_path / "fold-{fold}")}
    study = plan_study(write_study(folds=folds, overrides=[]))
    assert [run.name for run in study.runs[:4]] == ["single/0-0", "single/1-0", "single/0-1", "single/1-1"]
    assert [run.made_from.cohort[0] for run in study.runs[:4]] == ["0", "0", "1", "1"]
    assert study.statement.count("fingerprint") == 2


def test_overrides_of_the_command_line_are_of_the_study(write_study: Write) -> None:
    assert len(plan_study(write_study(), ["seeds=[7]"]).runs) == 2


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"reference": "singel"}, "study.yml: reference is singel, which is no variant (did you mean single?)"),
        ({"figures": {"a": {"metric": "acuracy"}}}, "metric is acuracy, which is no metric (did you mean accuracy?)"),
        ({"seeds": [1, 1]}, "the seed 1 is given twice"),
        ({"seeds": []}, "seeds"),
        ({"variants": {"Single": {}}}, "variants.Single"),
        ({"variants": {"a/b": {}}}, "a/b"),
        ({"factors": {"seed": {"a": {}}}}, "the factor seed has the name of a column of the tables: call it otherwise"),
        ({"factors": {"p_holm": {"a": {}}}}, "the factor p_holm has the name of a column"),
        ({"factors": {"accuracy": {"a": {}}}}, "the name accuracy is given twice"),
        ({"factors": {"size": {}}}, "the factor size has no levels"),
        (
            {"metrics": {"seed": {"source": "run", "title": "x", "fact": "parameters"}}},
            "the metric seed has the name of a column of the table",
        ),
        ({"folds": {"numbers": [0, 1], "overrides": ["seed=1"]}}, "no override of the folds names {fold}"),
        ({"metrics": {"a": {"source": "wishes", "title": "x"}}}, "metrics.a.source is 'wishes'"),
        ({"variants": {"a": {"overrides": ["model.sharing=none"]}}, "reference": None}, "a: the command line (-o)"),
        ({"base": "classification/tabel2.yml"}, "did you mean classification/table2.yml?"),
        (
            {"variants": {"a": {}, "b": {"overrides": ["model.sharing=partial_soft_sharing"]}}, "reference": None},
            "a/0 and b/0 have the same configuration: leave out one of them.",
        ),
        (
            {"variants": {"a": {"overrides": ["seed=5"]}}, "reference": None},
            "seeds and variants.a both set seed: leave it to one of them.",
        ),
        (
            {
                "folds": {"numbers": [0, 1], "overrides": ["model.dropout={fold}"]},
                "variants": {"a": {"overrides": ["model.dropout=0"]}},
                "reference": None,
            },
            "folds and variants.a both set model.dropout: leave it to one of them.",
        ),
        (
            {"factors": {"mode": {"x": {"overrides": ["model.sharing=single_task"]}}}},
            "factors.mode.x and variants.single both set model.sharing: leave it to one of them.",
        ),
        (
            {
                "variants": {"a": {"base": "classification/best.yml"}},
                "reference": None,
                "factors": {"mode": {"x": {"base": "classification/best.yml"}}},
            },
            "factors.mode.x and variants.a name a base each: a training has one.",
        ),
    ],
)
def test_a_wrong_study_is_one_sentence(write_study: Write, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as told:
        plan_study(write_study(**changes))
    assert sentence in str(told.value)
    assert "\n" not in str(told.value)


def test_a_name_given_twice_in_the_file_is_told(write_study: Write) -> None:
    path = write_study()
    path.write_text(path.read_text().replace("  single:", "  partial:"))
    with pytest.raises(ConfigError, match="the key partial is given twice"):
        plan_study(path)


def test_a_missing_cohort_is_told_before_anything_is_trained(write_study: Write, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="nowhere holds no prepared cohort: prepare one first"):
        plan_study(write_study(overrides=on_cohort(tmp_path / "nowhere")))


def test_predictions_are_the_classifiers_alone(write_study: Write, tmp_path: Path) -> None:
    metrics = {"a": {"source": "predictions", "title": "x", "measure": "accuracy"}}
    roots = [f"{split}_dataset.dataset_root={tmp_path}/cohort" for split in ("train", "val")]
    variants = {"narrow": {"overrides": ["model.width=4"]}}
    path = write_study(
        base="segmentation/smoke.yml", overrides=roots, metrics=metrics, variants=variants, reference=None
    )
    with pytest.raises(ConfigError, match=r"metrics\.a: source predictions is for the classifier, not for segmentat"):
        plan_study(path)

"""The shipped studies say what they claim to."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lung_ssp.config import SHIPPED_CONFIGS
from lung_ssp.studies.plan import plan_study
from lung_ssp.studies.settings import StudySettings
from lung_ssp.studies.work import learned_parameters

STUDIES = sorted(path.name for path in (SHIPPED_CONFIGS / "studies").glob("*.yml"))


@pytest.fixture
def plan(describe_cohort: Callable[[Path, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Plans a shipped study where its cohort has been described."""
    monkeypatch.chdir(tmp_path)
    for root in ("output/cohort", "output/smoke/cohort"):
        describe_cohort(tmp_path / root, "0" * 16)
    return lambda name: plan_study(f"studies/{name}")


def test_every_shipped_study_can_be_planned(plan) -> None:
    assert {"smoke.yml", "sharing.yml"} <= set(STUDIES)
    for name in STUDIES:
        settings: StudySettings = plan(name).settings
        assert settings.name == Path(name).stem
        assert settings.reference in (None, *settings.variants)


def test_the_study_of_fig_7_has_its_five_ways_in_both_protocols_with_ten_seeds(plan) -> None:
    study = plan("sharing.yml")
    assert len(study.runs) == 5 * 2 * 10
    assert {cell.config.name for cell in study.cells} == {"table2.yml", "best.yml"}


@pytest.mark.slow
def test_one_wide_branch_has_as_many_parameters_as_the_pair_that_shares(plan) -> None:
    from lung_ssp.tasks import read_training

    counts = {}
    for run in plan("sharing.yml").runs:
        if run.seed == 0 and run.cell.levels["protocol"] == "paper":
            task, config = read_training(run.cell.config, run.overrides)
            counts[run.cell.variant] = learned_parameters(task.build_network(config))
    # by hand: 28x28 sections, 7x7 before fc3, 9 classes, each layer with a scale and a shift for every output
    branch = (9 + 2) * 32 + (9 * 32 + 2) * 64 + (49 * 64 + 2) * 1024 + (1024 + 2) * 9
    assert counts["single_task"] == 2 * branch
    assert counts["partial_soft_sharing"] == 2 * branch + 4 * (32 + 64 + 1024)
    assert counts["wide_single_task"] / 2 == pytest.approx(counts["partial_soft_sharing"], rel=0.02)

"""Curves along the training, from dashboards made up by hand."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from lung_ssp.studies.curves import curves_of, save_curves, table_of_curves
from lung_ssp.studies.measures import FinishedRun, scalars, value_of
from lung_ssp.studies.plan import Study, plan_study
from lung_ssp.studies.record import StudyError
from lung_ssp.studies.settings import DashboardMetric

ALPHA = "alphas/fc3/image_from_pathology"
DASHBOARDS = {
    "single/0": {"loss_total_value": {100: 4.0, 200: 2.0}},
    "single/1": {"loss_total_value": {100: 2.0, 200: 2.0, 300: 1.0}},
    "partial/0": {"loss_total_value": {100: 3.0, 200: 1.0}, ALPHA: {100: 0.1, 200: 0.2}},
    "partial/1": {"loss_total_value": {100: 3.0, 200: 3.0}, ALPHA: {100: 0.3, 200: 0.4}},
}


@pytest.fixture
def study(write_study: Callable[..., Path]) -> Study:
    curves = {"a": {"title": "Loss and alphas", "tags": ["loss_total_value", ALPHA], "beside_paper": True}}
    return plan_study(write_study(curves=curves))


@pytest.fixture
def finished(monkeypatch: pytest.MonkeyPatch) -> dict[str, FinishedRun]:
    for module in ("curves", "measures"):
        monkeypatch.setattr(f"lung_ssp.studies.{module}.scalars", lambda folder: DASHBOARDS[str(folder)])
    record = SimpleNamespace(test_patients=2)
    return {name: FinishedRun(Path(name), record, None) for name in DASHBOARDS}


def test_a_curve_is_the_mean_over_seeds_at_the_steps_that_all_have(
    study: Study, finished: dict[str, FinishedRun]
) -> None:
    curves = curves_of(study, study.settings.curves["a"], finished)
    of = {(curve.tag, curve.cell.variant): curve for curve in curves}
    assert len(of) == 3  # single task has no alphas, and is left out of their panel
    single = of["loss_total_value", "single"]
    assert (single.seeds, single.steps, single.mean) == (2, [100, 200], [3.0, 2.0])
    # 2 and 4: 12.706 times the standard error, which is 1, to either side
    assert single.low[0] == pytest.approx(3 - 12.706, abs=1e-3) and single.high[0] == pytest.approx(15.706, abs=1e-3)
    assert of[ALPHA, "partial"].mean == pytest.approx([0.2, 0.3])
    table = table_of_curves(study, "a", curves, finished)
    assert len(table) == 6
    assert set(table["cohort"]) == {"few 0123456789abcdef"} and set(table["test_patients"]) == {2}


def test_the_figure_says_what_it_is_of(study: Study, finished: dict[str, FinishedRun], tmp_path: Path) -> None:
    settings = study.settings.curves["a"]
    save_curves(study, settings, tmp_path / "a.png", curves_of(study, settings, finished), finished)
    with Image.open(tmp_path / "a.png") as picture:
        assert "SYNTHETIC" in picture.info["Description"]
        assert "2 seeds; tested on 2 patients" in picture.info["Description"]


def test_a_scalar_that_no_run_has_is_told(study: Study, finished: dict[str, FinishedRun]) -> None:
    settings = study.settings.curves["a"].model_copy(update={"tags": ["loss_totel_value"]})
    with pytest.raises(StudyError, match=r"scalar loss_totel_value \(did you mean loss_total_value\?\)"):
        curves_of(study, settings, finished)


def test_a_scalar_is_a_metric_too(finished: dict[str, FinishedRun]) -> None:
    metric = DashboardMetric(source="dashboard", title="x", tag=ALPHA)
    assert value_of(metric, finished["partial/0"]) == 0.2
    assert value_of(metric.model_copy(update={"step": 100}), finished["partial/0"]) == 0.1
    with pytest.raises(StudyError, match="at the steps 100, 200, not at 150"):
        value_of(metric.model_copy(update={"step": 150}), finished["partial/0"])
    with pytest.raises(StudyError, match="has no scalar alphas/fc3/image_from_pathology"):
        value_of(metric, finished["single/0"])


def test_a_dashboard_that_is_gone_or_damaged_is_told(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"vdlrecords\.run\.log does not exist: remove the run"):
        scalars(tmp_path / "none")
    (tmp_path / "run" / "visualdl").mkdir(parents=True)
    (tmp_path / "run" / "visualdl" / "vdlrecords.run.log").write_bytes(b"\x05\x00\x00\x00 no record")
    with pytest.raises(StudyError, match="remove the run's folder to train it anew"):
        scalars(tmp_path / "run")

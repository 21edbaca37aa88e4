"""A diagnosis whose candidates a second stage has judged: ranked, dropped, and written down."""

import re
import shutil
from pathlib import Path

import paddle
import pandas as pd
import pytest

from lung_ssp.diagnosis.diagnoser import diagnose_series
from lung_ssp.diagnosis.folder import diagnose_folder
from lung_ssp.diagnosis.saved import read_diagnosis
from lung_ssp.errors import ConfigError, LungSspError
from lung_ssp.files import read_json
from lung_ssp.tasks import read_training
from lung_ssp.training.checkpoint import network_arrays, save_checkpoint
from lung_ssp.training.run import open_run


@pytest.fixture(scope="module")
def judge(tiny_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the second stage that has learned nothing, but tells candidates from each other."""
    folder = tmp_path_factory.mktemp("judge") / "run"
    small = ["patch.size=16", "patch.slices=3", "model.width=2", "model.fully_connected=4", "candidates.threshold=0.0"]
    task, config = read_training("candidates/false_positives.yml", small)
    open_run(folder, config.text(), {}, tiny_cohort, resume=False)
    paddle.seed(0)
    arrays = network_arrays(task.build_network(config))
    save_checkpoint(folder / "checkpoints", "best", 0, arrays, {"score_name": "untrained", "score": 0.0})
    return folder


@pytest.fixture(scope="module")
def judged(series: Path, runs: tuple[Path, Path], judge: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a diagnosis in which every candidate is kept."""
    out = tmp_path_factory.mktemp("judged") / "out"
    text = diagnose_series(series, *runs, out, candidates=judge).table()
    assert "Candidates: 0 dropped, whose probability of a nodule is below 0." in text
    assert "\nnodule probability learnt from a SYNTHETIC cohort (" in text
    head, first = text.partition("  nodule")[2].splitlines()[:2]
    assert head.split()[:2] == ["score", "mm"]
    assert len(re.findall(r"\d\.\d\d \[SYNTHETIC\]", first)) == 4  # of both stages and both tasks
    return out


def test_findings_are_ranked_by_the_second_stage_and_say_both_scores(
    judged: Path, series: Path, runs: tuple[Path, Path], judge: Path, tmp_path: Path
) -> None:
    report = read_json(judged / "findings.json")
    findings = report["findings"]
    probabilities = [finding["nodule_probability"] for finding in findings]
    assert len(findings) > 1 and probabilities == sorted(probabilities, reverse=True)
    assert [finding["number"] for finding in findings] == list(range(1, len(findings) + 1))
    assert report["settings"]["candidates"] == {"threshold": 0.0} and report["dropped_candidates"] == 0
    assert report["weights"]["candidates"]["weights_fingerprint"] in report["training"]
    diagnose_series(series, *runs, tmp_path / "plain")
    plain = read_json(tmp_path / "plain" / "findings.json")
    assert "candidates" not in plain["settings"] and "dropped_candidates" not in plain
    assert "nodule_probability" not in plain["findings"][0]
    assert sorted(f["score"] for f in plain["findings"]) == sorted(f["score"] for f in findings)
    saved = read_diagnosis(judged)
    assert saved is not None and saved.findings[0].nodule_probability == probabilities[0]


def test_what_does_not_reach_the_threshold_is_dropped_and_counted(
    judged: Path, series: Path, runs: tuple[Path, Path], judge: Path, tmp_path: Path
) -> None:
    before = read_json(judged / "findings.json")["findings"]
    limit = (before[0]["nodule_probability"] + before[1]["nodule_probability"]) / 2
    overrides = [f"candidates.threshold={limit}"]
    diagnosis = diagnose_series(series, *runs, tmp_path / "out", candidates=judge, overrides=overrides)
    assert len(diagnosis.findings) == 1 and len(diagnosis.segmentation.candidates) == 1
    report = read_json(tmp_path / "out" / "findings.json")
    assert report["dropped_candidates"] == len(before) - 1
    assert report["findings"][0]["centre_lps_mm"] == before[0]["centre_lps_mm"]
    assert f"Candidates: {len(before) - 1} dropped" in diagnosis.table()


def test_a_folder_of_scans_is_judged_alike(
    judged: Path, series: Path, runs: tuple[Path, Path], judge: Path, tmp_path: Path
) -> None:
    out, folder = tmp_path / "out", tmp_path / "scans"
    shutil.copytree(series, folder / "one")
    diagnose_folder(folder, *runs, out, candidates=judge, processes=1)
    table = pd.read_csv(out / "findings.csv")
    expected = [finding["nodule_probability"] for finding in read_json(judged / "findings.json")["findings"]]
    assert table.nodule_probability.tolist() == expected
    assert table.nodule_probability_learnt_from.str.startswith("a SYNTHETIC cohort (").all()
    (scan,) = pd.read_csv(out / "scans.csv").to_dict("records")
    assert scan["seconds_candidates"] == read_json(out / scan["scan"] / "findings.json")["seconds"]["candidates"]
    with pytest.raises(LungSspError, match="other weights"):
        diagnose_folder(folder, *runs, out, processes=1)


def test_its_threshold_without_it_is_refused(series: Path, runs: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"candidates.threshold is of the second stage, .* --candidates RUN"):
        diagnose_series(series, *runs, tmp_path / "out", overrides=["candidates.threshold=0.3"])
    with pytest.raises(ConfigError, match="task"):
        diagnose_series(series, *runs, tmp_path / "out", candidates=runs[0])
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())

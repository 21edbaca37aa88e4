"""Runs that learn from nodules, from the configuration to one table of several folds."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from lung_ssp.cli import main
from lung_ssp.cohort.description import read_cohort, write_cohort
from lung_ssp.errors import CheckpointError
from lung_ssp.runs import evaluate, join, train
from lung_ssp.segmentation.metrics import SegmentationMetrics

pytestmark = pytest.mark.slow

SHIPPED = Path(__file__).parents[2] / "configs" / "segmentation"


@pytest.fixture(scope="module")
def folds(write_nodules_to, lungs_without_lesions, tmp_path_factory) -> list[Path]:
    """Two runs of a few steps on the same nodules with training and test patients changed, with a second cohort."""
    folder = tmp_path_factory.mktemp("folds")
    runs = []
    for test_first in (False, True):
        root = folder / f"cohort-{test_first}"
        write_nodules_to(root, test_first=test_first)
        also = [{"dataset_root": str(lungs_without_lesions), "share": 0.5}]
        tree = {
            "_base_": str(SHIPPED / "smoke.yml"),
            "batch_size": 2,
            "iters": 4,
            "slices": {"spacing_mm": [2.5, 1.4, 1.4]},
            "train_dataset": {"dataset_root": str(root), "patch_size": 32, "also": also},
            "val_dataset": {"dataset_root": str(root)},
        }
        config = folder / f"config-{test_first}.yml"
        config.write_text(yaml.safe_dump(tree))
        runs.append(folder / f"run-{test_first}")
        train(config, runs[-1])
    return runs


def test_a_run_without_a_test_split_is_evaluated_and_has_no_figures(folds, tmp_path):
    """As the network for the package is trained: of the nodules' cohort nobody is left to test on."""
    root = shutil.copytree(folds[0].parent / "cohort-False", tmp_path / "cohort")
    cohort = read_cohort(root)
    write_cohort(root, cohort.model_copy(update={"nodules": cohort.nodules.model_copy(update={"test_fold": None})}))
    run = shutil.copytree(folds[0], tmp_path / "run", ignore=shutil.ignore_patterns("metrics*", "evaluation.json"))
    config = run / "config.yml"
    config.write_text(config.read_text().replace(str(folds[0].parent / "cohort-False"), str(root)))
    metrics = evaluate(run).metrics
    assert metrics.nodules is None and metrics.test_scans is None
    assert "checkpoint: step" in (run / "metrics.txt").read_text()


def test_a_run_is_measured_on_the_nodules_of_its_test_split(folds):
    metrics = evaluate(folds[0]).metrics
    assert isinstance(metrics, SegmentationMetrics) and metrics.nodules is not None
    assert metrics.test_scans is None
    assert [nodule.patient for nodule in metrics.nodules.by_nodule] == ["patient-5", "patient-6"]
    assert (folds[0] / "figures" / "nodules.png").is_file()
    with (folds[0] / "nodules.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["dice"]) for row in rows] == pytest.approx(
        [nodule.dice for nodule in metrics.nodules.by_nodule], abs=1e-6
    )
    text = (folds[0] / "metrics.txt").read_text()
    assert "2 SYNTHETIC nodules of 2 patients, split test; fold 2" in text and "the tests" in text
    assert evaluate(folds[0]).metrics == metrics  # read from metrics.json


def test_a_run_of_several_cohorts_says_so_and_keeps_to_them(folds, lungs_without_lesions, tmp_path):
    description = read_cohort(folds[1])
    assert description.name == "votes + none" and description.synthetic
    path = lungs_without_lesions / "cohort.json"
    before = path.read_text()
    tree = json.loads(before)
    path.write_text(json.dumps({**tree, "fingerprint": "22"}))
    try:
        with pytest.raises(CheckpointError, match=r"was trained on the cohort \w{16}, but .* and .* now hold \w{16}"):
            evaluate(folds[1])
    finally:
        path.write_text(before)


def test_runs_of_several_folds_are_joined(folds, tmp_path, capsys):
    words = ["eval", *map(str, folds), "--joined", str(tmp_path / "joined")]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "5 SYNTHETIC nodules of 5 patients, folds 0, 2, joined from 2 runs" in printed
    assert (tmp_path / "joined" / "metrics.txt").read_text() == printed.rstrip("\n") + "\n"
    with (tmp_path / "joined" / "nodules.csv").open() as file:
        assert [row["patient"] for row in csv.DictReader(file)] == [f"patient-{seed}" for seed in (0, 1, 2, 5, 6)]
    assert main(["eval", str(folds[0]), str(folds[0])]) == 2
    assert "was measured by two of the runs" in capsys.readouterr().err


def test_runs_of_other_settings_are_not_joined(folds, capsys):
    path = folds[1] / "config.yml"
    before = path.read_text()
    tree = yaml.safe_load(before)
    tree["train_dataset"]["also"][0]["share"] = 0.25
    path.write_text(yaml.safe_dump({**tree, "batch_size": 3}))
    try:
        assert main(["eval", *map(str, folds)]) == 2
    finally:
        path.write_text(before)
    said = capsys.readouterr().err
    assert "run-True and" in said and "differ in batch_size, train_dataset.also 1.share: join runs of one conf" in said


def test_another_cohort_is_measured_but_for_the_patients_that_were_learned_from(folds, write_nodules_to, tmp_path):
    other = write_nodules_to(tmp_path / "other", name="other", test_first=True)
    metrics = evaluate(folds[0], nodules=other).metrics
    assert isinstance(metrics, SegmentationMetrics) and metrics.nodules is not None
    assert metrics.nodules.fingerprint == "other-1"
    assert [nodule.patient for nodule in metrics.nodules.by_nodule] == ["patient-5", "patient-6"]
    assert "split train" in metrics.nodules.which  # of the other cohort


def test_options_that_do_not_go_together_are_refused(folds, capsys):
    assert main(["eval", *map(str, folds), "--table2"]) == 2
    assert "--table2, --real-nodules and --candidates measure one run" in capsys.readouterr().err
    assert join(folds).groups[0].nodules == 5


def test_cubes_of_unknown_patients_measure_no_run_that_learned_from_patients(folds, capsys, tmp_path):
    run = folds[0]
    files = [run / "cohort.json", run.parent / "cohort-False" / "cohort.json"]
    before = [file.read_text() for file in files]
    cube = np.zeros((1, 16, 16, 16), np.int16)
    np.savez(tmp_path / "lidc_nodules_3d.npz", hu=cube, mask=cube == 0)
    try:
        for file, text in zip(files, before, strict=True):
            file.write_text(json.dumps({**json.loads(text), "synthetic": False}))
        assert main(["eval", str(run), "--real-nodules", str(tmp_path)]) == 2
    finally:
        for file, text in zip(files, before, strict=True):
            file.write_text(text)
    assert "lidc_nodules_3d.csv, which says whose the cubes are, is missing" in capsys.readouterr().err

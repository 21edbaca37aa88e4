"""Malignant against benign over several folds: pairs of one fold only, and the patients of each fold drawn."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lung_ssp.classification.binary import BinaryAuc, Scored, binary_auc
from lung_ssp.classification.metrics import Baselines, ClassificationMetrics
from lung_ssp.classification.pooled import pool_folds, pooled_text, write_pooled
from lung_ssp.cli import main
from lung_ssp.errors import CohortError
from lung_ssp.training.evaluation import read_metrics
from lung_ssp.training.run import BestCheckpoint


def figure(fold: int, scores: list[float], malignant: list[int], score: str = "a branch") -> BinaryAuc:
    names = np.array([f"P{fold}-{i}" for i in range(len(scores))])
    return binary_auc(
        "cancer against benign", score, "patient", fold, Scored(np.array(scores), np.array(malignant, bool), names)
    )


def run(fold: int, scores: list[float], malignant: list[int], readers: list[float]) -> ClassificationMetrics:
    return ClassificationMetrics(
        statement=f"fold {fold}",
        synthetic=False,
        fingerprint="abcd",
        checkpoint=BestCheckpoint(1, "auc", 0.5, "00ff"),
        sharing="partial_soft_sharing",
        inputs="CT sections",
        classes={},
        comparisons={},
        for_comparison=Baselines(None, None, None),
        mean_alphas={},
        slides=None,
        binary={
            "pathology_by_patient": figure(fold, scores, malignant),
            "readers_by_patient": figure(fold, readers, malignant, "the readers"),
        },
    )


def test_only_patients_of_one_fold_are_compared() -> None:
    # by hand: of 2 pairs 1 is won, of 2 pairs 2: 3 of 4; as if on one scale it would be 7 of 9
    folds = [run(0, [0.1, 0.3, 0.2], [0, 0, 1], [1, 2, 3]), run(3, [0.8, 0.9, 0.95], [0, 1, 1], [4, 3, 5])]
    metrics = pool_folds(folds[::-1])
    own, readers = metrics.aucs["pathology_by_patient"], metrics.aucs["readers_by_patient"]
    assert (own.auc, own.pairs, own.samples, own.patients, own.malignant) == (0.75, 4, 6, 6, 3)
    assert own.folds == {0: 0.5, 3: 1.0} and readers.folds == {0: 1.0, 3: 0.5}
    assert readers.auc == 0.75 and own.against_readers == 0 and readers.against_readers is None
    moved = [run(0, [10.1, 10.3, 10.2], [0, 0, 1], [1, 2, 3]), folds[1]]  # another network's scale
    assert pool_folds(moved).aucs["pathology_by_patient"].interval == own.interval
    assert pool_folds(moved).aucs["pathology_by_patient"].auc == own.auc


def test_one_fold_is_itself() -> None:
    rng = np.random.default_rng(0)
    scores, malignant = rng.random(30).tolist(), (rng.random(30) < 0.5).astype(int).tolist()
    alone = run(2, scores, malignant, scores)
    pooled = pool_folds([alone]).aucs["pathology_by_patient"]
    assert pooled.auc == pytest.approx(alone.binary["pathology_by_patient"].auc)
    assert pooled.interval == pytest.approx(alone.binary["pathology_by_patient"].interval)
    assert pooled.against_readers_interval == (0, 0)  # the same scores in the same drawings


def test_more_folds_tell_more() -> None:
    rng = np.random.default_rng(1)
    folds = []
    for fold in range(8):
        malignant = np.arange(20) % 2
        folds.append(run(fold, (malignant + rng.normal(0, 1, 20)).tolist(), malignant.tolist(), [0.0] * 20))
    widths = []
    for count in (1, 8):
        own = pool_folds(folds[:count]).aucs["pathology_by_patient"]
        assert own.interval is not None and own.auc is not None and own.interval[0] < own.auc < own.interval[1]
        assert own.against_readers == pytest.approx(own.auc - 0.5)
        widths.append(own.interval[1] - own.interval[0])
    assert widths[1] < 0.6 * widths[0]


def test_a_fold_with_one_side_adds_no_pair() -> None:
    metrics = pool_folds([run(0, [0.1, 0.2], [0, 1], [1, 2]), run(1, [0.5, 0.6], [1, 1], [1, 2]), run(2, [], [], [])])
    own = metrics.aucs["pathology_by_patient"]
    assert (own.auc, own.pairs, own.samples, own.folds) == (1.0, 1, 4, {0: 1.0, 1: None, 2: None})
    nothing = pool_folds([run(1, [0.5, 0.6], [1, 1], [1, 2])]).aucs["pathology_by_patient"]
    assert nothing.auc is None and nothing.interval is None and nothing.against_readers is None
    assert "0 pairs: AUC -\n" in pooled_text(pool_folds([run(1, [0.5, 0.6], [1, 1], [1, 2])]))


def test_runs_that_do_not_go_together_are_refused() -> None:
    one = run(0, [0.1, 0.2], [0, 1], [1, 2])
    other = run(1, [0.3, 0.4], [0, 1], [1, 2])  # other patients
    other = replace(other, binary={name: replace(own, fold=0) for name, own in other.binary.items()})
    with pytest.raises(CohortError, match="Two of the runs tested the same fold: join runs that tested different"):
        pool_folds([one, other])
    with pytest.raises(CohortError, match="The patient P0-0 was tested by two of the runs: join runs that tested"):
        pool_folds([one, one])
    with pytest.raises(CohortError, match="told other classes apart"):
        pool_folds([one, replace(run(1, [0.1], [0], [1]), synthetic=True)])
    with pytest.raises(CohortError, match="told other classes apart"):
        pool_folds([one, replace(run(1, [0.1], [0], [1]), binary={})])


@pytest.mark.slow
def test_runs_of_several_folds_by_the_command(
    nodule_run_of: Callable[[str], Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """On synthetic nodules and untrained networks."""
    runs = [str(nodule_run_of(fold)) for fold in "12"]
    assert main(["eval", *runs, "--joined", str(tmp_path / "joined")]) == 0
    printed = capsys.readouterr().out
    assert "malignant against benign, test folds 1, 2, each tested by the run" in printed
    assert (tmp_path / "joined" / "metrics.txt").read_text() == printed.rstrip("\n") + "\n"
    written = json.loads((tmp_path / "joined" / "metrics.json").read_text())["aucs"]["pathology_by_patient"]
    apart = [read_metrics(Path(run), ClassificationMetrics).binary["pathology_by_patient"] for run in runs]
    assert written["samples"] == sum(own.samples for own in apart) and written["pairs"] == sum(
        own.malignant * (own.samples - own.malignant) for own in apart
    )
    assert main(["eval", runs[0], runs[0]]) == 2
    assert "was tested by two of the runs: join runs that tested different folds" in capsys.readouterr().err


def test_what_is_written_says_how_it_was_pooled(tmp_path: Path) -> None:
    metrics = pool_folds([run(0, [0.1, 0.3, 0.2], [0, 0, 1], [1, 2, 3]), run(1, [0.8, 0.9], [0, 1], [4, 3])])
    write_pooled(tmp_path / "new", metrics)
    text = (tmp_path / "new" / "metrics.txt").read_text()
    assert text == pooled_text(metrics)
    assert "test folds 0, 1, each tested by the run that had not learned from it" in text
    assert "pairs of one fold only, of all folds together, since two networks' scores are not on one scale;" in text
    assert "cancer against benign, 5 patients, 2 malignant, 3 pairs: AUC 0.667 (" in text
    assert "less the AUC of the readers' ratings of the same patients: +0.000 (" in text
    written = json.loads((tmp_path / "new" / "metrics.json").read_text())
    assert written["aucs"]["pathology_by_patient"]["folds"] == {"0": 0.5, "1": 1.0}

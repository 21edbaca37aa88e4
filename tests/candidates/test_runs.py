"""A run of the false-positive reduction through the ordinary commands: trained, resumed, measured, exported, used."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lung_ssp.candidates.metrics import FalsePositiveMetrics
from lung_ssp.candidates.trained import load_candidate_judge
from lung_ssp.ct.lesion import Candidate, lesion_from_mask
from lung_ssp.ct.volume import Volume
from lung_ssp.errors import ConfigError
from lung_ssp.runs import evaluate, export, train
from lung_ssp.segmentation.trained import load_segmenter
from lung_ssp.training.batches import StepBatch
from lung_ssp.training.checkpoint import load_checkpoint
from lung_ssp.training.loop import Trainer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(candidate_config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that tells balls from bars."""
    return train(candidate_config, tmp_path_factory.mktemp("run") / "run").run


def test_it_learns_and_is_measured(run: Path, tmp_path: Path) -> None:
    evaluation = evaluate(shutil.copytree(run, tmp_path / "run"))
    metrics = evaluation.metrics
    assert isinstance(metrics, FalsePositiveMetrics) and metrics.synthetic
    assert metrics.auc > 0.9
    assert [source.source for source in metrics.sources] == ["archive", "scans"]
    assert [source.nodules for source in metrics.sources] == [12, 0]
    text = evaluation.text()
    assert (
        "SYNTHETIC cohort" in text and "what a threshold of 0.62 keeps" in text and "of the false ones of scans" in text
    )
    with pytest.raises(ConfigError, match="table2 is no option of the evaluation of a false_positives run"):
        evaluate(run, table2=True)


def test_a_training_that_was_cut_goes_on_to_the_same_bits(
    run: Path, candidate_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Trainer.step

    def cut_at_15(trainer: Trainer, batch: StepBatch) -> None:
        if batch.step == 15:
            raise KeyboardInterrupt
        step(trainer, batch)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Trainer, "step", cut_at_15)
        train(candidate_config, tmp_path / "run")
    assert load_checkpoint(tmp_path / "run" / "checkpoints", "latest")[0] == 10
    again = train(candidate_config, tmp_path / "run", resume=True).run
    for kind in ("latest", "best"):
        one, two = (load_checkpoint(folder / "checkpoints", kind)[1] for folder in (run, again))
        assert one.keys() == two.keys() and all(np.array_equal(one[key], two[key]) for key in one)


def test_the_export_judges_as_paddle_does(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("paddle2onnx", reason="the extra onnx is not installed")
    copy = shutil.copytree(run, tmp_path / "run")
    assert export(copy).greatest_difference < 1e-4
    patches = np.random.default_rng(0).random((70, 3, 16, 16), dtype=np.float32)
    paddle, onnx = (load_candidate_judge(copy, engine).predict(patches) for engine in ("paddle", "onnx"))
    assert paddle.shape == (70,) and np.abs(paddle - onnx).max() < 1e-5


def test_candidates_of_a_scan_are_ranked_by_its_probability(run: Path) -> None:
    z, y, x = np.indices((9, 60, 80))
    ball = (z - 4) ** 2 * 4 + ((y - 30) ** 2 + (x - 20) ** 2) * 0.64 < 3.2**2
    bar = (np.abs(z - 4) < 3) & (np.abs(y - 30) < 2) & (x > 40)
    hu = np.where(ball | bar, 30, -850) + np.random.default_rng(0).normal(0, 25, ball.shape)
    volume = Volume(hu.astype(np.int16), (2.0, 0.8, 0.8), origin=(-3.0, 5.0, 100.0))
    candidates = [
        Candidate(lesion_from_mask(bar, volume), 0.9, 0.0),
        Candidate(lesion_from_mask(ball, volume), 0.6, 0.0),
    ]
    judge = load_candidate_judge(run)
    first, second = judge.rank(candidates, volume)
    assert first.lesion is candidates[1].lesion and second.score == 0.9
    assert first.nodule_probability > second.nodule_probability
    between = (first.nodule_probability + second.nodule_probability) / 2
    strict = judge.settings.candidates.model_copy(update={"threshold": between})
    strict_judge = replace(judge, settings=judge.settings.model_copy(update={"candidates": strict}))
    assert [one.score for one in strict_judge.keep(candidates, volume)] == [0.6]
    assert judge.rank([], volume) == []


def test_a_run_of_another_task_is_refused(run: Path) -> None:
    with pytest.raises(ConfigError, match="task"):
        load_segmenter(run)

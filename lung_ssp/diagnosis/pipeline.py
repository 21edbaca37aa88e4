"""The whole way: a series to lungs, nodules, sections, and nine probabilities of both tasks."""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax
from tqdm import tqdm

from lung_ssp.classification.build import TrainedClassifier, load_classifier
from lung_ssp.cohort.classes import TASK_NAMES
from lung_ssp.cohort.store import class_names
from lung_ssp.ct.figures import save_lung_figure
from lung_ssp.ct.lesion import Candidate
from lung_ssp.ct.parenchyma import segment_lungs
from lung_ssp.ct.series import open_series
from lung_ssp.ct.settings import SectionSettings, check_accept
from lung_ssp.ct.volume import Volume
from lung_ssp.diagnosis.figures import save_overview
from lung_ssp.diagnosis.finding import Finding
from lung_ssp.diagnosis.statement import NOT_FOR_DIAGNOSIS, training_statement, weights_of
from lung_ssp.errors import CheckpointError, LungSspError
from lung_ssp.exported import Engine, engine_for
from lung_ssp.files import read_json, write_json
from lung_ssp.segmentation.trained import load_segmenter
from lung_ssp.training.run import COHORT_FILE

ENGINE_NAMES: dict[Engine, str] = {"onnx": "ONNX Runtime", "paddle": "Paddle"}


def diagnose_series(
    series: Path,
    segmentation_run: Path,
    classification_run: Path,
    out: Path,
    series_uid: str | None = None,
    accept: Collection[str] = (),
    engine: Engine | None = None,
    device: str = "cpu",
) -> str:
    """Find and classify the nodules of one CT series.

    Writes findings.json and one picture a finding into `out`, which must be new or empty.

    Args:
        series: folder with the series' DICOM files.
        series_uid: which series, where the folder holds several.
        accept: what is corrected instead of refused ("tilt", "gaps", "duplicates"; see `open_series`).
        engine: what runs the networks; None: on a CPU ONNX Runtime where a run has been exported, else Paddle.
        device: "cpu" or "gpu", where Paddle computes.

    Returns:
        the findings as a text table.

    Raises:
        LungSspError: the series, a run or the folder is at fault.
    """
    check_accept(accept)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise LungSspError(f"{out} is not an empty folder: name another --out, so that nothing is overwritten.")
    runs = {"segmentation": segmentation_run, "classification": classification_run}
    engines = {task: engine_for(run, engine, device) for task, run in runs.items()}
    seconds: dict[str, float] = {}
    with timed("loading", seconds):
        segmenter = load_segmenter(segmentation_run, engines["segmentation"])
        classifier = load_classifier(classification_run, engines["classification"])
    section_settings = section_settings_of(classification_run, classifier)
    names = class_names(read_json(classification_run / COHORT_FILE))
    weights = {
        "segmentation": weights_of(segmentation_run, segmenter.checkpoint),
        "classification": weights_of(classification_run, classifier.checkpoint),
    }
    notice = f"{NOT_FOR_DIAGNOSIS} {training_statement(weights)}"

    with timed("reading", seconds):
        read = open_series(series, series_uid, accept)
        volume = read.volume
    with timed("lungs", seconds):
        lungs = segment_lungs(volume, segmenter.settings.parenchyma)
    with timed("segmentation", seconds):
        candidates = segmenter.segment(volume, lungs.mask).candidates
    with timed("classification", seconds):
        findings = classify(candidates, volume, classifier, section_settings, names)
    out.mkdir(parents=True, exist_ok=True)
    with timed("figures", seconds):
        save_lung_figure(out / "lungs.png", volume, lungs, notice)
        for finding in tqdm(findings, "figures", unit="finding"):
            save_overview(finding, volume, lungs.mask, notice, out / finding.figure_name)
    write_json(
        out / "findings.json",
        {
            "notice": NOT_FOR_DIAGNOSIS,
            "training": training_statement(weights),
            "weights": weights,
            "engines": engines,
            "series": describe_series(volume),
            "corrections": list(read.corrections),
            "lungs": {"volume_ml": round(lungs.volume_ml, 1), "threshold_hu": round(lungs.threshold_hu, 1)},
            "findings": [finding.as_json() for finding in findings],
            "seconds": {step: round(value, 2) for step, value in seconds.items()},
        },
    )
    return text_table(findings, notice, seconds, engines, out, read.corrections)


def classify(
    candidates: list[Candidate],
    volume: Volume,
    classifier: TrainedClassifier,
    settings: SectionSettings,
    names: dict[str, tuple[str, ...]],
) -> list[Finding]:
    """The findings in the order of the candidates, each with the probabilities of both tasks.

    Of a classifier with two inputs, with those of the image diagnosis alone: a CT comes without a slide.
    """
    if not candidates:
        return []
    sections = np.stack([candidate.lesion.section(volume, settings) for candidate in candidates])
    logits = classifier.logits(sections[:, None])
    seen = ("image",) if classifier.settings.model.two_inputs else TASK_NAMES
    probabilities = {task: softmax(logits[task], axis=1) for task in seen}
    return [
        Finding(i + 1, candidate, sections[i], {task: probabilities[task][i] for task in seen}, names)
        for i, candidate in enumerate(candidates)
    ]


def section_settings_of(run: Path, classifier: TrainedClassifier) -> SectionSettings:
    """How the sections that the classifier learnt from were made.

    Raises:
        CheckpointError: the run does not tell, or its network takes another size.
    """
    try:
        settings = SectionSettings.model_validate(read_json(run / COHORT_FILE)["settings"]["section"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{run / COHORT_FILE} does not tell how its sections were made: prepare the cohort and train again."
        ) from error
    if settings.size != classifier.settings.model.image_size:
        raise CheckpointError(f"{run} was trained on sections of {settings.size} pixels, its network takes others.")
    return settings


def describe_series(volume: Volume) -> dict[str, Any]:
    """The series by its UID and its grid; of the patient nothing is read, neither name nor number nor dates."""
    return {
        "series_uid": volume.series_uid,
        "shape_zyx": list(volume.shape),
        "spacing_zyx_mm": [round(step, 4) for step in volume.spacing],
    }


@contextmanager
def timed(step: str, seconds: dict[str, float]) -> Iterator[None]:
    """Note how long a step takes."""
    begin = time.perf_counter()
    yield
    seconds[step] = time.perf_counter() - begin


def text_table(
    findings: list[Finding],
    notice: str,
    seconds: dict[str, float],
    engines: dict[str, Engine],
    out: Path,
    corrections: Sequence[str],
) -> str:
    """The findings to read on a console."""
    lines = [notice, "", *(f"Corrected: {what}." for what in corrections), f"{len(findings)} findings in {out}:"]
    if findings:
        lines.append(f"{'':>4s}{'score':>7s}{'mm':>7s}{'HU':>7s}{'slice':>7s}  image diagnosis / pathology diagnosis")
    for finding in findings:
        opinions = " / ".join(finding.prediction(task) for task in TASK_NAMES)
        candidate = finding.candidate
        lines.append(
            f"{finding.number:4d}{candidate.score:7.2f}{candidate.lesion.diameter_mm:7.1f}{candidate.mean_hu:7.0f}"
            f"{candidate.lesion.slice_index + 1:7d}  {opinions}"
        )
    steps = ", ".join(f"{step} {value:.1f} s" for step, value in seconds.items())
    run_by = ", ".join(f"{task} by {ENGINE_NAMES[engine]}" for task, engine in engines.items())
    return "\n".join([*lines, "", f"networks: {run_by}", f"time: {steps}, together {sum(seconds.values()):.1f} s"])

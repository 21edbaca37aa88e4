"""The whole way: a scan to lungs, candidates, sections, and the probabilities of both tasks."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lung_ssp.candidates.trained import CandidateJudge, load_candidate_judge
from lung_ssp.classification.trained import TrainedClassifier, load_classifier
from lung_ssp.ct.lesion import Candidate
from lung_ssp.ct.parenchyma import segment_lungs
from lung_ssp.ct.series import open_series
from lung_ssp.ct.settings import SectionSettings, check_accept
from lung_ssp.ct.source import Contents, Source, names_by_reason
from lung_ssp.ct.volume import Volume
from lung_ssp.diagnosis.diagnosis import Diagnosis
from lung_ssp.diagnosis.finding import Finding
from lung_ssp.diagnosis.formats import Outputs, unreferable
from lung_ssp.diagnosis.learnt_from import Weights, weights_of
from lung_ssp.diagnosis.output import check_output
from lung_ssp.diagnosis.settings import DiagnosisSettings, diagnosis_settings
from lung_ssp.diagnosis.timing import timed
from lung_ssp.errors import CheckpointError
from lung_ssp.folders import alone_in
from lung_ssp.runtime import Device, choose_device, require_libraries
from lung_ssp.segmentation.trained import TrainedSegmenter, load_segmenter
from lung_ssp.training.onnx import Engine, engine_for, libraries_of
from lung_ssp.training.run import run_cohort
from lung_ssp.weights.shipped import check_shipped, diagnosis_runs, is_shipped


@dataclass(frozen=True)
class Diagnoser:
    """The trained networks, ready for scans.

    settings: of the lungs and the candidates, and how a series is read.
    section_settings: how the sections that the classifier learnt from were made.
    names: by task, the names of its classes.
    weights, engines: by task, where the network comes from and what runs it.
    judge: the second stage of the detection; None: every candidate is a finding.
    """

    segmenter: TrainedSegmenter
    classifier: TrainedClassifier
    settings: DiagnosisSettings
    section_settings: SectionSettings
    names: dict[str, tuple[str, ...]]
    weights: dict[str, Weights]
    engines: dict[str, Engine]
    judge: CandidateJudge | None = None

    def __call__(
        self,
        scan: Volume,
        corrections: Sequence[str] = (),
        doubts: Sequence[str] = (),
        left_out: Mapping[str, Sequence[str]] | None = None,
    ) -> Diagnosis:
        """Find and classify the nodules of a scan.

        Args:
            scan: HU, as `read_series` gives it.
            corrections: what was corrected in the series when it was read (Series.corrections); it is reported.
            doubts: what is unusual about the series (Series.doubts); it is reported.
            left_out: the names of files that were left out, by why they were (names_by_reason); they are reported.

        Raises:
            SeriesError: no lungs are found in it.
        """
        seconds: dict[str, float] = {}
        with timed("lungs", seconds):
            lungs = segment_lungs(scan, self.settings.parenchyma)
        with timed("segmentation", seconds):
            segmentation = self.segmenter.segment(scan, lungs.mask)
        dropped = 0
        if self.judge is not None:
            with timed("candidates", seconds):
                kept = self.judge.keep(segmentation.candidates, scan)
            dropped = len(segmentation.candidates) - len(kept)
            segmentation = replace(segmentation, candidates=kept)
        with timed("classification", seconds):
            findings = classify(segmentation.candidates, scan, self.classifier, self.section_settings, self.names)
        files = {why: tuple(names) for why, names in (left_out or {}).items()}
        return Diagnosis(
            findings,
            scan,
            lungs,
            segmentation,
            tuple(corrections),
            tuple(doubts),
            files,
            self.settings,
            self.weights,
            self.engines,
            seconds,
            dropped,
        )


def classify(
    candidates: Sequence[Candidate],
    scan: Volume,
    classifier: TrainedClassifier,
    section_settings: SectionSettings,
    names: dict[str, tuple[str, ...]],
) -> list[Finding]:
    """The findings in the order of the candidates, each with the probabilities of the tasks that need a CT alone."""
    if not candidates:
        return []
    sections = np.stack([candidate.lesion.section(scan, section_settings) for candidate in candidates])
    probabilities = classifier.probabilities(sections[:, None])
    return [
        Finding(i + 1, candidate, sections[i], {task: rows[i] for task, rows in probabilities.items()}, names)
        for i, candidate in enumerate(candidates)
    ]


def load_diagnoser(
    segmentation: str | Path | None = None,
    classification: str | Path | None = None,
    engine: Engine | None = None,
    device: Device = "cpu",
    overrides: Sequence[str] = (),
    candidates: str | Path | None = None,
) -> Diagnoser:
    """Trained networks, to be called on scans: those that come with the package, or those of runs of one's own.

    Example:
        diagnose = load_diagnoser()
        print(diagnose(read_series("scan")).table())

    Args:
        segmentation: folder of a segmentation run; None: the package's network.
        classification: folder of a classification run; None: the package's network.
        engine: what runs the networks; None: on a CPU ONNX Runtime where a run has been exported, else Paddle.
        device: "cpu" or "gpu", where Paddle computes; it is loaded only where it runs a network.
        overrides: of the settings of the lungs and the candidates (DiagnosisSettings), "key.sub=value" each.
        candidates: folder of a run of the false-positive reduction, which ranks the candidates and drops the
            improbable ones; None: the package's behind its own segmentation network, none behind another.

    Raises:
        LungSspError: a folder holds no such run, it or the package's network is damaged, the device or the engine is
            missing, or an override is wrong.
    """
    runs = diagnosis_runs(segmentation, classification, candidates)
    for run in filter(is_shipped, runs.values()):
        check_shipped(run)
    engines = {task: engine_for(run, engine, device) for task, run in runs.items()}
    require_libraries(*libraries_of(engines.values()))
    if "paddle" in engines.values():
        choose_device(device)
    segmenter = load_segmenter(runs["segmentation"], engines["segmentation"])
    judge = load_candidate_judge(runs["candidates"], engines["candidates"]) if "candidates" in runs else None
    settings = diagnosis_settings(segmenter.settings, overrides, judge.settings.candidates if judge else None)
    in_use = {"parenchyma": settings.parenchyma, "nodules": settings.nodules}
    segmenter = replace(segmenter, settings=segmenter.settings.model_copy(update=in_use))
    classifier = load_classifier(runs["classification"], engines["classification"])
    cohort = run_cohort(runs["classification"])
    if cohort.section.size != classifier.settings.model.image_size:
        raise CheckpointError(
            f"{runs['classification']} was trained on sections of {cohort.section.size} pixels, but its config.yml "
            f"makes a network for {classifier.settings.model.image_size} (model.image_size): restore its cohort.json "
            "and config.yml from a copy, or train it again."
        )
    weights = {
        "segmentation": weights_of(runs["segmentation"], segmenter.checkpoint),
        "classification": weights_of(runs["classification"], classifier.checkpoint, classifier),
    }
    if judge is not None:
        weights["candidates"] = weights_of(runs["candidates"], judge.checkpoint)
        judge = replace(judge, settings=judge.settings.model_copy(update={"candidates": settings.candidates}))
    return Diagnoser(segmenter, classifier, settings, cohort.section, cohort.class_names, weights, engines, judge)


def diagnose_series(
    source: Source,
    segmentation: Path | None,
    classification: Path | None,
    out: Path,
    series_uid: str | None = None,
    accept: Collection[str] = (),
    engine: Engine | None = None,
    device: Device = "cpu",
    overrides: Sequence[str] = (),
    contents: Contents | None = None,
    candidates: Path | None = None,
    outputs: Outputs | None = None,
) -> Diagnosis:
    """Read a series, diagnose it, and write the diagnosis into `out`, which must be new or empty.

    Args:
        segmentation, classification: as for `load_diagnoser`.
        series_uid: which series, where the source holds several.
        accept: what is corrected instead of refused ("tilt", "gaps", "duplicates"; see `open_series`).
        engine, device, overrides, candidates: as for `load_diagnoser`.
        contents: of the source, where it has been looked through before.
        outputs: the formats that are written; None: the default ones.

    Raises:
        LungSspError: the series or a run is invalid, or the folder is not empty, or another process works in it, or the
            series cannot be written in a format that was named.
    """
    check_accept(accept)
    outputs = outputs or Outputs()
    outputs.check_source(source)
    check_output(out)
    seconds: dict[str, float] = {}
    with alone_in(out):
        with timed("loading", seconds):
            diagnoser = load_diagnoser(segmentation, classification, engine, device, overrides, candidates)
        diagnosis = read_and_diagnose(diagnoser, source, series_uid, accept, contents, outputs)
        diagnosis = replace(diagnosis, seconds={**seconds, **diagnosis.seconds})
        diagnosis.save(out, outputs.formats)
    return diagnosis


def read_and_diagnose(
    diagnoser: Diagnoser,
    source: Source,
    series_uid: str | None = None,
    accept: Collection[str] = (),
    contents: Contents | None = None,
    outputs: Outputs | None = None,
) -> Diagnosis:
    """Read a series and diagnose it; the arguments are those of `open_series`.

    Args:
        outputs: what will be written of it; None: what any scan allows.

    Raises:
        SeriesError: the series is invalid, or no lungs are found in it.
        ConfigError: it cannot be written in a format that was named.
    """
    outputs = outputs or Outputs()
    outputs.check_source(source)
    seconds: dict[str, float] = {}
    with timed("reading", seconds):
        gaps = diagnoser.settings.gaps
        series = open_series(source, series_uid, accept, gaps, contents, keep_patient=outputs.keep_patient)
    outputs.check_reference(f"Series {series.volume.series_uid}", unreferable(series.dicom))
    left_out = names_by_reason(series.left_out, source)
    diagnosis = diagnoser(series.volume, series.corrections, series.doubts, left_out)
    return replace(
        diagnosis,
        seconds={**seconds, **diagnosis.seconds},
        stored_direction=series.stored_direction,
        dicom=series.dicom,
    )

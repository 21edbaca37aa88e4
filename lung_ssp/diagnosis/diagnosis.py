"""The result of a diagnosis: findings with all that they come from, as a table, as JSON, and written as files."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lung_ssp.cohort.classes import TASK_NAMES
from lung_ssp.ct.dicom_source import DicomSource
from lung_ssp.ct.parenchyma import LungMask
from lung_ssp.ct.volume import Volume
from lung_ssp.diagnosis.finding import Finding
from lung_ssp.diagnosis.formats import FORMATS, TITLES, Outputs, choose_outputs, unreferable
from lung_ssp.diagnosis.learnt_from import NODULE, Weights, heading, learnt_from, mark_of, training_statement
from lung_ssp.diagnosis.output import (
    FINDINGS_FILE,
    UNFINISHED,
    UNFINISHED_TEXT,
    check_output,
    left_out_line,
    own_files,
)
from lung_ssp.diagnosis.settings import DiagnosisSettings
from lung_ssp.diagnosis.timing import timed
from lung_ssp.files import write_json, write_text
from lung_ssp.segmentation.predict import NoduleSegmentation
from lung_ssp.training.onnx import Engine

NOT_FOR_DIAGNOSIS = "Research use only, not for diagnosis."
ENGINE_NAMES: dict[Engine, str] = {"onnx": "ONNX Runtime", "paddle": "Paddle"}


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What was found in one scan.

    findings: the most suspicious first.
    scan, lungs: the scan and its lung mask.
    segmentation: the candidates and the probability of a nodule.
    corrections: what was corrected in the series when it was read, in sentences.
    doubts: what is unusual about the series and was left as it is, in sentences.
    left_out: the names of files beside the series' slices that were not read, by why they were not.
    settings: of the lungs and the candidates.
    weights: by task, where the weights of its network come from.
    engines: by task, what ran its network.
    seconds: how long each step took.
    dropped: how many candidates the second stage of the detection has dropped.
    stored_direction: of the axes in which the scan's source stores it, as Volume.direction; None: as the scan's.
    dicom: the DICOM series behind the scan; None where there is none, or none is known.
    """

    findings: list[Finding]
    scan: Volume
    lungs: LungMask
    segmentation: NoduleSegmentation
    corrections: tuple[str, ...]
    doubts: tuple[str, ...]
    left_out: dict[str, tuple[str, ...]]
    settings: DiagnosisSettings
    weights: dict[str, Weights]
    engines: dict[str, Engine]
    seconds: dict[str, float]
    dropped: int = 0
    stored_direction: tuple[float, ...] | None = None
    dicom: DicomSource | None = None

    @property
    def is_judged(self) -> bool:
        """Whether a second stage has judged the candidates."""
        return self.settings.candidates is not None

    @property
    def probability(self) -> np.ndarray:
        """The probability of a nodule at each voxel of the scan, float32 (z, y, x), 0..1; outside the lungs it is 0.

        Each access allocates an array of the scan's size.
        """
        return self.segmentation.probability_in(self.scan.shape)

    @property
    def notice(self) -> str:
        """What every output says: what it is not for, and what the networks have learnt from."""
        return f"{NOT_FOR_DIAGNOSIS} {training_statement(self.weights)}"

    def table(self) -> str:
        """The notice, what was corrected, what is unusual about the lungs, and the findings, a line each."""
        lines = [
            self.notice,
            "",
            *(f"Corrected: {what}." for what in self.corrections),
            *(f"Series: {what}." for what in self.doubts),
            *(left_out_line(why, names) for why, names in self.left_out.items()),
            *(f"Lungs: {remark}." for remark in self.lungs.remarks),
            *self._dropped_line(),
            f"{len(self.findings)} findings:",
        ]
        learnt = learnt_from(self.weights)
        if self.findings:
            score = "score" + " " * len(mark_of(learnt["score"]))
            nodule = f"{'nodule':>8s}" + " " * len(mark_of(learnt[NODULE])) if NODULE in learnt else ""
            head = f"{'':>4s}{nodule}  {score}{'mm':>7s}{'HU':>7s}{'slice':>7s}"
            lines += [*heading(self.weights), f"{head}  image diagnosis / pathology diagnosis"]
        return "\n".join([*lines, *(finding_line(finding, learnt) for finding in self.findings)])

    def _dropped_line(self) -> list[str]:
        """How many candidates were dropped, and below which probability."""
        if self.settings.candidates is None:
            return []
        limit = self.settings.candidates.threshold
        return [f"Candidates: {self.dropped} dropped, whose probability of a nodule is below {limit:g}."]

    def timing(self) -> str:
        """What ran the networks, and how long each step took."""
        run_by = ", ".join(f"{task} by {ENGINE_NAMES[engine]}" for task, engine in self.engines.items())
        steps = ", ".join(f"{step} {value:.1f} s" for step, value in self.seconds.items())
        return f"networks: {run_by}\ntime: {steps}, together {sum(self.seconds.values()):.1f} s"

    def not_written(self, outputs: Outputs) -> dict[str, str]:
        """By format, why one of the default formats cannot be written of this scan."""
        why = unreferable(self.dicom)
        return {name: why.format(TITLES[name]) for name in outputs.names if why and FORMATS[name].refers}

    def save(self, folder: str | Path, formats: Collection[str] | None = None) -> None:
        """Write findings.json, then its files in other formats.

        Args:
            folder: new or empty, or one in which this was interrupted.
            formats: of FORMATS; None: the default ones that this scan allows.

        Raises:
            LungSspError: the folder holds something else, or the scan cannot be written in a format that was named.
        """
        folder, outputs = Path(folder), choose_outputs(formats)
        outputs.check_reference("The scan", unreferable(self.dicom))
        check_output(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / UNFINISHED, UNFINISHED_TEXT)
        for earlier in own_files(folder):
            earlier.unlink()
        write_json(folder / FINDINGS_FILE, self.as_json() | self._files_as_json(outputs))
        for name in outputs.names:
            if name not in self.not_written(outputs):
                with timed(FORMATS[name].step or name, self.seconds):
                    FORMATS[name].write(self, folder)
        (folder / UNFINISHED).unlink()

    def _files_as_json(self, outputs: Outputs) -> dict[str, Any]:
        """What findings.json says of the files beside it."""
        not_written = self.not_written(outputs)
        written = [name for name in outputs.names if name not in not_written]
        findings = [finding.as_json() for finding in self.findings]
        if "png" not in written:
            for finding in findings:
                del finding["figure"]
        files = [file for name in written for file in FORMATS[name].names(len(findings))]
        return {"formats": written, "files": files, "not_written": not_written, "findings": findings}

    def as_json(self) -> dict[str, Any]:
        """All but the voxels, in plain numbers.

        Of what the files say of the patient it holds neither name nor number nor dates. Names of files that were left
        out are the user's own.
        """
        return {
            "notice": NOT_FOR_DIAGNOSIS,
            "training": training_statement(self.weights),
            "weights": {task: asdict(weights) for task, weights in self.weights.items()},
            "engines": self.engines,
            "series": {
                "series_uid": self.scan.series_uid,
                "shape_zyx": list(self.scan.shape),
                "spacing_zyx_mm": [round(step, 4) for step in self.scan.spacing],
            },
            "corrections": list(self.corrections),
            "doubts": list(self.doubts),
            "left_out": {why: list(names) for why, names in self.left_out.items()},
            "settings": self.settings.as_json(),
            "lungs": lungs_as_json(self.lungs),
            "learnt_from": learnt_from(self.weights),
            **({"dropped_candidates": self.dropped} if self.is_judged else {}),
            "findings": [finding.as_json() for finding in self.findings],
            "seconds": {step: round(value, 2) for step, value in self.seconds.items()},
        }


def lungs_as_json(lungs: LungMask) -> dict[str, Any]:
    """Volumes, the share of each lung below -950 HU, and what is unusual about them."""
    sides = {
        side.name: {
            "volume_ml": round(side.volume_ml, 1),
            "share_below_950_hu": round(side.share_below_950_hu, 3),
        }
        for side in (lungs.right, lungs.left)
    }
    return {
        "volume_ml": round(lungs.volume_ml, 1),
        **sides,
        "threshold_hu": round(lungs.threshold_hu, 1),
        "remarks": list(lungs.remarks),
    }


def finding_line(finding: Finding, learnt: Mapping[str, str]) -> str:
    """A finding as a line of the table; what has learnt from no patients says so right behind its number.

    Args:
        learnt: what the weights behind each number have learnt from (`learnt_from`).
    """
    marks = {task: mark_of(learnt[task]) if task in finding.probabilities else "" for task in TASK_NAMES}
    predictions = " / ".join(f"{finding.prediction(task)}{marks[task]}" for task in TASK_NAMES)
    candidate = finding.candidate
    nodule = ""
    if candidate.nodule_probability is not None:
        nodule = f"{candidate.nodule_probability:8.2f}{mark_of(learnt[NODULE])}"
    return (
        f"{finding.number:4d}{nodule}{candidate.score:7.2f}{mark_of(learnt['score'])}"
        f"{candidate.lesion.diameter_mm:7.1f}{candidate.mean_hu:7.0f}"
        f"{candidate.lesion.slice_index + 1:7d}  {predictions}"
    )

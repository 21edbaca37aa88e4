"""What the report says, in words and numbers, before any of it is HTML."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lung_ssp import __version__
from lung_ssp.cohort.classes import TASK_NAMES, class_name
from lung_ssp.diagnosis.diagnosis import ENGINE_NAMES, NOT_FOR_DIAGNOSIS, Diagnosis
from lung_ssp.diagnosis.finding import NO_SLIDE, Finding
from lung_ssp.diagnosis.learnt_from import NODULE, heading, learnt_from, mark_of
from lung_ssp.diagnosis.output import left_out_line
from lung_ssp.diagnosis.report.pictures import Picture, pictures_of
from lung_ssp.visible import visible

MINUS, BY = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"

Facts = list[tuple[str, str]]  # what, and its value


@dataclass(frozen=True)
class Task:
    """The probabilities of one task.

    name: "image" or "pathology". mark: behind each of its numbers. words: what its weights have learnt from.
    rows: class, probability; empty where a slide is needed. best: the place of the most probable class.
    prediction: the most probable class and its probability.
    """

    name: str
    mark: str
    words: str
    rows: list[tuple[str, float]]
    best: int
    prediction: str


@dataclass(frozen=True)
class FindingContent:
    """One finding: its number, its slice counted from 1, its measures, probabilities and pictures.

    score, nodule: with their marks; nodule is empty without a second stage of the detection.
    """

    number: int
    slice_number: int
    diameter_mm: str
    mean_hu: str
    score: str
    nodule: str
    measures: Facts
    tasks: list[Task]
    pictures: list[Picture]


@dataclass(frozen=True)
class Content:
    """All that the report says.

    notice: what it is not for. learnt: a line for each of a finding's numbers, what it has learnt from.
    remarks: by heading, what was corrected, doubted, left out, and what is unusual about the lungs.
    order: by which number the findings are sorted.
    networks: by task, where its weights come from. settings: of the lungs and the candidates.
    """

    version: str
    notice: str
    learnt: list[str]
    scan: Facts
    lungs: Facts
    remarks: list[tuple[str, list[str]]]
    order: str
    dropped: str
    findings: list[FindingContent]
    networks: list[tuple[str, Facts]]
    settings: Facts


def content_of(diagnosis: Diagnosis) -> Content:
    """What the report of a diagnosis says. Text from outside is made visible, as in a terminal."""
    dropped = ""
    if diagnosis.settings.candidates is not None:
        limit = diagnosis.settings.candidates.threshold
        dropped = f"{diagnosis.dropped} candidates dropped, whose probability of a nodule is below {limit:g}."
    return Content(
        __version__,
        NOT_FOR_DIAGNOSIS,
        [visible(line) for line in heading(diagnosis.weights)],
        scan_facts(diagnosis),
        lung_facts(diagnosis),
        remarks(diagnosis),
        "the probability of a nodule" if diagnosis.is_judged else "the score",
        dropped,
        [finding_content(finding, diagnosis) for finding in diagnosis.findings],
        network_facts(diagnosis),
        setting_facts(diagnosis),
    )


def scan_facts(diagnosis: Diagnosis) -> Facts:
    """The grid of the scan, and where it lies."""
    scan = diagnosis.scan
    z, y, x = scan.shape
    z_mm, y_mm, x_mm = scan.spacing
    first, last = slice_positions(diagnosis)[[0, -1]]
    return [
        ("Series", visible(scan.series_uid) or "without a UID"),
        ("Slices", f"{z} of {x} {BY} {y} pixels"),
        ("Voxel", f"{x_mm:.3f} {BY} {y_mm:.3f} {BY} {z_mm:.3f} mm"),
        ("Extent", f"{x * x_mm:.0f} {BY} {y * y_mm:.0f} {BY} {z * z_mm:.0f} mm"),
        ("Positions of the slices", f"{signed(first, 1)} to {signed(last, 1)} mm, from the feet to the head"),
        ("Intensities", f"{signed(scan.hu.min())} to {signed(scan.hu.max())} HU"),
    ]


def signed(value: float, digits: int = 0) -> str:
    """A number with a minus sign as it is printed."""
    return f"{round(float(value), digits) + 0:.{digits}f}".replace("-", MINUS)  # + 0: of -0.0 the sign goes


def slice_positions(diagnosis: Diagnosis) -> np.ndarray:
    """Where the middle of each slice lies along the patient's z axis (LPS), mm."""
    scan = diagnosis.scan
    depth, rows, columns = scan.shape
    index = np.array([(z, (rows - 1) / 2, (columns - 1) / 2) for z in range(depth)])
    return scan.to_world(index)[:, 2]


def lung_facts(diagnosis: Diagnosis) -> Facts:
    """The volume of either lung, how much of it has the density of emphysema, and the threshold."""
    lungs = diagnosis.lungs
    sides = [
        (
            f"{side.name.capitalize()} lung",
            f"{side.volume_ml:.0f} ml, {side.share_below_950_hu:.1%} of it below {MINUS}950 HU",
        )
        for side in (lungs.right, lungs.left)
    ]
    return [
        ("Both lungs", f"{lungs.volume_ml:.0f} ml"),
        *sides,
        ("Otsu's threshold", f"{signed(lungs.threshold_hu)} HU"),
    ]


def remarks(diagnosis: Diagnosis) -> list[tuple[str, list[str]]]:
    """What a reader of the findings has to know, by heading; a heading with nothing below it says so in the page."""
    left_out = [
        left_out_line(why, names).removeprefix("Left out: ").removesuffix(".")
        for why, names in diagnosis.left_out.items()
    ]
    found: list[tuple[str, Sequence[str]]] = [
        ("Remarks on the lungs", diagnosis.lungs.remarks),
        ("Unusual about the series", diagnosis.doubts),
        ("Corrected in the series", diagnosis.corrections),
        ("Files left out", left_out),
    ]
    return [(title, [visible(line) for line in lines]) for title, lines in found]


def finding_content(finding: Finding, diagnosis: Diagnosis) -> FindingContent:
    """The numbers of a finding as text, each with the mark of what it has learnt from."""
    candidate, lesion = finding.candidate, finding.candidate.lesion
    learnt = learnt_from(diagnosis.weights)
    nodule = ""
    if candidate.nodule_probability is not None:
        nodule = f"{candidate.nodule_probability:.2f}{mark_of(learnt[NODULE])}"
    return FindingContent(
        finding.number,
        lesion.slice_index + 1,
        f"{lesion.diameter_mm:.1f}",
        signed(candidate.mean_hu),
        f"{candidate.score:.2f}{mark_of(learnt['score'])}",
        nodule,
        [
            ("Equivalent diameter", f"{lesion.diameter_mm:.1f} mm"),
            ("Longest axial", f"{lesion.longest_axial_diameter_mm:.1f} mm"),
            ("Volume", f"{lesion.volume_mm3:.0f} mm³"),
            ("Mean", f"{signed(candidate.mean_hu)} HU"),
            ("Centre (LPS)", f"{', '.join(signed(value, 1) for value in lesion.centre_mm)} mm"),
        ],
        [task_of(finding, task, learnt[task]) for task in TASK_NAMES],
        pictures_of(finding, diagnosis.scan),
    )


def task_of(finding: Finding, task: str, words: str) -> Task:
    """The probabilities of one task; `words`: what its weights have learnt from."""
    mark = mark_of(words)
    if task not in finding.probabilities:
        return Task(task, mark, visible(words), [], -1, NO_SLIDE)
    values = [float(value) for value in finding.probabilities[task]]
    rows = [(visible(class_name(k, finding.names[task])), value) for k, value in enumerate(values)]
    return Task(task, mark, visible(words), rows, int(np.argmax(values)), visible(f"{finding.prediction(task)}{mark}"))


def network_facts(diagnosis: Diagnosis) -> list[tuple[str, Facts]]:
    """By task, where the weights come from, with the licence and the citation of what they have learnt from."""
    return [
        (
            task,
            [
                ("Weights", f"{facts.weights_fingerprint}{', of the package' if facts.shipped else ''}"),
                ("Step of the training", f"{facts.step:,}"),
                ("Trained on", visible(facts.cohort_statement)),
                ("Run by", ENGINE_NAMES[diagnosis.engines[task]]),
            ],
        )
        for task, facts in diagnosis.weights.items()
    ]


def setting_facts(diagnosis: Diagnosis) -> Facts:
    """The settings of the lungs and the candidates, by their keys."""
    return [
        (f"{group}.{key}", visible(str(value)))
        for group, values in diagnosis.settings.as_json().items()
        for key, value in values.items()
    ]

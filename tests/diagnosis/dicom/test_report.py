"""The structured report, read back by highdicom's parser and checked by dcmtk and dicom3tools."""

import shutil
import subprocess
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from highdicom.sr import Comprehensive3DSR, srread
from highdicom.sr.templates import VolumetricROIMeasurementsAndQualitativeEvaluations as Group

from lung_ssp.cohort.classes import CLASS_NAMES
from lung_ssp.diagnosis.diagnosis import Diagnosis


def save(diagnosis: Diagnosis, folder: Path) -> Comprehensive3DSR:
    diagnosis.save(folder, ["seg", "sr"])
    report = srread(folder / "findings-sr.dcm")
    assert isinstance(report, Comprehensive3DSR)
    return report


def groups_of(report: Comprehensive3DSR) -> tuple[Group, list[Group]]:
    """The lungs' measurement group and the findings'."""
    lungs, *findings = report.content.get_volumetric_roi_measurement_groups()
    return lungs, findings


def test_each_finding_has_its_measures_and_probabilities(
    small_series: Path, made_up: Callable[..., Diagnosis], tmp_path: Path
) -> None:
    diagnosis = made_up(small_series, judged=True)
    lungs, groups = groups_of(save(diagnosis, tmp_path / "out"))
    (volume,) = lungs.get_measurements()
    assert (volume.value, volume.unit.value) == (3800.5, "mL") and lungs.finding_type.value == "39607008"
    assert [group.tracking_identifier for group in groups] == [f"lung_ssp finding {number}" for number in (1, 2, 3)]
    for finding, group, side in zip(diagnosis.findings, groups, ("Right", "Right", "Left"), strict=True):
        said = {one.name.meaning: (one.value, one.unit.value) for one in group.get_measurements()}
        as_json = finding.as_json()
        assert said.pop("Long axis") == (as_json["longest_axial_diameter_mm"], "mm")
        assert said.pop("Volume") == (as_json["volume_mm3"], "mm3")
        assert said.pop("Attenuation Coefficient") == (-123.5, "[hnsf'U]")
        assert said.pop("Score of the segmentation network") == (as_json["score"], "1")
        assert said.pop("Probability of a nodule") == (0.5, "1")
        for task in ("image", "pathology"):
            for name, value in as_json[f"{task}_diagnosis"].items():
                assert said.pop(f"Probability by {task} diagnosis: {name}") == (value, "1")
        assert said == {}
        assert group.finding_type.value == "27925004"
        (site,) = group.finding_sites
        assert site.value.meaning == "Lung" and site.laterality is not None and site.laterality.meaning == side
        words = {one.name.meaning: one.value.meaning for one in group.get_qualitative_evaluations()}
        for task in ("image", "pathology"):
            best = CLASS_NAMES[int(np.argmax(finding.probabilities[task]))]
            assert words[f"Most probable {task} diagnosis"] == best


def test_groups_refer_to_the_segments_and_the_slices(
    small_series: Path, made_up: Callable[..., Diagnosis], tmp_path: Path
) -> None:
    diagnosis = made_up(small_series)
    lungs, groups = groups_of(save(diagnosis, tmp_path / "out"))
    files = {name: pydicom.dcmread(tmp_path / "out" / f"{name}-seg.dcm") for name in ("lungs", "findings")}
    assert lungs.referenced_segment.referenced_sop_instance_uid == files["lungs"].SOPInstanceUID
    assert lungs.referenced_segment.source_series_for_segmentation.value == diagnosis.scan.series_uid
    for finding, group, item in zip(diagnosis.findings, groups, files["findings"].SegmentSequence, strict=True):
        segment = group.referenced_segment
        assert segment.referenced_sop_instance_uid == files["findings"].SOPInstanceUID
        assert segment.referenced_segment_numbers == [finding.number] == [item.SegmentNumber]
        assert group.tracking_uid == item.TrackingUID and group.tracking_identifier == item.TrackingID
        planes = finding.candidate.lesion.box[0]
        expected = [one.instance.sop_uid for one in diagnosis.dicom.slices[planes]]
        assert [one.referenced_sop_instance_uid for one in segment.source_images_for_segmentation] == expected


@pytest.mark.parametrize(
    ("missing", "inside", "nearest"), [((5, 6), 5, 4), ((5, 6), 6, 7), ((5,), 5, 6)], ids=["below", "above", "both"]
)
def test_a_finding_in_interpolated_planes_alone_refers_to_the_nearest_slice(
    in_a_gap: Callable[..., Diagnosis], tmp_path: Path, missing: Collection[int], inside: int, nearest: int
) -> None:
    diagnosis = in_a_gap(tmp_path / "in", missing=missing, inside=inside)
    _, (group,) = groups_of(save(diagnosis, tmp_path / "out"))
    (image,) = group.referenced_segment.source_images_for_segmentation
    assert image.referenced_sop_instance_uid.split(".")[-1] == str(nearest + 1)


def test_a_code_has_one_meaning_whatever_classes_the_weights_have(
    small_series: Path, made_up: Callable[..., Diagnosis], tmp_path: Path
) -> None:
    diagnosis = made_up(small_series, findings=1)
    names = dict.fromkeys(("image", "pathology"), ("benign", "adenocarcinoma", "a class of " + 40 * "long words "))
    probabilities = {task: np.array([0.1, 0.8, 0.1]) for task in names}
    other = replace(diagnosis, findings=[replace(diagnosis.findings[0], names=names, probabilities=probabilities)])
    meanings: dict[str, set[str]] = {}
    for number, one in enumerate((diagnosis, other)):
        _, (group,) = groups_of(save(one, tmp_path / str(number)))
        coded = [measure.name for measure in group.get_measurements()]
        for word in group.get_qualitative_evaluations():
            coded += [word.name, word.value]
        for code in coded:
            if code.scheme_designator == "99LUNGSSP":
                meanings.setdefault(code.value, set()).add(code.meaning)
    assert all(len(code) <= 16 and len(meaning) == 1 for code, meaning in meanings.items())
    said = [meaning for (meaning,) in meanings.values()]
    assert sum("adenocarcinoma" in one for one in said if one.startswith("Probability by")) == 2
    assert len(said) == len(set(said))


def test_it_says_what_it_is_not_for_and_what_the_weights_have_learnt_from(
    small_series: Path, made_up: Callable[..., Diagnosis], tmp_path: Path
) -> None:
    diagnosis = made_up(small_series)
    report = save(diagnosis, tmp_path / "out")
    texts = [
        item.TextValue for item in report.ContentSequence if item.ValueType == "TEXT" and item.name.value == "121106"
    ]
    assert texts[0] == diagnosis.notice and texts[0].startswith("Research use only, not for diagnosis.")
    assert any(text.startswith("score learnt from a SYNTHETIC cohort") for text in texts)
    assert texts[-1] == "3 findings, the most suspicious first."
    assert (report.CompletionFlag, report.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    assert "Research use only" in report.SeriesDescription
    (scheme,) = report.CodingSchemeIdentificationSequence
    assert scheme.CodingSchemeDesignator == "99LUNGSSP"


def test_the_evidence_is_the_series_and_the_segmentations(
    small_series: Path, made_up: Callable[..., Diagnosis], tmp_path: Path
) -> None:
    report = save(made_up(small_series), tmp_path / "out")
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    named = {
        one.ReferencedSOPInstanceUID for item in study.ReferencedSeriesSequence for one in item.ReferencedSOPSequence
    }
    files = [*(tmp_path / "in").iterdir(), *(tmp_path / "out").glob("*-seg.dcm")]
    assert named == {pydicom.dcmread(path).SOPInstanceUID for path in files} and len(named) == 20


def test_a_report_without_findings_has_the_lungs(
    small_series: Path, made_up: Callable[..., Diagnosis], tmp_path: Path
) -> None:
    report = save(made_up(small_series, findings=0), tmp_path / "out")
    lungs, groups = groups_of(report)
    assert groups == [] and lungs.tracking_identifier == "lung_ssp lungs"
    assert report.ContentSequence[-1].TextValue == "0 findings, the most suspicious first."


def test_a_task_without_a_number_is_left_out(
    small_series: Path, made_up: Callable[..., Diagnosis], tmp_path: Path
) -> None:
    """A classifier of two inputs gives no pathology diagnosis of a CT alone."""
    diagnosis = made_up(small_series)
    for finding in diagnosis.findings:
        del finding.probabilities["pathology"]
    _, groups = groups_of(save(diagnosis, tmp_path / "out"))
    for group in groups:
        names = [one.name for one in group.get_qualitative_evaluations()]
        assert [name.value for name in names if name.scheme_designator == "99LUNGSSP"] == ["IMAGE"]
        assert not [one for one in group.get_measurements() if "pathology" in one.name.meaning]


@pytest.mark.parametrize("findings", [0, 3])
def test_the_validators_find_no_error(
    small_series: Path, made_up: Callable[..., Diagnosis], tmp_path: Path, findings: int
) -> None:
    if shutil.which("dciodvfy") is None or shutil.which("dsrdump") is None:
        pytest.skip("dciodvfy or dsrdump is missing: apt-get install dicom3tools dcmtk")
    save(made_up(small_series, findings=findings), tmp_path / "out")
    path = tmp_path / "out" / "findings-sr.dcm"
    said = subprocess.run(["dciodvfy", path], capture_output=True, text=True)
    lines = (said.stdout + said.stderr).splitlines()
    assert "Comprehensive3DSR" in lines and not [line for line in lines if "Error" in line], lines
    dumped = subprocess.run(["dsrdump", path], capture_output=True, text=True)
    assert dumped.returncode == 0 and dumped.stdout.count('"Measurement Group"') == findings + 1
    assert not [line for line in dumped.stderr.splitlines() if line.startswith(("E:", "F:"))]

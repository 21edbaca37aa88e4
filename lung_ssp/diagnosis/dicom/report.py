"""The findings as a DICOM structured report (Comprehensive 3D SR Storage, TID 1500 of PS3.16)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    Measurement,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    ReferencedSegment,
    SourceImageForSegmentation,
    SourceSeriesForSegmentation,
    TextContentItem,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from lung_ssp import __version__
from lung_ssp.cohort.classes import TASK_NAMES, class_name
from lung_ssp.diagnosis.diagnosis import NOT_FOR_DIAGNOSIS, Diagnosis
from lung_ssp.diagnosis.dicom import codes
from lung_ssp.diagnosis.dicom.identity import MANUFACTURER, SEG_CLASS, Identity, identity_of, quietly, save_object
from lung_ssp.diagnosis.dicom.segmentation import (
    FINDING_ALGORITHM,
    FINDINGS,
    LUNG_ALGORITHM,
    LUNGS,
    side_of,
    tracking_id,
)
from lung_ssp.diagnosis.finding import Finding
from lung_ssp.diagnosis.learnt_from import heading

FILE = "findings-sr.dcm"
SERIES_NUMBER = 9003
REPORT = "report"
DEVICE = Code("121007", "DCM", "Device")
DECIMALS = {codes.LONG_AXIS: 2, codes.VOLUME: 1, codes.ATTENUATION: 1}  # as in findings.json


def write_structured_report(diagnosis: Diagnosis, folder: Path) -> None:
    """Write findings-sr.dcm: the measures of the lungs and of each finding, which refer to the segments of the
    segmentations that `write_segmentations` writes of the same diagnosis.
    """
    with quietly():
        identity = identity_of(diagnosis)
        tree = content(diagnosis, identity)[0]
        report = Comprehensive3DSR(
            evidence=evidence(diagnosis, identity),
            content=tree,
            series_instance_uid=identity.uid(REPORT, "series"),
            series_number=SERIES_NUMBER,
            sop_instance_uid=identity.uid(REPORT),
            instance_number=1,
            is_complete=True,
            device_serial_number=diagnosis.weights["classification"].weights_fingerprint,
            series_description=f"lung_ssp report. {NOT_FOR_DIAGNOSIS}",
            coding_schemes=[CodingSchemeIdentificationItem(codes.SCHEME, name=codes.SCHEME_NAME)],
            **identity.equipment,
            **identity.content_date,
        )
        (groups,) = (item for item in tree.ContentSequence if item.name == codes.IMAGING_MEASUREMENTS)
        for finding in diagnosis.findings:  # now, not before: highdicom copies the tree and looks through all of it
            groups.ContentSequence.extend(of_finding(diagnosis, finding, identity))
        save_object(report, folder / FILE)


def evidence(diagnosis: Diagnosis, identity: Identity) -> list[Dataset]:
    """The objects that the report refers to or is made from: the series' and the segmentations."""
    objects = {}
    for header in identity.source.headers:
        assert header.instance is not None
        objects[header.instance.sop_uid] = (header.series_uid, header.instance.sop_class)
    for name in (LUNGS, FINDINGS) if diagnosis.findings else (LUNGS,):
        objects[identity.uid(name)] = identity.uid(name, "series"), SEG_CLASS
    found = []
    for sop_uid, (series_uid, sop_class) in objects.items():
        dataset = identity.about()
        dataset.SeriesInstanceUID, dataset.SOPClassUID, dataset.SOPInstanceUID = series_uid, sop_class, sop_uid
        found.append(dataset)
    return found


def content(diagnosis: Diagnosis, identity: Identity) -> MeasurementReport:
    """The tree of the report, without the findings."""
    device = DeviceObserverIdentifyingAttributes(
        uid=identity.uid("device"),
        name=MANUFACTURER,
        manufacturer_name=MANUFACTURER,
        model_name=MANUFACTURER,
        serial_number=diagnosis.weights["classification"].weights_fingerprint,
    )
    report = MeasurementReport(
        ObservationContext(
            observer_device_context=ObserverContext(CodedConcept.from_code(DEVICE), device),
        ),
        codes.CT_CHEST,
        [of_lungs(diagnosis, identity)],
    )
    for text in statements(diagnosis):
        report[0].ContentSequence.append(TextContentItem(codes.COMMENT, text, "CONTAINS"))
    return report


def statements(diagnosis: Diagnosis) -> Iterator[str]:
    """What the report says in words: the notice, what each number has learnt from, and how many findings there are."""
    yield diagnosis.notice
    yield from heading(diagnosis.weights)
    yield f"{len(diagnosis.findings)} findings, the most suspicious first."


def of_lungs(diagnosis: Diagnosis, identity: Identity) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    """The volume of the lungs."""
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        TrackingIdentifier(identity.uid("tracking", LUNGS), "lung_ssp lungs"),
        referenced_segment=ReferencedSegment(
            SEG_CLASS, identity.uid(LUNGS), 1, source_series=SourceSeriesForSegmentation(identity.series_uid)
        ),
        finding_category=codes.ANATOMICAL_STRUCTURE,
        finding_type=codes.LUNG,
        algorithm_id=AlgorithmIdentification(LUNG_ALGORITHM, __version__, family=codes.MORPHOLOGICAL_OPERATIONS),
        measurements=[Measurement(codes.VOLUME, round(diagnosis.lungs.volume_ml, 1), codes.MILLILITRE)],
    )


def of_finding(
    diagnosis: Diagnosis, finding: Finding, identity: Identity
) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    """The measures and the probabilities of a finding (TID 1411), with the slices that it lies in."""
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        TrackingIdentifier(identity.uid("tracking", finding.number), tracking_id(finding)),
        referenced_segment=ReferencedSegment(
            SEG_CLASS, identity.uid(FINDINGS), finding.number, source_images=source_images(finding, identity)
        ),
        finding_category=codes.ABNORMAL_STRUCTURE,
        finding_type=codes.NODULE,
        algorithm_id=AlgorithmIdentification(FINDING_ALGORITHM, __version__, family=codes.ARTIFICIAL_INTELLIGENCE),
        finding_sites=[FindingSite(codes.LUNG, laterality=codes.SIDES[side_of(diagnosis, finding)])],
        measurements=[*measures(finding), *probabilities(finding)],
        qualitative_evaluations=[
            QualitativeEvaluation(codes.diagnosis_of(task), most_probable(finding, task))
            for task in TASK_NAMES
            if task in finding.probabilities
        ],
    )


def source_images(finding: Finding, identity: Identity) -> list[SourceImageForSegmentation]:
    """The slices that a finding lies in; where all of them were interpolated, the nearest one."""
    planes = finding.candidate.lesion.box[0]
    headers = [one for one in identity.source.slices[planes] if one is not None]
    if not headers:
        headers = [identity.source.nearest(range(planes.start, planes.stop))]
    frames: dict[tuple[str, str], list[int]] = {}
    for header in headers:
        assert header.instance is not None
        of_object = frames.setdefault((header.instance.sop_class, header.instance.sop_uid), [])
        of_object += [header.instance.frame] if header.instance.frame is not None else []
    return [
        SourceImageForSegmentation(sop_class, sop_uid, sorted(numbers) or None)
        for (sop_class, sop_uid), numbers in frames.items()
    ]


def measures(finding: Finding) -> Iterator[Measurement]:
    """Size and HU, rounded as in findings.json."""
    candidate = finding.candidate
    yield _rounded(codes.LONG_AXIS, candidate.lesion.longest_axial_diameter_mm, codes.MILLIMETRE)
    yield _rounded(codes.VOLUME, candidate.lesion.volume_mm3, codes.CUBIC_MILLIMETRE)
    yield _rounded(codes.ATTENUATION, candidate.mean_hu, codes.HOUNSFIELD_UNIT, derivation=codes.MEAN)


def probabilities(finding: Finding) -> Iterator[Measurement]:
    """The score, the second stage's probability where there is one, and that of each class of both tasks."""
    candidate = finding.candidate
    yield Measurement(codes.SCORE, round(candidate.score, 4), codes.NO_UNITS)
    if candidate.nodule_probability is not None:
        yield Measurement(codes.NODULE_PROBABILITY, round(candidate.nodule_probability, 4), codes.NO_UNITS)
    for task, values in finding.probabilities.items():
        for number, value in enumerate(values):
            name = codes.class_probability(task, class_name(number, finding.names[task]))
            yield Measurement(name, round(float(value), 6), codes.NO_UNITS)


def most_probable(finding: Finding, task: str) -> Code:
    """The most probable class of a task."""
    best = int(np.argmax(finding.probabilities[task]))
    return codes.class_code(class_name(best, finding.names[task]))


def _rounded(name: Code, value: float, unit: Code, derivation: Code | None = None) -> Measurement:
    return Measurement(name, round(value, DECIMALS[name]), unit, derivation=derivation)

"""The lungs and the findings as DICOM segmentations (Segmentation Storage, PS3.3 A.51).

Two objects, not one: findings lie within the lungs, and viewers that hold one label a voxel cannot show segments of one
object that overlap.
"""

from pathlib import Path

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from pydicom.dataset import Dataset

from lung_ssp import __version__
from lung_ssp.ct.slice_header import SliceHeader
from lung_ssp.diagnosis.diagnosis import NOT_FOR_DIAGNOSIS, Diagnosis
from lung_ssp.diagnosis.dicom import codes
from lung_ssp.diagnosis.dicom.identity import Identity, identity_of, quietly, save_object
from lung_ssp.diagnosis.finding import Finding
from lung_ssp.diagnosis.learnt_from import learnt_from
from lung_ssp.diagnosis.own_grid import OwnGrid, own_grid

LUNGS, FINDINGS = "lungs", "findings"
SERIES_NUMBERS = {LUNGS: 9001, FINDINGS: 9002}
COLOURS = {LUNGS: CIELabColor(70, -5, -35), FINDINGS: CIELabColor(62, 62, 55)}  # light blue; orange
LONGEST_DESCRIPTION = 1024  # characters of SegmentDescription
LUNG_ALGORITHM, FINDING_ALGORITHM = "lung_ssp lungs", "lung_ssp findings"


def write_segmentations(diagnosis: Diagnosis, folder: Path) -> None:
    """Write lungs-seg.dcm and, where there are findings, findings-seg.dcm.

    Their frames have the rows, columns and positions of the series' slices, and each names the slice it was made from;
    empty ones are left out.
    """
    with quietly():
        identity = identity_of(diagnosis)
        grid = own_grid(diagnosis.scan, diagnosis.stored_direction or diagnosis.scan.direction)
        masks = {LUNGS: (diagnosis.lungs.mask, [lungs_segment(diagnosis, identity)])}
        if diagnosis.findings:
            segments = [finding_segment(diagnosis, finding, identity) for finding in diagnosis.findings]
            masks[FINDINGS] = identity.findings, segments
        for name, (mask, described) in masks.items():
            image = segmentation(diagnosis, name, grid.turned(mask), described, identity, grid)
            save_object(image, folder / f"{name}-seg.dcm")


def segmentation(
    diagnosis: Diagnosis,
    name: str,
    mask: np.ndarray,
    segments: list[SegmentDescription],
    identity: Identity,
    grid: OwnGrid,
) -> Segmentation:
    """A segmentation of masks on the series' own grid, (planes, rows, columns): the number of each voxel's segment."""
    filled = np.flatnonzero(mask.any(axis=(1, 2)))
    slices = identity.source.slices[:: -1 if grid.flips[0] else 1]
    planes = [stand_in(identity, grid, index, slices[index], mask.shape[1:]) for index in filled]
    image = Segmentation(
        planes,
        mask[filled],
        "BINARY",
        segments,
        series_instance_uid=identity.uid(name, "series"),
        series_number=SERIES_NUMBERS[name],
        sop_instance_uid=identity.uid(name),
        instance_number=1,
        device_serial_number=diagnosis.weights["segmentation"].weights_fingerprint,
        content_label=name.upper(),
        content_description=NOT_FOR_DIAGNOSIS,
        series_description=f"lung_ssp {name}. {NOT_FOR_DIAGNOSIS}",
        **identity.equipment,
        **identity.content_date,
    )
    image.ImageComments = diagnosis.notice
    image.ContentCreatorName = None  # nobody: a program
    dimensions = identity.uid(name, "dimensions")
    for item in [*image.DimensionOrganizationSequence, *image.DimensionIndexSequence]:
        item.DimensionOrganizationUID = dimensions
    refer_to_slices(image, [slices[index] for index in filled], in_volume(filled, len(slices), grid), identity)
    return image


def stand_in(
    identity: Identity, grid: OwnGrid, index: int, header: SliceHeader | None, shape: tuple[int, ...]
) -> Dataset:
    """What highdicom needs of the slice of plane `index`, whether a file, a frame, or none is behind the plane."""
    straight = header is None or identity.source.straightened
    position = np.asarray(grid.origin) + index * grid.spacing[0] * grid.normal
    dataset = identity.about()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"  # CT Image Storage
    dataset.SOPInstanceUID = f"2.25.{index + 1}"  # of this plane, until `refer_to_slices`
    dataset.Rows, dataset.Columns = shape
    dataset.ImagePositionPatient = position.tolist() if straight or header is None else list(header.position)
    dataset.ImageOrientationPatient = list(identity.source.headers[0].orientation)
    dataset.PixelSpacing = list(grid.spacing[1:])
    dataset.SliceThickness = dataset.SpacingBetweenSlices = grid.spacing[0]
    if identity.source.lossy:
        compression, ratio, method = identity.source.lossy
        dataset.LossyImageCompression = compression
        dataset.LossyImageCompressionRatio, dataset.LossyImageCompressionMethod = ratio, method
    return dataset


def in_volume(planes: np.ndarray, count: int, grid: OwnGrid) -> list[int]:
    """The numbers in the volume of planes of the series' own grid, of `count` planes."""
    return (count - 1 - planes if grid.flips[0] else planes).tolist()


def refer_to_slices(
    image: Segmentation, slices: list[SliceHeader | None], planes: list[int], identity: Identity
) -> None:
    """Name in place of the stand-ins the objects and the frames that the slices come from.

    Where all planes were interpolated, the object as a whole names the nearest slice: it has to name one.

    Args:
        slices: behind the planes that hold something.
        planes: the numbers of these planes in the volume.
    """
    by_stand_in = {
        str(reference.ReferencedSOPInstanceUID): header
        for reference, header in zip(image.SourceImageSequence, slices, strict=True)
    }
    named = [one for one in slices if one is not None] or [identity.source.nearest(planes)]
    objects = {one.instance.sop_uid: one.instance for one in named if one.instance is not None}
    references = []
    for instance in objects.values():
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = instance.sop_class, instance.sop_uid
        references.append(reference)
    image.SourceImageSequence = references
    image.ReferencedSeriesSequence[0].ReferencedInstanceSequence = references
    made_from = {}  # frames of one plane share the item that names its slice
    for groups in image.PerFrameFunctionalGroupsSequence:
        (source,) = groups.DerivationImageSequence[0].SourceImageSequence
        made_from[id(source)] = source
        if by_stand_in[str(source.ReferencedSOPInstanceUID)] is None:  # an interpolated plane
            groups.DerivationImageSequence = []
    for source in made_from.values():
        header = by_stand_in[str(source.ReferencedSOPInstanceUID)]
        if header is None or header.instance is None:
            continue
        source.ReferencedSOPClassUID = header.instance.sop_class
        source.ReferencedSOPInstanceUID = header.instance.sop_uid
        source.SpatialLocationsPreserved = "NO" if identity.source.straightened else "YES"
        if header.instance.frame is not None:
            source.ReferencedFrameNumber = header.instance.frame


def lungs_segment(diagnosis: Diagnosis, identity: Identity) -> SegmentDescription:
    """The one segment of the lungs."""
    segment = SegmentDescription(
        1,
        "Lungs",
        codes.ANATOMICAL_STRUCTURE,
        codes.LUNG,
        "AUTOMATIC",
        AlgorithmIdentificationSequence(LUNG_ALGORITHM, codes.MORPHOLOGICAL_OPERATIONS, __version__),
        tracking_uid=identity.uid("tracking", LUNGS),
        tracking_id="lung_ssp lungs",
        display_color=COLOURS[LUNGS],
    )
    recipe = diagnosis.settings.parenchyma.recipe
    segment.SegmentDescription = f"Lungs by Otsu's threshold, recipe {recipe}. {NOT_FOR_DIAGNOSIS}"
    return segment


def finding_segment(diagnosis: Diagnosis, finding: Finding, identity: Identity) -> SegmentDescription:
    """The segment of a finding; its number is the finding's."""
    side = side_of(diagnosis, finding)
    segment = SegmentDescription(
        finding.number,
        f"Finding {finding.number}",
        codes.ABNORMAL_STRUCTURE,
        codes.NODULE,
        "AUTOMATIC",
        AlgorithmIdentificationSequence(FINDING_ALGORITHM, codes.ARTIFICIAL_INTELLIGENCE, __version__),
        tracking_uid=identity.uid("tracking", finding.number),
        tracking_id=tracking_id(finding),
        anatomic_regions=[codes.LUNG_OF_SIDE[side]],
        display_color=COLOURS[FINDINGS],
    )
    facts = diagnosis.weights["segmentation"]
    text = (
        f"A candidate of the segmentation network {facts.weights_fingerprint}, which has learnt from "
        f"{learnt_from(diagnosis.weights)['score']}. {NOT_FOR_DIAGNOSIS}"
    )
    segment.SegmentDescription = text[:LONGEST_DESCRIPTION]
    return segment


def tracking_id(finding: Finding) -> str:
    """The name of a finding in all objects of a diagnosis."""
    return f"lung_ssp finding {finding.number}"


def side_of(diagnosis: Diagnosis, finding: Finding) -> str:
    """On which side of the chest the middle of a finding lies: "right" or "left"."""
    lesion = finding.candidate.lesion
    return diagnosis.lungs.side_of(lesion.box[2].start + float(lesion.voxels.nonzero()[2].mean())).name

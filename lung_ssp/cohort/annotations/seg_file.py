"""A DICOM segmentation file: its segments, and its frames read one at a time."""

import importlib.util
import io
from collections.abc import Iterator
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.uid import DeflatedExplicitVRLittleEndian

from lung_ssp.cohort.annotations.planes import Plane
from lung_ssp.ct.dicom_file import read_dicom, without_warnings
from lung_ssp.ct.limits import LARGEST_POSITION_MM, LARGEST_SIDE, SPACING_MM
from lung_ssp.errors import CohortError, EnvironmentProblem, cut

MOST_FRAMES = 200_000  # TotalSegmentator's have about a hundred segments on some hundred slices
THICKEST_MM = 100.0

if TYPE_CHECKING:
    from highdicom.seg import Segmentation


@dataclass(frozen=True)
class Segment:
    """What a file says about one of its segments.

    label, number: SegmentLabel (0062,0005) and SegmentNumber (0062,0004).
    category, kind: what it is, as the codes' meanings: SegmentedPropertyCategory, such as "Anatomical Structure", and
        SegmentedPropertyType after its modifier, such as "Left Upper lobe of lung".
    region: where it is, the meaning of the first AnatomicRegionSequence item, or empty.
    tracking_id: TrackingID (0062,0020), or empty.
    """

    label: str
    number: int
    category: str
    kind: str
    region: str
    tracking_id: str


@dataclass(frozen=True)
class Frame:
    """One frame: its number from 1, its segment (0: of all), the slice it was made from ("" if unknown), its plane."""

    number: int
    segment: int
    source_uid: str
    plane: Plane


def require_highdicom() -> None:
    """Require the package that reads and writes DICOM segmentations.

    Raises:
        EnvironmentProblem: it is not installed.
    """
    if importlib.util.find_spec("highdicom") is None:
        raise EnvironmentProblem("DICOM segmentations need highdicom, which is missing: pip install highdicom.")


class SegmentationFile:
    """One segmentation, of whose frames only those that are asked for are read.

    Attributes:
        path: the file.
        segments: its segments, without the background of a label map.
        frames: its frames.
        series_uids: the series that it names as its sources.
        frame_of_reference: FrameOfReferenceUID (0020,0052), or empty.

    Raises:
        CohortError: the file is damaged or truncated.
        EnvironmentProblem: highdicom is not installed.
    """

    def __init__(self, path: Path) -> None:
        require_highdicom()
        from highdicom.seg import segread

        self.path = path
        try:
            with without_warnings(), redirect_stderr(io.StringIO()):  # highdicom prints tracebacks
                self._image: Segmentation = segread(path, lazy_frame_retrieval=_frames_stand_alone(path))
            self.segments = [_describe(item) for item in self._image.SegmentSequence if int(item.SegmentNumber)]
            self.frames = list(_frames(self._image))
            self.series_uids = {str(item.SeriesInstanceUID) for item in self._image.get("ReferencedSeriesSequence", [])}
            self.frame_of_reference = str(self._image.get("FrameOfReferenceUID", ""))
            self._highest = int(self._image.get("MaximumFractionalValue", 1))
            size = self._image.Rows * self._image.Columns * self._image.BitsAllocated * len(self.frames) // 8
            is_whole = self._image.transfer_syntax_uid.is_compressed or path.stat().st_size >= size
        except Exception as error:  # highdicom raises errors of many kinds where a file is damaged
            raise self._damaged() from error
        if not is_whole:
            raise self._damaged()

    def frames_of(self, segment: Segment) -> list[Frame]:
        """The frames in which a segment may be."""
        return [frame for frame in self.frames if frame.segment in (0, segment.number)]

    def pixels(self, frame: Frame, segment: Segment) -> np.ndarray:
        """Where a segment is in a frame, bool (rows, columns); of a probability, what has at least half the highest.

        Raises:
            CohortError: the frame cannot be decoded.
        """
        try:
            with without_warnings(), redirect_stderr(io.StringIO()):  # highdicom prints tracebacks
                stored = self._image.get_stored_frame(frame.number)
        except Exception as error:  # as above
            raise self._damaged() from error
        if frame.segment == 0:
            return stored == segment.number
        return 2 * stored.astype(int) >= self._highest

    def thickness_mm(self) -> float:
        """The distance of its planes, as the file states it (SpacingBetweenSlices, else SliceThickness).

        Raises:
            CohortError: the file does not state it.
        """
        measures = _group(self._image, self._image.PerFrameFunctionalGroupsSequence[0], "PixelMeasuresSequence")
        try:
            thickness = float(measures.get("SpacingBetweenSlices") or measures.get("SliceThickness") or 0)
        except (TypeError, ValueError):
            thickness = 0.0
        if not 0 < thickness <= THICKEST_MM:
            raise CohortError(f"{self.path} does not state how thick its planes are: give the series it was made from.")
        return thickness

    def _damaged(self) -> CohortError:
        return CohortError(
            f"{self.path} is damaged, truncated or no DICOM segmentation: copy it again from its source."
        )


def _frames_stand_alone(path: Path) -> bool:
    """Whether single frames can be read from a file: not where it is deflated, or frames begin within a byte."""
    file = read_dicom(path)
    if file is None or file.syntax == DeflatedExplicitVRLittleEndian:
        return False
    return file.elements.whole_number("Rows") * file.elements.whole_number("Columns") % 8 == 0


def _describe(item: Any) -> Segment:
    kinds = item.get("SegmentedPropertyTypeCodeSequence", [])
    modifiers = kinds[0].get("SegmentedPropertyTypeModifierCodeSequence", []) if kinds else []
    return Segment(
        label=_text(item.get("SegmentLabel")),
        number=int(item.SegmentNumber),
        category=_meaning(item.get("SegmentedPropertyCategoryCodeSequence", [])),
        kind=f"{_meaning(modifiers)} {_meaning(kinds)}".strip(),
        region=_meaning(item.get("AnatomicRegionSequence", [])),
        tracking_id=_text(item.get("TrackingID")),
    )


def _meaning(sequence: Any) -> str:
    return _text(sequence[0].get("CodeMeaning")) if sequence else ""


def _text(value: Any) -> str:
    """A text as names and messages show it: on one line, without control characters, not endless."""
    return cut(str(value)) if value else ""


def _frames(image: "Segmentation") -> Iterator[Frame]:
    """The frames in their order, with their planes.

    Raises:
        ValueError: more or larger ones than any segmentation of a scan has, or a geometry that is none.
    """
    label_map = image.get("SegmentationType") == "LABELMAP"
    shape = int(image.Rows), int(image.Columns)
    groups_of_frames = image.PerFrameFunctionalGroupsSequence
    if not 0 < min(shape) <= max(shape) <= LARGEST_SIDE or len(groups_of_frames) > MOST_FRAMES:
        raise ValueError(f"{len(groups_of_frames)} frames of {shape} pixels")
    for number, groups in enumerate(groups_of_frames, start=1):
        measures = _group(image, groups, "PixelMeasuresSequence")
        segment = (
            0 if label_map else int(_group(image, groups, "SegmentIdentificationSequence").ReferencedSegmentNumber)
        )
        spacing = _numbers(measures.PixelSpacing, 2)
        if min(spacing) < SPACING_MM[0] or max(spacing) > SPACING_MM[1]:
            raise ValueError(f"pixels of {spacing} mm")
        yield Frame(
            number,
            segment,
            _source_uid(groups),
            Plane(
                _numbers(_group(image, groups, "PlanePositionSequence").ImagePositionPatient, 3),
                _numbers(_group(image, groups, "PlaneOrientationSequence").ImageOrientationPatient, 6),
                spacing,
                shape,
            ),
        )


def _group(image: "Segmentation", groups: Any, name: str) -> Any:
    """A functional group of a frame, its own or the one shared by all."""
    own = groups.get(name)
    return (own or image.SharedFunctionalGroupsSequence[0][name].value)[0]


def _source_uid(groups: Any) -> str:
    """The slice that a frame was made from, where it names exactly one."""
    derivations = groups.get("DerivationImageSequence") or []
    sources = {
        str(source.ReferencedSOPInstanceUID) for one in derivations for source in one.get("SourceImageSequence", [])
    }
    return sources.pop() if len(sources) == 1 else ""


def _numbers(values: Any, count: int) -> tuple[float, ...]:
    """So many numbers of mm or cosines, none of them infinite or far beyond any scanner."""
    numbers = tuple(float(value) for value in values)
    if len(numbers) != count or not all(abs(number) <= LARGEST_POSITION_MM for number in numbers):  # false of NaN
        raise ValueError(f"{count} numbers were expected")
    return numbers

"""From the lesions found in an exam's images to samples: which of them are taken, and the two labels of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from lung_ssp.cohort.classes import MISSING, NORMAL
from lung_ssp.cohort.nlst.codes import LOBES, NEGATIVE_RESULTS, NO_CANCER, Side, possible_lobes, whole_lobe
from lung_ssp.cohort.nlst.exams import Abnormality, Cancer, Exam
from lung_ssp.cohort.nlst.image_rule import ImageRule
from lung_ssp.cohort.nlst.settings import SampleSettings

CANDIDATE = "candidate"
NO_IMAGE_LABEL = "none"

Label = tuple[int, str]  # the class or -1, and its source


@dataclass(frozen=True)
class Place:
    """One lesion found in an exam's images; an exam's places are different lesions.

    source: where the position comes from, such as mask:nlstseg, box:sybil, box:nlstx, or candidate. slice_number:
    InstanceNumber of the slice in which it is largest. side, lobe: None where not known; the lobe (RUL RML RLL LUL
    lingula LLL) counts more than the side. score: probability of a candidate.
    """

    source: str
    slice_number: int | None = None
    side: Side | None = None
    lobe: str | None = None
    score: float = 0.0

    @property
    def lobes(self) -> frozenset[str]:
        """Where it may lie: one lobe, the lobes of its side, or nothing if neither is known."""
        return possible_lobes(self.lobe, self.side)


@dataclass(frozen=True)
class LabelledPlace:
    """One sample.

    place: index into the places given. image_label: of the rule's classes, or -1; pathology_label: 0..8, or -1; the
    sources say where each comes from. abnormality: sct_ab_num of the abnormality taken for the same lesion.
    """

    place: int
    image_label: int
    image_source: str
    pathology_label: int
    pathology_source: str
    abnormality: int | None


def label_places(exam: Exam, places: Sequence[Place], settings: SampleSettings, rule: ImageRule) -> list[LabelledPlace]:
    """The samples of one exam, in the order of the places.

    Masks and boxes are all samples. Where an exam has neither, each abnormality takes the candidate nearest to its
    slice, and a negative exam without any abnormality, of a participant without cancer, its most probable candidates.
    """
    marked = [index for index, place in enumerate(places) if place.source != CANDIDATE]
    normal = not marked and _is_normal(exam)
    taken: dict[int, Abnormality | None]
    if marked:
        matched = match_abnormalities(exam, [places[index] for index in marked], settings)
        taken = {index: matched.get(position) for position, index in enumerate(marked)}
    elif normal:
        taken = dict.fromkeys(_by_score(places)[: settings.normal_candidates])
    else:
        taken = {**match_abnormalities(exam, places, settings)}
    rivals = [] if marked else [nodule for nodule in _nodules(exam, settings) if nodule not in taken.values()]
    pathologies = pathology_labels(
        exam,
        [_lobes_of(places[index], taken[index]) for index in sorted(taken)],
        [possible_lobes(rival.lobe, None) for rival in rivals],
        settings,
    )
    samples = []
    for index, (pathology, pathology_source) in zip(sorted(taken), pathologies, strict=True):
        nodule = taken[index]
        image, image_source = _image_label(nodule, normal, rule)
        number = None if nodule is None else nodule.number
        samples.append(LabelledPlace(index, image, image_source, pathology, pathology_source, number))
    return samples


def unplaced_abnormalities(
    exam: Exam, samples: Sequence[LabelledPlace], settings: SampleSettings
) -> tuple[Abnormality, ...]:
    """The abnormalities that could be samples but for which no place was found."""
    placed = {sample.abnormality for sample in samples}
    return tuple(found for found in _nodules(exam, settings) if found.number not in placed)


def match_abnormalities(exam: Exam, places: Sequence[Place], settings: SampleSettings) -> dict[int, Abnormality]:
    """Which abnormality each place is, by the place's index: of the same lobe, nearest in slice, each taken once.

    The sum of the distances in slices is smallest, where an abnormality left over counts more than the farthest match;
    of equal sums, the more probable places are taken. An abnormality without slice or lobe, and a place without slice
    or of which neither lobe nor side is known, is matched with nothing.
    """
    nodules = _nodules(exam, settings)
    if not nodules or not places:
        return {}
    left_over = settings.max_slice_distance + 1.0
    rank = {index: order for order, index in enumerate(_by_score(places))}
    costs = np.full((len(places), len(nodules)), left_over)
    for row, place in enumerate(places):
        for column, nodule in enumerate(nodules):
            distance = _distance(place, nodule)
            if distance is not None and distance <= settings.max_slice_distance:
                costs[row, column] = distance + 0.5 * rank[row] / len(places) ** 2  # all ranks sum to less than a slice
    pairs = zip(*linear_sum_assignment(costs), strict=True)
    return {int(row): nodules[column] for row, column in pairs if costs[row, column] < left_over}


def _nodules(exam: Exam, settings: SampleSettings) -> list[Abnormality]:
    return [found for found in exam.abnormalities if found.desc in settings.nodule_codes]


def _distance(place: Place, nodule: Abnormality) -> int | None:
    """The distance of a place from an abnormality in slices; None in different lobes, or where a slice is not known."""
    if place.slice_number is None or nodule.slice_number is None:
        return None
    if not place.lobes & possible_lobes(nodule.lobe, None):
        return None
    return abs(place.slice_number - nodule.slice_number)


def _is_normal(exam: Exam) -> bool:
    """Whether a negative screen of a participant without cancer shows nothing at all."""
    without_cancer = exam.can_scr == NO_CANCER and not exam.cancers
    return without_cancer and not exam.abnormalities and exam.result in NEGATIVE_RESULTS


def _by_score(places: Sequence[Place]) -> list[int]:
    """The indices of the places by falling score."""
    return sorted(range(len(places)), key=lambda index: -places[index].score)


def _lobes_of(place: Place, abnormality: Abnormality | None) -> frozenset[str]:
    """Where a sample lies: as its place says, and where that knows the side only, as the reader recorded."""
    if place.lobe is None and abnormality is not None and abnormality.lobe is not None:
        return possible_lobes(abnormality.lobe, None)
    return place.lobes


def _image_label(abnormality: Abnormality | None, nothing_seen: bool, rule: ImageRule) -> tuple[int, str]:
    """The image label and its source: by the rule where the reader recorded this lesion, or nothing at all.

    A lesion that others marked and NLST's reader did not record has no image label: it may have been missed.
    """
    if abnormality is not None:
        return rule.label(abnormality), f"nlst_ctab {abnormality.desc} #{abnormality.number}"
    if nothing_seen:
        return rule.nothing, "nlst_ctab without abnormality"
    return MISSING, NO_IMAGE_LABEL


def pathology_labels(
    exam: Exam, lobes: Sequence[frozenset[str]], rivals: Sequence[frozenset[str]], settings: SampleSettings
) -> list[Label]:
    """The pathology of each lesion of an exam, 0..8 or -1, and where it comes from or why it is withheld.

    A specimen is taken from one tumour. Its class is given to a lesion only where the tables leave no other reading:
    the exam came shortly before the diagnosis, the lesion lies where the cancer was recorded, and no second lesion or
    cancer competes for it. Otherwise it is withheld, with the reason.

    Args:
        lobes: for each lesion where it lies: one lobe, the lobes of one side, or none if that is not known either.
        rivals: likewise for lesions that are recorded but were not found in the images.
    """
    if exam.can_scr == NO_CANCER:
        contradicted = "withheld: can_scr=0 but a cancer is recorded"
        return [(MISSING, contradicted) if exam.cancers else (NORMAL, "can_scr=0") for _ in lobes]
    timely = [cancer for cancer in exam.cancers if _reason_of_time(exam, cancer, settings) is None]
    if not timely:
        reasons = [_reason_of_time(exam, cancer, settings) for cancer in exam.cancers]
        return [(MISSING, f"withheld: {(reasons or ['no pathology recorded'])[0]}") for _ in lobes]
    return [_pathology_of(place, timely, [*lobes, *rivals], settings) for place in lobes]


def _reason_of_time(exam: Exam, cancer: Cancer, settings: SampleSettings) -> str | None:
    """Why a cancer does not count for an exam, None if it does."""
    if exam.exam_day is None:
        return "day of the exam not recorded"
    if cancer.candx_days is None:
        return "day of the diagnosis not recorded"
    if cancer.candx_days < exam.exam_day:
        return "diagnosis before the exam"
    if cancer.candx_days - exam.exam_day > settings.days_to_diagnosis:
        return f"diagnosis more than {settings.days_to_diagnosis} days after the exam"
    return None


def _pathology_of(
    place: frozenset[str], timely: list[Cancer], lesions: Sequence[frozenset[str]], settings: SampleSettings
) -> Label:
    if not place:
        return MISSING, "withheld: place of the lesion not known"
    agreeing = [cancer for cancer in timely if place & _agreed_lobes(cancer, settings)]
    if not agreeing:
        possible = any(place & cancer.possible for cancer in timely)
        return MISSING, "withheld: lobe of the cancer not recorded" if possible else "withheld: lobe disagrees"
    if len(place) > 1 and settings.cancer_location == "lobe":
        return MISSING, "withheld: lobe of the lesion not known"
    cancer = agreeing[0]
    if any(other.label != cancer.label and place & other.possible for other in timely):
        return MISSING, "withheld: cancers of different class may lie there"
    competing = sum(bool(other & _agreed_lobes(cancer, settings)) or not other for other in lesions)
    if competing > 1 and settings.several_in_lobe == "withheld":
        return MISSING, "withheld: several lesions in the lobe of the cancer"
    return cancer.label, f"nlst_canc #{cancer.order}"


def _agreed_lobes(cancer: Cancer, settings: SampleSettings) -> frozenset[str]:
    """Where a lesion must lie to be taken for the cancer; the lingula counts to its lobe."""
    if cancer.lobes:
        return frozenset(map(whole_lobe, cancer.lobes))
    half_known = settings.cancer_location == "any" and cancer.possible != LOBES
    return cancer.possible if half_known else frozenset()

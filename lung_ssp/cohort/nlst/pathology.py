"""Which pathology a lesion may be given: only what NLST recorded, of the right time and the right place.

A specimen is taken from one tumour. Its class is given to a lesion only where the tables leave no other reading: the
exam came shortly before the diagnosis, the lesion lies where the cancer was recorded, and no second lesion or cancer
competes for it. Otherwise it is withheld, with the reason.
"""

from collections.abc import Sequence

from lung_ssp.cohort.classes import MISSING, NORMAL
from lung_ssp.cohort.nlst.codes import LOBES, NO_CANCER, whole_lobe
from lung_ssp.cohort.nlst.exams import Cancer, Exam
from lung_ssp.cohort.nlst.settings import SampleSettings

Label = tuple[int, str]  # the class or -1, and its source


def pathology_labels(
    exam: Exam, lobes: Sequence[frozenset[str]], rivals: Sequence[frozenset[str]], settings: SampleSettings
) -> list[Label]:
    """The pathology of each lesion of an exam, 0..8 or -1, and where it comes from or why it is withheld.

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

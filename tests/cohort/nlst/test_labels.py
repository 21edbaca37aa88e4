"""What a sample is: which lesions are taken, and the labels of each."""

import pytest

from lung_ssp.cohort.classes import MISSING
from lung_ssp.cohort.nlst.exams import Abnormality, Cancer, Exam
from lung_ssp.cohort.nlst.image_rule import ImageRule
from lung_ssp.cohort.nlst.labels import (
    LabelledPlace,
    Place,
    label_places,
    match_abnormalities,
    unplaced_abnormalities,
)
from lung_ssp.cohort.nlst.settings import SampleSettings

SETTINGS = SampleSettings()
RULE = ImageRule.read("nine_classes")
NORMAL, ADENO, SQUAMOUS = 0, 1, 2


def spiculated(number: int, lobe: str | None, slice_number: int | None) -> Abnormality:
    return Abnormality(number, 51, lobe, slice_number, 15.0, 10.0, "spiculated", "soft tissue")


def exam(*abnormalities: Abnormality, can_scr: int = 1, cancers: tuple[Cancer, ...] = (), result: int = 4) -> Exam:
    return Exam("P-000000000000", 0, 10, can_scr, None, abnormalities, cancers, result)


def candidate(slice_number: int | None, side=None, lobe=None, score: float = 0.5) -> Place:
    return Place("candidate", slice_number, side, lobe, score)


def cancer(lobe: str, label: int = SQUAMOUS, order: int = 1, day: int = 100) -> Cancer:
    return Cancer(order, label, day, frozenset({lobe}), "IA", frozenset({lobe}))


def test_masks_and_boxes_are_all_samples() -> None:
    places = [Place("mask:nlstseg", 50, "right"), candidate(51, "right"), Place("box:sybil", 90, "left")]
    samples = label_places(exam(spiculated(3, "RLL", 52)), places, SETTINGS, RULE)
    assert [sample.place for sample in samples] == [0, 2]
    assert [sample.abnormality for sample in samples] == [3, None]
    assert [sample.image_source for sample in samples] == ["nlst_ctab 51 #3", "none"]
    assert [sample.image_label for sample in samples] == [ADENO, MISSING]


def test_a_marked_lesion_that_the_reader_did_not_record_has_no_image_label() -> None:
    (sample,) = label_places(exam(can_scr=0, result=1), [Place("mask:nlstseg", 50, "right")], SETTINGS, RULE)
    assert sample == LabelledPlace(0, MISSING, "none", NORMAL, "can_scr=0", None)


def test_each_abnormality_takes_the_candidate_nearest_in_slice() -> None:
    places = [candidate(60, "right", score=0.9), candidate(49, "right", score=0.1), candidate(50, "left", score=1.0)]
    samples = label_places(exam(spiculated(1, "RUL", 51)), places, SETTINGS, RULE)
    assert [(sample.place, sample.abnormality) for sample in samples] == [(1, 1)]


@pytest.mark.parametrize(
    ("place", "nodule", "matches"),
    [
        (candidate(55, "right"), spiculated(1, "RML", 50), True),
        (candidate(56, "right"), spiculated(1, "RML", 50), False),
        (candidate(45, "right"), spiculated(1, "RML", 50), True),
        (candidate(50, "left"), spiculated(1, "RML", 50), False),
        (candidate(50, "right", "RLL"), spiculated(1, "RML", 50), False),
        (candidate(50, "left", "RML"), spiculated(1, "RML", 50), True),
        (candidate(50, "left", "LUL"), spiculated(1, "lingula", 50), True),
        (candidate(50), spiculated(1, "RML", 50), False),
        (candidate(50, "right"), spiculated(1, None, 50), False),
        (candidate(50, "right"), spiculated(1, "RML", None), False),
        (candidate(None, "right"), spiculated(1, "RML", 50), False),
        (candidate(50, "right"), Abnormality(1, 52, "RML", 50), False),
    ],
)
def test_what_is_taken_for_the_same_lesion(place: Place, nodule: Abnormality, matches: bool) -> None:
    assert match_abnormalities(exam(nodule), [place], SETTINGS) == ({0: nodule} if matches else {})


def test_the_distances_are_smallest_in_sum() -> None:
    near, far = spiculated(1, "RUL", 50), spiculated(2, "RUL", 53)
    assert match_abnormalities(exam(near, far), [candidate(52, "right"), candidate(55, "right")], SETTINGS) == {
        0: near,
        1: far,
    }
    assert match_abnormalities(exam(near, far), [candidate(53, "right")], SETTINGS) == {0: far}


def test_of_equally_near_candidates_the_surest_is_taken() -> None:
    places = [candidate(48, "right", score=0.2), candidate(52, "right", score=0.8), candidate(52, "right", score=0.5)]
    assert list(match_abnormalities(exam(spiculated(1, "RUL", 50)), places, SETTINGS)) == [1]


def test_an_abnormality_without_candidate_gives_no_sample_and_is_told() -> None:
    nodules = spiculated(1, "RUL", 50), spiculated(2, "LLL", 20), spiculated(3, "LLL", None), Abnormality(4, 59)
    samples = label_places(exam(*nodules), [candidate(50, "right"), candidate(90, "left")], SETTINGS, RULE)
    assert [sample.place for sample in samples] == [0]
    assert unplaced_abnormalities(exam(*nodules), samples, SETTINGS) == nodules[1:3]


def test_the_pathology_of_a_candidate_follows_from_the_lobe_that_the_reader_recorded() -> None:
    found = exam(spiculated(1, "RUL", 50), spiculated(2, "RLL", 20), cancers=(cancer("RUL"),))
    samples = label_places(found, [candidate(21, "right"), candidate(50, "right")], SETTINGS, RULE)
    assert [(s.place, s.pathology_label, s.pathology_source) for s in samples] == [
        (0, MISSING, "withheld: lobe disagrees"),
        (1, SQUAMOUS, "nlst_canc #1"),
    ]


def test_a_nodule_that_was_not_found_may_be_the_cancer_as_well() -> None:
    found = exam(spiculated(1, "RUL", 50), spiculated(2, "RUL", 20), cancers=(cancer("RUL"),))
    (sample,) = label_places(found, [candidate(50, "right")], SETTINGS, RULE)
    assert sample.pathology_source == "withheld: several lesions in the lobe of the cancer"
    mask = Place("mask:nlstseg", 50, "right")
    (sample,) = label_places(found, [mask], SETTINGS, RULE)
    assert sample.pathology_source == "nlst_canc #1"  # who drew the masks chose the lesion


def test_a_lobe_from_a_segmentation_counts_more_than_the_side() -> None:
    (sample,) = label_places(
        exam(cancers=(cancer("RUL"),)), [Place("mask:nlstseg", 50, "right", "RLL")], SETTINGS, RULE
    )
    assert sample.pathology_source == "withheld: lobe disagrees"
    (sample,) = label_places(exam(cancers=(cancer("RUL"),)), [Place("mask:nlstseg", 50, "right")], SETTINGS, RULE)
    assert sample.pathology_source == "withheld: lobe of the lesion not known"


def test_a_negative_exam_without_abnormality_gives_its_surest_candidates() -> None:
    places = [candidate(10, "right", score=0.3), candidate(20, "left", score=0.7), candidate(None, score=0.5)]
    normal = exam(can_scr=0, result=1)
    expected = LabelledPlace(1, NORMAL, "nlst_ctab without abnormality", NORMAL, "can_scr=0", None)
    assert label_places(normal, places, SETTINGS, RULE) == [expected]
    two = label_places(normal, places, SampleSettings(normal_candidates=2), RULE)
    assert [sample.place for sample in two] == [1, 2]
    assert label_places(normal, places, SampleSettings(normal_candidates=0), RULE) == []


@pytest.mark.parametrize(
    "other",
    [
        exam(can_scr=0, result=10),
        exam(can_scr=0, result=4),
        exam(can_scr=2, result=1),
        exam(Abnormality(1, 59), can_scr=0, result=1),
        exam(can_scr=0, result=1, cancers=(cancer("RUL"),)),
    ],
)
def test_other_exams_without_nodules_give_no_sample(other: Exam) -> None:
    assert label_places(other, [candidate(10, "right")], SETTINGS, RULE) == []


def test_nothing_found_gives_no_sample() -> None:
    assert label_places(exam(spiculated(1, "RUL", 50)), [], SETTINGS, RULE) == []
    assert label_places(exam(can_scr=0, result=1), [], SETTINGS, RULE) == []


def test_the_order_of_the_candidates_changes_nothing() -> None:
    nodules = [spiculated(number, "RUL", 10 * number) for number in (1, 2, 3)]
    places = [candidate(10 * number + 1, "right", score=number / 10) for number in (3, 1, 2)]
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        found = match_abnormalities(exam(*nodules), [places[index] for index in order], SETTINGS)
        assert {places[order[index]].slice_number: nodule.number for index, nodule in found.items()} == {
            11: 1,
            21: 2,
            31: 3,
        }

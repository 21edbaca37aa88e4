"""Lesions and scans on both sides of the splits."""

from dataclasses import replace

import numpy as np
import pytest

from lung_ssp.cohort.leaks import Leaks, SectionOrigin, find_leaks, find_look_alikes
from lung_ssp.cohort.store import Sections


def sections(patients: list[str], seeds: list[int]) -> Sections:
    images = np.array([np.random.default_rng(seed).random((4, 4)) for seed in seeds], np.float32).reshape(-1, 4, 4)
    none = np.full(len(patients), -1)
    return Sections(images, {"image": none, "pathology": none}, np.array(patients, dtype=str))


def leaks_of(train: Sections, test: Sections, scans: tuple[list[str], list[str]] = ([], [])) -> Leaks:
    splits = {"train": train, "validation": sections([], []), "test": test}
    origins = {
        split: [SectionOrigin(f"{split} {i}", (of_scans[i],) if of_scans else ()) for i in range(len(splits[split]))]
        for split, of_scans in (("train", scans[0]), ("validation", []), ("test", scans[1]))
    }
    return find_leaks(splits, origins)


def test_one_lesion_of_two_patients_in_two_splits_is_found() -> None:
    leaks = leaks_of(sections(["A", "B"], [1, 2]), sections(["C", "D"], [3, 2]))
    assert leaks == Leaks(("train 1 (patient B, train) and test 1 (patient D, test) show the same lesion",), ())


def test_within_one_split_or_one_patient_nothing_leaks() -> None:
    assert leaks_of(sections(["A", "B"], [1, 1]), sections(["C"], [2])) == Leaks((), ())
    assert leaks_of(sections(["A"], [1]), sections(["A"], [1])) == Leaks((), ())


def test_sections_that_show_nothing_are_no_lesion_seen_before() -> None:
    blank = Sections(np.zeros((1, 4, 4), np.float32), {}, np.array(["A"]))
    other = Sections(np.zeros((1, 4, 4), np.float32), {}, np.array(["B"]))
    assert leaks_of(blank, other) == Leaks((), ())


def test_one_scan_of_two_patients_is_found_and_told_once_for_each_pair() -> None:
    train, test = sections(["A", "A"], [1, 2]), sections(["C", "C", "D"], [3, 4, 5])
    leaks = leaks_of(train, test, (["s", "s"], ["s", "s", "t"]))
    assert leaks == Leaks((), ("train 0 (patient A, train) and test 0 (patient C, test) are of the same scan",))


def test_many_findings_are_counted() -> None:
    names = [f"P{i}" for i in range(9)]
    leaks = leaks_of(sections(names, list(range(9))), sections([f"Q{i}" for i in range(9)], list(range(9))))
    assert len(leaks.lesions) == 6
    assert leaks.lesions[-1] == "and 4 more of this kind"


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (lambda image: image + np.float32(1e-4), True),  # another format rounds otherwise
        (lambda image: image + np.float32(5 / 1400), True),  # another scale
        (lambda image: image + np.random.default_rng(7).normal(0, 1 / 1400, image.shape).astype(np.float32), True),
        (lambda image: image + np.random.default_rng(7).normal(0, 10 / 1400, image.shape).astype(np.float32), False),
        (lambda image: np.roll(image, 1, axis=-1), False),
    ],
)
def test_a_lesion_that_was_saved_otherwise_is_the_same_lesion(change, same) -> None:
    train, test = sections(["A", "B"], [1, 2]), sections(["C", "D"], [3, 2])
    test = replace(test, images=change(test.images))
    sentence = "train 1 (patient B, train) and test 1 (patient D, test) show the same lesion"
    assert leaks_of(train, test) == Leaks((sentence,) * same, ())


def test_sections_of_nothing_but_a_little_noise_are_not_compared() -> None:
    faint = [replace(one, images=one.images / 200) for one in (sections(["A"], [1]), sections(["B"], [2]))]
    assert leaks_of(*faint) == Leaks((), ())


def look_alikes_of(images: list[np.ndarray], patients: list[str]) -> tuple[str, ...]:
    own = Sections(np.array(images, np.float32), {}, np.array(patients))
    return find_look_alikes({"train": own}, {"train": [SectionOrigin(f"section {i}") for i in range(len(own))]})


def test_the_same_lesion_with_noise_and_another_scale_looks_alike() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.random((8, 8)), rng.random((8, 8))
    changed = 0.1 + 0.7 * one + rng.normal(0, 0.01, (8, 8))
    (found,) = look_alikes_of([one, other, changed], ["A", "B", "C"])
    assert found.startswith(
        "section 0 (patient A, train) and section 2 (patient C, train) look alike (correlation 0.99"
    )
    assert look_alikes_of([one, other, changed], ["A", "B", "A"]) == ()  # of one patient
    assert look_alikes_of([np.zeros((8, 8)), np.zeros((8, 8))], ["A", "B"]) == ()  # show nothing
    assert look_alikes_of([one, 1 - one], ["A", "B"]) == ()  # the opposite


def test_of_two_patients_the_most_alike_pair_is_told() -> None:
    rng = np.random.default_rng(0)
    one = rng.random((8, 8))
    near, nearer = one + rng.normal(0, 0.02, (8, 8)), one
    (found,) = look_alikes_of([one, near, nearer], ["A", "B", "B"])
    assert "section 0 (patient A, train) and section 2 (patient B, train) look alike (correlation 1.000)" in found


def test_one_pixel_of_two_is_lost_at_half_the_resolution() -> None:
    rng = np.random.default_rng(0)
    one = np.kron(rng.random((4, 4)), np.ones((2, 2)))
    shuffled = one + np.tile([[0.5, -0.5], [-0.5, 0.5]], (4, 4))  # no mean over 2 x 2 pixels changes
    assert len(look_alikes_of([one, shuffled], ["A", "B"])) == 1

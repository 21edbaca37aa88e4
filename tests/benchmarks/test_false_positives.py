"""The tables of the leave-one-out script, by hand."""

import numpy as np

from false_positives import FoldResult, Remembering, ScanResult, counted, fold_table, place, scan_table
from lung_ssp.ct.lesion import Candidate, lesion_from_mask
from lung_ssp.ct.volume import Volume
from lung_ssp.ct.working_grid import NOT_COUNTED

VOLUME = Volume(np.zeros((9, 20, 20), np.int16), (1.0, 1.0, 1.0))


def candidate(y: int) -> Candidate:
    mask = np.zeros(VOLUME.shape, bool)
    mask[4, y, 5] = True
    return Candidate(lesion_from_mask(mask, VOLUME), 0.5, 0.0)


def test_the_tables_have_a_row_a_scan_and_the_means() -> None:
    folds = [
        FoldResult("one", 0.5, before=8, after=2, nodules=0.9, grafted=0.8, found=0.2, random=0.1, beside=0.3),
        FoldResult("two", 0.6, before=5, after=1, nodules=1.0, grafted=0.6, found=float("nan"), random=0.3, beside=0.1),
    ]
    rows = fold_table(folds).splitlines()
    assert rows[2] == "| one | 0.500 | 8 | 2 | 0.900 | 0.800 | 0.200 | 0.100 | 0.300 |"
    assert rows[-1] == "| mean | | 6.5 | 1.5 | 0.950 | 0.700 | 0.200 | 0.200 | 0.200 |"
    (row,) = scan_table([ScanResult("one", 3, None, 10, 2, 0.8123)]).splitlines()[2:]
    assert row == "| one | 3 | None | 10 | 2 | 0.812 |"
    assert scan_table([]) == ""


def test_the_place_is_that_of_the_first_hit() -> None:
    assert (place([False, True, True]), place([False]), place([])) == (2, None, None)


def test_what_lies_where_nothing_is_known_is_not_counted() -> None:
    lesions = np.zeros(VOLUME.shape, np.uint8)
    lesions[:, 10:] = NOT_COUNTED
    one, other = candidate(5), candidate(12)
    assert counted([one, other], lesions, VOLUME) == [one]


def test_a_scan_is_looked_at_once() -> None:
    calls = []

    class Finder:
        def in_scan(self, volume: Volume, lungs: np.ndarray) -> list[Candidate]:
            calls.append(volume)
            return [candidate(5)]

    finder, lungs = Remembering(Finder()), np.ones(VOLUME.shape, bool)
    again = Volume(VOLUME.hu + np.int16(1), VOLUME.spacing)
    assert finder.in_scan(VOLUME, lungs) is finder.in_scan(VOLUME, lungs)
    finder.in_scan(again, lungs)
    assert len(calls) == 2

"""Figures of groups of nodules, on values computed by hand."""

from dataclasses import replace

import numpy as np
import pytest

from lung_ssp.errors import CohortError
from lung_ssp.segmentation.nodule_metrics import (
    NoduleMetrics,
    NoduleResult,
    group_of,
    groups_of,
    interval_by_patient,
    join_nodules,
)
from lung_ssp.segmentation.nodule_report import check_table_folder, nodule_text, write_joined

ONE = NoduleResult("a-1", "a", 0, 4, 5.0, 1.0, 3, 0.5, 0.25, True, 0.75)
TWO = NoduleResult("a-2", "a", 0, 3, 10.0, 3.0, 5, 0.0, 0.0, False, None)
THREE = NoduleResult("b-1", "b", 1, 4, 20.0, 5.0, 9, 1.0, 0.95, True, 0.85)


def metrics_of(*results: NoduleResult, fingerprint: str = "00") -> NoduleMetrics:
    return NoduleMetrics(
        cohort=f"whose {fingerprint}", synthetic=False, fingerprint=fingerprint, which="split test; fold 0",
        licence="CC BY 3.0", citation="by whom", threshold=0.5, left_out=2, groups=groups_of(results),
        by_nodule=results,
    )  # fmt: skip


def test_a_group_has_means_of_its_nodules():
    group = group_of("all", [ONE, TWO, THREE])
    assert (group.nodules, group.patients, group.dice, group.touched) == (3, 2, 0.5, pytest.approx(2 / 3))
    assert group.readers_nodules == 2
    assert group.readers_dice == pytest.approx(0.8) and group.dice_of_those == pytest.approx(0.75)
    assert group.dice_of_all == pytest.approx(0.4)
    empty = group_of("none", [])
    assert (empty.nodules, empty.dice, empty.dice_interval, empty.readers_dice) == (0, None, None, None)


def test_nodules_fall_into_one_group_of_each_kind():
    sizes = {group.name: group.nodules for group in groups_of([ONE, TWO, THREE])}
    assert sizes == {
        "all": 3,
        "diameter below 6 mm": 1,
        "diameter 6 to 10 mm": 0,
        "diameter 10 to 20 mm": 1,
        "diameter from 20 mm": 1,
        "3 readers": 1,
        "4 readers": 2,
        "ground glass (texture below 2.5)": 1,
        "part solid (texture 2.5 to 3.5)": 1,
        "solid (texture from 3.5)": 1,
    }


def test_the_interval_draws_patients_with_all_of_their_nodules():
    assert interval_by_patient(np.array([0.2, 0.8]), ["a", "a"]) == pytest.approx((0.5, 0.5))  # one patient: no spread
    # of two patients (a: 0 and 0, b: 1) the mean is 0, 1/3 or 1, each extreme in a quarter of the draws
    assert interval_by_patient(np.array([0.0, 0.0, 1.0]), ["a", "a", "b"]) == pytest.approx((0.0, 1.0))
    values = np.random.default_rng(0).uniform(size=400)
    low, high = interval_by_patient(values, [str(number) for number in range(400)])
    error = values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.005)
    assert interval_by_patient(values, [str(number) for number in range(400)]) == (low, high)


def test_runs_of_several_folds_become_one_table():
    joined = join_nodules([metrics_of(THREE, fingerprint="11"), metrics_of(ONE, TWO)])
    assert [result.nodule for result in joined.by_nodule] == ["a-1", "a-2", "b-1"]
    assert joined.groups == groups_of([ONE, TWO, THREE])
    assert joined.left_out == 4 and joined.fingerprint == "11, 00"
    assert "2 runs" in joined.which and "whose 11" in joined.cohort and "whose 00" in joined.cohort


def test_what_does_not_go_together_is_refused():
    with pytest.raises(CohortError, match=r"nodule a-1 was measured by two of the runs: join runs that tested diff"):
        join_nodules([metrics_of(ONE), metrics_of(ONE, TWO)])
    for change in ({"synthetic": True}, {"threshold": 0.4}, {"citation": "another"}):
        with pytest.raises(CohortError, match=f"another {next(iter(change))}: join runs of one configuration"):
            join_nodules([metrics_of(ONE), replace(metrics_of(THREE), **change)])


def test_the_report_says_whose_nodules_they_are_and_how_far_to_trust_them():
    lines = nodule_text(metrics_of(ONE, TWO, THREE)).splitlines()
    assert lines[0] == "3 real nodules of 2 patients, split test; fold 0"
    assert lines[1:4] == ["  whose 00", "  CC BY 3.0", "  by whom"]
    assert lines[4] == "  threshold 0.5; 2 nodules left out, a reader's mask of them is missing"
    of_all = next(line for line in lines if line.startswith("  all "))
    assert of_all.split() == ["all", "3", "2", "0.500", "0.250", "to", "1.000", "0.400", "0.667", "0.800", "0.750", "2"]
    assert next(line for line in lines if "3 readers" in line).split()[-1] == "0.000"  # nothing known of the readers
    synthetic = replace(metrics_of(ONE), synthetic=True)
    assert nodule_text(synthetic).startswith("1 SYNTHETIC nodules")


def test_a_joined_table_goes_into_a_folder_of_its_own(tmp_path):
    folder = tmp_path / "joined"
    for _ in range(2):
        check_table_folder(folder)
        write_joined(folder, metrics_of(ONE, TWO))
    rows = (folder / "nodules.csv").read_text().splitlines()
    assert rows[0] == "nodule,patient,fold,readers,diameter_mm,texture,slices,dice,dice_of_all,touched,readers_dice"
    assert rows[2] == "a-2,a,0,3,10,3,5,0.0,0.0,0,"
    assert {file.name for file in folder.iterdir()} == {"nodules.csv", "metrics.json", "metrics.txt"}
    (folder / "mine.txt").write_text("")
    with pytest.raises(CohortError, match="no table of nodules: name another folder"):
        check_table_folder(folder)

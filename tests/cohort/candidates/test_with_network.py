"""A cohort of candidates of phantoms, by the ordinary command and a network that has learned nothing."""

from pathlib import Path

import numpy as np
import pytest

from lung_ssp.cohort.candidates.store import read_candidate_table
from lung_ssp.cohort.scans import read_scans
from lung_ssp.cohort.verify import verify_cohort
from lung_ssp.preparation import prepare


@pytest.mark.slow
def test_candidates_of_phantoms(tiny_cohort: Path, runs: tuple[Path, Path], tmp_path: Path) -> None:
    overrides = [
        f"cohort.root={tmp_path / 'cohort'}",
        f"cohort.segmentation={runs[0]}",
        "cohort.nodules=null",
        f"cohort.scans=[{{root: {tiny_cohort}}}]",
        "candidates.threshold=0.5",
        "candidates.max_candidates=5",
        "places.random_per_scan=2",
    ]
    prepared = prepare("cohort/candidates.yml", overrides)
    assert prepared.description.synthetic and "SYNTHETIC" in prepared.description.statement
    rows = read_candidate_table(prepared.root)
    scans = {scan.name: scan for scan in read_scans(tiny_cohort) if scan.masks}
    assert {row.scan for row in rows} == set(scans)
    assert all(row.split == scans[row.scan].split for row in rows)
    lesions = {name: len(np.unique(scan.lesions())) - 1 for name, scan in scans.items()}  # a label may be hidden
    assert {name: sum(row.is_nodule for row in rows if row.scan == name) for name in scans} == lesions
    assert not any(row.kind == "grafted" for row in rows)
    assert verify_cohort(prepared.root).description == prepared.description

"""Dividing a cohort by patient: no patient's lesions in two splits."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lung_ssp.cohort.candidates.store import patients_with_candidates
from lung_ssp.cohort.scans import read_scans
from lung_ssp.cohort.store import SPLITS, read_sections, write_table
from lung_ssp.errors import CohortError


def split_patients(strata: Mapping[str, int], shares: Sequence[float], rng: np.random.Generator) -> dict[str, str]:
    """Divide patients at random, each stratum in about the given shares.

    Args:
        strata: the stratum of each patient, for example the rarest class among the lesions.
        shares: of train, validation and test; they sum to 1.

    Returns:
        The split of each patient.
    """
    split_of: dict[str, str] = {}
    given = np.zeros(len(SPLITS))
    wanted = np.zeros(len(SPLITS))
    for stratum in sorted(set(strata.values())):
        members = sorted(patient for patient, own in strata.items() if own == stratum)
        for index in rng.permutation(len(members)):
            wanted += shares
            # the split that lags furthest behind its share; what a stratum leaves over carries on to the next
            behind = int(np.argmax(wanted - given))
            given[behind] += 1
            split_of[members[index]] = SPLITS[behind]
    return split_of


def check_disjoint(patients: Mapping[str, Sequence[str]]) -> None:
    """Check that no patient is in two splits.

    Args:
        patients: who is in each split, by its name.

    Raises:
        CohortError: a patient is in two splits; it names the patient and both.
    """
    split_of: dict[str, str] = {}
    for split, names in patients.items():
        for name in names:
            if split_of.setdefault(str(name), split) != split:
                raise CohortError(
                    f"patient {name} is in both the {split_of[str(name)]} and the {split} split: "
                    "put all of a patient's lesions into one."
                )


def record_splits(root: Path) -> None:
    """Write <root>/splits.csv, one row a patient, from the sections and scans of a prepared cohort.

    Raises:
        CohortError: a patient is in two splits.
    """
    patients = patients_by_split(root)
    check_disjoint(patients)
    rows = [{"patient": patient, "split": split} for split in SPLITS for patient in patients[split]]
    write_table(root / "splits.csv", rows, ["patient", "split"])


def patients_by_split(*roots: Path) -> dict[str, list[str]]:
    """Who has sections, scans or candidates in each split of a prepared cohort, or of several together, sorted.

    Raises:
        CohortError: a file is missing or damaged.
    """
    patients: dict[str, set[str]] = {split: set() for split in SPLITS}
    for root in roots:
        scans = read_scans(root) if (root / "scans.csv").is_file() else []
        for split in SPLITS:
            patients[split] |= {*map(str, read_sections(root, split).patients)}
            patients[split] |= {scan.patient for scan in scans if scan.split == split}
            patients[split] |= patients_with_candidates(root, split)
    return {split: sorted(own) for split, own in patients.items()}

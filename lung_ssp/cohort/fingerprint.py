"""The fingerprint of a prepared cohort, from its files alone: whoever has them can check it."""

from pathlib import Path

from lung_ssp.cohort.candidates.store import candidate_digests
from lung_ssp.cohort.nodules.store import nodule_digests
from lung_ssp.cohort.scans import MASK_ARRAYS, read_scans
from lung_ssp.cohort.slides.store import tile_digests
from lung_ssp.cohort.store import SPLITS, contents_digest, load_arrays, read_sections


def cohort_fingerprint(root: Path) -> str:
    """16 hexadecimal digits that depend on every section, label, patient, scan, tile, nodule and candidate of a cohort.

    Raises:
        CohortError: a file is missing or damaged.
    """
    of_scans = []
    for scan in read_scans(root) if (Path(root) / "scans.csv").is_file() else []:
        if scan.masks is not None:
            arrays = load_arrays(scan.masks, MASK_ARRAYS)
            of_scans += [str(arrays["pixels_sha256"]).encode(), arrays["lungs"].tobytes(), arrays["lesions"].tobytes()]
    more = (*of_scans, *tile_digests(root), *nodule_digests(root), *candidate_digests(root))
    return contents_digest([read_sections(root, split) for split in SPLITS], *more)

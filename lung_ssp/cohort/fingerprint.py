"""The fingerprint of a prepared cohort, from its files alone: whoever has them can check it."""

from collections.abc import Iterator
from pathlib import Path

from lung_ssp.cohort.scans import read_scans
from lung_ssp.cohort.slides.store import tile_digests
from lung_ssp.cohort.store import SPLITS, contents_digest, load_arrays, read_sections


def cohort_fingerprint(root: Path) -> str:
    """16 hexadecimal digits that depend on every section, label, patient, scan and tile of a cohort.

    Raises:
        CohortError: a file is missing or damaged.
    """
    return contents_digest([read_sections(root, split) for split in SPLITS], *scan_digests(root), *tile_digests(root))


def scan_digests(root: Path) -> Iterator[bytes]:
    """What is known of the scans: the hash of their pixels, and their masks."""
    if not (Path(root) / "scans.csv").is_file():
        return
    for scan in read_scans(root):
        if scan.masks is not None:
            arrays = load_arrays(scan.masks, ["pixels_sha256", "lungs", "lesions"])
            yield str(arrays["pixels_sha256"]).encode()
            yield arrays["lungs"].tobytes()
            yield arrays["lesions"].tobytes()

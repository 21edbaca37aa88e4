"""A prepared cohort of scans without marked lesions: slices for the segmentation network, all of them background."""

import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from tqdm import tqdm

from lung_ssp.cohort.annotations.masks import mask_onto
from lung_ssp.cohort.classes import TASK_NAMES
from lung_ssp.cohort.description import COHORT_FILE, CohortCounts, CohortDescription, read_cohort, write_cohort
from lung_ssp.cohort.fingerprint import cohort_fingerprint
from lung_ssp.cohort.lung_scans.places import ExcludedPlace, read_places
from lung_ssp.cohort.lung_scans.settings import LungScanSettings, LungScansSettings
from lung_ssp.cohort.slices import slices_path, write_slices
from lung_ssp.cohort.store import (
    SPLITS,
    Sections,
    mark_folder,
    refuse_other_cohort,
    section_counts,
    write_sections,
    write_table,
)
from lung_ssp.ct.parenchyma import segment_lungs
from lung_ssp.ct.series import read_series
from lung_ssp.ct.volume import Volume
from lung_ssp.ct.volume_file import read_image
from lung_ssp.ct.working_grid import NOT_COUNTED, training_slices
from lung_ssp.errors import CohortError, LungSspError
from lung_ssp.files import sha256_of, write_atomically
from lung_ssp.paths import inside, is_plain_name


def prepare_lung_scans(settings: LungScansSettings) -> CohortDescription:
    """Make the cohort and write it into its folder; all of its scans are in the training split.

    Inside the lung mask all is background, but for the excluded places. What lies outside does not count, for masks
    that leave out tumours or hila do not say what is there. With `cohort.own_lungs` the mask is that of a diagnosis as
    well, and the excluded places must name the tumours in it.

    Returns:
        its description.

    Raises:
        CohortError, SeriesError: a scan, a mask or the table of excluded places is wrong, or the folder holds another
            cohort.
    """
    root = Path(settings.cohort.root)
    files = {scan.name: _files_of(scan, Path(settings.cohort.folder)) for scan in settings.cohort.scans}
    table = settings.cohort.excluded
    places = [] if table is None else read_places(Path(table), files)
    key = _key(settings, files)
    refuse_other_cohort(root, key)
    if (root / COHORT_FILE).is_file():
        return read_cohort(root)
    for name in tqdm(files, "checking scans", unit="scan"):
        _read(name, files[name], places, settings)  # nothing is written of a cohort with a wrong file
    mark_folder(root, key)
    made_with = json.dumps({"slices": settings.slices.model_dump(), "key": key}, sort_keys=True)
    for name in tqdm(files, "scans", unit="scan"):
        volume, lungs, lesions = _read(name, files[name], places, settings)
        write_slices(slices_path(root, name), training_slices(volume, lungs, settings.slices, lesions), made_with)
        _write_scan(root, name, volume, lungs, lesions)
    write_table(
        root / "scans.csv",
        [
            {"patient": name, "split": "train", "series": f"scans/{name}.nii.gz", "masks": f"masks/{name}.npz"}
            for name in files
        ],
    )
    size, nothing = settings.section.size, np.zeros(0, np.int64)
    none = Sections(np.zeros((0, size, size), np.float32), dict.fromkeys(TASK_NAMES, nothing), np.zeros(0, str))
    for split in SPLITS:
        write_sections(root, split, none)
    write_table(root / "sections.csv", [], ["patient", "split", *(f"{task}_label" for task in TASK_NAMES)])
    counts = section_counts(dict.fromkeys(SPLITS, none)).model_dump()
    description = CohortDescription(
        name=settings.cohort.name,
        synthetic=settings.cohort.source.synthetic,
        origin=_origin(settings),
        fingerprint=cohort_fingerprint(root),
        key=key,
        section=settings.section,
        counts=CohortCounts.model_validate({**counts, "scans": {"train": len(files)}}),
    )
    write_cohort(root, description)
    return description


def _files_of(scan: LungScanSettings, folder: Path) -> tuple[Path, Path]:
    """The scan's volume and its lung mask."""
    if not is_plain_name(scan.name):
        raise CohortError(f"cohort.scans: {scan.name} cannot be the name of a file: choose another name.")
    try:
        series, mask = inside(folder, scan.series), inside(folder, scan.lungs)
    except LungSspError as error:
        raise CohortError(f"cohort.scans, {scan.name}: {error}.") from None
    for path in (series, mask):
        if not path.is_file():
            raise CohortError(f"{path} of the scan {scan.name} does not exist: name its folder (cohort.folder).")
    return series, mask


def _key(settings: LungScansSettings, files: dict[str, tuple[Path, Path]]) -> str:
    """What the cohort is made from: the files, the excluded places and the settings, wherever the files lie."""
    places = {"cohort": {"root", "folder", "excluded"}}
    own = [sha256_of(path) for paths in files.values() for path in paths]
    table = settings.cohort.excluded
    made_from = [settings.model_dump_json(exclude=places), *own, sha256_of(Path(table)) if table else ""]
    return hashlib.sha256("\n".join(made_from).encode()).hexdigest()


def _read(
    name: str, files: tuple[Path, Path], places: list[ExcludedPlace], settings: LungScansSettings
) -> tuple[Volume, np.ndarray, np.ndarray]:
    """A scan, its lungs, bool (z, y, x), and uint8: 0 background, NOT_COUNTED outside of them and in excluded places.

    Raises:
        SeriesError, CohortError: the scan or its mask is wrong, or a place lies beside the scan.
    """
    volume = read_series(files[0])
    marked = sitk.Cast(read_image(files[1]) != 0, sitk.sitkUInt8)
    lungs = mask_onto(marked, volume, str(files[1]))
    if settings.cohort.own_lungs:
        lungs |= segment_lungs(volume, settings.parenchyma).mask
    labels = np.where(lungs, 0, NOT_COUNTED).astype(np.uint8)
    for place in (place for place in places if place.scan == name):
        box = place.box_in(volume)
        if box is None:
            raise CohortError(
                f"The excluded place {place.x_mm:g}, {place.y_mm:g}, {place.z_mm:g} mm lies beside the scan "
                f"{place.scan}: give its centre in the patient's coordinates (LPS)."
            )
        labels[box] = NOT_COUNTED
    return volume, lungs, labels


def _write_scan(root: Path, name: str, volume: Volume, lungs: np.ndarray, lesions: np.ndarray) -> None:
    """The scan as NIfTI, and its masks."""
    with tempfile.TemporaryDirectory() as folder:  # SimpleITK writes by name
        copy = Path(folder) / "scan.nii.gz"
        sitk.WriteImage(volume.to_image(), str(copy))
        content = copy.read_bytes()
    write_atomically(root / "scans" / f"{name}.nii.gz", lambda file: file.write(content))
    pixels = hashlib.sha256(np.ascontiguousarray(volume.hu).tobytes()).hexdigest()
    write_atomically(
        root / "masks" / f"{name}.npz",
        lambda file: np.savez_compressed(file, pixels_sha256=np.array(pixels), lungs=lungs, lesions=lesions),
    )


def _origin(settings: LungScansSettings) -> str:
    """Whose scans they are: part of every output's sentence."""
    source, scans = settings.cohort.source, len(settings.cohort.scans)
    return (
        f"{source.origin}, {scans} REAL scans taken as without nodules, which no reader has certified; "
        f"{source.licence}; {source.citation.rstrip('.')}"
    )

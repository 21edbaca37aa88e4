"""LIDC-IDRI-0001, the only real scan of LIDC at hand: what its readers drew, and its preparation."""

import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from lung_ssp.cohort.public.plan import make_public_plan
from lung_ssp.cohort.public.plan_to_cohort import prepare_public
from lung_ssp.cohort.public.settings import PublicSettings
from lung_ssp.cohort.ratings import RATINGS
from lung_ssp.cohort.verify import verify_cohort
from lung_ssp.config import load_config
from lung_ssp.ct.series import Series, open_series


@pytest.fixture(scope="session")
def scan(lidc_series: Path) -> tuple[Path, Path, Series]:
    """The folder of the scan's DICOM files, the readers' XML file, and the scan."""
    (xml,) = lidc_series.rglob("*.xml")
    return xml.parent, xml, open_series(xml.parent)


@pytest.fixture(scope="session")
def drawn(scan: tuple[Path, Path, Series]) -> tuple[np.ndarray, dict[str, str]]:
    """What each reader drew, bool (readers, z, y, x), and the ratings joined by ;, of the file's one nodule.

    Filled by another way than the package's, the outline's own pixels left out.
    """
    _, xml, series = scan
    heights = series.volume.to_world(np.array([(z, 0, 0) for z in range(series.volume.shape[0])]))[:, 2]
    masks, ratings = [], []
    for nodule in ElementTree.parse(xml).getroot().iterfind(".//{*}unblindedReadNodule"):
        if nodule.find("{*}characteristics/{*}malignancy") is None:
            continue
        mask = np.zeros(series.volume.shape, bool)
        for roi in nodule.iterfind("{*}roi"):
            z = int(np.abs(heights - float(roi.findtext("{*}imageZposition") or "nan")).argmin())
            edge = np.zeros(mask.shape[1:], bool)
            for point in roi.iterfind("{*}edgeMap"):
                edge[int(point.findtext("{*}yCoord") or -1), int(point.findtext("{*}xCoord") or -1)] = True
            mask[z] |= ndimage.binary_fill_holes(edge) & ~edge
        masks.append(mask)
        ratings.append({name: nodule.findtext(f"{{*}}characteristics/{{*}}{name}") or "" for name in RATINGS})
    return np.array(masks), {name: ";".join(own[name] for own in ratings) for name in RATINGS}


@pytest.fixture
def prepare_lidc(
    scan: tuple[Path, Path, Series],
    index_row: Callable[..., dict[str, Any]],
    write_index: Callable[..., Path],
    tmp_path: Path,
) -> Callable[[str, Sequence[dict[str, Any]], Sequence[str]], tuple[Path, PublicSettings]]:
    """Prepares the scan with configs/cohort/lidc.yml as if it had been downloaded, into a folder of that name.

    Further series of the index are rows with the `folder` of their files. Gives the cohort and its settings.
    """
    source, _, series = scan

    def run(name: str, further: Sequence[dict[str, Any]], overrides: Sequence[str]) -> tuple[Path, PublicSettings]:
        root, uid = tmp_path / name, series.volume.series_uid
        common = {"collection_id": "lidc_idri", "license_short_name": "CC BY 3.0", "source_DOI": "x"}
        common["PatientID"] = "LIDC-IDRI-0001"
        shutil.copytree(source, root / "images" / uid, ignore=shutil.ignore_patterns("*.xml"))
        rows = [index_row(1, **common, SeriesInstanceUID=uid, instanceCount=len(series.slices))]
        for number, own in enumerate(further, start=2):
            files = own.pop("folder")
            shutil.copytree(files, root / "images" / own["SeriesInstanceUID"])
            rows.append(index_row(number, **common, **own))
        folders = [f"folders.{folder}={root / folder}" for folder in ("plan", "images", "samples", "cohort")]
        index = f"source.index={write_index(rows, f'{name}.parquet')}"
        words = [*folders, index, "split.shares=[1,0,0]", "workers.count=1", *overrides]
        settings = load_config("cohort/lidc.yml", PublicSettings, words).settings
        make_public_plan(settings.source, root / "plan")
        prepare_public(settings)
        verify_cohort(root / "cohort")
        return root / "cohort", settings

    return run

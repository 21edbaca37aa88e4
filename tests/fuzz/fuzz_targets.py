"""The readers of the package, each with a small valid input."""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fuzz_files import (
    STUDY_RUN,
    read_manifest_into_a_cohort,
    scan_folder,
    write_benchmark,
    write_boxes,
    write_cohort,
    write_lidc,
    write_manifest,
    write_nlst_tables,
    write_plan_of_nlst,
    write_run,
    write_seg,
    write_study,
)
from fuzz_guard import Fault, check
from fuzz_inputs import write_disc, write_multi_frame, write_series, write_volume, write_zip
from fuzz_mutations import mutate

from lung_ssp.benchmark.compare import compare_reports
from lung_ssp.classification.trained import load_classifier
from lung_ssp.cohort.annotations.box_files import read_boxes
from lung_ssp.cohort.annotations.dicom_seg import read_segmentation
from lung_ssp.cohort.annotations.lidc import read_lidc
from lung_ssp.cohort.description import read_cohort
from lung_ssp.cohort.nlst.plan_table import read_plan
from lung_ssp.cohort.nlst.pseudonyms import open_pseudonyms
from lung_ssp.cohort.nlst.tables import read_tables
from lung_ssp.cohort.split import patients_by_split
from lung_ssp.cohort.store import SPLITS, read_sections
from lung_ssp.cohort.verify import verify_cohort
from lung_ssp.config import SHIPPED_CONFIGS, load_config, resolve
from lung_ssp.ct.series import Series, open_series
from lung_ssp.errors import LungSspError
from lung_ssp.preparation import PREPARATIONS
from lung_ssp.studies.record import read_predictions, read_run_record
from lung_ssp.studies.settings import StudySettings
from lung_ssp.tasks import read_run, read_training
from lung_ssp.training.checkpoint import load_checkpoint
from lung_ssp.training.run import check_cohort

ACCEPT = ("tilt", "gaps", "duplicates")
VOLUMES = (".nii", ".nii.gz", ".mha", ".mhd", ".nrrd")


@dataclass(frozen=True)
class Target:
    """A reader.

    make: writes a valid input into a folder. read: reads it; files may be changed before.
    writes: whether it may write into that folder.
    """

    name: str
    make: Callable[[Path], None]
    read: Callable[[Path], object]
    writes: bool = False


def run(target: Target, master: Path, work: Path, seed: int) -> str:
    """Copy a valid input, change it as the seed says, and let the reader read it.

    Returns:
        what was changed and what the reader said.

    Raises:
        Fault: the reader did what it may not do; the message tells how to repeat it.
    """
    rng = random.Random(seed)
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(master, work)
    changes = []
    for _ in range(rng.choice((1, 1, 1, 2))):
        files = sorted(path for path in work.rglob("*") if path.is_file() and not path.is_symlink())
        changes += [mutate(rng.choice(files), rng)] if files else []
    told = f"{target.name}, seed {seed}, {'; '.join(changes)}"
    try:
        sentence = check(lambda: target.read(work), work, [work] if target.writes else [])
    except Exception as error:
        raise Fault(f"{told}: {type(error).__name__}: {error}") from error
    return f"{told}: {sentence}"


def _copy_configs(folder: Path) -> None:
    shutil.copytree(SHIPPED_CONFIGS, folder)


def _read_configs(folder: Path) -> None:
    for path in sorted(folder.rglob("*.yml")):
        if path.parent.name in ("classification", "segmentation"):
            read_training(path)
        elif path.parent.name == "studies":
            load_config(path, StudySettings)
        else:
            file = resolve(path)
            if file.tree.get("task") in PREPARATIONS:
                file.check(file.choose(PREPARATIONS)[0])


def _make_override(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "override.txt").write_text("lr_scheduler.learning_rate=0.1")


def _read_override(folder: Path) -> None:
    text = (folder / "override.txt").read_bytes().decode("utf-8", "surrogateescape")
    read_training("classification/smoke.yml", [text])


def _read_scan(name: str, folder: Path) -> None:
    open_series(folder / name, None, ACCEPT)


def _each(*reads: Callable[[], object]) -> None:
    """Do all, also where one before is refused; one such error is then raised."""
    refused: LungSspError | None = None
    for read in reads:
        try:
            read()
        except LungSspError as error:
            refused = error
    if refused is not None:
        raise refused


def _read_cohort(folder: Path) -> None:
    root = folder / "cohort"
    _each(
        lambda: read_cohort(root),
        *(partial(read_sections, root, split) for split in SPLITS),
        lambda: patients_by_split(root),
        lambda: verify_cohort(root),
    )


def _read_run(folder: Path) -> None:
    """What an evaluation and a diagnosis read of a run, and what a resumed training does."""
    run = folder / "run"
    _each(
        lambda: check_cohort(run, read_run(run)[1].settings.cohort),
        lambda: load_classifier(run),
        lambda: load_checkpoint(run / "checkpoints", "best"),
    )


def _read_study(folder: Path) -> None:
    _each(lambda: read_run_record(folder, STUDY_RUN), lambda: read_predictions(folder, STUDY_RUN))


def _read_on_scan(read: Callable[[Path, Series], object], name: str, folder: Path) -> None:
    read(folder / name, open_series(scan_folder()))


def _read_nlst_tables(folder: Path) -> None:
    read_tables(folder, open_pseudonyms(folder / "salt"))


TARGETS = (
    Target("series", write_series, lambda folder: open_series(folder, None, ACCEPT)),
    Target("multi-frame", write_multi_frame, lambda folder: open_series(folder, None, ACCEPT)),
    Target("DICOMDIR", write_disc, partial(_read_scan, "DICOMDIR")),
    Target("zip", write_zip, partial(_read_scan, "series.zip")),
    *(Target(suffix, partial(write_volume, suffix=suffix), partial(_read_scan, f"scan{suffix}")) for suffix in VOLUMES),
    Target("configurations", _copy_configs, _read_configs),
    Target("-o", _make_override, _read_override),
    Target("manifest", write_manifest, read_manifest_into_a_cohort, writes=True),
    Target("cohort", write_cohort, _read_cohort),
    Target("run", write_run, _read_run),
    Target("study", write_study, _read_study),
    Target("benchmark", write_benchmark, lambda folder: compare_reports(folder / "a.json", folder / "b.json")),
    Target("NLST's tables", write_nlst_tables, _read_nlst_tables),
    Target("NLST's plan", write_plan_of_nlst, read_plan),
    Target("boxes", write_boxes, lambda folder: read_boxes(str(folder / "sybil.json"), str(folder / "nlstx.csv"))),
    Target("LIDC", write_lidc, partial(_read_on_scan, lambda path, scan: read_lidc(path, scan, 0.5), "readers.xml")),
    Target("DICOM-SEG", write_seg, partial(_read_on_scan, read_segmentation, "lesions.dcm")),
)

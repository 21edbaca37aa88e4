"""Small valid files beside scans: cohorts, manifests, runs, reports, tables, masks and outlines."""

import json
import shutil
import tempfile
from datetime import datetime, timezone
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
from fuzz_inputs import SERIES_UID, SPACING, chest, write_series

from lung_ssp.benchmark.cases import BenchmarkPlan, Case
from lung_ssp.benchmark.device import Memory
from lung_ssp.benchmark.report import BenchmarkReport, MeasuredCase, Repeat, figures_of, write_report
from lung_ssp.benchmark.timing import Times
from lung_ssp.cohort.annotations.dicom_seg_writer import write_segmentation
from lung_ssp.cohort.classes import TASK_NAMES
from lung_ssp.cohort.nlst.plan_table import SCHEMA, write_plan
from lung_ssp.preparation import prepare
from lung_ssp.studies.record import MadeFromRecord, RunRecord, write_run_record
from lung_ssp.tasks import read_training
from lung_ssp.training.checkpoint import network_arrays, save_checkpoint
from lung_ssp.training.run import open_run

HEADER = "patient,split,series,x_mm,y_mm,z_mm,diameter_mm,mask,mask_value,image_label,pathology_label"
PLACES = ("-4,0,20,8", "4,2,30,9", "-2,4,40,10", "2,-2,50,11", "0,0,60,12")
SPLITS = ("train", "train", "train", "validation", "test")
STUDY_RUN = "single/0"
SMALL = ("batch_size=2", "epochs=1", "model.conv_channels=[2, 2]", "model.fully_connected=4")


def lesion_mask() -> np.ndarray:
    """A lesion of some voxels, uint8 (z, y, x)."""
    mask = np.zeros(chest().shape, np.uint8)
    mask[5:8, 4:8, 6:9] = 1
    return mask


def write_manifest(folder: Path) -> None:
    """A series, masks of it in several formats, and a manifest that names all."""
    write_series(folder / "series")
    image = sitk.GetImageFromArray(lesion_mask())
    image.SetSpacing(SPACING[::-1])
    image.SetOrigin((-32.0, -24.0, 0.0))
    sitk.WriteImage(image, str(folder / "mask.nii.gz"))
    np.savez(folder / "mask.npz", mask=lesion_mask())
    rows = [
        f"P{k},{split},series,{place},,,{k % 3},{k % 2}"
        for k, (split, place) in enumerate(zip(SPLITS, PLACES, strict=True))
    ]
    rows += ["Q0,train,series,,,,,mask.nii.gz,1,1,", "Q1,train,series,,,,,mask.npz,,,2"]
    (folder / "manifest.csv").write_text("\n".join([HEADER, *rows]) + "\n")


def read_manifest_into_a_cohort(folder: Path) -> None:
    """What `prepare` does with a manifest."""
    own = [f"cohort.root={folder / 'cohort'}", f"cohort.manifest={folder / 'manifest.csv'}"]
    prepare("cohort/manifest.yml", [*own, "cohort.accept=[gaps, duplicates]"])


def write_cohort(folder: Path) -> None:
    """A prepared cohort, without what it was made from."""
    write_manifest(folder)
    read_manifest_into_a_cohort(folder)
    for name in ("series", "mask.nii.gz", "mask.npz", "manifest.csv"):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def write_run(folder: Path) -> None:
    """A cohort and a run on it: its first weights as the best and the latest checkpoint."""
    write_cohort(folder)
    roots = [f"{part}_dataset.dataset_root={folder / 'cohort'}" for part in ("train", "val", "test")]
    task, config = read_training("classification/smoke.yml", [*SMALL, *roots])
    open_run(folder / "run", config.text(), {}, folder / "cohort", resume=False)
    network = task.build(config).task.network
    state = {"score_name": "untrained", "score": 0.0}
    save_checkpoint(folder / "run" / "checkpoints", "best", 0, network_arrays(network), state)


def write_benchmark(folder: Path) -> None:
    """Two reports of one case."""
    folder.mkdir(parents=True, exist_ok=True)
    case = Case("classification", "training", "single_task", "O0", "real", 12, "paddle")
    repeat = Repeat(Times([1.0, 2.0], [0.5, 0.5], 1.5), Memory(100.0), 12.0, parameters=7, flops=18_000_000_000)
    measured = MeasuredCase(case, figures_of(case, [repeat]), [repeat])
    for name in ("a.json", "b.json"):
        plan = BenchmarkPlan(phase="training", config="a.yml")
        report = BenchmarkReport(
            plan=plan, settings={}, seed=0, cohort=None, environment={"cores": 2}, cases=[measured], skipped={}
        )
        write_report(folder / name, report)


def write_study(folder: Path) -> None:
    """What a finished run of a study has noted and predicted."""
    record = RunRecord(
        format=1,
        made_from=MadeFromRecord(configuration="c", cohort="f", program="0"),
        commit=None,
        versions={"python": "3"},
        started=datetime(2026, 1, 2, tzinfo=timezone.utc),
        training_seconds=2.0,
        evaluation_seconds=1.0,
        parameters=7,
        test_patients=2,
        predicted=True,
    )
    predictions = {f"{task}_probabilities": np.full((3, 2), 0.5, np.float32) for task in TASK_NAMES}
    predictions |= {f"{task}_labels": np.zeros(3, np.int16) for task in TASK_NAMES}
    write_run_record(folder, STUDY_RUN, record, {**predictions, "patients": np.array(["a", "b", "c"])})


def write_nlst_tables(folder: Path) -> None:
    """NLST's tables of two invented participants, and the salt of their pseudonyms."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "salt").write_text("5a" * 32)
    places = ("loccar", "locmed", "locoth", "locunk", "locrhil", "locrmsb", "loclmsb", "locrmid", "locrlow", "loclup")
    persons = {"pid": [100001, 100002], "can_scr": [1, 0], "cancyr": [1, None], "candx_days": [500, None]}
    for year in range(3):
        persons |= {f"scr_days{year}": [10 + 360 * year, 5], f"scr_res{year}": [4, 1]}
    persons |= {name: [0, 0] for name in (*places, "loclin", "locllow", "loclhil")} | {"locrup": [1, None]}
    cancers = {"pid": [100001], "lc_order": [1], "lc_morph": [8140], "lc_topog": ["C34.1"], "candx_days": [500]}
    abnormalities = {"pid": [100001], "study_yr": [0], "sct_ab_num": [1], "sct_ab_desc": [51], "sct_epi_loc": [1]}
    abnormalities |= {"sct_slice_num": [80], "sct_margins": [2], "sct_pre_att": [1]}
    abnormalities |= {"sct_long_dia": [8.5], "sct_perp_dia": [6]}
    for name, columns in (("prsn", persons), ("canc", cancers), ("ctab", abnormalities)):
        pd.DataFrame(columns).convert_dtypes().to_csv(folder / f"nlst_{name}.csv", index=False)


def write_plan_of_nlst(folder: Path) -> None:
    """A plan of two series."""
    folder.mkdir(parents=True, exist_ok=True)
    row = {
        **{"role": "ct", "participant": "5f" * 8, "study_year": 0, "series_uid": "1.2.3.1", "study_uid": "1.2.9.1"},
        **{"crdc_series_uuid": "00000001-0000-4000-8000-000000000000", "instances": 150, "size_mb": 80.0, "source": ""},
        **{"maker": "GE", "model": "LightSpeed", "kernel": "STANDARD", "thickness_mm": 2.5, "field_mm": 360.0},
        "has_boxes": False,
    }
    other = {"series_uid": "1.2.3.2", "crdc_series_uuid": "00000002-0000-4000-8000-000000000000", "study_year": 1}
    write_plan(folder, pd.DataFrame([row, row | other], columns=SCHEMA.names))


def write_boxes(folder: Path) -> None:
    """Sybil's and NLSTx's files of boxes."""
    folder.mkdir(parents=True, exist_ok=True)
    box = {"x": 0.1, "y": 0.2, "width": 0.3, "height": 0.1}
    (folder / "sybil.json").write_text(json.dumps({"1.2.3": {"1.2.3.4": [box, box]}, "1.2.4": {}}))
    columns = "seriesinstanceuids,Abnormality UID,Slice number"
    sides = ",".join(f"Bounding box {side} (pixels)" for side in ("x", "y", "width", "height"))
    (folder / "nlstx.csv").write_text(f"{columns},{sides}\n1.2.3,1,12,100,110,20,30\n1.2.3,2,13,50,60,8,9\n")


@cache
def scan_folder() -> Path:
    """A series that stays as it is, for what is drawn on it."""
    folder = Path(tempfile.mkdtemp(prefix="lung_ssp-fuzz-")) / "series"
    write_series(folder)
    return folder


def write_lidc(folder: Path) -> None:
    """The outlines of two readers, as LIDC's XML has them."""
    folder.mkdir(parents=True, exist_ok=True)
    corners = ((3, 3), (9, 3), (9, 8), (3, 8), (3, 3))
    edges = "".join(f"<edgeMap><xCoord>{x}</xCoord><yCoord>{y}</yCoord></edgeMap>" for x, y in corners)
    rois = "".join(
        f"<roi><imageZposition>{SPACING[0] * k}</imageZposition><imageSOP_UID>{SERIES_UID}.{k + 1}</imageSOP_UID>"
        f"<inclusion>TRUE</inclusion>{edges}</roi>\n"
        for k in (5, 6)
    )
    reader = (
        f"<readingSession><unblindedReadNodule><noduleID>1</noduleID>\n{rois}</unblindedReadNodule></readingSession>\n"
    )
    (folder / "readers.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n<LidcReadMessage xmlns="http://www.nih.gov">\n<ResponseHeader>\n'
        f"<SeriesInstanceUid>{SERIES_UID}</SeriesInstanceUid>\n</ResponseHeader>\n{reader}{reader}</LidcReadMessage>\n"
    )


def write_seg(folder: Path) -> None:
    """A DICOM segmentation of a lesion."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [path for path in sorted(scan_folder().iterdir()) if path.suffix == ".dcm"]
    write_segmentation(folder / "lesions.dcm", files, lesion_mask(), ["nodule"], "fuzz")

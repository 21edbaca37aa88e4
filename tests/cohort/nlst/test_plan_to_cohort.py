"""From a plan and series on disk to a prepared cohort, on real worker processes."""

import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pydicom
import pytest
from distributed import LocalCluster

from lung_ssp.cohort.description import read_cohort
from lung_ssp.cohort.nlst.jobs import SeriesJob
from lung_ssp.cohort.nlst.plan_table import read_plan
from lung_ssp.cohort.nlst.plan_to_cohort import check_synthetic_flag, prepare_nlst, read_nlst
from lung_ssp.cohort.nlst.series_preparation import (
    SeriesWork,
    as_result,
    prepare_series,
    read_journal,
    record,
    what_is_missing,
)
from lung_ssp.cohort.nlst.text import preparation_text
from lung_ssp.cohort.slices import read_slices
from lung_ssp.cohort.split import check_disjoint
from lung_ssp.cohort.store import SPLITS, read_sections
from lung_ssp.cohort.verify import verify_cohort
from lung_ssp.dask_workers import WorkersLost
from lung_ssp.errors import CohortError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prepared(plan_nlst, tmp_path_factory):
    settings = plan_nlst(tmp_path_factory.mktemp("prepared"))
    return settings, prepare_nlst(settings)


def samples_of(settings) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(settings.folders.samples).glob("*.npz")}


def test_the_cohort_is_whole_synthetic_and_divided_by_patient(prepared):
    settings, result = prepared
    root = Path(settings.folders.cohort)
    cohort = read_cohort(root)
    assert (result.root, result.cohort) == (root, cohort)
    assert "series   6: 6 done, 0 failed" in preparation_text(result)
    assert [one.status for one in result.series] == ["done"] * 6
    assert cohort.statement.startswith("SYNTHETIC cohort")
    assert verify_cohort(root).fingerprint == cohort.fingerprint
    table = pd.read_csv(root / "sections.csv")
    assert (
        len(table)
        == len(result.samples)
        == result.figures.samples
        == sum(len(read_sections(root, split)) for split in SPLITS)
    )
    assert set(table["position_source"]) == {"mask:nlstseg", "box:sybil"}
    check_disjoint({split: table.loc[table["split"] == split, "patient"].tolist() for split in SPLITS})


def test_drawn_lesions_are_those_of_the_phantom_and_can_be_learnt_from(prepared, simulated_nlst):
    settings, _ = prepared
    root = Path(settings.folders.cohort)
    scans = pd.read_csv(root / "scans.csv")
    patient_of = pd.read_parquet(simulated_nlst / "simulated_nlst" / "index.parquet").set_index("SeriesInstanceUID")[
        "PatientID"
    ]
    assert len(scans) == 2  # of six patients, every third one's lesions are drawn
    for row in scans.itertuples():
        patient = patient_of[Path(row.series).name]
        with np.load(root / row.masks) as drawn, np.load(simulated_nlst / "scans" / f"{patient}.npz") as true:
            assert np.array_equal(drawn["lesions"] > 0, true["lesions"] > 0)
    split = scans["split"].iloc[0]
    slice_settings, slices = read_slices(root, split)
    assert slice_settings == settings.series.slices
    assert all(one.lesions.any() for one in slices)


def test_no_identifier_and_no_date_stands_in_names_reports_or_journals(prepared, simulated_nlst):
    settings, result = prepared
    work = Path(settings.folders.samples).parent
    texts = [preparation_text(result)] + [
        path.read_text()
        for path in work.rglob("*")
        if path.suffix in (".csv", ".json", ".jsonl", ".txt") and path.name != "scans.csv"
    ]
    names = [str(path.relative_to(work)) for path in work.rglob("*")]
    for word in ("PHANTOM-0", "1999-01", "19990102", "2000-01", "20000102", "2001-01", "20010102", "2.25."):
        assert not [text for text in [*texts, *names] if word in text], word


def test_damaged_files_of_a_series_are_made_again_and_the_rest_is_kept(prepared, tmp_path):
    settings, first = prepared
    samples = tmp_path / "samples"
    shutil.copytree(settings.folders.samples, samples)
    folders = settings.folders.model_copy(update={"cohort": str(tmp_path / "cohort"), "samples": str(samples)})
    jobs = read_nlst(settings).jobs
    masks = next(job.masks_in(samples) for job in jobs if job.masks_in(samples).is_file())
    own = masks.with_name(masks.name.replace(".masks", ""))
    other = next(job.samples_in(samples) for job in jobs if job.samples_in(samples) != own)
    masks.write_bytes(masks.read_bytes()[:-200])
    np.savez(other, images=np.full((1, 28, 28), np.nan, np.float32))
    kept = {path: path.stat().st_mtime_ns for path in samples.glob("*.npz") if path not in (masks, own, other)}
    result = prepare_nlst(settings.model_copy(update={"folders": folders}))
    assert result.cohort.fingerprint == first.cohort.fingerprint
    assert (result.figures.done, result.figures.failed) == (6, {})
    again = {path for path, time_ns in kept.items() if path.stat().st_mtime_ns != time_ns}
    assert {path.name.partition(".")[0] for path in again} <= {own.stem, other.stem}


def test_a_second_run_does_nothing_and_another_setting_never_mixes(prepared, monkeypatch):
    settings, first = prepared
    before = samples_of(settings)
    assert preparation_text(prepare_nlst(settings)) == preparation_text(first)
    assert samples_of(settings) == before
    section = settings.series.section.model_copy(update={"field_mm": 70.0})
    wider = settings.model_copy(update={"series": settings.series.model_copy(update={"section": section})})
    with pytest.raises(CohortError, match="holds another cohort"):
        prepare_nlst(wider)
    after = samples_of(settings)
    assert {name: after[name] for name in before} == before
    assert len(after) == 2 * len(before)


def test_a_leaky_split_is_marked_everywhere(prepared, tmp_path):
    settings, _ = prepared
    folders = settings.folders.model_copy(update={"cohort": str(tmp_path / "leaky")})
    result = prepare_nlst(settings.model_copy(update={"folders": folders}), leaky=True)
    assert "LEAKY" in preparation_text(result)
    assert "LEAKY" in verify_cohort(tmp_path / "leaky").description.statement
    patients = [set(read_sections(tmp_path / "leaky", split).patients.tolist()) for split in SPLITS]
    assert patients[0] & (patients[1] | patients[2])


def test_a_series_that_fails_is_recorded_without_its_names_and_the_others_go_on(plan_nlst, simulated_nlst, tmp_path):
    images = tmp_path / "images"
    shutil.copytree(simulated_nlst / "simulated_nlst" / "images", images)
    settings = plan_nlst(tmp_path, images=images)
    jobs = read_nlst(settings).jobs
    bare = [job.series_uid for job in jobs if not job.lesion_masks and not job.boxes["sybil"]]
    ct = [next(job.series_uid for job in jobs if job.lesion_masks), *bare]
    file = sorted((images / ct[0]).iterdir())[3]
    file.write_bytes(file.read_bytes()[:-100])
    sorted((images / ct[1]).iterdir())[5].unlink()
    shutil.copy(sorted((images / ct[1]).iterdir())[7], images / ct[1] / "again.dcm")
    shutil.rmtree(images / ct[2])
    figures = prepare_nlst(settings).figures
    assert (figures.series, figures.done) == (6, 3)
    assert figures.failed == {"damaged": 1, "duplicate": 1, "not downloaded": 1}
    failed = pd.read_csv(tmp_path / "samples" / "failed.csv").set_index("reason")["message"]
    assert set(failed.index) == {"damaged", "duplicate", "not downloaded"}
    for message in failed:
        assert str(tmp_path) not in message
        assert not any(uid in message for uid in ct)
    (images / ct[1] / "again.dcm").unlink()
    shutil.copytree(simulated_nlst / "simulated_nlst" / "images", images, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "cohort")
    assert prepare_nlst(settings).figures.done == 6


def test_workers_that_are_killed_lose_nothing(plan_nlst, tmp_path):
    settings = plan_nlst(tmp_path)
    inputs = read_nlst(settings)
    jobs = forty_series(inputs.jobs, tmp_path / "forty")
    quiet, disturbed = (
        SeriesWork(tmp_path / name, settings.series, inputs.rule, None) for name in ("quiet", "disturbed")
    )
    expected = prepare_series(jobs, quiet, settings.workers, None)
    killed: list[int] = []
    done = threading.Event()
    killer = threading.Thread(target=kill_workers, args=(disturbed.out, killed, done))
    killer.start()
    try:
        results = prepare_series(jobs, disturbed, settings.workers, None)
    finally:
        done.set()
        killer.join()
    assert len(killed) == 3
    assert [result.status for result in results] == ["done"] * 40
    assert [result.samples for result in results] == [result.samples for result in expected]
    files = {path.name: path.read_bytes() for path in quiet.out.glob("*.npz")}
    assert len(files) == 40
    assert {path.name: path.read_bytes() for path in disturbed.out.glob("*.npz")} == files
    assert len(set(files.values())) == 40


def kill_workers(samples: Path, killed: list[int], done: threading.Event) -> None:
    """SIGKILL a worker process after 3, 12 and 24 finished series."""
    for count in (3, 12, 24):
        while len(list(samples.glob("*.npz"))) < count and not done.is_set():
            time.sleep(0.01)
        workers = [p for p in psutil.Process().children(recursive=True) if "spawn_main" in " ".join(p.cmdline())]
        if not done.is_set():
            workers[-1].kill()
            killed.append(workers[-1].pid)


def forty_series(jobs: list[SeriesJob], folder: Path) -> list[SeriesJob]:
    """Jobs for forty series, made of the phantoms that have boxes: each with a UID and pixels of its own."""
    sources = [job for job in jobs if job.boxes["sybil"]]
    slices = [[pydicom.dcmread(path) for path in sorted(job.folder.iterdir())] for job in sources]
    copies = []
    for number in range(40):
        job = sources[number % len(sources)]
        uid, own = f"{job.series_uid[:50]}.{number}", folder / f"{number}"
        own.mkdir(parents=True)
        for index, image in enumerate(slices[number % len(sources)]):
            image.SeriesInstanceUID = uid
            image.PixelData = (image.pixel_array + 1).astype("<i2").tobytes()
            image.save_as(own / f"{index}.dcm")
        boxes = {"sybil": tuple(replace(box, series_uid=uid) for box in job.boxes["sybil"])}
        copies.append(replace(job, name=f"{number:032x}", series_uid=uid, folder=own, boxes=boxes))
    return copies


def test_a_cluster_elsewhere_makes_the_same_files(prepared, plan_nlst, tmp_path):
    there = plan_nlst(tmp_path)
    with LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0", silence_logs=50
    ) as cluster:
        result = prepare_nlst(there, scheduler=cluster.scheduler_address)
    assert result.figures.done == 6
    assert read_cohort(tmp_path / "cohort").fingerprint == read_cohort(Path(prepared[0].folders.cohort)).fingerprint


def test_phantoms_cannot_pass_for_patients(plan_nlst, tmp_path):
    plan = read_plan(Path(plan_nlst(tmp_path).folders.plan))
    check_synthetic_flag(plan, synthetic=True)
    with pytest.raises(CohortError, match="6 series of the plan are of phantoms"):
        check_synthetic_flag(plan, synthetic=False)
    patients = plan.assign(maker=plan["maker"].astype(str).where(plan["role"] != "ct", "GE"))
    check_synthetic_flag(patients, synthetic=False)
    with pytest.raises(CohortError, match="6 series of the plan are not of phantoms"):
        check_synthetic_flag(patients, synthetic=True)


def test_a_download_that_is_not_whole_is_no_series(plan_nlst, simulated_nlst, tmp_path):
    job = read_nlst(plan_nlst(tmp_path)).jobs[0]
    assert what_is_missing(job) == ""
    copy = tmp_path / "copy"
    shutil.copytree(job.folder, copy)
    sorted(copy.iterdir())[-1].unlink()
    assert "download it again" in what_is_missing(replace(job, folder=copy))
    assert "not been downloaded" in what_is_missing(replace(job, lesion_masks=(("nlstseg", tmp_path / "none"),)))


def test_a_file_counts_though_the_journal_lags_behind(prepared):
    settings, result = prepared
    journal = Path(settings.folders.samples) / "journal.jsonl"
    before = journal.read_text()
    first = next(iter(read_journal(journal.parent).values()))
    record(journal.parent, replace(first, status="failed", reason="gap", samples=0))
    assert prepare_nlst(settings).figures.done == 6
    journal.unlink()
    without = prepare_nlst(settings).figures
    assert without.samples == result.figures.samples
    assert without.seconds_per_series is None
    journal.write_text(before)


def test_other_files_in_the_cohorts_folder_are_found_before_anything_is_done(plan_nlst, tmp_path):
    settings = plan_nlst(tmp_path)
    (tmp_path / "cohort").write_text("something else")
    with pytest.raises(CohortError, match="is not an empty folder and holds no cohort"):
        prepare_nlst(settings)
    assert not (tmp_path / "samples").exists()


def test_a_job_without_a_result_is_told_from_how_it_ended(plan_nlst, tmp_path):
    job = read_nlst(plan_nlst(tmp_path)).jobs[0]
    lost, unexpected = as_result(job, WorkersLost()), as_result(job, ValueError("1.2.3 is secret"))
    assert (lost.status, lost.reason) == ("failed", "worker lost")
    assert (unexpected.status, unexpected.message) == ("failed", "Unexpected error: ValueError.")

"""A folder of scans to one table: several processes, a broken series, a copy, an interruption, a second call."""

import csv
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
import SimpleITK as sitk

import lung_ssp
from lung_ssp.cli.app import main
from lung_ssp.diagnosis import folder as module
from lung_ssp.diagnosis.diagnoser import diagnose_series
from lung_ssp.diagnosis.folder import FolderDiagnosis, diagnose_folder
from lung_ssp.diagnosis.formats import DEFAULT
from lung_ssp.diagnosis.inventory import Scan
from lung_ssp.diagnosis.scan_work import Made
from lung_ssp.diagnosis.tables import write_tables
from lung_ssp.errors import DamagedFile, LungSspError
from lung_ssp.files import read_json
from lung_ssp.process_pool import worker_processes

FEW = ["nodules.max_candidates=1"]


@pytest.fixture(scope="module")
def clinic(tiny_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scans, a copy of one, one whose last slice is cut, and a folder without a scan."""
    folder = tmp_path_factory.mktemp("many") / "clinic"
    first, second = sorted(path for path in (tiny_cohort / "scans").iterdir() if path.is_dir())[:2]
    shutil.copytree(first, folder / "site" / "p 1")
    shutil.copytree(second, folder / "p2")
    shutil.copytree(second, folder / "p2 again")
    shutil.copytree(second, folder / "p3")
    uid = pydicom.uid.generate_uid(entropy_srcs=["p3"])
    for path in (folder / "p3").iterdir():
        dataset = pydicom.dcmread(path)
        dataset.SeriesInstanceUID = uid
        dataset.save_as(path)
    path.write_bytes(path.read_bytes()[:-1000])
    (folder / "reports").mkdir()
    (folder / "reports" / "one.txt").write_text("x")
    return folder


@pytest.fixture(scope="module")
def made(clinic: Path, runs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> FolderDiagnosis:
    out = tmp_path_factory.mktemp("made") / "out"
    return lung_ssp.diagnose_folder(clinic, *runs, out, overrides=FEW, processes=2)


@pytest.fixture
def copied(made: FolderDiagnosis, tmp_path: Path) -> Path:
    """A copy of the results, to be changed."""
    return shutil.copytree(made.out, tmp_path / "out")


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def without_seconds(path: Path) -> list[dict[str, str]]:
    return [{name: value for name, value in row.items() if "seconds" not in name} for row in table(path)]


def test_every_scan_is_recorded_and_a_broken_one_stops_no_other(made: FolderDiagnosis) -> None:
    assert [(scan.scan, scan.place, scan.status, scan.reason) for scan in made.scans] == [
        ("p2", "p2", "done", ""),
        ("p2_again", "p2 again", "duplicate", "duplicate"),
        ("p3", "p3", "refused", "damaged"),
        ("site_p_1", "site/p 1", "done", ""),
    ]
    assert made.scans[1].message == "A copy of p2, slice by slice: see there."
    assert "is truncated or damaged: copy it again" in made.scans[2].message
    assert made.empty == ("reports",) and made.left_out == {"file of another kind": ("reports/one.txt",)}
    assert sorted(path.name for path in made.out.iterdir()) == sorted(
        ["diagnosis.json", "findings.csv", "journal.jsonl", "p2", "scans.csv", "site_p_1"]
    )
    lines = made.text().splitlines()
    assert lines[2] == "4 scans: 2 done, 1 refused, 1 the same as others; 2 findings"
    assert lines[3].startswith("refused: p3: ") and "Left out: 1 x folder without a scan (reports)." in lines


def test_each_scan_has_what_the_diagnosis_of_it_alone_writes(
    made: FolderDiagnosis, clinic: Path, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    """With one thread, as the workers compute, the bits are the same; with several Paddle may round otherwise."""
    diagnose_series(clinic / "p2", *runs, tmp_path / "alone", overrides=FEW)
    assert {path.name for path in (tmp_path / "alone").iterdir()} == {path.name for path in (made.out / "p2").iterdir()}
    alone, many = (read_json(folder / "findings.json") for folder in (tmp_path / "alone", made.out / "p2"))
    findings = [report.pop("findings") for report in (alone, many)]
    del alone["seconds"], many["seconds"]
    assert alone == many
    for one, other in zip(*findings, strict=True):
        assert one["centre_lps_mm"] == pytest.approx(other["centre_lps_mm"], abs=0.02)


def test_the_tables_say_what_the_diagnoses_say(made: FolderDiagnosis) -> None:
    scans, findings = table(made.out / "scans.csv"), table(made.out / "findings.csv")
    assert [row["scan"] for row in scans] == ["p2", "p2_again", "p3", "site_p_1"]
    assert [(row["scan"], row["number"]) for row in findings] == [("p2", "1"), ("site_p_1", "1")]
    for row in findings:
        (finding,) = read_json(made.out / row["scan"] / "findings.json")["findings"]
        assert [float(row[name]) for name in ("score", "diameter_mm", "volume_mm3", "mean_hu")] == [
            finding[name] for name in ("score", "diameter_mm", "volume_mm3", "mean_hu")
        ]
        assert [float(row[f"lps_{axis}_mm"]) for axis in "xyz"] == finding["centre_lps_mm"]
        assert int(row["slice"]) == finding["slice_index"] + 1
        learnt = read_json(made.out / row["scan"] / "findings.json")["learnt_from"]
        assert {name: row[f"{name}_learnt_from"] for name in ("score", "image", "pathology")} == learnt
        assert all("SYNTHETIC" in words for words in learnt.values())
        assert (made.out / row["picture"]).is_file()
        for task in ("image", "pathology"):
            probabilities = finding[f"{task}_diagnosis"]
            assert {name: float(row[f"{task}: {name}"]) for name in probabilities} == probabilities
            assert float(row[f"{task}_probability"]) == max(probabilities.values())
            assert probabilities[row[f"{task}_diagnosis"]] == max(probabilities.values())
    lungs = read_json(made.out / "p2" / "findings.json")["lungs"]
    assert float(scans[0]["right_lung_ml"]) == lungs["right"]["volume_ml"]
    assert float(scans[0]["seconds_together"]) >= float(scans[0]["seconds_lungs"]) >= 0
    assert "seconds_candidates" not in scans[0]  # no second stage
    assert (scans[2]["findings"], scans[2]["seconds_together"], scans[2]["message"]) == ("", "", made.scans[2].message)


def test_every_output_says_what_it_is_not_for(made: FolderDiagnosis) -> None:
    record = read_json(made.out / "diagnosis.json")
    notice = f"{record['notice']} {record['training']}"
    assert made.notice == notice and made.text().startswith(notice)
    assert record["notice"] == "Research use only, not for diagnosis." and "SYNTHETIC" in record["training"]
    for name in ("scans.csv", "findings.csv"):
        assert {row["notice"] for row in table(made.out / name)} == {notice}
    assert record["scans"] == {"done": 2, "duplicate": 1, "refused": 1} and record["findings"] == 2
    assert record["settings"]["nodules"]["max_candidates"] == 1 and set(record["weights"]) == set(record["engines"])


def test_a_second_call_makes_what_is_missing_alone(
    made: FolderDiagnosis, clinic: Path, runs: tuple[Path, Path], copied: Path
) -> None:
    """One diagnosis has lost a picture, and the tables are gone; one process gives the bits of two."""
    kept = (copied / "p2" / "findings.json").stat().st_mtime_ns
    (copied / "site_p_1" / "finding-01.png").unlink()
    (copied / "site_p_1" / ".finding-01.png.0123abcd.lung-ssp").write_bytes(b"half of it")
    (copied / "scans.csv").unlink()
    again = diagnose_folder(str(clinic), *map(str, runs), str(copied), overrides=FEW, processes=1)
    assert again.earlier == 1 and "2 done (1 of them before)" in again.text()
    assert (copied / "p2" / "findings.json").stat().st_mtime_ns == kept
    files = {path.relative_to(made.out) for path in made.out.rglob("*")}
    assert {path.relative_to(copied) for path in copied.rglob("*")} == files
    for path in (path for path in files if path.suffix == ".png"):
        assert (copied / path).read_bytes() == (made.out / path).read_bytes(), path
    assert (copied / "findings.csv").read_bytes() == (made.out / "findings.csv").read_bytes()
    assert without_seconds(copied / "scans.csv") == without_seconds(made.out / "scans.csv")
    for scan in ("p2", "site_p_1"):
        one, other = (read_json(folder / scan / "findings.json") for folder in (made.out, copied))
        assert one["findings"] == other["findings"]


def test_a_diagnosis_of_other_files_is_never_written_over(
    clinic: Path, runs: tuple[Path, Path], copied: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(clinic, tmp_path / "clinic", copy_function=shutil.copy2)
    shutil.rmtree(moved / "p2 again")
    os.utime(sorted((moved / "p2").iterdir())[0])
    with pytest.raises(LungSspError, match=r"out/p2 is the diagnosis of a scan of which the files have changed: remov"):
        diagnose_folder(moved, *runs, copied, overrides=FEW)
    shutil.rmtree(moved / "p2")
    with pytest.raises(LungSspError, match=r"out/p2 is the diagnosis of a scan which .*clinic does not hold: remove"):
        diagnose_folder(moved, *runs, copied, overrides=FEW)
    shutil.rmtree(copied)
    copied.mkdir()
    (copied / "mine.txt").write_text("x")
    with pytest.raises(LungSspError, match="not an empty folder"):
        diagnose_folder(moved, *runs, copied, overrides=FEW)


def test_other_settings_are_refused_and_nothing_is_changed(clinic: Path, runs: tuple[Path, Path], copied: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in copied.rglob("*") if path.is_file()}
    with pytest.raises(LungSspError, match=r"other settings \(nodules.max_candidates: 1, now 2\): go on with the"):
        diagnose_folder(clinic, *runs, copied, overrides=["nodules.max_candidates=2"], processes=1)
    assert {path: path.stat().st_mtime_ns for path in copied.rglob("*") if path.is_file()} == before


def end_at_b(scan: Scan) -> module.ScanResult:
    if scan.name == "b":
        os._exit(9)
    return module.ScanResult.of(scan, "done")


@pytest.mark.slow
def test_a_scan_whose_process_is_killed_is_recorded_and_the_others_go_on() -> None:
    scans = [Scan(name, Path(name), "", ()) for name in "abc"]
    with worker_processes(1, {}) as workers:
        results = {one.scan: one for one in module._ended(workers, end_at_b, scans)}  # type: ignore[arg-type]
    assert {name: one.status for name, one in results.items()} == {"a": "done", "b": "failed", "c": "done"}
    assert results["b"].reason == "process lost" and "--processes 1 tries it again" in results["b"].message


def test_a_diagnosis_that_is_gone_before_the_table_is_written_is_told(made: FolderDiagnosis, tmp_path: Path) -> None:
    of_nothing = Made("", "", {}, {}, {}, {}, {})
    with pytest.raises(DamagedFile, match="p2 no longer holds the diagnosis that was made: the same command"):
        write_tables(tmp_path, made.scans, of_nothing)


def test_the_command_says_how_many_and_fails_where_some_could_not_be_diagnosed(
    clinic: Path, runs: tuple[Path, Path], copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--segmentation", str(runs[0]), "--classification", str(runs[1]), "--out", str(copied), "-o", *FEW]
    assert main(["diagnose", str(clinic), *words, "--processes", "1"]) == 2
    printed = capsys.readouterr()
    assert "4 scans: 2 done (2 of them before), 1 refused, 1 the same as others; 2 findings" in printed.out
    assert f"written to {copied}: scans.csv, findings.csv, and a folder for each scan" in printed.out
    last = printed.err.splitlines()[-1]
    assert last.startswith("lung-ssp diagnose: 1 of 4 scans could not be diagnosed: ") and "scans.csv says why" in last


def test_a_single_series_is_one_diagnosis_and_with_all_a_table(
    series: Path, runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--segmentation", str(runs[0]), "--classification", str(runs[1]), "-o", *FEW]
    assert main(["diagnose", str(series), *words, "--out", str(tmp_path / "one")]) == 0
    assert (tmp_path / "one" / "findings.json").is_file()
    assert main(["diagnose", str(series), *words, "--out", str(tmp_path / "all"), "--all"]) == 0
    assert (tmp_path / "all" / "series" / "findings.json").is_file()
    assert "1 scans: 1 done; 1 findings" in capsys.readouterr().out
    assert main(["diagnose", str(series), *words, "--out", str(tmp_path / "all")]) == 0  # goes on, without --all
    assert json.loads((tmp_path / "all" / "diagnosis.json").read_text())["scans"] == {"done": 1}


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--all", "--series-uid", "1.2"], "--all takes every scan and --series-uid one: leave one of them out."),
        (["--all"], "--all takes a folder of scans, which"),
    ],
)
def test_all_and_one_exclude_each_other(
    more: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--segmentation", "x", "--classification", "y", "--out", str(tmp_path / "out")]
    assert main(["diagnose", str(tmp_path / "scan.nii"), *words, *more]) == 2
    assert sentence in capsys.readouterr().err


def test_a_folder_without_a_scan_is_told(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(LungSspError, match="in holds no CT series, archive or volume file: give a folder of scans"):
        diagnose_folder(tmp_path / "in", None, None, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_shown_of_many_failures_is_cut(made: FolderDiagnosis) -> None:
    refused = tuple(replace(made.scans[2], scan=f"p{number}") for number in range(12))
    lines = replace(made, scans=refused, earlier=0).text().splitlines()
    assert lines[2] == "12 scans: 12 refused; 2 findings"
    assert lines[12].startswith("refused: p9") and lines[13] == "and 2 more, see scans.csv"


def test_a_volume_beside_a_series_is_written_in_what_it_allows(
    series: Path, runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By default without DICOM objects; where they were named, it is refused and the series is not."""
    shutil.copytree(series, tmp_path / "in" / "series")
    (tmp_path / "in" / "volume").mkdir()
    sitk.WriteImage(lung_ssp.read_series(series).to_image(), str(tmp_path / "in" / "volume" / "scan.nii.gz"))
    words = ["--segmentation", str(runs[0]), "--classification", str(runs[1]), "-o", *FEW, "--processes", "1"]
    command = ["diagnose", str(tmp_path / "in"), *words, "--all"]
    assert main([*command, "--out", str(tmp_path / "1")]) == 0
    assert "not written: seg, sr of 1 scans, findings.json of each says why" in capsys.readouterr().out
    scans = read_json(tmp_path / "1" / "diagnosis.json")
    assert scans["formats"] == list(DEFAULT) and scans["keep_patient"] is False
    written = {
        path.name: {file.name for file in path.glob("*.dcm")} for path in (tmp_path / "1").iterdir() if path.is_dir()
    }
    assert written["series"] == {"lungs-seg.dcm", "findings-seg.dcm", "findings-sr.dcm"}
    assert [files for name, files in written.items() if name != "series"] == [set()]
    assert main([*command, "--out", str(tmp_path / "1"), "--format", "seg"]) == 2
    assert "holds diagnoses made with other formats" in capsys.readouterr().err
    assert main([*command, "--out", str(tmp_path / "2"), "--format", "seg"]) == 2
    rows = {row["place"]: row for row in table(tmp_path / "2" / "scans.csv")}
    assert rows["series"]["status"] == "done" and rows["volume/scan.nii.gz"]["status"] == "refused"
    assert (
        "scan.nii.gz cannot be written as DICOM-SEG: the scan was not read from DICOM slices"
        in (rows["volume/scan.nii.gz"]["message"])
    )
    assert (
        main(["diagnose", str(tmp_path / "in" / "volume" / "scan.nii.gz"), *words[:6], "--out", str(tmp_path / "3")])
        == 0
    )
    assert (
        "\nnot written: sr, the scan was not read from DICOM slices, to which DICOM-SR refers"
        in capsys.readouterr().out
    )

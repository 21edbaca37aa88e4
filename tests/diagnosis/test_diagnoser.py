"""From a DICOM series to findings, with everything real but the training."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

import lung_ssp
from lung_ssp.cli import main
from lung_ssp.cohort.classes import CLASS_NAMES
from lung_ssp.ct.settings import ParenchymaSettings
from lung_ssp.diagnosis.diagnoser import diagnose_series, load_diagnoser
from lung_ssp.diagnosis.diagnosis import Diagnosis
from lung_ssp.errors import CheckpointError, ConfigError, LungSspError, SeriesError
from lung_ssp.files import read_json, write_json
from lung_ssp.training.run import best_fingerprint
from lung_ssp.weights.shipped import SHIPPED


@pytest.fixture(scope="module")
def diagnosis(series: Path, runs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of one diagnosis, and its table with the times."""
    out = tmp_path_factory.mktemp("diagnosis") / "out"
    return out, text_of(diagnose_series(series, *runs, out))


def text_of(diagnosis: Diagnosis) -> str:
    return f"{diagnosis.table()}\n{diagnosis.timing()}"


def test_a_notebook_gets_findings_lungs_and_probabilities(
    diagnosis: tuple[Path, str], series: Path, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    scan = lung_ssp.read_series(str(series))
    result = load_diagnoser(str(runs[0]), str(runs[1]))(scan)
    assert result.lungs.volume_ml == lung_ssp.segment_lungs(scan, ParenchymaSettings()).volume_ml > 500
    probability = result.probability
    assert probability.shape == scan.shape and probability.dtype == np.float32
    assert 0 < probability.max() <= 1 and not probability[~result.lungs.mask].any()
    for finding in result.findings:
        lesion = finding.candidate.lesion
        assert (probability[lesion.box][lesion.voxels] >= 0.5).all()
    result.save(tmp_path / "out")
    first, second = (read_json(folder / "findings.json") for folder in (diagnosis[0], tmp_path / "out"))
    assert first["findings"] == second["findings"]
    with pytest.raises(LungSspError, match="not an empty folder"):
        result.save(tmp_path / "out")


def test_every_finding_has_its_measures_probabilities_and_picture(diagnosis: tuple[Path, str]) -> None:
    out, _ = diagnosis
    findings = json.loads((out / "findings.json").read_text())["findings"]
    assert 1 <= len(findings) <= 50
    assert [finding["number"] for finding in findings] == list(range(1, len(findings) + 1))
    assert [finding["score"] for finding in findings] == sorted((f["score"] for f in findings), reverse=True)
    for finding in findings:
        assert (out / finding["figure"]).read_bytes().startswith(b"\x89PNG")
        assert finding["diameter_mm"] == pytest.approx(np.cbrt(6 * finding["volume_mm3"] / np.pi), abs=0.02)
        for task in ("image_diagnosis", "pathology_diagnosis"):
            assert tuple(finding[task]) == CLASS_NAMES
            assert sum(finding[task].values()) == pytest.approx(1, abs=1e-4)


def test_every_output_says_what_it_is_not_for_and_where_the_weights_come_from(
    diagnosis: tuple[Path, str], runs: tuple[Path, Path]
) -> None:
    out, printed = diagnosis
    report = json.loads((out / "findings.json").read_text())
    assert report["notice"] == "Research use only, not for diagnosis."
    for text in (printed, report["training"]):
        assert "SYNTHETIC" in text
    pictures = sorted(out.glob("*.png"))
    assert "lungs.png" in [path.name for path in pictures]
    for path in pictures:
        with Image.open(path) as picture:
            assert picture.text["Description"] == f"{report['notice']} {report['training']}"
    for run, facts in zip(runs, report["weights"].values(), strict=True):
        assert facts["cohort_fingerprint"] == read_json(run / "cohort.json")["fingerprint"]
        assert facts["weights_fingerprint"] == read_json(run / "checkpoints" / "best.json")["sha256"][:16]
        assert facts["cohort_synthetic"] is True and facts["shipped"] is False
    assert report["learnt_from"]["score"].startswith("a SYNTHETIC cohort (")
    rows = [line for line in printed.splitlines() if re.match(r" *\d+ +\d\.\d\d", line)]
    assert len(rows) == len(report["findings"]) and all(row.count("[SYNTHETIC]") == 3 for row in rows)
    for number in ("score", "image diagnosis", "pathology diagnosis"):
        assert f"\n{number} learnt from a SYNTHETIC cohort (" in printed


def test_the_networks_of_the_package_are_used_where_no_run_is_named(
    series: Path, runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ["-o", "nodules.max_candidates=1", "-o", "candidates.threshold=0"]
    assert main(["diagnose", str(series), "--out", str(tmp_path / "out"), *few]) == 0
    assert "learnt from REAL patients (lidc-nodules" in capsys.readouterr().out
    report = read_json(tmp_path / "out" / "findings.json")
    shipped = {"segmentation": "segmentation", "classification": "classification", "candidates": "false_positives"}
    assert report["weights"].keys() == shipped.keys()
    for step, facts in report["weights"].items():
        assert facts["shipped"] and facts["weights_fingerprint"] == best_fingerprint(SHIPPED / shipped[step])
    classifier = report["weights"]["classification"]
    assert classifier["orientations"] == 8 and 0 < classifier["temperatures"]["image"] < 2
    assert "CC BY 3.0" in report["training"] and "Armato" in report["training"]
    mixed = {step: own.shipped for step, own in load_diagnoser(classification=runs[1]).weights.items()}
    assert mixed == {"segmentation": True, "classification": False, "candidates": True}
    mixed = {step: own.shipped for step, own in load_diagnoser(segmentation=runs[0]).weights.items()}
    assert mixed == {"segmentation": False, "classification": True}  # the second stage has not seen its candidates


def test_no_patient_is_named(diagnosis: tuple[Path, str]) -> None:
    out, printed = diagnosis
    assert "PHANTOM" not in printed
    assert "PHANTOM" not in (out / "findings.json").read_text()


def test_a_diagnosis_is_repeatable_and_records_what_was_corrected(
    diagnosis: tuple[Path, str], series: Path, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    """The second time one slice of the scan is there twice."""
    twice = tmp_path / "series"
    shutil.copytree(series, twice)
    shutil.copy(sorted(twice.iterdir())[3], twice / "again.dcm")
    with pytest.raises(SeriesError, match="--accept duplicates"):
        diagnose_series(twice, *runs, tmp_path / "out")
    printed = text_of(diagnose_series(twice, *runs, tmp_path / "out", accept=["duplicates"]))
    assert "Corrected: 1 duplicate slice left out." in printed
    assert "Corrected" not in diagnosis[1]
    first, second = (read_json(folder / "findings.json") for folder in (diagnosis[0], tmp_path / "out"))
    assert first["findings"] == second["findings"]
    assert (first["corrections"], second["corrections"]) == ([], ["1 duplicate slice left out"])


def test_what_was_not_read_is_recorded(series: Path, runs: tuple[Path, Path], tmp_path: Path) -> None:
    """The last slice is an empty file, as a download that failed leaves it."""
    partial = tmp_path / "series"
    shutil.copytree(series, partial)
    last = max(partial.iterdir(), key=lambda path: pydicom.dcmread(path).ImagePositionPatient[2])
    last.unlink()
    (partial / last.stem).write_bytes(b"")
    printed = text_of(diagnose_series(partial, *runs, tmp_path / "out"))
    assert f"Left out: 1 x empty file ({last.stem})." in printed
    assert read_json(tmp_path / "out" / "findings.json")["left_out"] == {"empty file": [last.stem]}


def test_settings_of_a_diagnosis_can_be_overridden(series: Path, runs: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(SeriesError, match=r"set parenchyma\.volume_ml"):
        diagnose_series(series, *runs, tmp_path / "out", overrides=["parenchyma.volume_ml=[10, 20]"])
    result = diagnose_series(series, *runs, tmp_path / "out", overrides=["nodules.max_candidates=1"])
    assert len(result.findings) == 1
    assert read_json(tmp_path / "out" / "findings.json")["settings"]["nodules"]["max_candidates"] == 1
    with pytest.raises(ConfigError, match=r"nodules\.threshhold"):
        load_diagnoser(*runs, overrides=["nodules.threshhold=0.4"])


def test_what_is_unusual_about_the_lungs_is_printed_and_recorded(
    diagnosis: tuple[Path, str], series: Path, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    """The scan once as it is, once with the patient's right lung turned into soft tissue."""
    ordinary = read_json(diagnosis[0] / "findings.json")["lungs"]
    assert ordinary["remarks"] == [] and "Lungs:" not in diagnosis[1]
    volumes = [ordinary[side]["volume_ml"] for side in ("right", "left")]
    assert sum(volumes) == pytest.approx(ordinary["volume_ml"], abs=0.2) and min(volumes) > 0.5 * max(volumes)
    scan = lung_ssp.read_series(str(series))
    mask = lung_ssp.segment_lungs(scan, ParenchymaSettings()).mask
    hu = scan.hu.copy()
    right = np.s_[:, :, : scan.shape[2] // 2]
    hu[right][mask[right]] = 40
    result = load_diagnoser(*runs)(replace(scan, hu=hu))
    result.save(tmp_path / "out")
    lungs = read_json(tmp_path / "out" / "findings.json")["lungs"]
    (remark,) = lungs["remarks"]
    assert remark.startswith("no lung was found on the right") and "nodules on the right cannot be found" in remark
    assert lungs["right"]["volume_ml"] < 0.01 * lungs["left"]["volume_ml"]
    assert f"\nLungs: {remark}.\n" in result.table()


def test_an_interrupted_diagnosis_is_completed_by_the_same_command(
    diagnosis: tuple[Path, str], series: Path, runs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted at the first picture: the findings are there, and the second time gives the bits of a whole one."""

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("lung_ssp.diagnosis.figures.write_picture", interrupted)
        diagnose_series(series, *runs, out)
    assert read_json(out / "findings.json")["findings"] == read_json(diagnosis[0] / "findings.json")["findings"]
    assert "the same command completes it" in (out / "unfinished.txt").read_text()
    (out / "finding-99.png").write_bytes(b"of an earlier attempt")
    diagnose_series(series, *runs, out)
    pictures = {path.name: path.read_bytes() for path in diagnosis[0].glob("*.png")}
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.suffix == ".png"} == pictures
    assert {path.name for path in out.iterdir()} == {path.name for path in diagnosis[0].iterdir()}
    (out / "unfinished.txt").write_text("")
    (out / "mine.txt").write_text("of the user")
    with pytest.raises(LungSspError, match=r"holds 'mine\.txt', which is no part of a diagnosis"):
        diagnose_series(series, *runs, out)


def test_a_folder_with_files_is_never_written_over(
    diagnosis: tuple[Path, str], series: Path, runs: tuple[Path, Path]
) -> None:
    with pytest.raises(LungSspError, match="not an empty folder"):
        diagnose_series(series, *runs, diagnosis[0])


def test_runs_in_the_wrong_places_are_told(series: Path, runs: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(LungSspError, match="expected segmentation"):
        diagnose_series(series, runs[1], runs[0], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_run_that_does_not_tell_its_sections_is_refused(
    series: Path, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    copy = tmp_path / "classification"
    shutil.copytree(runs[1], copy)
    write_json(copy / "cohort.json", {"name": "x", "synthetic": True, "origin": "z", "fingerprint": "y", "key": ""})
    with pytest.raises(LungSspError, match=r"cohort\.json is damaged .*section: Field required"):
        diagnose_series(series, runs[0], copy, tmp_path / "out")


def test_a_run_whose_network_takes_other_sections_is_refused(
    series: Path, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    copy = tmp_path / "classification"
    shutil.copytree(runs[1], copy)
    cohort = read_json(copy / "cohort.json")
    cohort["section"]["size"] = 64
    write_json(copy / "cohort.json", cohort)
    told = (
        r"classification was trained on sections of 64 pixels, but .* for 28 \(model\.image_size\): restore its cohort"
    )
    with pytest.raises(CheckpointError, match=told):
        diagnose_series(series, runs[0], copy, tmp_path / "out")


@pytest.fixture
def exported_runs(runs: tuple[Path, Path], tmp_path: Path) -> list[Path]:
    """Copies of both runs, exported."""
    pytest.importorskip("paddle2onnx", reason="the extra onnx is not installed")
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    from lung_ssp.runs import export

    copies = [shutil.copytree(run, tmp_path / run.name) for run in runs]
    for run in copies:
        export(run)
    return copies


def test_exported_networks_run_by_default_and_find_the_same(
    diagnosis: tuple[Path, str], series: Path, exported_runs: list[Path], tmp_path: Path
) -> None:
    printed = text_of(diagnose_series(series, *exported_runs, tmp_path / "out"))
    reports = [read_json(folder / "findings.json") for folder in (diagnosis[0], tmp_path / "out")]
    assert reports[0]["engines"] == {"segmentation": "paddle", "classification": "paddle"}
    assert reports[1]["engines"] == {"segmentation": "onnx", "classification": "onnx"}
    assert "segmentation by Paddle, classification by Paddle" in diagnosis[1]
    assert "segmentation by ONNX Runtime, classification by ONNX Runtime" in printed
    for one, other in zip(*(report["findings"] for report in reports), strict=True):
        for task in ("image_diagnosis", "pathology_diagnosis"):
            assert list(one[task].values()) == pytest.approx(list(other[task].values()), abs=1e-3)


def test_exported_runs_are_diagnosed_where_paddle_cannot_be_loaded(
    series: Path, exported_runs: list[Path], tmp_path: Path
) -> None:
    """Neither is what Paddle's training needs loaded."""
    words = [
        "diagnose",
        str(series),
        "--segmentation",
        str(exported_runs[0]),
        "--classification",
        str(exported_runs[1]),
    ]
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('paddle', 'paddleseg', 'visualdl', 'sklearn', 'pandas'))); "
        "from lung_ssp.cli.app import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words, "--out", str(tmp_path / "out")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "segmentation by ONNX Runtime, classification by ONNX Runtime" in done.stdout
    result = diagnose_series(series, *exported_runs, tmp_path / "here")
    assert read_json(tmp_path / "out" / "findings.json")["findings"] == [one.as_json() for one in result.findings]


def test_an_engine_that_was_asked_for_is_not_replaced(series: Path, runs: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="has not been exported"):
        diagnose_series(series, *runs, tmp_path / "out", engine="onnx")
    assert not (tmp_path / "out").exists()


def test_the_time_of_every_step_is_told(diagnosis: tuple[Path, str]) -> None:
    out, printed = diagnosis
    seconds = read_json(out / "findings.json")["seconds"]
    assert list(seconds) == ["loading", "reading", "lungs", "segmentation", "classification"]  # written before pictures
    last = printed.splitlines()[-1]
    assert all(f"{step} " in last for step in seconds)
    files = sum(float(last.split(f"{step} ", 1)[1].split(" s")[0]) for step in ("figures", "report", "seg", "sr"))
    total = float(last.rsplit("together ", 1)[1].removesuffix(" s"))
    assert total == pytest.approx(sum(seconds.values()) + files, abs=0.25)

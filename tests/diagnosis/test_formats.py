"""Which formats may be named, which files they are, and what is told where they do not go together."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
import SimpleITK as sitk

from lung_ssp.cli.app import main
from lung_ssp.diagnosis.diagnosis import Diagnosis
from lung_ssp.diagnosis.formats import DEFAULT, FORMATS, Outputs, choose_outputs
from lung_ssp.diagnosis.output import own_files
from lung_ssp.diagnosis.saved import read_diagnosis
from lung_ssp.errors import ConfigError, LungSspError
from lung_ssp.files import read_json

ALL = ["png", "html", "seg", "sr", "csv", "nifti", "nrrd"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--format", "pdf"], "--format 'pdf' is no format of a diagnosis: choose of png, html, seg, sr, csv, "),
        (["--format", ","], "--format names no format: choose of png, "),
        (["--format", "png,sr"], "--format sr needs seg beside it, for the report refers to its segments: add seg."),
        (
            ["--format", "png,nrrd", "--keep-patient"],
            "--keep-patient is for the formats seg and sr: add one of them, or leave it out.",
        ),
        (
            ["--format", "seg,sr"],
            "scan.nii.gz cannot be written as DICOM-SEG and DICOM-SR: the scan was not read from DICOM slices, to "
            "which DICOM-SEG refers; leave seg and sr out of --format, or give the DICOM series it was made from.",
        ),
        (
            ["--keep-patient"],
            "scan.nii.gz cannot be written as DICOM-SEG and DICOM-SR: the scan was not read from DICOM slices, to "
            "which DICOM-SEG refers; leave --keep-patient out, or give the DICOM series it was made from.",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_read(
    words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The scan is not even there."""
    out = tmp_path / "out"
    assert main(["diagnose", str(tmp_path / "scan.nii.gz"), "--out", str(out), *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and len(printed.err.strip().splitlines()) == 1
    assert told in printed.err and not out.exists()


def test_names_may_come_in_any_order_and_twice() -> None:
    assert choose_outputs(["nrrd", "sr", "seg", "nrrd"]) == Outputs(("seg", "sr", "nrrd"))
    assert choose_outputs(None).names == DEFAULT and set(DEFAULT) == {"png", "html", "seg", "sr"}


def test_every_format_writes_the_files_that_it_names(
    small_series: Path, made_up: Callable[..., Diagnosis], tmp_path: Path
) -> None:
    for findings in (0, 2):
        diagnosis = made_up(small_series, findings=findings)
        for name in ALL:
            out = tmp_path / f"{name}-{findings}"
            diagnosis.save(out, ["seg", name] if name == "sr" else [name])
            expected = {*FORMATS[name].names(findings), "findings.json"}
            expected |= set(FORMATS["seg"].names(findings)) if name == "sr" else set()
            assert {path.name for path in out.iterdir()} == expected
            assert {path.name for path in own_files(out)} == expected
            report = read_json(out / "findings.json")
            assert set(report["files"]) == expected - {"findings.json"} and report["not_written"] == {}
            assert all(("figure" in finding) is (name == "png") for finding in report["findings"])
            assert read_diagnosis(out) is not None
            (out / report["files"][-1]).unlink()
            assert read_diagnosis(out) is None


def test_an_interrupted_save_is_completed_whatever_its_formats_were(
    small_series: Path, made_up: Callable[..., Diagnosis], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    diagnosis, out = made_up(small_series), tmp_path / "out"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("lung_ssp.diagnosis.dicom.report.save_object", interrupted)
        diagnosis.save(out, ["nrrd", "seg", "sr"])
    assert (out / "unfinished.txt").is_file() and (out / "lungs-seg.dcm").is_file()
    assert read_diagnosis(out) is None
    diagnosis.save(out, ["nifti"])
    assert {path.name for path in out.iterdir()} == {"findings.json", "lungs.nii.gz", "findings.nii.gz"}
    (out / "unfinished.txt").write_text("")
    (out / "other-seg.dcm").write_bytes(b"of the user")
    with pytest.raises(LungSspError, match=r"holds 'other-seg\.dcm', which is no part of a diagnosis"):
        diagnosis.save(out, ["nifti"])


def test_what_a_scan_does_not_allow_is_left_out_unless_it_was_named(
    small_series: Path, made_up: Callable[..., Diagnosis], tmp_path: Path
) -> None:
    sitk.WriteImage(made_up(small_series).scan.to_image(), str(tmp_path / "scan.nii.gz"))
    diagnosis = made_up(tmp_path / "scan.nii.gz", findings=1)
    diagnosis.save(tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.dcm")) and (tmp_path / "out" / "lungs.png").is_file()
    report = read_json(tmp_path / "out" / "findings.json")
    why = {
        name: f"the scan was not read from DICOM slices, to which DICOM-{name.upper()} refers" for name in ("seg", "sr")
    }
    assert report["not_written"] == why and "seg" not in report["formats"]
    with pytest.raises(ConfigError, match=r"The scan cannot be written as DICOM-SEG: .* leave seg out of --format"):
        diagnosis.save(tmp_path / "none", ["seg"])
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", ["StudyInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID"])
def test_a_series_without_its_identifiers_cannot_be_referred_to(
    small_series: Path, made_up: Callable[..., Diagnosis], tmp_path: Path, name: str
) -> None:
    for path in small_series.iterdir():
        dataset = pydicom.dcmread(path)
        del dataset[name]
        dataset.save_as(path)
    diagnosis = made_up(small_series, findings=1)
    told = f"a slice of the series has no valid {name}, which DICOM-SEG needs"
    assert diagnosis.not_written(Outputs())["seg"] == told
    with pytest.raises(ConfigError, match=f"cannot be written as DICOM-SEG: {told}; leave seg out"):
        diagnosis.save(tmp_path / "out", ["seg"])


def test_help_and_training_load_no_highdicom() -> None:
    code = (
        "import sys; from lung_ssp.cli.app import main\n"
        "try: main(['diagnose', '--help'])\n"
        "except SystemExit: pass\n"
        "import lung_ssp.diagnosis.diagnosis, lung_ssp.runs\n"
        "print([name for name in ('highdicom',) if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]") and "--keep-patient" in done.stdout

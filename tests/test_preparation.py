"""Every way to a prepared cohort, from Python and from the command line."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from lung_ssp.cli import main
from lung_ssp.cohort.description import read_cohort
from lung_ssp.cohort.scans import read_scans
from lung_ssp.cohort.store import SPLITS, read_sections
from lung_ssp.config import SHIPPED_CONFIGS
from lung_ssp.errors import ConfigError, EnvironmentProblem
from lung_ssp.preparation import prepare
from lung_ssp.stepwise import config_of_cohort, nlst_packages

REPOSITORY = Path(__file__).resolve().parents[1]
SIMULATED = ["--cohort", "simulated_nlst"]


@pytest.fixture
def in_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)


def test_a_cohort_is_found_by_its_name(in_repository):
    assert config_of_cohort("nlst") == SHIPPED_CONFIGS / "cohort" / "nlst.yml"
    for name in ("nslt", "../segmentation/unet", ""):
        with pytest.raises(ConfigError, match="manifest, nlst, phantom"):
            config_of_cohort(name)


def test_a_cohort_is_prepared_once_and_described(tiny_cohort):
    before = {path: path.stat().st_mtime_ns for path in tiny_cohort.rglob("*.npz")}
    prepared = prepare("cohort/phantom_smoke.yml", [f"cohort.root={tiny_cohort}"])
    assert prepared.root == tiny_cohort
    assert prepared.description == read_cohort(tiny_cohort)
    assert prepared.description.counts.sections == {split: len(read_sections(tiny_cohort, split)) for split in SPLITS}
    assert {path: path.stat().st_mtime_ns for path in tiny_cohort.rglob("*.npz")} == before


def test_one_s_own_cohort_is_prepared_from_its_manifest(tiny_cohort, tmp_path):
    scan = read_scans(tiny_cohort)[0]
    shutil.copytree(scan.series, tmp_path / "series")
    np.savez(tmp_path / "mask.npz", mask=scan.lesions())
    (tmp_path / "manifest.csv").write_text("patient,split,series,mask\nA,train,series,mask.npz\n")
    names = [f"cohort.manifest={tmp_path}/manifest.csv", f"cohort.root={tmp_path}/mine"]
    prepared = prepare(SHIPPED_CONFIGS / "cohort" / "manifest.yml", names)
    assert prepared.description.counts.sections == {"train": 1, "validation": 0, "test": 0}
    assert not prepared.description.synthetic
    assert (prepared.root / "files.json").is_file() and (prepared.root / "splits.csv").is_file()


def test_a_configuration_that_prepares_nothing_at_once_is_refused():
    with pytest.raises(ConfigError, match="task is 'nlst', expected phantom or manifest"):
        prepare("cohort/nlst.yml")


def test_a_check_is_told_with_the_fingerprint_last(tiny_cohort, capsys):
    description = read_cohort(tiny_cohort)
    assert main(["prepare", "verify", str(tiny_cohort)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == description.statement
    assert lines[2] == "sections: " + ", ".join(
        f"{split} {count}" for split, count in description.counts.sections.items()
    )
    assert lines[3:] == ["patients: each in one split", f"fingerprint {description.fingerprint}"]


def test_a_missing_package_is_named_with_its_remedy():
    with (
        pytest.raises(EnvironmentProblem, match=r"no_such_package is missing: install the extra nlst"),
        nlst_packages(),
    ):
        import no_such_package  # noqa: F401


def test_every_step_goes_from_the_command_line(plan_nlst, simulated_nlst, tmp_path, capsys, in_repository):
    settings = plan_nlst(tmp_path)
    config = tmp_path / "simulated_nlst.yml"
    config.write_text(yaml.safe_dump(settings.model_dump()))
    again = ["--config", str(config)]
    assert main(["prepare", "plan", *again]) == 0
    assert "every exam: 6" in capsys.readouterr().out
    assert main(["prepare", "download", *again]) == 0
    assert "Dry run: nothing was fetched." in capsys.readouterr().out
    assert main(["prepare", "run", *again]) == 0
    printed = capsys.readouterr().out
    assert "6: 6 done, 0 failed" in printed
    assert main(["prepare", "verify", settings.folders.cohort]) == 0
    fingerprint = capsys.readouterr().out.split()[-1]
    assert f"fingerprint {fingerprint}" in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["prepare"], r"Give a configuration \(--config FILE\), or a step for public images"),
        (["prepare", "plan", "--cohort", "phantom"], r"task is 'phantom', expected nlst"),
        (["prepare", "run", *SIMULATED, "-o", "folders.plan={}/none"], "holds no plan"),
        (["prepare", "download", *SIMULATED, "-o", "folders.plan={}/none"], "holds no plan"),
        (
            [
                "prepare",
                "plan",
                "--cohort",
                "simulated_nlst",
                "-o",
                "plan.index={}/none",
                "-o",
                "plan.boxes.sybil=null",
            ],
            "does not exist",
        ),
        (["prepare", "plan", *SIMULATED, "-o", "plan.selection.kernel=[B]"], "did you mean kernels"),
        (["prepare", "verify", "{}"], "holds no prepared cohort"),
    ],
)
def test_a_mistake_is_one_sentence(words, message, tmp_path, capsys, in_repository):
    salt = ["-o", f"folders.salt={tmp_path}/salt"] if "--cohort" in words else []
    assert main([*(word.format(tmp_path) for word in words), *salt]) == 2
    error = capsys.readouterr().err
    assert re.search(message, error)
    assert error.count("\n") == 1


def test_an_interrupted_run_says_so_and_goes_on(plan_nlst, tmp_path):
    settings = plan_nlst(tmp_path)
    config = tmp_path / "simulated_nlst.yml"
    config.write_text(yaml.safe_dump(settings.model_dump()))
    command = [sys.executable, str(REPOSITORY / "tools" / "prepare.py"), "run", "--config", str(config)]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while running.poll() is None and not list(Path(settings.folders.samples).glob("*.npz")):
        time.sleep(0.02)
    os.kill(running.pid, signal.SIGINT)
    _, error = running.communicate(timeout=120)
    assert running.returncode == 130
    assert error.rstrip().endswith("lung-ssp prepare: interrupted")
    assert "Traceback" not in error
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "6: 6 done, 0 failed" in done.stdout


def started(root: Path) -> subprocess.Popen[str]:
    """A preparation of the smallest embedded cohort into a folder."""
    words = ["--config", "cohort/phantom_smoke.yml", "-o", f"cohort.root={root}"]
    words += ["-o", "cohort.phantom.scans.patients=[1,0,0]", "-o", "cohort.phantom.scans.slices=[16,16]"]
    command = [sys.executable, str(REPOSITORY / "tools" / "prepare.py"), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


@pytest.mark.slow
def test_of_two_preparations_in_one_folder_the_second_is_told(tmp_path):
    both = [started(tmp_path / "cohort") for _ in range(2)]
    ends = [(*one.communicate(timeout=300), one.returncode) for one in both]
    assert sorted(code for _, _, code in ends) == [0, 2]
    refused = next(error for _, error, code in ends if code == 2)
    assert re.search(r"Another process works in .*cohort: wait for it, or end it\.$", refused.strip())
    assert main(["prepare", "verify", str(tmp_path / "cohort")]) == 0


@pytest.mark.slow
def test_a_preparation_killed_as_soon_as_its_folder_holds_something_can_be_started_again(tmp_path):
    root = tmp_path / "cohort"
    killed = started(root)
    while killed.poll() is None and not (root.is_dir() and any(root.iterdir())):
        time.sleep(0.001)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    again = started(root)
    _, error = again.communicate(timeout=300)
    assert again.returncode == 0, error
    assert main(["prepare", "verify", str(root)]) == 0

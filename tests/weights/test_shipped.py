"""The networks that come with the package: found without a name, and refused where a file has changed."""

import shutil
from pathlib import Path

import pytest

from lung_ssp.cli import main
from lung_ssp.errors import CheckpointError
from lung_ssp.weights import shipped
from lung_ssp.weights.shipped import SHIPPED, check_shipped, is_shipped, run_folder


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A copy of a shipped network."""
    return shutil.copytree(SHIPPED / "segmentation", tmp_path / "segmentation")


def test_the_run_that_was_chosen_is_taken_else_the_shipped_one(tmp_path: Path) -> None:
    assert run_folder("segmentation", None) == SHIPPED / "segmentation" and is_shipped(run_folder("segmentation", None))
    assert run_folder("segmentation", str(tmp_path)) == tmp_path and not is_shipped(tmp_path)


def test_every_file_is_looked_at(network: Path) -> None:
    check_shipped(network)
    names = [path for path in sorted(network.rglob("*")) if path.is_file()]
    assert len(names) >= 7
    remedy = (
        r"the trained segmentation network of the package is damaged: install lung-ssp again, or name a run of your "
    )
    for path in names:
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(CheckpointError, match=rf"{path} (has changed|is damaged), {remedy}"):
            check_shipped(network)
        path.unlink()
        with pytest.raises(CheckpointError, match=rf"{path} is missing, {remedy}own with --segmentation RUN\."):
            check_shipped(network)
        path.write_bytes(content)
    check_shipped(network)


@pytest.mark.parametrize(
    "manifest",
    ["", "[]", '{"format": "other", "task": "segmentation", "files": {}}', '{"files": {"../../x": "00"}}'],
)
def test_a_manifest_that_is_none_is_told(network: Path, manifest: str) -> None:
    (network / "manifest.json").write_text(manifest)
    with pytest.raises(CheckpointError, match=r"manifest\.json is damaged, the trained segmentation network of the"):
        check_shipped(network)


def test_the_command_tells_a_damaged_package_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the scan is read, and nothing is written."""
    damaged = tmp_path / "weights"
    for task in ("segmentation", "classification"):
        shutil.copytree(SHIPPED / task, damaged / task)
    (damaged / "segmentation" / "cohort.json").write_text("{}")
    monkeypatch.setattr(shipped, "SHIPPED", damaged)
    (tmp_path / "scan.nii").write_bytes(b"")
    assert main(["diagnose", str(tmp_path / "scan.nii"), "--out", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr().err.splitlines()
    assert printed[-1].startswith("lung-ssp diagnose: ") and "cohort.json has changed, the trained segm" in printed[-1]
    assert printed[-1].endswith("install lung-ssp again, or name a run of your own with --segmentation RUN.")
    assert not (tmp_path / "out").exists()

"""An exported network is run only if it is just what the export wrote, of the weights that the run has now."""

import hashlib
import json
from pathlib import Path

import pytest

from lung_ssp.errors import CheckpointError, ConfigError, LungSspError
from lung_ssp.training import onnx
from lung_ssp.training.onnx import engine_for, libraries_of, load_exported


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder with an export, whose network is no network: it must be refused before it is opened."""
    for folder in ("checkpoints", "export"):
        (tmp_path / folder).mkdir()
    (tmp_path / "checkpoints" / "best.json").write_text(json.dumps({"sha256": "0123456789abcdef" * 4}))
    (tmp_path / "export" / "network.onnx").write_bytes(b"a network")
    write_facts(tmp_path)
    return tmp_path


def write_facts(run: Path, **changes: str) -> None:
    facts = {"weights_fingerprint": "0123456789abcdef", "sha256": hashlib.sha256(b"a network").hexdigest()}
    (run / "export" / "export.json").write_text(json.dumps(facts | changes))


@pytest.mark.parametrize("missing", ["network.onnx", "export.json"])
def test_a_run_that_has_not_been_exported_is_told(run: Path, missing: str) -> None:
    (run / "export" / missing).unlink()
    with pytest.raises(CheckpointError, match=rf"{run} has not been exported: export it again with lung-ssp export"):
        load_exported(run)


def test_one_changed_byte_is_enough(run: Path) -> None:
    (run / "export" / "network.onnx").write_bytes(b"b network")
    with pytest.raises(CheckpointError, match=r"network\.onnx is damaged"):
        load_exported(run)


@pytest.mark.parametrize("facts", ["[]", "{}", "3"])
def test_facts_that_tell_nothing_are_refused(run: Path, facts: str) -> None:
    (run / "export" / "export.json").write_text(facts)
    with pytest.raises(CheckpointError, match=r"network\.onnx is damaged"):
        load_exported(run)


def test_facts_that_are_no_json_are_refused(run: Path) -> None:
    (run / "export" / "export.json").write_bytes(b"\xff{")
    with pytest.raises(LungSspError, match=r"export\.json is damaged"):
        load_exported(run)


def test_a_run_that_was_trained_on_is_noticed(run: Path) -> None:
    (run / "checkpoints" / "best.json").write_text(json.dumps({"sha256": "f" * 64}))
    with pytest.raises(CheckpointError, match=r"holds other weights than .* export it again"):
        load_exported(run)


@pytest.mark.parametrize(
    ("asked", "device", "exported", "version", "engine"),
    [
        (None, "cpu", True, "1.17", "onnx"),
        (None, "cpu", True, None, "paddle"),
        (None, "cpu", False, "1.17", "paddle"),
        (None, "gpu", True, "1.17", "paddle"),
        ("paddle", "cpu", True, "1.17", "paddle"),
        ("onnx", "cpu", False, "1.17", "onnx"),
        ("onnx", "cpu", True, None, "onnx"),
    ],
)
def test_the_engine_is_what_was_asked_for_else_what_is_there(
    monkeypatch: pytest.MonkeyPatch,
    run: Path,
    asked: str | None,
    device: str,
    exported: bool,
    version: str | None,
    engine: str,
) -> None:
    """`version`: of ONNX Runtime, None where it is not installed."""
    monkeypatch.setattr(onnx, "package_version", {"onnxruntime": version}.get)
    if not exported:
        (run / "export" / "export.json").unlink()
    assert engine_for(run, asked, device) == engine


def test_onnx_runtime_is_not_taken_for_a_gpu(run: Path) -> None:
    with pytest.raises(ConfigError, match="runs on the CPU"):
        engine_for(run, "onnx", "gpu")


def test_paddle_is_loaded_only_where_it_runs_a_network() -> None:
    assert libraries_of(["onnx", "onnx"]) == ("cv2",)
    assert libraries_of(["onnx", "paddle"]) == ("cv2", "paddle", "paddleseg")

"""A run's best network as an ONNX file that computes the same, and nothing written where it does not."""

import errno
import hashlib
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import paddle
import pytest

from lung_ssp.classification import build
from lung_ssp.classification.settings import ClassificationSettings, TwoInputClassifierSettings
from lung_ssp.classification.trained import load_classifier
from lung_ssp.cohort.classes import TASK_NAMES
from lung_ssp.config import load_config
from lung_ssp.errors import CheckpointError, EnvironmentProblem
from lung_ssp.files import read_json
from lung_ssp.runs import export
from lung_ssp.segmentation.settings import SegmentationSettings
from lung_ssp.segmentation.trained import load_segmenter, restored_network
from lung_ssp.training import onnx, onnx_export
from lung_ssp.training.run import run_config

pytest.importorskip("paddle2onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")


@pytest.fixture(scope="module")
def exported(runs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Copies of a segmentation run and a classification run, both exported."""
    folder = tmp_path_factory.mktemp("exported")
    copies = shutil.copytree(runs[0], folder / "segmentation"), shutil.copytree(runs[1], folder / "classification")
    for run in copies:
        written = export(run)
        assert written.path == run / "export" / "network.onnx"
        assert written.megabytes == pytest.approx(written.path.stat().st_size / 1e6)
        assert 0 <= written.greatest_difference <= 1e-4
    return copies


def test_the_facts_tell_the_weights_and_the_file(exported: tuple[Path, Path]) -> None:
    for run in exported:
        facts = read_json(run / "export" / "export.json")
        assert facts["weights_fingerprint"] == read_json(run / "checkpoints" / "best.json")["sha256"][:16]
        assert facts["sha256"] == hashlib.sha256((run / "export" / "network.onnx").read_bytes()).hexdigest()
        assert facts["greatest_difference"] <= 1e-4
        assert sorted(path.name for path in (run / "export").iterdir()) == ["export.json", "network.onnx"]


@pytest.mark.parametrize("size", [(17, 30), (48, 64), (112, 16)])
def test_a_segmentation_network_takes_images_of_any_size_and_number(
    exported: tuple[Path, Path], size: tuple[int, int]
) -> None:
    paddles, exports = (load_segmenter(exported[0], engine) for engine in ("paddle", "onnx"))
    channels = exports.settings.model.in_channels
    images = np.random.default_rng(1).random((3, channels, *size), dtype=np.float32)
    expected = paddles.predict(images)
    assert expected.shape == (3, *size) and np.ptp(expected) > 1e-3
    np.testing.assert_allclose(exports.predict(images), expected, atol=1e-5)


def test_a_part_of_an_image_has_the_numbers_of_the_whole(exported: tuple[Path, Path]) -> None:
    segmenter = load_segmenter(exported[0], "onnx")
    images = np.random.default_rng(2).random((2, segmenter.settings.model.in_channels, 90, 130), dtype=np.float32)
    where = [(slice(31, 40), slice(50, 71)), (slice(0, 7), slice(120, 130))]
    whole, parts = segmenter.predict(images), segmenter.predict(images, where)
    for one, part, place in zip(whole, parts, where, strict=True):
        np.testing.assert_allclose(part[place], one[place], atol=1e-6)
    assert (parts[0][:10] == 0).all() and (whole[0][:10] > 0).all()  # it was not computed


def test_a_classification_network_gives_both_tasks_logits(exported: tuple[Path, Path]) -> None:
    paddles, exports = (load_classifier(exported[1], engine) for engine in ("paddle", "onnx"))
    size = exports.settings.model.image_size
    sections = np.random.default_rng(1).random((7, 1, size, size), dtype=np.float32)
    one, other = paddles.logits(sections), exports.logits(sections)
    assert tuple(one) == tuple(other) == TASK_NAMES
    assert np.abs(one["image"] - one["pathology"]).max() > 1e-3  # else an exchange of the two would not be seen
    for task in TASK_NAMES:
        np.testing.assert_allclose(other[task], one[task], atol=1e-4)


def test_an_export_that_computes_something_else_is_not_written(
    runs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(runs[0], tmp_path / "run")
    to_onnx = onnx_export.to_onnx

    def of_other_weights(exportable: onnx_export.Exportable) -> bytes:
        other, _ = restored_network(run, load_config(run_config(run), SegmentationSettings))
        for parameter in other.parameters():
            parameter.set_value(parameter + 0.1)
        return to_onnx(onnx_export.Exportable(other, exportable.shapes, exportable.sizes_vary, exportable.fingerprint))

    monkeypatch.setattr(onnx_export, "to_onnx", of_other_weights)
    with pytest.raises(CheckpointError, match=r"differs from Paddle's network by .* more than 0\.0001"):
        export(run)
    assert not (run / "export").exists()


def test_a_difference_that_is_no_number_is_too_large(
    runs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(runs[0], tmp_path / "run")
    monkeypatch.setattr(onnx_export, "greatest_difference", lambda *_: float("nan"))
    with pytest.raises(CheckpointError, match="differs from Paddle's network by nan"):
        export(run)
    assert not (run / "export").exists()


def test_weights_that_changed_since_are_not_run(exported: tuple[Path, Path], tmp_path: Path) -> None:
    run = shutil.copytree(exported[0], tmp_path / "run")
    assert onnx.load_exported(run) is not None
    facts = (run / "checkpoints" / "best.json").read_text()
    (run / "checkpoints" / "best.json").write_text(
        facts.replace(read_json(run / "checkpoints" / "best.json")["sha256"], "0" * 64)
    )
    with pytest.raises(CheckpointError, match="holds other weights"):
        onnx.load_exported(run)


def test_a_network_of_two_inputs_is_refused(monkeypatch: pytest.MonkeyPatch, runs: tuple[Path, Path]) -> None:
    config = load_config(run_config(runs[1]), ClassificationSettings)
    model = TwoInputClassifierSettings.model_validate(config.settings.model.model_dump(exclude={"type"}))
    both = replace(config, settings=config.settings.model_copy(update={"model": model}))
    monkeypatch.setattr(build, "load_config", lambda *_: both)
    monkeypatch.setattr(build, "restored_network", lambda *_: (None, None))
    with pytest.raises(CheckpointError, match="two inputs, which cannot be exported"):
        build.exportable_classifier(runs[1])


def test_a_missing_exporter_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paddle2onnx", None)
    with pytest.raises(EnvironmentProblem, match=r"pip install paddle2onnx==1\.3\.1"):
        onnx_export.to_onnx(onnx_export.Exportable(paddle.nn.Linear(2, 2), ((1, 2),), False, ""))


def test_a_full_disk_of_temporary_files_is_told(
    monkeypatch: pytest.MonkeyPatch, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(paddle.jit, "save", refused)
    with pytest.raises(OSError, match=f"No space left on device: '{tmp_path}/"):
        export(runs[1])

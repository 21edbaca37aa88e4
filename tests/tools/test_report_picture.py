"""The picture of a report for the documentation: fewer colours, and a missing report is told."""

import importlib.util
import io
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "report_picture.py"


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("report_picture", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_has_fewer_colours_and_the_same_size(script: ModuleType, tmp_path: Path) -> None:
    shot = io.BytesIO()
    ramp = np.linspace(0, 255, 60 * 80 * 3).astype(np.uint8).reshape(60, 80, 3)
    Image.fromarray(ramp).save(shot, "png")
    script.save(shot.getvalue(), tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.size == (80, 60) and picture.mode == "P"
        assert np.abs(np.asarray(picture.convert("RGB")).astype(int) - ramp).max() < 12


def test_a_missing_report_is_one_sentence(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["report_picture.py", str(tmp_path / "no.html"), str(tmp_path / "out.png")])
    monkeypatch.setattr(script.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert script.main() == 2
    assert capsys.readouterr().err == f"{tmp_path / 'no.html'} is missing: name a report.html.\n"
    monkeypatch.setattr(script.shutil, "which", lambda name: None)
    assert script.main() == 2
    assert "apt-get install chromium" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []

"""The README's lines of Python, run as they stand after a small `make smoke`."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OF_BOTH = ["checkpoint.every=2", "checkpoint.validate_every=2", "log.every=2"]


def example() -> str:
    """The one block of Python in the README."""
    (block,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.S | re.M)
    return str(block)


def test_the_example_has_eight_lines() -> None:
    assert len([line for line in example().splitlines() if line]) == 8


@pytest.fixture(scope="module")
def smoke(tiny_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with the cohort of `make smoke`, and its two runs after two steps."""
    import lung_ssp

    folder = tmp_path_factory.mktemp("readme")
    (folder / "output" / "smoke").mkdir(parents=True)
    (folder / "output" / "smoke" / "cohort").symlink_to(tiny_cohort)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        lung_ssp.train(
            "segmentation/smoke.yml", "output/smoke/segmentation", ["iters=2", "nodules.max_candidates=2", *OF_BOTH]
        )
        lung_ssp.train("classification/smoke.yml", "output/smoke/classification", ["epochs=1", *OF_BOTH])
    return folder


@pytest.mark.slow
def test_the_example_runs_as_it_stands(
    smoke: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(smoke)
    exec(compile(example(), "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert re.match(r"\d{3,4} ml of lung, voxels of \(\d[\d., ]+\) mm \(z, y, x\)", printed)
    assert "not for diagnosis" in printed
    saved = json.loads((smoke / "output/smoke/diagnosis-python/findings.json").read_text())
    assert f"{len(saved['findings'])} findings:" in printed
    assert "SYNTHETIC" in saved["training"]

"""The plain lung mask needs a library of its own, and says so."""

import sys
from pathlib import Path

import pytest

from lung_ssp.benchmark import lungs
from lung_ssp.errors import EnvironmentFault


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(EnvironmentFault, match="pip install scikit-image"):
        lungs.benchmark_lungs(tmp_path, repeats=1)

"""The same cohort on every processor: every byte of every file."""

import ast
import platform
from pathlib import Path

import pytest
from restrictions import HERE, RESTRICTIONS, Made, different, make

import lung_ssp.cohort.phantom

CONFIG = HERE / "tiny.yml"
FINGERPRINT = "581716480f43cf7c"
GENERATOR = Path(lung_ssp.cohort.phantom.__file__).parent
BLAS = {"dot", "vdot", "inner", "matmul", "tensordot", "einsum", "linalg"}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The cohort as this processor makes it."""
    return make(tmp_path_factory.mktemp("here") / "cohort", CONFIG)


@pytest.mark.slow
def test_the_fingerprint_is_known(here: Made) -> None:
    """A change of the generator that moves it raises FORMAT in make.py."""
    assert here.fingerprint == FINGERPRINT


@pytest.mark.slow
@pytest.mark.parametrize("name", RESTRICTIONS)
def test_a_processor_with_fewer_instructions_makes_the_same_files(name: str, here: Made, tmp_path: Path) -> None:
    restriction = RESTRICTIONS[name]
    if restriction.lacks not in here.instructions:
        pytest.skip(f"this processor has no {restriction.lacks} itself")
    there = make(tmp_path / "cohort", CONFIG, restriction.environment)
    assert restriction.lacks not in there.instructions
    libraries = {"NumPy", "OpenBLAS"} if name == "AVX2" else set(here.probe)
    if platform.libc_ver()[0] != "glibc":
        libraries -= {"C library"}
    assert [library for library in libraries if there.probe[library] == here.probe[library]] == []  # it took effect
    assert different(here, there) == []


@pytest.mark.slow
def test_other_last_bits_make_the_same_files(here: Made, tmp_path: Path) -> None:
    """Also for processors and libraries that are not here: whatever the last bits of their functions are."""
    there = make(tmp_path / "nudged", CONFIG, more=["--nudge", "1"])
    used = {"exp", "log", "sin", "cos", "arctan2", "power", "hypot", "ndtr", "ndtri", "logsumexp", "logpdf"}
    used |= {"resize", "GaussianBlur", "correlate1d", "map_coordinates", "settle", "settled", "resample_axis"}
    assert set(there.nudged) == used
    assert different(here, there) == []


@pytest.mark.slow
def test_changes_that_are_no_last_bits_show(here: Made, tmp_path: Path) -> None:
    """The check can fail: with changes of a millionth, sections, scans, slides and slices have other bytes."""
    there = make(tmp_path / "changed", CONFIG, more=["--nudge", "1", "--size", str(2**32)])
    changed = {Path(name).parts[0] for name in different(here, there)}
    assert {"sections", "scans", "slides", "slices"} <= changed


def test_the_generator_multiplies_no_matrices() -> None:
    """Their sums have another order on every processor."""
    found = []
    for path in GENERATOR.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            product = isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)
            if product or (isinstance(node, ast.Attribute) and node.attr in BLAS):
                found.append(f"{path.name}:{node.lineno}")
    assert found == []

"""The rooms of the package depend downwards only, and half of them need no Paddle."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "lung_ssp"
PADDLE = ("paddle", "paddleseg", "visualdl")


def rooms(*names: str) -> tuple[str, ...]:
    return tuple(f"lung_ssp.{name}" for name in names)


NEVER = {
    "ct": rooms("cohort", "segmentation", "classification", "training", "diagnosis") + PADDLE,
    "cohort": rooms("segmentation", "classification", "training", "diagnosis") + PADDLE,
    "training": rooms("segmentation", "classification", "diagnosis"),
    "segmentation": rooms("classification", "diagnosis"),
    "classification": rooms("segmentation", "diagnosis"),
    "diagnosis": rooms("cli"),
}


def imports(path: Path) -> set[str]:
    """Every module that a file names in an import."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def within(module: str, parent: str) -> bool:
    return module == parent or module.startswith(f"{parent}.")


@pytest.mark.parametrize("room", NEVER)
def test_a_room_imports_nothing_it_must_not(room: str) -> None:
    files = list((PACKAGE / room).rglob("*.py"))
    assert files
    for path in files:
        forbidden = (*NEVER[room], "tools", "tests")
        wrong = [module for module in imports(path) for parent in forbidden if within(module, parent)]
        assert wrong == [], path


def test_ct_cohort_and_the_configuration_load_without_paddle() -> None:
    modules = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for room in ("ct", "cohort")
        for path in sorted((PACKAGE / room).rglob("*.py"))
        if path.name != "__init__.py"
    ]
    names = ", ".join([*modules, "lung_ssp.config"])
    code = f"import sys, {names}; print([name for name in {PADDLE} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


WAYS = {
    "dcmread": {"slice_header.py"},
    "GDCMImageIO": {"pixels.py"},
    "np.load(": {"files.py"},
    "yaml.load": {"config.py"},
    "np.savez(file, **arrays)": {"checkpoint.py"},
    "np.clip((hu - ": {"window.py"},
    "savefig": {"figures.py"},
}


@pytest.mark.parametrize("way", WAYS)
def test_there_is_one_way_to_do_a_thing(way: str) -> None:
    found = {path.name for path in PACKAGE.rglob("*.py") if way in path.read_text()}
    assert found == WAYS[way]


def test_nothing_is_ever_unpickled() -> None:
    for path in PACKAGE.rglob("*.py"):
        for word in ("pickle.load", "allow_pickle=True", "paddle.load(", "yaml.FullLoader", "eval(input"):
            assert word not in path.read_text(), path

"""The rooms of the package depend downwards only, and what reads scans and cohorts needs no Paddle."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "lung_ssp"
PADDLE = ("paddle", "paddleseg", "visualdl")
SCRIPTS = tuple(path.stem for path in (ROOT / "benchmarks").glob("*.py"))  # they import each other by these names
OUTSIDE = ("benchmarks", "tests", "tools", *SCRIPTS)  # of the repository, no part of the package
MEASURED_AGAINST = ("torch", "skimage")  # by benchmarks/

# From the ground up. A room imports itself and what stands in an earlier line, nothing of its own line or a later one.
ORDER = (
    ("errors", "interruption", "visible"),
    ("formats", "paths"),
    ("settings", "files", "folders", "runtime"),
    ("process_pool", "records", "strict_yaml"),
    ("figures", "dask_workers"),
    ("config_errors",),
    ("config",),
    ("ct",),
    ("cohort",),
    ("training",),
    ("candidates",),
    ("segmentation", "classification"),
    ("task_settings",),
    ("weights",),
    ("tasks", "diagnosis", "preparation", "stepwise"),
    ("runs",),
    ("face", "benchmark", "studies"),
    ("cli",),
)
LEVELS = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
WITHOUT_PADDLE = (
    *(
        "errors",
        "interruption",
        "visible",
        "formats",
        "paths",
        "settings",
        "files",
        "folders",
        "process_pool",
        "records",
        "strict_yaml",
        "figures",
        "dask_workers",
        "config_errors",
        "config",
    ),
    *("ct", "cohort", "preparation", "stepwise", "task_settings"),
)

# What decides whether a cohort is synthetic or real; but for it, nothing outside of phantom/ imports phantom/.
CHOOSES_THE_COHORT = "lung_ssp.preparation"

MOST_LINES_OF_A_MODULE = 300
MOST_LINES_OF_A_FUNCTION = 60


@dataclass(frozen=True)
class Module:
    """A file of the package: its dotted name and its syntax."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def room(self) -> str:
        return room_of(self.name)


@cache
def modules() -> dict[str, Module]:
    """Every module of the package by its name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Module(name, path, ast.parse(path.read_text()))
    return found


def room_of(module: str) -> str:
    """The first part of a name below the package; the package's own file is the face."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "face"


def imports(module: Module) -> set[str]:
    """Every module that a file imports, at its head or in a function."""
    found = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{module.name}: imports are written in full"
            found |= {imported(node.module, alias.name) for alias in node.names}
    return found


def imported(source: str, name: str) -> str:
    """What `from source import name` depends on: the module `source.name` if there is one, else `source`."""
    return f"{source}.{name}" if f"{source}.{name}" in modules() else source


def own_imports(module: Module) -> set[str]:
    """The modules of the package that one of them imports; for its version alone the package's own file is nobody's."""
    return {name for name in imports(module) if name in modules()} - version_alone(module)


def version_alone(module: Module) -> set[str]:
    """The package's own file, for a module that imports nothing from it but the version."""
    taken = {
        alias.name
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and node.module == "lung_ssp"
        for alias in node.names
        if f"lung_ssp.{alias.name}" not in modules()
    }
    return {"lung_ssp"} if taken == {"__version__"} else set()


def within(module: str, parent: str) -> bool:
    return module == parent or module.startswith(f"{parent}.")


def of_room(room: str) -> list[Module]:
    found = [module for module in modules().values() if module.room == room]
    assert found, f"there is no room {room}"
    return found


def test_every_room_has_its_place() -> None:
    without = {module.room for module in modules().values()} - set(LEVELS)
    assert not without, f"without a place in ORDER: {sorted(without)}"


@pytest.mark.parametrize("room", LEVELS)
def test_a_room_imports_only_what_stands_below_it(room: str) -> None:
    wrong = {
        f"{module.name} imports {name}"
        for module in of_room(room)
        for name in own_imports(module)
        if room_of(name) != room and LEVELS.get(room_of(name), len(ORDER)) >= LEVELS[room]
    }
    assert not wrong, "\n".join(sorted(wrong))


def test_no_imports_go_in_a_circle() -> None:
    graph = {name: own_imports(module) - {name} for name, module in modules().items()}
    graphlib.TopologicalSorter(graph).prepare()  # a circle is an error that names its modules


def test_the_package_imports_nothing_of_the_folders_around_it() -> None:
    wrong = {
        f"{module.name} imports {name}"
        for module in modules().values()
        for name in imports(module)
        if any(within(name, outside) for outside in OUTSIDE)
    }
    assert not wrong, "\n".join(sorted(wrong))


def test_what_is_real_never_imports_the_phantoms() -> None:
    phantom = "lung_ssp.cohort.phantom"
    wrong = {
        f"{module.name} imports {name}"
        for module in modules().values()
        for name in own_imports(module)
        if within(name, phantom) and not within(module.name, phantom) and module.name != CHOOSES_THE_COHORT
    }
    assert not wrong, "\n".join(sorted(wrong))


@pytest.mark.parametrize("room", WITHOUT_PADDLE)
def test_a_room_without_paddle_never_names_it(room: str) -> None:
    wrong = {
        f"{module.name} imports {name}"
        for module in of_room(room)
        for name in imports(module)
        if any(within(name, package) for package in PADDLE)
    }
    assert not wrong, "\n".join(sorted(wrong))


@pytest.mark.slow
def test_reading_scans_and_preparing_cohorts_load_no_paddle() -> None:
    names = [module.name for module in modules().values() if module.room in WITHOUT_PADDLE]
    assert len(names) > 50
    code = f"import sys, {', '.join(names)}; print([name for name in {PADDLE} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


WAYS = {
    "dcmread": {"dicom_file.py"},
    "GDCMImageIO": {"decoding.py"},
    "read_array(": {"files.py"},
    "yaml.load": {"strict_yaml.py"},
    "np.savez(file, **arrays)": {"checkpoint.py"},
    "np.clip((hu - ": {"volume.py"},
    "PngInfo(": {"figures.py"},
    "savefig": set(),
}


@pytest.mark.parametrize("way", WAYS)
def test_there_is_one_way_to_do_a_thing(way: str) -> None:
    found = {path.name for path in PACKAGE.rglob("*.py") if way in path.read_text()}
    assert found == WAYS[way]


def test_nothing_is_ever_unpickled() -> None:
    for path in PACKAGE.rglob("*.py"):
        for word in ("pickle.load", "allow_pickle=True", "paddle.load(", "yaml.FullLoader", "eval(input"):
            assert word not in path.read_text(), path


def sources() -> Iterator[Path]:
    """Every Python file that is no test."""
    for folder in (PACKAGE, ROOT / "tools", ROOT / "benchmarks"):
        yield from sorted(folder.rglob("*.py"))


def test_modules_are_short() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources()}
    long = [f"{path}: {count} lines" for path, count in lines.items() if count > MOST_LINES_OF_A_MODULE]
    assert not long, "\n".join(long)


def test_functions_are_short() -> None:
    lines = {
        f"{path.relative_to(ROOT)}: {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    long = [f"{name}: {count} lines" for name, count in lines.items() if count > MOST_LINES_OF_A_FUNCTION]
    assert not long, "\n".join(long)


def test_the_package_never_loads_a_library_that_it_is_only_measured_against() -> None:
    wrong = {
        f"{module.name} names {name}"
        for module in modules().values()
        for name in imports(module) | {node.value for node in ast.walk(module.tree) if isinstance(node, ast.Constant)}
        if isinstance(name, str) and any(within(name, library) for library in MEASURED_AGAINST)
    }
    assert not wrong, "\n".join(sorted(wrong))

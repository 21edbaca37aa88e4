"""The pages name files, targets and commands that there are."""

import re
import shlex
from pathlib import Path

import pytest

import lung_ssp
from lung_ssp.cli import parser

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FROM = (ROOT, ROOT / "lung_ssp", ROOT / "configs")  # where a name in a page may start
OF_A_USER = ("output/", "mine/", "scans/")  # what only a user's machine has

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def text(page: Path, fenced: bool) -> str:
    """What stands in a page's code blocks, or all that does not."""
    parts = re.split(r"^```.*\n", page.read_text(), flags=re.M)
    return "\n".join(parts[1::2] if fenced else parts[::2])


def commands(page: Path) -> list[list[str]]:
    """The words of each `lung-ssp` command in a page's code blocks, its continued lines joined."""
    lines = text(page, fenced=True).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True)[1:] for line in lines if re.match(r"(\.venv/bin/)?lung-ssp ", line)]


@pages
def test_files_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(r"`([\w./-]+/[\w.-]+\.(?:py|yml|csv|md|sh|txt))`", text(page, fenced=False))
    wanted = [name for name in named if not name.startswith(OF_A_USER)]
    assert [name for name in wanted if not any((start / name).is_file() for start in FROM)] == []


@pages
def test_folders_of_the_package_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(
        r"`((?:lung_ssp|ct|cohort|training|segmentation|classification|tests|docs)/[\w/]*)`", page.read_text()
    )
    assert [name for name in named if not any((start / name).is_dir() for start in FROM[:2])] == []


@pages
def test_targets_that_a_page_names_are_there(page: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"\bmake ([a-z][a-z0-9-]+)(?=`|$| )", page.read_text())) - targets == set()


@pages
def test_commands_that_a_page_shows_are_ones_that_there_are(page: Path) -> None:
    for words in commands(page):
        arguments = parser().parse_args(words)
        config = getattr(arguments, "config", None)
        assert config is None or any((start / config).is_file() for start in FROM), words


@pytest.mark.parametrize("page", [*PAGES, ROOT / "benchmarks" / "README.md"], ids=lambda page: page.name)
def test_scripts_that_a_page_runs_are_there(page: Path) -> None:
    named = set(re.findall(r"\bpython ((?:benchmarks|tools)/\w+\.py)", page.read_text()))
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_the_commands_are_looked_at() -> None:
    assert sum(len(commands(page)) for page in PAGES) > 5


def test_every_function_of_the_face_is_on_the_page_for_python() -> None:
    shown = set(re.findall(r"^::: lung_ssp\.(\w+)$", (ROOT / "docs" / "api.md").read_text(), re.M))
    functions = {name for name in lung_ssp.__all__ if name[0].islower()}
    assert functions <= shown


def test_the_examples_of_the_readme_and_of_the_page_for_python_are_one() -> None:
    blocks = [
        re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), re.S) for name in ("README.md", "docs/api.md")
    ]
    assert blocks[0][0] == blocks[1][0]

"""The version has one place, lung_ssp/__init__.py, and whatever else names it agrees."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lung_ssp import __version__

ROOT = Path(__file__).resolve().parents[1]
NAMING_IMAGES = (
    "docs/gpu.md",
    "docker/compose.yml",
    "docker/benchmark.sh",
    "docker/Dockerfile.cpu",
    "docker/Dockerfile.gpu",
)
LABELLED = ("docker/Dockerfile.cpu", "docker/Dockerfile.gpu")


def test_setup_reads_the_version_without_importing_the_package() -> None:
    code = (
        "import runpy, sys; sys.argv = ['setup.py', '--version']; runpy.run_path('setup.py');"
        "sys.exit('lung_ssp' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == __version__


@pytest.mark.parametrize("file", NAMING_IMAGES)
def test_images_are_tagged_with_the_version(file: str) -> None:
    tags = re.findall(r"lung-ssp:([\w.]+)-(?:cpu|gpu)", (ROOT / file).read_text())
    assert set(tags) == {__version__}


def test_no_other_file_tags_an_image_with_another_version() -> None:
    files = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docker").iterdir()]
    tags = {tag for file in files for tag in re.findall(r"lung-ssp:(\d[\w.]*)", file.read_text())}
    assert tags == {__version__}


@pytest.mark.parametrize("file", LABELLED)
def test_images_are_labelled_with_the_version(file: str) -> None:
    assert re.findall(r'image\.version="([^"]*)"', (ROOT / file).read_text()) == [__version__]


def test_the_citation_is_of_this_version_and_names_the_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == __version__
    assert {"cff-version", "message", "title", "authors"} <= set(citation)  # what the format requires
    assert citation["license"] == "Apache-2.0"
    (paper,) = citation["references"]
    assert paper["title"].startswith("The Early Diagnosis of Lung Cancer")
    assert [author["family-names"] for author in paper["authors"]] == ["Chi", "Choo", "Goh", "Shao"]


def test_the_changes_tell_of_this_version() -> None:
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text().splitlines()

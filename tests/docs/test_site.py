"""The site: every link leads somewhere, and its readers fetch nothing from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import lung_ssp

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_every_page_is_built(site: Path) -> None:
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert {path.stem for path in site.glob("*.html")} == pages | {"404"}


@pytest.mark.slow
def test_the_functions_of_the_face_have_their_place(site: Path) -> None:
    page = (site / "api.html").read_text()
    for name in lung_ssp.__all__:
        assert f'id="lung_ssp.{name}"' in page


@pytest.mark.slow
def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    for page in site.glob("*.html"):
        loaded = re.findall(r"<(?:script|link|img|iframe)[^>]*?(?:src|href)=[\"']?(https?:[^\"' >]+)", page.read_text())
        assert loaded == [], page.name


def test_every_page_is_in_the_navigation() -> None:
    entries = re.findall(r"^ +- (?:[^:]+: )?(\w[\w-]*\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M)
    assert sorted(entries) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))
    assert yaml.safe_load((ROOT / "mkdocs.yml").read_text())["theme"]["font"] is False

"""report.html as text: whole, closed to the outside, and the same whatever stands in the texts of a scan."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lung_ssp.diagnosis.diagnosis import Diagnosis
from lung_ssp.diagnosis.report.page import letters, render, write_report
from lung_ssp.visible import visible

Make = Callable[..., Diagnosis]


class Page(HTMLParser):
    """A page taken apart.

    elements: names with the names of their attributes, in order. texts: between them. scripts: by their type.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.texts: list[str] = []
        self.scripts: dict[str, str] = {}
        self.html_without_scripts = re.sub(r"<(script|style).*?</\1>", "", html, flags=re.S)
        self._within = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self._within = (dict(attrs).get("type") or "script") if tag == "script" else tag

    def handle_data(self, data: str) -> None:
        if self._within in ("script", "application/json"):
            self.scripts[self._within] = self.scripts.get(self._within, "") + data
        elif self._within != "style" and data.strip():
            self.texts.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._within = ""


def scan_of(html: str) -> dict:
    """What the script is handed."""
    return json.loads(Page(html).scripts["application/json"])


def names_with(text: str) -> dict[str, tuple[str, ...]]:
    return {"image": ("benign", text), "pathology": ("benign", text, "metastatic")}


@cache
def plain_page(make_diagnosis: Make) -> Page:
    """The page of a diagnosis with harmless texts."""
    return Page(render(make_diagnosis(1, text="plain", names=names_with("plain"))))


HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</title></style><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "{{ 7 * 7 }}{% raw %}",
    "<!-- ]]> -->",
    "\u202egnp.exe",
)


@pytest.mark.slow
@settings(max_examples=15)
@given(st.text(max_size=40))
@example(HOSTILE[0])
@example(HOSTILE[1])
@example(HOSTILE[2])
@example(HOSTILE[3])
@example(HOSTILE[4])
@example(HOSTILE[5])
@example(HOSTILE[6])
def test_text_from_outside_stays_text(make_diagnosis: Make, text: str) -> None:
    """UIDs, names of files, remarks, cohorts and classes: the page has the same elements, and says it as it is."""
    plain = plain_page(make_diagnosis)
    page = Page(render(make_diagnosis(1, text=text, names=names_with(text))))
    assert page.elements == plain.elements
    assert page.scripts["script"] == plain.scripts["script"]
    shown = re.sub(r"\s+", " ", " ".join(page.texts))
    for expected in (f"corrected {text}", f"doubted {text}", f"cohort {text}"):
        assert re.sub(r"\s+", " ", visible(expected)).strip() in shown


def test_the_same_diagnosis_has_the_same_bytes_whatever_time_it_took(make_diagnosis: Make, tmp_path: Path) -> None:
    one, other = make_diagnosis(3), make_diagnosis(3)
    other.seconds["reading"] = 77.125
    paths = [write_report(diagnosis, tmp_path / name) for diagnosis, name in ((one, "a"), (other, "b"))]
    assert [path.name for path in paths] == ["report.html"] * 2
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert b"77.1" not in paths[1].read_bytes()
    before = paths[0].read_bytes()
    write_report(make_diagnosis(1), tmp_path / "a")
    assert paths[0].read_bytes() != before  # replaced
    assert list((tmp_path / "a").iterdir()) == [paths[0]]


def test_nothing_is_loaded_from_elsewhere(make_diagnosis: Make) -> None:
    html = render(make_diagnosis(3, judged=True))
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)">', html)
    (style,), (script,) = (
        re.findall(r"<style>(.*?)</style>", html, re.S),
        re.findall(r"<script>(.*?)</script>", html, re.S),
    )
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    assert policy.replace("&#39;", "'") == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )
    names = {name for _, attributes in Page(html).elements for name in attributes}
    assert not [name for name in names if name.startswith("on") or name in ("src", "style")]
    links = re.findall(r'\b(?:href|src|action)="([^"]{1,30})', html)
    assert links and all(link.startswith(("#", "data:image/jpeg;base64,")) for link in links)
    assert re.findall(r"https?:[^\"' <]*", html) == ["http://www.w3.org/2000/svg"]  # a name, in the script
    assert "url(" not in style and "@import" not in style


def test_the_scan_is_told_but_nobody(make_diagnosis: Make) -> None:
    """Of files that were left out the names alone: their folders may bear the patient's."""
    signs = str.maketrans({"\N{MINUS SIGN}": "-", "\N{MULTIPLICATION SIGN}": "x"})
    texts = [text.translate(signs) for text in Page(render(make_diagnosis(1, text="1.2.3"))).texts]
    for expected in (
        "Findings of a chest CT",
        "1 finding",
        "1.2.3",
        "24 of 80 x 64 pixels",
        "1.000 x 0.800 x 2.500 mm",
        "80 x 51 x 60 mm",
        "-100.0 to -42.5 mm, from the feet to the head",
        "-850 to 30 HU",
        "130 ml",
        "70 ml, 2.0% of it below -950 HU",
        "corrected 1.2.3",
        "doubted 1.2.3",
        "1 x another kind 1.2.3 (1.2.3.xml)",
        "parenchyma.recipe",
        "lesion_preserving",
    ):
        assert expected in texts, expected
    assert not any("folder/" in text for text in texts)


@pytest.mark.parametrize("synthetic", ["segmentation", "classification", "candidates", ""])
def test_numbers_from_synthetic_cohorts_say_so_and_no_others(make_diagnosis: Make, synthetic: str) -> None:
    """In the list, in a finding's head and in its tables."""
    made = make_diagnosis(1, judged=True, synthetic=(synthetic,))
    probabilities = {"image": np.array([0.37, 0.63]), "pathology": np.array([0.11, 0.22, 0.67])}
    html = render(replace(made, findings=[replace(made.findings[0], probabilities=probabilities)]))
    with_marks = re.sub(r'<span class="mark">(.*?)</span>', r"\1", Page(html).html_without_scripts)
    text = re.sub(r"<[^>]*>", "|", with_marks)
    of_task = {
        "segmentation": {"0.90": 2},  # score: list and head
        "candidates": {"0.80": 2},  # probability of a nodule
        "classification": {"0.63": 2, "0.67": 2, "0.37": 1, "0.11": 1, "0.22": 1},  # best class: list and table
    }
    for task, numbers in of_task.items():
        mark = " [SYNTHETIC]" if task == synthetic else ""
        for number, times in numbers.items():
            assert re.findall(rf"\b{re.escape(number)}(?!\d)( \[SYNTHETIC\])?", text) == [mark] * times, number
    assert text.count("score learnt from") == 1 and ("SYNTHETIC" in text) == bool(synthetic)
    assert "7 candidates dropped, whose probability of a nodule is below" in text


def test_the_notice_the_licence_and_the_citation_are_there(make_diagnosis: Make) -> None:
    diagnosis = make_diagnosis(0)
    texts = Page(render(diagnosis)).texts
    assert sum(text.startswith("Research use only, not for diagnosis.") for text in texts) == 3
    for facts in diagnosis.weights.values():
        assert facts.cohort_statement in texts and f"{facts.weights_fingerprint}, of the package" in texts
    assert any("CC BY 3.0" in text for text in texts)


def test_without_findings_the_page_says_what_that_means(make_diagnosis: Make) -> None:
    page = Page(render(make_diagnosis(0)))
    assert "0 findings" in page.texts
    assert any("does not mean that there is none" in text for text in page.texts)
    assert "article" not in [tag for tag, _ in page.elements]


def test_a_diagnosis_that_needs_a_slide_says_so(make_diagnosis: Make) -> None:
    assert Page(render(make_diagnosis(1, slides=False))).texts.count("no slide") == 2


def test_what_the_viewer_is_handed(make_diagnosis: Make) -> None:
    diagnosis = make_diagnosis(2)
    scan = scan_of(render(diagnosis))
    assert (scan["columns"], scan["rows"], scan["column_mm"], scan["row_mm"]) == (80, 64, 1.0, 0.8)
    assert len(scan["slices"]) == len(scan["lungs"]) == len(scan["positions_mm"]) == 24
    np.testing.assert_allclose(scan["positions_mm"], -100 + 2.5 * np.arange(24))
    assert [(one["number"], one["slice"]) for one in scan["findings"]] == [(1, 12), (2, 5)]
    assert sorted(map(int, scan["findings"][0]["borders"])) == [10, 11, 12, 13, 14]
    assert base64.b64decode(scan["slices"][0]).startswith(b"\xff\xd8")


def test_the_sides_follow_the_directions_of_the_axes() -> None:
    assert letters((1, 0, 0, 0, 1, 0, 0, 0, 1)) == {"left": "R", "right": "L", "above": "A", "below": "P"}
    assert letters((-1, 0, 0, 0, -1, 0, 0, 0, 1)) == {"left": "L", "right": "R", "above": "P", "below": "A"}


def test_all_tags_are_closed(make_diagnosis: Make) -> None:
    html = Page(render(make_diagnosis(2, judged=True))).html_without_scripts
    void = {"meta", "input"}
    opened: list[str] = []
    for end, tag, closed in re.findall(r"<(/?)([a-z0-9]+)[^>]*?(/?)>", html):
        if end:
            assert opened.pop() == tag
        elif not closed and tag not in void:
            opened.append(tag)
    assert opened == []


def test_the_page_files_are_in_the_package() -> None:
    setup = (Path(__file__).resolve().parents[3] / "setup.py").read_text()
    folder = Path(__file__).resolve().parents[3] / "lung_ssp" / "diagnosis" / "report" / "page_files"
    assert {path.suffix for path in folder.iterdir()} == {".jinja", ".css", ".js"}
    for path in folder.iterdir():
        assert f'"**/*{path.suffix}"' in setup

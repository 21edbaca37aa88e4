"""The report of a diagnosis: report.html, one file without anything from elsewhere, which nothing can connect."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from lung_ssp.diagnosis.diagnosis import Diagnosis
from lung_ssp.diagnosis.report.borders import lesion_borders, lung_borders
from lung_ssp.diagnosis.report.content import content_of, slice_positions
from lung_ssp.diagnosis.report.images import HU_OF_LEVELS, base64_of, encode_slices
from lung_ssp.diagnosis.report.pictures import WINDOWS_HU
from lung_ssp.files import write_text

REPORT_FILE = "report.html"


def write_report(diagnosis: Diagnosis, folder: Path) -> Path:
    """Write report.html: the findings with their pictures, and all slices to leaf through.

    The same diagnosis gives the same bytes; the report tells no times. Of the patient it holds neither name nor number
    nor dates; names of files that were left out are the user's own.

    Args:
        folder: made if it is missing; a report in it is replaced.

    Returns:
        the file.

    Raises:
        OSError: the system refuses to write it.
    """
    path = Path(folder) / REPORT_FILE
    write_text(path, render(diagnosis))
    return path


def render(diagnosis: Diagnosis) -> str:
    """The report as HTML."""
    style, script = source("report.css"), source("report.js")
    return template().render(
        content=content_of(diagnosis),
        scan=viewer_data(diagnosis),
        style=Markup(style),  # ours, as the script
        script=Markup(script),
        policy=policy(style, script),
    )


def policy(style: str, script: str) -> str:
    """A Content-Security-Policy that lets the page use its own style, script and pictures, and connect to nothing."""
    return (
        f"default-src 'none'; img-src data:; style-src '{digest(style)}'; script-src '{digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def digest(text: str) -> str:
    """The hash of a style or script in the form of a Content-Security-Policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def viewer_data(diagnosis: Diagnosis) -> dict[str, Any]:
    """What the script shows: slices, borders and places of findings."""
    scan = diagnosis.scan
    _, rows, columns = scan.shape
    return {
        "columns": columns,
        "rows": rows,
        "column_mm": scan.spacing[2],
        "row_mm": scan.spacing[1],
        "positions_mm": [round(float(position), 2) for position in slice_positions(diagnosis)],
        "letters": letters(scan.direction),
        "hu_of_levels": HU_OF_LEVELS,
        "windows_hu": WINDOWS_HU,
        "lungs": lung_borders(diagnosis.lungs.mask),
        "findings": [
            {
                "number": finding.number,
                "slice": finding.candidate.lesion.slice_index,
                "borders": lesion_borders(finding.candidate.lesion),
            }
            for finding in diagnosis.findings
        ],
        "slices": [base64_of(image) for image in encode_slices(scan.hu)],
    }


def letters(direction: tuple[float, ...]) -> dict[str, str]:
    """The patient's sides at the edges of an axial slice: right, left, anterior, posterior.

    Args:
        direction: of the volume, as SimpleITK's GetDirection.
    """
    left, right = ("R", "L") if direction[0] > 0 else ("L", "R")
    above, below = ("A", "P") if direction[4] > 0 else ("P", "A")
    return {"left": left, "right": right, "above": above, "below": below}


@cache
def template() -> Template:
    """The page; what is put into it is escaped."""
    return _environment().get_template("report.html.jinja")


@cache
def source(name: str) -> str:
    """The style or the script of the page as it stands in its file."""
    environment = _environment()
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


@cache
def _environment() -> Environment:
    loader = PackageLoader("lung_ssp.diagnosis.report", "page_files")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)

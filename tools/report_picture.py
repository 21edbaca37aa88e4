"""A picture of a report as a browser shows it, for the documentation.

    python tools/report_picture.py REPORT PICTURE

REPORT is a diagnosis's report.html, PICTURE a PNG of 1366 x 860 pixels in 200 colours. Needs the extra test and
Chromium.
"""

import argparse
import io
import shutil
import sys
from pathlib import Path

from PIL import Image

from lung_ssp.files import write_atomically

SIZE = {"width": 1366, "height": 860}
COLOURS = 200


def main() -> int:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("report", type=Path, metavar="REPORT")
    parser.add_argument("picture", type=Path, metavar="PICTURE")
    arguments = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None or not arguments.report.is_file():
        lacking = (
            "Chromium is not installed: apt-get install chromium"
            if chromium is None
            else f"{arguments.report} is missing: name a report.html"
        )
        print(f"{lacking}.", file=sys.stderr)
        return 2
    save(screen_shot(arguments.report, chromium), arguments.picture)
    return 0


def screen_shot(report: Path, chromium: str) -> bytes:
    """What a browser shows first, as PNG."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE, color_scheme="light")  # type: ignore[arg-type]
        page.goto(report.resolve().as_uri())
        page.wait_for_selector("canvas[data-slice]")
        page.evaluate("document.activeElement.blur()")
        picture = page.screenshot()
        browser.close()
    return picture


def save(picture: bytes, path: Path) -> None:
    """Write a PNG with fewer colours."""
    small = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").quantize(COLOURS).save(small, "png", optimize=True)
    write_atomically(path, lambda file: file.write(small.getbuffer()))


if __name__ == "__main__":
    sys.exit(main())

"""The report in a browser: keys, mouse, windows, outlines, print, phone; and nothing goes out."""

import base64
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lung_ssp.diagnosis.diagnosis import Diagnosis
from lung_ssp.diagnosis.report.page import write_report

Open = Callable[..., Any]
DRAWN = """([slice, window, outlines]) => {
    const at = document.getElementById("picture").dataset;
    return at.slice === slice && at.window === window && at.outlines === outlines;
}"""
MINUS = "\N{MINUS SIGN}"


@pytest.fixture
def open_report(browser: Any, make_diagnosis: Callable[..., Diagnosis], tmp_path: Path) -> Iterator[Open]:
    """Opens the report of a diagnosis made by hand; at the end no page has complained or asked for anything."""
    told: list[str] = []
    contexts = []

    def opened(count: int = 3, **options: Any) -> Any:
        write_report(make_diagnosis(count), tmp_path)
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 600}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        context.on("request", lambda request: told.append(request.url) if asks(request.url, tmp_path) else None)
        page.goto((tmp_path / "report.html").as_uri())
        page.wait_for_selector("canvas[data-slice]")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert told == []


def asks(url: str, folder: Path) -> bool:
    """Whether an address is anything but the report itself and the pictures in it."""
    return not url.startswith((f"{folder.as_uri()}/report.html", "data:image/jpeg;base64,"))


def wait(page: Any, slice_number: int, window: str = "lung", outlines: bool = True) -> None:
    """Until the canvas shows a slice so."""
    page.wait_for_function(DRAWN, arg=[str(slice_number), window, str(outlines).lower()])


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def pixels(page: Any) -> np.ndarray:
    """The canvas, uint8 (rows, columns, 3)."""
    png = page.evaluate("document.getElementById('picture').toDataURL()").partition(",")[2]
    with Image.open(io.BytesIO(base64.b64decode(png))) as picture:
        return np.asarray(picture.convert("RGB"))


def at(picture: np.ndarray, row: float, column: float) -> list[int]:
    """The colour in the middle of a voxel of the slice."""
    scale = len(picture) / 80
    y, x = len(picture) * (80 - 51.2) / 160 + (row + 0.5) * 0.8 * scale, (column + 0.5) * scale
    return picture[int(y), int(x)].astype(int).tolist()


def test_it_begins_with_the_first_finding(open_report: Open) -> None:
    page = open_report()
    wait(page, 13)
    assert page.text_content("#place") == f"slice 13 of 24\n{MINUS}70.0 mm"
    assert page.text_content("#shown") == f"lung window\n{MINUS}1350 to 150 HU"
    assert page.get_attribute("#picture", "aria-label").endswith("lung window, findings 1")
    assert page.evaluate("document.activeElement.id") == "viewer"


def test_keys_lead_through_the_slices(open_report: Open) -> None:
    page = open_report()
    for key, slice_number in (
        ("ArrowUp", 14),
        ("ArrowRight", 15),
        ("ArrowDown", 14),
        ("ArrowLeft", 13),
        ("PageUp", 23),
        ("PageUp", 24),
        ("ArrowUp", 24),
        ("PageDown", 14),
        ("Home", 1),
        ("ArrowDown", 1),
        ("End", 24),
    ):
        press(page, key)
        wait(page, slice_number)
        assert page.text_content("#place").startswith(f"slice {slice_number} of 24")
        assert page.input_value("#slider") == str(slice_number - 1)


def test_keys_lead_through_the_findings(open_report: Open) -> None:
    page = open_report()
    for key, number, slice_number in (("n", 2, 6), ("N", 3, 21), ("n", 1, 13), ("p", 3, 21), ("p", 2, 6)):
        press(page, key)
        wait(page, slice_number)
        assert page.text_content("tr.at th") == str(number)


def test_keys_are_for_the_viewer_alone(open_report: Open) -> None:
    """The browser's own, and those in other parts of the page, stay what they are."""
    page = open_report()
    press(page, "Control+l")
    page.evaluate("document.activeElement.blur()")
    press(page, "End", "m")
    page.wait_for_timeout(100)
    wait(page, 13)


def test_windows_show_known_shades(open_report: Open) -> None:
    """Tissue has 30 HU, lung -850; beside the slice the picture is black."""
    page = open_report()
    press(page, "o")
    wait(page, 13, outlines=False)
    lung = pixels(page)
    press(page, "m")
    wait(page, 13, "mediastinal", False)
    soft = pixels(page)
    for picture, tissue, air in ((lung, 235, 85), (soft, 121, 0)):
        for row, column, shade in ((30, 20, tissue), (5, 40, tissue), (15, 25, air), (45, 60, air)):
            colour = at(picture, row, column)
            assert max(colour) - min(colour) == 0 and abs(colour[0] - shade) <= 12, (row, column)
        assert at(picture, -8, 10) == [0, 0, 0]
    press(page, "l")
    wait(page, 13, "lung", False)
    assert (pixels(page) == lung).all()


def test_outlines_lie_around_findings_and_lungs(open_report: Open) -> None:
    page = open_report()
    page.evaluate("document.activeElement.blur()")
    with_lines = pixels(page).astype(int)
    page.focus("#viewer")
    press(page, "o")
    wait(page, 13, outlines=False)
    assert page.evaluate("getComputedStyle(document.querySelector('article .outline')).display") == "none"
    changed = np.abs(with_lines - pixels(page)).max(axis=2) > 40
    scale = len(changed) / 80
    y, x = np.nonzero(changed)
    x_mm, y_mm = x / scale, y / scale - (80 - 51.2) / 2
    yellow = (with_lines[y, x, 0] > 180) & (with_lines[y, x, 2] < 120)
    radii = np.hypot(x_mm - 20.5, y_mm - 30.5 * 0.8)
    around = yellow & (radii < 7)
    assert np.count_nonzero(around) > 30 and np.abs(radii[around] - 5).max() < 1.3
    blue = (with_lines[y, x, 2] > 200) & (with_lines[y, x, 0] < 160)
    left = np.abs(x_mm[blue] - 8) < 0.6  # the right lung begins at column 8, on the left
    assert np.count_nonzero(left) > 20
    assert (y_mm[blue][left].min(), y_mm[blue][left].max()) == pytest.approx((8, 43.2), abs=1)
    press(page, "o")
    wait(page, 13, outlines=True)


def test_the_bar_is_as_long_as_it_says(open_report: Open) -> None:
    page = open_report()
    page.keyboard.press("o")
    wait(page, 13, outlines=False)
    picture = pixels(page)
    white = (picture[-20:, :] == 255).all(axis=2)
    assert white.sum(axis=1).max() == pytest.approx(50 * len(picture) / 80, abs=2)


def test_letters_stand_at_the_sides(open_report: Open) -> None:
    page = open_report()
    stage = page.locator(".stage").bounding_box()
    for letter, x, y in (("R", 0, 0.5), ("L", 1, 0.5), ("A", 0.5, 0), ("P", 0.5, 1)):
        box = page.locator(".letter", has_text=letter).bounding_box()
        assert (box["x"] + box["width"] / 2 - stage["x"]) / stage["width"] == pytest.approx(x, abs=0.08)
        assert (box["y"] + box["height"] / 2 - stage["y"]) / stage["height"] == pytest.approx(y, abs=0.08)


def test_the_mouse_leads_through_slices_and_findings(open_report: Open) -> None:
    page = open_report()
    page.mouse.move(*(page.locator("#picture").bounding_box()[side] + 50 for side in ("x", "y")))
    page.mouse.wheel(0, -100)
    wait(page, 14)
    page.mouse.wheel(0, 100)
    wait(page, 13)
    assert page.evaluate("scrollY") == 0
    page.locator("#slider").fill("2")
    wait(page, 3)
    page.click("tr[data-finding='1'] td >> nth=0")
    wait(page, 6)
    page.click("#next")
    wait(page, 21)
    page.click("#previous")
    wait(page, 6)
    page.click("#mediastinal")
    wait(page, 6, "mediastinal")
    page.click("#outlines")
    wait(page, 6, "mediastinal", False)
    assert page.get_attribute("#outlines", "aria-pressed") == "false"


def test_a_finding_leads_back_to_its_slice(open_report: Open) -> None:
    page = open_report()
    page.locator("article >> nth=2").get_by_role("button", name="Show in the slices").click()
    wait(page, 21)
    page.wait_for_function("document.getElementById('picture').getBoundingClientRect().top > -1")
    press(page, "ArrowUp")
    wait(page, 22)


@pytest.mark.parametrize("count", [0, 1, 50])
def test_any_number_of_findings_can_be_used(open_report: Open, count: int) -> None:
    page = open_report(count)
    press(page, "Home")
    wait(page, 1)
    assert page.locator("article").count() == page.locator("tr[data-finding]").count() == count
    press(page, "p", "n", "p")
    if not count:
        wait(page, 1)
        return
    assert page.text_content("tr.at th") == str(count)
    row, around = (page.locator(place).bounding_box() for place in ("tr.at", ".list"))
    assert around["y"] <= row["y"] and row["y"] + row["height"] <= around["y"] + around["height"] + 2
    assert around["height"] < 600


def test_it_prints_the_findings_without_the_viewer(open_report: Open) -> None:
    page = open_report()
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.emulate_media(media="print")
    assert not page.is_visible("#viewer") and not page.is_visible("text=Show in the slices")
    for place in (".notice", ".list", "article >> nth=2", "article svg >> nth=0", "text=REAL patients; CC BY 3.0"):
        assert page.locator(place).first.is_visible(), place
    dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert dark == "rgb(255, 255, 255)"


def test_a_phone_shows_all_without_scrolling_sideways(open_report: Open) -> None:
    page = open_report(viewport={"width": 360, "height": 740}, has_touch=True, device_scale_factor=2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator("#picture").bounding_box()["width"] > 320
    assert page.evaluate("document.getElementById('picture').width") > 640  # its own resolution
    page.locator("#next").tap()
    wait(page, 6)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_the_paper(open_report: Open, scheme: str) -> None:
    """By a contrast of 4.5 at least (WCAG 2.1, 1.4.3)."""
    page = open_report(color_scheme=scheme)
    names = ("paper", "raised", "at", "ink", "soft", "accent", "mark", "warn-paper", "warn")
    colour = page.evaluate(
        "names => { const s = getComputedStyle(document.documentElement);"
        " return Object.fromEntries(names.map(n => [n, s.getPropertyValue('--' + n).trim()])); }",
        names,
    )
    pairs = [("ink", "paper"), ("ink", "raised"), ("ink", "at"), ("soft", "paper"), ("soft", "raised")]
    pairs += [("mark", "paper"), ("mark", "at"), ("warn", "warn-paper"), ("paper", "accent"), ("accent", "paper")]
    assert {pair: ratio for pair in pairs if (ratio := contrast(*(colour[name] for name in pair))) < 4.5} == {}


def contrast(one: str, other: str) -> float:
    """Of two colours such as #1a2b3c, by WCAG 2.1."""
    light = []
    for colour in (one, other):
        red, green, blue = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
        light.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(light) + 0.05) / (min(light) + 0.05)


def test_everything_has_a_name(open_report: Open) -> None:
    page = open_report()
    assert page.get_attribute("html", "lang") == "en"
    pictures = page.locator("article svg[role=img]")
    assert pictures.count() == 18
    assert all(
        label and label.endswith(".")
        for label in pictures.evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    )
    for button in page.get_by_role("button").all():
        assert (button.get_attribute("aria-label") or button.text_content()).strip()
    identities = page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(identities) == len(set(identities))


def test_the_policy_lets_nothing_out_or_in(
    browser: Any, make_diagnosis: Callable[..., Diagnosis], tmp_path: Path
) -> None:
    """What a hostile text would do if it became markup after all: the browser refuses each."""
    page = browser.new_page()
    page.goto(write_report(make_diagnosis(1), tmp_path).as_uri())
    refused = page.evaluate(
        """async () => {
        const found = [];
        document.addEventListener("securitypolicyviolation", (event) => found.push(event.effectiveDirective));
        const add = (tag, changes) => document.body.append(Object.assign(document.createElement(tag), changes));
        add("script", { textContent: "window.ran = true" });
        add("img", { src: "https://example.invalid/x.png" });
        add("div", { innerHTML: "<p onclick='window.ran = true' style='color: red'>x</p>" });
        document.body.lastChild.firstChild.click();
        try { await fetch("https://example.invalid/"); } catch {}
        await new Promise((done) => setTimeout(done, 200));
        return [window.ran || false, found.sort()];
        }"""
    )
    page.close()
    wanted = ["connect-src", "img-src", "script-src-attr", "script-src-elem", "style-src-attr"]
    assert refused == [False, wanted]

"""VisualDL in a browser: what a run's log holds is seen, and a resumed run shows no step twice."""

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from lung_ssp.training.logs import RunLog


@pytest.fixture(scope="module")
def resumed_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with the tags of a classification run, killed at step 25 after a checkpoint at 15, and gone on with."""
    folder = tmp_path_factory.mktemp("dashboard") / "run"
    log = RunLog(folder, "table2.csv", ("global_step_value", "epoch", "loss_total_value"), None)
    log.images({"sections/0": np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)})
    log.hyperparameters({"batch_size": 16, "epochs": 2}, ["loss_total_value"])
    write_steps(log, range(5, 16, 5))
    positions = log.positions()
    write_steps(log, range(20, 26, 5))
    resumed = RunLog(folder, "table2.csv", log.columns, positions)
    write_steps(resumed, range(20, 31, 5))
    return folder


def write_steps(log: RunLog, steps: Iterable[int]) -> None:
    """What the loop writes at a step: losses, means of alphas, and the alphas themselves."""
    for step in steps:
        alphas = np.random.default_rng(step).random((2, 2))
        log.row({"global_step_value": step, "epoch": 0, "loss_total_value": 2 / step})
        log.scalars(step, {"loss/total": 2 / step, "loss/image": 1 / step, "loss_total_value": 2 / step})
        log.scalars(
            step, {"alphas/pool1/image_from_image": alphas[0, 0], "alphas/pool1/image_from_pathology": alphas[0, 1]}
        )
        log.histograms(step, {"alphas/pool1": alphas})


@pytest.fixture(scope="module")
def dashboard(resumed_run: Path) -> Iterator[str]:
    """The address of VisualDL's server of that run, on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("visualdl")
    words = ["--logdir", "visualdl", "--host", "127.0.0.1", "--port", str(port), "--language", "en"]
    command = [str(program), *words, "--disable-telemetry"]
    with subprocess.Popen(command, cwd=resumed_run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(address, server)
            yield address
        finally:
            server.terminate()


def wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    """Until the server answers."""
    for _ in range(300):
        assert server.poll() is None, "VisualDL has ended"
        try:
            urllib.request.urlopen(address, timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("VisualDL does not answer")


@pytest.fixture
def page(browser: Any, dashboard: str) -> Iterator[Any]:
    """A page that asks nothing of any other server, and has no error."""
    told: list[str] = []
    context = browser.new_context(viewport={"width": 1300, "height": 900})
    context.on("request", lambda request: told.append(request.url) if elsewhere(request.url, dashboard) else None)
    opened = context.new_page()
    opened.on("pageerror", lambda error: told.append(str(error)))
    yield opened
    context.close()
    assert told == []


def elsewhere(url: str, address: str) -> bool:
    return not url.startswith((address, "data:", "blob:"))


def open_groups(page: Any) -> list[str]:
    """Open every group of tags, which are closed but for the first; their names."""
    headers = page.locator("//*[text()='alphas' or text()='loss']").all()
    names = [header.text_content() for header in headers]
    for header in headers[1:]:
        header.click()
    return names


def test_curves_of_losses_and_alphas_have_every_step_once(page: Any, dashboard: str) -> None:
    """The points are those that the page is sent for its charts, each its time, step and value."""
    sent: dict[str, list[int]] = {}

    def keep(response: Any) -> None:
        address = urlsplit(response.url)
        if address.path.endswith("/api/scalar/list"):
            (tag,) = parse_qs(address.query)["tag"]
            sent[tag] = [point[1] for point in response.json()["data"]]

    page.on("response", keep)
    page.goto(f"{dashboard}/app/scalar")
    page.wait_for_selector("canvas")
    assert sorted(open_groups(page)) == ["alphas", "loss"]
    page.wait_for_function("document.querySelectorAll('canvas').length > 2")
    page.wait_for_timeout(2000)  # the charts ask one after the other
    assert {"alphas", "loss"} <= {tag.split("/")[0] for tag in sent}
    assert {tag: points for tag, points in sent.items() if points != sorted(set(points))} == {}
    of_alphas = [points for tag, points in sent.items() if tag.startswith("alphas")]
    assert of_alphas == [[5, 10, 15, 20, 25, 30]] * 2


def test_images_histograms_and_hyperparameters_are_shown(page: Any, dashboard: str) -> None:
    page.goto(f"{dashboard}/app/sample/image")
    page.get_by_text("sections/0").first.wait_for()
    page.wait_for_function("[...document.images].some((one) => one.src.startsWith('blob:') && one.naturalWidth > 50)")
    page.goto(f"{dashboard}/app/histogram")
    page.get_by_text("alphas", exact=True).first.wait_for()
    page.wait_for_selector("canvas, svg path")
    page.goto(f"{dashboard}/app/hyper-parameter")
    page.wait_for_function("document.body.innerText.includes('batch_size')")
    assert "16" in page.inner_text("body").split()

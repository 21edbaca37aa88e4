"""docker/compose.yml: the dashboard on loopback alone, training with a GPU and memory enough to share."""

import importlib.metadata
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lung_ssp.cli import parser

COMPOSE = Path(__file__).resolve().parents[2] / "docker" / "compose.yml"
SERVICES = ("train", "dashboard")


def service(name: str) -> dict[str, Any]:
    """A service's entries, with the default of every variable."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", COMPOSE.read_text())
    return dict(yaml.safe_load(text)["services"][name])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_of_this_version_and_without_privileges(name: str) -> None:
    entries = service(name)
    assert entries["image"] == f"lung-ssp:{importlib.metadata.version('lung-ssp')}-gpu"
    assert not str(entries["user"]).startswith("0")
    assert entries["cap_drop"] == ["ALL"]
    assert entries["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in entries


def test_there_are_no_other_services_and_only_the_dashboard_publishes_a_port_on_loopback() -> None:
    assert tuple(yaml.safe_load(COMPOSE.read_text())["services"]) == SERVICES
    assert "ports" not in service("train")
    assert "network_mode" not in service("train") | service("dashboard")
    (port,) = service("dashboard")["ports"]
    address, outside, inside = port.split(":")
    assert address == "127.0.0.1"
    words = service("dashboard")["command"].split()
    assert words[words.index("--port") + 1] == inside
    assert outside == inside


def test_the_dashboard_speaks_english_tells_nobody_and_cannot_write() -> None:
    dashboard = service("dashboard")
    assert dashboard["entrypoint"] == ["visualdl"]
    assert "--language en" in dashboard["command"]
    assert "--disable-telemetry" in dashboard["command"]
    assert dashboard["volumes"] == ["../output:/lung_ssp/output:ro"]


def test_training_is_a_command_that_there_is() -> None:
    train = service("train")
    arguments = parser().parse_args(train["command"].split())
    assert arguments.device == "gpu"
    assert arguments.resume
    assert (COMPOSE.parents[1] / arguments.config).is_file()
    assert arguments.output.parts[0] == "output"
    assert train["volumes"] == ["../output:/lung_ssp/output"]


def test_training_has_a_gpu_and_shared_memory() -> None:
    train = service("train")
    (device,) = train["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
    assert train["shm_size"] == "2gb"
    assert (COMPOSE.parent / train["build"]["context"] / train["build"]["dockerfile"]).is_file()

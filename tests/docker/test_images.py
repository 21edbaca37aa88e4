"""What the Dockerfiles promise: pinned, without root, nothing in the last stage that is not needed to run."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
KINDS = ("cpu", "gpu")


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile, its continued lines joined."""

    name: str
    text: str


def stages(kind: str) -> list[list[Instruction]]:
    """The instructions before the first FROM, then those of every stage."""
    text = "\n".join(line for line in (DOCKER / f"Dockerfile.{kind}").read_text().splitlines() if line[:1] != "#")
    found: list[list[Instruction]] = [[]]
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            name, rest = line.split(maxsplit=1)
            if name == "FROM":
                found.append([])
            found[-1].append(Instruction(name, " ".join(rest.split())))
    return found


def texts(instructions: list[Instruction], name: str) -> list[str]:
    return [one.text for one in instructions if one.name == name]


def installed_by_apt(instructions: list[Instruction]) -> set[str]:
    commands = re.findall(r"apt-get install ([^&]*)", " && ".join(texts(instructions, "RUN")))
    return {word for command in commands for word in command.split() if not word.startswith("-")}


def constraints() -> dict[str, str]:
    """Every package of constraints.txt and its version, of the last line that names it."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line.split(";")[0].strip().split("==") for line in lines if "==" in line and line[:1] != "#"]
    return {name.lower(): version for name, version in pins}


def requirements(extra: str) -> list[str]:
    """What an extra of lung-ssp names, with versions."""
    lines = importlib.metadata.requires("lung-ssp") or []
    return [line.split(";")[0].strip() for line in lines if f'extra == "{extra}"' in line]


def paddle_of(extra: str) -> str:
    (paddle,) = [one for one in requirements(extra) if one.startswith("paddlepaddle")]
    return paddle


@pytest.mark.parametrize("kind", KINDS)
def test_every_stage_starts_from_the_one_base_which_is_a_dated_version(kind: str) -> None:
    head, *rest = stages(kind)
    assert [texts(stage, "FROM") for stage in rest] == [["${BASE} AS build"], ["${BASE}"]]
    (base,) = texts(head, "ARG")
    assert re.fullmatch(r"BASE=[a-z]+:[a-z]+-20\d{6}-slim", base)


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_stage_runs_without_root_and_has_nothing_to_build_with(kind: str) -> None:
    *_, build, last = stages(kind)
    assert installed_by_apt(last) == {"python3", "libgomp1", "libgl1", "libglib2.0-0"}
    (user,) = texts(last, "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    names = [one.name for one in last]
    assert names.index("USER") > max(number for number, name in enumerate(names) if name == "RUN")
    assert "pip uninstall --yes pip" in texts(build, "RUN")[-1]
    assert not any("pip" in command for command in texts(last, "RUN"))


@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_installed_at_its_tested_version(kind: str) -> None:
    build = stages(kind)[1]
    names = [one.name for one in build]
    assert "constraints.txt" in texts(build, "COPY")[0]
    assert texts(build, "ENV") == ["PIP_CONSTRAINT=/build/constraints.txt"]
    first_pip = next(number for number, one in enumerate(build) if "pip install" in one.text)
    assert names.index("ENV") < first_pip
    assert "pip check" in build[first_pip].text


def test_the_gpu_image_has_the_paddle_that_the_package_asks_for_and_that_the_cpu_is_tested_with() -> None:
    arguments = dict(text.split("=", 1) for text in texts(stages("gpu")[1], "ARG"))
    assert arguments["PADDLE"] == paddle_of("gpu")
    assert constraints()["paddlepaddle"] == arguments["PADDLE"].split("==")[1]
    assert (DOCKER / arguments["CUDA_WHEELS"]).is_file()


def test_the_cpu_image_takes_the_packages_own_extra_for_a_cpu() -> None:
    assert '"/build[cpu,nlst]"' in texts(stages("cpu")[1], "RUN")[-1]
    assert constraints()["paddlepaddle"] == paddle_of("cpu").split("==")[1]


def test_the_gpu_image_can_do_besides_what_the_cpu_image_can() -> None:
    (command,) = [text for text in texts(stages("gpu")[1], "RUN") if "pip install" in text]
    others = [re.split("[=<>]", one)[0] for one in requirements("cpu") if one != paddle_of("cpu")]
    assert others
    assert [name for name in others if f" {name} " not in command] == []
    assert [name for name in others if name not in constraints()] == []


def test_every_cuda_wheel_is_pinned_once_and_for_cuda_11() -> None:
    lines = [line for line in (DOCKER / "cuda11_wheels.txt").read_text().splitlines() if line[:1] != "#"]
    assert all(re.fullmatch(r"nvidia-[a-z-]+-cu11==\d+(\.\d+)+", line) for line in lines)
    names = [line.split("-")[1] for line in lines]
    needed = {"cublas", "cuda", "cudnn", "cufft", "curand", "cusolver", "cusparse", "nccl"}
    assert needed <= set(names)
    assert len({line.split("==")[0] for line in lines}) == len(lines)


@pytest.mark.parametrize("kind", KINDS)
def test_labels_health_check_and_variables(kind: str) -> None:
    last = stages(kind)[-1]
    (labels,) = texts(last, "LABEL")
    assert f'image.version="{importlib.metadata.version("lung-ssp")}"' in labels
    assert 'image.revision="${COMMIT}"' in labels
    (health,) = texts(last, "HEALTHCHECK")
    assert health.endswith(f'CMD ["python3", "docker/healthcheck.py", "{kind}"]')
    (variables,) = texts(last, "ENV")
    assert "LUNG_SSP_COMMIT=${COMMIT}" in variables
    assert "PYTHONUNBUFFERED=1" in variables


def test_the_two_images_differ_in_the_device_alone() -> None:
    cpu, gpu = (
        [f"{one.name} {one.text}" for one in stages(kind)[-1] if one.name not in ("ENV", "HEALTHCHECK")]
        for kind in KINDS
    )
    assert cpu == gpu
    assert set(texts(stages("cpu")[-1], "ENV")[0].split()) < set(texts(stages("gpu")[-1], "ENV")[0].split())


def sent_to_the_engine(path: str) -> bool:
    """Whether .dockerignore lets a path through: the last pattern that matches it or a folder above decides."""
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[:1] != "#"]
    levels = [Path(path), *Path(path).parents]
    sent = True
    for pattern in patterns:
        if any(fnmatch(str(level), pattern.removeprefix("!")) for level in levels if str(level) != "."):
            sent = pattern.startswith("!")
    return sent


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_copied_exists_and_is_sent_and_nothing_else_is(kind: str) -> None:
    copied = [text.split()[:-1] for stage in stages(kind) for text in texts(stage, "COPY") if "--from" not in text]
    sources = {source for words in copied for source in words}
    for source in sources:
        assert (ROOT / source).exists(), source
        assert sent_to_the_engine(source), source
    for private in (".git/config", "output/cohort/cohort.json", ".venv/bin/python", "tests/test_cli.py", ".env"):
        assert not sent_to_the_engine(private)


OPENED = ("cublas", "cublasLt", "cudnn", "cufft", "curand", "cusolver", "cusparse", "nccl", "nvrtc")


def link(folder: Path, libraries: list[Path]) -> subprocess.CompletedProcess[str]:
    for library in libraries:
        library.touch()
    command = [DOCKER / "link_cuda.sh", folder, *libraries, folder / "nothing" / "*.so.*"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_cuda_libraries_are_found_under_both_names(tmp_path: Path) -> None:
    libraries = [tmp_path / f"lib{name}.so.11.8" for name in OPENED]
    assert link(tmp_path / "cuda", libraries).returncode == 0
    found = {path.name: path.resolve() for path in (tmp_path / "cuda").iterdir()}
    assert found == {name: path for path in libraries for name in (path.name, path.name.removesuffix(".11.8"))}


@pytest.mark.parametrize("missing", OPENED)
def test_an_image_without_a_library_that_paddle_opens_is_not_built(tmp_path: Path, missing: str) -> None:
    done = link(tmp_path / "cuda", [tmp_path / f"lib{name}.so.11" for name in OPENED if name != missing])
    assert done.returncode == 1
    assert f"There is no lib{missing}:" in done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_the_requirements_install_from_the_files_that_are_copied_before_the_code(kind: str, tmp_path: Path) -> None:
    """The build stage copies few files, so that its layer outlives changes of the code: setup.py needs no more."""
    _, build, _ = stages(kind)
    for text in texts(build, "COPY"):
        *sources, target = text.split()
        folder = tmp_path / target.removeprefix("/build/")
        folder.mkdir(parents=True, exist_ok=True)
        for source in sources:
            shutil.copy(ROOT / source, folder)
    (made,) = re.findall(r"mkdir --parents /build/(\w+)", " ".join(texts(build, "RUN")))
    (tmp_path / made).mkdir()
    command = [sys.executable, "setup.py", "--quiet", "build"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

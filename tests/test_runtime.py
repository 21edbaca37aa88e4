"""Threads, memory and devices, in processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lung_ssp import runtime
from lung_ssp.errors import EnvironmentProblem
from lung_ssp.runtime import VARIABLES


def in_a_new_process(code: str, **variables: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**kept, **variables}, capture_output=True, text=True, check=True
    )
    return done.stdout


REPORT = (
    "import json, os, lung_ssp; from lung_ssp import runtime; print(json.dumps([dict(os.environ), runtime.set_here]))"
)


def test_importing_the_package_sets_what_the_user_left_open() -> None:
    variables, set_here = json.loads(in_a_new_process(REPORT))
    assert variables["OMP_NUM_THREADS"] == str(len(os.sched_getaffinity(0)))
    assert ("MKL_DEBUG_CPU_TYPE" in variables) == (runtime.processor_vendor() == "AuthenticAMD")
    assert set_here["OMP_NUM_THREADS"] == variables["OMP_NUM_THREADS"]
    assert "mallopt" in set_here


def test_what_the_user_has_set_is_kept() -> None:
    given = {"OMP_NUM_THREADS": "1", "MKL_DEBUG_CPU_TYPE": "4", "MALLOC_TRIM_THRESHOLD_": "1000"}
    variables, set_here = json.loads(in_a_new_process(REPORT, **given))
    assert {name: variables[name] for name in given} == given
    assert set_here == {}


def test_the_package_itself_does_not_load_paddle() -> None:
    assert in_a_new_process("import lung_ssp, sys; print('paddle' in sys.modules)").strip() == "False"


def test_the_import_works_on_a_system_without_linuxs_calls() -> None:
    """The calls are taken away before the import, as on a system whose C library or kernel does not have them."""
    code = """
import ctypes, os, sys
del os.sched_getaffinity
def cdll(name):
    raise TypeError("no handle of the process itself")
ctypes.CDLL = cdll
sys.modules["fcntl"] = None
import lung_ssp
from lung_ssp.runtime import cores, return_free_memory
return_free_memory()
print(cores() == os.cpu_count())
"""
    assert in_a_new_process(code).strip() == "True"


@pytest.mark.slow
def test_the_rate_without_the_settings_is_measured_beside_them() -> None:
    assert runtime.rate_without_settings() > 0


def test_a_gpu_that_is_not_there_is_refused_in_words() -> None:
    import paddle

    if paddle.device.is_compiled_with_cuda() and paddle.device.cuda.device_count():
        pytest.skip("this machine has a GPU")
    with pytest.raises(EnvironmentProblem, match="--device cpu"):
        runtime.choose_device("gpu")


def test_a_build_for_gpus_that_sees_none_is_refused_before_paddle_ends_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import paddle

    monkeypatch.setattr(paddle.device, "is_compiled_with_cuda", lambda: True)
    monkeypatch.setattr(paddle.device.cuda, "device_count", lambda: 0)
    with pytest.raises(EnvironmentProblem, match=r"sees no GPU.*--gpus all"):
        runtime.choose_device("gpu")


def test_the_environment_records_versions_variables_and_rate() -> None:
    facts = runtime.environment()
    assert facts["packages"]["paddleseg"] == "2.8.0"
    assert facts["variables"]["OMP_NUM_THREADS"] == os.environ["OMP_NUM_THREADS"]
    assert facts["matrix_product_gflops"] > 0
    json.dumps(facts)


@pytest.mark.parametrize(
    ("failing", "message", "remedy"),
    [
        ("cv2", "libGL.so.1: cannot open shared object file", "libgl1"),
        ("paddle", "libgomp.so.1: cannot open shared object file", "libgomp1"),
        ("paddle", "No module named 'paddle'", "paddlepaddle==2.6.2"),
    ],
)
def test_a_missing_library_is_told_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, failing: str, message: str, remedy: str
) -> None:
    # A stand-in for the import: the libraries are installed wherever the tests run.
    def import_module(name: str) -> None:
        if name == failing:
            raise ImportError(message)

    monkeypatch.setattr(runtime.importlib, "import_module", import_module)
    with pytest.raises(EnvironmentProblem, match=remedy):
        runtime.require_libraries()


def test_outside_a_checkout_the_commit_is_what_the_image_was_built_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(runtime, "__file__", str(tmp_path / "lung_ssp" / "runtime.py"))
    monkeypatch.setenv("LUNG_SSP_COMMIT", "0123abc")
    assert runtime.commit() == "0123abc"
    monkeypatch.setenv("LUNG_SSP_COMMIT", "")  # an image built without telling it
    assert runtime.commit() is None


def test_in_a_checkout_the_commit_is_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()  # no repository: git fails there
    monkeypatch.setattr(runtime, "__file__", str(tmp_path / "lung_ssp" / "runtime.py"))
    monkeypatch.setenv("LUNG_SSP_COMMIT", "0123abc")
    assert runtime.commit() is None


@pytest.mark.parametrize(
    ("raised", "expected", "words"),
    [
        (ImportError("libpaddle.so: failed to map segment from shared object"), MemoryError, ""),
        (
            OSError(30, "Read-only file system", "/.cache"),
            EnvironmentProblem,
            r"Read-only file system \(/.cache\)\): set HOME",
        ),
    ],
)
def test_a_library_that_is_not_to_blame(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, expected: type[Exception], words: str
) -> None:
    def failing(name: str) -> None:
        raise raised

    monkeypatch.setattr(runtime.importlib, "import_module", failing)
    with pytest.raises(expected, match=words):
        runtime.require_libraries("cv2")


def test_threads_are_those_of_the_variable_else_one_for_each_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert runtime.threads() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert runtime.threads() == runtime.cores()


@pytest.mark.parametrize("value", ["", "0", "-1", "two", "4,2", "9" * 30])
def test_an_impossible_number_of_threads_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    with pytest.raises(EnvironmentProblem, match=r"OMP_NUM_THREADS is .*, expected a number of threads from 1 to"):
        runtime.threads()


@pytest.mark.slow
def test_pythons_zlib_keeps_its_own_functions_beside_paddle() -> None:
    """Also where nothing else loads zlib first, as importlib.metadata happens to do."""
    code = """
import importlib, sys, types
importlib.metadata = sys.modules["importlib.metadata"] = types.ModuleType("importlib.metadata")
import lung_ssp.runtime
del sys.modules["importlib.metadata"], importlib.metadata
import paddle, pyarrow, zlib
print(zlib.decompress(zlib.compress(b"lung" * 100_000)) == b"lung" * 100_000)
"""
    assert in_a_new_process(code).strip() == "True"

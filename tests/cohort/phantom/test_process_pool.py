"""Work spread over processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lung_ssp.cohort.phantom import process_pool as module
from lung_ssp.cohort.phantom.process_pool import process_pool
from lung_ssp.errors import EnvironmentProblem

SCRIPT = """
import os, time
from functools import partial
from lung_ssp.cohort.phantom.process_pool import process_pool

if __name__ == "__main__":
    with process_pool(2) as pool:
        for pid in pool.map(eval, ["__import__('os').getpid()"] * 2):
            print(pid, flush=True)
        list(pool.map(time.sleep, [600, 600]))
"""


def test_results_come_in_order_from_one_process_or_two():
    for processes in (1, 2):
        with process_pool(processes) as pool:
            assert list(pool.map(abs, range(-20, 0), chunk=3)) == list(range(20, 0, -1))


def test_a_process_that_is_ended_is_told():
    with (
        process_pool(2) as pool,
        pytest.raises(EnvironmentProblem, match="was ended, perhaps for want of memory: start"),
    ):
        pool.map(os._exit, [1, 1])


@pytest.mark.parametrize(
    "error", [OSError(30, "Read-only file system"), ImportError("no sem_open"), NotImplementedError()]
)
def test_without_semaphores_one_process_does_the_work(monkeypatch, caplog, error):
    """As where /dev/shm is missing or cannot be written."""

    def refused(*_, **__):
        raise error

    monkeypatch.setattr(module, "ProcessPoolExecutor", refused)
    with process_pool(2) as pool:
        assert list(pool.map(abs, [-1, -2])) == [1, 2]
    assert "this one does all of it" in caplog.text


def test_workers_end_with_a_killed_parent(tmp_path):
    script = tmp_path / "work.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pids = {int(process.stdout.readline()) for _ in range(2)}
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 30
    while any(_runs(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_runs(pid) for pid in pids)


@pytest.mark.slow
@pytest.mark.parametrize("begun", [False, True])
def test_ctrl_c_in_a_terminal_ends_all_at_once_and_without_a_word_of_the_workers(tmp_path, begun):
    """A terminal sends it to the workers as well, also while they start."""
    script = tmp_path / "work.py"
    script.write_text(SCRIPT if begun else SCRIPT.replace("[\"__import__('os').getpid()\"] * 2", "[]"))
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    pids = [int(process.stdout.readline()) for _ in range(2 * begun)]
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert "Process" not in told and told.rstrip().endswith("KeyboardInterrupt")
    assert not any(_runs(pid) for pid in pids)


def _runs(pid: int) -> bool:
    """Whether a process is there and is no zombie that waits for its (adoptive) parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False

"""Work spread over processes."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from multiprocessing import active_children
from pathlib import Path

import pytest

from lung_ssp import process_pool as module
from lung_ssp.errors import EnvironmentProblem
from lung_ssp.process_pool import ProcessLost, process_pool, worker_processes

SCRIPT = """
import os, time
from functools import partial
from lung_ssp.process_pool import process_pool

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
    monkeypatch.setattr(module, "ProcessPoolExecutor", partial(refused, error))
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


def refused(error: Exception, *_: object, **__: object) -> None:
    raise error


def _runs(pid: int) -> bool:
    """Whether a process is there and is no zombie that waits for its (adoptive) parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


PID = "__import__('os').getpid()"


def end_or_double(number: int) -> int:
    if number == 0:
        os._exit(1)
    return 2 * number


def test_a_worker_that_dies_loses_its_own_item_alone():
    with worker_processes(2, {}) as workers:
        ended = list(workers.each(end_or_double, [1, 0, 2, 0, 3]))
    assert sorted(result for _, result in ended if isinstance(result, int)) == [2, 4, 6]
    assert [item for item, result in ended if isinstance(result, ProcessLost)] == [0, 0]


def test_an_exception_of_the_work_ends_all_workers():
    with pytest.raises(ZeroDivisionError), worker_processes(2, {}) as workers:
        list(workers.each(partial(divmod, 1), [1, 0]))
    assert not active_children()


def test_workers_have_variables_of_their_own_and_keep_what_they_have_loaded():
    with worker_processes(1, {"LUNG_SSP_OF_A_TEST": "1"}) as workers:
        assert list(workers.each(os.getenv, ["LUNG_SSP_OF_A_TEST"])) == [("LUNG_SSP_OF_A_TEST", "1")]
        assert len({next(workers.each(eval, [PID])) for _ in range(2)}) == 1
    assert "LUNG_SSP_OF_A_TEST" not in os.environ


def test_an_idle_worker_that_was_killed_is_replaced():
    with worker_processes(1, {}) as workers:
        ((_, pid),) = workers.each(eval, [PID])
        os.kill(pid, signal.SIGKILL)
        while _runs(pid):
            time.sleep(0.01)
        time.sleep(0.2)  # for the executor to notice
        assert list(workers.each(end_or_double, [4])) == [(4, 8)]


def test_without_semaphores_this_process_does_the_work_of_all_workers(monkeypatch, caplog):
    monkeypatch.setattr(module, "ProcessPoolExecutor", partial(refused, ImportError("no sem_open")))
    with worker_processes(3, {}) as workers:
        assert list(workers.each(abs, [-1, -2])) == [(-1, 1), (-2, 2)]
    assert "this one does all of it" in caplog.text

"""Jobs on real worker processes."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from lung_ssp.dask_workers import WorkersLost, open_workers, run_jobs
from lung_ssp.errors import LungSspError


def double(job: int) -> int:
    if job == 3:
        raise ValueError("three")
    return 2 * job


def die(job: int) -> int:
    if job == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return job


def process(job: int) -> int:
    time.sleep(0.05)
    return os.getpid()


def test_every_job_ends_with_its_result_its_exception_or_the_loss_of_its_workers():
    with open_workers(2, 1.0, 2, None) as client:
        results = dict(run_jobs(client, double, range(20), str))
        assert isinstance(results.pop(3), ValueError)
        assert results == {job: 2 * job for job in range(20) if job != 3}
        processes = {pid for _, pid in run_jobs(client, process, range(8), "p{}".format)}
        assert len(processes) == 2
        assert os.getpid() not in processes
        results = dict(run_jobs(client, die, range(4), "d{}".format))
        assert isinstance(results.pop(1), WorkersLost)
        assert results == {0: 0, 2: 2, 3: 3}


def threads(job: int) -> tuple[str | None, ...]:
    return tuple(os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"))


def test_a_worker_has_one_thread_whatever_this_process_has_and_listens_to_this_machine_only(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with open_workers(1, 1.0, 5, None) as client:
        ((_, found),) = run_jobs(client, threads, [0], str)
        processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
        listening = [c.laddr.ip for p in processes for c in p.net_connections() if c.status == psutil.CONN_LISTEN]
    assert set(listening) == {"127.0.0.1"}
    assert found == ("1", "1")
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_what_workers_need_for_themselves_is_gone_with_them(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with open_workers(1, 1.0, 5, None) as client:
        assert list(tmp_path.glob("lung-ssp-workers-*"))
        assert all(address.startswith("tcp://127.0.0.1") for address in client.scheduler_info()["workers"])
    assert list(Path(tmp_path).glob("lung-ssp-workers-*")) == []


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch):
    monkeypatch.setattr("lung_ssp.dask_workers.CONNECT_TIMEOUT", "1s")
    with (
        pytest.raises(LungSspError, match=r"tcp://127\.0\.0\.1:9"),
        open_workers(1, 1.0, 5, "tcp://127.0.0.1:9"),
    ):
        pass

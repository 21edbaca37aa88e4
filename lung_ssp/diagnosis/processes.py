"""How many processes diagnose scans side by side, by the cores and the memory there are."""

from pathlib import Path

from lung_ssp.runtime import Device, cores

MEMORY_OF_A_WORKER = 3_200_000_000  # bytes; 600 slices of 512 x 512 took 2.95 GB at most
KILOBYTE = 1024
# Of a container: its limit, what is in use, and the page cache therein that the system may take back.
CGROUPS = (
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def default_processes(device: Device) -> int:
    """One for each core, as far as there is memory for a worker of each; one on a GPU."""
    if device == "gpu":
        return 1
    memory = available_memory()
    bearable = cores() if memory is None else memory // MEMORY_OF_A_WORKER
    return max(1, min(cores(), bearable))


def available_memory() -> int | None:
    """Bytes that new processes may take, in this container or on this machine; None where the system does not tell."""
    known = [free for free in (_of_machine(), *(_of_container(*group) for group in CGROUPS)) if free is not None]
    return min(known, default=None)


def _of_machine() -> int | None:
    return _number(Path("/proc/meminfo"), "MemAvailable:", KILOBYTE)


def _of_container(folder: Path, limit: str, used: str, cache: str) -> int | None:
    try:
        most, now = (int((folder / name).read_text()) for name in (limit, used))
    except (OSError, ValueError):  # not there, or "max"
        return None
    return max(0, most - now + (_number(folder / "memory.stat", cache, 1) or 0))


def _number(path: Path, name: str, unit: int) -> int | None:
    """The number behind a name in a file of one name a line, as bytes; None where there is none."""
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return None
    return next((int(line[1]) * unit for line in lines if line[:1] == [name] and line[1].isdecimal()), None)

"""What a process has needed."""

from pathlib import Path

KILOBYTE = 1024


def peak_memory_mb() -> float:
    """The largest resident memory of this process so far, in 1e6 bytes.

    From VmHWM of /proc/self/status: getrusage's figure may be that of the process that started this one.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * KILOBYTE / 1e6
    raise OSError("/proc/self/status tells no VmHWM")

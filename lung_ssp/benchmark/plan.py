"""How long the plan of a whole index takes, and in how much memory, each time in a fresh process."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lung_ssp.cohort.nlst.settings import NlstSettings
from lung_ssp.errors import LungSspError

CODE = """
import sys
from pathlib import Path
from lung_ssp.benchmark.memory import peak_memory_mb
from lung_ssp.cohort.nlst.plan import make_plan
from lung_ssp.cohort.nlst.settings import PlanSettings
from lung_ssp.cohort.nlst.pseudonyms import Pseudonyms
make_plan(PlanSettings.model_validate_json(sys.argv[1]), Path(sys.argv[2]), Pseudonyms(bytes(32)))
print(peak_memory_mb())
"""


def benchmark_plan(settings: NlstSettings, repeats: int) -> dict[str, Any]:
    """Make the plan several times, into folders that are thrown away.

    Returns:
        the seconds of each repeat, the start of Python included, and the largest memory in MB.

    Raises:
        LungSspError: the plan cannot be made.
    """
    seconds, memory = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-c", CODE, settings.plan.model_dump_json(), str(Path(folder) / "plan")]
            begin = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True)
            seconds.append(round(time.perf_counter() - begin, 2))
        if done.returncode:
            fault = done.stderr.strip().splitlines()[-1].split(": ", 1)[-1].rstrip(".")
            raise LungSspError(f"The plan cannot be made ({fault}): try prepare plan.")
        memory.append(float(done.stdout))
    return {"seconds": seconds, "peak_memory_mb": round(max(memory), 1)}

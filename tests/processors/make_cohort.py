"""Make a cohort on one core, and print what is in its files, as JSON in the last line.

python tests/processors/make_cohort.py FOLDER CONFIG [--nudge SEED [--size 1]]
"""

import argparse
import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from nudges import Nudges
from numpy.core._multiarray_umath import __cpu_dispatch__, __cpu_features__

import lung_ssp.preparation
from lung_ssp.files import sha256_of


def probe() -> dict[str, str]:
    """By library, a digest of what it computes of the same numbers: it depends on the instructions that it uses."""
    values = np.random.default_rng(0).uniform(0.1, 5, 40_000)
    square = values.reshape(200, 200).astype(np.float32)
    computed: dict[str, Iterable[float]] = {
        "NumPy": np.exp(values),
        "OpenBLAS": square @ square,
        "OpenCV": cv2.resize(square, (777, 777), interpolation=cv2.INTER_CUBIC),
        "C library": np.array([math.pow(value, 0.37) for value in values]),
    }
    return {name: hashlib.sha256(np.asarray(result).tobytes()).hexdigest()[:16] for name, result in computed.items()}


def main() -> None:
    """Make the cohort."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("config")
    parser.add_argument("--nudge", type=int, metavar="SEED", help="change last bits at random (nudges.py)")
    parser.add_argument("--size", type=float, default=1, help="of these changes, in units of the last place")
    arguments = parser.parse_args()
    computed = probe()
    nudges = Nudges(arguments.nudge or 0, arguments.size)
    if arguments.nudge is not None:
        nudges.install()
    lung_ssp.preparation.cores = lambda: 1  # other processes would not be nudged
    root = arguments.folder
    fingerprint = lung_ssp.preparation.prepare(arguments.config, [f"cohort.root={root}"]).description.fingerprint
    made = {
        "files": {path.relative_to(root).as_posix(): sha256_of(path) for path in root.rglob("*") if path.is_file()},
        "fingerprint": fingerprint,
        "probe": computed,
        "instructions": [name for name in __cpu_dispatch__ if __cpu_features__[name]],
        "nudged": nudges.counts,
    }
    print(json.dumps(made))


if __name__ == "__main__":
    main()

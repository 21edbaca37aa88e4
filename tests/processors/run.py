"""Make a cohort here and as on processors with fewer instructions, and compare every byte of its files.

python tests/processors/run.py [--config cohort/phantom.yml] [--folder output/processors]
"""

import argparse
import shutil
import sys
import time
from pathlib import Path

from restrictions import RESTRICTIONS, Made, different, make


def main() -> int:
    """Compare; the exit code is 1 where a file differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="cohort/phantom.yml", help="of the embedded cohort (cohort/phantom.yml)")
    parser.add_argument("--folder", type=Path, default=Path("output/processors"), help="for the cohorts, then removed")
    arguments = parser.parse_args()
    here: Made | None = None
    failed = False
    for name, environment in [("here", {}), *((name, own.environment) for name, own in RESTRICTIONS.items())]:
        begin = time.monotonic()
        made = make(arguments.folder / name, arguments.config, environment)
        shutil.rmtree(arguments.folder / name)
        here = here or made
        differing = different(here, made)
        failed = failed or bool(differing)
        print(
            f"{name}: fingerprint {made.fingerprint}, {len(made.files)} files, {len(differing)} differ "
            f"{differing[:5] or ''}; NumPy uses {' '.join(made.instructions) or 'the baseline alone'}; "
            f"{time.monotonic() - begin:.0f} s",
            flush=True,
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

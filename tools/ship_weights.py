"""Put trained runs into the package, in lung_ssp/weights: what `lung-ssp diagnose` uses where no run is named.

    python tools/ship_weights.py RUN [RUN ...]

A run is trained to its end, evaluated and exported; it takes the place of the shipped one of its task.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lung_ssp.errors import LungSspError
from lung_ssp.weights.ship import ship


def main(words: Sequence[str] | None = None) -> int:
    """Ship each run, and print its files; 0, or 2 after an error, which is one sentence."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="the folder of a run")
    try:
        for run in parser.parse_args(words).runs:
            network = ship(run)
            print(f"{network.folder}: {network.megabytes:.2f} MB, {network.statement}")
            for name, size in network.files.items():
                print(f"  {size:9d} {name}")
    except LungSspError as error:
        print(f"ship_weights: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Fuzz every reader for a while, each in a process of its own, so that a crash is found like any other fault.

python tests/fuzz/run.py [--seconds 600] [--seed 0] [NAME ...]
"""

import argparse
import faulthandler
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from fuzz_guard import Fault
from fuzz_targets import TARGETS, Target, run


def fuzz(target: Target, seconds: float, seed: int) -> None:
    """Try inputs from a seed on until the time is over; prints each kind of fault once, and ends with their number."""
    faulthandler.enable()
    faults: Counter[str] = Counter()
    begin, number = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder:
        master = Path(folder) / "valid"
        target.make(master)
        while time.monotonic() - begin < seconds:
            try:
                run(target, master, Path(folder) / "changed", seed + number)
            except Fault as fault:
                kind = f"{fault.__cause__!r:.80}"
                if not faults[kind]:
                    print(f"FAULT {fault}", flush=True)
                faults[kind] += 1
            number += 1
    print(f"{target.name}: {number} inputs from seed {seed} on, {faults.total()} faults", flush=True)
    sys.exit(min(faults.total(), 100))


def main() -> int:
    """Fuzz all readers, or those that are named; the exit code is the number of readers with faults."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="for all readers together (600)")
    parser.add_argument("--seed", type=int, default=0, help="of the first input (0)")
    parser.add_argument("names", nargs="*", metavar="NAME", help="of the readers; all where none is named")
    arguments = parser.parse_args()
    targets = [target for target in TARGETS if not arguments.names or target.name in arguments.names]
    failed = 0
    for target in targets:
        process = multiprocessing.get_context("spawn").Process(
            target=fuzz_by_name, args=(target.name, arguments.seconds / len(targets), arguments.seed)
        )
        process.start()
        process.join()
        if process.exitcode:
            failed += 1
            print(f"{target.name}: ended with {process.exitcode}", flush=True)
    return failed


def fuzz_by_name(name: str, seconds: float, seed: int) -> None:
    """`fuzz`, by what can be handed to another process."""
    fuzz(next(target for target in TARGETS if target.name == name), seconds, seed)


if __name__ == "__main__":
    sys.exit(main())

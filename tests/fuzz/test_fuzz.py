"""A few hundred changed inputs for every reader: a value or one sentence, in seconds, nothing written elsewhere.

`make fuzz` tries many more. LUNG_SSP_FUZZ_SEED chooses others here; a fault names the seed of its input.
"""

import errno
import os
import shutil
from pathlib import Path

import pytest
from fuzz_guard import Fault, check
from fuzz_targets import TARGETS, Target, run

FIRST_SEED = int(os.environ.get("LUNG_SSP_FUZZ_SEED", "0")) * 1_000_000
INPUTS = 200
FEWEST_REFUSED = 0.2  # of the changed inputs, by every reader: a run's refuses 0.34, the others 0.6 to 1


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_any_input_gives_a_value_or_one_sentence(target: Target, tmp_path: Path) -> None:
    target.make(tmp_path / "valid")
    shutil.copytree(tmp_path / "valid", tmp_path / "copy")  # reading may write
    assert check(lambda: target.read(tmp_path / "copy"), tmp_path / "copy", [tmp_path]) == ""
    print(f"seeds {FIRST_SEED} to {FIRST_SEED + INPUTS - 1}")
    told = [run(target, tmp_path / "valid", tmp_path / "changed", FIRST_SEED + number) for number in range(INPUTS)]
    refused = sum(not line.endswith(": ") for line in told)
    print(f"{refused} of {INPUTS} refused")
    assert refused >= FEWEST_REFUSED * INPUTS, "a fuzzer whose inputs are hardly ever refused changes too little"


def test_the_guard_finds_what_it_is_for(tmp_path: Path) -> None:
    def write_outside() -> None:
        (tmp_path / "outside").write_text("x")

    def crash() -> None:
        raise KeyError("x")

    with pytest.raises(Fault, match="written outside of the target"):
        check(write_outside, tmp_path, [tmp_path / "inside"])
    with pytest.raises(KeyError):
        check(crash, tmp_path, [])
    with pytest.raises(Fault, match="standard error past Python: b'noise'"):
        check(lambda: os.write(2, b"noise"), tmp_path, [])
    with pytest.raises(Fault, match="2048 MB of memory"):
        check(lambda: bytearray(3 * 2**30), tmp_path, [])
    assert check(lambda: (tmp_path / "inside").write_text("x"), tmp_path, [tmp_path]) == ""


@pytest.mark.parametrize("file", [None, 7, "/etc/shadow", "{}/../beside"])
def test_the_guard_lets_no_refusal_of_the_system_pass_that_does_not_name_the_input(
    tmp_path: Path, file: str | int | None
) -> None:
    target = tmp_path / "target"
    named = file.format(target) if isinstance(file, str) else file

    def fail(name: object) -> None:
        raise OSError(errno.EISDIR, "Is a directory", name)

    with pytest.raises(Fault, match="names no file of the input"):
        check(lambda: fail(named), target, [])
    assert check(lambda: fail(str(target / "a")), target, []) == f"Is a directory ({target}/a)"

"""A few hundred changed inputs for every reader: a value or one sentence, in seconds, nothing written elsewhere.

`make fuzz` tries many more. LUNG_SSP_FUZZ_SEED chooses others here; a fault names the seed of its input.
"""

import os
import shutil
from pathlib import Path

import pytest
from fuzz_guard import Fault, check
from fuzz_targets import TARGETS, Target, run

FIRST_SEED = int(os.environ.get("LUNG_SSP_FUZZ_SEED", "0")) * 1_000_000
INPUTS = 200


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_any_input_gives_a_value_or_one_sentence(target: Target, tmp_path: Path) -> None:
    target.make(tmp_path / "valid")
    shutil.copytree(tmp_path / "valid", tmp_path / "copy")  # reading may write
    assert check(lambda: target.read(tmp_path / "copy"), [tmp_path]) == ""
    print(f"seeds {FIRST_SEED} to {FIRST_SEED + INPUTS - 1}")
    told = [run(target, tmp_path / "valid", tmp_path / "changed", FIRST_SEED + number) for number in range(INPUTS)]
    refused = sum(not line.endswith(": ") for line in told)
    assert 0 < refused <= INPUTS, "a fuzzer whose inputs are never refused changes nothing"


def test_the_guard_finds_what_it_is_for(tmp_path: Path) -> None:
    def write_outside() -> None:
        (tmp_path / "outside").write_text("x")

    def crash() -> None:
        raise KeyError("x")

    with pytest.raises(Fault, match="written outside of the target"):
        check(write_outside, [tmp_path / "inside"])
    with pytest.raises(KeyError):
        check(crash, [])
    with pytest.raises(Fault, match="standard error past Python: b'noise'"):
        check(lambda: os.write(2, b"noise"), [])
    with pytest.raises(Fault, match="2048 MB of memory"):
        check(lambda: bytearray(3 * 2**30), [])
    assert check(lambda: (tmp_path / "inside").write_text("x"), [tmp_path]) == ""

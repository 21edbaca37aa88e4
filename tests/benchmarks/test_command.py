"""What ends a script: a result, an error in one sentence, an interruption."""

from collections.abc import Callable

import pytest

from command import run
from lung_ssp.errors import ConfigError


def raising(error: BaseException) -> Callable[[], str]:
    def measure() -> str:
        raise error

    return measure


def test_a_result_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lambda: 3, str) == 0
    assert capsys.readouterr().out == "3\n"


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (ConfigError("a.yml does not exist."), 2, "a.yml does not exist."),
        (OSError(13, "Permission denied", "scan"), 2, "Permission denied (scan)"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_an_error_is_one_sentence_and_a_code(
    error: BaseException, code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(raising(error), str) == code
    assert capsys.readouterr().err == f"{sentence}\n"

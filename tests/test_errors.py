import ast
import pickle
from pathlib import Path
from typing import get_args

import lung_ssp
from lung_ssp.errors import SeriesError, SeriesProblem, cut, sentence_of_system_error, shown


def reasons_given() -> list[object]:
    """The reason of every SeriesError that the package makes; None where there is none to be read."""
    given = []
    for path in Path(lung_ssp.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "SeriesError":
                values = [keyword.value for keyword in node.keywords if keyword.arg == "reason"]
                given.append(values[0].value if values and isinstance(values[0], ast.Constant) else None)
    return given


def test_every_fault_of_a_series_has_a_reason_of_the_list() -> None:
    given = reasons_given()
    assert len(given) > 20
    assert set(given) == set(get_args(SeriesProblem))


def test_the_reason_comes_back_from_a_worker() -> None:
    error = pickle.loads(pickle.dumps(SeriesError("Series 1.2 lacks 3 slices.", reason="gap")))
    assert (str(error), error.reason) == ("Series 1.2 lacks 3 slices.", "gap")


def test_what_the_system_refused_is_told_with_its_file_if_there_is_one() -> None:
    assert sentence_of_system_error(OSError(28, "No space left on device", "run/log.csv")) == (
        "No space left on device (run/log.csv)"
    )
    assert sentence_of_system_error(OSError(28, "No space left on device")) == "No space left on device"
    assert sentence_of_system_error(OSError("lost connection")) == "lost connection"


def test_a_value_is_shown_on_one_line_and_cut() -> None:
    assert shown("a\x1b[2J\n") == r"'a\x1b[2J\n'"
    assert shown([1, "b", None]) == "[1, 'b', None]"
    assert shown("x" * 120) == "'" + "x" * 115 + "'..."
    assert shown(10**5000) == "a number of 5,001 digits"
    nested: list[object] = [[10**5000, "x" * 1000, {"k": "y" * 1000}] * 10] * 10
    nested.append(nested)
    for value in ("x" * 10**8, nested, {str(i): "x" * 1000 for i in range(1000)}, b"\0" * 10**6, "\x1b" * 500):
        assert len(shown(value)) <= 120


def test_what_a_library_says_is_one_line_and_cut() -> None:
    assert cut(ValueError("a\n  b\x1b[c")) == "a b [c"
    assert cut(KeyError()) == "KeyError"
    assert len(cut("x" * 10**6)) == 300

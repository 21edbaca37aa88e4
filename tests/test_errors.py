import ast
import pickle
from pathlib import Path
from typing import get_args

import lung_ssp
from lung_ssp.errors import SeriesError, SeriesProblem


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

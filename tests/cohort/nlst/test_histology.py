"""From ICD-O-3 morphology to the nine classes."""

from pathlib import Path

import pandas as pd
import pytest

from lung_ssp.cohort.nlst.histology import HistologyMap
from lung_ssp.cohort.phantom.simulated_nlst.tables import MORPHOLOGY
from lung_ssp.errors import CohortError, ConfigError


def codes(*values: int | None) -> pd.Series:
    return pd.Series(values, name="lc_morph", dtype="Int64")


def test_the_shipped_map() -> None:
    morphology = HistologyMap.read()
    of_class = {
        1: (8140, 8230, 8255, 8260, 8310, 8323, 8480, 8481, 8490, 8550, 8570),
        2: (8052, *range(8070, 8077), 8083, 8084),
        3: range(8250, 8255),
        4: (8012, 8013, 8014, 8082, 8123),
        5: range(8041, 8046),
        6: (*range(8240, 8246), 8249),
        7: (8022, *range(8030, 8034)),
        8: (8000, 8010, 8020, 8046, 8050, 8246, 8560),
    }
    assert morphology.classes == {code: label for label, own in of_class.items() for code in own}


def test_classes_of_codes() -> None:
    found = HistologyMap.read().class_of(codes(8140, 8076, 8254))
    assert found.tolist() == [1, 2, 3] and found.dtype == "Int64"
    assert {code: label for label, code in MORPHOLOGY.items()}.items() <= HistologyMap.read().classes.items()


def test_unlisted_codes_stop_with_value_and_count() -> None:
    with pytest.raises(CohortError, match=r"lc_morph 8999 \(3 rows\) is not in .*histology\.yml: add it to a class"):
        HistologyMap.read().class_of(codes(8140, 8999, 8999, 8999))
    with pytest.raises(CohortError, match=r"lc_morph 8077 \(1 row\), 9999 \(2 rows\) are not in .*: add them"):
        HistologyMap.read().class_of(codes(9999, 8077, 9999))
    with pytest.raises(CohortError, match="lc_morph is missing in 1 rows"):
        HistologyMap.read().class_of(codes(8140, None))


def test_a_user_replaces_the_map(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text("classes:\n  - {label: 4, name: large cell, codes: [8000-8002, 9999]}\n")
    assert HistologyMap.read(path).classes == {8000: 4, 8001: 4, 8002: 4, 9999: 4}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ("[{label: 4, name: large cell, codes: [8012, 8012]}]", "8012 is in class 4 and again in class 4"),
        (
            "[{label: 4, name: large cell, codes: [8012-8014]}, {label: 5, name: small cell, codes: [8013]}]",
            "8013 is in class 4 and again in class 5",
        ),
        ("[{label: 9, name: x, codes: [8012]}]", "less than 9"),
        ("[{label: 0, name: normal, codes: [8012]}]", "greater than or equal to 1"),
        ("[{label: 4, name: small cell, codes: [8012]}]", "class 4 is called 'small cell', expected 'large cell'"),
        ("[{label: 4, name: large cell, codes: [8014-8012]}]", "the range 8014-8012 falls"),
        ("[{label: 4, name: large cell, codes: [80120]}]", "80120 is neither a morphology of four digits"),
        ("[{label: 4, name: large cell, codes: ['8012/3']}]", "8012/3 is neither"),
        ("[{label: 4, name: large cell, codes: []}]", "at least 1 item"),
    ],
)
def test_a_faulty_map_is_refused(tmp_path: Path, entries: str, message: str) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(f"classes: {entries}\n")
    with pytest.raises(ConfigError, match=message):
        HistologyMap.read(path)

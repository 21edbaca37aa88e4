"""Data files that a user replaces are read strictly."""

from pathlib import Path

import pytest
from pydantic import Field

from lung_ssp.cohort.nlst.rule_file import read_rule_file
from lung_ssp.errors import CohortError
from lung_ssp.settings import Settings


class Small(Settings):
    numbers: list[int] = Field(description="numbers")


def test_a_file_is_read_as_its_kind(tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_text("numbers: [1, 2]\n")
    assert read_rule_file(path, Small) == Small(numbers=[1, 2])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("numbers: [1\n", "is not valid YAML"),
        ("numbers: [1]\nnumbers: [2]\n", "the key numbers stands twice"),
        ("numbers: [1]\nother: 2\n", "other is no known key"),
        ("numbers: [one]\n", r"numbers\.0: input should be a valid integer"),
        ("- 1\n", "the file: input should be a valid dictionary"),
        ("", "the file: input should be a valid dictionary"),
        ("numbers: !!python/object/apply:os.getcwd []\n", "is not valid YAML"),
        ("numbers: &a [*a]\n", r"numbers\.0"),
    ],
)
def test_a_fault_is_one_sentence(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "a.yml"
    path.write_text(content)
    with pytest.raises(CohortError, match=message) as fault:
        read_rule_file(path, Small)
    assert str(path) in str(fault.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"none\.yml does not exist"):
        read_rule_file(tmp_path / "none.yml", Small)

"""Figures written into a run's folder and read back, number for number."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lung_ssp.errors import CheckpointError, DamagedFile
from lung_ssp.training.evaluation import Evaluation, Metrics, is_measured, read_metrics, write_metrics
from lung_ssp.training.run import BestCheckpoint


@dataclass(frozen=True)
class Measured(Metrics):
    """Figures of all the kinds that the tasks have."""

    by_label: dict[int, float]
    counts: tuple[tuple[int, ...], ...]
    unknown: float | None


METRICS = Measured(
    statement="of \u03b1",
    synthetic=True,
    fingerprint="abcd",
    checkpoint=BestCheckpoint(7, "dice", 0.1 + 0.2, "00ff"),
    by_label={1: 1 / 3, 12: 2 / 3},
    counts=((1, 2), (3, 4)),
    unknown=None,
)


def test_they_are_read_back_as_they_were(tmp_path: Path) -> None:
    assert not is_measured(tmp_path)
    write_metrics(tmp_path, METRICS, "a report\n")
    assert is_measured(tmp_path)
    assert read_metrics(tmp_path, Measured) == METRICS
    assert Evaluation(tmp_path, METRICS).text() == "a report\n"
    assert Evaluation(tmp_path, METRICS).figures == tmp_path / "figures"


def test_what_is_no_number_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_metrics(tmp_path, replace(METRICS, unknown=float("nan")), "")
    assert not (tmp_path / "metrics.json").exists()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"step": 7', '"step": "seven"', r"checkpoint\.step: Input should be a valid integer"),
        ('"counts"', '"count"', "counts: Field required"),
        ('"synthetic": true', '"synthetic": "true"', "synthetic: Input should be a valid boolean"),
        ("{", "", "Invalid JSON"),
    ],
)
def test_a_damaged_file_is_one_sentence_that_names_the_key(tmp_path: Path, old: str, new: str, words: str) -> None:
    write_metrics(tmp_path, METRICS, "")
    path = tmp_path / "metrics.json"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DamagedFile, match=rf"metrics\.json is damaged \(.*{words}.*\): remove it") as error:
        read_metrics(tmp_path, Measured)
    assert "\n" not in str(error.value)


def test_a_run_that_was_never_evaluated_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="evaluate the run first with lung-ssp eval"):
        read_metrics(tmp_path, Measured)

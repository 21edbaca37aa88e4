"""calibration.json: written by an evaluation, read and used by a diagnosis."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from lung_ssp.classification.temperature import Temperature, calibrated, read_temperatures, write_temperatures
from lung_ssp.errors import CheckpointError


def test_temperatures_come_back(tmp_path: Path) -> None:
    assert read_temperatures(tmp_path, "aa") == {}
    temperatures = {"image": Temperature(0.5, 124)}
    write_temperatures(tmp_path, "aa", temperatures)
    assert read_temperatures(tmp_path, "aa") == temperatures
    write_temperatures(tmp_path, "aa", {})
    assert read_temperatures(tmp_path, "aa") == {}


def test_temperatures_of_other_weights_are_refused(tmp_path: Path) -> None:
    write_temperatures(tmp_path, "aa", {})
    told = rf"calibration\.json belongs to other weights .*: evaluate the run again with lung-ssp eval {tmp_path}\."
    with pytest.raises(CheckpointError, match=told):
        read_temperatures(tmp_path, "bb")


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"weights_fingerprint": "aa"}',
        *(
            f'{{"weights_fingerprint": "aa", "temperatures": {{"image": {{"value": {value}, "sections": 30}}}}}}'
            for value in ("0", "-1", "NaN", '"hot"')
        ),
    ],
)
def test_a_damaged_file_is_one_sentence(content: str, tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"calibration\.json is damaged .*: evaluate the run again"):
        read_temperatures(tmp_path, "aa")


def test_logits_are_divided_by_the_temperature() -> None:
    logits = np.array([[0, np.log(2)], [np.log(3), 0]], np.float32)
    np.testing.assert_allclose(calibrated(logits, Temperature(0.5, 30)), [[1 / 5, 4 / 5], [9 / 10, 1 / 10]], rtol=1e-6)
    assert (calibrated(logits, None) == softmax(logits, axis=1)).all()

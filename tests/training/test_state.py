"""What the latest checkpoint of a training holds beside its arrays."""

import pytest
from pydantic import ValidationError

from lung_ssp.training.run import VISUALDL_FILE
from lung_ssp.training.state import TrainerState

LONG = {
    "order": {"epoch": 900_000, "position": 3_000_000, "permutation": [], "generator": {}},
    "precision": {},
    "scheduler": {"last_epoch": 90_000_000},
    "best_score": 0.5,
    "best_step": 90_000_000,
    "log_positions": {"table2.csv": 5_000_000_000, VISUALDL_FILE: 70_000_000_000},
}


def test_a_training_of_weeks_goes_on() -> None:
    """VisualDL's file has more than 100,000 bytes after a few steps."""
    assert TrainerState.model_validate(LONG).model_dump() == LONG


@pytest.mark.parametrize("size", [-1, 2**62, 10**30, 1.5])
def test_a_size_that_no_file_has_is_refused(size: float) -> None:
    with pytest.raises(ValidationError, match="log_positions"):
        TrainerState.model_validate({**LONG, "log_positions": {VISUALDL_FILE: size}})

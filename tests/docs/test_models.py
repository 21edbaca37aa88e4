"""The model cards are those of the networks that are shipped."""

from pathlib import Path

import pytest

from lung_ssp.training.run import best_fingerprint, run_cohort
from lung_ssp.weights.ship import KINDS
from lung_ssp.weights.shipped import SHIPPED

DOCS = Path(__file__).resolve().parents[2] / "docs" / "models"
CARDS = {"classification": "classifier.md"}  # else the task's name


@pytest.mark.parametrize("task", KINDS)
def test_a_card_names_the_shipped_weights_and_their_cohort(task: str) -> None:
    card = CARDS.get(task, f"{task}.md")
    text, cohort = (DOCS / card).read_text(), run_cohort(SHIPPED / task)
    assert f"`{best_fingerprint(SHIPPED / task)}`" in text and f"`{cohort.fingerprint}`" in text
    assert ("**synthetic**" in text.lower()) == cohort.synthetic
    assert "Research use only, not for diagnosis." in text and f"]({card})" in (DOCS / "README.md").read_text()
    if cohort.nodules is not None:
        assert cohort.nodules.licence in text and cohort.nodules.citation in text

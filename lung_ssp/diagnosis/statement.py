"""What every output of a diagnosis says: what it is not for, and where the weights come from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lung_ssp.training.run import BestCheckpoint, run_cohort

NOT_FOR_DIAGNOSIS = "Research use only, not for diagnosis."


@dataclass(frozen=True)
class Weights:
    """Where the weights of a network come from.

    step: of the training.
    weights_fingerprint: of the weights themselves.
    cohort, cohort_synthetic, cohort_statement, cohort_fingerprint: what they were trained on.
    """

    step: int
    weights_fingerprint: str
    cohort: str
    cohort_synthetic: bool
    cohort_statement: str
    cohort_fingerprint: str

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self)


def weights_of(run: Path, checkpoint: BestCheckpoint) -> Weights:
    """Where the weights of a run come from."""
    cohort = run_cohort(run)
    return Weights(
        checkpoint.step,
        checkpoint.fingerprint,
        cohort.name,
        cohort.synthetic,
        cohort.statement,
        cohort.fingerprint,
    )


def training_statement(weights: Mapping[str, Weights]) -> str:
    """One sentence on the origin of both networks' weights."""
    parts = [f"{task} {facts.weights_fingerprint} on: {facts.cohort_statement}" for task, facts in weights.items()]
    return f"Weights trained: {'; '.join(parts)}."

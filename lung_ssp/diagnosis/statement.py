"""What every output of a diagnosis says: what it is not for, and where the weights come from."""

from pathlib import Path
from typing import Any

from lung_ssp.training.run import run_cohort

NOT_FOR_DIAGNOSIS = "Research use only, not for diagnosis."


def weights_of(run: Path, checkpoint: dict[str, Any]) -> dict[str, Any]:
    """Where the weights of a run come from: step, fingerprint of the weights, and the cohort they were trained on.

    Args:
        checkpoint: what training.run.restore_best tells of the weights.
    """
    cohort = run_cohort(run)
    return {
        "step": checkpoint["step"],
        "weights_fingerprint": checkpoint["fingerprint"],
        "cohort": cohort.name,
        "cohort_synthetic": cohort.synthetic,
        "cohort_statement": cohort.statement,
        "cohort_fingerprint": cohort.fingerprint,
    }


def training_statement(weights: dict[str, dict[str, Any]]) -> str:
    """One sentence on the origin of both networks' weights."""
    parts = [
        f"{task} {facts['weights_fingerprint']} on: {facts['cohort_statement']}" for task, facts in weights.items()
    ]
    return f"Weights trained: {'; '.join(parts)}."

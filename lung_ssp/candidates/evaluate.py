"""A run of the false-positive reduction measured on its test candidates."""

from pathlib import Path

from lung_ssp.candidates.dataset import CandidateDataset
from lung_ssp.candidates.metrics import FalsePositiveMetrics, auc_of_sources, metrics_of_sources, operating_points
from lung_ssp.candidates.trained import load_candidate_judge
from lung_ssp.training.evaluation import write_metrics
from lung_ssp.training.run import check_cohort


def evaluate_false_positives(run: Path) -> FalsePositiveMetrics:
    """Measure the best checkpoint of a run and write metrics.json and metrics.txt into the run's folder.

    Raises:
        ConfigError, CheckpointError: the folder holds no such run, or it is damaged.
        CohortError: its cohort has no test candidates.
    """
    judge = load_candidate_judge(run)
    settings = judge.settings
    cohort = check_cohort(run, *settings.cohorts)
    test = CandidateDataset(settings.test_dataset, settings.patch, settings.window_hu)
    validation = CandidateDataset(settings.val_dataset, settings.patch, settings.window_hu)
    probability = judge.predict(test.whole())
    of_validation = judge.predict(validation.whole()[validation.nodule])
    threshold = settings.candidates.threshold
    aucs = auc_of_sources(probability, test.rows)
    metrics = FalsePositiveMetrics(
        statement=cohort.statement,
        synthetic=cohort.synthetic,
        fingerprint=cohort.fingerprint,
        checkpoint=judge.checkpoint,
        threshold=threshold,
        auc=sum(aucs.values()) / len(aucs),
        sources=metrics_of_sources(probability, test.rows, threshold),
        operating_points=operating_points(of_validation, probability, test.rows),
    )
    write_metrics(run, metrics, text_report(metrics))
    return metrics


def text_report(metrics: FalsePositiveMetrics) -> str:
    """AUC and what the threshold keeps, source by source; then other thresholds."""
    lines = [
        metrics.statement,
        f"checkpoint: step {metrics.checkpoint.step}, the best on the validation candidates",
        "",
        f"AUC {metrics.auc:.3f}, the mean over the sources of false candidates; what a threshold of "
        f"{metrics.threshold:g} keeps:",
        f"{'source':20s}{'nodules':>18s}{'found':>18s}{'random places':>18s}{'AUC':>8s}",
    ]
    for source in metrics.sources:
        parts = (
            (source.nodules, source.sensitivity),
            (source.found, source.found_kept),
            (source.random, source.random_kept),
        )
        shares = "".join(f"{'-' if share is None else f'{share:.3f} of {count}':>18s}" for count, share in parts)
        lines.append(f"{source.source[:19]:20s}{shares}{'-' if source.auc is None else f'{source.auc:.3f}':>8s}")
    lines += ["", "thresholds by the nodules of the validation that they keep, and what they keep of the test:"]
    for point in metrics.operating_points:
        false = ", ".join(f"{share:.3f} of the false ones of {source}" for source, share in point.false_kept.items())
        lines.append(
            f"  {point.validation_sensitivity:.2f}: threshold {point.threshold:.3f}, {point.sensitivity:.3f} of the "
            f"nodules, {false}"
        )
    return "\n".join(lines) + "\n"

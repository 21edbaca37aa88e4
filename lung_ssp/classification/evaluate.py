"""A classification run measured on its test sections."""

from pathlib import Path

import numpy as np

from lung_ssp.classification.binary import binary_aucs
from lung_ssp.classification.build import MODEL_TYPES, restored_network
from lung_ssp.classification.calibration import save_reliability
from lung_ssp.classification.cross_stitch import mean_alphas
from lung_ssp.classification.metrics import Baselines, ClassificationMetrics, EvaluationResults, comparisons_between
from lung_ssp.classification.report import save_confusions, text_report
from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.classification.table2 import paper_rows, read_log, save_plot, side_by_side
from lung_ssp.classification.temperature import write_temperatures
from lung_ssp.cohort.classes import MISSING
from lung_ssp.cohort.description import CohortDescription
from lung_ssp.config import load_config
from lung_ssp.files import write_text
from lung_ssp.training.evaluation import write_metrics
from lung_ssp.training.run import FIGURES, check_cohort, run_config


def evaluate_classifier(run: Path, table2: bool) -> ClassificationMetrics:
    """Measure the best checkpoint of a run and write metrics.json, metrics.txt and figures/ into the run's folder.

    calibration.json gets the temperatures, which a diagnosis uses.

    Args:
        table2: also set the run's log beside the paper's Table 2, in table2.txt and at the end of metrics.txt.

    Raises:
        ConfigError, CheckpointError: the folder holds no such run, it is damaged, or it has no log for `table2`.
    """
    metrics = measure_classifier(run)
    write_temperatures(run, metrics.checkpoint.fingerprint, metrics.temperatures)
    figures = run / FIGURES
    figures.mkdir(exist_ok=True)
    save_confusions(metrics, figures)
    save_reliability(metrics.calibration, metrics.statement, figures / "reliability.png")
    report = text_report(metrics)
    if table2:
        ours, paper = read_log(run / "table2.csv"), paper_rows()
        comparison = side_by_side(ours, paper, metrics.statement)
        write_text(run / "table2.txt", comparison)
        save_plot(ours, paper, metrics.statement, figures / "table2.png")
        report = f"{report}\n{comparison}"
    write_metrics(run, metrics, report)
    return metrics


def measure_classifier(run: Path) -> ClassificationMetrics:
    """The figures of the best checkpoint of a run."""
    settings = load_config(run_config(run), ClassificationSettings).settings
    network, checkpoint = restored_network(run, settings)
    root = Path(settings.test_dataset.dataset_root)
    cohort = check_cohort(run, root)
    names = cohort.class_names
    measured = MODEL_TYPES[settings.model.type].evaluate(network, settings, comparisons_between(names))
    return ClassificationMetrics(
        statement=cohort.statement,
        synthetic=cohort.synthetic,
        fingerprint=cohort.fingerprint,
        checkpoint=checkpoint,
        sharing=settings.model.sharing,
        inputs=settings.model.inputs,
        classes=names,
        comparisons=measured.comparisons,
        for_comparison=baselines(measured.labels, cohort),
        mean_alphas={
            stage: tuple(map(tuple, mean_alphas(alphas.numpy()).tolist())) for stage, alphas in network.alphas().items()
        },
        slides=measured.slides,
        calibration={} if cohort.synthetic else measured.calibration,
        temperatures={} if cohort.synthetic else measured.temperatures,
        binary=binary_aucs(root, cohort, measured.probabilities, measured.patients),
    )


def predict_test(run: Path) -> EvaluationResults:
    """What the best checkpoint of a run predicts of each test section, beside the figures made from it."""
    settings = load_config(run_config(run), ClassificationSettings).settings
    network, _ = restored_network(run, settings)
    names = check_cohort(run, Path(settings.test_dataset.dataset_root)).class_names
    return MODEL_TYPES[settings.model.type].evaluate(network, settings, comparisons_between(names))


def baselines(labels: dict[str, np.ndarray], cohort: CohortDescription) -> Baselines:
    """What an accuracy is compared with: the most common class, the reader, and the generator's Bayes accuracy.

    Args:
        labels: of the test sections, by task name, int64 (n,); -1 for missing.
    """
    known = labels["pathology"] != MISSING
    pathology = labels["pathology"][known]
    both = known & (labels["image"] != MISSING)
    same_classes = len(set(cohort.class_names.values())) == 1
    agreement = float(np.mean(labels["image"][both] == labels["pathology"][both])) if both.any() else None
    return Baselines(
        most_common_class=float(np.bincount(pathology).max() / len(pathology)) if len(pathology) else None,
        reader_against_pathology=agreement if same_classes else None,
        bayes_accuracy_of_the_pathology=cohort.generator.bayes_accuracy if cohort.generator else None,
    )

"""A classification run measured on its test sections: metrics.json, a text report, figures."""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from lung_ssp.classification.build import load_classifier
from lung_ssp.classification.cross_stitch import between_tasks
from lung_ssp.classification.dataset import SectionDataset
from lung_ssp.classification.metrics import classification_metrics
from lung_ssp.classification.table2 import paper_rows, read_log, save_plot, side_by_side
from lung_ssp.classification.task import predict_logits
from lung_ssp.cohort.classes import MISSING, TASK_NAMES, class_name
from lung_ssp.cohort.store import cohort_statement
from lung_ssp.figures import new_figure, save_figure
from lung_ssp.files import write_json, write_text
from lung_ssp.training.run import check_cohort

# Which branch is held against which label; the image branch is what remains when there is no pathology.
QUESTIONS = {
    "image_against_reader": ("image", "image"),
    "image_against_pathology": ("image", "pathology"),
    "pathology_against_pathology": ("pathology", "pathology"),
}


def evaluate_classification(run: Path, table2: bool) -> str:
    """Measure the best checkpoint of a run and write metrics.json, metrics.txt and figures/ into the run's folder.

    Args:
        table2: also set the run's log beside the paper's Table 2.

    Returns:
        the text report.
    """
    trained = load_classifier(run)
    settings = trained.settings
    test = SectionDataset(settings.test_dataset, settings.model.image_size, settings.model.num_classes).whole()
    logits = predict_logits(trained.network, test.images)
    probabilities = {task: softmax(logits[task], axis=1) for task in TASK_NAMES}
    cohort = check_cohort(run, Path(settings.test_dataset.dataset_root))
    statement = cohort_statement(cohort)
    alphas = {stage: between_tasks(value.numpy()).tolist() for stage, value in trained.network.alphas().items()}
    metrics = {
        "statement": statement,
        "synthetic": cohort["synthetic"],
        "fingerprint": cohort["fingerprint"],
        "sharing": settings.model.sharing,
        "checkpoint": trained.checkpoint,
        **{
            name: classification_metrics(probabilities[branch], test.labels[label])
            for name, (branch, label) in QUESTIONS.items()
        },
        "for_comparison": reference_figures(test.labels, cohort),
        "mean_alphas": alphas,
    }
    write_json(run / "metrics.json", metrics)
    figures = run / "figures"
    figures.mkdir(exist_ok=True)
    for name in QUESTIONS:
        if metrics[name]["samples"]:
            confusion, title = np.array(metrics[name]["confusion"]), name.replace("_", " ")
            save_confusion(confusion, title, statement, figures / f"{name}.png")
    report = text_report(metrics)
    if table2:
        ours, paper = read_log(run / "table2.csv"), paper_rows()
        comparison = side_by_side(ours, paper, statement)
        write_text(run / "table2.txt", comparison)
        save_plot(ours, paper, statement, figures / "table2.png")
        report = f"{report}\n{comparison}"
    write_text(run / "metrics.txt", report)
    return report


def reference_figures(labels: dict[str, np.ndarray], cohort: dict[str, Any]) -> dict[str, Any]:
    """What an accuracy is to be held against: the most common class, the reader, and the generator's own ceiling."""
    pathology = labels["pathology"][labels["pathology"] != MISSING]
    figures: dict[str, Any] = {}
    if len(pathology):
        figures["most_common_class"] = float(np.bincount(pathology).max() / len(pathology))
        both = (labels["pathology"] != MISSING) & (labels["image"] != MISSING)
        if both.any():
            figures["reader_against_pathology"] = float(np.mean(labels["image"][both] == labels["pathology"][both]))
    if "ceiling" in cohort:
        figures["ceiling"] = cohort["ceiling"]
    return figures


def text_report(metrics: dict[str, Any]) -> str:
    """The metrics as a table to read."""
    lines = [
        metrics["statement"],
        f"sharing: {metrics['sharing']}",
        f"checkpoint: step {metrics['checkpoint']['step']}, the best on the validation sections",
        "",
        f"{'':30s}{'sections':>9s}{'accuracy':>10s}{'balanced':>10s}{'macro AUC':>11s}",
    ]
    for name in QUESTIONS:
        figures = metrics[name]
        if not figures["samples"]:
            lines.append(f"{name.replace('_', ' '):30s}{0:9d}")
            continue
        auc = "-" if figures["macro_auc"] is None else f"{figures['macro_auc']:.4f}"
        lines.append(
            f"{name.replace('_', ' '):30s}{figures['samples']:9d}{figures['accuracy']:10.4f}"
            f"{figures['balanced_accuracy']:10.4f}{auc:>11s}"
        )
    lines += ["", "for comparison:"]
    lines += [f"  {name.replace('_', ' ')}: {value}" for name, value in flat_figures(metrics["for_comparison"])]
    if metrics["mean_alphas"]:
        lines += ["", "mean alphas (image from image, image from pathology; pathology from image, from pathology):"]
        lines += [
            f"  {stage:6s} {rows[0][0]:8.4f} {rows[0][1]:8.4f}; {rows[1][0]:8.4f} {rows[1][1]:8.4f}"
            for stage, rows in metrics["mean_alphas"].items()
        ]
    return "\n".join(lines) + "\n"


def flat_figures(figures: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested figures as lines of a name and a value."""
    lines = []
    for name, value in figures.items():
        if isinstance(value, dict):
            lines += flat_figures(value, f"{prefix}{name}, ")
        else:
            lines.append((f"{prefix}{name}", f"{value:.4f}" if isinstance(value, float) else str(value)))
    return lines


def save_confusion(confusion: np.ndarray, title: str, statement: str, path: Path) -> None:
    """The confusion matrix as a picture, coloured by the share of each label's sections."""
    classes = len(confusion)
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    figure = new_figure(8.5, 7.5)
    axis = figure.subplots()
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    names = [class_name(k) for k in range(classes)]
    axis.set_xticks(range(classes), names, rotation=40, ha="right", fontsize=8)
    axis.set_yticks(range(classes), names, fontsize=8)
    axis.set_xlabel("prediction")
    axis.set_ylabel("label")
    axis.set_title(f"{title}\n{statement}", fontsize=8)
    for i in range(classes):
        for j in range(classes):
            axis.text(
                j, i, confusion[i, j], ha="center", va="center", fontsize=8, color="w" if share[i, j] > 0.5 else "k"
            )
    save_figure(figure, path, statement)

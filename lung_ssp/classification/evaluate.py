"""A classification run measured on its test sections: metrics.json, a text report, figures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lung_ssp.classification.build import PARTS, load_classifier
from lung_ssp.classification.comparisons import COMPARISONS, comparison_line, comparisons_between
from lung_ssp.classification.cross_stitch import mean_alphas
from lung_ssp.classification.table2 import paper_rows, read_log, save_plot, side_by_side
from lung_ssp.classification.two_inputs.evaluate import ablation_lines
from lung_ssp.cohort.classes import MISSING, class_name
from lung_ssp.cohort.description import CohortDescription
from lung_ssp.figures import new_figure, save_figure
from lung_ssp.files import write_json, write_text
from lung_ssp.training.run import check_cohort


def evaluate_classification(run: Path, table2: bool) -> str:
    """Measure the best checkpoint of a run and write metrics.json, metrics.txt and figures/ into the run's folder.

    Args:
        table2: also set the run's log beside the paper's Table 2.

    Returns:
        the text report.
    """
    trained = load_classifier(run)
    settings = trained.settings
    cohort = check_cohort(run, Path(settings.test_dataset.dataset_root))
    statement, names = cohort.statement, cohort.class_names
    comparisons = comparisons_between(names)
    measured = PARTS[settings.model.type].evaluate(trained.network, settings, comparisons)
    alphas = {stage: mean_alphas(value.numpy()).tolist() for stage, value in trained.network.alphas().items()}
    metrics = {
        "statement": statement,
        "synthetic": cohort.synthetic,
        "fingerprint": cohort.fingerprint,
        "sharing": settings.model.sharing,
        "inputs": settings.model.inputs,
        "checkpoint": trained.checkpoint,
        "classes": names,
        **measured.comparisons,
        "for_comparison": reference_figures(measured.labels, cohort),
        "mean_alphas": alphas,
        **measured.ablation,
    }
    write_json(run / "metrics.json", metrics)
    figures = run / "figures"
    figures.mkdir(exist_ok=True)
    for name, (branch, _) in comparisons.items():
        if metrics[name]["samples"]:
            confusion = np.array(metrics[name]["confusion"])
            title = f"{name.replace('_', ' ')}, from {settings.model.inputs}"
            save_confusion(confusion, names[branch], title, statement, figures / f"{name}.png")
    report = text_report(metrics)
    if table2:
        ours, paper = read_log(run / "table2.csv"), paper_rows()
        comparison = side_by_side(ours, paper, statement)
        write_text(run / "table2.txt", comparison)
        save_plot(ours, paper, statement, figures / "table2.png")
        report = f"{report}\n{comparison}"
    write_text(run / "metrics.txt", report)
    return report


def reference_figures(labels: dict[str, np.ndarray], cohort: CohortDescription) -> dict[str, Any]:
    """What an accuracy is compared with: the most common class, the reader, and the generator's Bayes accuracy."""
    pathology = labels["pathology"][labels["pathology"] != MISSING]
    figures: dict[str, Any] = {}
    if len(pathology):
        figures["most_common_class"] = float(np.bincount(pathology).max() / len(pathology))
        both = (labels["pathology"] != MISSING) & (labels["image"] != MISSING)
        if both.any() and len(set(cohort.class_names.values())) == 1:
            figures["reader_against_pathology"] = float(np.mean(labels["image"][both] == labels["pathology"][both]))
    if cohort.generator is not None:
        figures["bayes_accuracy_of_the_pathology"] = cohort.generator.bayes_accuracy.model_dump()
    return figures


def text_report(metrics: dict[str, Any]) -> str:
    """The metrics as a table to read."""
    lines = [
        metrics["statement"],
        f"sharing: {metrics['sharing']}",
        f"inputs: {metrics['inputs']}",
        f"checkpoint: step {metrics['checkpoint']['step']}, the best on the validation sections",
        "",
        f"{'':30s}{'sections':>9s}{'accuracy':>10s}{'balanced':>10s}{'macro AUC':>11s}",
    ]
    lines += [comparison_line(name, metrics[name]) for name in COMPARISONS if name in metrics]
    if "slides" in metrics:
        lines += ablation_lines(metrics["slides"])
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


def save_confusion(confusion: np.ndarray, classes: Sequence[str], title: str, statement: str, path: Path) -> None:
    """The confusion matrix as a picture, coloured by the share of each label's sections."""
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    figure = new_figure(8.5, 7.5)
    axis = figure.subplots()
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    names = [class_name(k, classes) for k in range(len(confusion))]
    axis.set_xticks(range(len(names)), names, rotation=40, ha="right", fontsize=8)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.set_xlabel("prediction")
    axis.set_ylabel("label")
    axis.set_title(f"{title}\n{statement}", fontsize=8)
    for i in range(len(names)):
        for j in range(len(names)):
            axis.text(
                j, i, confusion[i, j], ha="center", va="center", fontsize=8, color="w" if share[i, j] > 0.5 else "k"
            )
    save_figure(figure, path, statement)

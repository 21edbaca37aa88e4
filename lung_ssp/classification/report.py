"""The figures of a classification run as a text to read, and as pictures."""

from pathlib import Path
from textwrap import fill

import numpy as np

from lung_ssp.classification.binary import BOOTSTRAP_SAMPLES, BinaryAuc
from lung_ssp.classification.calibration import calibration_lines
from lung_ssp.classification.metrics import (
    COMPARISONS,
    Baselines,
    ClassificationMetrics,
    SlideAblation,
    TaskMetrics,
)
from lung_ssp.classification.temperature import Temperature
from lung_ssp.cohort.classes import class_name
from lung_ssp.figures import new_figure, save_figure

TITLE = 120  # characters in a line of a figure's title


def text_report(metrics: ClassificationMetrics) -> str:
    """The comparisons as a table, what they are compared with, and the mean alphas."""
    lines = [
        metrics.statement,
        f"sharing: {metrics.sharing}",
        f"inputs: {metrics.inputs}",
        f"checkpoint: step {metrics.checkpoint.step}, the best on the validation sections",
        "",
        f"{'':30s}{'sections':>9s}{'accuracy':>10s}{'balanced':>10s}{'macro AUC':>11s}",
        *comparison_lines(metrics.comparisons),
    ]
    if metrics.slides:
        lines += ablation_lines(metrics.slides)
    lines += binary_lines(metrics.binary)
    lines += calibration_lines(metrics.calibration)
    lines += temperature_lines(metrics.temperatures)
    lines += ["", "for comparison:", *baseline_lines(metrics.for_comparison)]
    if metrics.mean_alphas:
        lines += ["", "mean alphas (image from image, image from pathology; pathology from image, from pathology):"]
        lines += [
            f"  {stage:6s} {rows[0][0]:8.4f} {rows[0][1]:8.4f}; {rows[1][0]:8.4f} {rows[1][1]:8.4f}"
            for stage, rows in metrics.mean_alphas.items()
        ]
    return "\n".join(lines) + "\n"


def comparison_lines(comparisons: dict[str, TaskMetrics]) -> list[str]:
    """A line each: samples, accuracy, balanced accuracy, macro AUC."""
    lines = []
    for name, metrics in comparisons.items():
        line = f"{words(name):30s}{metrics.samples:9d}"
        if metrics.samples:
            auc = "-" if metrics.macro_auc is None else f"{metrics.macro_auc:.4f}"
            line += f"{metrics.accuracy:10.4f}{metrics.balanced_accuracy:10.4f}{auc:>11s}"
        lines.append(line)
    return lines


def ablation_lines(slides: SlideAblation) -> list[str]:
    """The slide ablation as further lines of the table."""
    return [
        "",
        f"slide ablation ({slides.sections_with_slide} test sections have a slide):",
        "with slide:",
        *comparison_lines(slides.with_slide),
        "same sections without slide:",
        *comparison_lines(slides.same_sections_without_slide),
        "all sections without slide:",
        *comparison_lines(slides.all_sections_without_slide),
        f"({slides.rule})",
    ]


def binary_lines(figures: dict[str, BinaryAuc]) -> list[str]:
    """Malignant against benign on a cohort of nodules: what is told from what, by which score, and how well."""
    if not figures:
        return []
    fold = next(iter(figures.values())).fold
    lines = [
        "",
        f"malignant against benign, test fold {fold} (95 % intervals: {BOOTSTRAP_SAMPLES:,} drawings of patients):",
    ]
    for figure in figures.values():
        auc = "-" if figure.auc is None else f"{figure.auc:.4f}"
        interval = "" if figure.interval is None else f" ({figure.interval[0]:.4f} to {figure.interval[1]:.4f})"
        samples = f"{figure.samples} {figure.unit}s" + (
            f" of {figure.patients} patients" if figure.unit == "nodule" else ""
        )
        lines += [
            f"  {figure.question}, {samples}, {figure.malignant} malignant: AUC {auc}{interval}",
            f"    by {figure.score}",
        ]
    return lines


def temperature_lines(temperatures: dict[str, Temperature]) -> list[str]:
    """By what a diagnosis divides the logits."""
    told = [f"{task} {own.value:.3f} (from {own.sections} validation sections)" for task, own in temperatures.items()]
    return ["", f"a diagnosis divides its logits by: {', '.join(told)}"] if told else []


def baseline_lines(baselines: Baselines) -> list[str]:
    """What is known of the accuracies that a run's are compared with."""
    lines = []
    if baselines.most_common_class is not None:
        lines.append(f"  most common class: {baselines.most_common_class:.4f}")
    if baselines.reader_against_pathology is not None:
        lines.append(f"  reader against pathology: {baselines.reader_against_pathology:.4f}")
    bayes = baselines.bayes_accuracy_of_the_pathology
    if bayes is not None:
        lines += [
            f"  bayes accuracy of the pathology, test: {bayes.test:.4f}",
            f"  bayes accuracy of the pathology, population: {bayes.population:.4f}",
            f"  bayes accuracy of the pathology, sample: {bayes.sample}",
            f"  bayes accuracy of the pathology, statement: {bayes.statement}",
        ]
    return lines


def save_confusions(metrics: ClassificationMetrics, figures: Path) -> None:
    """A confusion matrix for each comparison that has samples, coloured by the share of each label's sections."""
    for name, compared in metrics.comparisons.items():
        if compared.confusion is None:
            continue
        branch, _ = COMPARISONS[name]
        confusion = np.array(compared.confusion)
        share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
        figure = new_figure(8.5, 7.5)
        axis = figure.subplots()
        axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
        names = [class_name(k, metrics.classes[branch]) for k in range(len(confusion))]
        axis.set_xticks(range(len(names)), names, rotation=40, ha="right", fontsize=8)
        axis.set_yticks(range(len(names)), names, fontsize=8)
        axis.set_xlabel("prediction")
        axis.set_ylabel("label")
        axis.set_title(f"{words(name)}, from {metrics.inputs}\n{fill(metrics.statement, TITLE)}", fontsize=8)
        for i in range(len(names)):
            for j in range(len(names)):
                axis.text(
                    j, i, confusion[i, j], ha="center", va="center", fontsize=8, color="w" if share[i, j] > 0.5 else "k"
                )
        save_figure(figure, figures / f"{name}.png", metrics.statement)


def words(name: str) -> str:
    """The name of a comparison as words."""
    return name.replace("_", " ")

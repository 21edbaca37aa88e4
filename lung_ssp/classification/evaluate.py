"""A classification run measured on its test sections: metrics.json, a text report, figures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from lung_ssp.classification.build import load_classifier
from lung_ssp.classification.cross_stitch import between_tasks
from lung_ssp.classification.dataset import SectionBatch, SectionDataset
from lung_ssp.classification.metrics import classification_metrics
from lung_ssp.classification.networks import TwoTaskClassifier
from lung_ssp.classification.table2 import paper_rows, read_log, save_plot, side_by_side
from lung_ssp.classification.task import inputs_of, predict_logits
from lung_ssp.cohort.classes import MISSING, class_name
from lung_ssp.cohort.description import CohortDescription
from lung_ssp.figures import new_figure, save_figure
from lung_ssp.files import write_json, write_text
from lung_ssp.training.run import check_cohort

# Which branch is held against which label; the image branch is what remains when there is no pathology.
QUESTIONS = {
    "image_against_reader": ("image", "image"),
    "image_against_pathology": ("image", "pathology"),
    "pathology_against_pathology": ("pathology", "pathology"),
}

ONE_INPUT = "CT sections"
TWO_INPUTS = "CT sections, and patches of pathology slides for the pathology branch"
RULE = (
    "without a slide, the image branch's own activation stands in for the pathology branch's in each unit, and there "
    "is no pathology diagnosis"
)


def evaluate_classification(run: Path, table2: bool) -> str:
    """Measure the best checkpoint of a run and write metrics.json, metrics.txt and figures/ into the run's folder.

    Args:
        table2: also set the run's log beside the paper's Table 2.

    Returns:
        the text report.
    """
    trained = load_classifier(run)
    settings = trained.settings
    model = settings.model
    dataset = SectionDataset(settings.test_dataset, model.image_size, model.num_classes, model.two_inputs)
    test = dataset.whole()
    labels = {"image": test.labels["image"], "pathology": dataset.sections.labels["pathology"]}
    probabilities = predict_probabilities(trained.network, *inputs_of(test))
    cohort = check_cohort(run, Path(settings.test_dataset.dataset_root))
    inputs = TWO_INPUTS if model.two_inputs else ONE_INPUT
    statement, names = cohort.statement, cohort.class_names
    questions = questions_about(names)
    alphas = {stage: between_tasks(value.numpy()).tolist() for stage, value in trained.network.alphas().items()}
    metrics = {
        "statement": statement,
        "synthetic": cohort.synthetic,
        "fingerprint": cohort.fingerprint,
        "sharing": model.sharing,
        "inputs": inputs,
        "checkpoint": trained.checkpoint,
        "classes": names,
        **answers(probabilities, labels, test.has_slide, questions),
        "for_comparison": reference_figures(labels, cohort),
        "mean_alphas": alphas,
    }
    if test.has_slide is not None:
        metrics["slides"] = what_slides_give(trained.network, test, labels, probabilities, questions)
    write_json(run / "metrics.json", metrics)
    figures = run / "figures"
    figures.mkdir(exist_ok=True)
    for name, (branch, _) in questions.items():
        if metrics[name]["samples"]:
            confusion, title = np.array(metrics[name]["confusion"]), name.replace("_", " ")
            title = f"{title}, from {inputs}" if model.two_inputs else title
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


def questions_about(names: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, str]]:
    """Those that can be asked: a branch against the other task's labels only where both have the same classes."""
    same = names["image"] == names["pathology"]
    return {name: (branch, label) for name, (branch, label) in QUESTIONS.items() if same or branch == label}


def predict_probabilities(network: TwoTaskClassifier, *inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Probabilities of both tasks, (n, classes) each; NaN where there is no prediction."""
    return {task: softmax(logits, axis=1) for task, logits in predict_logits(network, *inputs).items()}


def answers(
    probabilities: dict[str, np.ndarray],
    labels: dict[str, np.ndarray],
    has_slide: np.ndarray | None,
    questions: dict[str, tuple[str, str]],
) -> dict[str, Any]:
    """The metrics of each question; the pathology branch is asked where it has seen a slide, if it needs one."""
    metrics = {}
    for name, (branch, label) in questions.items():
        asked = labels[label]
        if branch == "pathology" and has_slide is not None:
            asked = np.where(has_slide, asked, MISSING)
        metrics[name] = classification_metrics(probabilities[branch], asked)
    return metrics


def what_slides_give(
    network: TwoTaskClassifier,
    test: SectionBatch,
    labels: dict[str, np.ndarray],
    with_slides: dict[str, np.ndarray],
    questions: dict[str, tuple[str, str]],
) -> dict[str, Any]:
    """The image branch with a slide and without any, on the same sections, and on a CT alone as at a diagnosis.

    Args:
        labels: of all sections.
        with_slides: the probabilities of all sections, with a slide where there is one.
    """
    alone = predict_probabilities(network, test.images)
    asked = {name: label for name, (branch, label) in questions.items() if branch == "image"}

    def image_branch(probabilities: dict[str, np.ndarray], chosen: np.ndarray) -> dict[str, Any]:
        return {
            name: classification_metrics(probabilities["image"][chosen], labels[label][chosen])
            for name, label in asked.items()
        }

    has_slide = np.asarray(test.has_slide)
    return {
        "rule": RULE,
        "sections_with_slide": int(has_slide.sum()),
        "with_slide": image_branch(with_slides, has_slide),
        "same_sections_without_slide": image_branch(alone, has_slide),
        "all_sections_without_slide": image_branch(alone, np.ones_like(has_slide)),
    }


def reference_figures(labels: dict[str, np.ndarray], cohort: CohortDescription) -> dict[str, Any]:
    """What an accuracy is to be held against: the most common class, the reader, and the generator's Bayes accuracy."""
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
    lines += [line_of(name, metrics[name]) for name in QUESTIONS if name in metrics]
    if "slides" in metrics:
        slides = metrics["slides"]
        lines += ["", f"what slides give ({slides['sections_with_slide']} test sections have one):"]
        for part in ("with_slide", "same_sections_without_slide", "all_sections_without_slide"):
            lines += [f"{part.replace('_', ' ')}:", *(line_of(name, slides[part][name]) for name in slides[part])]
        lines.append(f"({slides['rule']})")
    lines += ["", "for comparison:"]
    lines += [f"  {name.replace('_', ' ')}: {value}" for name, value in flat_figures(metrics["for_comparison"])]
    if metrics["mean_alphas"]:
        lines += ["", "mean alphas (image from image, image from pathology; pathology from image, from pathology):"]
        lines += [
            f"  {stage:6s} {rows[0][0]:8.4f} {rows[0][1]:8.4f}; {rows[1][0]:8.4f} {rows[1][1]:8.4f}"
            for stage, rows in metrics["mean_alphas"].items()
        ]
    return "\n".join(lines) + "\n"


def line_of(name: str, figures: dict[str, Any]) -> str:
    """One question's figures as a line of the table."""
    if not figures["samples"]:
        return f"{name.replace('_', ' '):30s}{0:9d}"
    auc = "-" if figures["macro_auc"] is None else f"{figures['macro_auc']:.4f}"
    return (
        f"{name.replace('_', ' '):30s}{figures['samples']:9d}{figures['accuracy']:10.4f}"
        f"{figures['balanced_accuracy']:10.4f}{auc:>11s}"
    )


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

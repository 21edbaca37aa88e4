"""The figures of a classification run as a text to read."""

from lung_ssp.classification.metrics import ClassificationMetrics, ReferenceFigures, SlideAblation, TaskMetrics


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
    lines += ["", "for comparison:", *reference_lines(metrics.for_comparison)]
    if metrics.mean_alphas:
        lines += ["", "mean alphas (image from image, image from pathology; pathology from image, from pathology):"]
        lines += [
            f"  {stage:6s} {rows[0][0]:8.4f} {rows[0][1]:8.4f}; {rows[1][0]:8.4f} {rows[1][1]:8.4f}"
            for stage, rows in metrics.mean_alphas.items()
        ]
    return "\n".join(lines) + "\n"


def comparison_lines(comparisons: dict[str, TaskMetrics]) -> list[str]:
    """A line each: samples, accuracy, balanced accuracy, macro AUC."""
    return [comparison_line(words(name), metrics) for name, metrics in comparisons.items()]


def comparison_line(name: str, metrics: TaskMetrics) -> str:
    """The figures of one comparison as a line of the table."""
    if not metrics.samples:
        return f"{name:30s}{0:9d}"
    auc = "-" if metrics.macro_auc is None else f"{metrics.macro_auc:.4f}"
    return f"{name:30s}{metrics.samples:9d}{metrics.accuracy:10.4f}{metrics.balanced_accuracy:10.4f}{auc:>11s}"


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


def reference_lines(figures: ReferenceFigures) -> list[str]:
    """What is known of the accuracies that a run's are compared with."""
    lines = []
    if figures.most_common_class is not None:
        lines.append(f"  most common class: {figures.most_common_class:.4f}")
    if figures.reader_against_pathology is not None:
        lines.append(f"  reader against pathology: {figures.reader_against_pathology:.4f}")
    bayes = figures.bayes_accuracy_of_the_pathology
    if bayes is not None:
        lines += [
            f"  bayes accuracy of the pathology, test: {bayes.test:.4f}",
            f"  bayes accuracy of the pathology, population: {bayes.population:.4f}",
            f"  bayes accuracy of the pathology, sample: {bayes.sample}",
            f"  bayes accuracy of the pathology, statement: {bayes.statement}",
        ]
    return lines


def words(name: str) -> str:
    """The name of a comparison as words."""
    return name.replace("_", " ")

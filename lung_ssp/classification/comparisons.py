"""Each branch's predictions on the test sections against each kind of label."""

from dataclasses import dataclass

import numpy as np
import paddle
from scipy.special import softmax

from lung_ssp.classification.dataset import SectionDataset
from lung_ssp.classification.metrics import SlideAblation, TaskMetrics, task_metrics
from lung_ssp.classification.prediction import predict_logits
from lung_ssp.classification.settings import ClassificationSettings

# The branch that predicts, and the task whose labels it is compared with. On a new CT there is no pathology yet:
# "image_against_pathology" tells how often the image branch is right about the cancer.
COMPARISONS = {
    "image_against_reader": ("image", "image"),
    "image_against_pathology": ("image", "pathology"),
    "pathology_against_pathology": ("pathology", "pathology"),
}

Comparisons = dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Measures:
    """The measures of a network on the test sections.

    labels: of all test sections, by task name, int64 (n,); -1 where there is none.
    comparisons: the metrics of each comparison, by its name.
    slides: for a network that takes slides, the metrics with and without them.
    """

    labels: dict[str, np.ndarray]
    comparisons: dict[str, TaskMetrics]
    slides: SlideAblation | None = None


def evaluate_sections(network: paddle.nn.Layer, settings: ClassificationSettings, comparisons: Comparisons) -> Measures:
    """The comparisons of the paper's network on the test sections."""
    model = settings.model
    test = SectionDataset(settings.test_dataset, model.image_size, model.num_classes).whole()
    probabilities = predict_probabilities(network, *test.arrays())
    return Measures(test.labels, evaluate_comparisons(probabilities, test.labels, comparisons))


def comparisons_between(names: dict[str, tuple[str, ...]]) -> Comparisons:
    """The comparisons that make sense: a branch against the other task's labels only where both have the same classes.

    Args:
        names: of each task's classes.
    """
    same = names["image"] == names["pathology"]
    return {name: (branch, label) for name, (branch, label) in COMPARISONS.items() if same or branch == label}


def evaluate_comparisons(
    probabilities: dict[str, np.ndarray], labels: dict[str, np.ndarray], comparisons: Comparisons
) -> dict[str, TaskMetrics]:
    """The metrics of each comparison, by its name.

    Args:
        probabilities: by task name, (n, classes).
        labels: by task name, int64 (n,); -1 for missing.
    """
    return {name: task_metrics(probabilities[branch], labels[label]) for name, (branch, label) in comparisons.items()}


def predict_probabilities(network: paddle.nn.Layer, *inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Probabilities of both tasks, by task name, (n, classes); NaN where there is no prediction.

    Args:
        inputs: as the network takes them, each with n samples.
    """
    return {task: softmax(logits, axis=1) for task, logits in predict_logits(network, *inputs).items()}

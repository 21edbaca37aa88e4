"""How well a classification run diagnoses: each branch's predictions on the test sections against both labels."""

from dataclasses import dataclass, field
from functools import partial

import numpy as np
import paddle
from scipy.special import softmax
from sklearn.metrics import confusion_matrix, recall_score, roc_auc_score

from lung_ssp.classification.binary import BinaryAuc
from lung_ssp.classification.calibration import Calibration, calibrate, fitted
from lung_ssp.classification.dataset import SectionDataset
from lung_ssp.classification.orientations import SectionPredictor, averaged
from lung_ssp.classification.prediction import predict_logits
from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.classification.temperature import Temperature
from lung_ssp.cohort.classes import MISSING
from lung_ssp.cohort.description import BayesAccuracy
from lung_ssp.training.evaluation import Metrics

# The branch that predicts, and the task whose labels it is compared with. On a new CT there is no pathology yet:
# "image_against_pathology" tells how often the image branch is right about the cancer.
COMPARISONS = {
    "image_against_reader": ("image", "image"),
    "image_against_pathology": ("image", "pathology"),
    "pathology_against_pathology": ("pathology", "pathology"),
}

Comparisons = dict[str, tuple[str, str]]


@dataclass(frozen=True)
class TaskMetrics:
    """Predictions set against the labels of one task; without any labelled sample all but `samples` is None.

    samples: how many have a label.
    balanced_accuracy: the mean recall of the classes that occur.
    macro_auc: the mean of the known `auc_by_class`; None where there is none.
    auc_by_class: of each class against the rest; None where all labels are on one side.
    confusion: counts, the label in rows, the prediction in columns.
    """

    samples: int
    accuracy: float | None
    balanced_accuracy: float | None
    macro_auc: float | None
    auc_by_class: tuple[float | None, ...] | None
    confusion: tuple[tuple[int, ...], ...] | None


@dataclass(frozen=True)
class SlideAblation:
    """The image branch's comparisons by their name, with slides and without.

    rule: what takes a slide's place where there is none.
    sections_with_slide: how many test sections have one.
    with_slide, same_sections_without_slide: on those sections.
    all_sections_without_slide: on all test sections, as at a diagnosis.
    """

    rule: str
    sections_with_slide: int
    with_slide: dict[str, TaskMetrics]
    same_sections_without_slide: dict[str, TaskMetrics]
    all_sections_without_slide: dict[str, TaskMetrics]


@dataclass(frozen=True)
class Baselines:
    """Accuracies that a run's are compared with; None where the cohort gives none.

    most_common_class: of naming the most common pathology always.
    reader_against_pathology: of the reader's label as a diagnosis of the pathology.
    bayes_accuracy_of_the_pathology: of the best classifier, which the generator of a synthetic cohort knows.
    """

    most_common_class: float | None
    reader_against_pathology: float | None
    bayes_accuracy_of_the_pathology: BayesAccuracy | None


@dataclass(frozen=True)
class ClassificationMetrics(Metrics):
    """The figures of a classification run on its test sections; of a cohort without a test split they are of none.

    sharing, inputs: what the network shares, and what it takes.
    classes: by task, the names of its classes.
    comparisons: a branch against labels, by name (COMPARISONS).
    mean_alphas: by the unit's stage, 2x2: what the task of the row takes from the task of the column.
    slides: for a network that takes slides alone.
    binary: malignant against benign, by name; for a cohort of nodules alone.
    calibration: by task, for real patients and a network of one input, where enough sections have a label.
    temperatures: likewise, where enough validation sections have a label; a diagnosis uses them.
    """

    sharing: str
    inputs: str
    classes: dict[str, tuple[str, ...]]
    comparisons: dict[str, TaskMetrics]
    for_comparison: Baselines
    mean_alphas: dict[str, tuple[tuple[float, ...], ...]]
    slides: SlideAblation | None
    binary: dict[str, BinaryAuc] = field(default_factory=dict)
    calibration: dict[str, Calibration] = field(default_factory=dict)
    temperatures: dict[str, Temperature] = field(default_factory=dict)


@dataclass(frozen=True)
class EvaluationResults:
    """What the evaluation of a network on the test sections gives.

    labels: of all test sections, by task name, int64 (n,); -1 where there is none.
    probabilities: of all test sections, by task name, (n, classes).
    patients: whose they are, (n,) text.
    comparisons: the metrics of each comparison, by its name.
    calibration, temperatures: by task; none for a network that takes slides.
    slides: for a network that takes slides, the metrics with and without them.
    """

    labels: dict[str, np.ndarray]
    probabilities: dict[str, np.ndarray]
    patients: np.ndarray
    comparisons: dict[str, TaskMetrics]
    calibration: dict[str, Calibration] = field(default_factory=dict)
    temperatures: dict[str, Temperature] = field(default_factory=dict)
    slides: SlideAblation | None = None


def evaluate_sections(
    network: paddle.nn.Layer, settings: ClassificationSettings, comparisons: Comparisons
) -> EvaluationResults:
    """The comparisons of the paper's network on the test sections."""
    model = settings.model
    dataset = SectionDataset(settings.test_dataset, model.image_size, model.num_classes)
    test = dataset.whole()
    validation = SectionDataset(settings.val_dataset, model.image_size, model.num_classes).whole()
    predict: SectionPredictor = partial(predict_logits, network)
    predict = averaged(predict) if settings.average_orientations else predict
    validation_logits = predict(validation.images)
    # without a test split as many logits of each task as there are test sections: none
    logits = predict(test.images) if len(test) else {task: own[:0] for task, own in validation_logits.items()}
    probabilities = {task: softmax(of_task, axis=1) for task, of_task in logits.items()}
    calibrations = {
        task: calibrate((validation_logits[task], validation.labels[task]), (logits[task], test.labels[task]))
        for task in logits
    }
    temperatures = {task: fitted(own, validation.labels[task]) for task, own in validation_logits.items()}
    return EvaluationResults(
        test.labels,
        probabilities,
        dataset.sections.patients,
        evaluate_comparisons(probabilities, test.labels, comparisons),
        {task: own for task, own in calibrations.items() if own is not None},
        {task: own for task, own in temperatures.items() if own is not None},
    )


def comparisons_between(names: dict[str, tuple[str, ...]]) -> Comparisons:
    """The comparisons that make sense: with the other task's labels only where both tasks have the same classes."""
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
    """Softmax of `predict_logits`, by task name, (n, classes); NaN where there is no prediction."""
    return {task: softmax(logits, axis=1) for task, logits in predict_logits(network, *inputs).items()}


def task_metrics(probabilities: np.ndarray, labels: np.ndarray) -> TaskMetrics:
    """The figures of one task; samples without a label are left out.

    Args:
        probabilities: (n, classes), rows summing to 1.
        labels: (n,), -1 for missing.
    """
    labelled = labels != MISSING
    probabilities, labels = probabilities[labelled], labels[labelled]
    classes = probabilities.shape[1]
    if len(labels) == 0:
        return TaskMetrics(0, None, None, None, None, None)
    predicted = probabilities.argmax(axis=1)
    by_class = tuple(auc_against_rest(probabilities[:, k], labels == k) for k in range(classes))
    known = [value for value in by_class if value is not None]
    return TaskMetrics(
        samples=len(labels),
        accuracy=float(np.mean(predicted == labels)),
        balanced_accuracy=float(recall_score(labels, predicted, labels=np.unique(labels), average="macro")),
        macro_auc=float(np.mean(known)) if known else None,
        auc_by_class=by_class,
        confusion=tuple(map(tuple, confusion_matrix(labels, predicted, labels=range(classes)).tolist())),
    )


def auc_against_rest(scores: np.ndarray, positive: np.ndarray) -> float | None:
    """Area under the ROC curve of one class against all others; None where either side is empty."""
    if positive.all() or not positive.any():
        return None
    return float(roc_auc_score(positive, scores))

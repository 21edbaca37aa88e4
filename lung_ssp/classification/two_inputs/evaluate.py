"""The network with two inputs on its test sections: with their slides, and the image branch without."""

import numpy as np
import paddle

from lung_ssp.classification.metrics import (
    Comparisons,
    EvaluationResults,
    SlideAblation,
    TaskMetrics,
    evaluate_comparisons,
    predict_probabilities,
)
from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.classification.two_inputs.dataset import SectionAndSlideBatch, SectionAndSlideDataset, slide_splits

RULE = (
    "without a slide, the image branch's own activation takes the place of the pathology branch's in each unit, and "
    "there is no pathology diagnosis"
)


def evaluate_sections_and_slides(
    network: paddle.nn.Layer, settings: ClassificationSettings, comparisons: Comparisons
) -> EvaluationResults:
    """The comparisons on the test sections, and the slide ablation.

    The image branch is compared on all sections, the pathology branch on those with a slide.
    """
    _, _, split = slide_splits(settings)
    dataset = SectionAndSlideDataset(split, settings.model.image_size, settings.model.num_classes)
    everything = np.arange(len(dataset))
    test, labels = dataset.batch(everything), dataset.labels(everything)
    probabilities = predict_probabilities(network, *test.arrays())
    of_image = {name: pair for name, pair in comparisons.items() if pair[0] == "image"}
    of_pathology = {name: pair for name, pair in comparisons.items() if pair[0] == "pathology"}
    return EvaluationResults(
        labels,
        probabilities,
        dataset.sections.patients,
        {
            **evaluate_comparisons(probabilities, labels, of_image),
            **evaluate_comparisons(probabilities, test.labels, of_pathology),
        },
        slides=slide_ablation(network, test, labels, probabilities, of_image),
    )


def slide_ablation(
    network: paddle.nn.Layer,
    test: SectionAndSlideBatch,
    labels: dict[str, np.ndarray],
    with_slides: dict[str, np.ndarray],
    comparisons: Comparisons,
) -> SlideAblation:
    """The image branch with and without slides on the same sections, and without any on all, as at a diagnosis.

    Args:
        labels: of all test sections, by task name.
        with_slides: the probabilities of all sections, with a slide where there is one.
        comparisons: of the image branch.
    """
    alone = predict_probabilities(network, test.images)
    every = np.ones_like(test.has_slide)

    def compare(probabilities: dict[str, np.ndarray], chosen: np.ndarray) -> dict[str, TaskMetrics]:
        image = {"image": probabilities["image"][chosen]}
        return evaluate_comparisons(image, {task: known[chosen] for task, known in labels.items()}, comparisons)

    return SlideAblation(
        rule=RULE,
        sections_with_slide=int(test.has_slide.sum()),
        with_slide=compare(with_slides, test.has_slide),
        same_sections_without_slide=compare(alone, test.has_slide),
        all_sections_without_slide=compare(alone, every),
    )

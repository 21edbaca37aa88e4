"""What the settings of the two networks have apart."""

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from lung_ssp.classification.settings import AlphaSettings, ClassificationSettings, TwoInputClassifierSettings

SettingsMaker = Callable[..., ClassificationSettings]


def test_the_type_of_the_model_chooses_its_settings(small_settings: SettingsMaker) -> None:
    one, two = small_settings().model, small_settings(type="TwoInputClassifier").model
    assert isinstance(two, TwoInputClassifierSettings) and two.takes_slides
    assert not isinstance(one, TwoInputClassifierSettings) and not one.takes_slides
    assert one.inputs == "CT sections" and "slides" in two.inputs


@pytest.mark.parametrize("split", ["train_dataset", "val_dataset", "test_dataset"])
def test_a_data_set_of_the_other_network_is_refused(small_settings: SettingsMaker, split: str) -> None:
    tree = small_settings(type="TwoInputClassifier").model_dump()
    tree[split] = {"type": "SectionDataset", "dataset_root": tree[split]["dataset_root"], "mode": tree[split]["mode"]}
    with pytest.raises(ValidationError, match=f"{split}.type is SectionDataset, .* learns from SectionAndSlideDataset"):
        ClassificationSettings.model_validate(tree)


def test_slides_are_dropped_by_the_data_set_that_has_them(small_settings: SettingsMaker) -> None:
    tree = small_settings(type="TwoInputClassifier").model_dump()
    tree["train_dataset"]["slide_dropout"] = 0.5
    assert ClassificationSettings.model_validate(tree).train_dataset.model_dump()["slide_dropout"] == 0.5
    tree = small_settings().model_dump()
    tree["train_dataset"]["slide_dropout"] = 0.5
    with pytest.raises(ValidationError, match="slide_dropout"):
        ClassificationSettings.model_validate(tree)


def test_orientations_are_averaged_by_the_network_of_one_input_alone(small_settings: SettingsMaker) -> None:
    tree = small_settings(type="TwoInputClassifier").model_dump() | {"average_orientations": True}
    with pytest.raises(ValidationError, match="average_orientations is not for TwoInputClassifier: leave it out"):
        ClassificationSettings.model_validate(tree)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"initial": [[1.0, 0.0], [0.0, 1.0]]}, "initial begins with 0 from the other task, which must be above least"),
        ({"initial": [[0.9, 0.1], [0.05, 0.95]]}, "initial begins with 0.05 from the other task"),
        (
            {"granularity": "dense"},
            "least_sharing is for the granularity layer or channel, not for dense: leave it out",
        ),
    ],
)
def test_a_bound_of_the_sharing_needs_a_beginning_above_it(changes: dict[str, object], sentence: str) -> None:
    tree = {"initial": [[0.9, 0.1], [0.1, 0.9]], "least_sharing": 0.05}
    assert AlphaSettings.model_validate(tree).least_sharing == 0.05
    with pytest.raises(ValidationError, match=sentence):
        AlphaSettings.model_validate({**tree, **changes})

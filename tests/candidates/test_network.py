"""The network: small, and as large as its settings say."""

import paddle
import pytest
from pydantic import ValidationError

from lung_ssp.candidates.network import CandidateClassifier
from lung_ssp.candidates.settings import CandidateClassifierSettings, FalsePositiveSettings, weights_of
from lung_ssp.config import load_config
from lung_ssp.ct.settings import PatchSettings


@pytest.mark.parametrize("width, slices, size", [(16, 5, 48), (4, 3, 16), (2, 1, 24)])
def test_a_patch_becomes_one_logit(width, slices, size):
    model, patch = CandidateClassifierSettings(width=width), PatchSettings(slices=slices, size=size)
    network = CandidateClassifier(model, patch)
    (logits,) = network(paddle.zeros([2, slices, size, size]))
    assert logits.shape == [2, 1]
    weights = sum(parameter.size for parameter in network.parameters() if parameter.ndim > 1)
    assert weights == weights_of(model, patch)


def test_the_shipped_network_is_small_and_spells_out_its_settings():
    config = load_config("candidates/false_positives.yml", FalsePositiveSettings)
    settings = config.settings
    assert weights_of(settings.model, settings.patch) < 150_000
    for group in ("patch", "train_dataset", "val_dataset", "test_dataset", "model", "loss", "optimizer", "candidates"):
        assert config.tree[group] == settings.model_dump()[group], group


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"model": {"width": 64}}, "more than 300,000: lower model.width"),
        ({"patch": {"size": 20}}, "patch.size is 20: set it to a multiple of 8"),
    ],
)
def test_what_is_too_large_or_does_not_divide_is_refused(changes, expected):
    tree = load_config("candidates/false_positives.yml", FalsePositiveSettings).settings.model_dump()
    for group, values in changes.items():
        tree[group] |= values
    with pytest.raises(ValidationError, match=expected):
        FalsePositiveSettings.model_validate(tree)

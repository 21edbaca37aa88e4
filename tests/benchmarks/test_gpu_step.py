"""The step as a GPU runs it: which operators it calls."""

from collections import Counter

import paddle
import pytest
from paddle.base import core

from gpu_step import Step, gpu_form, open_step, profiled
from launches import BATCHES, VIEWS, small_overrides
from lung_ssp.classification import task as classification
from lung_ssp.classification.cross_stitch import CrossStitch
from lung_ssp.segmentation.layers import Convolution
from lung_ssp.tasks import read_training
from lung_ssp.training import precision


def called(step: Step) -> Counter[str]:
    return Counter(call.name for call in profiled(step))


def test_only_while_it_is_open_a_step_has_the_form_of_a_gpu() -> None:
    before = precision.on_cpu, classification.fits_on_device
    with gpu_form():
        assert not precision.on_cpu(paddle.ones([1]))
        assert classification.fits_on_device(None)
    assert (precision.on_cpu, classification.fits_on_device) == before
    assert precision.on_cpu(paddle.ones([1]))


def test_the_layers_call_what_they_call_on_a_gpu() -> None:
    wide, images = Convolution(8, 2, 3), paddle.ones([1, 8, 16, 16])
    unit, pair = CrossStitch([[1.0, 0.0], [0.0, 1.0]], channels=8), paddle.ones([2, 8, 4, 4])
    assert "conv2d_transpose" in called(lambda: wide(images))
    assert "batch_norm" in called(lambda: unit(pair, pair))
    with gpu_form():
        assert called(lambda: wide(images)) == {"conv2d": 1, "reshape": 1, "add": 1}
        # two rows of two alphas, each reshaped and multiplied; a sum for each row
        assert called(lambda: unit(pair, pair)) == {"unbind": 3, "reshape": 4, "multiply": 4, "add": 2}


def test_views_are_the_operators_that_paddle_has_strided_kernels_for() -> None:
    kernels = core._get_registered_phi_kernels("function")
    strided = {name for name, keys in kernels.items() if "(CPU, STRIDED, float32)" in keys}
    assert strided >= VIEWS
    assert not {"concat", "concat_grad", "stack", "split_with_num", "conv2d", "add"} & strided


@pytest.mark.slow
@pytest.mark.parametrize("config", ["classification/smoke.yml", "segmentation/smoke.yml"])
def test_a_small_network_calls_the_same_operators_as_the_configurations_own(config: str) -> None:
    small = [*small_overrides(read_training(config)[1].tree), f"batch_size={BATCHES[0]}"]
    with open_step(config) as own, open_step(config, small) as made_small:
        operators = called(own)
        assert called(made_small) == operators
    assert operators["merged_adam_"] == 1
    # the alphas of a CPU are expanded; it looks at the norm of each gradient, a GPU at those of the penalised weights
    assert "expand" not in operators
    assert operators["squared_l2_norm"] == (8 if config.startswith("classification") else 0)

"""Patches of candidates through the network, by Paddle or by ONNX Runtime. Paddle is loaded only where it runs."""

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from lung_ssp.training.finite import check_outputs
from lung_ssp.training.onnx import ExportedNetwork

if TYPE_CHECKING:
    import paddle

BATCH = 64  # patches at once; bounds the memory only


def probability_of_patches(network: "paddle.nn.Layer", patches: np.ndarray) -> np.ndarray:
    """The probability of a nodule, float64 (n,); it puts the network into evaluation mode and leaves it there.

    Args:
        patches: float32 (n, slices, size, size), 0..1.

    Raises:
        NotFinite: a logit is NaN or infinite.
    """
    import paddle

    network.eval()
    with paddle.no_grad():
        parts = [network(paddle.to_tensor(part))[0].numpy() for part in _parts(patches)]
    return _probability(parts)


def probability_by_onnx(network: ExportedNetwork, patches: np.ndarray) -> np.ndarray:
    """The same by ONNX Runtime."""
    return _probability([network(part)[0] for part in _parts(patches)])


def _parts(patches: np.ndarray) -> list[np.ndarray]:
    return [patches[start : start + BATCH] for start in range(0, len(patches), BATCH)]


def _probability(parts: list[np.ndarray]) -> np.ndarray:
    logits = np.concatenate(parts)[:, 0].astype(np.float64) if parts else np.zeros(0)
    check_outputs(logits)
    return expit(logits)

"""Weights with fewer digits, which take half the room in a compressed file, alike in a checkpoint and its export."""

from collections.abc import Mapping

import numpy as np

from lung_ssp.training.onnx_parts import LEAST_BYTES

DROPPED_BITS = 14  # of the 23 of a float32's fraction: 10 significant bits are left, a relative error below 1/1024


def rounded(array: np.ndarray) -> np.ndarray:
    """Float32 numbers rounded to 10 significant bits, ties to even; the finite ones stay finite."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    kept = np.uint32(2**32 - 2**DROPPED_BITS)
    half = np.uint32(2 ** (DROPPED_BITS - 1) - 1)
    nearest = (bits + half + ((bits >> np.uint32(DROPPED_BITS)) & np.uint32(1))) & kept
    towards_nought = bits & kept  # of the few numbers that rounding up would make infinite
    return np.where(np.isfinite(nearest.view(np.float32)), nearest, towards_nought).view(np.float32)


def round_weights(arrays: Mapping[str, np.ndarray], model: bytes) -> tuple[dict[str, np.ndarray], bytes]:
    """Round the weights that a checkpoint and the ONNX file of its network have in common, in both.

    What the ONNX file does not hold as it is in the checkpoint stays as it is in both.
    """
    new = dict(arrays)
    for name, array in arrays.items():
        content = array.tobytes()
        if array.dtype == np.float32 and len(content) >= LEAST_BYTES and content in model:
            new[name] = rounded(array)
            model = model.replace(content, new[name].tobytes(), 1)
    return new, model

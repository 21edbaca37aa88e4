"""The order in which training samples are drawn: without short batches, wrapping over the end of an epoch."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lung_ssp.errors import ConfigError


@dataclass(frozen=True)
class OrderState:
    """All that the following batches depend on.

    permutation: the samples in the order of this epoch, int64 (size,); never changed.
    generator: of the shuffles to come.
    """

    epoch: int
    position: int
    permutation: np.ndarray
    generator: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The same as JSON can hold it."""
        return {
            "epoch": self.epoch,
            "position": self.position,
            "permutation": self.permutation.tolist(),
            "generator": self.generator,
        }


class SampleOrder:
    """Batches of indices; the batch that would pass the end takes the rest and the head of a fresh shuffle.

    The epoch counter goes up with that batch (the protocol behind the paper's Table 2: docs/reproduction.md).

    Args:
        size: number of training samples.
        batch_size: samples a batch, at most `size`.
        seed: of the shuffles.

    Raises:
        ConfigError: the batch is larger than the training set.
    """

    def __init__(self, size: int, batch_size: int, seed: int) -> None:
        if batch_size > size:
            raise ConfigError(f"batch_size is {batch_size}, but there are only {size} training samples.")
        self.batch_size = batch_size
        self.epoch = 0
        self._rng = np.random.default_rng(seed)
        self._permutation = self._rng.permutation(size)
        self._position = 0

    def next_batch(self) -> np.ndarray:
        """The indices of the next batch, int64 (batch_size,)."""
        end = self._position + self.batch_size
        if end <= len(self._permutation):
            batch = self._permutation[self._position : end]
            self._position = end
            return batch
        rest = self._permutation[self._position :]
        self.epoch += 1
        self._permutation = self._rng.permutation(len(self._permutation))
        self._position = self.batch_size - len(rest)
        return np.concatenate([rest, self._permutation[: self._position]])

    def state(self) -> OrderState:
        """Where the order stands."""
        return OrderState(self.epoch, self._position, self._permutation, dict(self._rng.bit_generator.state))

    def restore(self, state: dict[str, Any]) -> None:
        """Go on as after the state that `as_json()` gave."""
        self.epoch = int(state["epoch"])
        self._position = int(state["position"])
        self._permutation = np.asarray(state["permutation"], dtype=np.int64)
        self._rng.bit_generator.state = state["generator"]


def steps_of_protocol(size: int, batch_size: int, epochs: int) -> int:
    """The number of steps after which the reference protocol ends.

    The epoch counter passes `epochs` with the first step whose batch ends beyond epochs * size samples; the
    protocol looks at the counter only between blocks of size // batch_size + 1 steps.
    """
    block = size // batch_size + 1
    needed = epochs * size // batch_size + 1
    return -(-needed // block) * block

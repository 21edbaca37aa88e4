"""The order in which training samples are drawn: no batch is short, since it may reach into the next epoch."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lung_ssp.errors import ConfigError


@dataclass(frozen=True)
class OrderState:
    """The state on which the following batches depend.

    permutation: the samples in the order of this epoch, int64 (size,); never changed in place.
    generator: the state of the generator of the next shuffles.
    """

    epoch: int
    position: int
    permutation: np.ndarray
    generator: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The state as plain numbers and lists, for JSON."""
        return {**vars(self), "permutation": self.permutation.tolist()}


class SampleOrder:
    """Batches of indices; a batch at the end of an epoch takes the rest and the first samples of a new shuffle.

    The epoch counter increases with that batch (the protocol behind the paper's Table 2: docs/reproduction.md).

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
        """The present state."""
        return OrderState(self.epoch, self._position, self._permutation, dict(self._rng.bit_generator.state))

    def restore(self, state: dict[str, Any]) -> None:
        """Return to a state, given as `as_json()` returned it."""
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

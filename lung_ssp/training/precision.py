"""One update in full or mixed precision, with Paddle's casting and loss scaling."""

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import paddle

from lung_ssp.errors import ConfigError
from lung_ssp.training.backward import backward
from lung_ssp.training.cpu_kernels import on_cpu
from lung_ssp.training.distributed import average_gradients
from lung_ssp.training.finite import check_gradients, check_loss
from lung_ssp.training.settings import ComputeSettings

HALF_PRECISION_CAPABILITY = 7  # the first GPUs with float16 matrix units (V100)


class Precision:
    """The precision of a training (Micikevicius et al., Mixed Precision Training, ICLR 2018).

    O0: float32. O1: each operation in float16 or float32, as Paddle's lists say; weights in float32. O2: network and
    gradients in float16, except batch normalisation; the optimizer holds float32 master weights. Under O1 and O2 the
    loss is scaled before the backward pass, so that small gradients do not underflow; an update whose gradients
    overflow is skipped, and the scale is halved. Under O2 the gradients are still float16 after unscaling: those below
    6e-8 are lost.

    Args:
        settings: `amp_level` and `init_loss_scaling` are read.
        network: converted to float16 under O2.
        optimizer: of the network; gets float32 master weights under O2.

    Raises:
        ConfigError: mixed precision is requested on a device that has none.
    """

    def __init__(
        self, settings: ComputeSettings, network: paddle.nn.Layer, optimizer: paddle.optimizer.Optimizer
    ) -> None:
        self.level, self._network, self.optimizer = settings.amp_level, network, optimizer
        self._mixed = self.level != "O0"
        if self._mixed:
            check_device(self.level)
        if self.level == "O2":
            decorate(network, optimizer)
        self._scaler = paddle.amp.GradScaler(enable=self._mixed, init_loss_scaling=settings.init_loss_scaling)

    def autocast(self) -> AbstractContextManager[None]:
        """A context in which operations run in the precision of the level, for training and measuring alike."""
        return paddle.amp.auto_cast(enable=self._mixed, level=self.level if self._mixed else "O1")

    def update(self, loss: paddle.Tensor) -> None:
        """One step of the optimizer by the gradients of `loss`, which are cleared afterwards.

        On a CPU, whose results need no waiting for, loss and gradients are looked at before they are used. On a GPU
        the loop reads the losses later (`Trainer.check_losses`), and under O1 and O2 the scaler skips an update whose
        gradients are not finite.

        Raises:
            NotFinite: on a CPU, the loss or a gradient is NaN or infinite; the weights are unchanged then.
        """
        if on_cpu(loss):
            check_loss(float(loss))
        backward(self._scaler.scale(loss))
        average_gradients(self._network)
        self.apply()

    def apply(self) -> None:
        """One step of the optimizer by the gradients that are there, which are cleared afterwards.

        Raises:
            NotFinite: as for `update`.
        """
        if on_cpu(self._network.parameters()[0]):
            check_gradients(self._network)
        self._scaler.step(self.optimizer)
        self._scaler.update()
        self.optimizer.clear_grad()

    def state(self) -> dict[str, float]:
        """The state of the loss scaling, for JSON; empty under O0."""
        return {key: float(np.asarray(value).item()) for key, value in self._scaler.state_dict().items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Return to a state that `state()` returned."""
        if state:
            counts = {key: int(state[key]) for key in state if key not in ("scale", "incr_ratio", "decr_ratio")}
            self._scaler.load_state_dict({**state, **counts, "scale": np.array([state["scale"]], np.float32)})


def decorate(network: paddle.nn.Layer, optimizer: paddle.optimizer.Optimizer) -> None:
    """Convert a network to float16 with float32 master weights; its own buffers, e.g. a z-score, stay as they are."""
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers(include_sublayers=False)}
    paddle.amp.decorate(network, optimizer, level="O2")
    for name, buffer in buffers.items():
        setattr(network, name, buffer)


def as_float32(tensor: paddle.Tensor) -> paddle.Tensor:
    """A float16 tensor as float32, for sums such as losses; any other tensor as it is."""
    return tensor.astype("float32") if tensor.dtype == paddle.float16 else tensor


def check_device(level: str) -> None:
    """Refuse mixed precision where Paddle would compute in float32 instead, without a warning.

    Raises:
        ConfigError: the device is a CPU, or a GPU without float16 matrix units.
    """
    if not paddle.device.get_device().startswith("gpu"):
        raise ConfigError(f"compute.amp_level is {level}, but mixed precision needs a GPU: use --device gpu, or O0.")
    major, minor = paddle.device.cuda.get_device_capability()
    if major < HALF_PRECISION_CAPABILITY:
        raise ConfigError(
            f"compute.amp_level is {level}, but this GPU (compute capability {major}.{minor}) has no fast float16; "
            f"{HALF_PRECISION_CAPABILITY}.0 or later has: use O0."
        )

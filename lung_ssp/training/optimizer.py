"""The optimizer and its learning rate, with the alphas' multiple in a group of their own."""

import paddle

from lung_ssp.training.settings import AdamSettings, PolynomialDecaySettings


def make_scheduler(settings: PolynomialDecaySettings, steps: int) -> paddle.optimizer.lr.LRScheduler:
    """The learning rate over `steps` steps."""
    return paddle.optimizer.lr.PolynomialDecay(
        learning_rate=settings.learning_rate, decay_steps=steps, end_lr=settings.end_lr, power=settings.power
    )


def make_optimizer(
    settings: AdamSettings,
    network: paddle.nn.Layer,
    scheduler: paddle.optimizer.lr.LRScheduler,
    weight_decay: float = 0.0,
) -> paddle.optimizer.Optimizer:
    """Adam over the network's trainable parameters, with an L2 penalty of `weight_decay` on all of them.

    Parameters are grouped by the learning-rate multiple they carry: a group's multiple scales whatever the
    scheduler sets, and Paddle's update of many tensors at once takes one rate for the tensors it is given.
    """
    groups: dict[float, list[paddle.Tensor]] = {}
    for parameter in network.parameters():
        if not parameter.stop_gradient:
            groups.setdefault(parameter.optimize_attr["learning_rate"], []).append(parameter)
    return getattr(paddle.optimizer, settings.type)(
        learning_rate=scheduler,
        parameters=[{"params": group, "learning_rate": multiple} for multiple, group in groups.items()],
        weight_decay=weight_decay or None,
        use_multi_tensor=True,
    )

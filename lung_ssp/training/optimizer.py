"""The optimizer and the schedule of its learning rate, for both tasks."""

import paddle

from lung_ssp.training.settings import OptimizerSettings, SchedulerSettings


def make_scheduler(settings: SchedulerSettings, steps: int) -> paddle.optimizer.lr.LRScheduler:
    """The learning rate over `steps` steps."""
    return paddle.optimizer.lr.PolynomialDecay(
        learning_rate=settings.learning_rate, decay_steps=steps, end_lr=settings.end_lr, power=settings.power
    )


def make_optimizer(
    settings: OptimizerSettings, network: paddle.nn.Layer, scheduler: paddle.optimizer.lr.LRScheduler
) -> paddle.optimizer.Optimizer:
    """The optimizer of the network's trainable parameters.

    Parameters are grouped by their learning-rate multiple (ParamAttr's `learning_rate`), by which a group scales the
    scheduler's rate. Adam updates all tensors of a group at once, which needs one rate for all of them.
    """
    groups: dict[float, list[paddle.Tensor]] = {}
    for parameter in network.parameters():
        if not parameter.stop_gradient:
            groups.setdefault(parameter.optimize_attr["learning_rate"], []).append(parameter)
    parameters = [{"params": group, "learning_rate": multiple} for multiple, group in groups.items()]
    if settings.type == "AdamW":
        return paddle.optimizer.AdamW(scheduler, parameters=parameters, weight_decay=settings.weight_decay)
    return paddle.optimizer.Adam(
        scheduler, parameters=parameters, weight_decay=settings.weight_decay or None, use_multi_tensor=True
    )

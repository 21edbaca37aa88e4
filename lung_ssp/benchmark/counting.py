"""What a network's forward pass and training step compute and move, counted operator by operator, without running them.

The operators are those of Paddle's static graph of the network, so whatever the layers really call is counted. Their
products (convolutions and matrix products) are counted in floating point operations, a multiplication and an addition
each; what is done element by element is bound by memory, and counted in bytes alone.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import paddle

VIEWS = ("reshape2", "flatten_contiguous_range", "unbind", "assign", "shape", "slice", "share_data")
ADAM_NUMBERS = 7  # a parameter, its gradient and two moments read; the parameter and the moments written
PENALTY_NUMBERS = 6  # a weight read for its square; read, and its gradient written; that added to the other gradient


@dataclass(frozen=True)
class Operator:
    """One operator: its products in floating point operations, and the numbers it reads and writes.

    gradients: of how many of its inputs a gradient is wanted; none of the image's, nor of what is made of it alone.
    """

    name: str
    flops: int
    read: int
    written: int
    gradients: int


@dataclass(frozen=True)
class Counts:
    """A network and a batch in numbers.

    parameters: trainable numbers.
    forward_flops, step_flops: of a forward pass, and of a training step: each product again for the gradient of its
        weights and of its input, but for the image's.
    step_bytes: what a training step's operators and Adam move to and from memory in float32, if each reads its inputs
        and writes its outputs once; the loss left out, but for the L2 penalty.
    """

    parameters: int
    forward_flops: int
    step_flops: int
    step_bytes: int


@dataclass(frozen=True)
class Work:
    """A part of a training step: floating point operations of products, and numbers read or written."""

    name: str
    flops: int
    numbers: int


def count(network: paddle.nn.Layer, inputs: Sequence[np.ndarray]) -> Counts:
    """Count a network on a batch.

    Args:
        network: of one input; left as it was.
        inputs: what it is given, with the batch axis.
    """
    found = operators(network, inputs)
    step = step_of(network, found)
    return Counts(
        parameters=trainable(network),
        forward_flops=sum(operator.flops for operator in found),
        step_flops=sum(work.flops for work in step),
        step_bytes=sum(4 * work.numbers for work in step),
    )


def step_of(network: paddle.nn.Layer, found: Sequence[Operator]) -> list[Work]:
    """The work of a training step: forward pass, backward pass, L2 penalty where there is one, and Adam."""
    step = []
    for operator in found:
        step.append(Work(operator.name, operator.flops, operator.read + operator.written))
        if operator.flops:  # for each gradient a product of the same size, of the result's gradient and the other input
            numbers = operator.gradients * (operator.read + operator.written)
            step.append(Work(f"{operator.name} backward", operator.gradients * operator.flops, numbers))
        elif operator.gradients:
            step.append(Work(f"{operator.name} backward", 0, 2 * operator.read + operator.written))
    if hasattr(network, "decayed_weights"):
        penalised = sum(prod(weight.shape) for weight in network.decayed_weights())
        step.append(Work("L2 penalty", 0, PENALTY_NUMBERS * penalised))
    step.append(Work("Adam", 0, ADAM_NUMBERS * trainable(network)))
    return step


def trainable(network: paddle.nn.Layer) -> int:
    """How many numbers a network learns."""
    return sum(prod(parameter.shape) for parameter in network.parameters() if not parameter.stop_gradient)


def operators(network: paddle.nn.Layer, inputs: Sequence[np.ndarray]) -> list[Operator]:
    """The operators of a forward pass in their order, views of the same memory left out."""
    specs = [paddle.static.InputSpec(list(array.shape), str(array.dtype)) for array in inputs]
    with classic_graph():
        try:
            traced = paddle.jit.to_static(network, input_spec=specs, full_graph=True)
            block = traced.forward.concrete_program.main_program.global_block()
        finally:
            for layer in network.sublayers(include_self=True):  # what is traced stands before the class's own
                vars(layer).pop("forward", None)
        learnt = {parameter.name for parameter in network.parameters() if not parameter.stop_gradient}
        found = []
        for op in block.ops:
            wanted = learnt.intersection(op.input_arg_names)
            learnt.update(op.output_arg_names if wanted else ())
            if op.type not in VIEWS:
                found.append(_operator(op, block, len(wanted)))
        return found


@contextlib.contextmanager
def classic_graph() -> Iterator[None]:
    """Paddle 3 traces to another graph by itself; this is the one that both 2.6 and 3 have."""
    try:
        from paddle.pir_utils import OldIrGuard
    except ImportError:
        yield
        return
    with OldIrGuard():
        yield


def _operator(op: Any, block: Any, gradients: int) -> Operator:
    shapes = {name: block._find_var_recursive(name).shape for name in (*op.input_arg_names, *op.output_arg_names)}
    sizes = {name: max(0, prod(shape)) for name, shape in shapes.items()}  # of scratch memory the size is -1
    flops = 0
    if op.type in ("conv2d", "depthwise_conv2d"):
        flops = 2 * sizes[op.output("Output")[0]] * prod(shapes[op.input("Filter")[0]][1:])
    elif op.type == "conv2d_transpose":
        flops = 2 * sizes[op.input("Input")[0]] * prod(shapes[op.input("Filter")[0]][1:])
    elif op.type == "matmul_v2":
        a = shapes[op.input("X")[0]]
        flops = 2 * sizes[op.output("Out")[0]] * (a[-2] if op.attr("trans_x") else a[-1])
    read, written = (sum(sizes[name] for name in set(names)) for names in (op.input_arg_names, op.output_arg_names))
    return Operator(op.type, flops, read, written, gradients)

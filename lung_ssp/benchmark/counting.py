"""What a network's forward pass and training step compute and move, counted operator by operator, without running them.

The operators are those of Paddle's static graph, so whatever the layers really call is counted. Convolutions and matrix
products are counted in floating point operations, a multiplication and an addition each; elementwise operators are
bound by memory and counted in bytes alone.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import paddle

VIEWS = ("reshape2", "flatten_contiguous_range", "unbind", "assign", "shape", "slice", "share_data")
ADAM_ELEMENTS = 7  # a parameter, its gradient and two moments read; the parameter and the moments written
PENALTY_ELEMENTS = 6  # a weight read for its square; read, and its gradient written; that added to the other gradient


@dataclass(frozen=True)
class Operator:
    """One operator of the forward pass: its floating point operations, and the elements it reads and writes.

    gradients: how many of its inputs need a gradient; the image does not, nor what is made of it alone.
    """

    name: str
    flops: int
    read: int
    written: int
    gradients: int


@dataclass(frozen=True)
class Cost:
    """A part of a training step: its floating point operations, and the elements it reads and writes."""

    name: str
    flops: int
    elements: int


def count_flops(network: paddle.nn.Layer, shape: Sequence[int], training: bool) -> int:
    """The floating point operations of a training step, or of a forward pass alone; the network is left as it was.

    The backward pass repeats each product for the gradient of its weights and of its input, but for the image's.

    Args:
        network: with one input.
        shape: of the float32 images (n, channels, height, width).
    """
    found = operators(network, shape)
    return sum(part.flops for part in (step_costs(network, found) if training else found))


def step_costs(network: paddle.nn.Layer, found: Sequence[Operator]) -> list[Cost]:
    """The parts of a training step: forward pass, backward pass, L2 penalty where there is one, and Adam.

    Each operator reads its inputs and writes its outputs once; the losses but for the penalty are left out.
    """
    costs = []
    for operator in found:
        costs.append(Cost(operator.name, operator.flops, operator.read + operator.written))
        if operator.flops:  # for each gradient a product of the same size, of the result's gradient and the other input
            elements = operator.gradients * (operator.read + operator.written)
            costs.append(Cost(f"{operator.name} backward", operator.gradients * operator.flops, elements))
        elif operator.gradients:
            costs.append(Cost(f"{operator.name} backward", 0, 2 * operator.read + operator.written))
    if hasattr(network, "decayed_weights"):
        penalised = sum(prod(weight.shape) for weight in network.decayed_weights())
        costs.append(Cost("L2 penalty", 0, PENALTY_ELEMENTS * penalised))
    costs.append(Cost("Adam", 0, ADAM_ELEMENTS * trainable(network)))
    return costs


def trainable(network: paddle.nn.Layer) -> int:
    """The number of trainable parameters."""
    return sum(prod(parameter.shape) for parameter in network.parameters() if not parameter.stop_gradient)


def operators(network: paddle.nn.Layer, shape: Sequence[int]) -> list[Operator]:
    """The operators of a forward pass in their order, but for views of the same memory."""
    specs = [paddle.static.InputSpec(list(shape), "float32")]
    with static_graph():
        try:
            traced = paddle.jit.to_static(network, input_spec=specs, full_graph=True)
            block = traced.forward.concrete_program.main_program.global_block()
        finally:
            for layer in network.sublayers(include_self=True):  # tracing puts its own forward before the class's
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
def static_graph() -> Iterator[None]:
    """Trace to the static graph that both Paddle 2.6 and 3 have; by itself Paddle 3 traces to another one."""
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

"""Arithmetic that gives the same bits on every processor.

Sums, products, quotients and square roots are rounded alike everywhere (IEEE 754), however NumPy computes them. The
last bits of exponentials, logarithms, powers and trigonometric functions, and of products of matrices, depend on the
instructions that a processor has. So the generator gets by with the former; where it needs the latter, it computes
them in float64 and rounds the result so coarsely, to float32 at least, that the last bits vanish.
"""

import numpy as np

GRID = 2.0**-16  # of what is rounded: 15 nanometres, 15 millionths of a Hounsfield unit
HALVINGS = 6  # of the exponent in `decay`


def settle(values: np.ndarray) -> np.ndarray:
    """The values, float64 of any shape, rounded to multiples of GRID."""
    return np.rint(values / GRID) * GRID


def settled(value: float) -> float:
    """One number rounded to a multiple of GRID."""
    return round(value / GRID) * GRID


def decay(values: np.ndarray) -> np.ndarray:
    """exp(-values) to seven decimals for values from 0 on, by sums, products and a quotient; float of any shape.

    The Padé approximation (1 - y/2 + y^2/12) / (1 + y/2 + y^2/12) of exp(-y), at y = values / 64, to the power of 64.
    """
    y = np.minimum(values, 100) / 2**HALVINGS
    even, odd = 1 + y * y / 12, y / 2
    result = (even - odd) / (even + odd)
    for _ in range(HALVINGS):
        result = result * result
    return result


def length(vectors: np.ndarray) -> np.ndarray:
    """The lengths of vectors with three components, (..., 3) to (...)."""
    a, b, c = np.moveaxis(vectors, -1, 0)
    return np.sqrt(a * a + b * b + c * c)


def to_unit(vectors: np.ndarray) -> np.ndarray:
    """The vectors, (..., 3), with a length of 1."""
    return vectors / length(vectors)[..., None]


def cosines(directions: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The cosines of the angles between unit vectors, (n, 3) and (m, 3) to (n, m)."""
    a, b, c = (directions[:, i, None] * others[:, i] for i in range(3))
    return a + b + c

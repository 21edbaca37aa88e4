"""A plane across the chest, and the ellipses of which its organs are made."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lung_ssp.cohort.phantom import tissue
from lung_ssp.cohort.phantom.exact import settled

Array = np.ndarray


@dataclass(frozen=True)
class Ellipse:
    """An ellipse in a plane: its middle and half axes in mm, and its turn in radians from the left towards the back."""

    y: float
    x: float
    half_y: float
    half_x: float
    turn: float = 0.0


@dataclass(frozen=True, eq=False)
class Plane:
    """The pixels of a plane in mm: `y` float32 (rows, 1) towards the back, `x` float32 (1, columns) to the left."""

    y: Array
    x: Array

    @classmethod
    def of_axes(cls, y: Array, x: Array) -> "Plane":
        """The plane whose rows lie at `y` and whose columns lie at `x`."""
        return cls(y.astype(np.float32)[:, None], x.astype(np.float32)[None, :])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.y), self.x.shape[1]

    @property
    def pixel(self) -> np.float32:
        """Distance of the columns in mm."""
        return self.x[0, 1] - self.x[0, 0]

    @cached_property
    def around(self) -> Array:
        """The way round the chest from the spine (0) to the sternum (1), alike on both sides."""
        angle = np.arctan2(np.abs(self.x), self.y, dtype=np.float64)
        return (angle / np.pi).astype(np.float32)

    def near(self, ellipse: Ellipse, margin_mm: float) -> tuple[tuple[slice, slice], "Plane"]:
        """The part of the plane around an ellipse: where it lies in arrays of the plane, and the part itself."""
        reach = max(ellipse.half_y, ellipse.half_x) + margin_mm
        box = (
            slice(*np.searchsorted(self.y[:, 0], (ellipse.y - reach, ellipse.y + reach)).tolist()),
            slice(*np.searchsorted(self.x[0], (ellipse.x - reach, ellipse.x + reach)).tolist()),
        )
        return box, Plane(self.y[box[0]], self.x[:, box[1]])

    def depth_in(self, ellipse: Ellipse) -> Array:
        """How deep inside an ellipse each pixel lies, about in mm, negative outside."""
        y, x = self.y - np.float32(ellipse.y), self.x - np.float32(ellipse.x)
        if ellipse.turn:
            cosine, sine = np.float32(settled(math.cos(ellipse.turn))), np.float32(settled(math.sin(ellipse.turn)))
            y, x = cosine * y - sine * x, cosine * x + sine * y
        level = np.sqrt((y / np.float32(ellipse.half_y)) ** 2 + (x / np.float32(ellipse.half_x)) ** 2)
        return (1 - level) * np.float32(min(ellipse.half_y, ellipse.half_x))

    def fill(self, hu: Array, ellipse: Ellipse, material: float, uneven: Array | None = None) -> None:
        """Fill an ellipse with a material, in place; `uneven` moves its border, in mm."""
        box, part = self.near(ellipse, 4.0)
        depth = part.depth_in(ellipse)
        if uneven is not None:
            depth += uneven[box]
        hu[box] = tissue.cover(hu[box], material, np.clip(depth + 0.5, 0, 1))

    def fill_bone(self, hu: Array, ellipse: Ellipse) -> None:
        """Fill an ellipse with bone: cortex around marrow, in place."""
        box, part = self.near(ellipse, 1.0)
        hu[box] = tissue.add_bone(hu[box], part.depth_in(ellipse))


def squircle(y: Array, x: Array, half_y: float, half_x: float, squareness: float) -> Array:
    """How far outside a rounded rectangle a point lies, about in mm, negative inside.

    squareness: 0 for an ellipse, 1 for |y/half_y|^4 + |x/half_x|^4 = 1.
    """
    y2, x2 = (y / np.float32(half_y)) ** 2, (x / np.float32(half_x)) ** 2
    ellipse = y2 + x2
    square = np.sqrt(y2 * y2 + x2 * x2)
    level = np.sqrt(ellipse + np.float32(squareness) * (square - ellipse))
    return (level - 1) / np.maximum(level, np.float32(0.05)) * np.sqrt(y * y + x * x)


def smooth_step(value: float) -> float:
    """0 below 0, 1 above 1, and a smooth rise between."""
    value = min(max(value, 0.0), 1.0)
    return value * value * (3 - 2 * value)

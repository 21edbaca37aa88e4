"""The lobes in which a lesion or a cancer may lie, by what is recorded of its place."""

from typing import Literal

Side = Literal["right", "left"]

RIGHT = frozenset({"RUL", "RML", "RLL"})
LEFT = frozenset({"LUL", "LLL"})
LOBES = RIGHT | LEFT


def whole_lobe(lobe: str) -> str:
    """The lobe that a recorded place belongs to: the lingula is a part of the left upper lobe.

    NLST records it apart from the rest of that lobe, a segmentation into five lobes does not.
    """
    return "LUL" if lobe == "lingula" else lobe


def lobes_of_side(side: str) -> frozenset[str]:
    """The lobes of one lung."""
    return {"right": RIGHT, "left": LEFT}[side]


def possible_lobes(lobe: str | None, side: str | None) -> frozenset[str]:
    """The lobes in which something may lie, by its lobe or else by its side; empty where neither is known."""
    if lobe is not None:
        return frozenset({whole_lobe(lobe)})
    return lobes_of_side(side) if side is not None else frozenset()

"""What readers said of a nodule, as columns of a table: a value of each reader, joined by `;`."""

import math
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import PlainValidator

MOST_READERS = 20


def rating_list(greatest: int) -> Callable[[Any], tuple[int, ...]]:
    """Reads the ratings of all readers, "3;4;2": whole numbers from 1 to `greatest`."""

    def read(text: Any) -> tuple[int, ...]:
        parts = str(text).split(";")
        allowed = {str(value) for value in range(1, greatest + 1)}
        if not set(parts) <= allowed or len(parts) > MOST_READERS:
            raise ValueError(f"expected whole numbers from 1 to {greatest}, one of each reader, joined by ;")
        return tuple(map(int, parts))

    return read


def _overlaps(text: Any) -> tuple[float, ...]:
    """Dice of several readers, "0.78;0.81", or nothing."""
    try:
        values = tuple(float(part) for part in str(text).split(";")) if str(text) else ()
    except ValueError:
        values = (math.nan,)
    if not all(0 <= value <= 1 for value in values) or len(values) > MOST_READERS:
        raise ValueError("expected numbers from 0 to 1, joined by ;, or nothing")
    return values


def _overlap(text: Any) -> float | None:
    """A Dice, or nothing."""
    values = _overlaps(text)
    if len(values) > 1:
        raise ValueError("expected a number from 0 to 1, or nothing")
    return values[0] if values else None


OneToFour = Annotated[tuple[int, ...], PlainValidator(rating_list(4))]
OneToFive = Annotated[tuple[int, ...], PlainValidator(rating_list(5))]
OneToSix = Annotated[tuple[int, ...], PlainValidator(rating_list(6))]
Overlaps = Annotated[tuple[float, ...], PlainValidator(_overlaps)]
Overlap = Annotated[float | None, PlainValidator(_overlap)]

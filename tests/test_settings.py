"""The types that many settings share: what each takes and how it refuses the rest."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from lung_ssp.settings import Interval, NotNegativeRange, PositiveRange, Probability, Shares, ThreeShares, rising


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Interval, [-1000.0, 400.0]),
        (PositiveRange, [2.0, 2.0]),
        (NotNegativeRange, [0.0, 1.0]),
        (Probability, 1.0),
        (Shares, [0.1] * 10),
        (ThreeShares, [0.7, 0.1, 0.2]),
    ],
)
def test_what_is_possible_is_taken_as_it_is(kind: Any, value: object) -> None:
    assert TypeAdapter(kind).validate_python(value) == value


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (Interval, [400.0, 400.0], "must rise, but is 400 to 400"),
        (Interval, [1.0], "at least 2 items"),
        (PositiveRange, [2.0, 1.0], "must not fall, but is 2 to 1"),
        (PositiveRange, [0.0, 1.0], "greater than 0"),
        (NotNegativeRange, [-0.1, 1.0], "greater than or equal to 0"),
        (Probability, 1.1, "less than or equal to 1"),
        (Shares, [0.5, 0.4], r"must sum to 1, but sum to 0\.9"),
        (Shares, [1.5, -0.5], "less than or equal to 1"),
        (ThreeShares, [0.5, 0.5], "at least 3 items"),
    ],
)
def test_what_is_impossible_is_refused(kind: Any, value: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(kind).validate_python(value)


def test_no_limit_never_fails_to_rise() -> None:
    assert rising([None, 1.0]) == [None, 1.0]
    assert rising([1.0, None]) == [1.0, None]

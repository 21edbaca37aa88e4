"""The base of every group of settings, typed, documented, frozen and strict, and the types that many settings share."""

from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from lung_ssp.errors import cut

Limit = TypeVar("Limit", float, float | None)


class Settings(BaseModel):
    """A group of settings as read from YAML.

    Unknown keys, values of another type (a text where a number is expected) and later changes are errors.
    Each field carries its documentation and its unit in `Field(description=...)`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def first_problem(error: ValidationError) -> str:
    """The first invalid key and what is wrong with it; of what is no JSON at all, the latter alone."""
    problem = error.errors(include_url=False)[0]
    key, message = cut(".".join(map(str, problem["loc"]))), cut(problem["msg"])
    return f"{key}: {message}" if problem["loc"] else message


def rising(limits: list[Limit]) -> list[Limit]:
    """Two limits, the first below the second; None stands for no limit.

    Raises:
        ValueError: it is not.
    """
    low, high = limits
    if low is not None and high is not None and low >= high:
        raise ValueError(f"must rise, but is {low:g} to {high:g}")
    return limits


def not_falling(limits: list[float]) -> list[float]:
    """Two limits, the first not above the second.

    Raises:
        ValueError: it is.
    """
    low, high = limits
    if low > high:
        raise ValueError(f"must not fall, but is {low:g} to {high:g}")
    return limits


def summing_to_one(shares: list[float]) -> list[float]:
    """Numbers whose sum is 1.

    Raises:
        ValueError: it is not.
    """
    if abs(sum(shares) - 1) > 1e-6:
        raise ValueError(f"must sum to 1, but sum to {sum(shares):g}")
    return shares


Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=100_000)]
Seed = Annotated[int, Field(ge=0, lt=1 << 63)]  # what Paddle's generator takes

Two = Field(min_length=2, max_length=2)
Three = Field(min_length=3, max_length=3)

# Two limits that enclose something (a window of HU), or between which values are drawn (and which may be equal).
Interval = Annotated[list[float], Two, AfterValidator(rising)]
PositiveRange = Annotated[list[Positive], Two, AfterValidator(not_falling)]
NotNegativeRange = Annotated[list[NotNegative], Two, AfterValidator(not_falling)]

Shares = Annotated[list[Probability], AfterValidator(summing_to_one)]
ThreeShares = Annotated[Shares, Three]

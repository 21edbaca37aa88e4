"""The base of every group of settings: typed, documented, frozen, and strict about unknown keys."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A group of settings as read from YAML.

    Unknown keys, values of another type (a text where a number is expected) and later changes are errors.
    Each field carries its documentation and its unit in `Field(description=...)`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

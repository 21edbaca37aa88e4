"""From a tumour's histology (its ICD-O-3 morphology code) to the paper's classes, by a file that a user can replace."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import Field, field_validator

from lung_ssp.cohort.classes import CLASS_NAMES
from lung_ssp.config import load_config
from lung_ssp.errors import CohortError, ConfigError, shown
from lung_ssp.settings import Settings

SHIPPED_MAP = Path(__file__).with_name("histology.yml")


class HistologyClass(Settings):
    """One class of the file."""

    label: int = Field(ge=1, lt=len(CLASS_NAMES), description="1 to 8; no morphology is normal")
    name: str = Field(description="the class's name, as cohort/classes.py has it")
    codes: Annotated[list[int | str], Field(min_length=1)] = Field(
        description="morphologies of four digits, single (8140) or ranges with both ends (8070-8076)"
    )

    @field_validator("codes")
    @classmethod
    def _expanded(cls, codes: list[int | str]) -> list[int | str]:
        expanded: list[int | str] = []
        for code in codes:
            if not re.fullmatch(r"[89]\d{3}(-[89]\d{3})?", str(code)):
                raise ValueError(f"{code} is neither a morphology of four digits nor a range of two such as 8070-8076")
            ends = [int(end) for end in str(code).split("-")]
            if ends[0] > ends[-1]:
                raise ValueError(f"the range {code} falls")
            expanded.extend(range(ends[0], ends[-1] + 1))
        return expanded


class HistologyFile(Settings):
    """The whole file."""

    classes: list[HistologyClass] = Field(description="the classes and their codes")


@dataclass(frozen=True)
class HistologyMap:
    """A map from morphologies to classes.

    source: the file it was read from. classes: morphology -> class 1..8.
    """

    source: Path
    classes: dict[int, int]

    @classmethod
    def read(cls, path: str | Path | None = None) -> "HistologyMap":
        """The map of a file, or the one that is shipped.

        Raises:
            ConfigError: the file is no such map, a name does not belong to its label, or a code occurs twice in it.
        """
        source = SHIPPED_MAP if path is None else Path(path)
        classes: dict[int, int] = {}
        for entry in load_config(source, HistologyFile).settings.classes:
            if entry.name != CLASS_NAMES[entry.label]:
                names = f"is called {shown(entry.name)}, expected '{CLASS_NAMES[entry.label]}'"
                raise ConfigError(f"{source}: class {entry.label} {names}.")
            for code in map(int, entry.codes):
                if code in classes:
                    raise ConfigError(
                        f"{source}: the morphology {code} is in class {classes[code]} and again in class "
                        f"{entry.label}: keep it in one of them."
                    )
                classes[code] = entry.label
        return cls(source, classes)

    def class_of(self, codes: pd.Series) -> pd.Series:
        """The class 1..8 of each code (whole numbers, such as lc_morph), Int64 on the same index.

        Raises:
            CohortError: a code is not in the map, or is missing.
        """
        if missing := int(codes.isna().sum()):
            raise CohortError(f"{codes.name} is missing in {missing} rows: without it there is no class.")
        classes = codes.map(self.classes).astype("Int64")
        unlisted = codes[classes.isna()].value_counts().sort_index()
        if len(unlisted):
            listed = ", ".join(
                f"{code} ({count} {'row' if count == 1 else 'rows'})" for code, count in unlisted.items()
            )
            verb, subject = ("are", "them") if len(unlisted) > 1 else ("is", "it")
            raise CohortError(f"{codes.name} {listed} {verb} not in {self.source}: add {subject} to a class.")
        return classes

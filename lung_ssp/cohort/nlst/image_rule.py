"""The image diagnosis from what a screening reader recorded: an ordered rule in a data file.

NLST's readers named no histology, so a class can only be assumed from what they recorded. The rule states the
assumptions: the first entry whose conditions all hold gives the class, and every entry says why.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from lung_ssp.cohort.nlst.codes import ANSWERS, ATTENUATIONS, MARGINS, known_abnormalities
from lung_ssp.cohort.nlst.exams import Abnormality
from lung_ssp.config import load_config
from lung_ssp.errors import ConfigError, shown
from lung_ssp.settings import Settings, Two, rising

SHIPPED_RULES = Path(__file__).with_name("image_rules")

Codes = Annotated[list[int], Field(min_length=1), AfterValidator(known_abnormalities)]
Words = Annotated[list[str], Field(min_length=1)]
Limits = Annotated[list[float | None], Two, AfterValidator(rising)]
LobeName = Literal["RUL", "RML", "RLL", "LUL", "lingula", "LLL"]
SIZES = ("long_mm", "perpendicular_mm")
CONDITIONS = ("desc", "margins", "attenuation", "growth", "preexisting", "attenuation_change", "lobe", *SIZES)
ALLOWED_WORDS = {
    **{"margins": MARGINS, "attenuation": ATTENUATIONS},
    **dict.fromkeys(("growth", "preexisting", "attenuation_change"), ANSWERS),
}


class RuleEntry(Settings):
    """One entry: conditions that must all hold, what follows, and why. What was not recorded fulfils no condition."""

    desc: Codes | None = Field(None, description="codes of sct_ab_desc")
    margins: Words | None = Field(None, description="sct_margins, in the words of codes.py")
    attenuation: Words | None = Field(None, description="sct_pre_att, in the words of codes.py")
    growth: Words | None = Field(None, description="sct_ab_gwth: no, yes, unable to determine")
    preexisting: Words | None = Field(None, description="sct_ab_preexist, likewise")
    attenuation_change: Words | None = Field(None, description="sct_ab_attn, likewise")
    lobe: Annotated[list[LobeName], Field(min_length=1)] | None = Field(None, description="sct_epi_loc")
    long_mm: Limits | None = Field(None, description="from (included) and to (excluded) in mm; null: no limit")
    perpendicular_mm: Limits | None = Field(None, description="likewise")
    label: str = Field(description="the class, by its name")
    because: str = Field(min_length=1, description="the assumption behind the entry")

    @model_validator(mode="after")
    def _words_are_known(self) -> "RuleEntry":
        for name, allowed in ALLOWED_WORDS.items():
            for word in getattr(self, name) or ():
                if word not in allowed.values():
                    raise ValueError(f"{name} cannot be '{word}', it is one of {', '.join(allowed.values())}")
        return self

    @property
    def conditions(self) -> tuple[str, ...]:
        """The names of the conditions that are set."""
        return tuple(name for name in CONDITIONS if getattr(self, name) is not None)

    def holds(self, abnormality: Abnormality) -> bool:
        """Whether all conditions hold."""
        return all(_holds(name, getattr(self, name), getattr(abnormality, name)) for name in self.conditions)


def _holds(name: str, condition: Any, value: Any) -> bool:
    if value is None:
        return False
    if name not in SIZES:
        return value in condition
    low, high = condition
    return (low is None or value >= low) and (high is None or value < high)


class RuleFile(Settings):
    """The whole file."""

    classes: Words = Field(description="the classes of the image task, in the order of their labels 0, 1, ...")
    assumptions: str = Field(min_length=1, description="what the rule assumes as a whole")
    no_abnormality: str = Field(description="the class of an exam in which the reader recorded nothing")
    rules: Annotated[list[RuleEntry], Field(min_length=1)] = Field(description="the first one that holds decides")

    @model_validator(mode="after")
    def _is_complete(self) -> "RuleFile":
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("a class is named twice")
        for label in (self.no_abnormality, *(rule.label for rule in self.rules)):
            if label not in self.classes:
                raise ValueError(f"the label '{label}' is none of the classes {', '.join(self.classes)}")
        for number, rule in enumerate(self.rules, start=1):
            if not rule.conditions and number < len(self.rules):
                raise ValueError(f"rule {number} has no conditions, so that those after it never apply")
        if self.rules[-1].conditions:
            raise ValueError("the last rule must have no conditions, so that every abnormality gets a class")
        return self


@dataclass(frozen=True)
class ImageRule:
    """A rule that gives every abnormality an image label.

    classes: names of the labels 0, 1, ... nothing: label of an exam without any abnormality. assumptions: in words.
    """

    classes: tuple[str, ...]
    nothing: int
    assumptions: str
    rules: tuple[RuleEntry, ...]

    @classmethod
    def read(cls, name_or_path: str | Path) -> "ImageRule":
        """A shipped rule by its name (nine_classes, appearance), or one's own by the path of its YAML file.

        Raises:
            ConfigError: there is no such rule, or the file is no rule.
        """
        shipped = {path.stem: path for path in SHIPPED_RULES.glob("*.yml")}
        path = shipped.get(str(name_or_path), Path(name_or_path))
        if not path.is_file():
            names = ", ".join(sorted(shipped))
            raise ConfigError(f"There is no image rule {shown(name_or_path)}: give one of {names}, or a YAML file.")
        contents = load_config(path, RuleFile).settings
        return cls(
            classes=tuple(contents.classes),
            nothing=contents.classes.index(contents.no_abnormality),
            assumptions=contents.assumptions,
            rules=tuple(contents.rules),
        )

    def label(self, abnormality: Abnormality) -> int:
        """The label of an abnormality: that of the first entry that holds."""
        return self.classes.index(next(rule for rule in self.rules if rule.holds(abnormality)).label)

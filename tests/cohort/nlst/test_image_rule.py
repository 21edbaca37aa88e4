"""The image diagnosis from what a screening reader recorded."""

import itertools
from pathlib import Path

import pytest

from lung_ssp.cohort.classes import CLASS_NAMES
from lung_ssp.cohort.nlst.codes import ATTENUATIONS, DESCRIPTIONS, MARGINS
from lung_ssp.cohort.nlst.exams import Abnormality
from lung_ssp.cohort.nlst.image_rule import ImageRule
from lung_ssp.errors import ConfigError

NORMAL, ADENO, SQUAMOUS, ALVEOLAR, LARGE, SMALL, CARCINOID, PLEOMORPHIC, UNCLASSIFIED = range(9)


def nodule(margins: str | None, attenuation: str | None, long_mm: float | None, **others) -> Abnormality:
    return Abnormality(
        number=1, desc=others.pop("desc", 51), margins=margins, attenuation=attenuation, long_mm=long_mm, **others
    )


@pytest.mark.parametrize(
    ("abnormality", "label"),
    [
        (nodule(None, None, None, desc=53), NORMAL),
        (nodule(None, None, None, desc=59), NORMAL),
        (nodule(None, None, None, desc=56), SMALL),
        (nodule("smooth", "fat", 25.0), NORMAL),
        (nodule("poorly defined", "ground glass", 60.0), ALVEOLAR),
        (nodule("spiculated", "mixed", 60.0), ADENO),
        (nodule("spiculated", "soft tissue", 7.0), ADENO),
        (nodule("spiculated", "soft tissue", 49.9), ADENO),
        (nodule("spiculated", "soft tissue", 50.0), PLEOMORPHIC),
        (nodule("poorly defined", "soft tissue", 50.0), PLEOMORPHIC),
        (nodule("poorly defined", "soft tissue", 10.0), SQUAMOUS),
        (nodule("poorly defined", "soft tissue", 9.0), NORMAL),
        (nodule("smooth", "soft tissue", 30.0), LARGE),
        (nodule("smooth", "soft tissue", 29.0), CARCINOID),
        (nodule("smooth", "soft tissue", 29.0, growth="yes"), SMALL),
        (nodule("smooth", "soft tissue", 6.0, growth="yes"), SMALL),
        (nodule("smooth", "soft tissue", 19.0, growth="no"), UNCLASSIFIED),
        (nodule("smooth", "soft tissue", 9.9), NORMAL),
        (nodule("unable to determine", "unable to determine", 12.0), UNCLASSIFIED),
        (nodule(None, None, None), UNCLASSIFIED),
    ],
)
def test_the_rule_onto_nine_classes(abnormality: Abnormality, label: int) -> None:
    rule = ImageRule.read("nine_classes")
    assert rule.classes == CLASS_NAMES and rule.nothing == NORMAL and rule.assumptions
    assert rule.label(abnormality) == label


@pytest.mark.parametrize(
    ("abnormality", "label"),
    [
        (nodule(None, None, None, desc=62), 0),
        (nodule("smooth", "soft tissue", 30.0), 1),
        (nodule("spiculated", "soft tissue", 5.0), 2),
        (nodule("poorly defined", "soft tissue", 5.0), 2),
        (nodule("smooth", "ground glass", 5.0), 3),
        (nodule("spiculated", "mixed", 5.0), 3),
        (nodule("smooth", "fluid", 5.0), 4),
        (nodule("unable to determine", "soft tissue", 5.0), 4),
        (nodule(None, None, None), 4),
    ],
)
def test_the_rule_of_appearances(abnormality: Abnormality, label: int) -> None:
    rule = ImageRule.read("appearance")
    assert len(rule.classes) == 5 and rule.nothing == 0
    assert rule.label(abnormality) == label


@pytest.mark.parametrize("name", ["nine_classes", "appearance"])
def test_every_entry_says_why_and_decides_something(name: str) -> None:
    rule = ImageRule.read(name)
    records = [
        nodule(margins, attenuation, size, desc=desc, growth=growth)
        for desc, margins, attenuation, size, growth in itertools.product(
            DESCRIPTIONS, (None, *MARGINS.values()), (None, *ATTENUATIONS.values()), (5.0, 25.0, 60.0), (None, "yes")
        )
    ]
    used = {next(index for index, entry in enumerate(rule.rules) if entry.holds(record)) for record in records}
    assert used == set(range(len(rule.rules)))
    assert all(entry.because.endswith(".") for entry in rule.rules)


def test_what_was_not_recorded_fulfils_no_condition(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(
        "classes: [a, b]\nassumptions: none\nno_abnormality: a\nrules:\n"
        "  - {lobe: [RUL], perpendicular_mm: [null, 5], label: b, because: of the place}\n"
        "  - {label: a, because: else}\n"
    )
    rule = ImageRule.read(path)
    assert rule.label(Abnormality(1, 51, lobe="RUL", perpendicular_mm=4.9)) == 1
    assert rule.label(Abnormality(1, 51, lobe="RUL", perpendicular_mm=5.0)) == 0
    assert rule.label(Abnormality(1, 51, lobe="RUL")) == 0
    assert rule.label(Abnormality(1, 51, perpendicular_mm=4.9)) == 0


LAST = "{label: a, because: else}"


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (
            f"[{{margin: [smooth], label: a, because: x}}, {LAST}]",
            r"rules\.0\.margin is not a setting \(did you mean margins",
        ),
        (f"[{{margins: [sharp], label: a, because: x}}, {LAST}]", "margins cannot be 'sharp', it is one of spiculated"),
        (f"[{{desc: [50], label: a, because: x}}, {LAST}]", "50 is no code of sct_ab_desc"),
        (f"[{{lobe: [upper], label: a, because: x}}, {LAST}]", r"rules\.0\.lobe\.0"),
        (f"[{{growth: [yes], label: a, because: x}}, {LAST}]", "valid string"),
        (
            f"[{{long_mm: [5, 5], label: a, because: x}}, {LAST}]",
            r"rules\.0\.long_mm is \[5, 5\]: must rise, but is 5 to 5",
        ),
        (f"[{{long_mm: [5], label: a, because: x}}, {LAST}]", "at least 2 items"),
        (f"[{{margins: [smooth], label: c, because: x}}, {LAST}]", "the label 'c' is none of the classes a, b"),
        (f"[{{margins: [smooth], label: a}}, {LAST}]", r"rules\.0\.because is missing"),
        (f"[{LAST}, {LAST}]", "rule 1 has no conditions"),
        ("[{margins: [smooth], label: a, because: x}]", "the last rule must have no conditions"),
        ("[]", "at least 1 item"),
    ],
)
def test_a_faulty_rule_is_refused(tmp_path: Path, rules: str, message: str) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(f"classes: [a, b]\nassumptions: none\nno_abnormality: a\nrules: {rules}\n")
    with pytest.raises(ConfigError, match=message):
        ImageRule.read(path)


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(ConfigError, match="no image rule 'nine': give one of appearance, nine_classes, or a YAML file"):
        ImageRule.read("nine")

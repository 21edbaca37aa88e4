"""What cohort.json says: written, read back, and refused where it is not what was written."""

from pathlib import Path

import pytest

from lung_ssp.cohort.classes import CLASS_NAMES
from lung_ssp.cohort.description import (
    BayesAccuracy,
    CohortCounts,
    CohortDescription,
    GeneratorDescription,
    NlstDescription,
    read_cohort,
    read_cohorts,
    write_cohort,
)
from lung_ssp.cohort.settings import SplitSettings
from lung_ssp.cohort.slides.settings import SlideSettings
from lung_ssp.ct.settings import SectionSettings
from lung_ssp.errors import CohortError
from lung_ssp.files import read_json, write_json

MINE = CohortDescription(
    name="mine", synthetic=False, origin="my clinic", fingerprint="1234", key="56", section=SectionSettings()
)


def test_a_description_comes_back_as_it_was(tmp_path: Path) -> None:
    full = MINE.model_copy(
        update={
            "leaky": True,
            "split": SplitSettings(shares=[0.5, 0.25, 0.25], seed=3),
            "tiles": SlideSettings(),
            "image_classes": ("solid", "ground glass"),
            "counts": CohortCounts(sections={"train": 2}, classes={"train": {"image": [1, 1]}}, lesions_in_scans=4),
            "generator": GeneratorDescription(
                format=1,
                seed=2,
                settings={"scans": {"size": 64}},
                agreement={"train": 0.5, "test": None},
                bayes_accuracy=BayesAccuracy(test=0.5, population=1, sample=10, statement="none"),
            ),
            "nlst": NlstDescription(sources={"mask": {"a": 1}}, candidates_found_by=None, slides_that_failed={}),
        }
    )
    for description in (MINE, full):
        write_cohort(tmp_path, description)
        assert read_cohort(tmp_path) == description


def test_a_folder_without_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="holds no prepared cohort: prepare one first with lung-ssp prepare"):
        read_cohort(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fingerprint": None}, "fingerprint: Input should be a valid string"),
        ({"section": {"size": "28"}}, r"section\.size: Input should be a valid integer"),
        ({"ceiling": 1}, "ceiling: Extra inputs are not permitted"),
        ({"counts": {"sections": {"train": "many"}}}, r"counts\.sections\.train: "),
    ],
)
def test_the_key_at_fault_is_named(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    write_cohort(tmp_path, MINE)
    write_json(tmp_path / "cohort.json", read_json(tmp_path / "cohort.json") | changes)
    with pytest.raises(CohortError, match=rf"cohort\.json is damaged or of another version of the program \({message}"):
        read_cohort(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"5"])
def test_what_is_no_description_at_all_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cohort.json").write_bytes(content)
    with pytest.raises(CohortError, match="is damaged or of another version of the program"):
        read_cohort(tmp_path)


def test_the_statement_tells_the_origin_the_fingerprint_and_a_leaky_split() -> None:
    assert MINE.statement == "my clinic (mine, fingerprint 1234)"
    synthetic = MINE.model_copy(update={"synthetic": True})
    assert synthetic.statement == "SYNTHETIC cohort: no number here is about patients (mine, fingerprint 1234)"
    assert MINE.model_copy(update={"leaky": True}).statement.startswith("LEAKY split")


def test_the_image_diagnosis_may_have_classes_of_its_own() -> None:
    assert MINE.class_names == {"image": CLASS_NAMES, "pathology": CLASS_NAMES}
    other = MINE.model_copy(update={"image_classes": ("solid", "ground glass")})
    assert other.class_names == {"image": ("solid", "ground glass"), "pathology": CLASS_NAMES}


def test_cohorts_that_are_learned_from_together_say_so(tmp_path: Path) -> None:
    phantoms = MINE.model_copy(
        update={"name": "phantoms", "synthetic": True, "fingerprint": "99", "leaks": ("a leak",)}
    )
    for name, description in (("one", MINE), ("two", phantoms)):
        write_cohort(tmp_path / name, description)
    assert read_cohorts([tmp_path / "one"]) == MINE
    together = read_cohorts([tmp_path / "one", tmp_path / "two"])
    assert together.name == "mine + phantoms" and not together.synthetic and together.leaks == ("a leak",)
    assert "2 cohorts together: my clinic (mine, fingerprint 1234) | LEAKY" in together.statement
    assert "SYNTHETIC cohort: no number here is about patients (phantoms, fingerprint 99)" in together.statement
    assert together.fingerprint not in ("1234", "99")
    assert together.fingerprint != read_cohorts([tmp_path / "two", tmp_path / "one"]).fingerprint
    assert read_cohorts([tmp_path / "two", tmp_path / "two"]).synthetic

"""What stands beside the numbers of a finding: what their weights have learnt from."""

from dataclasses import replace

from lung_ssp.diagnosis.learnt_from import Weights, heading, learnt_from, mark_of, training_statement

PHANTOMS = Weights(
    3, "aa", False, "sections", True, "SYNTHETIC cohort: no number here is about patients (sections)", "1"
)
PATIENTS = Weights(4, "bb", True, "nodules", False, "5 REAL patients; CC BY 3.0; Armato (nodules)", "2")
CLASSIFIER = replace(PATIENTS, labelled={"image": 1234, "pathology": 7}, orientations=8, temperatures={"image": 0.5})


def test_each_number_says_what_its_weights_have_learnt_from() -> None:
    assert learnt_from({"segmentation": PHANTOMS, "classification": CLASSIFIER}) == {
        "score": "a SYNTHETIC cohort (sections)",
        "image": "REAL patients (nodules, 1,234 sections with readers' opinions)",
        "pathology": "REAL patients (nodules, 7 sections with a pathology diagnosis)",
    }


def test_the_heading_names_every_number_and_its_temperature() -> None:
    assert heading({"segmentation": PATIENTS, "classification": CLASSIFIER}) == [
        "score learnt from REAL patients (nodules)",
        "image diagnosis learnt from REAL patients (nodules, 1,234 sections with readers' opinions), calibrated by the "
        "temperature 0.50",
        "pathology diagnosis learnt from REAL patients (nodules, 7 sections with a pathology diagnosis)",
    ]


def test_the_second_stage_says_it_too() -> None:
    weights = {"segmentation": PATIENTS, "classification": CLASSIFIER, "candidates": PHANTOMS}
    assert learnt_from(weights)["nodule_probability"] == "a SYNTHETIC cohort (sections)"
    assert heading(weights)[0] == "nodule probability learnt from a SYNTHETIC cohort (sections)"


def test_cohorts_together_and_leaky_ones_are_told() -> None:
    both = replace(PATIENTS, cohort_statement="2 cohorts together: 5 REAL patients | SYNTHETIC cohort: no number here")
    leaky = replace(PATIENTS, cohort_statement=f"LEAKY split, patients on both sides; {PATIENTS.cohort_statement}")
    words = learnt_from({"segmentation": both, "classification": leaky})
    assert words["score"] == "REAL patients and a SYNTHETIC cohort (nodules)"
    assert words["image"] == "a LEAKY split of REAL patients (nodules)"


def test_what_is_synthetic_in_part_is_marked() -> None:
    assert mark_of("REAL patients and a SYNTHETIC cohort (x)") == mark_of("a SYNTHETIC cohort (x)") == " [SYNTHETIC]"
    assert mark_of("REAL patients (x)") == ""


def test_the_statement_has_licence_and_citation_and_says_what_came_with_the_package() -> None:
    said = training_statement({"segmentation": PHANTOMS, "classification": CLASSIFIER})
    assert "classification bb (of the package) on: 5 REAL patients; CC BY 3.0; Armato (nodules)" in said
    assert "segmentation aa on: SYNTHETIC" in said

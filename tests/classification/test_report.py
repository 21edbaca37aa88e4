"""The report of a classification run, word for word."""

from dataclasses import replace

from lung_ssp.classification.metrics import Baselines, ClassificationMetrics, SlideAblation, TaskMetrics
from lung_ssp.classification.report import text_report
from lung_ssp.cohort.description import BayesAccuracy
from lung_ssp.training.run import BestCheckpoint

NOTHING = TaskMetrics(0, None, None, None, None, None)
ONE_CLASS = TaskMetrics(4, 0.75, 0.75, None, (None, None), ((3, 1), (0, 0)))
BOTH = TaskMetrics(40, 0.425, 0.5, 0.625, (0.625, 0.625), ((10, 3), (20, 7)))
MEASURED = ClassificationMetrics(
    statement="SYNTHETIC",
    synthetic=True,
    fingerprint="abcd",
    checkpoint=BestCheckpoint(7, "accuracy", 0.5, "00ff"),
    sharing="partial_soft_sharing",
    inputs="CT sections",
    classes={},
    comparisons={
        "image_against_reader": BOTH,
        "image_against_pathology": ONE_CLASS,
        "pathology_against_pathology": NOTHING,
    },
    for_comparison=Baselines(0.5, 0.75, BayesAccuracy(test=0.8, population=0.75, sample=9, statement="known")),
    mean_alphas={"fc3": ((1.0, 0.25), (0.0, 0.75))},
    slides=None,
)
TABLE = """\
SYNTHETIC
sharing: partial_soft_sharing
inputs: CT sections
checkpoint: step 7, the best on the validation sections

                               sections  accuracy  balanced  macro AUC
image against reader                 40    0.4250    0.5000     0.6250
image against pathology               4    0.7500    0.7500          -
pathology against pathology           0
"""
SLIDES = """
slide ablation (4 test sections have a slide):
with slide:
image against pathology               4    0.7500    0.7500          -
same sections without slide:
image against pathology               0
all sections without slide:
image against pathology              40    0.4250    0.5000     0.6250
(a rule)
"""
REFERENCES = """
for comparison:
  most common class: 0.5000
  reader against pathology: 0.7500
  bayes accuracy of the pathology, test: 0.8000
  bayes accuracy of the pathology, population: 0.7500
  bayes accuracy of the pathology, sample: 9
  bayes accuracy of the pathology, statement: known
"""
ALPHAS = """
mean alphas (image from image, image from pathology; pathology from image, from pathology):
  fc3      1.0000   0.2500;   0.0000   0.7500
"""


def test_a_network_of_one_input() -> None:
    assert text_report(MEASURED) == TABLE + REFERENCES + ALPHAS


def test_the_slide_ablation_follows_the_table() -> None:
    with_slide, without, every = ({"image_against_pathology": metrics} for metrics in (ONE_CLASS, NOTHING, BOTH))
    slides = SlideAblation("a rule", 4, with_slide, without, every)
    assert text_report(replace(MEASURED, slides=slides)) == TABLE + SLIDES + REFERENCES + ALPHAS


def test_what_is_not_known_has_no_line() -> None:
    unknown = replace(MEASURED, for_comparison=Baselines(None, None, None), mean_alphas={})
    assert text_report(unknown) == f"{TABLE}\nfor comparison:\n"

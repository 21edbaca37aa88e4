"""The description of a prepared cohort, <root>/cohort.json: written here, read here, copied into every run's folder."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, JsonValue

from lung_ssp.cohort.classes import CLASS_NAMES
from lung_ssp.cohort.settings import SplitSettings
from lung_ssp.cohort.slides.settings import SlideSettings
from lung_ssp.ct.settings import SectionSettings
from lung_ssp.errors import CohortError, DamagedFile
from lung_ssp.files import write_json
from lung_ssp.records import read_record
from lung_ssp.settings import Settings

COHORT_FILE = "cohort.json"
LONGEST_NAME, LONGEST_ORIGIN = 200, 5000  # characters
PHANTOM_MAKER = "PHANTOM"  # the maker that the SeriesDescription of a synthetic scan names


class CohortCounts(Settings):
    """How many of what a cohort holds, by the name of the split; empty where it holds none."""

    sections: dict[str, int] = Field(default_factory=dict, description="labelled sections")
    patients: dict[str, int] = Field(default_factory=dict, description="patients with a section")
    classes: dict[str, dict[str, list[int]]] = Field(
        default_factory=dict, description="sections of the classes 0..8, by split and task"
    )
    scans: dict[str, int] = Field(default_factory=dict, description="CT series")
    lesions_in_scans: int = Field(0, ge=0, description="lesions in all CT series together")
    slides: dict[str, int] = Field(default_factory=dict, description="pathology slides")
    tiles: dict[str, int] = Field(default_factory=dict, description="tiles of the pathology slides")


class BayesAccuracy(Settings):
    """How often the most probable class, given all that the generator knows of a lesion, is its pathology."""

    test: float = Field(ge=0, le=1, description="on the test sections")
    population: float = Field(ge=0, le=1, description="on a large sample with the test split's shares of the classes")
    sample: int = Field(ge=1, description="how many sections that sample has")
    statement: str = Field(description="what the number says, and what it does not")


class GeneratorDescription(Settings):
    """How a synthetic cohort was generated."""

    format: int = Field(description="version of the generator")
    seed: int = Field(ge=0, description="of all that it draws")
    settings: dict[str, JsonValue] = Field(description="its settings, as in the configuration")
    agreement: dict[str, float | None] = Field(
        description="by split, the share of the sections of known pathology in which the reader names it; null: none"
    )
    bayes_accuracy: BayesAccuracy = Field(description="the best accuracy that any classifier can expect")


class NlstDescription(Settings):
    """Where the samples of a cohort from NLST's images and tables come from."""

    sources: dict[str, dict[str, int]] = Field(
        description="how many samples each source of the positions and of either label gave"
    )
    candidates_found_by: str | None = Field(description="the cohort that the candidate finder was trained on")
    slides_that_failed: dict[str, str] = Field(description="slides that could not be read, and why")


class BinaryDiagnosis(Settings):
    """Two sides of a task's classes, of which one is told from the other; classes of neither side are left out."""

    negative: tuple[int, ...] = Field(min_length=1, description="classes 0, 1, ... that are benign")
    positive: tuple[int, ...] = Field(min_length=1, description="classes that are malignant")


class NoduleDescription(Settings):
    """A cohort of patients' nodules from an archive (cohort/nodules): whose they are, and how they were divided."""

    licence: str = Field(description="of the data")
    citation: str = Field(description="of the data")
    nodules: int = Field(ge=1, description="in all splits")
    patients: int = Field(ge=1, description="in all splits")
    folds: int = Field(ge=2, description="folds by patient")
    fold_seed: int = Field(ge=0, description="of the division into folds")
    test_fold: Annotated[int, Field(ge=0)] | None = Field(
        description="the fold that is the test split; the next one is the validation split; null: there is no test "
        "split, and fold 0 is the validation split"
    )
    tissue_proven_only: bool = Field(description="whether pathology diagnoses without tissue count as none")
    binary: dict[str, BinaryDiagnosis] = Field(description="by task, what is told from what")


class PublicDescription(Settings):
    """The public collection that a cohort was made from."""

    collection: str = Field(description="collection_id in the index of the Imaging Data Commons")
    licences: dict[str, int] = Field(description="how many of its series have each licence")
    citation: list[str] = Field(description="what its users cite")
    annotations: str = Field(description="what its lesions were read from")
    consensus: float | None = Field(description="share of a nodule's readers that a voxel needs; null: no readers")
    labels: str | None = Field(None, description="where the labels of its nodules come from; null: not by rules")


class CohortDescription(Settings):
    """What cohort.json says of a prepared cohort."""

    name: str = Field(min_length=1, max_length=LONGEST_NAME, description="what outputs call the cohort")
    synthetic: bool = Field(description="whether it is of phantoms: every output says so")
    origin: str = Field(min_length=1, max_length=LONGEST_ORIGIN, description="where its images and labels come from")
    leaky: bool = Field(False, description="whether patients are on both sides of the splits, to show what that costs")
    leaks: tuple[str, ...] = Field(
        (), description="what is on both sides of the splits under two patients' names (cohort/leaks.py)"
    )
    fingerprint: str = Field(min_length=1, max_length=64, description="of its contents (cohort/fingerprint.py)")
    key: str = Field(max_length=200, description="hash of all that it was made from")
    section: SectionSettings = Field(description="how its sections were made")
    split: SplitSettings | None = Field(None, description="how patients were divided; null: not by chance")
    tiles: SlideSettings | None = Field(None, description="how its tiles were cut; null: it has none")
    image_classes: tuple[str, ...] = Field(CLASS_NAMES, description="names of the classes of the image diagnosis")
    pathology_classes: tuple[str, ...] = Field(
        CLASS_NAMES, description="names of the classes of the pathology diagnosis"
    )
    counts: CohortCounts = Field(CohortCounts(), description="how much it holds")
    generator: GeneratorDescription | None = Field(None, description="of a synthetic cohort of the package's own")
    nlst: NlstDescription | None = Field(None, description="of a cohort from NLST's images and tables")
    nodules: NoduleDescription | None = Field(None, description="of a cohort of nodules from an archive")
    public: PublicDescription | None = Field(None, description="of a cohort from another public collection")

    @property
    def class_names(self) -> dict[str, tuple[str, ...]]:
        """The names of each task's classes (cohort/nlst/image_rule.py and cohort/nodules/rules.py give their own)."""
        return {"image": self.image_classes, "pathology": self.pathology_classes}

    @property
    def has_test_split(self) -> bool:
        """Whether there are patients to test on; a cohort of nodules may do without."""
        return self.nodules is None or self.nodules.test_fold is not None

    @property
    def statement(self) -> str:
        """The sentence that every output carries: what the numbers come from, with the fingerprint."""
        origin = "SYNTHETIC cohort: no number here is about patients" if self.synthetic else self.origin
        leak = "LEAKY split, patients on both sides: its figures are too good; " if self.leaky or self.leaks else ""
        return f"{leak}{origin} ({self.name}, fingerprint {self.fingerprint})"


def read_cohorts(roots: Sequence[Path]) -> CohortDescription:
    """The description of the prepared cohorts that a run learns from together: of one it is its own.

    Of several it is the first one's, whose origin and fingerprint are those of all, and which is synthetic only if all
    of them are; the origin calls phantoms SYNTHETIC.

    Raises:
        CohortError: one is missing or damaged.
    """
    cohorts = [read_cohort(root) for root in roots]
    first = cohorts[0]
    if len(cohorts) == 1:
        return first
    statements = " | ".join(cohort.statement for cohort in cohorts)
    prints = "\n".join(cohort.fingerprint for cohort in cohorts)
    return first.model_copy(
        update={
            "name": " + ".join(cohort.name for cohort in cohorts)[:LONGEST_NAME],
            "synthetic": all(cohort.synthetic for cohort in cohorts),
            "origin": f"{len(cohorts)} cohorts together: {statements}"[:LONGEST_ORIGIN],
            "leaky": any(cohort.leaky for cohort in cohorts),
            "leaks": tuple(leak for cohort in cohorts for leak in cohort.leaks),
            "fingerprint": hashlib.sha256(prints.encode()).hexdigest()[:16],
        }
    )


def write_cohort(root: Path, description: CohortDescription) -> None:
    """Write <root>/cohort.json, atomically."""
    write_json(Path(root) / COHORT_FILE, description.model_dump(mode="json"))


def read_cohort(folder: Path) -> CohortDescription:
    """Read the cohort.json of a prepared cohort, or the copy in the folder of a run.

    Raises:
        CohortError: there is none, or it is damaged or foreign; the first invalid key is named.
    """
    path = Path(folder) / COHORT_FILE
    if not path.is_file():
        raise CohortError(f"{folder} holds no prepared cohort: prepare one first with lung-ssp prepare.")
    try:
        return read_record(path, CohortDescription, "remove the folder and make it again")
    except DamagedFile as error:
        raise CohortError(str(error)) from error

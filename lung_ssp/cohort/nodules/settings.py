"""Settings of a cohort of nodules from an archive."""

from typing import Annotated, Literal

from pydantic import Field

from lung_ssp.cohort.settings import CohortSettings
from lung_ssp.ct.settings import SectionSettings
from lung_ssp.settings import Settings

FOLDS = 5


class SourceSettings(Settings):
    """Whose nodules an archive holds; every output that shows a number or a picture of them says so."""

    origin: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$", description="name of the data")
    licence: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$", description="of the data")
    citation: str = Field(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$", description="of the data")
    synthetic: bool = Field(False, description="whether they are no patients': every output says so")


class NoduleCohortSettings(CohortSettings):
    """A cohort from an archive of nodules: its folder, its rules and its folds."""

    archive: str = Field(min_length=1, description="folder with lidc_nodules.npz, nodules.csv and slices.csv")
    source: SourceSettings = Field(description="where the archive's nodules come from")
    malignancy: str = Field(
        "nodules/malignancy.yml", min_length=1, description="rule of the image diagnosis: a file, or a shipped one"
    )
    diagnosis: str = Field(
        "nodules/diagnosis.yml", min_length=1, description="rule of the pathology diagnosis, likewise"
    )
    tissue_proven_only: bool = Field(
        False, description="leave out pathology diagnoses that no biopsy or resection proves"
    )
    fold_seed: int = Field(0, ge=0, lt=2**32, description="of the division into five folds by patient")
    test_fold: Annotated[int, Field(ge=0, lt=FOLDS)] | Literal["none"] = Field(
        0,
        description="the test split; the next fold is the validation split. none: fold 0 is the validation split, all "
        "others train, and nothing is left to test on",
    )
    train_slices: int = Field(
        1, ge=1, le=9, description="sections of a training nodule, of its largest slices; a small one has fewer"
    )

    @property
    def tested(self) -> int | None:
        """The fold that is the test split, None for none."""
        return None if self.test_fold == "none" else self.test_fold


class NodulePreparationSettings(Settings):
    """A configuration file that prepares a cohort from an archive of nodules."""

    task: Literal["nodules"] = Field(description="which task this file is for")
    cohort: NoduleCohortSettings = Field(description="the cohort, and where it goes")
    section: SectionSettings = Field(SectionSettings(), description="the section of a nodule")

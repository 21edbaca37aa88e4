"""Settings of the false-positive reduction, its data and its loss. Imports no Paddle."""

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from lung_ssp.ct.settings import PatchSettings
from lung_ssp.settings import Interval, PositiveRange, Probability, Settings
from lung_ssp.training.settings import DatasetSettings, OptimizerSettings, SchedulerSettings, TrainingSettings

LEVELS = 4  # of the network; three poolings between them
MOST_WEIGHTS = 300_000


class CandidateClassifierSettings(Settings):
    """A small convolutional network: two 3x3 convolutions with batch normalisation at each of four sizes."""

    type: Literal["CandidateClassifier"] = Field("CandidateClassifier", description="the network")
    width: int = Field(
        16, ge=1, le=64, description="channels of the full size; at the smaller ones 1.5, 2 and 3 times as many"
    )
    fully_connected: int = Field(32, ge=1, le=1024, description="features of the fully connected layer")
    keep_probability: float = Field(0.7, gt=0, le=1, description="of dropout before and after that layer")


class CandidateAugmentationSettings(Settings):
    """How a training patch is changed at random; false candidates and nodules alike."""

    flip: bool = Field(True, description="mirror left-right, front-back and up-down, each half of the time")
    rotation_degrees: float = Field(180.0, ge=0, le=180, description="largest turn to either side")
    scale: PositiveRange = Field([0.85, 1.18], description="smallest and largest magnification")
    shift_mm: float = Field(2.0, ge=0, le=20, description="largest shift of the centre in the plane, along each axis")
    neighbour_dropout: Probability = Field(
        0.2, description="how often the slices beyond a random one are replaced by it, as at a nodule's end"
    )
    mirrored_border: Probability = Field(
        0.3,
        description="how often a side is mirrored beyond a random line, as beyond the border of an archive's slices",
    )
    blur_pixels: float = Field(0.8, ge=0, le=50, description="largest standard deviation of a Gaussian blur")
    noise_hu: float = Field(40.0, ge=0, description="largest standard deviation of added noise in HU")
    contrast: float = Field(0.1, ge=0, lt=1, description="largest relative change of the distance from air")
    shift_hu: float = Field(20.0, ge=0, description="largest shift in HU")


class CandidateSplitSettings(DatasetSettings):
    """The candidates of one split of a prepared cohort."""

    type: Literal["CandidateDataset"] = Field("CandidateDataset", description="the data set")
    mode: Literal["train", "validation", "test"] = Field(description="the split")


class CandidateTrainingSettings(CandidateSplitSettings):
    """The candidates to learn from: each batch has the same shares of all sources, and of nodules in them."""

    shares: dict[str, Annotated[float, Field(gt=0, le=1)]] | None = Field(
        None, description="share of each batch by the name of the source's cohort; null: all sources alike"
    )
    nodule_share: float = Field(0.5, gt=0, lt=1, description="of a source's share, where it has nodules as well")
    augmentation: CandidateAugmentationSettings = Field(
        CandidateAugmentationSettings(), description="random changes of a patch"
    )

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> "CandidateTrainingSettings":
        if self.shares is not None and abs(sum(self.shares.values()) - 1) > 1e-6:
            raise ValueError(f"shares must sum to 1, but sum to {sum(self.shares.values()):g}")
        return self


class BinaryCrossEntropySettings(Settings):
    """Binary cross-entropy of the logit, with smoothed labels: some unmarked nodules are among the false ones."""

    type: Literal["BinaryCrossEntropy"] = Field("BinaryCrossEntropy", description="the loss")
    label_smoothing: float = Field(0.05, ge=0, lt=0.5, description="probability of the other class in the labels")


class JudgementSettings(Settings):
    """How the network's probability is used in a scan."""

    threshold: Probability = Field(0.5, description="probability of a nodule below which a candidate is dropped")


class FalsePositiveSettings(TrainingSettings):
    """A configuration file of the false-positive reduction."""

    task: Literal["false_positives"] = Field(description="which task this file trains")
    iters: int = Field(ge=1, le=100_000_000, description="steps")
    patch: PatchSettings = Field(PatchSettings(), description="what the network sees of a candidate")
    window_hu: Interval = Field([-1000.0, 400.0], description="HU that become 0 and 1; beyond them it is clipped")
    train_dataset: CandidateTrainingSettings = Field(description="candidates to learn from")
    val_dataset: CandidateSplitSettings = Field(description="candidates that choose the best checkpoint")
    test_dataset: CandidateSplitSettings = Field(description="candidates of the evaluation")
    model: CandidateClassifierSettings = Field(CandidateClassifierSettings(), description="the network")
    loss: BinaryCrossEntropySettings = Field(BinaryCrossEntropySettings(), description="the loss")
    optimizer: OptimizerSettings = Field(OptimizerSettings(), description="the optimizer")
    lr_scheduler: SchedulerSettings = Field(SchedulerSettings(), description="the learning rate")
    candidates: JudgementSettings = Field(JudgementSettings(), description="the use in a scan")

    @property
    def cohorts(self) -> list[Path]:
        """The folders of all cohorts that the run learns from or chooses its checkpoint by, each once."""
        parts = self.train_dataset, self.val_dataset, self.test_dataset
        return [Path(root) for root in dict.fromkeys(part.dataset_root for part in parts)]

    @model_validator(mode="after")
    def _network_is_small(self) -> "FalsePositiveSettings":
        if self.patch.size % 2 ** (LEVELS - 1):
            raise ValueError(f"patch.size is {self.patch.size}: set it to a multiple of {2 ** (LEVELS - 1)}")
        if (count := weights_of(self.model, self.patch)) > MOST_WEIGHTS:
            raise ValueError(
                f"the network would have {count:,} weights, more than {MOST_WEIGHTS:,}: lower model.width or "
                "model.fully_connected"
            )
        return self


def level_widths(width: int) -> list[int]:
    """The channels at each size."""
    return [width, width * 3 // 2, width * 2, width * 3]


def weights_of(model: CandidateClassifierSettings, patch: PatchSettings) -> int:
    """How many weights the convolutions and fully connected layers have."""
    channels = [patch.slices, *level_widths(model.width)]
    convolutions = sum(9 * (a * b + b * b) for a, b in pairwise(channels))
    side = patch.size // 2 ** (LEVELS - 1)
    return convolutions + side * side * channels[-1] * model.fully_connected + model.fully_connected

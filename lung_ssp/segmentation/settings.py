"""Settings of the segmentation network, its data and its loss, in PaddleSeg's shape. Imports no Paddle."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from lung_ssp.ct.settings import NoduleSettings, ParenchymaSettings, WorkingGridSettings
from lung_ssp.settings import PositiveRange, Probability, Seed, Settings
from lung_ssp.training.settings import DatasetSettings, OptimizerSettings, SchedulerSettings, TrainingSettings

CHANNELS = {"NoduleSlices": 3, "SingleNoduleSlices": 1}  # channels of an image, by type of data set
IGNORED = 255  # label of pixels that are neither learned nor measured
NODULE = 1  # its class in labels and logits; 0 is all else
LEAST_SHARE = 0.001  # of the patches that the first cohort keeps
SMALLEST_SIZE = 16  # four downsamplings leave one pixel of it


class UNetSettings(Settings):
    """The U-Net of the paper's Fig. 2, without normalisation."""

    type: Literal["UNet"] = Field(description="the network")
    num_classes: Literal[2] = Field(2, description="background and nodule")
    in_channels: Literal[1, 3] = Field(3, description="slices an image is made of; as the data set's type says")
    width: int = Field(8, ge=1, le=256, description="channels of the full size, doubled with each downsampling")


class ImprovedUNetSettings(Settings):
    """The improved U-Net of the paper's Fig. 3: batch normalisation in the encoder, dense blocks in the decoder."""

    type: Literal["ImprovedUNet"] = Field(description="the network")
    num_classes: Literal[2] = Field(2, description="background and nodule")
    in_channels: Literal[1, 3] = Field(3, description="slices an image is made of; as the data set's type says")
    width: int = Field(8, ge=1, le=256, description="channels of the full size, doubled with each downsampling")
    growth_rate: int = Field(8, ge=1, le=256, description="channels that each layer of a dense block adds")
    dense_layers: int = Field(3, ge=1, le=16, description="layers of each dense block")
    decoder_batch_norm: bool = Field(False, description="batch normalisation in the dense blocks too; not the paper's")


ModelSettings = Annotated[UNetSettings | ImprovedUNetSettings, Field(discriminator="type")]


class AugmentationSettings(Settings):
    """How a training patch is changed at random, in the plane and in HU before they are clipped."""

    flip: bool = Field(True, description="mirror left-right and front-back, each half of the time")
    rotation_degrees: float = Field(180.0, ge=0, le=180, description="largest turn to either side")
    scale: PositiveRange = Field([0.8, 1.25], description="smallest and largest magnification")
    blur_pixels: float = Field(0.8, ge=0, le=50, description="largest standard deviation of a Gaussian blur")
    noise_hu: float = Field(40.0, ge=0, description="largest standard deviation of added noise in HU")
    contrast: float = Field(0.1, ge=0, lt=1, description="largest relative change of the distance from air")
    shift_hu: float = Field(20.0, ge=0, description="largest shift in HU")
    neighbour_mm: PositiveRange | None = Field(
        None, description="smallest and largest distance of the neighbouring slices in mm; null: slices.spacing_mm's"
    )
    neighbour_dropout: Probability = Field(
        0.0, description="how often a neighbouring slice is replaced by the slice itself"
    )


class FurtherCohortSettings(Settings):
    """A further cohort to learn from: of scans with lesions, of scans without any, or of single nodules."""

    dataset_root: str = Field(min_length=1, description="folder of the prepared cohort")
    share: float = Field(gt=0, lt=1, description="share of all patches that come from it; at random from its own")
    set_in: Probability = Field(
        0.0, description="share of its patches into which a nodule of the first cohort is set; of scans only"
    )
    least_opacity: float = Field(
        1.0, gt=0, le=1, description="how much of itself such a nodule shows at least, drawn up to 1: ground glass"
    )


class TrainDatasetSettings(DatasetSettings):
    """Patches of the training scans."""

    type: Literal["NoduleSlices", "SingleNoduleSlices"] = Field(
        description="a slice with its two neighbours, or (the paper's literal reading) a slice alone"
    )
    mode: Literal["train"] = Field(description="the split")
    patch_size: int = Field(64, ge=SMALLEST_SIZE, le=1024, multiple_of=16, description="side of a patch in pixels")
    lesion_share: float = Field(0.5, gt=0, lt=1, description="share of the patches that lie on a lesion or nodule")
    faint_times: int = Field(
        1,
        ge=1,
        le=100,
        description="how often an epoch shows a single nodule that is not solid (mean texture below 3.5)",
    )
    seed: Seed = Field(0, description="of the patches that PaddleSeg's own loaders see")
    augmentation: AugmentationSettings = Field(AugmentationSettings(), description="random changes of a patch")
    also: list[FurtherCohortSettings] = Field(
        default_factory=list, max_length=20, description="further cohorts; the first has the rest of the patches"
    )

    @property
    def roots(self) -> list[str]:
        """The folders of all cohorts, the first one first."""
        return [self.dataset_root, *(cohort.dataset_root for cohort in self.also)]

    @property
    def share(self) -> float:
        """The share of the patches that come from the first cohort."""
        return 1 - sum(cohort.share for cohort in self.also)

    @model_validator(mode="after")
    def _shares_leave_some(self) -> "TrainDatasetSettings":
        if self.share < LEAST_SHARE:
            taken = sum(cohort.share for cohort in self.also)
            raise ValueError(
                f"the shares of `also` sum to {taken:g} and leave nothing of the first cohort: lower or leave out one"
            )
        if len(set(self.roots)) < len(self.roots):
            raise ValueError("a cohort is named twice: add up its shares")
        return self


class ValidationDatasetSettings(DatasetSettings):
    """Whole slices of the validation scans, half of them with a lesion; of single nodules all of their slices."""

    type: Literal["NoduleSlices", "SingleNoduleSlices"] = Field(description="as for training")
    mode: Literal["val"] = Field(description="the split, in PaddleSeg's word")
    slices_per_scan: int = Field(12, ge=2, le=10_000, description="slices of each scan that are measured")


class DiceCrossEntropyLossSettings(Settings):
    """cross_entropy * mean cross-entropy + dice * (1 - soft Dice of the nodules), pooled or mean of the patches."""

    type: Literal["DiceCrossEntropyLoss"] = Field(description="the loss")
    cross_entropy: float = Field(1.0, ge=0, description="weight of the cross-entropy")
    dice: float = Field(1.0, ge=0, description="weight of the Dice loss")
    dice_by: Literal["batch", "patch"] = Field(
        "batch", description="the Dice of all pixels of the batch together, or the mean over its patches"
    )
    smooth: float = Field(1.0, gt=0, description="pixels added to both sides of the Dice quotient")
    ignore_index: Literal[255] = Field(255, description="label of pixels that do not count")


class LossSettings(Settings):
    """PaddleSeg's list of losses, one for each output of the network; these networks have one."""

    types: list[DiceCrossEntropyLossSettings] = Field(min_length=1, max_length=1, description="the loss of the output")
    coef: list[float] = Field(min_length=1, max_length=1, description="its weight")


class PredictionSettings(Settings):
    """How a whole scan is segmented."""

    batch_size: int = Field(8, ge=1, le=1024, description="slices that go through the network at once")


class SegmentationSettings(TrainingSettings):
    """A configuration file of the segmentation network."""

    task: Literal["segmentation"] = Field(description="which task this file trains")
    iters: int = Field(ge=1, le=100_000_000, description="steps")
    slices: WorkingGridSettings = Field(WorkingGridSettings(), description="the grid that the network works on")
    train_dataset: TrainDatasetSettings = Field(description="patches to learn from")
    val_dataset: ValidationDatasetSettings = Field(description="slices that choose the best checkpoint")
    model: ModelSettings = Field(description="the network")
    loss: LossSettings = Field(description="the loss")
    optimizer: OptimizerSettings = Field(description="the optimizer")
    lr_scheduler: SchedulerSettings = Field(description="the learning rate")
    prediction: PredictionSettings = Field(PredictionSettings(), description="segmenting a whole scan")
    parenchyma: ParenchymaSettings = Field(ParenchymaSettings(), description="the lungs that are searched")
    nodules: NoduleSettings = Field(NoduleSettings(), description="candidates out of the probability")

    @property
    def cohorts(self) -> list[Path]:
        """The folders of all cohorts that the run learns from or chooses its checkpoint by, each once."""
        return [Path(root) for root in dict.fromkeys([*self.train_dataset.roots, self.val_dataset.dataset_root])]

    @model_validator(mode="after")
    def _channels_agree(self) -> "SegmentationSettings":
        if self.train_dataset.type != self.val_dataset.type:
            raise ValueError(
                f"train_dataset.type is {self.train_dataset.type}, val_dataset.type {self.val_dataset.type}: "
                "they must be the same"
            )
        expected = CHANNELS[self.train_dataset.type]
        if self.model.in_channels != expected:
            raise ValueError(
                f"model.in_channels is {self.model.in_channels}, but {self.train_dataset.type} gives images of "
                f"{expected} slices: set it to {expected}"
            )
        return self

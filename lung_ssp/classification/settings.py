"""Settings of the two-task classifier, its data and its loss."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from lung_ssp.settings import Settings, Two, summing_to_one
from lung_ssp.training.settings import (
    LARGEST_BATCH,
    DatasetSettings,
    OptimizerSettings,
    SchedulerSettings,
    TrainingSettings,
)

SharingMode = Literal["single_task", "hard_sharing", "full_soft_sharing", "partial_soft_sharing"]
Granularity = Literal["layer", "channel", "dense"]
Channels = Annotated[int, Field(ge=1, le=1024)]
MOST_WEIGHTS = 250_000_000  # of fc3 in one branch: 1 GB, and twice as much again for the optimizer


class AlphaSettings(Settings):
    """The alphas of the cross-stitch units (Misra et al., CVPR 2016)."""

    granularity: Granularity = Field("channel", description="one 2x2 a layer, a 2x2 a channel, or a dense matrix")
    initial: Annotated[list[Annotated[list[float], Two, AfterValidator(summing_to_one)]], Two] = Field(
        [[1.0, 0.0], [0.0, 1.0]],
        description="[[image from image, image from pathology], [pathology from image, pathology from pathology]]; "
        "each row sums to 1, so that the scale of the activations is kept",
    )
    learning_rate_multiple: float = Field(1.0, gt=0, description="times the scheduled learning rate")
    least_sharing: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="what each task takes from the other stays above this, by how the alphas are made; 0: no bound",
    )

    @model_validator(mode="after")
    def _begins_above_the_bound(self) -> "AlphaSettings":
        if self.least_sharing > 0 and self.granularity == "dense":
            raise ValueError("least_sharing is for the granularity layer or channel, not for dense: leave it out")
        off_diagonal = min(self.initial[0][1], self.initial[1][0])
        if self.least_sharing > 0 and off_diagonal <= self.least_sharing:
            raise ValueError(
                f"initial begins with {off_diagonal:g} from the other task, which must be above least_sharing, "
                f"{self.least_sharing:g}"
            )
        return self


class NumClasses(Settings):
    """Number of classes of each task."""

    image: int = Field(9, ge=2, le=1000, description="classes of the image diagnosis")
    pathology: int = Field(9, ge=2, le=1000, description="classes of the pathology diagnosis")


class ClassifierSettings(Settings):
    """Settings of both networks: two branches with the layers of the paper's section 4."""

    takes_slides: ClassVar[bool] = False  # as a second input
    inputs: ClassVar[str] = "CT sections"  # as the reports say

    sharing: SharingMode = Field("partial_soft_sharing", description="what the two tasks share")
    alphas: AlphaSettings = Field(AlphaSettings(), description="the cross-stitch units' alphas")
    num_classes: NumClasses = Field(NumClasses(), description="classes per task")
    image_size: int = Field(28, ge=8, le=512, multiple_of=4, description="height and width of a section in pixels")
    conv_channels: Annotated[list[Channels], Two] = Field([32, 64], description="of conv1 and conv2")
    fully_connected: int = Field(1024, ge=1, le=8192, description="features of fc3")
    keep_probability: float = Field(0.8, gt=0, le=1, description="of dropout after fc3")
    batch_norm_momentum: float = Field(0.999, ge=0, lt=1, description="share of the old moving average kept a step")
    batch_norm_epsilon: float = Field(0.001, gt=0, description="added to the variance")

    @model_validator(mode="after")
    def _weights_fit_into_memory(self) -> "ClassifierSettings":
        weights = (self.image_size // 4) ** 2 * self.conv_channels[1] * self.fully_connected
        if weights > MOST_WEIGHTS:
            raise ValueError(
                f"fc3 would have {weights:,} weights, more than {MOST_WEIGHTS:,}: lower image_size, conv_channels or "
                "fully_connected"
            )
        return self


class TwoTaskClassifierSettings(ClassifierSettings):
    """The network of the paper's section 4: both branches see the CT section."""

    type: Literal["TwoTaskClassifier"] = Field("TwoTaskClassifier", description="the network")


class TwoInputClassifierSettings(ClassifierSettings):
    """The paper's other reading: the pathology branch sees a tile of the patient's pathology slide."""

    takes_slides: ClassVar[bool] = True
    inputs: ClassVar[str] = "CT sections, and tiles of pathology slides for the pathology branch"

    type: Literal["TwoInputClassifier"] = Field("TwoInputClassifier", description="the network")

    @field_validator("sharing")
    @classmethod
    def _each_branch_has_a_trunk(cls, sharing: SharingMode) -> SharingMode:
        if sharing == "hard_sharing":
            raise ValueError(
                "a network with two inputs needs a trunk for each branch, which hard_sharing does not have: choose "
                "single_task, full_soft_sharing or partial_soft_sharing"
            )
        return sharing


ModelSettings = Annotated[TwoTaskClassifierSettings | TwoInputClassifierSettings, Field(discriminator="type")]


class SectionSplitSettings(DatasetSettings):
    """Settings of both data sets: the sections of one split of a prepared cohort."""

    mode: Literal["train", "validation", "test"] = Field(description="the split")
    augment: bool = Field(False, description="flip and turn sections at random while training")


class SectionDatasetSettings(SectionSplitSettings):
    """The sections alone."""

    type: Literal["SectionDataset"] = Field("SectionDataset", description="the data set")


class SectionAndSlideDatasetSettings(SectionSplitSettings):
    """Each section with a tile of its patient's pathology slide, where there is one."""

    type: Literal["SectionAndSlideDataset"] = Field("SectionAndSlideDataset", description="the data set")
    slide_dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="probability that a section with a slide is shown without it while training, drawn anew each time: "
        "only cancers have slides, and the image branch would else learn that no slide means no cancer",
    )


AnyDatasetSettings = Annotated[SectionDatasetSettings | SectionAndSlideDatasetSettings, Field(discriminator="type")]

# The type of data set that each type of network learns from.
DATASET_OF_MODEL = {"TwoTaskClassifier": "SectionDataset", "TwoInputClassifier": "SectionAndSlideDataset"}


class TwoTaskLossSettings(Settings):
    """loss_total = image * cross-entropy + pathology * cross-entropy + l2 * half the sum of squared weights."""

    type: Literal["TwoTaskLoss"] = Field("TwoTaskLoss", description="the loss")
    image: float = Field(1.0, ge=0, description="weight of the image diagnosis")
    pathology: float = Field(1.0, ge=0, description="weight of the pathology diagnosis")
    l2: float = Field(1e-5, ge=0, description="on convolution and fully connected weights; alphas carry none")


class ClassificationSettings(TrainingSettings):
    """A configuration file of the classifier."""

    task: Literal["classification"] = Field(description="which task this file trains")
    batch_size: int = Field(128, ge=1, le=LARGEST_BATCH, description="sections a step")
    epochs: int = Field(
        30,
        ge=1,
        le=1_000_000,
        description="passes over the training sections, counted as in the code behind Table 2 (docs/reproduction.md)",
    )
    train_dataset: AnyDatasetSettings = Field(description="sections to learn from")
    val_dataset: AnyDatasetSettings = Field(description="sections that choose the best checkpoint")
    test_dataset: AnyDatasetSettings = Field(description="sections of the log and of the evaluation")
    model: ModelSettings = Field(description="the network")
    loss: TwoTaskLossSettings = Field(TwoTaskLossSettings(), description="the loss")
    optimizer: OptimizerSettings = Field(OptimizerSettings(), description="the optimizer")
    lr_scheduler: SchedulerSettings = Field(SchedulerSettings(), description="the learning rate")
    average_orientations: bool = Field(
        False,
        description="predict a section's logits as the means over its eight orientations, in evaluation and diagnosis; "
        "the log and the choice of the checkpoint look at one orientation",
    )

    @property
    def needs_one_process(self) -> str:
        """Why several processes cannot share the training of a network with two inputs; empty for the other one."""
        if not self.model.takes_slides:
            return ""
        return (
            f"model.type is {self.model.type}, but a process whose share of a batch holds no slide would keep the "
            "others waiting in the normalisation of the pathology branch: leave out --processes."
        )

    def splits(self) -> tuple[AnyDatasetSettings, AnyDatasetSettings, AnyDatasetSettings]:
        """The data sets of training, validation and test."""
        return self.train_dataset, self.val_dataset, self.test_dataset

    @model_validator(mode="after")
    def _splits_fit_the_model_and_are_of_one_cohort(self) -> "ClassificationSettings":
        modes, kind = ("train", "validation", "test"), DATASET_OF_MODEL[self.model.type]
        for name, mode, split in zip(
            ("train_dataset", "val_dataset", "test_dataset"), modes, self.splits(), strict=True
        ):
            if split.mode != mode:
                raise ValueError(
                    f"{name}.mode is {split.mode}, it must be {mode}: the best checkpoint is never chosen on others"
                )
            if split.type != kind:
                raise ValueError(
                    f"{name}.type is {split.type}, but model.type is {self.model.type}, which learns from {kind}: "
                    "change the one or the other"
                )
        if self.average_orientations and self.model.takes_slides:
            raise ValueError(f"average_orientations is not for {self.model.type}: leave it out")
        if len(roots := {split.dataset_root for split in self.splits()}) > 1:
            raise ValueError(f"the three data sets must be of one cohort, but their dataset_root are {sorted(roots)}")
        return self

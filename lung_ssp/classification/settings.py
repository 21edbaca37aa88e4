"""Settings of the two-task classifier, its data and its loss."""

from typing import Literal

from pydantic import Field, model_validator

from lung_ssp.settings import Settings
from lung_ssp.training.settings import (
    CheckpointSettings,
    ComputeSettings,
    LogSettings,
    OptimizerSettings,
    SchedulerSettings,
)

SharingMode = Literal["single_task", "hard_sharing", "full_soft_sharing", "partial_soft_sharing"]
Granularity = Literal["layer", "channel", "dense"]


class AlphaSettings(Settings):
    """The alphas of the cross-stitch units (Misra et al., CVPR 2016)."""

    granularity: Granularity = Field("channel", description="one 2x2 a layer, a 2x2 a channel, or a dense matrix")
    initial: list[list[float]] = Field(
        [[1.0, 0.0], [0.0, 1.0]],
        description="[[image from image, image from pathology], [pathology from image, pathology from pathology]]",
    )
    learning_rate_multiple: float = Field(1.0, gt=0, description="times the scheduled learning rate")

    @model_validator(mode="after")
    def rows_sum_to_one(self) -> "AlphaSettings":
        if [len(row) for row in self.initial] != [2, 2]:
            raise ValueError("initial must be two rows of two numbers")
        if any(abs(sum(row) - 1) > 1e-6 for row in self.initial):
            raise ValueError("each row of initial must sum to 1, so that the scale of the activations is kept")
        return self


class NumClasses(Settings):
    """How many classes each task tells apart."""

    image: int = Field(9, ge=2, description="classes of the image diagnosis")
    pathology: int = Field(9, ge=2, description="classes of the pathology diagnosis")


class ClassifierSettings(Settings):
    """The two-branch network of the paper's section 4."""

    type: Literal["TwoTaskClassifier"] = Field("TwoTaskClassifier", description="the network")
    sharing: SharingMode = Field("partial_soft_sharing", description="what the two tasks share")
    two_inputs: bool = Field(
        False, description="the pathology branch sees patches of the patient's slide, not the section (networks.py)"
    )
    alphas: AlphaSettings = Field(AlphaSettings(), description="the cross-stitch units' alphas")
    num_classes: NumClasses = Field(NumClasses(), description="classes per task")
    image_size: int = Field(28, ge=8, multiple_of=4, description="height and width of a section in pixels")
    conv_channels: list[int] = Field([32, 64], min_length=2, max_length=2, description="of conv1 and conv2")
    fully_connected: int = Field(1024, ge=1, description="features of fc3")
    keep_probability: float = Field(0.8, gt=0, le=1, description="of dropout after fc3")
    batch_norm_momentum: float = Field(0.999, ge=0, lt=1, description="share of the old moving average kept a step")
    batch_norm_epsilon: float = Field(0.001, gt=0, description="added to the variance")

    @model_validator(mode="after")
    def a_trunk_takes_one_kind_of_image(self) -> "ClassifierSettings":
        if self.two_inputs and self.sharing == "hard_sharing":
            raise ValueError(
                "two_inputs needs a trunk for each branch, which hard_sharing does not have: choose single_task, "
                "full_soft_sharing or partial_soft_sharing"
            )
        return self


class SectionDatasetSettings(Settings):
    """The sections of one split of a prepared cohort."""

    type: Literal["SectionDataset"] = Field("SectionDataset", description="the data set")
    dataset_root: str = Field(description="folder of the prepared cohort")
    mode: Literal["train", "validation", "test"] = Field(description="the split")
    augment: bool = Field(False, description="flip and turn sections at random while training")
    hide_slides: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="with two inputs, share of the sections with a slide that are shown without it while training, "
        "drawn anew each time: slides are of cancers alone, and the image branch would else take none for health",
    )


class TwoTaskLossSettings(Settings):
    """loss_total = image * cross-entropy + pathology * cross-entropy + l2 * half the sum of squared weights."""

    type: Literal["TwoTaskLoss"] = Field("TwoTaskLoss", description="the loss")
    image: float = Field(1.0, ge=0, description="weight of the image diagnosis")
    pathology: float = Field(1.0, ge=0, description="weight of the pathology diagnosis")
    l2: float = Field(1e-5, ge=0, description="on convolution and fully connected weights; alphas carry none")


class ClassificationSettings(Settings):
    """A configuration file of the classifier."""

    task: Literal["classification"] = Field(description="which task this file trains")
    seed: int = Field(0, ge=0, description="of initialisation, data order and dropout")
    batch_size: int = Field(128, ge=1, description="sections a step")
    epochs: int = Field(30, ge=1, description="passes over the training sections, counted as the protocol does")
    train_dataset: SectionDatasetSettings = Field(description="sections to learn from")
    val_dataset: SectionDatasetSettings = Field(description="sections that choose the best checkpoint")
    test_dataset: SectionDatasetSettings = Field(description="sections of the log and of the evaluation")
    model: ClassifierSettings = Field(description="the network")
    loss: TwoTaskLossSettings = Field(TwoTaskLossSettings(), description="the loss")
    optimizer: OptimizerSettings = Field(OptimizerSettings(), description="the optimizer")
    lr_scheduler: SchedulerSettings = Field(SchedulerSettings(), description="the learning rate")
    checkpoint: CheckpointSettings = Field(CheckpointSettings(), description="checkpoints and validation")
    log: LogSettings = Field(LogSettings(), description="the log")
    compute: ComputeSettings = Field(ComputeSettings(), description="how the device is used")

    @model_validator(mode="after")
    def splits_are_three_of_one_cohort(self) -> "ClassificationSettings":
        expected = {"train_dataset": "train", "val_dataset": "validation", "test_dataset": "test"}
        for name, mode in expected.items():
            if (found := getattr(self, name).mode) != mode:
                raise ValueError(
                    f"{name}.mode is {found}, it must be {mode}: the best checkpoint is never chosen on others"
                )
        if len(roots := {getattr(self, name).dataset_root for name in expected}) > 1:
            raise ValueError(f"the three data sets must be of one cohort, but their dataset_root are {sorted(roots)}")
        return self

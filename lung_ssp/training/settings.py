"""Settings of the training loop, shared by both tasks."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from lung_ssp.settings import Settings


class AdamSettings(Settings):
    """Adam (Kingma and Ba, 2015) with Paddle's defaults, in PaddleSeg's spelling."""

    type: Literal["Adam"] = Field("Adam", description="the optimizer")


class PolynomialDecaySettings(Settings):
    """Learning rate from `learning_rate` to `end_lr`; equal values keep it constant, as the paper's protocol does."""

    type: Literal["PolynomialDecay"] = Field("PolynomialDecay", description="the schedule")
    learning_rate: float = Field(0.001, gt=0, description="at the first step")
    end_lr: float = Field(0.001, ge=0, description="at the last step")
    power: float = Field(1.0, gt=0, description="1 is a straight line")


class CheckpointSettings(Settings):
    """When checkpoints are written and when the validation set chooses the best one."""

    every: int = Field(100, ge=1, description="steps between two checkpoints")
    validate_every: int = Field(100, ge=1, description="steps between two validations")


class LogSettings(Settings):
    """What is logged and how often."""

    every: int = Field(100, ge=1, description="steps between two lines of the log, each with a histogram of the alphas")
    scalars_every: int = Field(10, ge=1, description="steps between two points of the dashboard's loss curves")


AmpLevel = Literal["O0", "O1", "O2"]


class ComputeSettings(Settings):
    """How a training uses its device; none of it changes what is learnt, but for rounding."""

    amp_level: AmpLevel = Field(
        "O0",
        description="mixed precision on a GPU, in Paddle's words: O0 none, O1 operation by operation, O2 float16 "
        "weights with float32 masters",
    )
    init_loss_scaling: float = Field(32768.0, gt=0, description="what the loss is first multiplied by under O1 and O2")
    deterministic: bool = Field(
        True,
        description="on a GPU, only algorithms that give the same bits each time; else cuDNN tries which is fastest",
    )
    prefetch: int = Field(
        0,
        ge=0,
        le=64,
        description="batches that threads prepare while the device computes; 0 prepares each in its turn",
    )


class DatasetSettings(Settings):
    """One split of a prepared cohort, as a task sees it."""

    dataset_root: str = Field(description="folder of the prepared cohort")


class TrainingSettings(Settings):
    """What every configuration file of a training has beside the network, its data and its loss."""

    task: str = Field(description="which task this file trains")
    seed: int = Field(0, ge=0, description="of initialisation, data order, augmentation and dropout")
    batch_size: int = Field(ge=1, description="samples a step")
    train_dataset: DatasetSettings = Field(description="samples to learn from")
    checkpoint: CheckpointSettings = Field(CheckpointSettings(), description="checkpoints and validation")
    log: LogSettings = Field(LogSettings(), description="the log")
    compute: ComputeSettings = Field(ComputeSettings(), description="how the device is used")

    @property
    def cohort(self) -> Path:
        """The folder of the prepared cohort."""
        return Path(self.train_dataset.dataset_root)

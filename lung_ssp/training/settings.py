"""Settings of a training that both tasks share."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from lung_ssp.settings import Seed, Settings


class OptimizerSettings(Settings):
    """Adam (Kingma and Ba, 2015) or AdamW (Loshchilov and Hutter, 2019) with Paddle's defaults; PaddleSeg's keys."""

    type: Literal["Adam", "AdamW"] = Field("Adam", description="the optimizer")
    weight_decay: float = Field(
        0.0,
        ge=0,
        description="L2 penalty (Adam) or decay (AdamW) of all parameters; the classifier's loss has a penalty of its "
        "own, which spares the alphas",
    )


class SchedulerSettings(Settings):
    """The learning rate goes from `learning_rate` to `end_lr` over the steps of the run; PaddleSeg's keys.

    Equal values keep it constant, as in the paper's protocol.
    """

    type: Literal["PolynomialDecay"] = Field("PolynomialDecay", description="the schedule")
    learning_rate: float = Field(0.001, gt=0, description="at the first step")
    end_lr: float = Field(0.001, ge=0, description="at the last step")
    power: float = Field(1.0, gt=0, description="of the decay; 1 is linear")


class CheckpointSettings(Settings):
    """How often checkpoints are written, and how often the validation set chooses the best one."""

    every: int = Field(100, ge=1, description="steps between two checkpoints")
    validate_every: int = Field(100, ge=1, description="steps between two validations")


class LogSettings(Settings):
    """What is logged and how often."""

    every: int = Field(100, ge=1, description="steps between two lines of the log, each with a histogram of the alphas")
    scalars_every: int = Field(10, ge=1, description="steps between two points of the dashboard's loss curves")


LARGEST_BATCH = 16_384  # samples; more take the memory of any machine

AmpLevel = Literal["O0", "O1", "O2"]


class ComputeSettings(Settings):
    """How a training uses its device; this changes what is learnt by rounding only."""

    amp_level: AmpLevel = Field(
        "O0",
        description="mixed precision on a GPU, by Paddle's names: O0 none, O1 float16 or float32 by operation, "
        "O2 float16 weights with float32 master weights",
    )
    init_loss_scaling: float = Field(32768.0, gt=0, description="first factor of the loss under O1 and O2")
    deterministic: bool = Field(
        True,
        description="on a GPU, use only algorithms that give the same bits each time; else cuDNN chooses the fastest",
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
    seed: Seed = Field(0, description="of initialisation, data order, augmentation and dropout")
    batch_size: int = Field(ge=1, le=LARGEST_BATCH, description="samples a step")
    train_dataset: DatasetSettings = Field(description="samples to learn from")
    checkpoint: CheckpointSettings = Field(CheckpointSettings(), description="checkpoints and validation")
    log: LogSettings = Field(LogSettings(), description="the log")
    compute: ComputeSettings = Field(ComputeSettings(), description="how the device is used")

    @property
    def needs_one_process(self) -> str:
        """Why several processes cannot share the training, in a sentence; empty where they can."""
        return ""

    @property
    def cohort(self) -> Path:
        """The folder of the prepared cohort; of several, of the first."""
        return Path(self.train_dataset.dataset_root)

    @property
    def cohorts(self) -> list[Path]:
        """The folders of all cohorts that the run learns from."""
        return [self.cohort]

"""What is measured beside each other: the cases of one benchmark."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from lung_ssp.classification.settings import SharingMode
from lung_ssp.training.settings import AmpLevel

Phase = Literal["training", "inference"]
Input = Literal["synthetic", "real"]
Engine = Literal["paddle", "onnx", "torch"]

ENGINES: dict[Phase, tuple[Engine, ...]] = {"training": ("paddle",), "inference": ("paddle", "onnx")}


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    sharing: of the classifier; "" for the segmentation network, which shares nothing.
    batch_size: images a step.
    """

    task: Literal["classification", "segmentation"]
    phase: Phase
    sharing: SharingMode | Literal[""]
    amp: AmpLevel
    input: Input
    batch_size: int
    engine: Engine

    @property
    def name(self) -> str:
        """What tells the case from the others, the same in every benchmark."""
        sharing = [self.sharing] if self.sharing else []
        return " ".join(
            [self.task, self.phase, *sharing, self.amp, self.input, f"batch {self.batch_size}", self.engine]
        )

    def overrides(self) -> list[str]:
        """What the case changes in its configuration, as `-o` takes it."""
        sharing = [f"model.sharing={self.sharing}"] if self.sharing else []
        return [*sharing, f"compute.amp_level={self.amp}"]


def make_cases(
    settings: Any,
    phase: Phase,
    sharing: Sequence[SharingMode],
    amp: Sequence[AmpLevel],
    inputs: Sequence[Input],
    torch: bool,
) -> list[Case]:
    """Every combination of what was asked for.

    Args:
        settings: ClassificationSettings or SegmentationSettings.
        sharing, amp: none named: the configuration's own. The segmentation network shares nothing.
        torch: measure the same network in PyTorch too.
    """
    classifier = settings.task == "classification"
    modes: Sequence[Any] = (sharing or [settings.model.sharing]) if classifier else [""]
    engines = (*ENGINES[phase], "torch") if torch else ENGINES[phase]
    levels = amp or [settings.compute.amp_level]
    return [
        Case(settings.task, phase, mode, level, source, batch_size, engine)
        for mode, level, source, batch_size in product(modes, levels, inputs, batch_sizes(settings, phase))
        for engine in engines
    ]


def batch_sizes(settings: Any, phase: Phase) -> list[int]:
    """Training: the configuration's. Inference: one image, as fast as it goes, and many at once."""
    if phase == "training":
        return [settings.batch_size]
    many = settings.prediction.batch_size if settings.task == "segmentation" else settings.batch_size
    return sorted({1, many})

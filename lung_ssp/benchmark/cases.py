"""What one benchmark measures side by side: its cases. Imports no Paddle."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lung_ssp.runtime import Device
from lung_ssp.training.settings import AmpLevel

Phase = Literal["training", "inference"]
Input = Literal["synthetic", "real"]
Engine = Literal["paddle", "onnx"]

ENGINES: dict[Phase, tuple[Engine, ...]] = {"training": ("paddle",), "inference": ("paddle", "onnx")}
PARTS = ("sharing", "amp", "input", "batch_size", "engine")  # what tells the cases of one benchmark from each other


@dataclass(frozen=True, kw_only=True)
class BenchmarkPlan:
    """What a benchmark measures: every combination of sharing, amp, input and engine.

    config, overrides: as for a training.
    device: "cpu" or "gpu"; Paddle has been put on it.
    sharing, amp: none means the configuration's own.
    steps, warmup: timed and untimed steps of a repeat.
    repeats: how often each case is measured.
    """

    phase: Phase
    config: str | Path
    overrides: Sequence[str] = ()
    device: Device = "cpu"
    sharing: Sequence[str] = ()
    amp: Sequence[AmpLevel] = ()
    inputs: Sequence[Input] = ("synthetic",)
    steps: int = 20
    warmup: int = 5
    repeats: int = 3


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    task: its name in the configuration.
    sharing: the sharing mode; "" for a task whose network shares nothing.
    batch_size: images a step.
    """

    task: str
    phase: Phase
    sharing: str
    amp: AmpLevel
    input: Input
    batch_size: int
    engine: Engine

    @property
    def name(self) -> str:
        """All that tells the case from others; the same in every benchmark."""
        return f"{self.task} {self.phase} {self.describe(PARTS)}"

    def describe(self, parts: Sequence[str]) -> str:
        """Some of PARTS in words."""
        words = [f"batch {self.batch_size}" if part == "batch_size" else getattr(self, part) for part in parts]
        return " ".join(word for word in words if word)

    def overrides(self) -> list[str]:
        """What the case changes in its configuration, as `-o` takes it."""
        sharing = [f"model.sharing={self.sharing}"] if self.sharing else []
        return [*sharing, f"compute.amp_level={self.amp}"]

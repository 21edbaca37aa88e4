"""When a training writes its logs, validates and saves."""

from dataclasses import dataclass

from lung_ssp.training.settings import CheckpointSettings, LogSettings


@dataclass(frozen=True)
class Due:
    """What is due after a step.

    scalars: a point of the dashboard's loss curves.
    log: a line of the log, with histograms.
    validation: the choice of the best checkpoint.
    checkpoint: the latest checkpoint.
    """

    scalars: bool
    log: bool
    validation: bool
    checkpoint: bool

    @property
    def anything(self) -> bool:
        """Whether anything is due."""
        return self.scalars or self.log or self.validation or self.checkpoint


def due_after(step: int, last_step: int, checkpoint: CheckpointSettings, log: LogSettings) -> Due:
    """What is due after `step`, counted from 1; after the last one always a validation and a checkpoint."""
    last = step == last_step
    return Due(
        scalars=step % log.scalars_every == 0,
        log=step % log.every == 0,
        validation=last or step % checkpoint.validate_every == 0,
        checkpoint=last or step % checkpoint.every == 0,
    )

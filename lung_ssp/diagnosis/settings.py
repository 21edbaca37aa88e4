"""What a user may set for a diagnosis, beside what the networks were trained with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from lung_ssp.candidates.settings import JudgementSettings
from lung_ssp.config import COMMAND_LINE, apply_override
from lung_ssp.config_errors import KeyPath, check
from lung_ssp.ct.settings import GapSettings, NoduleSettings, ParenchymaSettings
from lung_ssp.errors import ConfigError
from lung_ssp.segmentation.settings import SegmentationSettings
from lung_ssp.settings import Settings


class DiagnosisSettings(Settings):
    """The lungs and the candidates of a scan: as the segmentation run has them, unless they are overridden."""

    parenchyma: ParenchymaSettings = Field(description="the lungs that are searched")
    nodules: NoduleSettings = Field(description="candidates out of the probability")
    gaps: GapSettings = Field(GapSettings(), description="limits of the gaps that --accept gaps fills")
    candidates: JudgementSettings | None = Field(
        None, description="which candidates the second stage keeps, where there is one"
    )

    def as_json(self) -> dict[str, Any]:
        """The settings of what there is."""
        return self.model_dump(exclude={"candidates"} if self.candidates is None else None)


def diagnosis_settings(
    run: SegmentationSettings, overrides: Sequence[str] = (), judgement: JudgementSettings | None = None
) -> DiagnosisSettings:
    """The settings of a segmentation run with some overridden, "key.sub=value" each.

    Args:
        judgement: the settings of the second stage; None where there is none.

    Raises:
        ConfigError: an override names no setting of a diagnosis, or an impossible value, or a missing second stage.
    """
    settings = DiagnosisSettings(parenchyma=run.parenchyma, nodules=run.nodules, candidates=judgement)
    if not overrides:
        return settings
    tree, origins = settings.as_json(), dict[KeyPath, str]()
    for override in overrides:
        apply_override(tree, origins, override)
    changed = check(tree, DiagnosisSettings, origins, Path(COMMAND_LINE))
    if judgement is None and changed.candidates is not None:
        raise ConfigError(
            "candidates.threshold is of the second stage, which is missing: give one with --candidates RUN."
        )
    return changed

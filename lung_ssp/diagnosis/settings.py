"""What a user may set for a diagnosis, beside what the networks were trained with."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from lung_ssp.config import COMMAND_LINE, apply_override
from lung_ssp.config_errors import KeyPath, check
from lung_ssp.ct.settings import GapSettings, NoduleSettings, ParenchymaSettings
from lung_ssp.segmentation.settings import SegmentationSettings
from lung_ssp.settings import Settings


class DiagnosisSettings(Settings):
    """The lungs and the candidates of a scan: as the segmentation run has them, unless they are overridden."""

    parenchyma: ParenchymaSettings = Field(description="the lungs that are searched")
    nodules: NoduleSettings = Field(description="candidates out of the probability")
    gaps: GapSettings = Field(GapSettings(), description="limits of the gaps that --accept gaps fills")


def diagnosis_settings(run: SegmentationSettings, overrides: Sequence[str] = ()) -> DiagnosisSettings:
    """The settings of a segmentation run with some overridden, "key.sub=value" each.

    Raises:
        ConfigError: an override names no setting of a diagnosis, or an impossible value.
    """
    settings = DiagnosisSettings(parenchyma=run.parenchyma, nodules=run.nodules)
    if not overrides:
        return settings
    tree, origins = settings.model_dump(), dict[KeyPath, str]()
    for override in overrides:
        apply_override(tree, origins, override)
    return check(tree, DiagnosisSettings, origins, Path(COMMAND_LINE))

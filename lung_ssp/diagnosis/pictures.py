"""The pictures of a diagnosis: the steps of the lung mask, and one a finding."""

from pathlib import Path

from lung_ssp.ct.figures import save_lung_figure
from lung_ssp.diagnosis.diagnosis import Diagnosis
from lung_ssp.diagnosis.figures import save_overviews
from lung_ssp.diagnosis.learnt_from import learnt_from

LUNGS_FIGURE = "lungs.png"


def write_pictures(diagnosis: Diagnosis, folder: Path) -> None:
    """Write lungs.png, and of each finding the picture that its `figure_name` names."""
    notice, lungs = diagnosis.notice, diagnosis.lungs
    save_lung_figure(folder / LUNGS_FIGURE, diagnosis.scan, lungs, notice)
    learnt = learnt_from(diagnosis.weights)
    save_overviews(diagnosis.findings, diagnosis.scan, lungs.mask, notice, folder, learnt)

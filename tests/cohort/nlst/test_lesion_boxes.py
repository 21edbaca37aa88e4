"""The boxes that the settings name."""

from pathlib import Path

from lung_ssp.cohort.nlst.lesion_boxes import read_boxes
from lung_ssp.cohort.nlst.settings import BoxFiles


def test_each_source_by_series(tmp_path: Path) -> None:
    (tmp_path / "sybil.json").write_text('{"1.2.3": {"1.2.3.4": []}, "1.2.5": {}}')
    boxes = read_boxes(BoxFiles(sybil=str(tmp_path / "sybil.json")))
    assert boxes == {"sybil": {"1.2.3": (), "1.2.5": ()}}
    assert read_boxes(BoxFiles()) == {}


def test_the_real_files_of_boxes(shared_data: Path) -> None:
    folder = shared_data / "nlst"
    files = BoxFiles(sybil=str(folder / "sybil_nlst_annotations.json"), nlstx=str(folder / "nlstx_dataset.csv"))
    boxes = read_boxes(files)
    assert (len(boxes["sybil"]), len(boxes["nlstx"])) == (972, 1229)
    assert len(set(boxes["sybil"]) | set(boxes["nlstx"])) == 1983

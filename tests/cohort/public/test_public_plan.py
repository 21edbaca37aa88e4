"""The plan of a public collection: which series it has, and what becomes of the others."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lung_ssp.cohort.public.plan import make_public_plan, public_plan_text, read_public_plan
from lung_ssp.cohort.public.settings import CollectionSettings, PublicSettings
from lung_ssp.config import load_config
from lung_ssp.errors import CohortError

SOURCE = {
    "collection": "lidc_idri",
    "licence": ["CC BY 3.0"],
    "citation": ["Who made it, doi:10.1/x"],
    "scans": {"min_slices": 16, "leave_out": ["scout*"]},
    "annotations": [
        {
            "role": "outlines",
            "modality": "SEG",
            "analysis": "nodules",
            "description": "Segmentation of Nodule [0-9]+.*",
        },
        {"role": "ratings", "modality": "SR", "analysis": "nodules", "description": "Nodule [0-9]+.*"},
    ],
}


@pytest.fixture
def index(index_row, write_index) -> Path:  # type: ignore[no-untyped-def]
    """Three patients.

    A: a scan (1) with an outline (2), its ratings (3), another group's outline (4) and a chest film (5).
    B: a scan without annotation (6), in another study a Scout (7) with an outline (8).
    C: a scan of 15 slices (9) and a PET (10).
    """

    def row(number: int, patient: str, study: int, **changes: Any) -> dict[str, Any]:
        own = {"collection_id": "lidc_idri", "PatientID": patient, "StudyInstanceUID": f"1.2.9.{study}"}
        more = {"license_short_name": "CC BY 3.0", "source_DOI": "10.1/x", "SeriesDescription": "Chest"}
        return index_row(number, **{**own, **more, **changes})

    seg = {"Modality": "SEG", "analysis_result_id": "nodules", "SeriesDescription": "Segmentation of Nodule 1 - a"}
    seg |= {"instanceCount": 1, "series_size_MB": 0.25}
    sr = {**seg, "Modality": "SR", "SeriesDescription": "Nodule 1 - a evaluations"}
    rows = [
        row(1, "A", 1),
        row(2, "A", 1, **seg),
        row(3, "A", 1, **sr),
        row(4, "A", 1, **{**seg, "analysis_result_id": "others"}),
        row(5, "A", 2, Modality="DX", instanceCount=1),
        row(6, "B", 3),
        row(7, "B", 4, SeriesDescription="SCOUT 1"),
        row(8, "B", 4, **seg),
        row(9, "C", 5, instanceCount=15),
        row(10, "C", 5, Modality="PT"),
        row(11, "A", 1, collection_id="nlst"),
    ]
    return write_index(rows)


def source_of(index: Path, **changes: Any) -> CollectionSettings:
    return CollectionSettings.model_validate({**SOURCE, "index": str(index), **changes})


def planned(folder: Path) -> dict[int, str]:
    """The role of each planned series, by the last part of its UID."""
    plan = read_public_plan(folder)
    return {int(uid.rpartition(".")[2]): role for uid, role in zip(plan["series_uid"], plan["role"], strict=True)}


def test_every_series_is_planned_or_has_a_reason(index: Path, tmp_path: Path) -> None:
    summary = make_public_plan(source_of(index), tmp_path / "plan")
    assert planned(tmp_path / "plan") == {1: "ct", 2: "outlines", 3: "ratings", 6: "ct"}
    assert summary.outcomes == {
        "CT": {"planned": 2, "no chest scan, by its description": 1, "too few slices": 1},
        "DX": {"neither a CT nor an annotation of the description": 1},
        "PT": {"neither a CT nor an annotation of the description": 1},
        "SEG nodules": {"an annotation of a study without a usable CT": 1, "planned": 1},
        "SEG others": {"an annotation that the description does not name": 1},
        "SR nodules": {"planned": 1},
    }
    assert (summary.patients, summary.planned_patients) == (3, 2)
    assert (summary.planned["all"].series, summary.planned["all"].gb) == (4, 0.1605)
    listed = pd.read_csv(tmp_path / "plan" / "series.csv")
    assert len(listed) == 10 and listed["outcome"].notna().all()
    assert json.loads((tmp_path / "plan" / "summary.json").read_text())["licences"] == {"CC BY 3.0, doi:10.1/x": 4}
    assert "Who made it" in public_plan_text(summary)
    assert (tmp_path / "plan" / "manifest.s5cmd").read_text().count("cp s3://idc-open-data/") == 4


def test_the_same_inputs_give_the_same_bytes(index: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_public_plan(source_of(index), tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_a_narrowed_plan(index: Path, tmp_path: Path) -> None:
    make_public_plan(source_of(index), tmp_path / "annotated", only_annotated=True)
    assert set(planned(tmp_path / "annotated")) == {1, 2, 3}
    (tmp_path / "who.txt").write_text("B # the second\n")
    make_public_plan(source_of(index), tmp_path / "second", patients=tmp_path / "who.txt")
    assert set(planned(tmp_path / "second")) == {6}
    make_public_plan(source_of(index), tmp_path / "small", max_gb=0.1)  # A has 80.5 MB, B as much again
    assert set(planned(tmp_path / "small")) == {1, 2, 3}


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({"licence": ["CC BY 4.0"]}, {}, r"4 planned series have the licence 'CC BY 3.0', .* source.licence"),
        ({"collection": "none"}, {}, "holds no series of the collection 'none'"),
        ({"scans": {"min_slices": 500}}, {}, "no scan is left to plan"),
        ({}, {"max_gb": -1.0}, "must be a positive number"),
        ({}, {"patients": "who.txt"}, r"who.txt, line 2: 'D' is no patient of the index"),
    ],
)
def test_what_gives_no_plan_writes_nothing(changes, arguments, message, index, tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    Path("who.txt").write_text("A\nD\n")
    own = {name: Path(value) if name == "patients" else value for name, value in arguments.items()}
    with pytest.raises(CohortError, match=message):
        make_public_plan(source_of(index, **changes), tmp_path / "plan", **own)
    assert not (tmp_path / "plan").exists()


def test_a_folder_holds_one_plan(index: Path, tmp_path: Path) -> None:
    make_public_plan(source_of(index), tmp_path / "plan")
    make_public_plan(source_of(index), tmp_path / "plan")
    with pytest.raises(CohortError, match="holds a plan of another index, of other settings or narrowing"):
        make_public_plan(source_of(index), tmp_path / "plan", only_annotated=True)


def test_a_damaged_plan_is_refused(index: Path, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="holds no plan"):
        read_public_plan(tmp_path)
    make_public_plan(source_of(index), tmp_path / "plan")
    table = pd.read_parquet(tmp_path / "plan" / "plan.parquet")
    for change, message in (
        ({"role": "odd"}, "a role is unknown"),
        ({"series_uid": "../x"}, "series_uid has the wrong form"),
        ({"participant": ".."}, "a name that no file can have"),
        ({"role": "ratings"}, "an annotation is of a study without a scan"),
        ({"source": None}, "is missing somewhere"),
    ):
        table.assign(**change).to_parquet(tmp_path / "plan" / "plan.parquet")
        with pytest.raises(CohortError, match=message):
            read_public_plan(tmp_path / "plan")
    (tmp_path / "plan" / "plan.parquet").write_bytes(b"PAR1")
    with pytest.raises(CohortError, match="damaged or no plan"):
        read_public_plan(tmp_path / "plan")


def test_what_no_description_is() -> None:
    for pathology in (
        {"pattern": "Lung_Dx-[A-Z]", "classes": {"A": "adenocarcinoma"}},
        {"pattern": "([A-Z])", "classes": {"A": "adeno"}},
        {"pattern": "([A-Z]", "classes": {"A": "adenocarcinoma"}},
    ):
        with pytest.raises(ValueError, match=r"must have one group|is no class|no regular expression"):
            CollectionSettings.model_validate({**SOURCE, "pathology": pathology})


# Counted in idc-index-data 25.0.5 with pandas alone, before there was a plan.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("cohort", "patients", "series", "planned", "gb"),
    [
        ("lidc", 1010, 15_116, {"ct": 1018, "outlines": 6859, "ratings": 6859}, [128.4, 1.4, 1.2]),
        ("lung_pet_ct_dx", 355, 2606, {"ct": 1085, "boxes": 1075}, [122.9, 0.1]),
    ],
)
def test_the_real_index(cohort, patients, series, planned, gb, tmp_path) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("idc_index_data", reason="the public index comes with the extra nlst")
    settings = load_config(f"cohort/{cohort}.yml", PublicSettings, []).settings
    summary = make_public_plan(settings.source, tmp_path / "plan")
    assert summary.patients == patients
    assert sum(sum(kind.values()) for kind in summary.outcomes.values()) == series
    counted = {role: own for role, own in summary.planned.items() if role != "all"}
    assert {role: own.series for role, own in counted.items()} == planned
    assert [round(own.gb, 1) for own in counted.values()] == gb

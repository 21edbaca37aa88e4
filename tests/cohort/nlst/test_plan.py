"""The way from the index to a plan."""

import json
from pathlib import Path
from typing import Any

import pytest

from lung_ssp.cohort.nlst.plan import make_plan, require_salt
from lung_ssp.cohort.nlst.plan_table import read_plan
from lung_ssp.cohort.nlst.pseudonyms import Pseudonyms
from lung_ssp.cohort.nlst.settings import PlanSettings
from lung_ssp.cohort.nlst.text import plan_text
from lung_ssp.errors import CohortError

PSEUDONYMS = Pseudonyms(bytes(32))
TEXT = "{},{},{},X,{},360,{},120,80,0.1,1.5"


def text(year: int = 0, kind: str = "OPA", maker: str = "GE", kernel: str = "STANDARD", mm: float = 2) -> str:
    """A SeriesDescription."""
    return TEXT.format(year, kind, maker, kernel, mm)


@pytest.fixture
def rows(index_row, mask_row) -> list[dict[str, Any]]:  # type: ignore[no-untyped-def]
    """Five participants.

    100001: T0 with a localizer, a bone and a standard kernel; a lesion mask of the bone one's series; organs of both.
    100002: T1 in two studies, one of too few slices; a slide.
    100003: T2 too thick; a slide.
    100004: T0 with a description of another form.
    100005: T0 with two equal series, of which a file of boxes names the second.
    """
    first = {"PatientID": "100001", "StudyInstanceUID": "1.2.9.1"}
    second = {"PatientID": "100002"}
    next_year = {**second, "StudyDate": "2000-01-02"}
    fifth = {"PatientID": "100005", "StudyInstanceUID": "1.2.9.6"}
    organs = "TotalSegmentator(v1.5.6) Segmentation of Series {}"
    return [
        index_row(1, **first, SeriesNumber="1", SeriesDescription=text(kind="OPL"), instanceCount=2),
        index_row(2, **first, SeriesNumber="2", SeriesDescription=text(kernel="BONE")),
        index_row(3, **first, SeriesNumber="3", SeriesDescription=text()),
        mask_row(4, "nlstseg", of=2, **first),
        mask_row(5, "organs", of=2, **first, SeriesDescription=organs.format(2), series_size_MB=110.0),
        mask_row(6, "organs", of=3, **first, SeriesDescription=organs.format(3), series_size_MB=110.0),
        index_row(7, **next_year, StudyInstanceUID="1.2.9.2", SeriesDescription=text(1, maker="SE", kernel="B30f")),
        index_row(8, **next_year, StudyInstanceUID="1.2.9.3", SeriesDescription=text(1), instanceCount=30),
        index_row(9, **second, StudyInstanceUID="1.2.8.1", Modality="SM", StudyDate="2009-09-12", series_size_MB=700.0),
        index_row(10, PatientID="100003", StudyInstanceUID="1.2.9.4", StudyDate="2001-01-02",
                  SeriesDescription=text(2, maker="PH", kernel="C", mm=3.2)),
        index_row(11, PatientID="100003", StudyInstanceUID="1.2.8.2", Modality="SM", StudyDate="2009-09-12"),
        index_row(12, PatientID="100004", StudyInstanceUID="1.2.9.5", SeriesDescription="Chest"),
        index_row(13, **fifth, SeriesDescription=text(mm=1.2)),
        index_row(14, **fifth, SeriesDescription=text(mm=1.2)),
    ]  # fmt: skip


@pytest.fixture
def settings(rows: list[dict[str, Any]], write_index, tmp_path: Path) -> PlanSettings:  # type: ignore[no-untyped-def]
    (tmp_path / "sybil.json").write_text('{"1.2.3.14": {}, "1.2.3.999": {}}')
    return PlanSettings.model_validate(
        {"index": str(write_index(rows)), "lung_masks": ["organs"], "boxes": {"sybil": str(tmp_path / "sybil.json")}}
    )


def planned(folder: Path) -> list[int]:
    """The last parts of the planned series' UIDs."""
    return sorted(int(uid.rpartition(".")[2]) for uid in read_plan(folder)["series_uid"])


def test_one_series_an_exam_with_what_belongs_to_it(settings: PlanSettings, tmp_path: Path) -> None:
    make_plan(settings, tmp_path / "plan", PSEUDONYMS)
    # The bone kernel has the lesion mask; its own organs come with it, the other series' do not.
    assert planned(tmp_path / "plan") == [2, 4, 5, 7, 9, 14]
    plan = read_plan(tmp_path / "plan").set_index("series_uid")
    assert plan["role"].to_dict() == {
        "1.2.3.2": "ct",
        "1.2.3.4": "lesion_mask",
        "1.2.3.5": "lung_mask",
        "1.2.3.7": "ct",
        "1.2.3.9": "slide",
        "1.2.3.14": "ct",
    }
    siemens = plan.loc["1.2.3.7"]
    assert (siemens["participant"], siemens["study_year"]) == (PSEUDONYMS.participant("100002"), 1)
    assert siemens[["maker", "kernel", "thickness_mm", "field_mm"]].tolist() == ["Siemens", "B30f", 2.0, 360.0]
    assert (siemens["instances"], siemens["size_mb"], siemens["has_boxes"]) == (150, 80.0, False)
    assert plan.loc["1.2.3.14", "has_boxes"]
    mask = plan.loc["1.2.3.4"]
    assert (mask["source"], mask["study_year"], mask["maker"]) == ("nlstseg", 0, None)
    assert plan["study_year"].isna().to_dict() == {uid: uid == "1.2.3.9" for uid in plan.index}


def test_without_preference_the_better_kernel_is_chosen(settings: PlanSettings, tmp_path: Path) -> None:
    plain = settings.model_copy(update={"prefer_annotated": False})
    make_plan(plain, tmp_path / "plan", PSEUDONYMS)
    assert planned(tmp_path / "plan") == [3, 6, 7, 9, 13]


def test_every_series_and_exam_is_accounted_for(settings: PlanSettings, tmp_path: Path) -> None:
    result = make_plan(settings, tmp_path / "plan", PSEUDONYMS)
    summary = json.loads((tmp_path / "plan" / "summary.json").read_text())
    assert summary["series"] == {
        "planned": 3,
        "usable, but another one stands for the exam": 2,
        "a localizer": 1,
        "the description cannot be parsed": 1,
        "the slices are too thick": 1,
        "too few slices": 1,
    }
    assert summary["exams"] == {
        "planned": 3,
        "the description cannot be parsed": 1,
        "the slices are too thick": 1,
        "too few slices": 1,
    }
    assert summary["unreadable_descriptions"] == {"Chest": 1}
    assert "Chest" in plan_text(result)
    assert summary["index"]["participant_years"] == 4  # of which one has two studies, and one study no known year
    assert summary["planned"]["by_maker"] == {"GE": 2, "Siemens": 1}
    assert summary["planned"]["by_thickness_mm"] == {"2": 2, "1.2": 1}
    assert summary["masks"]["organs"] == {"of a usable CT series that is not planned": 1, "planned": 1}
    assert summary["slides"] == {"planned": 1, "of participants without a planned exam": 1}
    assert summary["boxes"] == {"series_named": 2, "not_in_index": 1, "fates": {"planned": 1}}
    assert summary["size"]["all"] == {"series": 6, "files": 602, "gb": 1.0505}
    assert summary == result.as_json()
    assert result.planned.exams == 3
    assert plan_text(result) == (tmp_path / "plan" / "summary.txt").read_text()


def test_a_second_study_of_a_year_is_told(settings: PlanSettings, rows, write_index, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    rows[7]["instanceCount"] = 100
    write_index(rows)
    make_plan(settings, tmp_path / "plan", PSEUDONYMS)
    summary = json.loads((tmp_path / "plan" / "summary.json").read_text())
    # STANDARD stands before B30f in the list of kernels: now the other study has the better series.
    assert planned(tmp_path / "plan") == [2, 4, 5, 8, 9, 14]
    assert summary["exams"]["another study of the same year is planned"] == 1
    assert sum(summary["exams"].values()) == 6


def test_the_manifest_has_the_form_of_idc_index(settings: PlanSettings, tmp_path: Path) -> None:
    make_plan(settings, tmp_path / "plan", PSEUDONYMS)
    lines = (tmp_path / "plan" / "manifest.s5cmd").read_text().splitlines()
    assert sorted(lines) == [
        f"cp s3://idc-open-data/{number:08x}-0000-4000-8000-000000000000/* ." for number in (2, 4, 5, 7, 9, 14)
    ]


@pytest.mark.slow
def test_the_same_index_in_another_order_gives_the_same_bytes(
    settings: PlanSettings,
    rows: list[dict[str, Any]],
    write_index,  # type: ignore[no-untyped-def]
    tmp_path: Path,
) -> None:
    make_plan(settings, tmp_path / "a", PSEUDONYMS)
    turned = settings.model_copy(update={"index": str(write_index(rows[::-1], "turned.parquet"))})
    make_plan(turned, tmp_path / "b", PSEUDONYMS)
    for name in ("plan.parquet", "manifest.s5cmd", "summary.txt"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_nothing_written_names_a_participant_or_a_date(settings: PlanSettings, tmp_path: Path) -> None:
    shown = plan_text(make_plan(settings, tmp_path / "plan", PSEUDONYMS))
    written = b"".join(path.read_bytes() for path in (tmp_path / "plan").iterdir()) + shown.encode()
    table = read_plan(tmp_path / "plan").to_csv().encode()
    for secret in (b"10000", b"1999-01", b"2009-09"):
        assert secret not in written
        assert secret not in table


def test_a_folder_with_another_plan_is_refused(settings: PlanSettings, tmp_path: Path) -> None:
    out = tmp_path / "plan"
    make_plan(settings, out, PSEUDONYMS)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    make_plan(settings, out, PSEUDONYMS)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    others: list[dict[str, Any]] = [
        {"settings": settings.model_copy(update={"slides": False})},
        {"pseudonyms": Pseudonyms(bytes([1] * 32))},
        {"only_annotated": True},
        {"max_gb": 1.0},
    ]
    for other in others:
        with pytest.raises(CohortError, match="holds a plan of another"):
            make_plan(**({"settings": settings, "out": out, "pseudonyms": PSEUDONYMS} | other))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "other.txt").write_text("kept")
    with pytest.raises(CohortError, match="not empty"):
        make_plan(settings, tmp_path / "full", PSEUDONYMS)


@pytest.mark.parametrize("content", [b"[]", b"{}", b"{", b'{"key": 1, "salt": "x"}', b"\xff", b"[" * 100_000])
def test_a_damaged_summary_is_told(settings: PlanSettings, tmp_path: Path, content: bytes) -> None:
    out = tmp_path / "plan"
    make_plan(settings, out, PSEUDONYMS)
    (out / "summary.json").write_bytes(content)
    for use in (lambda: make_plan(settings, out, PSEUDONYMS), lambda: require_salt(out, PSEUDONYMS)):
        with pytest.raises(CohortError, match=r"summary\.json is damaged .*make the plan again"):
            use()
    (out / "summary.json").unlink()
    with pytest.raises(CohortError, match=r"without its summary\.json: make the plan again"):
        require_salt(out, PSEUDONYMS)


def test_an_interrupted_plan_is_finished(settings: PlanSettings, tmp_path: Path) -> None:
    make_plan(settings, tmp_path / "plan", PSEUDONYMS)
    (tmp_path / "plan" / "plan.parquet").unlink()
    make_plan(settings, tmp_path / "plan", PSEUDONYMS)
    assert planned(tmp_path / "plan") == [2, 4, 5, 7, 9, 14]


def test_a_narrowed_plan(settings: PlanSettings, tmp_path: Path) -> None:
    make_plan(settings, tmp_path / "annotated", PSEUDONYMS, only_annotated=True)
    assert planned(tmp_path / "annotated") == [2, 4, 5, 14]
    (tmp_path / "some.txt").write_text("100002\n")
    make_plan(settings, tmp_path / "some", PSEUDONYMS, patients=tmp_path / "some.txt")
    assert planned(tmp_path / "some") == [7, 9]
    summary = json.loads((tmp_path / "some" / "summary.json").read_text())
    assert summary["exams"]["the participant was not asked for"] == 2
    assert sum(summary["exams"].values()) == 6
    assert sum(summary["series"].values()) == 9
    make_plan(settings, tmp_path / "small", PSEUDONYMS, max_gb=1.0)
    small = json.loads((tmp_path / "small" / "summary.json").read_text())
    assert small["size"]["all"]["gb"] <= 1.0
    assert small["exams"]["planned"] + small["exams"]["beyond the size asked for"] == 3
    with pytest.raises(CohortError, match="positive number"):
        make_plan(settings, tmp_path / "none", PSEUDONYMS, max_gb=0.0)
    with pytest.raises(CohortError, match=r"no exam is left to plan \(3 exams: beyond the size asked for; 1 exams: "):
        make_plan(settings, tmp_path / "none", PSEUDONYMS, max_gb=0.001)
    assert not (tmp_path / "none").exists()


def test_masks_that_the_index_does_not_hold_are_an_error(settings: PlanSettings, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="no masks of elsewhere"):
        make_plan(settings.model_copy(update={"lesion_masks": ["elsewhere"]}), tmp_path / "plan", PSEUDONYMS)


def test_a_source_gives_masks_of_one_role() -> None:
    with pytest.raises(ValueError, match="already gives the lesion masks"):
        PlanSettings(lesion_masks=["nlstseg"], lung_masks=["nlstseg"])


@pytest.mark.slow
def test_all_of_nlst_is_accounted_for(tmp_path: Path) -> None:
    pytest.importorskip("idc_index_data")
    make_plan(PlanSettings(), tmp_path / "plan", Pseudonyms(bytes(32)))
    summary = json.loads((tmp_path / "plan" / "summary.json").read_text())
    assert summary["index"]["ct_series"] == sum(summary["series"].values()) == 203_111
    assert summary["index"]["original_ct_series"] == 203_087
    assert summary["index"]["studies"] == sum(summary["exams"].values()) == 73_113
    assert summary["index"]["participants"] == 26_254
    assert sum(summary["masks"]["nlstseg"].values()) == 601
    assert sum(summary["slides"].values()) == 1_259
    assert summary["unreadable_descriptions"] == {}
    plan = read_plan(tmp_path / "plan")
    assert plan["role"].eq("ct").sum() == summary["exams"]["planned"] > 65_000

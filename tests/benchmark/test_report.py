"""The figures of two repeats, by hand."""

from dataclasses import replace
from pathlib import Path

import pytest

from lung_ssp.benchmark.cases import BenchmarkPlan, Case
from lung_ssp.benchmark.device import Memory
from lung_ssp.benchmark.report import BenchmarkReport, MeasuredCase, Repeat, figures_of, read_report, write_report
from lung_ssp.benchmark.timing import Times
from lung_ssp.errors import LungSspError

CASE = Case("classification", "training", "single_task", "O0", "real", 12, "paddle")
RESIDENT = Memory(100.0)


def repeat(step_seconds: list[float], outcome: float = 1.5, memory: Memory = RESIDENT) -> Repeat:
    times = Times(step_seconds, [0.5] * len(step_seconds), outcome)
    return Repeat(times, memory, 12.0, parameters=7, flops=18_000_000_000)


def test_the_figures_of_a_training_by_hand() -> None:
    figures = figures_of(CASE, [repeat([1.0, 2.0, 3.0], memory=Memory(130.0)), repeat([3.0, 3.0, 6.0])])
    assert figures.batch_cost == pytest.approx(3.0)
    assert figures.reader_cost == pytest.approx(0.5)
    assert figures.reader_share == pytest.approx(1 / 6)
    assert figures.images_per_second == pytest.approx(72 / 18)
    assert figures.p50 == pytest.approx(12 / 3)
    assert figures.p95 == pytest.approx(12 / 5.25)  # 3 + 0.75 * 3, the sorted times' 4.75th
    assert figures.spread == pytest.approx((12 / 2 - 12 / 4) / 4.5)
    assert figures.memory_mb == Memory(130.0)
    assert figures.flops == 18_000_000_000
    assert figures.share_of_matrix_product == pytest.approx(6 / 12)
    assert (figures.outcome, figures.outcome_equal) == (1.5, True)


def test_an_outcome_that_differs_is_told() -> None:
    assert not figures_of(CASE, [repeat([1.0]), repeat([1.0], outcome=1.5000001)]).outcome_equal


def test_what_is_not_counted_has_no_share() -> None:
    figures = figures_of(CASE, [replace(repeat([1.0]), flops=None)])
    assert figures.flops is None and figures.share_of_matrix_product is None


def test_the_memory_is_of_the_repeat_that_used_the_most() -> None:
    some, most = Memory(100.0, 60.0, 70.0), Memory(90.0, 50.0, 80.0)
    assert figures_of(CASE, [repeat([1.0], memory=memory) for memory in (some, most, some)]).memory_mb == most


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b"9" * 5000, b'{"format": "lung_ssp benchmark"}']
)
def test_what_is_no_report_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(content)
    with pytest.raises(LungSspError, match=r"report\.json is no benchmark's report: make one with"):
        read_report(path)


def test_a_report_whose_figures_are_zero_is_none(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    case = MeasuredCase(CASE, figures_of(CASE, [repeat([1.0])]), [repeat([1.0])])
    plan = BenchmarkPlan(phase="training", config="a.yml")
    report = BenchmarkReport(plan=plan, settings={}, seed=0, cohort=None, environment={}, cases=[case], skipped={})
    write_report(path, report)
    assert read_report(path).cases == report.cases
    path.write_text(path.read_text().replace('"images_per_second": 12.0', '"images_per_second": 0'))
    with pytest.raises(LungSspError, match="is no benchmark's report"):
        read_report(path)

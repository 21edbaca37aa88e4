"""The figures of two repeats, by hand."""

import pytest

from lung_ssp.benchmark.cases import Case
from lung_ssp.benchmark.figures import figures_of

CASE = Case("classification", "training", "single_task", "O0", "real", 12, "paddle")


def repeat(step_seconds: list[float], outcome: float = 1.5, resident: float = 100.0) -> dict:
    return {
        "step_seconds": step_seconds,
        "reader_seconds": [0.5] * len(step_seconds),
        "outcome": outcome,
        "memory_mb": {"resident": resident},
        "counts": {"parameters": 7, "forward_flops": 6_000_000_000, "step_flops": 18_000_000_000, "step_bytes": 1},
        "matrix_product_gflops": 12.0,
    }


def test_the_figures_of_a_training_by_hand() -> None:
    figures = figures_of(CASE, [repeat([1.0, 2.0, 3.0], resident=130.0), repeat([3.0, 3.0, 6.0])])
    assert figures["batch_cost"] == pytest.approx(3.0)
    assert figures["reader_cost"] == pytest.approx(0.5)
    assert figures["reader_share"] == pytest.approx(1 / 6)
    assert figures["images_per_second"]["mean"] == pytest.approx(72 / 18)
    assert figures["images_per_second"]["p50"] == pytest.approx(12 / 3)
    assert figures["images_per_second"]["p95"] == pytest.approx(12 / 5.25)  # 3 + 0.75 * 3, the sorted times' 4.75th
    assert figures["images_per_second"]["spread"] == pytest.approx((12 / 2 - 12 / 4) / 4.5)
    assert figures["memory_mb"] == {"resident": 130.0}
    assert figures["flops"] == 18_000_000_000
    assert figures["share_of_matrix_product"] == pytest.approx(6 / 12)
    assert (figures["outcome"], figures["outcome_equal"]) == (1.5, True)


def test_inference_is_counted_forward_alone() -> None:
    case = Case("classification", "inference", "single_task", "O0", "real", 12, "paddle")
    assert figures_of(case, [repeat([1.0])])["share_of_matrix_product"] == pytest.approx(6 / 12)


def test_an_outcome_that_differs_is_told() -> None:
    assert not figures_of(CASE, [repeat([1.0]), repeat([1.0], outcome=1.5000001)])["outcome_equal"]


def test_what_is_not_counted_has_no_share() -> None:
    uncounted = {**repeat([1.0]), "counts": {"parameters": 7}}
    figures = figures_of(CASE, [uncounted])
    assert figures["flops"] is None and figures["share_of_matrix_product"] is None

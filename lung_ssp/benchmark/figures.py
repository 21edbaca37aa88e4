"""From the repeats of a case to its figures."""

from typing import Any

import numpy as np

from lung_ssp.benchmark.cases import Case


def figures_of(case: Case, repeats: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of a case.

    Args:
        repeats: what measure.py returned, each time.

    Returns:
        images_per_second: `mean`, all images by all the time; `p50` and `p95`, what half and 95 % of the steps (on a
            GPU: of the stretches) reach at least; `spread`, the distance of the fastest repeat from the slowest by the
            mean of them all.
        batch_cost, reader_cost: mean seconds of a step, and of its wait for the batch; reader_share, their quotient.
        memory_mb: the largest of any repeat.
        counts: operations and parameters (subject.py); flops, those of one step of the phase, None where not counted.
        matrix_product_gflops: the mean of the repeats.
        share_of_matrix_product: the network's operations a second by that rate.
        outcome: of the last repeat, and outcome_equal, whether it was the same each time, bit for bit.
    """
    steps = np.concatenate([repeat["step_seconds"] for repeat in repeats])
    reading = np.concatenate([repeat["reader_seconds"] for repeat in repeats])
    of_repeats = np.array([case.batch_size / np.mean(repeat["step_seconds"]) for repeat in repeats])
    images_per_second = {
        "mean": case.batch_size / steps.mean(),
        "p50": case.batch_size / np.percentile(steps, 50),
        "p95": case.batch_size / np.percentile(steps, 95),
        "spread": np.ptp(of_repeats) / of_repeats.mean(),
    }
    counts = repeats[-1]["counts"]
    rate = float(np.mean([repeat["matrix_product_gflops"] for repeat in repeats]))
    flops = counts.get("step_flops" if case.phase == "training" else "forward_flops")
    outcomes = [repeat["outcome"] for repeat in repeats]
    return {
        "images_per_second": {name: float(value) for name, value in images_per_second.items()},
        "batch_cost": float(steps.mean()),
        "reader_cost": float(reading.mean()),
        "reader_share": float(reading.mean() / steps.mean()),
        "memory_mb": {name: max(repeat["memory_mb"][name] for repeat in repeats) for name in repeats[-1]["memory_mb"]},
        "counts": counts,
        "flops": flops,
        "matrix_product_gflops": rate,
        "share_of_matrix_product": None if flops is None else float(flops / steps.mean() / 1e9 / rate),
        "outcome": outcomes[-1],
        "outcome_equal": len(set(outcomes)) == 1,
    }

"""How far the figures of both trainings lie apart over seeds and over processors with fewer or other instructions.

    python benchmarks/trained_figures.py FOLDER [--seeds 0 1 2 3 4] [--real-nodules FOLDER]

Needs the embedded cohort (`make reproduce` leaves it in output/cohort). Both tasks run side by side, one thread each;
what is finished is not done again. FOLDER/TASK/INSTRUCTIONS-SEED are the runs; the tables are printed as Markdown.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from command import run as run_command
from lung_ssp.errors import LungSspError
from lung_ssp.process_pool import ONE_THREAD

# MKL_DEBUG_CPU_TYPE chooses the code of Intel's library, which Paddle multiplies matrices with; the package sets 5.
INSTRUCTIONS = {
    "AVX2": {"MKL_DEBUG_CPU_TYPE": "5"},
    "AVX-512": {"MKL_DEBUG_CPU_TYPE": "7"},
    "AVX": {
        "MKL_DEBUG_CPU_TYPE": "4",
        "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL",
    },
}
CONFIGS = {
    "segmentation": "configs/segmentation/improved_unet.yml",
    "classification": "configs/classification/table2.yml",
}
SEED_KEYS = {"segmentation": ["seed", "train_dataset.seed"], "classification": ["seed"]}


def accuracy(metrics: Any, comparison: str) -> float:
    """The accuracy of one comparison in a classifier's metrics.json."""
    return metrics["comparisons"][comparison]["accuracy"]


FIGURES: dict[str, dict[str, Callable[[Any], float]]] = {
    "segmentation": {
        "Dice per lesion, mean": lambda metrics: metrics["test_scans"]["dice_per_lesion"]["mean"],
        "Dice per lesion, median": lambda metrics: metrics["test_scans"]["dice_per_lesion"]["median"],
        "Dice per scan, mean": lambda metrics: metrics["test_scans"]["dice_per_scan"]["mean"],
        "lesions found": lambda metrics: metrics["test_scans"]["lesion_sensitivity"],
        "false candidates a scan": lambda metrics: metrics["test_scans"]["false_candidates_per_scan"],
        "Dice per real nodule, mean": lambda metrics: metrics["real_nodules"]["dice_per_nodule"]["mean"],
        "real nodules touched": lambda metrics: metrics["real_nodules"]["touched"],
    },
    "classification": {
        "image against reader": lambda metrics: metrics["comparisons"]["image_against_reader"]["accuracy"],
        "image against pathology": lambda metrics: metrics["comparisons"]["image_against_pathology"]["accuracy"],
        "pathology against pathology": lambda metrics: metrics["comparisons"]["pathology_against_pathology"][
            "accuracy"
        ],
    },
}


@dataclass(frozen=True)
class Spread:
    """How far one figure lies apart over all runs.

    between_instructions: standard deviation among runs of one seed. between_seeds: of the seeds' means.
    """

    runs: int
    mean: float
    lowest: float
    highest: float
    between_instructions: float
    between_seeds: float


def spread(values: np.ndarray) -> Spread:
    """The spread of a figure, float (seeds, instruction sets)."""
    return Spread(
        runs=values.size,
        mean=float(values.mean()),
        lowest=float(values.min()),
        highest=float(values.max()),
        between_instructions=float(np.sqrt(values.var(axis=1, ddof=1).mean())),
        between_seeds=float(values.mean(axis=1).std(ddof=1)),
    )


def run_folder(folder: Path, task: str, instructions: str, seed: int) -> Path:
    """Where the run of a task, an instruction set and a seed lies."""
    return folder / task / f"{instructions}-{seed}"


def train_and_evaluate(task: str, run: Path, environment: Mapping[str, str], seed: int, more: list[str]) -> None:
    """Train and evaluate one run, or what is missing of it; its messages go to a log beside it.

    Raises:
        LungSspError: a command failed.
    """
    overrides = [word for key in SEED_KEYS[task] for word in ("-o", f"{key}={seed}")]
    training = ["train", "--config", CONFIGS[task], "--output", str(run), "--resume", *overrides]
    evaluation = ["eval", str(run), *(more if task == "segmentation" else [])]
    log = run.with_name(run.name + ".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    for arguments in (training, evaluation):
        words = [sys.executable, "-m", "lung_ssp.cli", *arguments]
        with log.open("ab") as file:
            done = subprocess.run(words, env={**os.environ, **ONE_THREAD, **environment}, stdout=file, stderr=file)
        if done.returncode:
            raise LungSspError(f"{arguments[0]} of {run} ended with exit code {done.returncode}: see {log}.")


def run_task(task: str, folder: Path, seeds: list[int], more: list[str]) -> None:
    """All runs of a task, one after the other."""
    for seed in seeds:
        for instructions, environment in INSTRUCTIONS.items():
            run = run_folder(folder, task, instructions, seed)
            if not (run / "metrics.json").is_file():
                train_and_evaluate(task, run, environment, seed, more)
                print(f"{task} {run.name}: finished", file=sys.stderr)


def table(task: str, folder: Path, seeds: list[int]) -> str:
    """The spread of a task's figures as a Markdown table."""
    metrics = [
        [json.loads((run_folder(folder, task, name, seed) / "metrics.json").read_text()) for name in INSTRUCTIONS]
        for seed in seeds
    ]
    rows = ["| figure | runs | mean | lowest to highest | SD between instruction sets | SD between seeds |"]
    rows.append("|---|---|---|---|---|---|")
    for name, figure in FIGURES[task].items():
        if "real" in name and metrics[0][0].get("real_nodules") is None:
            continue
        found = spread(np.array([[figure(run) for run in row] for row in metrics]))
        decimals = 1 if found.mean > 1 else 3
        mean, lowest, highest, instructions, between = (
            f"{value:.{decimals}f}"
            for value in (found.mean, found.lowest, found.highest, found.between_instructions, found.between_seeds)
        )
        rows.append(f"| {name} | {found.runs} | {mean} | {lowest} to {highest} | {instructions} | {between} |")
    return "\n".join(rows)


def study(folder: Path, seeds: list[int], more: list[str]) -> dict[str, str]:
    """Make all runs of both tasks, side by side; their tables by the task's name."""
    with ThreadPoolExecutor(len(CONFIGS)) as pool:
        for done in [pool.submit(run_task, task, folder, seeds, more) for task in CONFIGS]:
            done.result()
    return {task: table(task, folder, seeds) for task in CONFIGS}


def text(tables: dict[str, str]) -> str:
    """Both tables, each under its task."""
    return "\n\n".join(f"{task}\n\n{rows}" for task, rows in tables.items())


def main() -> int:
    """Read the arguments, make what is missing, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="where the runs go")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4], help="at least two")
    parser.add_argument("--real-nodules", type=Path, help="a folder with real nodules to measure the segmentation on")
    given = parser.parse_args()
    if len(given.seeds) < 2:
        parser.error("--seeds: give at least two, else nothing can lie apart.")
    more = ["--real-nodules", str(given.real_nodules)] if given.real_nodules else []
    return run_command(lambda: study(given.folder, given.seeds, more), text)


if __name__ == "__main__":
    sys.exit(main())

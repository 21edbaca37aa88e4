"""The paper's Table 2 beside a run's own log."""

import csv
from importlib import resources
from pathlib import Path

from lung_ssp.classification.task import ClassificationTask
from lung_ssp.errors import CheckpointError
from lung_ssp.figures import new_figure, save_figure

COLUMNS = ClassificationTask.log_columns


def read_log(path: Path) -> list[dict[str, float]]:
    """The rows of a table2.csv.

    Raises:
        CheckpointError: the file is missing or has other columns.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist: train the run first.")
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise CheckpointError(f"{path} has the columns {reader.fieldnames}, expected {', '.join(COLUMNS)}.")
        return [{name: float(row[name]) for name in COLUMNS} for row in reader]


def paper_rows() -> list[dict[str, float]]:
    """The 14 rows of the paper's Table 2, as printed there."""
    with resources.as_file(resources.files("lung_ssp.classification") / "paper_table2.csv") as path:
        return read_log(path)


def side_by_side(ours: list[dict[str, float]], paper: list[dict[str, float]], statement: str) -> str:
    """A text table with the paper's and the run's figures at each step of either."""
    by_step = [{int(row["global_step_value"]): row for row in rows} for rows in (paper, ours)]
    lines = [
        f"run: {statement}",
        "paper: Table 2, NLST (patients): other data, so compare the shape of the curves, not their values",
        "",
        "  step  epoch       |  loss_total_value     |  accuracy_train_value |  accuracy_test_value",
        "        paper   run |    paper        run   |    paper        run   |    paper        run",
    ]
    for step in sorted(set(by_step[0]) | set(by_step[1])):
        rows = [table.get(step) for table in by_step]
        epochs = " ".join(f"{int(row['epoch']):5d}" if row else "    -" for row in rows)
        cells = [" ".join(f"{row[name]:10.7f}" if row else "         -" for row in rows) for name in COLUMNS[2:]]
        lines.append(f"{step:6d}  {epochs} | " + " | ".join(cells))
    return "\n".join(lines) + "\n"


def save_plot(ours: list[dict[str, float]], paper: list[dict[str, float]], statement: str, path: Path) -> None:
    """Loss and accuracies over the steps, the paper's dashed, the run's solid."""
    figure = new_figure(13, 4.2)
    axes = figure.subplots(1, 3)
    titles = ("total loss (training mode)", "accuracy on the batch (evaluation mode)", "accuracy on the test set")
    for axis, name, title in zip(axes, COLUMNS[2:], titles, strict=True):
        for rows, style, label in ((paper, "k--o", "paper (NLST)"), (ours, "C0-o", "this run (not NLST)")):
            axis.plot([r["global_step_value"] for r in rows], [r[name] for r in rows], style, ms=3, label=label)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("step")
        axis.set_ylim(0, None if name == COLUMNS[2] else 1)
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.suptitle(f"Table 2 and this run: {statement}", fontsize=9)
    save_figure(figure, path, statement)

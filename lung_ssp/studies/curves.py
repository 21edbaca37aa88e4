"""What changes along the training: curves of the dashboard's scalars, their means over seeds with intervals."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from lung_ssp.config_errors import nearest
from lung_ssp.figures import new_figure, save_figure
from lung_ssp.studies.measures import FinishedRun, Points, scalars
from lung_ssp.studies.plan import Cell, Study
from lung_ssp.studies.record import StudyError
from lung_ssp.studies.report import level_title, scope
from lung_ssp.studies.settings import CurveSettings
from lung_ssp.studies.statistics import mean_over_seeds
from lung_ssp.studies.tables import tested_patients

PANEL_WIDTH, PANEL_HEIGHT, FRAME = 4.2, 2.9, 1.3  # inches
CHARACTERS = 12.0  # of the title, an inch
MARKED = 40  # points of a curve, at most, that are marked
PAPER = Path(__file__).resolve().parents[1] / "classification" / "paper_table2.csv"
STEP = "global_step_value"  # a column of the paper's table


@dataclass(frozen=True)
class Curve:
    """One scalar of one variant along the training.

    steps: at which every seed has the scalar. seeds: how many. mean, low, high: over seeds, at each step; the interval
        is None with one seed.
    """

    tag: str
    cell: Cell
    seeds: int
    steps: list[int]
    mean: list[float]
    low: list[float | None]
    high: list[float | None]


def curves_of(study: Study, settings: CurveSettings, finished: Mapping[str, FinishedRun]) -> list[Curve]:
    """The curves of every variant that has the scalars, in the order of the tags and variants.

    Raises:
        StudyError: no finished run has one of the scalars.
    """
    curves = []
    for tag in settings.tags:
        own = [curve for cell in study.cells if (curve := curve_of(study, tag, cell, finished)) is not None]
        if finished and not own:
            known = sorted({name for run in finished.values() for name in scalars(run.folder)})
            raise StudyError(f"no run's dashboard has the scalar {tag}{nearest(tag, known)}.")
        curves += own
    return curves


def curve_of(study: Study, tag: str, cell: Cell, finished: Mapping[str, FinishedRun]) -> Curve | None:
    """The curve of a scalar over the complete seeds of a cell, each a mean over its folds; None where none has it."""
    by_seed: dict[int, list[Points | None]] = {}
    for run in study.runs:
        if run.cell is cell:
            points = scalars(finished[run.name].folder).get(tag) if run.name in finished else None
            by_seed.setdefault(run.seed, []).append(points)
    complete = [[points for points in own if points is not None] for own in by_seed.values() if None not in own]
    if not complete:
        return None
    steps = sorted(set.intersection(*(set(points) for own in complete for points in own)))
    means = [mean_over_seeds([float(np.mean([points[step] for points in own])) for own in complete]) for step in steps]
    low, high = [one.low for one in means], [one.high for one in means]
    return Curve(tag, cell, len(complete), steps, [one.mean for one in means], low, high)


def table_of_curves(
    study: Study, name: str, curves: Sequence[Curve], finished: Mapping[str, FinishedRun]
) -> pd.DataFrame:
    """A row for each curve and step."""
    rows = [
        {
            "curve": name,
            "tag": curve.tag,
            "variant": curve.cell.variant,
            **curve.cell.levels,
            "cohort": study.cohorts_of(curve.cell),
            "test_patients": tested_patients(study, curve.cell, finished),
            "seeds": curve.seeds,
            "step": step,
            "mean": mean,
            "low": low,
            "high": high,
        }
        for curve in curves
        for step, mean, low, high in zip(curve.steps, curve.mean, curve.low, curve.high, strict=True)
    ]
    return pd.DataFrame(rows)


def save_curves(
    study: Study, settings: CurveSettings, path: Path, curves: Sequence[Curve], finished: Mapping[str, FinishedRun]
) -> None:
    """Draw curves: a row of panels for each scalar, a panel for each combination of the factors, a colour a variant."""
    combinations = study.settings.combinations()
    width = max(2 * PANEL_WIDTH, PANEL_WIDTH * len(combinations))
    canvas = new_figure(width, PANEL_HEIGHT * len(settings.tags) + FRAME)
    panels = canvas.subplots(len(settings.tags), len(combinations), sharex=True, sharey="row", squeeze=False)
    for row, tag in zip(panels, settings.tags, strict=True):
        row[0].set_ylabel(fill(tag, 40), fontsize=8)
        for panel, levels in zip(row, combinations, strict=True):
            draw_panel(panel, study, [one for one in curves if one.tag == tag and one.cell.levels == levels])
            if settings.beside_paper:
                draw_paper(panel, tag, max((curve.steps[-1] for curve in curves if curve.steps), default=0))
    for panel, levels in zip(panels[0], combinations, strict=True):
        panel.set_title(", ".join(level_title(study, *pair) for pair in levels.items()), fontsize=9)
    for panel in panels[-1]:
        panel.set_xlabel("step", fontsize=8)
    statement = f"{study.statement}; {scope(study, finished)}"
    texts = (study.settings.title, f"{settings.title}: means over seeds, 95 % intervals", statement)
    canvas.suptitle("\n".join(fill(text, int(width * CHARACTERS)) for text in texts), fontsize=9)
    labels = dict(_handles(panels.ravel().tolist()))
    canvas.legend(list(labels.values()), list(labels), loc="outside lower center", ncols=3, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_figure(canvas, path, statement)


def draw_panel(panel: Axes, study: Study, curves: Sequence[Curve]) -> None:
    """The curves of one scalar in one combination of the factors."""
    variants = list(study.settings.variants)
    for curve in curves:
        colour = f"C{variants.index(curve.cell.variant) % 10}"
        marker = "." if len(curve.steps) <= MARKED else None
        panel.plot(curve.steps, curve.mean, color=colour, linewidth=1.3, marker=marker, label=curve.cell.title)
        low, high = (np.array(bounds, float) for bounds in (curve.low, curve.high))  # NaN with one seed: nothing
        panel.fill_between(curve.steps, low, high, color=colour, alpha=0.2, linewidth=0)
    panel.grid(alpha=0.3)
    panel.tick_params(labelsize=8)


def draw_paper(panel: Axes, tag: str, last: int) -> None:
    """The paper's Table 2 up to a step, where a scalar is one of its columns; nothing for another one."""
    table = pd.read_csv(PAPER)
    if tag in table.columns:
        shown = table[table[STEP] <= last]
        panel.plot(shown[STEP], shown[tag], "k.", markersize=5, label="the paper's Table 2 (NLST, other data)")


def _handles(panels: Sequence[Axes]) -> Iterator[tuple[str, Artist]]:
    for panel in panels:
        handles, labels = panel.get_legend_handles_labels()
        yield from zip(labels, handles, strict=True)

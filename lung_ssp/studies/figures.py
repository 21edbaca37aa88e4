"""The figures of a study: variants side by side, seeds as points, means with their intervals."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes

from lung_ssp.figures import new_figure, save_figure
from lung_ssp.studies.comparison import Statistic, Values, seed_values
from lung_ssp.studies.measures import FinishedRun, figure_at
from lung_ssp.studies.plan import Cell, Study
from lung_ssp.studies.report import level_title, scope
from lung_ssp.studies.settings import FigureSettings

FOLDER = "figures"
WIDTH_OF_VARIANT, HEIGHT, LEAST_WIDTH = 1.15, 5.0, 6.0  # inches
SPREAD = 0.25  # of the points of one variant, to either side
LABEL = 14  # characters in a line of a variant's name
CHARACTERS = 12.0  # of the title, an inch


def save_study_figure(
    study: Study,
    figure: FigureSettings,
    path: Path,
    statistics: Sequence[Statistic],
    values: Values,
    finished: Mapping[str, FinishedRun],
) -> None:
    """Draw one figure of a study: a panel for each combination of the factors.

    Raises:
        StudyError: a finished run has no such level as one of the figure's lines.
    """
    combinations = study.settings.combinations()
    count = len(study.settings.variants) * len(combinations)
    width = max(LEAST_WIDTH, WIDTH_OF_VARIANT * count + 1.5)
    canvas = new_figure(width, HEIGHT)
    panels = canvas.subplots(1, len(combinations), sharey=True, squeeze=False)[0]
    for panel, levels in zip(panels, combinations, strict=True):
        cells = [cell for cell in study.cells if cell.levels == levels]
        own = {one.variant: one for one in statistics if one.metric == figure.metric and one.levels == levels}
        for place, cell in enumerate(cells):
            seeds = seed_values(study, figure.metric, cell, values)
            draw_variant(panel, place, list(seeds.values()), own[cell.variant])
        for number, line in enumerate(figure.lines):
            if (level := mean_level(study, cells, line.key, finished)) is not None:
                panel.axhline(level, color=f"C{number + 1}", linestyle="--", linewidth=1.2, label=line.title)
        panel.set_xticks(range(len(cells)), [fill(cell.title, LABEL) for cell in cells], fontsize=8)
        panel.set_xlim(-0.6, len(cells) - 0.4)
        panel.grid(axis="y", alpha=0.3)
        panel.set_title(", ".join(level_title(study, *pair) for pair in levels.items()), fontsize=9)
    panels[0].set_ylabel(fill(study.settings.metrics[figure.metric].title, 60), fontsize=9)
    statement = f"{study.statement}; {scope(study, finished)}"
    title = [fill(text, int(width * CHARACTERS)) for text in (study.settings.title, statement)]
    canvas.suptitle("\n".join(title), fontsize=9)
    handles, labels = panels[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_figure(canvas, path, statement)


def draw_variant(panel: Axes, place: int, seeds: Sequence[float], statistic: Statistic) -> None:
    """A variant's seeds as points, side by side in their order, and their mean with its interval."""
    first = place == 0
    shift = np.linspace(-SPREAD, SPREAD, len(seeds)) if len(seeds) > 1 else np.zeros(len(seeds))
    panel.plot(place + shift, seeds, "o", color="0.55", markersize=3.5, label="one seed" if first else None)
    mean = statistic.mean
    if mean is None:
        return
    if mean.low is not None and mean.high is not None:
        reach = [[mean.mean - mean.low], [mean.high - mean.mean]]
        panel.errorbar(
            place, mean.mean, reach, fmt="D", color="C0", capsize=6, label="mean, 95 % interval" if first else None
        )
    else:
        panel.plot(place, mean.mean, "D", color="C0", label="mean" if first else None)


def mean_level(study: Study, cells: Sequence[Cell], key: str, finished: Mapping[str, FinishedRun]) -> float | None:
    """The mean of a figure of metrics.json over the cohorts of some cells; None where no run has finished."""
    by_cohort = {
        run.cohort.fingerprint: figure_at(finished[run.name].folder, key)
        for run in study.runs
        if run.cell in cells and run.name in finished
    }
    return float(np.mean(list(by_cohort.values()))) if by_cohort else None

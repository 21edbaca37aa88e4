"""The statistics of a study as a text to read."""

from collections.abc import Mapping, Sequence

from lung_ssp.studies.comparison import Interval, Statistic
from lung_ssp.studies.measures import FinishedRun
from lung_ssp.studies.plan import Study
from lung_ssp.studies.statistics import DRAWINGS, Mean
from lung_ssp.studies.tables import tested_patients

NOTES = (
    "Means are over seeds; the value of a seed is the mean over its folds, where there are folds. 95 % intervals in",
    "brackets: of Student's t over seeds, for these patients and this division of them. By patient: if other patients",
    "had been tested, by networks trained as these were. d: Cohen's d of paired samples, the mean difference in its",
    f"own deviations. p: two-sided permutation test over the signs of the differences, all or {DRAWINGS:,} drawn ones;",
    "p Holm: corrected over the comparisons of its metric. Least p: the smallest that so many pairs can give.",
)


def text_report(
    study: Study, statistics: Sequence[Statistic], finished: Mapping[str, FinishedRun], problems: Sequence[str]
) -> str:
    """The statement, a table for each metric, what the columns mean, and what failed."""
    settings = study.settings
    lines = [settings.title, study.statement, scope(study, finished)]
    for name, metric in settings.metrics.items():
        lines += ["", metric.title]
        for levels in settings.combinations():
            own = [one for one in statistics if one.metric == name and one.levels == levels]
            if levels:
                lines.append("  " + ", ".join(level_title(study, *pair) for pair in levels.items()))
            lines += [line for one in own for line in statistic_lines(study, one)]
    lines += ["", *NOTES]
    if problems:
        lines += ["", "Not in these figures:", *(f"  {problem}" for problem in problems)]
    return "\n".join(lines) + "\n"


def scope(study: Study, finished: Mapping[str, FinishedRun]) -> str:
    """How many seeds, folds and patients the figures are of."""
    settings = study.settings
    patients = sorted({tested_patients(study, cell, finished) for cell in study.cells} - {0})
    told = " to ".join(f"{count:,}" for count in dict.fromkeys([patients[0], patients[-1]])) if patients else "no"
    seeds = f"{len(settings.seeds)} seed{'s' * (len(settings.seeds) > 1)}"
    folds = f", {len(settings.folds.numbers)} folds" if settings.folds else ""
    return f"{len(finished)} of {len(study.runs)} runs; {seeds}{folds}; tested on {told} patients"


def level_title(study: Study, factor: str, level: str) -> str:
    """What tables and figures call a level of a factor."""
    return f"{factor}: {study.settings.factors[factor][level].title or level}"


def statistic_lines(study: Study, one: Statistic) -> list[str]:
    """A variant by itself, then against the reference."""
    title = study.settings.variants[one.variant].title or one.variant
    if one.mean is None:
        return [f"    {title}: no complete seed"]
    lines = [f"    {title}: {mean_text(one.mean)}, {one.mean.n} seeds{by_patient(one.by_patient)}"]
    test = one.against
    if test is not None:
        reference = study.settings.reference or ""
        name = study.settings.variants[reference].title or reference
        effect = "-" if test.effect is None else f"{test.effect:.2f}"
        p = "-" if test.p is None else f"{test.p:.4g}"
        corrected = "-" if one.p_holm is None else f"{one.p_holm:.4g}"
        lines += [
            f"      less {name}: {mean_text(test.difference, signed=True)}, {test.difference.n} pairs"
            f"{by_patient(one.difference_by_patient, signed=True)}",
            f"      d {effect}, p {p}, p Holm {corrected}, least p {test.least_p:.2g}",
        ]
    return lines


def mean_text(mean: Mean, signed: bool = False) -> str:
    """A mean with its interval, if it has one."""
    if mean.low is None or mean.high is None:
        return number(mean.mean, signed)
    return f"{number(mean.mean, signed)} [{number(mean.low, signed)} to {number(mean.high, signed)}]"


def by_patient(interval: Interval | None, signed: bool = False) -> str:
    """An interval by patient as a further part of a sentence; nothing where there is none."""
    if interval is None:
        return ""
    return f", by patient [{number(interval[0], signed)} to {number(interval[1], signed)}]"


def number(value: float, signed: bool) -> str:
    """A figure with as many digits as it deserves: shares with four, counts and seconds with fewer."""
    sign = "+" if signed else ""
    if abs(value) < 100:
        return f"{value:{sign}.4f}"
    return f"{value:{sign},.0f}" if value == round(value) else f"{value:{sign},.1f}"

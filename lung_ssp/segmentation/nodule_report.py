"""The figures of single nodules to read, and their rows as a table."""

from pathlib import Path

from pydantic import TypeAdapter

from lung_ssp.cohort.store import write_table
from lung_ssp.errors import CohortError
from lung_ssp.files import write_json, write_text
from lung_ssp.folders import others_in
from lung_ssp.segmentation.nodule_metrics import NoduleGroup, NoduleMetrics, NoduleResult
from lung_ssp.training.evaluation import METRICS_FILE, REPORT_FILE

NODULE_TABLE = "nodules.csv"  # in the folder of a run
NODULE_FIGURE = "nodules.png"  # among its figures
HEAD = (
    f"  {'':<34}{'nodules':>8}{'patients':>9}{'Dice':>8}  {'95 % interval':<16}{'of all':>8}{'touched':>8}"
    f"{'':>4}{'readers':>8}{'network':>8}{'nodules':>8}"
)


def nodule_lines(metrics: NoduleMetrics) -> list[str]:
    """Lines of a report: whose nodules, then a line a group."""
    groups = metrics.groups
    kind = "SYNTHETIC" if metrics.synthetic else "real"
    parts = (metrics.licence, metrics.citation)
    source = [f"  {part}" for part in parts if part and part.rstrip(".") not in metrics.cohort]
    return [
        f"{groups[0].nodules} {kind} nodules of {groups[0].patients} patients, {metrics.which}",
        f"  {metrics.cohort}",
        *source,
        f"  threshold {metrics.threshold:g}; {metrics.left_out} nodules left out, a reader's mask of them is missing",
        "  Dice of what at least half of the readers marked with all connected parts of the result that touch it, by",
        "  nodule in 3-D over the slices that a reader marked; the interval by bootstrap over patients. Of all: with",
        "  the whole result, what it marks elsewhere in the slices included. Readers: the mean Dice of each reader",
        "  with what most of the others marked, where the cohort knows it; beside it the network on the same nodules.",
        HEAD,
        *(_line(group) for group in groups),
    ]


def write_nodule_table(folder: Path, results: tuple[NoduleResult, ...]) -> None:
    """Write <folder>/nodules.csv, one row a nodule."""
    rows = [{**vars(result), "touched": int(result.touched)} for result in results]
    write_table(folder / NODULE_TABLE, rows, list(NoduleResult.__dataclass_fields__), decimals=6)


def nodule_text(metrics: NoduleMetrics) -> str:
    """The report of nodules alone."""
    return "\n".join(nodule_lines(metrics)) + "\n"


def check_table_folder(folder: Path) -> None:
    """Refuse a folder for a table of nodules that holds anything else, with a CohortError."""
    if folder.exists() and (not folder.is_dir() or others_in(folder) - {NODULE_TABLE, METRICS_FILE, REPORT_FILE}):
        raise CohortError(f"{folder} holds something that is no table of nodules: name another folder.")


def write_joined(folder: Path, metrics: NoduleMetrics) -> None:
    """Write nodules.csv, metrics.json and metrics.txt into a folder that `check_table_folder` accepts."""
    folder.mkdir(parents=True, exist_ok=True)
    write_nodule_table(folder, metrics.by_nodule)
    write_json(folder / METRICS_FILE, TypeAdapter(NoduleMetrics).dump_python(metrics, mode="json"))
    write_text(folder / REPORT_FILE, nodule_text(metrics))


def _line(group: NoduleGroup) -> str:
    start = f"  {group.name:<34}{group.nodules:>8}{group.patients:>9}"
    if group.dice is None or group.dice_interval is None or group.dice_of_all is None or group.touched is None:
        return start
    low, high = group.dice_interval
    line = f"{start}{group.dice:>8.3f}  {f'{low:.3f} to {high:.3f}':<16}{group.dice_of_all:>8.3f}{group.touched:>8.3f}"
    if group.readers_dice is None:
        return line
    return f"{line}{'':>4}{group.readers_dice:>8.3f}{group.dice_of_those:>8.3f}{group.readers_nodules:>8}"

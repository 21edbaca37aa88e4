"""Having the planned series on disk: what is there, what is missing, whether there is room, and fetching it."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from lung_ssp.cohort.nlst.arrival import measure
from lung_ssp.cohort.nlst.plan_table import ROLES, fault_of
from lung_ssp.cohort.nlst.settings import DownloadSettings
from lung_ssp.cohort.nlst.sizes import BYTES_OF_MB, size_text
from lung_ssp.cohort.nlst.transfer import Client, Transfer, own_client
from lung_ssp.errors import CohortError
from lung_ssp.files import alone_in

BYTES_OF_GB = 1e9
NAMED = 20  # failures that the error names


def download(
    plan: pd.DataFrame, data_root: Path, settings: DownloadSettings, *, execute: bool, client: Client | None = None
) -> str:
    """Have the series of a plan as <data_root>/<series_uid>/, or say what would be done.

    A series that is there with the index's number of files and size is not fetched again. One that is not arrives in a
    folder of its own, is checked, and then takes its place; after an interruption, run it again.

    Args:
        plan: as `read_plan` gives it.
        execute: False for a dry run, which writes nothing.
        client: idc-index's, or one that does the same; None makes idc-index's when there is something to fetch.

    Returns:
        the report.

    Raises:
        CohortError: the disk is too small, or series could not be had (it names them by
            participant, year and role, and says why).
        LungSspError: another download works there, or idc-index is not installed.
    """
    data_root = Path(data_root)
    fault = fault_of(plan)
    if fault:
        raise CohortError(f"the plan cannot be downloaded, {fault}: make the plan anew.")
    missing_rows = _faults(plan, data_root, settings).ne("")
    missing = plan[missing_rows]
    report = _report(plan, missing_rows)
    needed = round(float(missing["size_mb"].sum()) * BYTES_OF_MB)
    free = shutil.disk_usage(_existing(data_root)).free
    room = _room(needed, free, settings)
    enough = free - needed >= settings.free_gb_kept * BYTES_OF_GB
    if not execute:
        verdict = "" if enough else "The disk is too small.\n"
        return f"{report}{room}\n{verdict}Dry run: nothing was fetched.\n"
    if missing.empty:
        return f"{report}Nothing is missing.\n"
    if not enough:
        raise CohortError(
            f"the disk of {data_root} is too small ({room}): use another one, or narrow the plan (--max-gb)."
        )
    data_root.mkdir(parents=True, exist_ok=True)
    with alone_in(data_root), tqdm(total=needed, unit="B", unit_scale=True, desc="download") as bar:
        left = Transfer(data_root, settings, client or own_client(), bar.update).fetch(missing)
    if not left.empty:
        raise CohortError(_failure(left, len(plan)))
    return f"{report}{len(missing):,} series were fetched and checked.\n"


def _faults(plan: pd.DataFrame, data_root: Path, settings: DownloadSettings) -> pd.Series:
    """What is wrong with each planned series on disk, "" where nothing is."""
    faults = [
        measure(data_root / row.series_uid).fault(row.instances, row.size_mb, settings.size_tolerance)
        for row in plan.itertuples()
    ]
    return pd.Series(faults, plan.index, dtype=object)


def _report(plan: pd.DataFrame, missing: pd.Series) -> str:
    lines = []
    for role in ROLES:
        of_role = plan["role"].eq(role)
        lines.append(f"{role:<12} there and checked {_amount(plan[of_role & ~missing])}")
        lines.append(f"{'':<12} to fetch          {_amount(plan[of_role & missing])}")
    return "\n".join(lines) + "\n"


def _amount(series: pd.DataFrame) -> str:
    return f"{len(series):>8,} series {size_text(float(series['size_mb'].sum())):>13}"


def _room(needed: float, free: float, settings: DownloadSettings) -> str:
    return (
        f"{size_text(needed / BYTES_OF_MB)} to fetch, {size_text(free / BYTES_OF_MB)} free, of which "
        f"{settings.free_gb_kept:g} GB are kept"
    )


def _failure(left: pd.DataFrame, planned: int) -> str:
    """The error of series that could not be had, without their UIDs."""
    names = [_name(row) for row in left.head(NAMED).itertuples()]
    more = f"; and {len(left) - NAMED:,} more" if len(left) > NAMED else ""
    return f"{len(left):,} of {planned:,} series could not be had, run it again: {'; '.join(names)}{more}."


def _name(row: Any) -> str:
    year = "" if pd.isna(row.study_year) else f" T{row.study_year}"
    source = f" of {row.source}" if row.source else ""
    return f"{row.participant}{year} {row.role}{source}: {row.fault}"


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())

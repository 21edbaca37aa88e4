"""Downloading a plan's series: what is on the disk, what is missing, whether there is room, and fetching it."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from lung_ssp.cohort.nlst.plan_table import ROLES, problem_of
from lung_ssp.cohort.nlst.results import BYTES_OF_MB, Amount, DownloadResult
from lung_ssp.cohort.nlst.settings import DownloadSettings
from lung_ssp.cohort.nlst.text import space_text
from lung_ssp.cohort.nlst.transfer import Client, Transfer, own_client, problem_on_disk
from lung_ssp.errors import CohortError
from lung_ssp.files import alone_in

BYTES_OF_GB = 1e9
NAMED = 20  # failures that the error names


def download(
    plan: pd.DataFrame, data_root: Path, settings: DownloadSettings, *, execute: bool, client: Client | None = None
) -> DownloadResult:
    """Download the series of a plan to <data_root>/<series_uid>/, or find out what is missing.

    A series that is there with the index's number of files and size is not fetched again. The others arrive in a
    folder of their own, are checked, and then moved to their place; after an interruption, run it again.

    Args:
        plan: as `read_plan` gives it.
        execute: False for a dry run, which writes nothing.
        client: idc-index's, or one that does the same; None makes idc-index's when there is something to fetch.

    Returns:
        what was there, what was missing and what was fetched; `download_text` tells it in words.

    Raises:
        CohortError: the disk is too small, or series could not be fetched (named by participant, year and role, with
            the reason).
        LungSspError: another download works there, or idc-index is not installed.
    """
    data_root = Path(data_root)
    problem = problem_of(plan)
    if problem:
        raise CohortError(f"the plan cannot be downloaded, {problem}: make the plan again.")
    tolerance = settings.size_tolerance
    problems = [problem_on_disk(data_root / row.series_uid, row, tolerance) for row in plan.itertuples()]
    is_missing = pd.Series(problems, plan.index, dtype=object).ne("")
    missing = plan[is_missing]
    needed = round(float(missing["size_mb"].sum()) * BYTES_OF_MB)
    existing = next(path for path in (data_root.absolute(), *data_root.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    found = DownloadResult(
        present=_amounts(plan[~is_missing]),
        missing=_amounts(missing),
        free_mb=free / BYTES_OF_MB,
        kept_gb=settings.free_gb_kept,
        fits=free - needed >= settings.free_gb_kept * BYTES_OF_GB,
    )
    if not execute:
        return found
    if missing.empty:
        return replace(found, fetched=0)
    if not found.fits:
        raise CohortError(
            f"the disk of {data_root} is too small ({space_text(found)}): use another one, or narrow the plan "
            "(--max-gb)."
        )
    data_root.mkdir(parents=True, exist_ok=True)
    with alone_in(data_root), tqdm(total=needed, unit="B", unit_scale=True, desc="download") as bar:
        left = Transfer(data_root, settings, client or own_client(), bar.update).fetch(missing)
    if not left.empty:
        raise CohortError(_failure(left, len(plan)))
    return replace(found, fetched=len(missing))


def _amounts(series: pd.DataFrame) -> Mapping[str, Amount]:
    """How many series of each role, and their size."""
    by_role = {role: series[series["role"].eq(role)] for role in ROLES}
    return {role: Amount(len(own), float(own["size_mb"].sum())) for role, own in by_role.items()}


def _failure(left: pd.DataFrame, planned: int) -> str:
    """The error of series that could not be fetched, without their UIDs."""
    names = [_name(row) for row in left.head(NAMED).itertuples()]
    more = f"; and {len(left) - NAMED:,} more" if len(left) > NAMED else ""
    return f"{len(left):,} of {planned:,} series could not be fetched, run it again: {'; '.join(names)}{more}."


def _name(row: Any) -> str:
    year = "" if pd.isna(row.study_year) else f" T{row.study_year}"
    source = f" of {row.source}" if row.source else ""
    return f"{row.participant}{year} {row.role}{source}: {row.problem}"

"""Downloading a plan's series: what is on the disk, what is missing, whether there is room, and fetching it.

Series are fetched with idc-index's client, in batches; each is checked before it is moved to its place.
"""

import logging
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from tqdm import tqdm

from lung_ssp.cohort.idc.amounts import BYTES_OF_MB, Amount, DownloadResult, space_text
from lung_ssp.cohort.idc.index import UUID
from lung_ssp.cohort.idc.settings import DownloadSettings
from lung_ssp.cohort.uids import LONGEST_UID, UID
from lung_ssp.errors import CohortError, EnvironmentProblem
from lung_ssp.files import write_text
from lung_ssp.folders import alone_in, refuse_links

BYTES_OF_GB = 1e9
NAMED = 20  # failures that the error names
INCOMING = ".incoming"  # series are fetched into this folder and moved out of it when they are complete
FROM_URL = r"s3://(?P<bucket>[^/]+)/(?P<crdc_series_uuid>[^/]+)/"
NOT_INDEXED = "not in idc-index's index, or in another version: make the plan from that index"


def problem_on_disk(folder: Path, row: Any, tolerance: float) -> str:
    """How files differ from a plan row's number and size (by more than a share of it), "" where they do not."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    if len(sizes) != row.instances:
        return f"{len(sizes)} files, not {row.instances}"
    expected = row.size_mb * BYTES_OF_MB
    if abs(sum(sizes) - expected) > max(1.0, tolerance * expected):
        return f"{sum(sizes)} bytes, not {expected:.0f}"
    return ""


class Client(Protocol):
    """What is used of idc-index's IDCClient."""

    index: pd.DataFrame

    def download_from_manifest(
        self,
        manifestFile: str,
        downloadDir: str,
        *,
        quiet: bool,
        show_progress_bar: bool,
        dirTemplate: str,
        progress_callback: Callable[[float, float, str, str], None],
    ) -> None:
        """Run the copy commands of a manifest, each series into a folder named after the template."""


def own_client() -> Client:
    """idc-index's client, which logs no UIDs and paths; it takes 1.7 GB of memory.

    Raises:
        EnvironmentProblem: the package is not installed.
    """
    try:
        from idc_index import IDCClient
    except ImportError as error:
        raise EnvironmentProblem("idc-index is not installed: install the extra nlst (pip install .[nlst]).") from error
    logging.getLogger("idc_index").setLevel(logging.CRITICAL)
    return IDCClient()


@dataclass
class Transfer:
    """The fetching of series into <data_root>/<series_uid>/.

    arrived: called with the bytes of each series that was moved to its place, from several threads.
    """

    data_root: Path
    settings: DownloadSettings
    client: Client
    arrived: Callable[[int], object]

    def __post_init__(self) -> None:
        self.incoming = self.data_root / INCOMING
        self.preparing = threading.Lock()

    def fetch(self, missing: pd.DataFrame) -> pd.DataFrame:
        """Fetch series of a plan, and incomplete ones again.

        Returns:
            the series that are still not there, with the column problem.
        """
        located = self._locate(missing)
        unknown, left = located[located["problem"].ne("")], located[located["problem"].eq("")]
        for _ in range(self.settings.attempts):
            if not left.empty:
                left = left.assign(problem=self._fetch_once(left))
                left = left[left["problem"].ne("")]
        if left.empty and self.incoming.is_dir():
            shutil.rmtree(self.incoming)
        return pd.concat([unknown, left])

    def _locate(self, missing: pd.DataFrame) -> pd.DataFrame:
        """Where the client's index has the series; it is narrowed to them, as each call copies and joins all of it."""
        index = self.client.index
        self.client.index = index[index["SeriesInstanceUID"].isin(missing["series_uid"])].reset_index(drop=True)
        urls = self.client.index.set_index("SeriesInstanceUID")["series_aws_url"].reindex(missing["series_uid"])
        parts = urls.astype(object).str.extract(FROM_URL).reset_index(drop=True)
        located = missing.reset_index(drop=True).assign(bucket=parts["bucket"], problem="")
        located.loc[parts["crdc_series_uuid"].ne(located["crdc_series_uuid"]), "problem"] = NOT_INDEXED
        return located

    def _fetch_once(self, series: pd.DataFrame) -> pd.Series:
        """Fetch all series in batches; their problems, "" where one is in its place."""
        starts = range(0, len(series), self.settings.batch)
        batches = [series.iloc[start : start + self.settings.batch] for start in starts]
        pool = ThreadPoolExecutor(self.settings.parallel)
        try:
            running = [pool.submit(self._fetch_batch, batch) for batch in batches]
            return pd.concat([done.result() for done in as_completed(running)]).reindex(series.index)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _fetch_batch(self, batch: pd.DataFrame) -> pd.Series:
        problems = self._place_all(batch)  # an interrupted transfer may have left complete series
        missing = batch[problems.ne("")]
        if missing.empty:
            return problems
        for uid in missing["series_uid"]:
            shutil.rmtree(self.incoming / uid, ignore_errors=True)
        problem = self._run_client(missing)
        after = self._place_all(missing)
        problems[after.index] = after.where(after.eq(""), after + problem)
        return problems

    def _run_client(self, batch: pd.DataFrame) -> str:
        """One call of the client; what it raised, in brackets, "" where it did not.

        The client prepares a call with DuckDB's shared connection, which is not for two threads: the next call begins
        when this one reports its first progress, that is when its transfer is under way, or when it ends.
        """
        under_way = threading.Event()

        def report(*_: object) -> None:
            if not under_way.is_set():
                under_way.set()
                self.preparing.release()

        self.preparing.acquire()
        try:
            with tempfile.TemporaryDirectory() as folder:
                manifest = Path(folder) / "manifest.s5cmd"
                write_text(manifest, manifest_text(batch))
                self.client.download_from_manifest(
                    str(manifest),
                    str(self.incoming),
                    quiet=True,
                    show_progress_bar=True,  # without it no progress is reported
                    dirTemplate="%SeriesInstanceUID",  # the usual one names folders by the patient
                    progress_callback=report,
                )
        except Exception as error:  # whatever it raises, the series that did not arrive are fetched again
            return f" ({type(error).__name__})"
        finally:
            report()
        return ""

    def _place_all(self, batch: pd.DataFrame) -> pd.Series:
        return pd.Series([self._place(row) for row in batch.itertuples()], batch.index, dtype=object)

    def _place(self, row: Any) -> str:
        """Move a series that arrived completely to its place; else say what is wrong with it."""
        arrived = self.incoming / row.series_uid
        if problem := problem_on_disk(arrived, row, self.settings.size_tolerance):
            return problem
        place = self.data_root / row.series_uid
        if place.exists():
            shutil.rmtree(place)
        arrived.rename(place)
        self.arrived(round(row.size_mb * BYTES_OF_MB))
        return ""


def download(
    plan: pd.DataFrame,
    data_root: Path,
    settings: DownloadSettings,
    *,
    roles: Sequence[str],
    execute: bool,
    client: Client | None = None,
) -> DownloadResult:
    """Download the series of a plan to <data_root>/<series_uid>/, or find out what is missing.

    A series that is there with the index's number of files and size is not fetched again. The others arrive in a
    folder of their own, are checked, and then moved to their place; after an interruption, run it again.

    Args:
        plan: one row a series, checked when it was read: role, participant, series_uid, crdc_series_uuid, instances,
            size_mb, and study_year and source, by which a series that could not be fetched is named.
        roles: those that a plan has, in the order of the result.
        execute: False for a dry run, which writes nothing.
        client: idc-index's, or one that does the same; None makes idc-index's when there is something to fetch.

    Raises:
        CohortError: the disk is too small, or series could not be fetched (named by participant, year and role, with
            the reason).
        LungSspError: another download works there, or idc-index is not installed.
    """
    data_root = Path(data_root)
    if problem := problem_of_series(plan):
        raise CohortError(f"the plan cannot be downloaded, {problem}: make the plan again.")
    tolerance = settings.size_tolerance
    problems = [problem_on_disk(data_root / row.series_uid, row, tolerance) for row in plan.itertuples()]
    is_missing = pd.Series(problems, plan.index, dtype=object).ne("")
    missing = plan[is_missing]
    needed = round(float(missing["size_mb"].sum()) * BYTES_OF_MB)
    existing = next(path for path in (data_root.absolute(), *data_root.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    found = DownloadResult(
        present=_amounts(plan[~is_missing], roles),
        missing=_amounts(missing, roles),
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
    refuse_links(data_root, [INCOMING, *missing["series_uid"]])
    with alone_in(data_root), tqdm(total=needed, unit="B", unit_scale=True, desc="download") as bar:
        left = Transfer(data_root, settings, client or own_client(), bar.update).fetch(missing)
    if not left.empty:
        raise CohortError(_failure(left, len(plan)))
    return replace(found, fetched=len(missing))


def _amounts(series: pd.DataFrame, roles: Sequence[str]) -> Mapping[str, Amount]:
    """How many series of each role, and their size."""
    by_role = {role: series[series["role"].eq(role)] for role in roles}
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


def manifest_text(series: pd.DataFrame) -> str:
    """idc-index's download manifest, for its client and s5cmd: a copy command for each bucket and crdc_series_uuid."""
    names = zip(series["bucket"], series["crdc_series_uuid"], strict=True)
    return "".join(f"cp s3://{bucket}/{uuid}/* .\n" for bucket, uuid in names)


def problem_of_series(plan: pd.DataFrame) -> str:
    """What is wrong with a plan's series, as part of a sentence; "" where nothing is.

    Args:
        plan: series_uid, study_uid, crdc_series_uuid, instances, size_mb.
    """
    for column, form in (("series_uid", UID), ("study_uid", UID), ("crdc_series_uuid", UUID)):
        if (
            not plan[column]
            .map(lambda value, form=form: len(value) <= LONGEST_UID and bool(form.fullmatch(value)))
            .all()
        ):
            return f"a {column} has the wrong form"
    if plan["series_uid"].duplicated().any():
        return "a series is listed twice"
    if (plan["instances"] < 1).any() or not (plan["size_mb"] >= 0).all():
        return "a series has no files or no size"
    return ""

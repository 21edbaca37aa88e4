"""Fetching series with idc-index's client, in batches; each series is checked before it is moved to its place."""

import logging
import shutil
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from lung_ssp.cohort.nlst.plan_table import manifest_text
from lung_ssp.cohort.nlst.results import BYTES_OF_MB
from lung_ssp.cohort.nlst.settings import DownloadSettings
from lung_ssp.errors import EnvironmentFault
from lung_ssp.files import write_text

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
        EnvironmentFault: the package is not installed.
    """
    try:
        from idc_index import IDCClient
    except ImportError as error:
        raise EnvironmentFault("idc-index is not installed: install the extra nlst (pip install .[nlst]).") from error
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

"""Having the planned series, with a client that stands in for idc-index's and writes real files."""

import stat
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lung_ssp.cohort.idc.amounts import download_text
from lung_ssp.cohort.idc.download import download
from lung_ssp.cohort.idc.settings import DownloadSettings
from lung_ssp.cohort.nlst.plan_table import ROLES, SCHEMA
from lung_ssp.errors import CohortError, LungSspError

BYTES = 2000  # of each file
SETTINGS = DownloadSettings(parallel=2, batch=2, attempts=1, free_gb_kept=0.0)


def uuid(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


def plan_of(*files: int) -> pd.DataFrame:
    """One CT series a participant, with so many files each."""
    rows = [
        {
            "role": "ct",
            "participant": f"P-{number}",
            "study_year": 0,
            "series_uid": f"1.2.{number}",
            "study_uid": f"1.3.{number}",
            "crdc_series_uuid": uuid(number),
            "instances": n,
            "size_mb": n * BYTES / 1e6,
            "source": "",
        }
        for number, n in enumerate(files, start=1)
    ]
    return pd.DataFrame(rows, columns=SCHEMA.names).astype({"study_year": "Int64", "instances": "Int64"})


class StandIn:
    """Copies nothing but writes what the manifest names, as the faults say.

    faults: what happens to a series, by its UID, one word a transfer: short, truncated, twice, lost or interrupted.
    """

    def __init__(self, plan: pd.DataFrame, faults: dict[str, list[str]] | None = None) -> None:
        self.plan = plan.set_index("crdc_series_uuid")
        self.index = pd.DataFrame(
            {
                "SeriesInstanceUID": [*plan["series_uid"], "1.9.9"],
                "series_aws_url": [f"s3://bucket/{name}/*" for name in (*plan["crdc_series_uuid"], uuid(99))],
            }
        )
        self.faults = {uid: list(words) for uid, words in (faults or {}).items()}
        self.fetched: list[str] = []
        self.running = self.most_running = self.preparing = self.most_preparing = 0
        self.count = threading.Lock()

    def download_from_manifest(  # type: ignore[no-untyped-def]
        self, manifestFile, downloadDir, *, quiet, show_progress_bar, dirTemplate, progress_callback
    ) -> None:
        assert (quiet, show_progress_bar, dirTemplate) == (True, True, "%SeriesInstanceUID")
        with self.count:
            self.running += 1
            self.preparing += 1
            self.most_running = max(self.most_running, self.running)
            self.most_preparing = max(self.most_preparing, self.preparing)
        time.sleep(0.01)
        with self.count:
            self.preparing -= 1
        progress_callback(0.0, 1.0, "B", "")
        progress_callback(1.0, 1.0, "B", "")
        try:
            for line in Path(manifestFile).read_text().splitlines():
                command, url, _ = line.split()
                assert command == "cp"
                self._deliver(self.plan.loc[url.split("/")[3]], Path(downloadDir))
            time.sleep(0.05)
        finally:
            with self.count:
                self.running -= 1

    def _deliver(self, row: Any, folder: Path) -> None:
        self.fetched.append(row["series_uid"])
        words = self.faults.get(row["series_uid"])
        word = words.pop(0) if words else ""
        files = row["instances"] - (word in {"short", "interrupted"})
        place = folder / row["series_uid"]
        for copy in ("a", "b")[: 2 if word == "twice" else 1]:
            for number in range(0 if word == "lost" else files):
                place.mkdir(parents=True, exist_ok=True)
                size = BYTES // 2 if word == "truncated" and number == 0 else BYTES
                (place / f"{copy}{number}.dcm").write_bytes(bytes(size))
        if word == "interrupted":
            raise ConnectionError(f"lost s3://bucket/{row['series_uid']}")


def files_of(root: Path, *names: str) -> list[int]:
    return [len(list((root / name).iterdir())) if (root / name).is_dir() else 0 for name in names]


def test_a_dry_run_writes_nothing_and_asks_no_client(tmp_path: Path) -> None:
    result = download(plan_of(3, 2), tmp_path / "data", SETTINGS, roles=ROLES, execute=False)
    assert result.missing["ct"].series == 2
    assert result.present["ct"].series == 0
    assert result.fetched is None
    assert "Dry run" in download_text(result)
    assert not (tmp_path / "data").exists()


def test_every_series_is_had_in_a_folder_of_its_own_name(tmp_path: Path) -> None:
    plan = plan_of(3, 2, 4, 1, 2)
    client = StandIn(plan)
    result = download(plan, tmp_path, SETTINGS, roles=ROLES, execute=True, client=client)
    assert files_of(tmp_path, *plan["series_uid"]) == [3, 2, 4, 1, 2]
    assert sorted(client.fetched) == plan["series_uid"].tolist()
    assert result.fetched == 5
    assert "5 series were fetched and checked" in download_text(result)
    assert not (tmp_path / ".incoming").exists()
    assert client.index["SeriesInstanceUID"].tolist() == plan["series_uid"].tolist()  # narrowed to what is fetched
    assert client.most_preparing == 1  # since the client must not be prepared by two threads
    assert client.most_running == 2


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    plan = plan_of(3, 2, 4)
    download(plan, tmp_path, SETTINGS, roles=ROLES, execute=True, client=StandIn(plan))
    (tmp_path / "1.2.2" / "a0.dcm").write_bytes(bytes(BYTES - 1))  # one byte short
    (tmp_path / "1.2.3" / "a0.dcm").unlink()
    exact = SETTINGS.model_copy(update={"size_tolerance": 0.0})
    assert download(plan, tmp_path, exact, roles=ROLES, execute=False).missing["ct"].series == 1  # a byte is rounding
    (tmp_path / "1.2.2" / "a0.dcm").write_bytes(bytes(BYTES - 2))
    client = StandIn(plan)
    download(plan, tmp_path, exact, roles=ROLES, execute=True, client=client)
    assert sorted(client.fetched) == ["1.2.2", "1.2.3"]
    assert files_of(tmp_path, *plan["series_uid"]) == [3, 2, 4]
    client = StandIn(plan)
    again = download(plan, tmp_path, exact, roles=ROLES, execute=True, client=client)
    assert (again.fetched, again.present["ct"].series) == (0, 3)
    assert "Nothing is missing" in download_text(again)
    assert client.fetched == []


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("short", "2 files, not 3"),
        ("lost", "0 files, not 3"),
        ("twice", "6 files, not 3"),
        ("truncated", "5000 bytes, not 6000"),
        ("interrupted", r"2 files, not 3 \(ConnectionError\)"),
    ],
)
def test_what_did_not_arrive_whole_is_no_series_and_is_fetched_again(word: str, reason: str, tmp_path: Path) -> None:
    plan = plan_of(2, 3)
    with pytest.raises(CohortError, match=f"^1 of 2 series .*P-2 T0 ct: {reason}") as caught:
        download(plan, tmp_path, SETTINGS, roles=ROLES, execute=True, client=StandIn(plan, {"1.2.2": [word]}))
    assert "1.2.2" not in str(caught.value)
    assert files_of(tmp_path, "1.2.1", "1.2.2") == [2, 0]
    client = StandIn(plan)
    download(plan, tmp_path, SETTINGS, roles=ROLES, execute=True, client=client)
    assert client.fetched == ["1.2.2"]
    assert files_of(tmp_path, "1.2.1", "1.2.2") == [2, 3]


def test_faults_that_pass_are_waited_out_by_more_attempts(tmp_path: Path) -> None:
    plan = plan_of(2, 3)
    client = StandIn(plan, {"1.2.2": ["interrupted", "short"]})
    download(plan, tmp_path, SETTINGS.model_copy(update={"attempts": 3}), roles=ROLES, execute=True, client=client)
    assert client.fetched.count("1.2.2") == 3
    assert files_of(tmp_path, "1.2.1", "1.2.2") == [2, 3]


def test_whole_series_of_a_killed_download_are_kept(tmp_path: Path) -> None:
    plan = plan_of(2, 3)
    for name, files in (("1.2.1", 2), ("1.2.2", 1)):
        (tmp_path / ".incoming" / name).mkdir(parents=True)
        for number in range(files):
            (tmp_path / ".incoming" / name / f"{number}.dcm").write_bytes(bytes(BYTES))
    client = StandIn(plan)
    download(plan, tmp_path, SETTINGS, roles=ROLES, execute=True, client=client)
    assert client.fetched == ["1.2.2"]
    assert files_of(tmp_path, "1.2.1", "1.2.2") == [2, 3]


def test_a_series_of_another_index_is_not_fetched(tmp_path: Path) -> None:
    plan = plan_of(2, 3)
    client = StandIn(plan)
    client.index.loc[1, "series_aws_url"] = f"s3://bucket/{uuid(77)}/*"
    with pytest.raises(CohortError, match="P-2 T0 ct: not in idc-index's index, or in another version"):
        download(plan, tmp_path, SETTINGS, roles=ROLES, execute=True, client=client)
    assert client.fetched == ["1.2.1"]
    assert files_of(tmp_path, "1.2.1") == [2]


def test_a_disk_too_small_is_told_before(tmp_path: Path) -> None:
    plan = plan_of(2)
    greedy = SETTINGS.model_copy(update={"free_gb_kept": 1e9})
    client = StandIn(plan)
    result = download(plan, tmp_path, greedy, roles=ROLES, execute=False)
    assert not result.fits
    assert "too small" in download_text(result)
    with pytest.raises(CohortError, match="too small"):
        download(plan, tmp_path, greedy, roles=ROLES, execute=True, client=client)
    assert client.fetched == []


def test_a_second_download_into_the_same_folder_is_refused(tmp_path: Path) -> None:
    plan = plan_of(2)
    inner: list[str] = []

    class Nested(StandIn):
        def _deliver(self, row: Any, folder: Path) -> None:
            with pytest.raises(LungSspError, match="Another process works") as caught:
                download(plan, tmp_path, SETTINGS, roles=ROLES, execute=True, client=StandIn(plan))
            inner.append(str(caught.value))
            super()._deliver(row, folder)

    download(plan, tmp_path, SETTINGS, roles=ROLES, execute=True, client=Nested(plan))
    assert len(inner) == 1


@pytest.mark.parametrize("name", [".incoming", "1.2.1"])
def test_nothing_is_fetched_through_a_link(tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / name).symlink_to(tmp_path / "elsewhere")
    plan = plan_of(2)
    with pytest.raises(LungSspError, match=f"{name} is a symbolic link"):
        download(plan, tmp_path / "images", SETTINGS, roles=ROLES, execute=True, client=StandIn(plan))
    assert not any((tmp_path / "elsewhere").iterdir())


def test_a_plan_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    plan = plan_of(2).assign(series_uid="../outside")
    with pytest.raises(CohortError, match="series_uid has the wrong form"):
        download(plan, tmp_path / "data", SETTINGS, roles=ROLES, execute=True, client=StandIn(plan))


S5CMD = """#!{python}
import pathlib, shlex, sys
for line in open(sys.argv[-1]):
    operation, url, place = shlex.split(line)
    folder = pathlib.Path(place)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(int(url.split("/")[3][:8], 16)):
        (folder / (str(number) + ".dcm")).write_bytes(bytes({size}))
"""


@pytest.fixture
def real_client(tmp_path: Path) -> Callable[[pd.DataFrame], Any]:
    """idc-index's client on an index of the planned series only, with a program in the place of s5cmd."""
    idc_index = pytest.importorskip("idc_index")
    program = tmp_path / "s5cmd"
    program.write_text(S5CMD.format(python=sys.executable, size=BYTES))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def make(plan: pd.DataFrame) -> Any:
        client = object.__new__(idc_index.IDCClient)  # its own way reads the whole index, 1.7 GB
        client.index = pd.DataFrame(
            {
                "SeriesInstanceUID": plan["series_uid"],
                "StudyInstanceUID": plan["study_uid"],
                "PatientID": "100001",
                "collection_id": "nlst",
                "Modality": "CT",
                "aws_bucket": "idc-open-data",
                "crdc_series_uuid": plan["crdc_series_uuid"],
                "series_aws_url": "s3://idc-open-data/" + plan["crdc_series_uuid"] + "/*",
                "series_size_MB": plan["size_mb"].astype(float),
            }
        )
        client.prior_versions_index = client.index.iloc[:0]
        client.s5cmdPath = str(program)
        return client

    return make


def test_the_real_client_is_called_as_it_wants_to_be(real_client: Callable[..., Any], tmp_path: Path) -> None:
    # The stand-in program takes the number of files from the first part of the UUID.
    plan = plan_of(1, 2, 3, 4)
    download(plan, tmp_path / "data", SETTINGS, roles=ROLES, execute=True, client=real_client(plan))
    assert files_of(tmp_path / "data", *plan["series_uid"]) == [1, 2, 3, 4]
    names = {path.name for path in (tmp_path / "data").rglob("*") if path.is_dir()}
    assert names == set(plan["series_uid"])

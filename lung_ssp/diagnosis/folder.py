"""The scans of a folder, diagnosed by processes side by side; what is done is not done again.

<out>/diagnosis.json      what all is made with: weights, engines, settings; at the end how many scans and findings
<out>/<scan>/             of each scan what `diagnose` of it alone writes
<out>/scans.csv           a row a scan: how it ended, times, lungs, remarks
<out>/findings.csv        a row a finding
<out>/journal.jsonl       how each scan ended, as they end; survives an interruption
<out>/unfinished.txt      for as long as something is missing
"""

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter
from tqdm import tqdm

from lung_ssp.ct.settings import check_accept
from lung_ssp.ct.source import names_by_reason
from lung_ssp.diagnosis.formats import Outputs
from lung_ssp.diagnosis.inventory import Inventory, Scan, find_scans
from lung_ssp.diagnosis.output import UNFINISHED, UNFINISHED_TEXT, left_out_line
from lung_ssp.diagnosis.processes import default_processes
from lung_ssp.diagnosis.saved import read_diagnosis
from lung_ssp.diagnosis.scan_record import RECORD, check_record, record_of
from lung_ssp.diagnosis.scan_work import Made, Networks, ScanResult, ScanWork, describe
from lung_ssp.diagnosis.tables import write_tables
from lung_ssp.errors import LungSspError
from lung_ssp.files import write_json, write_text
from lung_ssp.folders import alone_in, check_empty, refuse_links
from lung_ssp.process_pool import NO_PROGRESS, ONE_THREAD, ProcessLost, Workers, worker_processes
from lung_ssp.records import add_to_journal, read_journal
from lung_ssp.runtime import Device

if TYPE_CHECKING:
    from lung_ssp.training.onnx import Engine

JOURNAL = "journal.jsonl"
RESULT = TypeAdapter(ScanResult)
MOST_SHOWN = 10  # scans that were not done, in the text; scans.csv has all
LOST = (
    "The process that worked on it was ended from outside, perhaps for want of memory: the same command with "
    "--processes 1 tries it again with all of it."
)


@dataclass(frozen=True)
class FolderDiagnosis:
    """What the diagnosis of a folder of scans gave; the diagnoses themselves are on the disk.

    out: the folder with the tables and a folder for each scan.
    notice: what every output says.
    scans: how each ended, in the order of their places. earlier: how many were done before.
    findings: of all scans together.
    left_out: files that belong to no scan, by why; empty: subfolders without a scan.
    processes, seconds: that worked, and for how long.
    """

    out: Path
    notice: str
    scans: tuple[ScanResult, ...]
    earlier: int
    findings: int
    left_out: Mapping[str, tuple[str, ...]]
    empty: tuple[str, ...]
    processes: int
    seconds: float

    @property
    def not_done(self) -> list[ScanResult]:
        """The scans that were refused or failed."""
        return [scan for scan in self.scans if scan.status in ("refused", "failed")]

    def text(self) -> str:
        """The notice, how many scans ended how, and those that were not done."""
        count = Counter(scan.status for scan in self.scans)
        copies = [f"{count['duplicate']} the same as others"] if count["duplicate"] else []
        counts = [f"{count[status]} {status}" for status in ("done", "refused", "failed") if count[status]]
        before = f" ({self.earlier} of them before)" if self.earlier else ""
        if before and counts:
            counts[0] += before
        more = len(self.not_done) - MOST_SHOWN
        return "\n".join(
            [
                self.notice,
                "",
                f"{len(self.scans)} scans: {', '.join([*counts, *copies])}; {self.findings} findings",
                *(f"{scan.status}: {scan.scan}: {scan.message}" for scan in self.not_done[:MOST_SHOWN]),
                *([f"and {more} more, see scans.csv"] if more > 0 else []),
                *self._not_written(),
                *(left_out_line(why, names) for why, names in self.left_out.items()),
                *([left_out_line("folder without a scan", self.empty)] if self.empty else []),
                f"time: {self.seconds:.1f} s, {self.processes} process{'es' * (self.processes > 1)}",
            ]
        )

    def _not_written(self) -> list[str]:
        """Which default formats some scans could not be written in."""
        without = [scan for scan in self.scans if scan.not_written]
        names = ", ".join(sorted({name for scan in without for name in scan.not_written}))
        return [f"not written: {names} of {len(without)} scans, findings.json of each says why"] if without else []


def diagnose_folder(
    folder: str | Path | Inventory,
    segmentation: str | Path | None,
    classification: str | Path | None,
    out: str | Path,
    accept: Collection[str] = (),
    engine: "Engine | None" = None,
    device: Device = "cpu",
    overrides: Sequence[str] = (),
    processes: int | None = None,
    candidates: str | Path | None = None,
    outputs: Outputs | None = None,
) -> FolderDiagnosis:
    """Diagnose every scan below a folder; a scan that cannot be diagnosed is recorded, and the others go on.

    What `out` holds already of the same files, weights and settings is kept, so that an interrupted call goes on.
    The findings are the same bits whatever the number of processes: each computes with one thread.

    Args:
        folder: searched with its subfolders for CT series, archives (.zip) and volume files; or what `find_scans` gave.
        segmentation: folder of a segmentation run; None: the package's network.
        classification: folder of a classification run; None: the package's network.
        out: new, empty, or of an earlier call.
        accept: what is corrected instead of refused ("tilt", "gaps", "duplicates"); at least what was accepted before.
        engine: as for `load_diagnoser`.
        device: as for `load_diagnoser`.
        overrides: as for `load_diagnoser`.
        processes: that work side by side; None: one for each core, as far as the memory bears them.
        candidates: as for `load_diagnoser`.
        outputs: the formats of each diagnosis; None: the default ones.

    Raises:
        LungSspError: there is no scan, a run is invalid, or `out` holds something else, or other diagnoses than these.
        OSError: a file cannot be written.
    """
    check_accept(accept)
    begin, out = time.perf_counter(), Path(out)
    found = folder if isinstance(folder, Inventory) else find_scans(folder, out)
    if not found.scans:
        raise LungSspError(f"{found.folder} holds no CT series, archive or volume file: give a folder of scans.")
    networks = Networks(_path(segmentation), _path(classification), engine, device, tuple(overrides), tuple(accept))
    networks = replace(networks, candidates=_path(candidates), outputs=outputs or Outputs())
    if not (out / RECORD).is_file():
        check_empty(out)
    with alone_in(out):
        refuse_links(out, [JOURNAL, *(scan.name for scan in found.scans)])
        done = _done_before(out, found)
        missing = [scan for scan in found.scans if scan.name not in done and not scan.same_as]
        count = min(processes or default_processes(device), max(1, len(missing)))
        made, results = _diagnosed(out, found.folder, missing, networks, count)
        scans = tuple((done | results).get(scan.name) or _copy(scan) for scan in found.scans)
        findings = write_tables(out, scans, made)
        left_out = names_by_reason(found.left_out, found.folder)
        diagnosis = FolderDiagnosis(
            *(out, f"{made.notice} {made.training}", scans, len(done), findings, left_out, found.empty, count),
            seconds=time.perf_counter() - begin,
        )
        write_json(out / RECORD, record_of(made, networks) | _summary(diagnosis))
        (out / UNFINISHED).unlink()
    return diagnosis


def _path(run: str | Path | None) -> Path | None:
    return None if run is None else Path(run)


def _diagnosed(
    out: Path, folder: Path, scans: Sequence[Scan], networks: Networks, processes: int
) -> tuple[Made, dict[str, ScanResult]]:
    """Diagnose scans of a folder into `out`; what they are made with, and how each ended, by its name."""
    results: dict[str, ScanResult] = {}
    with worker_processes(processes, ONE_THREAD | NO_PROGRESS) as workers:
        made = _described(workers, networks, processes)
        record = record_of(made, networks)
        check_record(out, record)
        write_json(out / RECORD, record)
        write_text(out / UNFINISHED, UNFINISHED_TEXT)
        work = ScanWork(folder, out, networks, made.weights)
        for result in tqdm(_ended(workers, work, scans), "scans", total=len(scans), unit="scan", disable=not scans):
            results[result.scan] = result
            add_to_journal(out / JOURNAL, asdict(result))
    return made, results


def _done_before(out: Path, found: Inventory) -> dict[str, ScanResult]:
    """The results of the scans whose diagnosis is complete and of the same files, by their names.

    Raises:
        LungSspError: there is a diagnosis of a scan that has changed or is gone.
    """
    known = {scan.name: scan for scan in found.scans}
    noted = {result.scan: result for result in read_journal(out / JOURNAL, RESULT)}
    done = {}
    for name, result in noted.items():
        if result.status != "done" or not (out / name).is_dir():
            continue
        scan = known.get(name)
        if scan is None or scan.digest != result.source:
            what = "of which the files have changed" if scan else f"which {found.folder} does not hold"
            raise LungSspError(
                f"{out / name} is the diagnosis of a scan {what}: remove that folder, or name another --out."
            )
        if read_diagnosis(out / name) is not None:
            done[name] = result
    return done


def _described(workers: Workers, networks: Networks, processes: int) -> Made:
    """What the diagnoses are made with; all workers load the networks for it, side by side."""
    described = [made for _, made in workers.each(describe, [networks] * processes)]
    if any(isinstance(made, ProcessLost) for made in described):
        raise LungSspError(
            "A process that loads the networks was ended from outside, perhaps for want of memory: end other programs, "
            "or start again with fewer --processes."
        )
    return next(made for made in described if isinstance(made, Made))


def _ended(workers: Workers, work: ScanWork, scans: Sequence[Scan]) -> Iterator[ScanResult]:
    """How each scan ended, as they end."""
    for scan, result in workers.each(work, scans):
        yield ScanResult.of(scan, "failed", "process lost", LOST) if isinstance(result, ProcessLost) else result


def _copy(scan: Scan) -> ScanResult:
    return ScanResult.of(scan, "duplicate", "duplicate", f"A copy of {scan.same_as}, slice by slice: see there.")


def _summary(diagnosis: FolderDiagnosis) -> dict[str, object]:
    """What diagnosis.json says at the end, beside what all is made with."""
    return {
        "scans": dict(sorted(Counter(scan.status for scan in diagnosis.scans).items())),
        "findings": diagnosis.findings,
        "left_out": {why: list(names) for why, names in diagnosis.left_out.items()},
        "without_a_scan": list(diagnosis.empty),
    }

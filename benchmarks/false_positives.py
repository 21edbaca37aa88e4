"""What the false-positive reduction does to scans that it has not seen: each scan in turn is left out of its training.

    python benchmarks/false_positives.py FOLDER --segmentation RUN --nodules COHORT --scans COHORT
        [--measured RUN] [--scan SERIES --lesions NPZ] [--sensitivity 0.95] [-o iters=400 ...]

COHORT are prepared cohorts, of nodules (cohort/lidc_nodules.yml) and of scans without marked lesions
(cohort/lctsc.yml). For each of the scans a cohort of candidates and a run are made in FOLDER, with that scan as the
test split and the next one as the validation split; what is finished is not done again. The threshold of a run is the
one that keeps the given share of its validation nodules. Tables are printed as Markdown.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from command import run as run_command
from lung_ssp.candidates.dataset import CandidateDataset
from lung_ssp.candidates.metrics import threshold_at
from lung_ssp.candidates.trained import CandidateJudge, load_candidate_judge
from lung_ssp.cohort.candidates.prepare import FinderSource
from lung_ssp.cohort.candidates.settings import CandidatesSettings
from lung_ssp.cohort.description import read_cohort
from lung_ssp.cohort.nodules.store import StoredNodule
from lung_ssp.cohort.scans import MASK_ARRAYS, Scan, read_scans
from lung_ssp.cohort.store import load_arrays
from lung_ssp.config import load_config
from lung_ssp.ct.lesion import Candidate
from lung_ssp.ct.parenchyma import segment_lungs
from lung_ssp.ct.series import read_series
from lung_ssp.ct.volume import Volume
from lung_ssp.ct.working_grid import NOT_COUNTED
from lung_ssp.formats import ArrayForm
from lung_ssp.preparation import make_candidate_cohort
from lung_ssp.runs import evaluate, train
from lung_ssp.segmentation.low_threshold import NoduleFinder, nodule_finder
from lung_ssp.segmentation.trained import TrainedSegmenter, finder_of, load_segmenter
from lung_ssp.training.onnx import engine_for
from lung_ssp.training.run import run_cohort


class Remembering:
    """A finder that looks at each nodule and each scan once, for all folds.

    Its results are those of the finder; a scan is known by its voxels' sum and shape.
    """

    def __init__(self, finder: NoduleFinder) -> None:
        self._finder = finder
        self._nodules: dict[str, tuple[Volume, list[Candidate]]] = {}
        self._scans: dict[tuple[int, ...], list[Candidate]] = {}

    def in_scan(self, volume: Volume, lungs: np.ndarray) -> list[Candidate]:
        key = (*volume.shape, int(volume.hu.sum(dtype=np.int64)))
        if key not in self._scans:
            self._scans[key] = self._finder.in_scan(volume, lungs)
        return self._scans[key]

    def in_nodule(self, nodule: StoredNodule) -> tuple[Volume, list[Candidate]]:
        if nodule.name not in self._nodules:
            self._nodules[nodule.name] = self._finder.in_nodule(nodule)
        return self._nodules[nodule.name]


@dataclass(frozen=True)
class FoldResult:
    """One scan left out.

    threshold: of its run. before, after: candidates of the scan that count, at the segmentation run's own threshold,
        and those of them that the second stage keeps.
    nodules: share of the archive's test nodules that it keeps; grafted: likewise of those set into the scan.
    found, random: share of the candidates at a low threshold, and of the random places, of the scan that it keeps.
    beside: share of the false places beside the archive's test nodules that it keeps.
    """

    scan: str
    threshold: float
    before: int
    after: int
    nodules: float
    grafted: float
    found: float
    random: float
    beside: float


@dataclass(frozen=True)
class ScanResult:
    """A scan with known lesions, judged by one fold's run: places of the lesions among all candidates, counted from 1,
    by the segmentation network's score and by the second stage, and how many false ones there are before and after.
    """

    scan: str
    place_before: int | None
    place_after: int | None
    false_before: int
    false_after: int
    dice: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="for cohorts and runs")
    parser.add_argument("--segmentation", type=Path, required=True, metavar="RUN", help="what finds candidates")
    parser.add_argument("--measured", type=Path, metavar="RUN", help="whose candidates are judged (what finds them)")
    parser.add_argument("--nodules", type=Path, required=True, metavar="COHORT", help="prepared cohort of nodules")
    parser.add_argument("--scans", type=Path, required=True, metavar="COHORT", help="prepared cohort of scans")
    parser.add_argument("--scan", type=Path, metavar="SERIES", help="a further scan, with known lesions")
    parser.add_argument("--lesions", type=Path, metavar="NPZ", help="its lesions: labels (z, y, x), key `labels`")
    parser.add_argument("--sensitivity", type=float, default=0.95, help="of the validation nodules (0.95)")
    parser.add_argument(
        "-o", dest="override", action="append", default=[], metavar="KEY=VALUE", help="of the trainings"
    )
    return run_command(lambda: measure(parser.parse_args()), str)


def measure(arguments: argparse.Namespace) -> str:
    """Both tables."""
    scans = [scan for scan in read_scans(arguments.scans) if scan.masks]
    measured = arguments.measured or arguments.segmentation
    segmenter = load_segmenter(measured, engine_for(measured, None, "cpu"))
    further_candidates = further_scan(arguments.scan, arguments.lesions, segmenter) if arguments.scan else None
    finder = finder_once(arguments.segmentation)
    folds, further = [], []
    for number, scan in enumerate(scans):
        validation = scans[(number + 1) % len(scans)]
        run = fold_run(arguments, finder, scan, validation)
        judge = load_candidate_judge(run)
        fold = fold_result(judge, segmenter, scan, arguments.sensitivity)
        folds.append(fold)
        if further_candidates:
            further.append(scan_result(judge, scan.name, further_candidates, fold.threshold))
    statement = read_cohort(arguments.folder / scans[0].name / "cohort").statement
    return f"{statement}\n\n{fold_table(folds)}\n\n{scan_table(further)}"


def finder_once(run: Path) -> FinderSource:
    """What finds candidates, remembered over the folds."""
    settings = load_config("cohort/candidates.yml", CandidatesSettings).settings
    finder = Remembering(nodule_finder(run, settings.candidates))
    return FinderSource(finder, finder_of(run).fingerprint, run_cohort(run).statement)


def fold_run(arguments: argparse.Namespace, finder: FinderSource, scan: Scan, validation: Scan) -> Path:
    """The run that has not seen `scan`, with its cohort."""
    folder = arguments.folder / scan.name
    settings = load_config("cohort/candidates.yml", CandidatesSettings).settings
    scans = [{"root": str(arguments.scans), "validation": [validation.name], "test": [scan.name]}]
    cohort = settings.cohort.model_dump() | {
        "root": str(folder / "cohort"),
        "segmentation": str(arguments.segmentation),
        "nodules": str(arguments.nodules),
        "scans": scans,
    }
    prepared = make_candidate_cohort(
        CandidatesSettings.model_validate(settings.model_dump() | {"cohort": cohort}), finder
    )
    roots = [f"{part}_dataset.dataset_root={prepared.root}" for part in ("train", "val", "test")]
    run = train("candidates/false_positives.yml", folder / "run", [*roots, *arguments.override], resume=True).run
    evaluate(run)
    return run


def fold_result(judge: CandidateJudge, segmenter: TrainedSegmenter, scan: Scan, sensitivity: float) -> FoldResult:
    """The figures of the scan that the judge has not seen."""
    settings = judge.settings
    validation, test = (
        CandidateDataset(part, settings.patch, settings.window_hu)
        for part in (settings.val_dataset, settings.test_dataset)
    )
    of_validation = judge.predict(validation.whole())
    archived = np.array([row.kind == "nodule" for row in validation.rows])
    threshold = threshold_at(of_validation[archived], sensitivity)
    kept = judge.predict(test.whole()) >= threshold
    kinds, own = (
        np.array(values) for values in zip(*((row.kind, row.scan == scan.name) for row in test.rows), strict=True)
    )

    def share(chosen: np.ndarray) -> float:
        return float(kept[chosen].mean()) if chosen.any() else float("nan")

    volume = read_series(scan.series)
    assert scan.masks is not None  # as they were chosen
    masks = load_arrays(scan.masks, MASK_ARRAYS)
    candidates = counted(segmenter.segment(volume, masks["lungs"]).candidates, masks["lesions"], volume)
    judged = judge.rank(candidates, volume)
    return FoldResult(
        scan=scan.name,
        threshold=threshold,
        before=len(candidates),
        after=sum((one.nodule_probability or 0) >= threshold for one in judged),
        nodules=share(kinds == "nodule"),
        grafted=share(kinds == "grafted"),
        found=share((kinds == "found") & own),
        random=share((kinds == "random") & own),
        beside=share(np.isin(kinds, ("found", "random")) & ~own),
    )


def counted(candidates: Sequence[Candidate], lesions: np.ndarray, volume: Volume) -> list[Candidate]:
    """Those whose centre does not lie where it is not known what is there."""
    kept = []
    for one in candidates:
        z, y, x = np.rint(volume.to_index(np.array(one.lesion.centre_mm))).astype(int)
        if lesions[z, y, x] != NOT_COUNTED:
            kept.append(one)
    return kept


def scan_result(
    judge: CandidateJudge, fold: str, scan: tuple[Volume, np.ndarray, list[Candidate]], threshold: float
) -> ScanResult:
    """A further scan, as `further_scan` gives it, by one fold's judge."""
    volume, labels, candidates = scan
    kept = [one for one in judge.rank(candidates, volume) if (one.nodule_probability or 0) >= threshold]
    hits_before, hits_after = ([common(one, labels) > 0 for one in some] for some in (candidates, kept))
    sizes = [np.count_nonzero(one.lesion.voxels) + np.count_nonzero(labels) for one in candidates]
    return ScanResult(
        scan=fold,
        place_before=place(hits_before),
        place_after=place(hits_after),
        false_before=hits_before.count(False),
        false_after=hits_after.count(False),
        dice=max((2 * common(one, labels) / size for one, size in zip(candidates, sizes, strict=True)), default=0.0),
    )


def further_scan(
    series: Path, lesions: Path, segmenter: TrainedSegmenter
) -> tuple[Volume, np.ndarray, list[Candidate]]:
    """A scan, its lesions' labels (z, y, x), and its candidates at the segmentation run's own threshold."""
    volume = read_series(series)
    labels = load_arrays(lesions, {"labels": ArrayForm("iu", 3)})["labels"]
    return (
        volume,
        labels,
        segmenter.segment(volume, segment_lungs(volume, segmenter.settings.parenchyma).mask).candidates,
    )


def common(candidate: Candidate, labels: np.ndarray) -> int:
    """How many voxels a candidate has in common with the lesions."""
    return int(np.count_nonzero(labels[candidate.lesion.box][candidate.lesion.voxels]))


def place(hits: Sequence[bool]) -> int | None:
    """The place of the first hit, counted from 1."""
    return next((number for number, hit in enumerate(hits, start=1) if hit), None)


def fold_table(folds: Sequence[FoldResult]) -> str:
    """A row a scan, and the means."""
    lines = [
        "| left out | threshold | false candidates before | after | archive's nodules kept | set-in nodules kept | low "
        "threshold kept | random places kept | beside nodules kept |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    shares = ("nodules", "grafted", "found", "random", "beside")
    for fold in folds:
        kept = " | ".join(f"{getattr(fold, name):.3f}" for name in shares)
        lines.append(f"| {fold.scan} | {fold.threshold:.3f} | {fold.before} | {fold.after} | {kept} |")
    before, after = (np.mean([getattr(fold, name) for fold in folds]) for name in ("before", "after"))
    kept = " | ".join(f"{np.nanmean([getattr(fold, name) for fold in folds]):.3f}" for name in shares)
    return "\n".join([*lines, f"| mean | | {before:.1f} | {after:.1f} | {kept} |"])


def scan_table(results: Sequence[ScanResult]) -> str:
    """A row a fold."""
    lines = [
        "| run without | lesion's place before | after | false before | after | Dice |",
        "|---|---|---|---|---|---|",
    ]
    for one in results:
        places = f"{one.place_before} | {one.place_after} | {one.false_before} | {one.false_after}"
        lines.append(f"| {one.scan} | {places} | {one.dice:.3f} |")
    return "\n".join(lines) if results else ""


if __name__ == "__main__":
    raise SystemExit(main())

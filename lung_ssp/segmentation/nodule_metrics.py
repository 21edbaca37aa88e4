"""How well single nodules are outlined, beside how well their readers agree: by nodule, and in groups of nodules."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lung_ssp.errors import CohortError

SAMPLES, SEED = 2000, 0  # of the bootstrap
INTERVAL = (2.5, 97.5)  # percentiles


@dataclass(frozen=True)
class NoduleResult:
    """One nodule, in 3-D over the slices that a reader marked, on its own grid.

    fold: of its patient, as the cohort was divided. readers: who read it. diameter_mm: of the majority's largest
    circle. texture: the readers' mean, 1 ground glass to 5 solid. slices: how many.
    dice: of what at least half of the readers marked with all connected parts of the result that touch it
    (dice_by_lesion). dice_of_all: with the whole result, what it marks elsewhere in the slices included. touched:
    whether they share a voxel.
    readers_dice: how well its readers agree, the mean Dice of each of four with what at least two of the other three
    marked; None: not known.
    """

    nodule: str
    patient: str
    fold: int
    readers: int
    diameter_mm: float
    texture: float
    slices: int
    dice: float
    dice_of_all: float
    touched: bool
    readers_dice: float | None


@dataclass(frozen=True)
class NoduleGroup:
    """The nodules of a group: how many, of how many patients, and their means; None where there are none.

    dice_interval: 95 %, of `dice` by bootstrap over the patients. touched: the share of nodules that the result
    touches. readers_dice: the readers' own, of those `readers_nodules` of which it is known; beside it, of the same
    nodules, dice_of_those.
    """

    name: str
    nodules: int
    patients: int
    dice: float | None
    dice_interval: tuple[float, float] | None
    dice_of_all: float | None
    touched: float | None
    readers_nodules: int
    readers_dice: float | None
    dice_of_those: float | None


@dataclass(frozen=True)
class NoduleMetrics:
    """How well the nodules of patients that a run has not learned from are outlined.

    cohort: the statement of whose nodules they are. synthetic: whether they are phantoms. fingerprint: of the cohort.
    which: which of the cohort's nodules were measured. licence, citation: of the data; empty where not known.
    threshold: probability from which on a voxel counts as nodule. left_out: nodules without every reader's mask.
    groups: the first is of all nodules.
    """

    cohort: str
    synthetic: bool
    fingerprint: str
    which: str
    licence: str
    citation: str
    threshold: float
    left_out: int
    groups: tuple[NoduleGroup, ...]
    by_nodule: tuple[NoduleResult, ...]


Chooses = Callable[[NoduleResult], bool]


def groups_of(results: Sequence[NoduleResult]) -> tuple[NoduleGroup, ...]:
    """All nodules, then by diameter, by number of readers and by texture."""
    chosen: list[tuple[str, Chooses]] = [
        ("all", lambda nodule: True),
        ("diameter below 6 mm", lambda nodule: nodule.diameter_mm < 6),
        ("diameter 6 to 10 mm", lambda nodule: 6 <= nodule.diameter_mm < 10),
        ("diameter 10 to 20 mm", lambda nodule: 10 <= nodule.diameter_mm < 20),
        ("diameter from 20 mm", lambda nodule: nodule.diameter_mm >= 20),
        *((f"{n} readers" if n > 1 else "1 reader", _read_by(n)) for n in sorted({r.readers for r in results})),
        ("ground glass (texture below 2.5)", lambda nodule: nodule.texture < 2.5),
        ("part solid (texture 2.5 to 3.5)", lambda nodule: 2.5 <= nodule.texture < 3.5),
        ("solid (texture from 3.5)", lambda nodule: nodule.texture >= 3.5),
    ]
    return tuple(group_of(name, [nodule for nodule in results if chooses(nodule)]) for name, chooses in chosen)


def group_of(name: str, results: Sequence[NoduleResult]) -> NoduleGroup:
    """The figures of a group of nodules, which may be empty."""
    if not results:
        return NoduleGroup(name, 0, 0, None, None, None, None, 0, None, None)
    known = [(nodule.readers_dice, nodule.dice) for nodule in results if nodule.readers_dice is not None]
    readers, those = (float(mean) for mean in np.mean(known, axis=0)) if known else (None, None)
    return NoduleGroup(
        name=name,
        nodules=len(results),
        patients=len({nodule.patient for nodule in results}),
        dice=float(np.mean([nodule.dice for nodule in results])),
        dice_interval=interval_by_patient(
            np.array([nodule.dice for nodule in results]), [nodule.patient for nodule in results]
        ),
        dice_of_all=float(np.mean([nodule.dice_of_all for nodule in results])),
        touched=float(np.mean([nodule.touched for nodule in results])),
        readers_nodules=len(known),
        readers_dice=readers,
        dice_of_those=those,
    )


def interval_by_patient(values: np.ndarray, patients: Sequence[str]) -> tuple[float, float]:
    """The 95 % interval of the mean of values (n,), n > 0, by bootstrap: patients are drawn, with all of their values.

    The draws have a seed: the same values have the same interval.
    """
    _, owner = np.unique(np.asarray(patients), return_inverse=True)
    sums, counts = np.bincount(owner, values), np.bincount(owner)
    drawn = np.random.default_rng(SEED).integers(len(counts), size=(SAMPLES, len(counts)))
    low, high = np.percentile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), INTERVAL)
    return float(low), float(high)


def join_nodules(measured: Sequence[NoduleMetrics]) -> NoduleMetrics:
    """The nodules of several runs in one table, each nodule measured by one of them: of a training for each fold.

    Args:
        measured: of one or more runs.

    Raises:
        CohortError: a nodule was measured twice, or the runs do not go together.
    """
    first = measured[0]
    results = sorted((nodule for metrics in measured for nodule in metrics.by_nodule), key=lambda own: own.nodule)
    names = [nodule.nodule for nodule in results]
    if twice := next((name for name, after in pairwise(names) if name == after), None):
        raise CohortError(
            f"The nodule {twice} was measured by two of the runs: join runs that tested different folds of one cohort."
        )
    for what in ("synthetic", "citation", "threshold"):
        if len({getattr(metrics, what) for metrics in measured}) > 1:
            raise CohortError(
                f"The runs measured nodules with another {what}: join runs of one configuration and data."
            )
    folds = ", ".join(str(fold) for fold in sorted({nodule.fold for nodule in results}))
    return NoduleMetrics(
        cohort=" | ".join(metrics.cohort for metrics in measured),
        synthetic=first.synthetic,
        fingerprint=", ".join(metrics.fingerprint for metrics in measured),
        which=f"folds {folds}, joined from {len(measured)} runs, each nodule by the run that had not learned from its "
        "patient",
        licence=first.licence,
        citation=first.citation,
        threshold=first.threshold,
        left_out=sum(metrics.left_out for metrics in measured),
        groups=groups_of(results),
        by_nodule=tuple(results),
    )


def _read_by(readers: int) -> Chooses:
    return lambda nodule: nodule.readers == readers

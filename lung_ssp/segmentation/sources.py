"""Where training patches and validation slices come from: scans with or without lesions, and single nodules."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from lung_ssp.cohort.nodules.store import StoredNodule, has_nodules, read_nodules
from lung_ssp.cohort.slices import read_slices
from lung_ssp.ct.settings import WorkingGridSettings
from lung_ssp.ct.volume import Volume
from lung_ssp.ct.working_grid import NOT_COUNTED, LungSlices, in_plane, training_slices
from lung_ssp.errors import CohortError

SOLID_TEXTURE = 3.5  # from this mean of the readers' ratings on a nodule is solid (LIDC: 1 ground glass, 5 solid)
AERATED_HU = -500  # lung with air in it is darker; a nodule set into a vessel or a consolidation would not be seen


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices of one scan's lungs, or of one nodule.

    hu: int16 (z, y, x); in the plane on the working grid, or single nodules for training on their own.
    z_mm: float64 (z,), where the slices lie, rising.
    searched: bool (z, y, x), where nodules are sought: the lungs, or all around a single nodule.
    lesions: uint8 (z, y, x), 0 background, 1..n the lesions, NOT_COUNTED where it is not known what is there; or bool.
    pixel: (y, x), how many of its pixels one of the working grid spans.
    """

    hu: np.ndarray
    z_mm: np.ndarray
    searched: np.ndarray
    lesions: np.ndarray
    pixel: tuple[float, float] = (1.0, 1.0)

    @property
    def labels(self) -> np.ndarray:
        """The numbers of the lesions."""
        found = np.unique(self.lesions)
        return found[(found > 0) & (found != NOT_COUNTED)]


@dataclass(frozen=True, eq=False)
class Place:
    """Where a training patch lies: near a pixel of `target`, bool (y, x), in slice `index` of `stack`.

    set_in: a nodule that is set in at that pixel, or None.
    """

    stack: Stack
    index: int
    target: np.ndarray
    set_in: "NoduleSlice | None" = None


@dataclass(frozen=True, eq=False)
class NoduleSlice:
    """Slice `index` of a single nodule, on its own grid.

    own: bool (z, y, x), what of the slices is the nodule. opacity: how much of itself it shows, 0..1; the rest is lung.
    """

    stack: Stack
    index: int
    own: np.ndarray
    opacity: float = 1.0


class ScanSource:
    """Patches of whole scans: each slice with lung in it once an epoch, and beside them patches on lesions.

    Args:
        scans: with or without lesions.
        lesion_share: share of the patches that lie on a lesion, if there is one; each lesion gets as many of them, be
            it large or small.
    """

    def __init__(self, scans: list[Stack], lesion_share: float) -> None:
        self.stacks = scans
        self.slices = [(number, i) for number, scan in enumerate(scans) for i in slices_with(scan.searched)]
        self.lesions = [(number, label) for number, scan in enumerate(scans) for label in scan.labels]
        self._lesion_patches = round(len(self.slices) * lesion_share / (1 - lesion_share)) if self.lesions else 0

    def __len__(self) -> int:
        return len(self.slices) + self._lesion_patches

    def place(self, index: int, rng: np.random.Generator) -> Place:
        """Where patch `index` of an epoch lies; the slice of a lesion is drawn."""
        if index < len(self.slices):
            number, slice_index = self.slices[index]
            return Place(self.stacks[number], int(slice_index), self.stacks[number].searched[slice_index])
        number, label = self.lesions[(index - len(self.slices)) % len(self.lesions)]
        lesion = self.stacks[number].lesions == label
        slice_index = int(rng.choice(slices_with(lesion)))
        return Place(self.stacks[number], slice_index, lesion[slice_index])


class NoduleSource:
    """Patches of single nodules, each once an epoch, be it large or small; those that are not solid perhaps more often.

    The slice is any of those that a reader marked, also one where most readers saw no nodule any more.

    Args:
        nodules: one stack each.
        marked: bool (z, y, x) of each, where a reader marked it.
        lesion_share: share of the patches that lie on the nodule; the others lie anywhere in its slices.
        times: how often an epoch shows each nodule.
    """

    def __init__(
        self, nodules: list[Stack], marked: list[np.ndarray], lesion_share: float, times: Sequence[int]
    ) -> None:
        self.stacks = nodules
        self._lesion_share = lesion_share
        self._shown = np.repeat(np.arange(len(nodules)), times)
        self.lesions = [(number, label) for number, nodule in enumerate(nodules) for label in nodule.labels]
        self._marked = marked
        self._seen_from_above = [volume.any(axis=0) for volume in marked]

    def __len__(self) -> int:
        return len(self._shown)

    def place(self, index: int, rng: np.random.Generator) -> Place:
        """Where patch `index` of an epoch lies; the slice is drawn."""
        number = self._shown[index]
        stack = self.stacks[number]
        slice_index = int(rng.integers(len(stack.hu)))
        on_nodule = rng.random() < self._lesion_share
        return Place(stack, slice_index, self._seen_from_above[number] if on_nodule else stack.searched[slice_index])

    def slice_with_nodule(self, rng: np.random.Generator) -> NoduleSlice:
        """A slice of a nodule in which most readers saw it; each nodule as often as an epoch shows it.

        To it belongs a pixel around all that a reader marked, for readers leave out the contour.
        """
        number = int(rng.choice(self._shown))
        stack = self.stacks[number]
        index = int(rng.choice(slices_with(stack.lesions)))
        return NoduleSlice(stack, index, ndimage.binary_dilation(self._marked[number], np.ones((1, 3, 3), bool)))


class SetInSource:
    """Patches of scans, into which nodules of another source are set: nodules and lungs without any of one scanner.

    Args:
        scans: where the patches lie.
        nodules: what is set in.
        share: of the patches that get a nodule.
        least_opacity: of a nodule; it is drawn between this and 1, so that solid ones look like ground glass too.
    """

    def __init__(self, scans: ScanSource, nodules: NoduleSource, share: float, least_opacity: float = 1.0) -> None:
        self.stacks, self.lesions = scans.stacks, scans.lesions
        self._scans, self._nodules, self._share, self._least_opacity = scans, nodules, share, least_opacity

    def __len__(self) -> int:
        return len(self._scans)

    def place(self, index: int, rng: np.random.Generator) -> Place:
        """Where patch `index` of an epoch lies, and what is set in, which is drawn."""
        place = self._scans.place(index, rng)
        aerated = place.target & (place.stack.hu[place.index] < AERATED_HU)
        if rng.random() >= self._share or not aerated.any():
            return place
        nodule = replace(self._nodules.slice_with_nodule(rng), opacity=rng.uniform(self._least_opacity, 1))
        return replace(place, target=aerated, set_in=nodule)


Source = ScanSource | NoduleSource | SetInSource


def open_source(
    root: Path, split: str, slices: WorkingGridSettings | None, lesion_share: float, faint_times: int = 1
) -> tuple[Source, WorkingGridSettings]:
    """A split of a prepared cohort, of nodules, if it has a table of them, else of scans; and its working grid.

    Args:
        slices: the working grid that is asked for; None: that of the cohort's scans.
        lesion_share, faint_times: as in TrainDatasetSettings.

    Raises:
        CohortError: the cohort has nothing of the split, is damaged, or was made for another working grid.
    """
    if has_nodules(root):
        grid = slices or WorkingGridSettings()
        return _open_nodules(root, split, grid, lesion_share, faint_times), grid
    found, scans = read_slices(root, split)
    if slices is not None and found != slices:
        raise CohortError(
            f"The slices in {root} were made with ({found}), the run asks for ({slices}): change `slices` in its "
            "configuration or prepare the cohort into another folder."
        )
    return ScanSource([_of_scan(scan) for scan in scans], lesion_share), found


def known_nodules(nodules: list[StoredNodule]) -> list[StoredNodule]:
    """Those with the mask of every reader: of the others it is not known what most readers marked."""
    return [nodule for nodule in nodules if not nodule.row.reader_mask_missing]


def volume_of(nodule: StoredNodule) -> Volume:
    """The slices of a nodule as a volume; along z its spacing is the usual one, a slice may be missing."""
    z, y, x = nodule.spacing.tolist()
    return Volume(nodule.hu, (z, y, x))


def _open_nodules(
    root: Path, split: str, slices: WorkingGridSettings, lesion_share: float, faint_times: int
) -> NoduleSource:
    nodules = known_nodules(read_nodules(root, split))
    if not nodules:
        raise CohortError(f"{root} holds no {split} nodule of which every reader's mask is there.")
    stack_of = _on_its_own_grid if split == "train" else _on_the_working_grid
    marked = [nodule.readers > 0 for nodule in nodules]
    times = [1 if nodule.row.texture_mean >= SOLID_TEXTURE else faint_times for nodule in nodules]
    return NoduleSource([stack_of(nodule, slices, root) for nodule in nodules], marked, lesion_share, times)


def _on_its_own_grid(nodule: StoredNodule, slices: WorkingGridSettings, root: Path) -> Stack:
    """For training: a patch is interpolated once, as a prediction is, and the border of its mask as finely."""
    searched = np.broadcast_to(np.True_, nodule.hu.shape)  # takes no memory
    _, y, x = nodule.spacing.tolist()
    pixel = slices.spacing_mm[1] / y, slices.spacing_mm[2] / x
    return Stack(nodule.hu, nodule.z_mm, searched, nodule.majority, pixel)


def _on_the_working_grid(nodule: StoredNodule, slices: WorkingGridSettings, root: Path) -> Stack:
    """For validation, in whole slices."""
    volume = volume_of(nodule)
    everywhere = np.ones(nodule.hu.shape, bool)
    grid = in_plane(slices, volume.spacing)
    made = training_slices(volume, everywhere, grid, nodule.majority.astype(np.uint8))
    if not made.lesions.any():
        raise CohortError(
            f"The nodule {nodule.name} in {root} vanishes on a grid of {slices.spacing_mm[1]:g} x "
            f"{slices.spacing_mm[2]:g} mm: choose a finer slices.spacing_mm."
        )
    searched = np.broadcast_to(np.True_, made.scan.shape)  # takes no memory
    return Stack(made.scan.hu, nodule.z_mm, searched, made.lesions)


def _of_scan(slices: LungSlices) -> Stack:
    z_mm = slices.scan.spacing[0] * np.arange(len(slices.scan.hu))
    return Stack(slices.scan.hu, z_mm, slices.lungs, slices.lesions)


def slices_with(mask: np.ndarray) -> np.ndarray:
    """The indices of the slices of (z, y, x) that the mask touches."""
    return np.flatnonzero(mask.any(axis=(1, 2)))

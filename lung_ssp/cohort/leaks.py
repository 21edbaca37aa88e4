"""What is on both sides of the splits under two patients' names: one lesion, one scan, or lesions that look alike."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from lung_ssp.cohort.store import Sections

ALIKE = 0.003  # root mean square difference of sections (0..1 is the window: 4 HU) that no two lesions show
LEAST_CONTRAST = 10 * ALIKE  # standard deviation of a section that shows enough to be told from others
LOOK_ALIKE = 0.99  # correlation of sections at half the resolution
BLOCK = 2048  # sections that are compared at once
SHOWN = 5  # findings of a kind that are told; the rest is counted


@dataclass(frozen=True)
class SectionOrigin:
    """Where a section comes from.

    place: in words, e.g. "line 3 of the manifest". scans: what identifies its scan, perhaps in several ways; empty
    where nothing does.
    """

    place: str
    scans: tuple[str, ...] = ()


@dataclass(frozen=True)
class Leaks:
    """Findings, a sentence without its point each.

    lesions: the same pixels, but for a rounding or a constant, in two splits under two patients' names. scans: other
        lesions of one scan likewise.
    """

    lesions: tuple[str, ...]
    scans: tuple[str, ...]


def find_leaks(splits: Mapping[str, Sections], origins: Mapping[str, Sequence[SectionOrigin]]) -> Leaks:
    """Compare the sections of different splits: every figure of a lesion or scan that was learnt is too good.

    Args:
        splits: by name.
        origins: of each split's sections, in their order.
    """
    first_lesion: dict[str, tuple[str, str, str]] = {}
    first_scan: dict[str, tuple[str, str, str]] = {}
    lesions: dict[tuple[str, str], str] = {}  # by both patients' names: one finding for each pair
    scans: dict[tuple[str, str], str] = {}
    for split, sections in splits.items():
        for image, patient, origin in zip(sections.images, sections.patients.tolist(), origins[split], strict=True):
            own = (split, patient, origin.place)
            if image.min() < image.max():  # what shows nothing is no lesion that was seen before
                before = first_lesion.setdefault(hashlib.sha256(image.tobytes()).hexdigest(), own)
                if _differ(before, own):
                    lesions.setdefault((before[1], patient), f"{_both(before, own)} show the same lesion")
            for scan in origin.scans:
                before = first_scan.setdefault(scan, own)
                if _differ(before, own):
                    scans.setdefault((before[1], patient), f"{_both(before, own)} are of the same scan")
    for one, two in _alike(splits):
        before, own = ((split, splits[split].patients[i].item(), origins[split][i].place) for split, i in (one, two))
        if _differ(before, own):
            lesions.setdefault((before[1], own[1]), f"{_both(before, own)} show the same lesion")
    return Leaks(_told(list(lesions.values())), _told([text for pair, text in scans.items() if pair not in lesions]))


def _alike(splits: Mapping[str, Sections]) -> Iterator[tuple[tuple[str, int], tuple[str, int]]]:
    """The pairs of sections of different splits, each by its split and index there, that differ by next to nothing.

    So does one scan that was saved in another format, cropped, or shifted by a constant number of HU.
    """
    pixels, found = {}, {}
    for split, sections in splits.items():
        flat = sections.images.reshape(len(sections.images), math.prod(sections.images.shape[1:]))
        flat = flat - flat.mean(axis=1, keepdims=True)
        found[split] = np.flatnonzero(flat.std(axis=1) >= LEAST_CONTRAST)
        pixels[split] = flat[found[split]]
    for one, two in combinations(splits, 2):
        others = (pixels[two] ** 2).sum(axis=1)
        for begin in range(0, len(pixels[one]), BLOCK):
            block = pixels[one][begin : begin + BLOCK]
            squares = (block**2).sum(axis=1)[:, None] + others - 2 * block @ pixels[two].T
            for i, j in np.argwhere(squares <= ALIKE**2 * block.shape[1]).tolist():
                yield (one, int(found[one][begin + i])), (two, int(found[two][j]))


def find_look_alikes(splits: Mapping[str, Sections], origins: Mapping[str, Sequence[SectionOrigin]]) -> tuple[str, ...]:
    """Sections of two patients that hardly differ: perhaps one lesion, scanned or saved twice.

    Pairs within a split count too, since folds take turns as splits. One pair is told for each two patients, that of
    the highest correlation: of the means over 2 x 2 pixels, so that noise and another kernel matter less.

    Args:
        splits, origins: as in `find_leaks`.

    Returns:
        a sentence without its point each, the most alike first.
    """
    owners = [(split, str(name), o.place) for split in splits for name, o in _named(splits[split], origins[split])]
    rows = np.concatenate([_standardised(sections.images) for sections in splits.values()])
    most: dict[tuple[str, str], tuple[float, str]] = {}
    for begin in range(0, len(rows), BLOCK):
        alike = rows[begin : begin + BLOCK] @ rows.T
        for i, j in np.argwhere(alike >= LOOK_ALIKE).tolist():
            one, two = owners[begin + i], owners[j]
            if begin + i < j and one[1] != two[1]:
                found = float(alike[i, j]), f"{_both(one, two)} look alike (correlation {alike[i, j]:.3f})"
                most[one[1], two[1]] = max(found, most.get((one[1], two[1]), found))
    return _told([text for _, text in sorted(most.values(), key=lambda found: -found[0])])


def _named(sections: Sections, origins: Sequence[SectionOrigin]) -> Iterator[tuple[str, SectionOrigin]]:
    return zip(sections.patients.tolist(), origins, strict=True)


def _standardised(images: np.ndarray) -> np.ndarray:
    """Means over 2 x 2 pixels, their mean 0 and length 1, so that products are correlations; 0 without contrast.

    Args:
        images: (n, size, size).

    Returns:
        float32 (n, size // 2 squared).
    """
    half = images.shape[1] // 2
    means = images[:, : 2 * half, : 2 * half].reshape(len(images), half, 2, half, 2).mean(axis=(2, 4))
    flat = means.reshape(len(images), half * half) - means.mean(axis=(1, 2))[:, None]
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    seen = length >= LEAST_CONTRAST * half  # the standard deviation of half x half pixels
    return np.divide(flat, length, out=np.zeros_like(flat), where=seen)


def manifest_place(line: int | str) -> str:
    """The place of a section that a line of a manifest asked for."""
    return f"line {line} of the manifest"


def _differ(one: tuple[str, str, str], two: tuple[str, str, str]) -> bool:
    return one[0] != two[0] and one[1] != two[1]


def _both(one: tuple[str, str, str], two: tuple[str, str, str]) -> str:
    return " and ".join(f"{place} (patient {patient}, {split})" for split, patient, place in (one, two))


def _told(findings: list[str]) -> tuple[str, ...]:
    more = (f"and {len(findings) - SHOWN} more of this kind",) if len(findings) > SHOWN else ()
    return (*findings[:SHOWN], *more)

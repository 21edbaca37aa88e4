"""The candidates of one split as a data set whose batches have the same shares of all sources."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lung_ssp.candidates.augmentation import centred, random_candidate
from lung_ssp.candidates.settings import CandidateSplitSettings, CandidateTrainingSettings
from lung_ssp.cohort.candidates.store import CandidateRow, read_candidates
from lung_ssp.ct.settings import PatchSettings
from lung_ssp.ct.volume import window
from lung_ssp.errors import CohortError, ConfigError
from lung_ssp.training.distributed import shard


@dataclass(frozen=True, eq=False)
class CandidateBatch:
    """patches: float32 (n, slices, size, size), 0..1. labels: float32 (n, 1), 1 nodule, 0 false candidate."""

    patches: np.ndarray
    labels: np.ndarray

    def shard(self) -> "CandidateBatch":
        """This process's shard of the batch."""
        return CandidateBatch(shard(self.patches), shard(self.labels))


class CandidateDataset:
    """One split of a prepared cohort of candidates.

    Args:
        patch: what the network sees of a candidate.
        window_hu: HU that become 0 and 1.

    Raises:
        CohortError: the cohort has no candidates, no nodules or no false ones in the split, or other patches.
    """

    def __init__(self, settings: CandidateSplitSettings, patch: PatchSettings, window_hu: list[float]) -> None:
        root = Path(settings.dataset_root)
        self.candidates = read_candidates(root, settings.mode)
        self.patch, self.window_hu, self.where = patch, window_hu, f"{root} ({settings.mode})"
        stored = self.candidates.settings
        if (stored.slices, stored.slice_mm, stored.pixel_mm) != (patch.slices, patch.slice_mm, patch.pixel_mm):
            raise CohortError(
                f"{self.where} holds patches made with ({stored}), the run asks for ({patch}): change patch."
            )
        if stored.size < patch.size or (stored.size - patch.size) % 2:
            raise CohortError(
                f"{self.where} holds patches of {stored.size} pixels, of which {patch.size} cannot be the middle: "
                "lower patch.size to an even number."
            )
        if not self.nodule.any() or self.nodule.all():
            raise CohortError(f"{self.where} holds no nodule or no false candidate: nothing to tell apart.")

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def rows(self) -> list[CandidateRow]:
        return self.candidates.rows

    @property
    def nodule(self) -> np.ndarray:
        """bool (n,): which are nodules."""
        return self.candidates.nodule

    def whole(self) -> np.ndarray:
        """The patches of all candidates in their stored order, float32 (n, slices, size, size), 0..1."""
        return window(centred(self.candidates.hu, self.patch.size), self.window_hu)


class TrainingCandidates(CandidateDataset):
    """Those to learn from, whose batches have the shares that the settings ask for, each patch changed at random.

    Raises:
        ConfigError: the shares name other sources than there are.
    """

    def __init__(self, settings: CandidateTrainingSettings, patch: PatchSettings, window_hu: list[float]) -> None:
        super().__init__(settings, patch, window_hu)
        self.augmentation = settings.augmentation
        self.groups, shares = self._groups(settings)
        self.ends = np.cumsum(shares)

    def batch(self, indices: np.ndarray, rng: np.random.Generator) -> CandidateBatch:
        """This process's shard of a batch: the shares say of which group a sample is, `indices` which one of it."""
        places = (np.arange(len(indices)) + rng.random()) / len(indices)
        groups = np.searchsorted(self.ends[:-1], places, side="right")
        chosen = [self.groups[g][i % len(self.groups[g])] for g, i in zip(groups, indices, strict=True)]
        seeds = rng.integers(2**32, size=len(chosen))
        own = shard(list(zip(chosen, seeds.tolist(), strict=True)))
        hu = np.stack([self._changed(index, np.random.default_rng(seed)) for index, seed in own])
        labels = self.nodule[[index for index, _ in own]].astype(np.float32)[:, np.newaxis]
        return CandidateBatch(window(hu, self.window_hu), labels)

    def _changed(self, index: int, rng: np.random.Generator) -> np.ndarray:
        return random_candidate(self.candidates.hu[index], self.augmentation, self.patch, rng)

    def _groups(self, settings: CandidateTrainingSettings) -> tuple[list[np.ndarray], list[float]]:
        """The indices of nodules and false candidates of each source that has them, and their shares of a batch."""
        sources, nodule = self.candidates.sources, self.nodule
        names = sorted(set(sources.tolist()))
        shares = settings.shares or dict.fromkeys(names, 1 / len(names))
        if set(shares) != set(names):
            raise ConfigError(
                f"train_dataset.shares names {', '.join(sorted(shares))}, but {self.where} has candidates of "
                f"{', '.join(names)}: name these."
            )
        groups, of_groups = [], []
        for name in names:
            parts = [np.flatnonzero((sources == name) & (nodule == kind)) for kind in (False, True)]
            weights = [1 - settings.nodule_share, settings.nodule_share]
            there = [(part, weight) for part, weight in zip(parts, weights, strict=True) if len(part)]
            total = sum(weight for _, weight in there)
            groups += [part for part, _ in there]
            of_groups += [shares[name] * weight / total for _, weight in there]
        return groups, of_groups

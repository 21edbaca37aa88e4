"""The tiles of a prepared cohort: <root>/tiles/<split>.npz, cut from one slide after the other."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter
from tqdm import tqdm

from lung_ssp.cohort.slides.reading import open_slide
from lung_ssp.cohort.slides.settings import SlideSettings
from lung_ssp.cohort.slides.tiles import cut_tiles
from lung_ssp.cohort.store import REMEDY, SPLITS, load_arrays
from lung_ssp.errors import CohortError, SlideError
from lung_ssp.files import write_atomically
from lung_ssp.formats import ArrayForm, json_of

FOLDER = "tiles"
TILE_ARRAYS = {"images": ArrayForm("u"), "patients": ArrayForm("U", 1), "slides": ArrayForm("U", 1)}
UNFINISHED = ".slides"  # below it: the tiles of each slide, until all are cut


@dataclass(frozen=True)
class Tiles:
    """The tiles of one split.

    images: uint8 (n, size, size, 3), red, green, blue. patients: (n,) text, whose tumour it is.
    slides: (n,) text, the patient's name and the slide's number among the patient's slides, from 1.
    """

    images: np.ndarray
    patients: np.ndarray
    slides: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


def write_tiles(root: Path, split: str, tiles: Tiles, made_with: str = "", failures: str = "{}") -> None:
    """Write one split's tiles, atomically.

    Args:
        made_with: JSON text of all that made them; only files with the same text are taken for finished.
        failures: JSON text: the slides that could not be read, by name, with the error.
    """
    write_atomically(
        tiles_path(root, split),
        lambda file: np.savez(
            file,
            images=tiles.images.astype(np.uint8),
            patients=tiles.patients.astype(str),
            slides=tiles.slides.astype(str),
            made_with=np.array(made_with),
            failures=np.array(failures),
        ),
    )


def read_tiles(root: Path, split: str) -> Tiles:
    """The tiles of one split.

    Raises:
        CohortError: the file is missing or damaged.
    """
    path = tiles_path(root, split)
    if not path.is_file():
        raise CohortError(
            f"{path} does not exist: prepare a cohort with pathology slides, or train a TwoTaskClassifier."
        )
    arrays = load_arrays(path, TILE_ARRAYS)
    images, patients, slides = arrays["images"], arrays["patients"], arrays["slides"]
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
        raise CohortError(f"{path} holds no colour tiles: prepare the cohort again.")
    if not len(images) == len(patients) == len(slides):
        raise CohortError(f"{path} does not say of each tile whose it is: prepare the cohort again.")
    return Tiles(images, patients, slides)


def tiles_path(root: Path, split: str) -> Path:
    """Where the tiles of a split lie."""
    return Path(root) / FOLDER / f"{split}.npz"


def tile_digests(root: Path) -> Iterator[bytes]:
    """The part of its tiles in a cohort's fingerprint; nothing where the cohort has none."""
    if not (Path(root) / FOLDER).is_dir():
        return
    for split in SPLITS:
        tiles = read_tiles(root, split)
        yield tiles.images.tobytes()
        yield "\n".join([*tiles.patients.tolist(), *tiles.slides.tolist()]).encode()


def prepare_tiles(
    root: Path,
    slides: Mapping[str, Sequence[Path]],
    split_of: Mapping[str, str],
    settings: SlideSettings,
    seed: int,
    failures: dict[str, str] | None = None,
) -> dict[str, int]:
    """Cut the tiles of all slides into <root>/tiles/<split>.npz, one slide in memory at a time.

    An interrupted preparation continues after the last finished slide. Which tiles are cut depends on the seed and the
    slide's name alone. Patients without a split, who have no sections, are left out.

    Args:
        slides: the folders of each patient's slides, by the patient's name (a pseudonym).
        split_of: the split of each patient.
        failures: gets the error of each slide that cannot be read, by its name, and the others go on; None: the first
            error is raised.

    Returns:
        how many tiles each split has.

    Raises:
        SlideError: a slide cannot be read, and `failures` is None.
        CohortError: tiles of other slides or settings are there.
    """
    root = Path(root)
    counts = {}
    for split in SPLITS:
        chosen = {
            f"{patient}-{number}": Path(folder)
            for patient in sorted(slides)
            if split_of.get(patient) == split
            for number, folder in enumerate(slides[patient], start=1)
        }
        counts[split] = _prepare_split(root, split, chosen, settings, seed, failures)
    shutil.rmtree(root / FOLDER / UNFINISHED, ignore_errors=True)
    return counts


def _prepare_split(
    root: Path,
    split: str,
    slides: dict[str, Path],
    settings: SlideSettings,
    seed: int,
    failures: dict[str, str] | None,
) -> int:
    path = tiles_path(root, split)
    made_with = _describe(slides, settings, seed)
    if path.is_file():
        arrays = load_arrays(path, {"made_with": ArrayForm("U", 0), "failures": ArrayForm("U", 0)})
        if failures is not None:
            failures |= _failures_of(path, str(arrays["failures"]))
        if str(arrays["made_with"]) != made_with:
            raise CohortError(
                f"{path} was cut from other slides or with other settings: remove {path.parent} or prepare into "
                "another folder."
            )
        return len(read_tiles(root, split))
    none = np.zeros((0, settings.size, settings.size, 3), np.uint8)
    parts = []
    own: dict[str, str] = {}
    for name, folder in tqdm(slides.items(), f"{split} slides", unit="slide", disable=not slides):
        try:
            parts.append(_tiles_of_slide(root / FOLDER / UNFINISHED / f"{name}.npz", name, folder, settings, seed))
        except SlideError as error:
            if failures is None:
                raise
            failures[name] = own[name] = str(error)
            parts.append(none)
    counts = [len(part) for part in parts]
    names = np.repeat(np.array(list(slides), dtype=str), counts)
    patients = np.repeat(np.array([name.rpartition("-")[0] for name in slides], dtype=str), counts)
    tiles = Tiles(np.concatenate([none, *parts]), patients, names)
    write_tiles(root, split, tiles, made_with, json.dumps(own))
    return len(tiles)


def _failures_of(path: Path, text: str) -> dict[str, str]:
    """The slides that could not be read, by name, with the error."""
    try:
        return TypeAdapter(dict[str, str]).validate_python(json_of(text))
    except (ValueError, RecursionError):
        raise CohortError(f"{path} is damaged: {REMEDY}.") from None


def _tiles_of_slide(path: Path, name: str, folder: Path, settings: SlideSettings, seed: int) -> np.ndarray:
    """The tiles of one slide, from `path` if they have been cut already, uint8 (n, size, size, 3)."""
    made_with = _describe({name: folder}, settings, seed)
    if path.is_file():
        with suppress(CohortError):  # a damaged file is made again
            arrays = load_arrays(path, {"images": ArrayForm("u", 4), "made_with": ArrayForm("U", 0)})
            if str(arrays["made_with"]) == made_with:
                return arrays["images"]
    rng = np.random.default_rng(np.random.SeedSequence([seed, *hashlib.sha256(name.encode()).digest()]))
    with open_slide(folder) as opened:
        images = cut_tiles(opened, settings, rng)
    write_atomically(path, lambda file: np.savez(file, images=images, made_with=np.array(made_with)))
    return images


def _describe(slides: dict[str, Path], settings: SlideSettings, seed: int) -> str:
    """All that tiles depend on, as one JSON text; the slides by the names of their folders."""
    names = {name: folder.name for name, folder in slides.items()}
    return json.dumps({"seed": seed, "tiles": settings.model_dump(), "slides": names}, sort_keys=True)

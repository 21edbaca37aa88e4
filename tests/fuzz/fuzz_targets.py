"""The readers of the package, each with a small valid input."""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fuzz_guard import Fault, check
from fuzz_inputs import write_disc, write_multi_frame, write_series, write_volume, write_zip
from fuzz_mutations import mutate

from lung_ssp.config import SHIPPED_CONFIGS, resolve
from lung_ssp.ct.series import open_series
from lung_ssp.preparation import PREPARATIONS
from lung_ssp.tasks import read_training

ACCEPT = ("tilt", "gaps", "duplicates")
VOLUMES = (".nii", ".nii.gz", ".mha", ".mhd", ".nrrd")


@dataclass(frozen=True)
class Target:
    """A reader.

    make: writes a valid input into a folder. read: reads it; files may be changed before.
    writes: whether it may write into that folder.
    """

    name: str
    make: Callable[[Path], None]
    read: Callable[[Path], object]
    writes: bool = False


def run(target: Target, master: Path, work: Path, seed: int) -> str:
    """Copy a valid input, change it as the seed says, and let the reader read it.

    Returns:
        what was changed and what the reader said.

    Raises:
        Fault: the reader did what it may not do; the message tells how to repeat it.
    """
    rng = random.Random(seed)
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(master, work)
    changes = []
    for _ in range(rng.choice((1, 1, 1, 2))):
        files = sorted(path for path in work.rglob("*") if path.is_file() and not path.is_symlink())
        changes += [mutate(rng.choice(files), rng)] if files else []
    told = f"{target.name}, seed {seed}, {'; '.join(changes)}"
    try:
        sentence = check(lambda: target.read(work), [work] if target.writes else [])
    except Exception as error:
        raise Fault(f"{told}: {type(error).__name__}: {error}") from error
    return f"{told}: {sentence}"


def _copy_configs(folder: Path) -> None:
    shutil.copytree(SHIPPED_CONFIGS, folder)


def _read_configs(folder: Path) -> None:
    for path in sorted(folder.rglob("*.yml")):
        if path.parent.name in ("classification", "segmentation"):
            read_training(path)
        else:
            file = resolve(path)
            if file.tree.get("task") in PREPARATIONS:
                file.check(file.choose(PREPARATIONS)[0])


def _make_override(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "override.txt").write_text("lr_scheduler.learning_rate=0.1")


def _read_override(folder: Path) -> None:
    text = (folder / "override.txt").read_bytes().decode("utf-8", "surrogateescape")
    read_training("classification/smoke.yml", [text])


def _read_scan(name: str, folder: Path) -> None:
    open_series(folder / name, None, ACCEPT)


TARGETS = (
    Target("series", write_series, lambda folder: open_series(folder, None, ACCEPT)),
    Target("multi-frame", write_multi_frame, lambda folder: open_series(folder, None, ACCEPT)),
    Target("DICOMDIR", write_disc, partial(_read_scan, "DICOMDIR")),
    Target("zip", write_zip, partial(_read_scan, "series.zip")),
    *(Target(suffix, partial(write_volume, suffix=suffix), partial(_read_scan, f"scan{suffix}")) for suffix in VOLUMES),
    Target("configurations", _copy_configs, _read_configs),
    Target("-o", _make_override, _read_override),
)

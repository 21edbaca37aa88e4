"""What a training of the segmentation network sees: a picture of patches as they come out of their random changes.

    python benchmarks/patches.py PICTURE --config segmentation/nodules.yml [--cohort 2] [--patches 12] [-o ...]

A patch is shown by its slices, a slice between its neighbours, and by the middle one with the outline of what is to be
marked; what does not count is darker there. `--cohort` is 1 for train_dataset.dataset_root, 2 for the first of `also`.
"""

import argparse
from pathlib import Path

import numpy as np

from command import positive
from command import run as run_command
from lung_ssp.config import load_config
from lung_ssp.errors import ConfigError
from lung_ssp.figures import write_picture
from lung_ssp.segmentation.dataset import NoduleSlices
from lung_ssp.segmentation.figures import TRUTH, outlined
from lung_ssp.segmentation.settings import IGNORED, NODULE, SegmentationSettings

COLUMNS, GAP = 3, 24  # patches beside each other, screen pixels between them


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path, metavar="PICTURE", help="a PNG that is written")
    parser.add_argument("--config", required=True, metavar="FILE", help="of a segmentation network")
    parser.add_argument("--cohort", type=positive, default=2, metavar="N", help="which cohort's patches (2)")
    parser.add_argument("--patches", type=positive, default=12, metavar="N", help="how many (12)")
    parser.add_argument("-o", dest="override", action="append", default=[], metavar="KEY=VALUE", help="of the file")
    return run_command(lambda: draw(parser.parse_args()), str)


def draw(arguments: argparse.Namespace) -> Path:
    """Write the picture; returns where it is."""
    settings = load_config(arguments.config, SegmentationSettings, arguments.override).settings
    options = settings.train_dataset.model_dump()
    data = NoduleSlices(options.pop("dataset_root"), options.pop("mode"), settings.slices.model_dump(), **options)
    ends = data.ends_of_cohorts
    if arguments.cohort > len(ends):
        raise ConfigError(f"--cohort {arguments.cohort}: the configuration has {len(ends)} cohorts.")
    first = ([0, *ends])[arguments.cohort - 1]
    patches = [drawn(data.sample(first + n, np.random.default_rng(n))) for n in range(arguments.patches)]
    height, width, _ = patches[0].shape
    rows = -(-len(patches) // COLUMNS)
    sheet = np.full((rows * (height + GAP) - GAP, COLUMNS * (width + GAP) - GAP, 3), 255, np.uint8)
    for number, patch in enumerate(patches):
        y, x = (number // COLUMNS) * (height + GAP), (number % COLUMNS) * (width + GAP)
        sheet[y : y + height, x : x + width] = patch
    write_picture(sheet, arguments.picture, f"Training patches of {settings.train_dataset.roots[arguments.cohort - 1]}")
    return arguments.picture


def drawn(sample: dict[str, np.ndarray]) -> np.ndarray:
    """The slices of a patch side by side, and the outline; uint8 (rows, columns, 3)."""
    slices, label = sample["img"], sample["label"]
    shaded = np.where(label == IGNORED, slices[len(slices) // 2] / 2, slices[len(slices) // 2])
    return np.hstack([*(outlined(own, {}, 2) for own in slices), outlined(shaded, {TRUTH: label == NODULE}, 2)])


if __name__ == "__main__":
    raise SystemExit(main())

"""lung-ssp diagnose."""

import argparse
from pathlib import Path

from lung_ssp.cli.command import Command, add_device, add_override
from lung_ssp.cli.terminal import say
from lung_ssp.interruption import ending_at_once
from lung_ssp.runtime import require_libraries


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "series",
        type=Path,
        metavar="SERIES",
        help="a folder or .zip of a CT series' DICOM files, a DICOMDIR, one multi-frame file, or a volume in HU (.nii, "
        ".nii.gz, .mha, .mhd, .nrrd)",
    )
    parser.add_argument("--segmentation", type=Path, required=True, metavar="RUN", help="a segmentation run")
    parser.add_argument("--classification", type=Path, required=True, metavar="RUN", help="a classification run")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where findings are written")
    parser.add_argument("--series-uid", metavar="UID", help="which series, where the folder holds several")
    parser.add_argument(
        "--accept",
        default="",
        metavar="NAMES",
        help="what is corrected instead of refused, of tilt,gaps,duplicates; findings.json records it",
    )
    parser.add_argument(
        "--engine",
        choices=("onnx", "paddle"),
        help="what runs the networks (onnx on a CPU where a run has been exported, else paddle)",
    )
    add_device(parser)
    add_override(parser)


def run(arguments: argparse.Namespace) -> None:
    """Detect and classify the nodules of one CT series."""
    load_libraries(arguments)
    from lung_ssp.diagnosis.diagnoser import diagnose_series

    diagnosis = diagnose_series(
        arguments.series,
        arguments.segmentation,
        arguments.classification,
        arguments.out,
        series_uid=arguments.series_uid,
        accept=[name for name in arguments.accept.split(",") if name],
        engine=arguments.engine,
        device=arguments.device,
        overrides=arguments.override,
    )
    say(f"{diagnosis.table()}\n\nwritten to {arguments.out}\n{diagnosis.timing()}")


def load_libraries(arguments: argparse.Namespace) -> None:
    """Load what the engines of both runs need: without Paddle where both have been exported."""
    from lung_ssp.training.onnx import engine_for, libraries_of

    runs = arguments.segmentation, arguments.classification
    engines = {engine_for(run, arguments.engine, arguments.device) for run in runs}
    with ending_at_once():
        require_libraries(*libraries_of(engines))


COMMAND = Command("diagnose", run, add_arguments)

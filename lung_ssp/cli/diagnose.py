"""lung-ssp diagnose."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lung_ssp.cli.command import Command, add_device, add_override, load_libraries, positive
from lung_ssp.cli.terminal import say
from lung_ssp.diagnosis.formats import DEFAULT, FORMATS, choose_outputs
from lung_ssp.errors import ConfigError, LungSspError

if TYPE_CHECKING:
    from lung_ssp.ct.source import Contents
    from lung_ssp.diagnosis.formats import Outputs
    from lung_ssp.diagnosis.inventory import Inventory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "series",
        type=Path,
        metavar="SERIES",
        help="a folder or .zip of a CT series' DICOM files, a DICOMDIR, one multi-frame file, or a volume in HU (.nii, "
        ".nii.gz, .mha, .mhd, .nrrd); or a folder of many of these",
    )
    parser.add_argument(
        "--segmentation", type=Path, metavar="RUN", help="a segmentation run (the network that comes with the package)"
    )
    parser.add_argument(
        "--classification",
        type=Path,
        metavar="RUN",
        help="a classification run (the network that comes with the package)",
    )
    parser.add_argument(
        "--candidates",
        type=Path,
        metavar="RUN",
        help="a run of the false-positive reduction, which judges candidates (that of the package behind its own "
        "segmentation network, else none)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where findings are written")
    parser.add_argument("--series-uid", metavar="UID", help="only this series, where the folder holds several")
    parser.add_argument(
        "--all",
        action="store_true",
        help="every scan of the folder, with one table, also where it holds a single series",
    )
    parser.add_argument(
        "--processes",
        type=positive,
        metavar="N",
        help="of several scans, how many are diagnosed side by side (by the cores and the memory)",
    )
    parser.add_argument(
        "--accept",
        type=names_of,
        default=[],
        metavar="NAMES",
        help="what is corrected instead of refused, of tilt,gaps,duplicates; findings.json records it",
    )
    add_formats(parser)
    parser.add_argument(
        "--engine",
        choices=("onnx", "paddle"),
        help="what runs the networks (onnx on a CPU where a run has been exported, else paddle)",
    )
    add_device(parser)
    add_override(parser)


def add_formats(parser: argparse.ArgumentParser) -> None:
    """--format NAMES, and --keep-patient."""
    parser.add_argument(
        "--format",
        type=names_of,
        metavar="NAMES",
        help=f"in which the diagnosis is written beside findings.json, of {','.join(FORMATS)} "
        f"({','.join(DEFAULT)}; without seg and sr where the scan is no DICOM series)",
    )
    parser.add_argument(
        "--keep-patient",
        action="store_true",
        help="seg and sr name the patient and the study, as an archive needs it (they do not)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Detect and classify the nodules of one CT series, or of every scan in a folder."""
    if arguments.all and arguments.series_uid is not None:
        raise ConfigError("--all takes every scan and --series-uid one: leave one of them out.")
    if arguments.all and not arguments.series.is_dir():
        raise ConfigError(f"--all takes a folder of scans, which {arguments.series} is not: leave it out.")
    outputs = choose_outputs(arguments.format, arguments.keep_patient)
    outputs.check_source(arguments.series)
    if arguments.series_uid is not None or not arguments.series.is_dir():
        diagnose_one(arguments, outputs)
        return
    from lung_ssp.diagnosis.inventory import find_scans
    from lung_ssp.diagnosis.scan_record import RECORD

    found = find_scans(arguments.series, arguments.out)
    if arguments.all or found.is_several or (arguments.out / RECORD).is_file():
        diagnose_all(arguments, outputs, found)
    else:
        diagnose_one(arguments, outputs, found.contents)


def diagnose_one(arguments: argparse.Namespace, outputs: "Outputs", contents: "Contents | None" = None) -> None:
    """Diagnose one scan; `contents` are its source's where they are known."""
    from lung_ssp.training.onnx import engine_for, libraries_of
    from lung_ssp.weights.shipped import diagnosis_runs

    runs = diagnosis_runs(arguments.segmentation, arguments.classification, arguments.candidates)
    load_libraries(libraries_of({engine_for(run, arguments.engine, arguments.device) for run in runs.values()}))
    from lung_ssp.diagnosis.diagnoser import diagnose_series

    diagnosis = diagnose_series(
        arguments.series,
        arguments.segmentation,
        arguments.classification,
        arguments.out,
        series_uid=arguments.series_uid,
        accept=arguments.accept,
        engine=arguments.engine,
        device=arguments.device,
        overrides=arguments.override,
        contents=contents,
        candidates=arguments.candidates,
        outputs=outputs,
    )
    not_written = "".join(f"\nnot written: {name}, {why}" for name, why in diagnosis.not_written(outputs).items())
    say(f"{diagnosis.table()}\n\nwritten to {arguments.out}{not_written}\n{diagnosis.timing()}")


def diagnose_all(arguments: argparse.Namespace, outputs: "Outputs", found: "Inventory") -> None:
    """Diagnose the scans of a folder.

    Raises:
        LungSspError: some could not be diagnosed; the others are.
    """
    from lung_ssp.diagnosis.folder import diagnose_folder

    diagnosis = diagnose_folder(
        found,
        arguments.segmentation,
        arguments.classification,
        arguments.out,
        accept=arguments.accept,
        engine=arguments.engine,
        device=arguments.device,
        overrides=arguments.override,
        processes=arguments.processes,
        candidates=arguments.candidates,
        outputs=outputs,
    )
    say(f"{diagnosis.text()}\nwritten to {arguments.out}: scans.csv, findings.csv, and a folder for each scan")
    if diagnosis.not_done:
        raise LungSspError(
            f"{len(diagnosis.not_done)} of {len(diagnosis.scans)} scans could not be diagnosed: "
            f"{arguments.out / 'scans.csv'} says why of each, and the same command tries them again."
        )


def names_of(text: str) -> list[str]:
    """The names of a list with commas between them."""
    return [name.strip() for name in text.split(",") if name.strip()]


COMMAND = Command("diagnose", run, add_arguments)

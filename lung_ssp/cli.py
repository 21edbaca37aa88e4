"""The command line: `lung-ssp prepare | train | eval | diagnose | environment`; tools/*.py call the same functions."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from lung_ssp.errors import LungSspError

# Each command loads what it needs inside its function: asking for help, or preparing a cohort, needs no Paddle.


def prepare(arguments: argparse.Namespace) -> None:
    """Prepare a cohort: sections with labels, and slices of its scans."""
    from lung_ssp import runtime

    runtime.require_libraries("cv2")
    from lung_ssp.cohort.prepare import prepare_cohort
    from lung_ssp.config import load_config

    print(prepare_cohort(load_config(arguments.config, arguments.override, "preparation").settings))


def train(arguments: argparse.Namespace) -> None:
    """Train the run that a configuration describes, or go on with it."""
    from lung_ssp import runtime

    runtime.require_libraries()
    device = runtime.choose_device(arguments.device)
    from lung_ssp.train import train_run

    print(train_run(arguments.config, arguments.override, arguments.output, device, arguments.resume))


def evaluate(arguments: argparse.Namespace) -> None:
    """Measure a run on its test samples."""
    from lung_ssp import runtime

    runtime.require_libraries()
    runtime.choose_device(arguments.device)
    from lung_ssp.evaluate import evaluate_run

    print(evaluate_run(arguments.run, arguments.table2, arguments.real_nodules))


def diagnose(arguments: argparse.Namespace) -> None:
    """Go the whole way from one series to findings."""
    from lung_ssp import runtime

    runtime.require_libraries()
    runtime.choose_device(arguments.device)
    from lung_ssp.diagnosis.pipeline import diagnose_series

    print(
        diagnose_series(
            arguments.series, arguments.segmentation, arguments.classification, arguments.out, arguments.series_uid
        )
    )


def environment(arguments: argparse.Namespace) -> None:
    """Print what this machine computes with, and what the package's settings gain."""
    from lung_ssp import runtime

    runtime.require_libraries()
    runtime.choose_device(arguments.device)
    plain = round(runtime.rate_without_settings(), 1)
    print(json.dumps({**runtime.environment(), "matrix_product_gflops_without_settings": plain}, indent=2))


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    root = argparse.ArgumentParser(prog="lung-ssp", description=__doc__)
    commands = root.add_subparsers(dest="command", required=True)

    def add(name, function, *, config=False, device=True):  # type: ignore[no-untyped-def]
        command = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        command.set_defaults(function=function)
        if config:
            command.add_argument("--config", type=Path, required=True, metavar="FILE", help="YAML configuration")
            command.add_argument(
                "-o", dest="override", action="append", default=[], metavar="KEY=VALUE", help="override one setting"
            )
        if device:
            command.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="where to compute (cpu)")
        return command

    add("prepare", prepare, config=True, device=False)
    command = add("train", train, config=True)
    command.add_argument("--output", type=Path, required=True, metavar="RUN", help="the run's folder")
    command.add_argument("--resume", action="store_true", help="go on with the run in the folder, if there is one")
    command = add("eval", evaluate)
    command.add_argument("run", type=Path, metavar="RUN", help="the run's folder")
    command.add_argument("--table2", action="store_true", help="set the log beside the paper's Table 2")
    command.add_argument(
        "--real-nodules", type=Path, metavar="FOLDER", help="folder with lidc_nodules_3d.npz, for a segmentation run"
    )
    command = add("diagnose", diagnose)
    command.add_argument("series", type=Path, metavar="SERIES", help="folder of a CT series' DICOM files")
    command.add_argument("--segmentation", type=Path, required=True, metavar="RUN", help="a segmentation run")
    command.add_argument("--classification", type=Path, required=True, metavar="RUN", help="a classification run")
    command.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where findings are written")
    command.add_argument("--series-uid", metavar="UID", help="which series, where the folder holds several")
    add("environment", environment)
    return root


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; a fault of the input is one sentence on standard error and exit code 2."""
    arguments = parser().parse_args(words)
    try:
        arguments.function(arguments)
    except LungSspError as error:
        print(f"lung-ssp {arguments.command}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        print(f"lung-ssp {arguments.command}: {error.strerror or error}{where}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"lung-ssp {arguments.command}: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

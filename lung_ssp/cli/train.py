"""lung-ssp train."""

import argparse
from pathlib import Path

from lung_ssp.cli.command import PADDLE, Command, add_config, add_device, natural, positive
from lung_ssp.cli.terminal import say
from lung_ssp.errors import CheckpointError, EnvironmentProblem
from lung_ssp.interruption import ending_at_once
from lung_ssp.runtime import require_libraries


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_device(parser)
    parser.add_argument("--output", type=Path, required=True, metavar="RUN", help="the run's folder")
    parser.add_argument("--resume", action="store_true", help="go on with the run in the folder, if there is one")
    parser.add_argument(
        "--processes",
        type=positive,
        default=1,
        metavar="N",
        help="number of data-parallel processes: on GPUs one each; on a CPU they share the cores (1)",
    )
    parser.add_argument(
        "--restarts",
        type=natural,
        default=0,
        metavar="R",
        help="most automatic restarts from the last checkpoint (0)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Train the run that a configuration describes, or go on with it."""
    from lung_ssp.task_settings import training_settings
    from lung_ssp.training.launch import Job, check_shared, launch, running_as_worker

    if arguments.processes > 1 or arguments.restarts > 0:
        check_shared(training_settings(arguments.config, arguments.override), arguments.processes)
        job = Job(training_arguments(arguments), arguments.processes, arguments.device, arguments.output)
        launch(job, arguments.restarts)
        return
    with running_as_worker():
        with ending_at_once():
            require_libraries(*PADDLE)
        from lung_ssp.runs import train
        from lung_ssp.training.distributed import world_size

        done = train(
            arguments.config, arguments.output, arguments.override, device=arguments.device, resume=arguments.resume
        )
    best = f"best {done.score_name} {done.best_score:.4f} at step {done.best_step}"
    say(f"{done.run}: {done.steps} steps done; {best}")
    if arguments.device == "cpu" and world_size() == 1:  # elsewhere lung-ssp export does it
        export_trained(done.run)


def export_trained(run: Path) -> None:
    """Export a run that has been trained, since diagnose is faster then; where that cannot be, say why."""
    from lung_ssp.runs import export

    try:
        say(f"{export(run).path}: by which diagnose runs it on a CPU")
    except (CheckpointError, EnvironmentProblem) as error:
        say(f"not exported, diagnose runs it by Paddle: {error}")


def training_arguments(arguments: argparse.Namespace) -> list[str]:
    """The command line of one worker, which runs this command again."""
    words = ["train", "--config", arguments.config, "--output", str(arguments.output), "--device", arguments.device]
    for override in arguments.override:
        words += ["-o", override]
    return words + ["--resume"] * arguments.resume


# A parent of several processes loads no Paddle: its workers do.
COMMAND = Command("train", run, add_arguments)

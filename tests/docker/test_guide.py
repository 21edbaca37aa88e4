"""docs/gpu.md: its commands are ones that there are, for the images that are built."""

import re
import shlex
from pathlib import Path

from lung_ssp.cli import parser

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "gpu.md").read_text()
WORDS = [shlex.split(line)[1:] for line in GUIDE.splitlines() if line.startswith("lung ")]


def test_every_command_is_one_of_the_command_lines() -> None:
    commands = [parser().parse_args(words) for words in WORDS]
    trained = [command.output for command in commands if command.command == "train"]
    measured = [run for command in commands if command.command == "eval" for run in command.run]
    assert trained == measured
    configs = [command.config for command in commands if getattr(command, "config", None)]
    assert {"table2.yml", "table2_dense.yml", "improved_unet.yml"} <= {Path(path).name for path in configs}
    assert all((ROOT / path).is_file() for path in configs)


def test_files_of_the_repository_that_it_names_are_there() -> None:
    named = re.findall(r"(?:docker|configs)/[\w/.]+\w", GUIDE)
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []

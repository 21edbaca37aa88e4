"""The command line `lung-ssp`: one file a command, its arguments and its printing."""

from lung_ssp.cli.app import main, parser

__all__ = ["main", "parser"]

"""The command line: prints, asks, sets exit codes; contains no decisions."""

from paquebot.cli.main import main

__all__ = ["main"]

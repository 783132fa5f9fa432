"""The command line: one module per command of ``steer``, plus what they share."""

from steer.cli.app import main

__all__ = ["main"]

"""The command line: ``steer run``, ``steer resume``, ``steer show``."""

from steer.cli.app import main

__all__ = ["main"]

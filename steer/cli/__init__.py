"""The command line: one module per command of ``steer``, plus what they share."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  pip refuses it too, but nothing else does for `python -m steer` in a clone
    print("error: steer needs Python 3.11 or newer, not {}.{}.{}".format(*sys.version_info), file=sys.stderr)  # noqa: T201  nothing of steer may be imported yet
    sys.exit(2)

from steer.cli.app import main

__all__ = ["main"]

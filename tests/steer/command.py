"""The command in this process, where a process of its own shows nothing more: torch is loaded once."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from dataclasses import dataclass
from unittest import mock

from steer.cli import main


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


def steer_here(*arguments, cwd=None, env=None, stdin=""):
    """Like ``subprocess.run([steer, ...])``: exit code and what was printed."""
    out, errors = io.StringIO(), io.StringIO()
    before, code = os.getcwd(), 0
    try:
        os.chdir(cwd or before)
        with (
            mock.patch.object(sys, "argv", ["steer", *map(str, arguments)]),
            mock.patch.object(sys, "stdin", io.StringIO(stdin)),
            mock.patch.dict(os.environ, env or {}),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(errors),
        ):
            main()
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 1
    finally:
        os.chdir(before)
    return Done(code, out.getvalue(), errors.getvalue())

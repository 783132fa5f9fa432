"""All that is printed: the console of every command, lines without markup, and what libraries log.

Names, prompts and errors come from others. Whatever in them a terminal would obey is made visible here, once.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console as _Console
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from reward_models.printable import printable

LABEL = 9  # characters


class Console(_Console):
    """A console that styles text itself and lets no text do so."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of ``renderable``, their text :func:`~reward_models.printable.printable`."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


class Handler(logging.StreamHandler[Any]):
    """Log messages on standard error, as they may be printed."""

    def __init__(self, level: int):
        super().__init__()
        self.setLevel(level)

    def emit(self, record: logging.LogRecord) -> None:
        """Print one message."""
        self.stream = sys.stderr  # as it is now
        super().emit(record)

    def format(self, record: logging.LogRecord) -> str:
        """One message."""
        return printable(super().format(record))


# soft_wrap: a command or a path that is to be copied is never broken by a newline
console = Console(soft_wrap=True, highlight=False)


def print_line(text: str) -> None:
    """Print text without markup on standard output, JSON too: it stays the same JSON."""
    sys.stdout.write(f"{printable(text)}\n")
    sys.stdout.flush()


def print_text(label: str, text: str, to: _Console = console, width: int = LABEL) -> None:
    """Print a label and a text for people to read, with markup; in a terminal a long one goes on below its beginning.
    ``width``: characters of the label.

    Not for paths and commands, which must stay in one piece.
    """
    if not to.is_terminal:
        padding = " " * (width - len(Text.from_markup(label)))
        to.print(f"  {label}{padding} {text}")
        return
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=width + 2)
    grid.add_column()
    grid.add_row(f"  {label}", text)
    to.print(grid)

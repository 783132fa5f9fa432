"""The console that every command prints to."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

# soft_wrap: a command or a path that is to be copied is never broken by a newline
console = Console(soft_wrap=True, highlight=False)
LABEL = 9  # characters


def print_text(label: str, text: str, to: Console = console, width: int = LABEL) -> None:
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

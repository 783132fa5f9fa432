"""Long lines: a text goes on below its beginning, and what is copied stays in one piece."""

from __future__ import annotations

import io

from rich.console import Console

from steer.cli.console import print_text

TEXT = "a fox in the snow in fog in the centre of a forest with northern lights, sepia"


def printed(text, **terminal):
    console = Console(file=io.StringIO(), soft_wrap=True, highlight=False, color_system=None, **terminal)
    print_text("best", text, console)
    return console.file.getvalue()


def test_a_text_has_a_hanging_indent_in_a_terminal_and_is_broken_between_words():
    first, *rest = printed(TEXT, width=40, force_terminal=True).splitlines()
    assert first.startswith("  best      a fox")
    assert len(rest) > 1
    assert all(line.startswith(" " * 12) and line[12] != " " for line in rest)
    assert " ".join(line[12:].strip() for line in [first, *rest]) == TEXT


def test_a_text_is_one_line_in_a_pipe():
    assert printed(TEXT, width=40) == f"  best      {TEXT}\n"

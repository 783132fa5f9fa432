"""Text from outside (servers, files, the command line) as text that can be written and shown everywhere."""

from __future__ import annotations


def readable(text: str) -> str:
    """The text without lone surrogates, halves of a character that no file takes; two halves become one.

    >>> readable("a fox \\ud83e"), readable("\\ud83e\\udd8a") == "\\U0001f98a"
    ('a fox ', True)
    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")


def one_line(text: str, most: int = 200) -> str:
    """Its printable characters in one line of at most so many: no escape can reach a terminal.

    >>> one_line("no\\n such \\x1b[31mthing")
    'no such [31mthing'
    """
    line = " ".join(text[: 20 * most].split())
    return "".join(c for c in line if c.isprintable())[:most]

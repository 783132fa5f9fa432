"""Rating without a browser: pictures as sixel graphics if the terminal has them, else in the system's viewer."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from rich.console import Console

from steer.users.interview import ANCHORS, Interview
from steer.users.pictures import Question

SHOWN = 320  # longer side, in pixels


def ask(interview: Interview, pairs: bool, console: Console, read: Callable[[str], str] = input) -> None:
    """Ask until further answers would change little, no picture is left, or the person quits (q, or end of input)."""
    scale = ", ".join(f"{n} {word}" for n, word in ANCHORS.items())
    if pairs:
        console.print("Which picture do you prefer? Enter 1 or 2.")
    else:
        console.print(f"How much do you like each picture? Enter a number from 1 to 5 ({scale}); 3.5 works too.")
    console.print("s: skip, u: undo the last answer, q: quit. Every answer is saved at once.")
    while not interview.progress().enough:
        shown = interview.next_pair() if pairs else interview.next()
        if shown is None:
            break
        questions = shown if isinstance(shown, tuple) else (shown,)
        for number, question in enumerate(questions, start=1):
            show(question, console, f"{number}: " if pairs else "")
        try:
            answer = read("> ").strip().lower()
        except EOFError:
            console.print()  # ends the line of the prompt
            break
        if answer == "q":
            break
        if answer == "s":
            interview.skip(*questions)
        elif answer == "u":
            console.print("last answer undone" if interview.undo() else "no answer to undo")
        elif not _take(interview, questions, answer):
            console.print("enter 1, 2, s, u or q" if pairs else "enter a number from 1 to 5, s, u or q")
        console.print(str(interview.progress()), style="dim")


def _take(interview: Interview, questions: tuple[Question, ...], answer: str) -> bool:
    """Store a rating or a choice; False if ``answer`` is neither."""
    try:
        number = float(answer.replace(",", "."))
    except ValueError:
        return False
    if len(questions) == 2:
        if number not in (1, 2):
            return False
        better, worse = questions if number == 1 else questions[::-1]
        interview.choose(better, worse)
        return True
    if not 1 <= number <= 5:
        return False
    interview.rate(questions[0], number)
    return True


def show(question: Question, console: Console, label: str = "") -> None:
    """Print the picture's path and prompt, then draw it in the terminal or open it in an image viewer."""
    console.print(f"{label}{question.path}  {question.prompt}", markup=False)
    if not sys.stdout.isatty():
        return
    if "sixel" in os.environ.get("TERM", "") or os.environ.get("TERM_PROGRAM") in ("WezTerm", "iTerm.app", "mintty"):
        sys.stdout.write(sixel(question.image))
        sys.stdout.flush()
    else:
        _open(question.path)


def _open(path: Path) -> None:
    for program in ("xdg-open", "open"):
        if shutil.which(program):
            subprocess.Popen([program, str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            return


def sixel(image: Image.Image) -> str:
    """The picture as DEC sixel graphics with 64 colours: bands of six rows, and one line of characters per colour."""
    small = image.copy()
    small.thumbnail((SHOWN, SHOWN))
    flat = small.quantize(64)
    palette = flat.getpalette() or []
    width, height = flat.size
    pixels = flat.load()
    assert pixels
    out = io.StringIO()
    out.write(f'\x1bPq"1;1;{width};{height}')
    for k in range(len(palette) // 3):
        red, green, blue = (round(v * 100 / 255) for v in palette[3 * k : 3 * k + 3])
        out.write(f"#{k};2;{red};{green};{blue}")
    for top in range(0, height, 6):
        rows = range(top, min(top + 6, height))
        for colour in sorted({pixels[x, y] for y in rows for x in range(width)}):
            line = "".join(chr(63 + sum(1 << (y - top) for y in rows if pixels[x, y] == colour)) for x in range(width))
            out.write(f"#{colour}{line}$")
        out.write("-")
    out.write("\x1b\\")
    return out.getvalue()

"""Rating without a browser: pictures in the terminal if it can show them, else in the system's viewer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from steer.terminal_graphics import show_picture
from steer.users.interview import ANCHORS, Interview
from steer.users.pictures import Question


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
    if not show_picture(question.image):
        _open(question.path)


def _open(path: Path) -> None:
    for program in ("xdg-open", "open"):
        if shutil.which(program):
            subprocess.Popen([program, str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            return

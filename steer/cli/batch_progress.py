"""Progress of a batch."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from rich.markup import escape

from reward_models.plural import counted
from steer.batch.folder import BatchFolder
from steer.batch.rows import Row
from steer.cli.bars import progress_bar
from steer.cli.console import console, print_text
from steer.events import CandidateDone, Event, PromptDoubted


class BatchProgress:
    """Listener that counts finished rows and pictures, and tells what the finished rows gained.

    ``retry``: whether rows that failed before are due too. ``budget``: pictures that a row may take.
    """

    def __init__(
        self, folder: BatchFolder, rows: tuple[int, int], quiet: bool, retry: bool, budget: Callable[[Row], int]
    ):
        self.folder, self.quiet = folder, quiet
        fresh, total = rows
        states = [(row, folder.state(row)) for row in folder.rows()]
        due = [row for row, state in states if state != "done" and (retry or state != "failed")]
        self.pictures, self.most = 0, sum(map(budget, due))
        self.gains: list[float] = []
        self.said: set[str] = set()  # of what a renderer can draw
        self.bar = progress_bar("rows", "{task.fields[drawn]} pictures", "{task.fields[gain]}", quiet=quiet)
        self.task = self.bar.add_task("batch", total=total, completed=total - len(due), drawn=self._drawn(), gain="")
        self.head = f"{escape(str(folder.path))}: {counted(total, 'row')}" + (
            f", {fresh} new" if fresh != total else ""
        )

    def __enter__(self) -> BatchProgress:
        if not self.quiet:
            console.print(self.head)
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def __call__(self, event: Event) -> None:
        """An event of one of the runs."""
        if isinstance(event, PromptDoubted) and not self.quiet:
            for warning in event.warnings:
                for text in (warning.text, warning.known):
                    if text and text not in self.said:  # the same words in another row are the same news
                        self.said.add(text)
                        print_text("[yellow]warning[/]", escape(text), self.bar.console)
        elif isinstance(event, CandidateDone):
            self.pictures += 1
            self.bar.update(self.task, drawn=self._drawn())

    def ended(self, row: Row) -> None:
        """Count a row that is done or failed, and print why it failed."""
        if self.folder.state(row) == "failed" and not self.quiet:
            self.bar.console.print(
                f"  [red]failed[/] {escape(row.prompt[:60])}: {escape(self.folder.outcome(row)['reason'])}"
            )
        outcome = self.folder.outcome(row)
        if outcome["gain"] is not None:
            self.gains.append(outcome["gain"])
        self.bar.update(self.task, advance=1, gain=self.mean_gain())

    def mean_gain(self) -> str:
        """Mean gain of the rows that ended now, in words; "" where there is none yet."""
        return f"mean gain {statistics.fmean(self.gains):+.2f}" if self.gains else ""

    def _drawn(self) -> str:
        """Pictures drawn now, of at most so many: runs may end before their budget is spent."""
        return f"{self.pictures} of {self.most}"

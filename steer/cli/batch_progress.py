"""Progress of a batch."""

from __future__ import annotations

from rich.markup import escape

from steer.batch.folder import BatchFolder
from steer.batch.rows import Row
from steer.cli.bars import progress_bar
from steer.cli.console import console
from steer.events import CandidateDone, Event, PromptDoubted


class BatchProgress:
    """Listener that counts finished rows and pictures."""

    def __init__(self, folder: BatchFolder, total: int, fresh: int, quiet: bool):
        self.folder, self.quiet, self.pictures = folder, quiet, 0
        self.said: set[str] = set()  # of what a renderer can draw
        self.bar = progress_bar("{task.fields[pictures]} pictures", quiet=quiet)
        self.task = self.bar.add_task("rows", total=total, pictures=0)
        self.head = f"{escape(str(folder.path))}: {total} rows" + (f", {fresh} new" if fresh != total else "")

    def __enter__(self) -> BatchProgress:
        if not self.quiet:
            console.print(self.head)
            self.bar.start()
            self.bar.update(self.task, completed=sum(self.folder.state(r) == "done" for r in self.folder.rows()))
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def __call__(self, event: Event) -> None:
        """An event of one of the runs."""
        if isinstance(event, PromptDoubted) and not self.quiet:
            for warning in event.warnings:
                self.bar.console.print(
                    f"  [yellow]warning[/] {escape(event.request.prompt[:60])}: {escape(warning.text)}"
                )
                if warning.known and warning.known not in self.said:
                    self.said.add(warning.known)
                    self.bar.console.print(f"  [yellow]warning[/] {escape(warning.known)}")
        elif isinstance(event, CandidateDone):
            self.pictures += 1
            self.bar.update(self.task, pictures=self.pictures)

    def ended(self, row: Row) -> None:
        """Count a row that is done or failed, and print why it failed."""
        if self.folder.state(row) == "failed" and not self.quiet:
            self.bar.console.print(
                f"  [red]failed[/] {escape(row.prompt[:60])}: {escape(self.folder.outcome(row)['reason'])}"
            )
        self.bar.update(self.task, advance=1)

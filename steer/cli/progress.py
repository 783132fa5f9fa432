"""Progress of a run, and the spinner while models are loaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.markup import escape

from steer.cli.bars import progress_bar
from steer.cli.console import console
from steer.events import CandidateDone, Event, PromptDoubted, RoundProposed, RunStarted, RunStopped


@contextmanager
def loading(quiet: bool, large: bool) -> Iterator[None]:
    """Show a spinner while models load, or for ``large`` models the bars of diffusers and transformers."""
    if quiet or not large:
        no_library_bars()
    if quiet:
        yield
        return
    if large:
        console.print("loading the models ...")
        yield
        no_library_bars()  # they would break up the run's bar
        return
    with console.status("loading the models ..."):
        yield


def no_library_bars() -> None:
    """Turn off the progress bars of diffusers and transformers."""
    import diffusers.utils.logging
    import transformers.utils.logging

    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()


class Progress:
    """Listener that prints the parts of a run, then a bar with the best reward so far."""

    def __init__(self, quiet: bool, show_rewrites: bool = False):
        self.quiet, self.show_rewrites = quiet, show_rewrites and not quiet
        self.bar = progress_bar("pictures", "best [bold]{task.fields[best]}[/]", quiet=quiet)
        self.task = self.bar.add_task("starting", total=None, best="-")

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def __call__(self, event: Event) -> None:
        """An event of the run."""
        if isinstance(event, RunStarted) and not self.quiet:
            self.bar.start()
            request = event.request
            self.bar.console.print(
                f'[bold]"{escape(request.prompt)}"[/] for [bold]{escape(request.user)}[/], '
                f"{request.budget} pictures, seed {request.seed}"
            )
            for kind, name in event.parts.items():
                self.bar.console.print(f"  {kind:9s} {escape(name)}")
            if event.already:
                self.bar.console.print(f"  resuming with {event.already} pictures from an earlier start")
            self.bar.update(self.task, description="original", total=request.budget)
        elif isinstance(event, PromptDoubted) and not self.quiet:
            for warning in event.warnings:
                self.bar.console.print(f"  [yellow]warning[/]   {escape(str(warning))}")
        elif isinstance(event, RoundProposed) and self.show_rewrites:
            for rewrite in event.rewrites:
                note = f" [dim]({escape(rewrite.note)})[/]" if rewrite.note else ""
                self.bar.console.print(f"  round {event.round}  {escape(rewrite.text)}{note}")
            for dropped in event.dropped:
                self.bar.console.print(f"  [dim]dropped   {escape(dropped.text)}: {escape(dropped.reason)}[/]")
        elif isinstance(event, CandidateDone):
            round_ = event.candidate.round
            leading = event.history.ranked()[:1]  # complete rounds only
            label = "original" if round_ == 0 else f"round {round_}"
            best = f"{leading[0].mean:.2f}" if leading else "-"
            self.bar.update(self.task, advance=1, description=label, best=best)
        elif isinstance(event, RunStopped):
            done = len(event.result.candidates)
            self.bar.update(self.task, completed=done, total=max(done, 1))

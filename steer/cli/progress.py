"""What is on the screen while a run goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from steer.events import CandidateDone, Event, RoundProposed, RunStarted, RunStopped

console = Console(soft_wrap=True, highlight=False)


@contextmanager
def loading(quiet: bool, large: bool) -> Iterator[None]:
    """While torch, diffusers and the models are loaded: a spinner, or for ``large`` models the libraries' own bars."""
    if quiet or not large:
        no_library_bars()
    if quiet:
        yield
        return
    if large:
        console.print("loading the models ...")
        yield
        no_library_bars()  # they would tear the run's bar apart
        return
    with console.status("loading the models ..."):
        yield


def no_library_bars() -> None:
    """Keep the libraries' loading bars off the screen."""
    import diffusers.utils.logging
    import transformers.utils.logging

    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()


class Progress:
    """A listener: names the parts at the start, then a bar with the best reward so far."""

    def __init__(self, quiet: bool, show_rewrites: bool = False):
        self.quiet, self.show_rewrites = quiet, show_rewrites and not quiet
        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(32),
            MofNCompleteColumn(),
            TextColumn("pictures"),
            TextColumn("best [bold]{task.fields[best]}[/]"),
            TimeRemainingColumn(),
            console=console,
            disable=quiet,
        )
        self.task = self.bar.add_task("starting", total=None, best="-")

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted) and not self.quiet:
            self.bar.start()
            r = event.request
            self.bar.console.print(
                f'[bold]"{escape(r.prompt)}"[/] for [bold]{escape(r.user)}[/], {r.budget} pictures, seed {r.seed}'
            )
            for kind, name in event.parts.items():
                self.bar.console.print(f"  {kind:9s} {escape(name)}")
            if event.already:
                self.bar.console.print(f"  going on with {event.already} pictures of an earlier start")
            self.bar.update(self.task, description="original", total=r.budget)
        elif isinstance(event, RoundProposed) and self.show_rewrites:
            for rewrite in event.rewrites:
                note = f" [dim]({escape(rewrite.note)})[/]" if rewrite.note else ""
                self.bar.console.print(f"  round {event.round}  {escape(rewrite.text)}{note}")
            for text, reason in event.dropped:
                self.bar.console.print(f"  [dim]dropped   {escape(text)}: {escape(reason)}[/]")
        elif isinstance(event, CandidateDone):
            c = event.candidate
            leading = event.history.ranked()[:1]  # of the rounds that are whole
            label = "original" if c.round == 0 else f"round {c.round}"
            best = f"{leading[0].mean:.2f}" if leading else "-"
            self.bar.update(self.task, advance=1, description=label, best=best)
        elif isinstance(event, RunStopped):
            done = len(event.result.candidates)
            self.bar.update(self.task, completed=done, total=max(done, 1))

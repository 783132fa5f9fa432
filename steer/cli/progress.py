"""Progress of a run, and the spinner while models are loaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.markup import escape

from reward_models.plural import counted
from steer.cli.bars import progress_bar
from steer.cli.console import console, print_text
from steer.config import SteerConfig
from steer.events import CandidateDone, Event, PhaseBegan, PromptDoubted, RoundProposed, RunStarted, RunStopped


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
    if not console.is_terminal:  # a spinner leaves an empty line there
        yield
        return
    with console.status("loading the models ...", refresh_per_second=4):
        yield


def loads_large(config: SteerConfig) -> bool:
    """Whether a config's image model takes minutes to load, so that the libraries' own bars are worth showing."""
    return config.renderer.kind == "diffusers" and config.renderer.model != "miniature"


def no_library_bars() -> None:
    """Turn off the progress bars of diffusers and transformers."""
    import diffusers.utils.logging
    import transformers.utils.logging

    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()


PHASES = {
    "proposing": "choosing texts",
    "drawing": "drawing",
    "scoring": "scoring",
    "reporting": "writing the report",
}


class Progress:
    """Listener that prints the parts of a run, then a bar: what it does now, and the leading liking."""

    def __init__(self, quiet: bool, show_rewrites: bool = False):
        self.quiet, self.show_rewrites = quiet, show_rewrites and not quiet
        self.bar = progress_bar(
            "pictures", "liking [bold]{task.fields[best]}[/]", now="[dim]{task.fields[phase]}[/]", quiet=quiet
        )
        self.task = self.bar.add_task("original", total=None, best="-", phase="")
        self._phase, self._written = "", ""  # of the run; what its writer said last

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.update(self.task, phase="")
        self.bar.stop()

    def __call__(self, event: Event) -> None:
        """An event of the run."""
        if isinstance(event, RunStarted) and not self.quiet:
            request = event.request
            self.bar.console.print(
                f'[bold]"{escape(request.prompt)}"[/] for [bold]{escape(request.user)}[/], '
                f"{counted(request.budget, 'picture')}, seed {request.seed}"
            )
            if request.start:
                self.bar.console.print(f"  from      {escape(request.start.text)}, seed {request.start.seed}")
            for kind, name in event.parts.items():
                self.bar.console.print(f"  {kind:9s} {escape(name)}")
            if event.already:
                self.bar.console.print(f"  resuming with {counted(event.already, 'picture')} from an earlier start")
            self.bar.update(self.task, total=request.budget)
        elif isinstance(event, PromptDoubted) and not self.quiet:
            for warning in event.warnings:
                print_text("[yellow]warning[/]", escape(str(warning)), self.bar.console)
        elif isinstance(event, PhaseBegan):
            self._began(event)
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
            best = f"{leading[0].liking:.2f}" if leading else "-"
            self.bar.update(self.task, advance=1, description=label, best=best)
        elif isinstance(event, RunStopped) and (winner := event.result.winner):
            self.bar.update(self.task, best=f"{winner.liking:.2f}")

    def _began(self, event: PhaseBegan) -> None:
        if event.phase == "writing":
            self._written = f"writing {event.done} of {counted(event.total, 'text')}"
        else:
            self._phase = event.phase
            self._written = self._written if event.phase in ("proposing", "drawing", "scoring") else ""
        waiting = self._phase == "proposing" and self._written
        if not self.quiet:
            self.bar.start()  # here, so that a run that cannot begin leaves no empty bar
        self.bar.update(self.task, phase=self._written if waiting else PHASES[self._phase])

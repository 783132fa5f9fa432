"""The whole chain as one resumable command: every training step in its order, with the minutes that each took.

Each step is a process of its own, so that memory and threads start fresh. ``chain.json`` under the work folder says
what is finished; it is written every few seconds, so even a chain that was killed knows its times. A step that was
killed goes on from its own checkpoint. A step that is done again, as it was asked for or has other arguments than
before, begins without what it made before, and so does every step after it.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from steer.resources import MINIATURE_WEIGHTS
from steer.store.files import lock, write_json

LOG = "chain.json"
BEAT_S = 5.0  # between two notes of the time
SHIPPED_TRANSFORMER = MINIATURE_WEIGHTS / "pipeline" / "transformer"


class ChainError(Exception):
    """The chain cannot go on, in one line."""


@dataclass(frozen=True)
class Step:
    """``python -m MODULE`` with ``arguments``. ``minutes``: expected on 2 cores; None where nobody measured it.

    ``makes``: files and folders under the work folder, which are removed before the step is done again.
    """

    name: str
    arguments: tuple[str, ...]
    minutes: float | None = None
    makes: tuple[str, ...] = ()
    module: str = "trainers"


@dataclass(frozen=True)
class Plan:
    """What a chain is to make: for people of ``world``, in ``look`` of the painter.

    ``warm``: the text encoders that ship stay, and the transformer begins as the one that ships.
    """

    work: Path
    world: int
    look: int
    warm: bool = True

    def steps(self) -> list[Step]:
        """All steps in order; each uses only what earlier ones made, or what ships."""
        work, dataset = ("--work", str(self.work)), ("--dataset", str(self.work / "pamela"))
        look, world = ("--look", str(self.look)), ("--world", str(self.world))
        steady = ("--no-steady",) if self.look == 2 else ()  # `finer-latents` paints its own
        return [
            Step("paint", ("paint", *look, *steady, *work), None, ("data", "steady")),
            *([] if self.warm else [Step("text", ("text", *work), 4, ("text",))]),
            *(self._second_look(work) if self.look == 2 else self._first_look(work)),
            Step("decoded", ("decoded", *work), None, ("decoded.safetensors",)),
            Step("eye", ("eye", "--minutes", "10", *work), 10, ("eye",)),
            Step("judge", ("eye", "--name", "judge", "--minutes", "16", *work), 16, ("judge",)),
            Step("siglip", ("siglip", "--minutes", "40", *work), 40, ("siglip",)),
            Step("sample", ("sample", "--n", "1500", *work), None, ("sampled.safetensors",)),
            Step("siglip-samples", ("siglip", "--minutes", "48", *work), 8),  # on from there
            Step("ship", ("ship", *work)),
            Step("dataset", ("dataset", *world, *look, *work), 4),
            Step("people", ("people", *world, *look, *work), 17, ("reward",)),
            Step("ship-people", ("ship", *work)),
            Step("held-out", ("held-out", "--minutes", "8", *look, *dataset, *work), 8, ("held-out",)),
            Step("held-out-reward", ("reward", "held-out", *work), 6, ("held-out/reward",)),
            Step("vlm", ("vlm", "--minutes", "50", *look, *dataset, *work), 50, ("vlm",)),
            Step("linear-hidden", ("reward", "linear-hidden", *work), None, ("linear-hidden",)),
            Step("ship-judges", ("ship", *work)),
            Step("questions", ("questions", *dataset)),
        ]

    def _first_look(self, work: tuple[str, ...]) -> list[Step]:
        recipe = ("--minutes", "90", "--batch", "64", "--lr", "1.5e-3", "--compile")
        latents = ("latents.safetensors", "steady.safetensors")
        return [
            Step("autoencoder", ("autoencoder", "--minutes", "15", *work), 15, ("autoencoder",)),
            Step("latents", ("latents", *work), None, latents),
            Step("decoder", ("decoder", "--minutes", "10", *work), 10, ("decoder",)),
            Step("generator", ("generator", *recipe, *self._start(), *work), 90, ("generator",)),
        ]

    def _second_look(self, work: tuple[str, ...]) -> list[Step]:
        recipe = ("--finer", "--name", "finer-generator", "--minutes", "240", "--batch", "64", "--lr", "1.2e-3")
        latents = ("finer-steady.safetensors", "finer-latents.safetensors")
        return [
            Step("finer", ("finer", "--minutes", "300", *work), 300, ("finer",)),
            Step("finer-latents", ("finer-latents", *work), None, latents),
            Step("generator", ("generator", *recipe, *self._start(), *work), 240, ("finer-generator",)),
        ]

    def _start(self) -> tuple[str, ...]:
        return ("--start", str(SHIPPED_TRANSFORMER)) if self.warm else ()


@dataclass
class Entry:
    """What the log holds of a step: the ``minutes`` of all its starts together, the local time at which it ``ended``
    ("" before), and whether it is to be done again.
    """

    arguments: list[str]
    minutes: float = 0.0
    ended: str = ""
    redo: bool = False


class Log:
    """``chain.json`` of a work folder."""

    def __init__(self, work: Path):
        self.path = work / LOG
        saved = json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}
        self.entries: dict[str, Entry] = {name: Entry(**values) for name, values in saved.items()}

    def finished(self, step: Step) -> bool:
        """Whether the step has ended and need not be done again."""
        entry = self.entries.get(step.name)
        return entry is not None and bool(entry.ended) and not self.stale(step)

    def stale(self, step: Step) -> bool:
        """Whether what the step made before does not count any more."""
        entry = self.entries.get(step.name)
        return entry is not None and (entry.redo or entry.arguments != list(step.arguments))

    def redo(self, steps: Iterable[Step]) -> None:
        """Let these be done again, where they were done."""
        for step in steps:
            if (entry := self.entries.get(step.name)) and entry.ended:
                entry.redo = True

    def save(self) -> None:
        """Write it whole."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.path, {name: asdict(entry) for name, entry in self.entries.items()})


def chosen(steps: Sequence[Step], only: Sequence[str], start: str | None) -> list[Step]:
    """The steps that are asked for by name, or from ``start`` on; all where neither is given. Raises ChainError for a
    name that is none.
    """
    names = [s.name for s in steps]
    if wrong := [n for n in (*only, *([start] if start else [])) if n not in names]:
        raise ChainError(f"there is no step '{wrong[0]}'; the steps are {', '.join(names)}")
    if only:
        return [s for s in steps if s.name in only]
    return list(steps[names.index(start) :]) if start else list(steps)


def run(steps: Sequence[Step], work: Path, only: Sequence[str] = (), start: str | None = None) -> None:
    """Do what is not finished, in order; ``only`` and ``start`` as :func:`chosen` has them, finished ones too.

    Raises ChainError where a step fails, and StorageError where another chain works in the folder.
    """
    asked = chosen(steps, only, start)
    work.mkdir(parents=True, exist_ok=True)
    held = lock(work, "chain")
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the step ends with the chain
    try:
        log = Log(work)
        _same_pictures(steps, log)
        if only or start:
            log.redo(asked)
        for step in asked:
            if not log.finished(step):
                later = () if only else steps[steps.index(step) + 1 :]
                _run_one(step, later, log)
    finally:
        signal.signal(signal.SIGTERM, before)
        held.release()


def _same_pictures(steps: Sequence[Step], log: Log) -> None:
    first, entry = steps[0], log.entries.get(steps[0].name)
    if entry is not None and entry.arguments != list(first.arguments):
        raise ChainError(
            f"'{log.path.parent}' was begun with '{' '.join(entry.arguments)}', not with "
            f"'{' '.join(first.arguments)}'; give another --work"
        )


def _run_one(step: Step, later: Sequence[Step], log: Log) -> None:
    if log.stale(step):
        for name in step.makes:
            path = log.path.parent / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        del log.entries[step.name]
        log.redo(later)
    entry = log.entries.setdefault(step.name, Entry(list(step.arguments)))
    before, begun = entry.minutes, time.monotonic()
    log.save()
    print(f"== {step.name}: python -m {step.module} {' '.join(step.arguments)}", flush=True)
    process = subprocess.Popen([sys.executable, "-m", step.module, *step.arguments])
    try:
        code = None
        while code is None:
            with suppress(subprocess.TimeoutExpired):
                code = process.wait(BEAT_S)
            entry.minutes = round(before + (time.monotonic() - begun) / 60, 3)
            if code == 0:
                entry.ended = time.strftime("%Y-%m-%d %H:%M:%S")
            log.save()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    if code:
        raise ChainError(f"the step '{step.name}' ended with code {code}; the same command goes on there")
    print(f"== {step.name}: done, {entry.minutes:.1f} min", flush=True)


def table(steps: Sequence[Step], work: Path) -> str:
    """A line a step: its minutes as measured here, or as expected, and the arguments."""
    log, lines, left, unknown = Log(work), [], 0.0, 0
    for step in steps:
        done, entry = log.finished(step), log.entries.get(step.name)
        if done:
            assert entry is not None
            state, minutes = "done", f"{entry.minutes:.1f}"
        else:
            state, minutes = "to do", "?" if step.minutes is None else f"{step.minutes:.0f}"
            left, unknown = left + (step.minutes or 0), unknown + (step.minutes is None)
        lines.append(f"{step.name:16s} {state:6s} {minutes:>6s} min   {' '.join(step.arguments)}")
    more = f", and {unknown} steps whose time is not known" if unknown else ""
    return "\n".join([*lines, f"left: about {left:.0f} min on 2 cores{more}"])

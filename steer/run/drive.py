"""A run from a request to its result: a new folder, the loop, the report."""

from __future__ import annotations

from pathlib import Path

from steer.errors import SteerError
from steer.events import Listener, RunStarted
from steer.parts import Parts
from steer.result import Result
from steer.run.earlier import earlier_of, keep_run
from steer.run.loop import run_loop
from steer.run.requests import plain
from steer.run.session import Session
from steer.store.run_folder import RunFolder
from steer.types import SteerRequest


def new_folder(parts: Parts, request: SteerRequest, path: Path) -> RunFolder:
    """The folder of a new run. Raises UsageError where one is there already."""
    people = parts.roster.people(request.user)
    told = plain(request), parts.config.model_dump(), parts.describe(people)
    return RunFolder.create(path, *told, parts.taste(people), earlier_of(parts, request))


def drive(parts: Parts, request: SteerRequest, folder: RunFolder, emit: Listener) -> Result:
    """Steer to the end; everything is kept in the folder. Raises SteerError that says how to go on."""
    names = {"proposer": parts.proposer.name, "renderer": parts.renderer.name, "reward": parts.panel.name}
    if parts.critic is not None and parts.config.critic.kind != "reward":
        names["critic"] = parts.critic.name
    emit(RunStarted(request, str(folder.path), names, len(folder.candidates)))
    session = Session(parts, request, folder, emit)
    try:
        run_loop(session.search, parts.renderer, session.judge, folder, emit, session.after_round)
        keep_run(parts, request, folder, session.search.history.candidates)
        return session.finish()
    except SteerError as error:  # server gone, disk full: what was made is kept
        raise session.give_up(error) from error
    finally:
        session.release()

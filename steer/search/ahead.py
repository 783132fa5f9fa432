"""One call to a proposer that runs beside the rendering."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from steer.types import Rewrite


class Ahead:
    """At most one call at a time; its thread never keeps the process alive."""

    def __init__(self) -> None:
        self._round = -1
        self._answer: Future[list[Rewrite]] = Future()

    def start(self, round_: int, call: Callable[[], list[Rewrite]]) -> None:
        """Begin; the answer, or its error, waits for :meth:`take`."""
        self._round, self._answer = round_, Future()
        threading.Thread(target=self._run, args=(self._answer, call), daemon=True, name="proposer").start()

    def has(self, round_: int) -> bool:
        """Whether that round was begun."""
        return self._round == round_

    def take(self, round_: int) -> list[Rewrite]:
        """The answer, waited for. Raises what the call raised."""
        assert self.has(round_)
        self._round = -1
        return self._answer.result()

    @staticmethod
    def _run(answer: Future[list[Rewrite]], call: Callable[[], list[Rewrite]]) -> None:
        try:
            answer.set_result(call())
        except BaseException as error:  # it belongs to whoever takes the answer
            answer.set_exception(error)

"""One picture by several cards: context parallelism of diffusers, for a picture that takes one card too long.

Each card has a process with the whole pipeline and computes its share of the tokens; at every attention they exchange
what the others need. This process is none of them: it sends the jobs and watches, so that a card that fails is a line
here and no end of the run's own process, which is how NCCL would end it.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import socket
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from typing import Any

from PIL import Image

from reward_models.quiet import quietly
from steer.config import DiffusersConfig, DraftConfig
from steer.devices import only_card, pick_device
from steer.errors import RenderError, SteerError, UsageError
from steer.protocols import Renderer
from steer.renderers.drafts import Drafts
from steer.renderers.share import Share
from steer.renderers.vocabulary import vocabulary_of
from steer.types import RenderFailure

PATIENCE_S = 600.0  # that a process waits for what the others compute
LEAVE_S = 5.0  # in which a process ends by itself
LAST_WORDS_S = 2.0  # in which a process that failed is found dead, or only the others heard that it is


@dataclass(frozen=True)
class Seat:
    """Which of the ``n`` processes one is, and where they meet."""

    rank: int
    n: int
    device: str
    port: int
    patience_s: float


@dataclass(frozen=True)
class Fault:
    """What went wrong in a process; ``own``: steer's own line, ``usage``: the fault of what the person typed."""

    line: str
    own: bool = False
    usage: bool = False


def serve(line: Connection, config: dict[str, Any], seat: Seat) -> None:
    """A process: do what the line asks until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that holds the run
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    warnings.filterwarnings("ignore", category=FutureWarning, module="diffusers")
    if seat.rank:
        logging.disable(logging.WARNING)  # the first says what all of them see
    if seat.device == "cuda":
        only_card(seat.rank)
    for interface in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        if os.path.exists("/sys/class/net/lo"):
            os.environ.setdefault(interface, "lo")  # nobody else is to be talked to
    share: Share | None = None
    while True:
        try:
            what, told = line.recv()
        except (EOFError, OSError):
            return _leave()
        try:
            if share is None:
                with quietly("transformers", "diffusers") if seat.rank else nullcontext():
                    share = Share(DiffusersConfig.model_validate(config), seat.device, seat.n)
            answer = _do(share, what, told, seat)
        except SteerError as error:
            answer = Fault(str(error), True, isinstance(error, UsageError))
        except Exception as error:  # of any library: said in the process that holds the run
            answer = Fault((str(error).strip() or type(error).__name__).splitlines()[0])
        try:
            line.send(answer)
        except OSError:  # nobody wants it any more: another process has failed
            return _leave()


def _do(share: Share, what: str, told: tuple[Any, ...], seat: Seat) -> Any:
    if what == "load":
        return share.name, share.describe()
    if what == "join":
        return _join(share, seat)
    if what == "prepare":
        return share.prepare(*told)
    if what == "narrow":
        return share.narrow(*told)
    made = share.render(*told)
    return made if seat.rank == 0 else None


def _join(share: Share, seat: Seat) -> None:
    """Meet the others, then share the denoiser's work with them."""
    import torch.distributed as dist

    patience = timedelta(seconds=seat.patience_s)
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if seat.device == "cuda" else "gloo",
        store=dist.TCPStore("127.0.0.1", seat.port, is_master=False, timeout=patience),
        rank=seat.rank,
        world_size=seat.n,
        timeout=patience,
    )
    share.join()


def _leave() -> None:
    """Of the group, where it was joined."""
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()


def _end_with_the_parent() -> None:
    """Also in the middle of a picture, and whatever ended it."""
    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


class Together(Renderer):
    """As :class:`~steer.renderers.diffusion.DiffusersRenderer`, each batch drawn by all cards together.

    Pictures are those of one card up to rounding. After a fault nothing more is drawn: ``render`` raises RenderError.
    ``patience_s``: seconds that a process waits for the others within a picture before that is a fault.
    """

    serves: Callable[[Connection, dict[str, Any], Seat], None] = staticmethod(serve)  # what a process does

    def __init__(self, config: DiffusersConfig, patience_s: float = PATIENCE_S):
        import torch.distributed as dist

        if config.context_parallel is None:
            raise UsageError("renderer.context_parallel is not set")
        n = config.context_parallel.degree
        device = device_for(config)
        self.config, self.vocabulary, self.batch_size = config, vocabulary_of(config), config.batch_size
        self._fault = ""
        self._one_at_a_time = threading.Lock()
        listening = socket.create_server(("127.0.0.1", 0))  # the others of this machine alone
        port = listening.getsockname()[1]
        self._store = dist.TCPStore(
            "127.0.0.1", port, None, True, wait_for_workers=False, master_listen_fd=listening.detach()
        )
        context, told = get_context("spawn"), config.model_dump()
        self._lines: list[Connection] = []
        self._processes = []
        for rank in range(n):
            here, there = context.Pipe()
            seat = Seat(rank, n, device, port, patience_s)
            process = context.Process(target=self.serves, args=(there, told, seat), daemon=True)
            process.start()
            there.close()
            self._lines.append(here)
            self._processes.append(process)
        atexit.register(self.close)
        name, self._description = self._ask("load")
        self._ask("join")
        self.name = f"{name}, {n} processes together"
        self.drafts = Drafts(self, config.draft) if config.draft else None

    def render(
        self, prompts: Sequence[str], seeds: Sequence[int], draft: DraftConfig | None = None
    ) -> list[Image.Image | RenderFailure]:
        """One result a prompt, in order."""
        if not prompts:
            return []
        made: list[Image.Image | RenderFailure] = self._ask("render", list(prompts), list(seeds), draft)
        return made

    def prepare(self, prompts: Sequence[str]) -> None:
        """Each process reads all of them."""
        self._ask("prepare", list(prompts))

    def narrow(self, batch_size: int) -> None:
        """In each process."""
        self._ask("narrow", batch_size)
        self.drawn_together = min(batch_size, self.drawn_together or batch_size)

    def describe(self) -> dict[str, object]:
        """Of one of them: they are alike."""
        return self._description

    def close(self) -> None:
        """End the processes."""
        atexit.unregister(self.close)
        waited = self._one_at_a_time.acquire(timeout=LEAVE_S)  # at exit, a thread may draw and never come back
        try:
            self._end("the renderer is closed")
        finally:
            if waited:
                self._one_at_a_time.release()

    def _ask(self, what: str, *told: Any) -> Any:
        """All processes the same; the first one's answer. Raises what one of them raised, and RenderError where one
        has died: the others would wait for it, so they are ended.
        """
        with self._one_at_a_time:
            if self._fault:
                raise RenderError(self._fault)
            try:
                for line in self._lines:
                    line.send((what, told))
                return self._answers()
            except SteerError as error:
                self._end(str(error))
                raise
            except (OSError, EOFError) as error:
                died = self._who_died()
                self._end(died)
                raise RenderError(died) from error
            except BaseException:
                self._end("the drawing was interrupted; a resumed run starts the processes again")
                raise

    def _answers(self) -> Any:
        answers: dict[int, Any] = {}
        lines = {line: rank for rank, line in enumerate(self._lines)}
        while len(answers) < len(lines):
            waiting = [line for line, rank in lines.items() if rank not in answers]
            ready = wait([*waiting, *(p.sentinel for p in self._processes)])
            for line in [line for line in waiting if line in ready]:
                answer = line.recv()  # EOFError: it has died
                if isinstance(answer, Fault):
                    raise self._meaning(answer)
                answers[lines[line]] = answer
            if not set(ready).isdisjoint(p.sentinel for p in self._processes):
                raise RenderError(self._who_died())
        return answers[0]

    def _meaning(self, fault: Fault) -> SteerError:
        """What a process said, unless it only noticed that another has died."""
        if fault.usage:
            return UsageError(fault.line)
        if wait([p.sentinel for p in self._processes], LAST_WORDS_S):
            return RenderError(self._who_died())
        return RenderError(fault.line if fault.own else f"the cards cannot draw together: {fault.line}")

    def _who_died(self) -> str:
        sentinels = [p.sentinel for p in self._processes]
        died = [sentinels.index(sentinel) for sentinel in wait(sentinels, LAST_WORDS_S) if isinstance(sentinel, int)]
        which = f"process {min(died) + 1}" if died else "one"
        return (
            f"{which} of the {len(sentinels)} that draw together has died: killed, or out of memory; "
            "a resumed run starts them again"
        )

    def _end(self, fault: str) -> None:
        self._fault = self._fault or fault
        for line in self._lines:
            line.close()  # who waits for a job sees it and ends
        until = time.monotonic() + LEAVE_S
        for process in self._processes:
            process.join(max(0.0, until - time.monotonic()))
            process.kill()  # whoever still waits for the others
            process.join()


def device_for(config: DiffusersConfig) -> str:
    """Where the processes draw: "cuda", or "cpu" where the config says so. Raises UsageError for too few cards."""
    import torch
    import torch.distributed as dist

    assert config.context_parallel is not None
    n = config.context_parallel.degree
    if not dist.is_available():
        raise UsageError("renderer.context_parallel needs a build of torch with torch.distributed; this one has none")
    if config.device == "cpu":
        return "cpu"
    found = torch.cuda.device_count() if pick_device(config.device) == "cuda" else 0
    if found < n:
        there = {0: "there is no CUDA card", 1: "there is one"}.get(found, f"there are {found} CUDA cards")
        raise UsageError(
            f"renderer.context_parallel.degree={n} needs {n} CUDA cards, and {there} here; "
            "renderer.context_parallel=null draws without"
        )
    return "cuda"

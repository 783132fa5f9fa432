"""Pictures by an image API or by rendering engines, in one of several dialects. Asked side by side, patiently, and
counted.

An API without seeds draws anew each time. Then a candidate's seed only numbers its drawings: a picture is kept as it
came, and would be another one if it were asked for again.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import openai
from PIL import Image

from reward_models.remote import (
    FAULTS,
    LONGEST_WAIT_S,
    Counter,
    Malformed,
    Refused,
    client,
    passes,
    reason,
    said,
    server_address,
    short,
    wait_s,
)
from steer.config import RemoteConfig
from steer.errors import RenderError, UsageError
from steer.protocols import Renderer
from steer.renderers.background import run
from steer.renderers.checks import checked
from steer.renderers.comfyui import ComfyUI
from steer.renderers.dialect import LARGEST, Dialect, Server
from steer.renderers.image_api import Engine, OpenAI, is_refusal
from steer.renderers.pool import HEALTH_S, UNANSWERED, Drawn, Lost, Pool, Rules
from steer.renderers.sdcpp import StableDiffusionCpp
from steer.types import RenderFailure

log = logging.getLogger(__name__)

MOST_PIXELS = 4096 * 4096  # the largest that can be asked for
NO_PICTURE = (*FAULTS, OSError, Image.DecompressionBombError)
HEALTH_TIMEOUT_S = 5.0
REMEMBERED = 4096  # pictures among which equal ones are noticed

DIALECTS: dict[str, Callable[[RemoteConfig], Dialect]] = {
    "openai": OpenAI,
    "sglang": Engine,
    "vllm-omni": Engine,
    "sd.cpp": StableDiffusionCpp,
    "comfyui": ComfyUI,
}
NAMES = {"sglang": "SGLang-Diffusion", "vllm-omni": "vLLM-Omni", "sd.cpp": "stable-diffusion.cpp", "comfyui": "ComfyUI"}


@dataclass
class PictureUsage(Counter):
    """What a run's rendering took; ``calls`` counts every attempt, ``seconds`` is waiting time, calls side by side
    once.

    ``price``: of a picture.
    """

    pictures: int = 0
    calls: int = 0
    failed_calls: int = 0
    refused: int = 0
    seconds: float = 0.0
    price: float | None = None

    def spent(self) -> dict[str, float]:
        """The counts, and the ``cost`` where there is a price."""
        facts = super().spent()
        if self.price is not None:
            facts["cost"] = round(self.pictures * self.price, 6)
        return facts


@dataclass
class PoolUsage(PictureUsage):
    """``hedges``: pictures that a second engine drew too, for speed. ``checks``: drawn to compare engines. ``moved``:
    to another engine after a failure. ``discarded``: drawn by an engine that was found to draw other pictures.
    """

    hedges: int = 0
    checks: int = 0
    moved: int = 0
    discarded: int = 0


class RemoteRenderer(Renderer):
    """``config.model`` at ``config.servers`` (default: OpenAI). Raises UsageError where model or key is missing, and
    for settings that the dialect has no place for.
    """

    elsewhere = True

    def __init__(self, config: RemoteConfig):
        self.config = c = config
        self.key = os.environ.get(c.api_key_env, "")
        try:
            self.dialect = DIALECTS[c.dialect](c)
            for server in c.servers:
                server_address(server)
        except ValueError as error:
            raise UsageError(f"the remote renderer: {error}") from error
        if c.servers == [None]:
            if c.dialect != "openai":
                raise UsageError(f"the remote renderer: {NAMES[c.dialect]} needs its address; set renderer.base_url")
            if not self.key:
                raise UsageError(f"the remote renderer needs a key in the environment variable {c.api_key_env}")
        n = len(c.servers)
        self.meter = self.usage = PoolUsage(price=c.price) if n > 1 else PictureUsage(price=c.price)
        field = self.dialect.seed_field
        seeds = f"seeds as '{field}'" if field else "no seeds: each picture is a new drawing"
        by = NAMES.get(c.dialect, "an image API") + (f" on {n} engines" if n > 1 else "")
        self.name = f"{c.model or 'the model'} by {by} ({seeds})"
        self.batch_size = c.parallel * n
        # a picture that is paid for, or would be another one, is not asked for a second time without need
        alike = field is not None and not c.price and n > 1
        rules = Rules(
            parallel=c.parallel,
            attempts=c.retries + n,
            give_up_s=c.retries * HEALTH_S,
            hedge=c.hedge if alike else None,
            check_every=c.check_every if alike else None,
        )
        self._rules = rules
        self._pool: Pool | None = None
        self._seen: OrderedDict[bytes, tuple[str, int]] = OrderedDict()
        self._equal = 0

    def describe(self) -> dict[str, object]:
        """The settings; the model behind an API may change without notice."""
        apart = {"parallel", "timeout_s", "retries", "price", "api_key_env", "hedge", "check_every"}
        return {**self.config.model_dump(mode="json", exclude=apart), **self.dialect.describe()}

    def variant(self, size: tuple[int, int] | None = None, negative: str | None = None) -> RemoteRenderer:
        """Another size of the same model, or another negative prompt; costs are counted together."""
        if negative and self.config.dialect == "openai":
            raise UsageError("OpenAI's images API takes no negative prompt")
        changes: dict[str, object] = {"width": size[0], "height": size[1], "aspect": None} if size else {}
        changes |= {} if negative is None else {"negative_prompt": negative}
        other = RemoteRenderer(self.config.model_copy(update=changes))
        other.meter = other.usage = self.usage
        return other

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        """One result a prompt, in order, ``parallel`` at once of each engine.

        A refusal, or a picture lost after all retries, is a RenderFailure. Raises RenderError for a key, model or
        size that is refused, and where every picture was lost.
        """
        begun = time.monotonic()
        try:
            results = run(self._drawn_all(prompts, seeds))
        finally:
            self.usage.seconds += time.monotonic() - begun
            self._count()
            self._remark()
        lost = [r for r in results if isinstance(r, RenderFailure) and r.reason.startswith("the image API does not")]
        if results and len(lost) == len(results):
            raise RenderError(f"{lost[0].reason}; try again later")
        for prompt, seed, result in zip(prompts, seeds, results, strict=True):
            self._compare(prompt, seed, result)
        self._remark()
        return results

    async def _drawn_all(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        """In the loop in which the connections live."""
        if self._pool is None:
            c, most = self.config, LARGEST * 4 // 3 + 2**16
            servers = [Server(s, client(s, self.key, c.timeout_s, most=most), c.timeout_s) for s in c.servers]
            self._pool = Pool(servers, self._rules, self._ask, self._well)
        return await self._pool.draw(prompts, seeds)

    async def _ask(self, server: Server, prompt: str, seed: int, attempts: int) -> Drawn | Lost:
        """One attempt. Raises RenderError for what would not pass."""
        c, where = self.config, f" ({server.name})" if len(self.config.servers) > 1 else ""
        while True:
            try:
                sent = self.dialect.body(prompt, seed)
            except ValueError as error:
                return RenderFailure(str(error))
            self.usage.calls += 1
            try:
                picture = await asyncio.wait_for(self._drawn(server, sent), c.timeout_s)
                self.usage.pictures += 1
                return picture
            except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
                raise RenderError(f"the image API{where} refused the key in {c.api_key_env}") from error
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                self.usage.failed_calls += 1
                if self.dialect.learned(error, sent):
                    continue  # finding out what it takes is no failed attempt
                why = reason(error, self.key) or short(error)
                if is_refusal(error, why):
                    self.usage.refused += 1
                    return RenderFailure(f"the image API refused the prompt: {why}")
                raise RenderError(f"the image API{where} takes no such request for '{c.model}': {why}") from error
            except openai.NotFoundError as error:
                raise RenderError(
                    f"the image API{where} knows no model '{c.model}' or has no images at that address"
                ) from error
            except NO_PICTURE as error:
                self.usage.failed_calls += 1
                why, wait = self._said(error), wait_s(error, attempts) if passes(error) else 0.0
                if isinstance(error, openai.APIStatusError) and not passes(error):
                    raise RenderError(f"the image API{where} takes no such request for '{c.model}': {why}") from error
                down = isinstance(error, (openai.APIConnectionError, openai.InternalServerError, asyncio.TimeoutError))
                return Lost(
                    f"{UNANSWERED}: {why}" if passes(error) else f"the image API does not give a picture: {why}",
                    wait_s=wait,
                    down=down,
                    last=wait > LONGEST_WAIT_S or isinstance(error, Refused),
                )

    async def _drawn(self, server: Server, sent: dict[str, object]) -> Drawn:
        """The picture of one request, in the answer or behind its address. Raises one of ``NO_PICTURE``."""
        content = await self.dialect.drawn(server, sent)
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Malformed(f"a picture of {image.width} x {image.height} pixels was not asked for")
            image.load()
            return checked(image)

    async def _well(self, server: Server) -> bool:
        """Whether the server answers, whatever it answers, and is not at fault."""
        try:
            await asyncio.wait_for(server.get(f"/{self.dialect.health}"), HEALTH_TIMEOUT_S)
        except openai.APIStatusError as error:
            return error.status_code < 500
        except (TimeoutError, openai.APIConnectionError, OSError):
            return False
        except FAULTS:
            return True  # no JSON
        return True

    def _said(self, error: BaseException) -> str:
        """What went wrong, in one short line without the key."""
        return "the answer is no picture" if isinstance(error, Image.UnidentifiedImageError) else said(error, self.key)

    def _remark(self) -> None:
        self.remarks = [*(self._pool.remarks if self._pool else ()), *([self._said_equal()] if self._equal else ())]

    def _count(self) -> None:
        if self._pool and isinstance(self.usage, PoolUsage):
            for name in ("hedges", "checks", "moved", "discarded"):
                setattr(self.usage, name, getattr(self.usage, name) + getattr(self._pool, name))
                setattr(self._pool, name, 0)

    def _compare(self, prompt: str, seed: int, result: Drawn) -> None:
        """Notice a picture that was there already for another seed."""
        if not isinstance(result, Image.Image):
            return
        told = hashlib.sha256(result.tobytes()).digest()
        before = self._seen.setdefault(told, (prompt, seed))
        if before[1] != seed:
            self._equal += 1
            if self._equal == 1:
                log.warning(self._said_equal())
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)

    def _said_equal(self) -> str:
        field = self.dialect.seed_field
        way = (
            f"it does not heed '{field}'"
            if field
            else "it may draw with one seed; set renderer.seed_field or a dialect"
        )
        return f"the image API gave equal pictures for different seeds, {self._equal} so far: {way}"

"""Pictures by an image API: OpenAI's and servers that speak it. Asked side by side, patiently, and counted.

Most such APIs take no seed. Then a candidate's seed only numbers its drawings: a picture is kept as it came, and
would be another one if it were asked for again.
"""

from __future__ import annotations

import asyncio
import io
import os
import time
from collections.abc import Sequence
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
    fetched,
    passes,
    picture_of,
    reason,
    run,
    said,
    server_address,
    short,
    wait_s,
)
from steer.config import RemoteConfig
from steer.errors import RenderError, UsageError
from steer.protocols import Renderer
from steer.renderers.checks import checked
from steer.renderers.image_api import ImageDialect, is_refusal
from steer.types import RenderFailure

LARGEST = 32 * 2**20  # bytes of a picture's file
MOST_PIXELS = 4096 * 4096  # the largest that can be asked for
NO_PICTURE = (*FAULTS, OSError, Image.DecompressionBombError)


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


class RemoteRenderer(Renderer):
    """``config.model`` at ``config.base_url`` (default: OpenAI). Raises UsageError where model or key is missing."""

    def __init__(self, config: RemoteConfig):
        self.config = c = config
        if not c.model:
            raise UsageError("the remote renderer needs a model; add --set renderer.model=NAME")
        self.key = os.environ.get(c.api_key_env, "")
        if not self.key and c.base_url is None:
            raise UsageError(f"the remote renderer needs a key in the environment variable {c.api_key_env}")
        try:
            server_address(c.base_url)
            self.dialect = ImageDialect(c)
        except ValueError as error:
            raise UsageError(f"the remote renderer: {error}") from error
        self.meter = self.usage = PictureUsage(price=c.price)
        seeds = f"seeds as '{c.seed_field}'" if c.seed_field else "no seeds: each picture is a new drawing"
        self.name = f"{c.model} by an image API ({seeds})"
        self.batch_size = c.parallel

    def describe(self) -> dict[str, object]:
        """The settings; the model behind an API may change without notice."""
        return self.config.model_dump(mode="json", exclude={"parallel", "timeout_s", "retries", "price", "api_key_env"})

    def variant(self, size: tuple[int, int] | None = None, negative: str | None = None) -> RemoteRenderer:
        """Another size of the same model; costs are counted together."""
        if negative:
            raise UsageError("image APIs take no negative prompt")
        changes = {"width": size[0], "height": size[1], "aspect": None} if size else {}
        other = RemoteRenderer(self.config.model_copy(update=changes))
        other.meter = other.usage = self.usage
        return other

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image.Image | RenderFailure]:
        """One result a prompt, in order, ``parallel`` at once.

        A refusal, or a picture lost after all retries, is a RenderFailure. Raises RenderError for a key, model or
        size that is refused, and where every picture was lost.
        """
        begun = time.monotonic()

        async def everything() -> list[Image.Image | RenderFailure]:
            c, limit = self.config, asyncio.Semaphore(self.config.parallel)
            async with client(c.base_url, self.key, c.timeout_s, most=LARGEST * 4 // 3 + 2**16) as server:
                jobs = [self._one(server, limit, p, s) for p, s in zip(prompts, seeds, strict=True)]
                return await asyncio.gather(*jobs)

        try:
            results: list[Image.Image | RenderFailure] = run(everything())
        finally:
            self.usage.seconds += time.monotonic() - begun
        lost = [r for r in results if isinstance(r, RenderFailure) and r.reason.startswith("the image API does not")]
        if results and len(lost) == len(results):
            raise RenderError(f"{lost[0].reason}; try again later")
        return results

    async def _one(
        self, server: openai.AsyncOpenAI, limit: asyncio.Semaphore, prompt: str, seed: int
    ) -> Image.Image | RenderFailure:
        c, attempt = self.config, 0
        async with limit:
            while True:
                self.usage.calls += 1
                sent = self.dialect.body(prompt, seed)
                try:
                    picture = await asyncio.wait_for(self._drawn(server, sent), c.timeout_s)
                    self.usage.pictures += 1
                    return picture
                except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
                    raise RenderError(f"the image API refused the key in {c.api_key_env}") from error
                except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                    self.usage.failed_calls += 1
                    if self.dialect.learned(error, sent):
                        continue  # finding out what it takes is no failed attempt
                    why = reason(error, self.key) or short(error)
                    if is_refusal(error, why):
                        self.usage.refused += 1
                        return RenderFailure(f"the image API refused the prompt: {why}")
                    raise RenderError(f"the image API takes no such request for '{c.model}': {why}") from error
                except openai.NotFoundError as error:
                    raise RenderError(
                        f"the image API knows no model '{c.model}' or has no images at that address"
                    ) from error
                except NO_PICTURE as error:
                    self.usage.failed_calls += 1
                    why, wait = self._said(error), wait_s(error, attempt) if passes(error) else 0.0
                    if isinstance(error, openai.APIStatusError) and not passes(error):
                        raise RenderError(f"the image API takes no such request for '{c.model}': {why}") from error
                    if attempt == c.retries or wait > LONGEST_WAIT_S or isinstance(error, Refused):
                        what = "answer" if passes(error) else "give a picture"
                        return RenderFailure(f"the image API does not {what}: {why}")
                    await asyncio.sleep(wait)
                attempt += 1

    async def _drawn(self, server: openai.AsyncOpenAI, sent: dict[str, object]) -> Image.Image | RenderFailure:
        """The picture of one request, in the answer or behind its address. Raises one of ``NO_PICTURE``."""
        content = picture_of(await server.post("/images/generations", body=sent, cast_to=object))
        if isinstance(content, str):
            content = await fetched(content, LARGEST, self.config.timeout_s, self.config.base_url)
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Malformed(f"a picture of {image.width} x {image.height} pixels was not asked for")
            image.load()
            return checked(image)

    def _said(self, error: BaseException) -> str:
        """What went wrong, in one short line without the key."""
        return "the answer is no picture" if isinstance(error, Image.UnidentifiedImageError) else said(error, self.key)

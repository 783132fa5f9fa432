"""Pictures by an image API: OpenAI's and servers that speak it. Asked side by side, patiently, and counted.

Most such APIs take no seed. Then a candidate's seed only numbers its drawings: a picture is kept as it came, and
would be another one if it were asked for again.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import io
import logging
import os
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import openai
from PIL import Image

from reward_models.remote import AGAIN, LONGEST_WAIT_S, Counter, run, short, wait_s
from steer.config import RemoteConfig
from steer.errors import RenderError, UsageError
from steer.protocols import Renderer
from steer.renderers.checks import checked
from steer.types import RenderFailure

log = logging.getLogger(__name__)

REFUSED = ("moderation_blocked", "content_policy_violation", "content_filter", "sexual", "safety")
LARGEST = 64 * 2**20  # bytes of an answer's picture


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
        self.meter = self.usage = PictureUsage(price=c.price)
        seeds = f"seeds as '{c.seed_field}'" if c.seed_field else "no seeds: each picture is a new drawing"
        self.name = f"{c.model} by an image API ({seeds})"
        self.batch_size = c.parallel

    def describe(self) -> dict[str, object]:
        """The settings; the model behind an API may change without notice."""
        return self.config.model_dump(mode="json", exclude={"parallel", "timeout_s", "retries", "price", "api_key_env"})

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image.Image | RenderFailure]:
        """One result a prompt, in order, ``parallel`` at once.

        A refusal, or a picture lost after all retries, is a RenderFailure. Raises RenderError for a key, model or
        size that is refused, and where every picture was lost.
        """
        begun = time.monotonic()

        async def everything() -> list[Image.Image | RenderFailure]:
            limit = asyncio.Semaphore(self.config.parallel)
            async with openai.AsyncOpenAI(
                api_key=self.key or "none", base_url=self.config.base_url, timeout=self.config.timeout_s, max_retries=0
            ) as client:
                jobs = [self._one(client, limit, p, s) for p, s in zip(prompts, seeds, strict=True)]
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
        self, client: openai.AsyncOpenAI, limit: asyncio.Semaphore, prompt: str, seed: int
    ) -> Image.Image | RenderFailure:
        c = self.config
        extra = {**c.call, **({c.seed_field: seed} if c.seed_field else {})}
        async with limit:
            for attempt in range(c.retries + 1):
                self.usage.calls += 1
                try:
                    answer = await asyncio.wait_for(
                        client.images.generate(
                            model=c.model,
                            prompt=prompt,
                            n=1,
                            size="{}x{}".format(*c.size),
                            extra_body=extra,
                        ),
                        c.timeout_s,
                    )
                    picture = await self._picture(answer)
                    self.usage.pictures += 1
                    return picture
                except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
                    raise RenderError(f"the image API refused the key in {c.api_key_env}") from error
                except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                    self.usage.failed_calls += 1
                    if _is_refusal(error):
                        self.usage.refused += 1
                        return RenderFailure(f"the image API refused the prompt: {_said(error)}")
                    raise RenderError(f"the image API takes no such request for '{c.model}': {_said(error)}") from error
                except openai.NotFoundError as error:
                    raise RenderError(
                        f"the image API knows no model '{c.model}' or has no images at that address"
                    ) from error
                except AGAIN as error:
                    self.usage.failed_calls += 1
                    wait = wait_s(error, attempt)
                    if attempt == c.retries or wait > LONGEST_WAIT_S:
                        return RenderFailure(f"the image API does not answer: {short(error)}")
                    await asyncio.sleep(wait)
                except (
                    openai.OpenAIError,
                    ValueError,
                    OSError,
                    Image.DecompressionBombError,
                ) as error:
                    self.usage.failed_calls += 1  # an answer without a picture
                    if attempt == c.retries:
                        return RenderFailure(f"the image API does not give a picture: {type(error).__name__}")
        raise AssertionError("the last attempt returns")

    async def _picture(self, answer: Any) -> Image.Image | RenderFailure:
        """The picture of an answer, in it or behind its address. Raises ValueError or OSError where there is none."""
        data = (getattr(answer, "data", None) or [None])[0]
        if encoded := getattr(data, "b64_json", None):
            try:
                content = base64.b64decode(encoded, validate=True)
            except binascii.Error as error:
                raise ValueError("not base64") from error
        elif (url := getattr(data, "url", None)) and url.startswith(("https://", "http://")):
            content = await asyncio.to_thread(self._fetch, url)
        else:
            raise ValueError("no picture")
        if len(content) > LARGEST:
            raise ValueError("too large")
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            return checked(image)

    def _fetch(self, url: str) -> bytes:
        with urllib.request.urlopen(url, timeout=self.config.timeout_s) as response:
            content: bytes = response.read(LARGEST + 1)
        return content


def _is_refusal(error: openai.APIStatusError) -> bool:
    """Whether a 400 speaks of the prompt's content and not of its form."""
    said = f"{error.code or ''} {getattr(error, 'type', '') or ''} {_said(error)}".lower()
    return any(word in said for word in REFUSED)


def _said(error: openai.APIStatusError) -> str:
    """The server's own words, one short line."""
    body = error.body if isinstance(error.body, dict) else {}
    words = str(body.get("message") or body.get("code") or short(error))
    return " ".join(words.split())[:200]

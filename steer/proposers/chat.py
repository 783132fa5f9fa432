"""Rewrites by any OpenAI-compatible chat model.

One question a round: the prompt and the ranked texts in, a JSON list of rewrites out. Answers
are input: parsed by a schema, with a fall-back to plain lines, and asked again once for what is
missing. Keys come from the environment and go nowhere else.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from pathlib import Path
from typing import Any

import jinja2
import openai
from jinja2.sandbox import SandboxedEnvironment
from pydantic import BaseModel, ValidationError

from steer.config import ProposerConfig
from steer.errors import ProposerError, UsageError, unknown
from steer.resources import data_folder
from steer.types import History, Rewrite, SteerRequest

log = logging.getLogger(__name__)

SHOWN = 20  # ranked texts in the question
MAX_REPLY_CHARACTERS = 40_000


class Rewrites(BaseModel):
    """The answer's schema."""

    rewrites: list[str]


class ChatProposer:
    """``config.model`` at ``config.base_url`` (default: OpenAI) writes the rewrites."""

    def __init__(self, config: ProposerConfig):
        if not config.model:
            raise UsageError("the chat proposer needs a model; add --set proposer.model=NAME")
        key = os.environ.get(config.api_key_env)
        if not key and config.base_url is None:
            raise UsageError(f"the chat proposer needs a key in the environment variable {config.api_key_env}")
        self.config = config
        self.name = f"chat model '{config.model}'"
        self.template = _template(config.template)
        self.client = openai.OpenAI(
            api_key=key or "none", base_url=config.base_url, timeout=config.timeout_s, max_retries=config.retries
        )

    def fingerprint(self) -> str:
        """Of the instructions; the model behind the endpoint cannot be known."""
        shown = self.template.system() + self.template.user("", [("", 0.0)], 1)
        return hashlib.sha256(shown.encode()).hexdigest()[:16]

    def propose(self, request: SteerRequest, history: History, n: int) -> list[Rewrite]:
        ranked = [(s.rewrite.text, s.mean) for s in history.ranked()[:SHOWN]]
        texts: list[str] = []
        for _ in range(2):
            missing = n - len(texts)
            reply = self._ask(request.prompt, ranked, missing, request.seed)
            texts += [t for t in parse_reply(reply) if t not in texts][:missing]
            if len(texts) >= n:
                break
        if not texts:
            raise ProposerError(f"{self.name} answered twice without a usable rewrite; last: {reply[:80]!r}")
        return [Rewrite(t) for t in texts]

    def _ask(self, prompt: str, ranked: list[tuple[str, float]], n: int, seed: int) -> str:
        try:
            answer = self.client.chat.completions.create(
                model=self.config.model,
                messages=[
                    {"role": "system", "content": self.template.system()},
                    {"role": "user", "content": self.template.user(prompt, ranked, n)},
                ],
                temperature=self.config.temperature,
                seed=seed,
                response_format={
                    "type": "json_schema",
                    "json_schema": {"name": "rewrites", "schema": Rewrites.model_json_schema()},
                },
            )
        except openai.AuthenticationError as error:
            raise ProposerError(f"{self.name} refused the key in {self.config.api_key_env}") from error
        except openai.OpenAIError as error:
            raise ProposerError(
                f"{self.name} does not answer: {_short(error)}; try again or --set proposer=lexical"
            ) from error
        return (answer.choices[0].message.content or "")[:MAX_REPLY_CHARACTERS] if answer.choices else ""


def parse_reply(reply: str) -> list[str]:
    """Rewrites in a reply: the JSON object where there is one, else a line each.

    >>> parse_reply('1. "a red fox"\\n2. a blue fox')
    ['a red fox', 'a blue fox']
    """
    text = re.sub(r"<think>.*?(</think>|$)", "", reply, flags=re.S)
    for match in re.finditer(r"\{.*\}", text, flags=re.S):
        try:
            return [t.strip() for t in Rewrites.model_validate(json.loads(match.group())).rewrites if t.strip()]
        except (ValueError, ValidationError):
            break
    quoted = re.findall(r'^\s*(?:[-*•]|\d+[.):])\s*"?(.+?)"?,?\s*$', text, flags=re.M)
    return [t.strip().strip('"') for t in quoted if t.strip()]


def _template(name: str) -> Any:
    folder = data_folder("prompts") / "chat"
    path = Path(name) if Path(name).is_file() else folder / f"{name}.j2"
    if not path.is_file():
        raise unknown("chat template", name, sorted(p.stem for p in folder.glob("*.j2")))
    try:
        return SandboxedEnvironment().from_string(path.read_text()).module
    except jinja2.TemplateError as error:
        raise UsageError(f"chat template '{path}' does not compile: {error}") from error


def _short(error: Exception) -> str:
    """The error without bodies and headers, which may hold what should not be shown."""
    status = getattr(error, "status_code", None)
    return f"HTTP {status}" if status else type(error).__name__

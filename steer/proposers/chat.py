"""Rewrites by a chat model: ask, read, ask again for what is missing.

The question is a template (:mod:`steer.proposers.instructions`), the answer has a form (:mod:`steer.proposers.forms`),
and who answers is a backend: an OpenAI-compatible endpoint, or a model in this process.
"""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from steer.config import ProposerConfig
from steer.config.strength import STRENGTHS, StrengthName
from steer.errors import ProposerBudgetSpent, ProposerError, UsageError
from steer.lexicon import Lexicon
from steer.proposers.endpoint import Endpoint, Message
from steer.proposers.forms import Choices, Form, FreeTexts
from steer.proposers.instructions import Ask, Instructions, build_ask
from steer.proposers.lexical import LexicalProposer
from steer.proposers.usage import Limits, Usage
from steer.types import History, Rewrite, SteerRequest
from steer.words import clean

log = logging.getLogger(__name__)


class Backend(Protocol):
    """Who answers."""

    model: str
    usage: Usage

    def ask(
        self,
        questions: Sequence[Sequence[Message]],
        schema: dict[str, Any],
        temperature: float,
        seeds: Sequence[int],
        max_tokens: int,
    ) -> list[str]: ...


class ChatProposer:
    """A chat model that is told what was liked and writes the next rewrites.

    ``backend`` is built from the config where it is not given. With ``fallback: lexical`` the lexical search goes on where
    the model fails, and every such rewrite says so.
    """

    def __init__(self, config: ProposerConfig, backend: Backend | None = None, strength: StrengthName = "free"):
        self.config, self.most, self.strength = config, config.most, STRENGTHS[strength]
        self.instructions = Instructions(config.template)
        lexicon = Lexicon.load(config.lexicon).only(self.strength.kinds)
        self.form: Form = Choices(lexicon) if config.form == "choices" else FreeTexts()
        self.fallback = LexicalProposer(lexicon) if config.fallback == "lexical" else None
        self.compose = lexicon.compose
        self.backend: Backend = backend or build_backend(config)
        self.name = f"chat model '{self.backend.model}'"

    def fingerprint(self) -> str:
        """Of the instructions, the form and a hub model's commit; the model behind an endpoint cannot be known."""
        shown = (
            self.instructions.source + json.dumps(self.form.schema("", 1)) + str(getattr(self.backend, "commit", ""))
        )
        return hashlib.sha256(shown.encode()).hexdigest()[:16]

    def fork(self) -> ChatProposer:
        """The same writer with a count of its own, for a run beside others; the connections are shared."""
        other = copy.copy(self)
        other.backend = copy.copy(self.backend)
        return other

    def start(self, spent: Mapping[str, float]) -> None:
        """A run begins, or goes on with what it has ``spent`` already; budgets are a run's."""
        fresh = Usage()
        for name in vars(fresh):
            setattr(fresh, name, type(getattr(fresh, name))(spent.get(name, 0)))
        self.backend.usage = fresh

    def spent(self) -> dict[str, float]:
        """Calls, tokens, seconds, and the cost where ``proposer.price`` is given."""
        return self.backend.usage.facts(self.config.price)

    def propose(self, request: SteerRequest, history: History, n: int) -> list[Rewrite]:
        try:
            found = self._ask_for(request, history, n)
            if found or self.fallback is None:
                return found
            reason = f"{self.name} wrote nothing new"
        except (ProposerError, ProposerBudgetSpent) as error:
            if self.fallback is None:
                raise
            reason = str(error)
        log.warning("%s; the lexical search goes on", reason)
        self.backend.usage.fallbacks += 1
        return [
            Rewrite(r.text, r.changes, f"by the lexical search: {reason}")
            for r in self.fallback.propose(request, history, n)
        ]

    def _ask_for(self, request: SteerRequest, history: History, n: int) -> list[Rewrite]:
        """Up to n new rewrites; what is missing is asked for again, and only that. None where all that it writes is known.

        Raises ProposerError where nothing it answers can be used.
        """
        c = self.config
        whole = build_ask(request.prompt, history, n, c.memory, c.shown, c.style, c.profile)
        whole = replace(whole, strength_words=self.strength.words)
        tried = {t.casefold() for t in history.texts()} | {request.prompt.casefold()}
        found: list[Rewrite] = []
        last, repeated = "", 0
        for turn in range(c.turns):
            missing = n - len(found)
            answers = self._answers(request, history, whole, [r.text for r in found], missing, turn)
            for answer in answers:
                last = answer or last
                for rewrite in self.form.read(request.prompt, answer):
                    key = clean(rewrite.text).casefold()
                    if key in tried:
                        repeated += 1
                    elif key and len(found) < n:
                        tried.add(key)
                        found.append(rewrite)
            if len(found) >= c.enough * n:
                break
        if not found and not repeated:
            raise ProposerError(
                f"{self.name} answered {c.turns} times without a new usable rewrite; last: {clean(last)[:80]!r}"
            )
        return found

    def _answers(
        self, request: SteerRequest, history: History, whole: Ask, already: list[str], missing: int, turn: int
    ) -> list[str]:
        """The answers to one or several questions asked side by side, which share what is missing."""
        several = max(1, min(self.config.parallel, missing))
        shares = [missing // several + (i < missing % several) for i in range(several)]
        first = (request.seed + 1009 * len(history.candidates) + 101 * turn) % 2**31
        seeds = [first + i for i in range(several)]
        rest = Instructions.for_rest(whole, already, missing)
        questions = [
            self.instructions.messages(replace(rest, n=share, options=self.form.options(request.prompt, seed)))
            for share, seed in zip(shares, seeds, strict=True)
        ]
        schema = self.form.schema(request.prompt, max(shares))
        return self.backend.ask(questions, schema, self.config.temperature, seeds, self.config.max_answer_tokens)


def build_backend(config: ProposerConfig) -> Backend:
    """Who answers, by the config's kind. Raises UsageError where model, key or package is missing."""
    limits = Limits(config.timeout_s, config.retries, config.max_calls, config.max_tokens)
    if config.kind == "scripted":
        from steer.proposers.scripted import ScriptedWriter

        return ScriptedWriter(Lexicon.load(config.lexicon))
    if config.kind == "smollm":
        from steer.proposers import smollm

        return Endpoint(smollm.MODEL, "none", "", smollm.serve(config.parallel), config.extra, limits)
    if not config.model:
        example = "a folder or a hub name" if config.kind == "local" else "NAME"
        raise UsageError(f"the {config.kind} proposer needs a model; add --set proposer.model={example}")
    if config.kind == "local":
        from steer.proposers.local import LocalChat

        return LocalChat(config.model, config.revision, config.device, limits)
    key = os.environ.get(config.api_key_env)
    if not key and config.base_url is None:
        raise UsageError(f"the chat proposer needs a key in the environment variable {config.api_key_env}")
    return Endpoint(config.model, key or "none", config.api_key_env, config.base_url, config.extra, limits)

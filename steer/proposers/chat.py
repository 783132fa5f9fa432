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
from collections.abc import Mapping
from dataclasses import replace

from reward_models.remote import server_address
from steer.config import ChatConfig, WriterConfig
from steer.config.strength import STRENGTHS, StrengthName
from steer.errors import ProposerBudgetSpent, ProposerError, UsageError
from steer.lexicon import Lexicon
from steer.proposers.backend import Backend
from steer.proposers.endpoint import Endpoint
from steer.proposers.forms import Choices, Form, FreeTexts
from steer.proposers.instructions import Ask, Instructions, build_ask
from steer.proposers.lexical import LexicalProposer
from steer.proposers.usage import Limits, Usage
from steer.protocols import Meter, Proposer
from steer.types import History, Rewrite, SteerRequest
from steer.words import clean

log = logging.getLogger(__name__)


class ChatProposer(Proposer):
    """A chat model that is told what was liked and writes the next rewrites.

    With ``fallback: lexical`` the lexical search goes on where the model fails, and every such rewrite says so.
    """

    slow = True
    reads_critique = True

    def __init__(self, config: WriterConfig, backend: Backend, strength: StrengthName = "free"):
        self.config, self.most, self.strength = config, config.most, STRENGTHS[strength]
        self.instructions = Instructions(config.template)
        self.lexicon = Lexicon.load(config.lexicon).only(self.strength.kinds)
        self.form: Form = Choices(self.lexicon) if config.form == "choices" else FreeTexts()
        self.fallback = LexicalProposer(self.lexicon) if config.fallback == "lexical" else None
        self.backend = backend
        self.backend.usage.price = config.price
        self.meter: Meter = backend.usage
        self.name = f"chat model '{self.backend.model}'"
        self.reads_taste = not config.profile and self.instructions.uses("profile")
        self.shares_about = config.share_about

    def fingerprint(self) -> str:
        """Of the instructions, the form and a hub model's commit; the model behind an endpoint cannot be known."""
        commit = "" if self.backend.commit is None else self.backend.commit
        shown = self.instructions.source + json.dumps(self.form.schema("", 1)) + commit
        return hashlib.sha256(shown.encode()).hexdigest()[:16]

    def fork(self) -> ChatProposer:
        """The same writer with a meter of its own, for a run beside others; the connections are shared."""
        other = copy.copy(self)
        other.backend = copy.copy(self.backend)
        other.meter = other.backend.usage = Usage(price=self.config.price)
        return other

    def compose(self, prompt: str, changes: Mapping[str, str]) -> str:
        """The text of a prompt with phrases of the lexicon."""
        return self.lexicon.compose(prompt, changes)

    def propose(self, request: SteerRequest, history: History, n: int) -> list[Rewrite]:
        """Ask the model, or the fallback where it fails."""
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
        """Up to n new rewrites; what is missing is asked for again, and only that. None where all that it writes is
        known.

        Raises ProposerError where nothing it answers can be used.
        """
        c = self.config
        taste, earlier = c.profile or request.taste, request.earlier
        whole = build_ask(request.prompt, history, n, c.memory, c.shown, c.style, taste, earlier)
        whole = replace(whole, strength_words=self.strength.words)
        tried = {t.casefold() for t in history.texts()} | {request.prompt.casefold()}
        found: list[Rewrite] = []
        last, repeated = "", 0
        for turn in range(c.turns):
            missing = n - len(found)
            self.wrote(len(found), n)
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


def build(config: ChatConfig, strength: StrengthName = "free") -> ChatProposer:
    """The proposer that asks an endpoint. Raises UsageError where model or key is missing."""
    if not config.model:
        raise UsageError("the chat proposer needs a model; add --set proposer.model=NAME")
    key = os.environ.get(config.api_key_env, "")
    if not key and config.base_url is None:
        raise UsageError(f"the chat proposer needs a key in the environment variable {config.api_key_env}")
    try:
        server_address(config.base_url)
    except ValueError as error:
        raise UsageError(f"the chat proposer: {error}") from error
    limits = Limits(config.timeout_s, config.retries, config.max_calls, config.max_tokens)
    backend = Endpoint(config.model, key, config.api_key_env, config.base_url, config.extra, limits)
    return ChatProposer(config, backend, strength)

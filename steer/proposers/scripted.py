"""A writer that stands in for a big language model where there is none: it sees only the question a model would see.

It reads the ranked list, a critic's "more" and "less" and, in a ``reflect`` question, the words that rose and fell, and
changes one or two phrases of a good text. It knows the words of the miniature's lexicon, and nothing of what they are
worth beyond what the question says.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from typing import Any

from steer.config import ScriptedConfig
from steer.config.strength import StrengthName
from steer.lexicon import Lexicon
from steer.proposers.backend import Backend, Message
from steer.proposers.chat import ChatProposer
from steer.proposers.usage import Limits, Usage
from steer.words import content_words, wished

TOP = 5  # lines of the ranked list it works from
WISH = 0.05  # what a critic's wish adds to the effect of a phrase that shares a word with it


class ScriptedWriter(Backend):
    """A backend of :class:`steer.proposers.chat.ChatProposer`."""

    model = "scripted writer, no language model"

    def __init__(self, lexicon: Lexicon, limits: Limits | None = None):
        self.lexicon, self.limits, self.usage = lexicon, limits or Limits(), Usage()

    def ask(
        self,
        questions: Sequence[Sequence[Message]],
        schema: dict[str, Any],  # noqa: ARG002
        temperature: float,  # noqa: ARG002
        seeds: Sequence[int],
        max_tokens: int,  # noqa: ARG002
    ) -> list[str]:
        """An answer to each question, by its seed."""
        self.limits.check(self.usage)
        self.usage.calls += len(questions)
        return [self._answer(q[-1]["content"], random.Random(s)) for q, s in zip(questions, seeds, strict=True)]

    def _answer(self, question: str, rng: random.Random) -> str:
        quoted = re.search(r"<<<\n(.*?)\n>>>", question, re.S)
        prompt = quoted[1] if quoted else ""
        n = int(re.findall(r"Write (\d+) ", question)[-1])
        ranked = re.findall(r"^[01]\.\d\d: (.+)$", question, re.M)
        effects = {w.strip(): float(e) for w, e in re.findall(r"^- (.+?): ([+-]\d\.\d\d), between", question, re.M)}
        groups = self.lexicon.open_groups(prompt)
        worth = {p: sum(e for w, e in effects.items() if w in p) for g in groups for p in g.phrases}
        more, less = wished("".join(re.findall(r"^A critic on the best picture:\n<<<\n(.*)\n>>>$", question, re.M)))
        for sign, wishes in ((WISH, more), (-WISH, less)):
            for phrase in worth:
                worth[phrase] += sign * any(content_words(phrase) & content_words(wish) for wish in wishes)
        written: dict[str, None] = {}
        for attempt in range(50 * n):
            if len(written) == n:
                break
            changes = self._phrases(prompt, rng.choice(ranked[:TOP])) if ranked else {}
            for group in rng.sample(groups, min(rng.choice((1, 2)), len(groups))):
                said = [
                    p for p in group.phrases if attempt % 3 == 2 or worth[p] >= 0
                ]  # one of three ignores what is known
                risen = [p for p in said if worth[p] > 0]
                changes[group.name] = rng.choice(risen if risen and attempt % 3 == 0 else said or list(group.phrases))
            text = self.lexicon.compose(prompt, changes)
            if text not in ranked:
                written[text] = None
        return json.dumps({"rewrites": list(written)})

    def _phrases(self, prompt: str, text: str) -> dict[str, str]:
        """What a text adds to the prompt, by group."""
        return {g.name: p for g in self.lexicon.open_groups(prompt) for p in g.phrases if p in text}


def build(config: ScriptedConfig, strength: StrengthName = "free") -> ChatProposer:
    """The proposer that asks the script."""
    limits = Limits(max_calls=config.max_calls, max_tokens=config.max_tokens)
    return ChatProposer(config, ScriptedWriter(Lexicon.load(config.lexicon), limits), strength)

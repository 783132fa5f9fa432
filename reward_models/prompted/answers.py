"""Any server's answer to a score question as an :class:`~reward_models.prompted.decider.Answer`: the one place for
it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from reward_models.prompted.decider import Answer
from reward_models.prompted.question import ScoreQuestion
from reward_models.remote import SENSELESS

REFUSED = "the model refused to answer"
ROUNDING = 1e-3  # of a logarithm: servers give slightly positive ones for what is certain


def answer_of(raw: object, question: ScoreQuestion) -> Answer:
    """From the JSON of one answer: of OpenAI's Decisions API (a list of labels and probabilities), or of System One (a
    mapping from the number of a level, counted from 0, to its probability). Anything else is an answer without sense.
    """
    if not isinstance(raw, Mapping):
        return Answer(reason=SENSELESS)
    if raw.get("type") == "refusal":
        return Answer(reason=REFUSED)
    given, labels = raw.get("probabilities"), [label for label, _ in question.levels]
    if isinstance(given, Mapping):
        weights = [given.get(str(i)) for i in range(len(labels))]
    elif isinstance(given, Sequence) and all(isinstance(each, Mapping) for each in given):
        by_label = {each.get("label"): each.get("probability") for each in given if isinstance(each.get("label"), str)}
        weights = [by_label.get(label) for label in labels]
    else:
        return Answer(reason=SENSELESS)
    if len(given) != len(labels) or not all(_is_probability(w) for w in weights):
        return Answer(reason=SENSELESS)
    return Answer.of([float(w) for w in weights if w is not None])


def answer_of_logprobs(logprobs: Mapping[str, float], question: ScoreQuestion) -> Answer:
    """From the logarithms of the likeliest next words; what is on no level is ``off``."""
    weights = dict.fromkeys((label for label, _ in question.levels), 0.0)
    for word, value in logprobs.items():
        if word.strip() in weights:
            if math.isnan(value) or value > ROUNDING:
                return Answer(reason=SENSELESS)
            weights[word.strip()] += math.exp(min(value, 0.0))
    if not sum(weights.values()):
        return Answer(reason="the model's next word is no level")
    return Answer.of(list(weights.values()), max(0.0, 1 - sum(weights.values())))


def _is_probability(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1

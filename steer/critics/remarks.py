"""A critic's answer: read as input from outside, and only what words of a prompt can change is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from reward_models import yaml12
from reward_models.doors import parse_json, read_text
from reward_models.outside import readable
from reward_models.plural import counted
from steer.critics.base import CriticFailed
from steer.proposers.parsing import without_thoughts
from steer.resources import data_folder
from steer.types import Comment
from steer.words import clean, content_words

WAYS = ("keep", "more", "less")
MOST = 3  # remarks of each
LONGEST, MOST_WORDS = 60, 8  # characters and words of a remark
TECHNICAL = "technical"  # noise, blur, watermarks: nothing that a prompt can change
ELSEWHERE = "another subject"  # words that are neither of the prompt nor of what may be talked of
LONG, MANY = "too long", "too many"
REFUSAL = re.compile(r"^\W*(i('m| am) (sorry|unable|not able)|i (can(no|')t|will not|won't)|sorry\b|as an ai\b)", re.I)


@dataclass(frozen=True)
class Filter:
    """``aspects``, ``plain`` and ``technical``: content words, see prompts/critic.yaml."""

    aspects: frozenset[str]
    plain: frozenset[str]
    technical: frozenset[str]

    def fault(self, remark: str, prompt: frozenset[str], phrases: frozenset[str]) -> str:
        """Why a remark is left out, "" where it is not; given the content words of the prompt and of the lexicon.
        The prompt's words alone change nothing.
        """
        if len(remark) > LONGEST or len(remark.split()) > MOST_WORDS:
            return LONG
        words = content_words(remark)
        if words & self.technical - phrases:
            return TECHNICAL
        speaks_of = self.aspects | phrases
        return "" if words & speaks_of and words <= speaks_of | self.plain | prompt else ELSEWHERE


@cache
def shipped_filter() -> Filter:
    """The filter of prompts/critic.yaml."""
    lists = yaml12.load(read_text(data_folder("prompts") / "critic.yaml", yaml12.MOST_CHARACTERS))
    return Filter(
        _words(word for words in lists["aspects"].values() for word in words),
        _words(lists["plain"]),
        _words(lists["technical"]),
    )


def _words(given: Any) -> frozenset[str]:
    return frozenset(w for each in given for w in content_words(str(each)))


def comment_of(answer: str, prompt: str, phrases: Sequence[str] = ()) -> Comment:
    """The comment of a model's answer about a picture of ``prompt``. ``phrases``: of the lexicon, which pass.

    Raises CriticFailed for an answer that is not the JSON that was asked for.
    """
    return filtered(_object(answer), prompt, phrases)


def filtered(value: Mapping[str, Any], prompt: str, phrases: Sequence[str] = ()) -> Comment:
    """The comment of remarks by :data:`WAYS`, of those that a prompt can follow. Raises CriticFailed for what are no
    lists of texts.
    """
    filter_ = shipped_filter()
    words = _words([prompt]), _words(phrases)
    parts: list[str] = []
    left: dict[str, int] = {}
    for way in WAYS:
        kept = 0
        for remark in _remarks(value, way):
            if fault := filter_.fault(remark, *words) or ("" if kept < MOST else MANY):
                left[fault] = left.get(fault, 0) + 1
            else:
                parts.append(f"{way} {remark}")
                kept += 1
    return Comment(", ".join(dict.fromkeys(parts)), filtered=left)


def _object(answer: str) -> Mapping[str, Any]:
    """The object in an answer, with or without a fence or words around it."""
    text = without_thoughts(answer)
    if not text:
        raise CriticFailed("the critic's answer is empty")
    begin, end = text.find("{"), text.rfind("}")
    if begin < 0:
        refused = REFUSAL.match(text) is not None
        raise CriticFailed(f"the critic {'refuses' if refused else 'answers without JSON'}: {clean(text)[:80]!r}")
    try:
        value = parse_json(text[begin : end + 1] if end > begin else text[begin:])
    except ValueError as error:
        raise CriticFailed(f"the critic's answer is no whole JSON: {clean(text)[:80]!r}") from error
    if not isinstance(value, Mapping) or not any(way in value for way in WAYS):
        raise CriticFailed(f"the critic's answer has no {', '.join(WAYS)}: {clean(text)[:80]!r}")
    return value


def _remarks(value: Mapping[str, Any], way: str) -> list[str]:
    """The remarks under a key; commas would make two of one."""
    found = value.get(way)
    if found is None:
        return []
    if isinstance(found, str):
        found = [found]
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise CriticFailed(f"the critic's answer has no list of texts under {way!r}")
    said = (clean(readable(each)).strip(" .;,:!\"'") for each in found[:50])
    return [_without(way, re.sub(r"\s*[,;]\s*", " and ", each)) for each in said if each]


def _without(way: str, remark: str) -> str:
    """A remark that repeats what it stands under, "more fog" under "more", without that."""
    return re.sub(rf"^{way}\s+", "", remark, flags=re.I)


def filtered_words(comment: Comment) -> str:
    """How many remarks were left out of a comment, and why; "" for none.

    >>> filtered_words(Comment(filtered={"technical": 2, "too long": 1}))
    '3 remarks left out: 2 technical, 1 too long'
    """
    if not comment.filtered:
        return ""
    each = ", ".join(f"{n} {why}" for why, n in comment.filtered.items())
    return f"{counted(sum(comment.filtered.values()), 'remark')} left out: {each}"

"""Nobody in particular of a group: a person of whom only demographics are known, as in Fig. 7 of the PAMELA paper.

Written like an id, ``age_binned=40-49+gender=female``, which no user's id can look like.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote

from reward_models import Person, RewardModel
from steer.errors import UsageError


def group_name(facts: Mapping[str, str]) -> str:
    """The written form of a group.

    >>> group_name({"age_binned": "40-49", "nationality": "South African"})
    'age_binned=40-49+nationality=South%20African'
    """
    return "+".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in facts.items())


def is_group(user: str) -> bool:
    """Whether this is the written form of a group, and no id."""
    return "=" in user


def facts_of(texts: Iterable[str]) -> dict[str, str]:
    """``FIELD=VALUE``, each as it is typed. Raises UsageError for one without a value, and for a field told twice."""
    facts: dict[str, str] = {}
    for text in texts:
        key, _, value = (part.strip() for part in text.partition("="))
        if not key or not value:
            raise UsageError(f"--as '{text}' has no value; write it like age_binned=40-49")
        if key in facts:
            raise UsageError(f"--as says '{key}' twice: '{facts[key]}' and '{value}'")
        facts[key] = value
    return facts


def person_of(group: str, reward: RewardModel) -> Person:
    """The group's person without an id. Raises UsageError for fields and values that the reward does not know."""
    parts = (part.partition("=") for part in group.split("+"))
    facts = {unquote(key): unquote(value) for key, _, value in parts}
    teacher = reward.teacher
    known = teacher.fields if teacher else {}
    for key, value in facts.items():
        if teacher and teacher.any_field:
            continue
        if key not in known:
            fields = f"it knows {', '.join(known)}" if known else "it knows none"
            raise UsageError(f"the reward '{reward.name}' knows no field '{key}' of people; {fields}")
        if value not in known[key] and not (teacher and teacher.any_value):
            raise UsageError(f"the reward '{reward.name}' knows no {key} '{value}'; it knows {', '.join(known[key])}")
    return Person(demographics=facts)

"""The lexical proposer's words: groups of phrases, and how they are put around a prompt."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reward_models import yaml12
from reward_models.doors import read_text, shown
from steer.errors import UsageError, unknown
from steer.resources import data_folder

LONGEST = 200  # characters of a phrase
_WHERE = ("before", "after", "end")


@dataclass(frozen=True)
class Group:
    """One choice among ``phrases``; ``words`` are what else says that the prompt has chosen."""

    name: str
    where: str  # "before" the prompt, "after" it, or at the "end" behind a comma
    phrases: tuple[str, ...]
    words: tuple[str, ...]

    def spoken_of(self, text: str) -> bool:
        """Whether ``text`` already says something of this group."""
        lowered = text.lower()
        return any(
            re.search(rf"(?<![\w-]){re.escape(w.lower().removesuffix(' of'))}(?![\w-])", lowered)
            for w in (*self.phrases, *self.words)
        )


@dataclass(frozen=True)
class Lexicon:
    """All groups of one vocabulary file."""

    name: str
    groups: tuple[Group, ...]

    @classmethod
    def load(cls, name_or_path: str) -> Lexicon:
        """A shipped lexicon by name, or a YAML file by path."""
        folder = data_folder("prompts") / "lexicons"
        path = Path(name_or_path)
        if not os.path.isfile(path):
            path = folder / f"{name_or_path}.yaml"
        if not os.path.isfile(path):
            raise unknown("lexicon", name_or_path, sorted(p.stem for p in folder.glob("*.yaml")))
        try:
            raw = yaml12.load(read_text(path, yaml12.MOST_CHARACTERS))["groups"]
            groups = tuple(
                Group(n, g["where"], tuple(map(str, g["phrases"])), tuple(map(str, g.get("words", ()))))
                for n, g in raw.items()
            )
        except (yaml12.YAMLError, KeyError, TypeError, AttributeError, OSError, ValueError) as error:
            said = " ".join(str(error).split())[:300]
            raise UsageError(f"lexicon '{path}' is not groups of where and phrases: {said}") from error
        for group in groups:
            if not isinstance(group.name, str) or not group.phrases:
                raise UsageError(f"lexicon '{path}': the group {shown(group.name)} has no name or no phrases")
            if longest := [p for p in (*group.phrases, *group.words) if not 0 < len(p.strip()) <= LONGEST]:
                raise UsageError(f"lexicon '{path}': the phrase {shown(longest[0])} is empty or too long")
            if group.where not in _WHERE:
                raise UsageError(f"lexicon '{path}': group '{group.name}' stands {shown(group.where)}, not {_WHERE}")
        return cls(path.stem, groups)

    def only(self, kinds: Sequence[str] | None) -> Lexicon:
        """With the groups of these names alone; None: all. Raises UsageError where it has none of them."""
        if kinds is None:
            return self
        groups = tuple(g for g in self.groups if g.name in kinds)
        if not groups:
            raise UsageError(
                f"the lexicon '{self.name}' has no group {' or '.join(kinds)}, "
                "which is all that this search.strength changes"
            )
        return replace(self, groups=groups)

    def open_groups(self, prompt: str) -> tuple[Group, ...]:
        """The groups the prompt leaves open."""
        return tuple(g for g in self.groups if not g.spoken_of(prompt))

    def compose(self, prompt: str, changes: Mapping[str, str]) -> str:
        """The prompt with one phrase per changed group put around it.

        >>> Lexicon.load("miniature").compose("a fox", {"light": "at dawn", "style": "sepia"})
        'a fox at dawn, sepia'
        """
        parts: dict[str, list[str]] = {w: [] for w in _WHERE}
        for group in self.groups:
            if group.name in changes:
                parts[group.where].append(changes[group.name])
        body = " ".join([*parts["before"], prompt.rstrip(" .,"), *parts["after"]])
        return ", ".join([body, *parts["end"]])

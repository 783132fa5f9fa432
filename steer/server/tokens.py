"""Who may ask a server, and for whom: tokens with a scope of users. Only their digests are kept."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from reward_models import yaml12
from reward_models.doors import read_text
from steer.config.section import Section
from steer.errors import UsageError
from steer.store.files import write_whole
from steer.users.ids import AVERAGE

EVERYBODY = "*"


@dataclass(frozen=True)
class Token:
    """``digest``: SHA-256 of the secret. ``users``: whom it may draw for and rate as, None for everybody; ``average``
    is always among them. ``proxy``: its holder says by headers which person asks; ``addresses``: from where alone it
    may do so; ``people``: users by what these headers call them.
    """

    name: str
    digest: str
    users: frozenset[str] | None = None
    proxy: bool = False
    addresses: frozenset[str] = frozenset()
    people: dict[str, str] = field(default_factory=dict, hash=False)

    def allows(self, users: Iterable[str]) -> bool:
        """Whether it may draw for all of these."""
        return self.users is None or all(user == AVERAGE or user in self.users for user in users)

    @property
    def only(self) -> str | None:
        """The user of a token that has one."""
        return next(iter(self.users)) if self.users is not None and len(self.users) == 1 else None


class Tokens:
    """Finds a token by its secret, in the same time whether it is there or not."""

    def __init__(self, tokens: Iterable[Token]):
        self.tokens = list(tokens)

    def find(self, secret: str) -> Token | None:
        """The token of a secret."""
        asked, found = digest_of(secret), None
        for token in self.tokens:
            if secrets.compare_digest(asked, token.digest):
                found = token
        return found


class _Entry(Section):
    name: str = Field(pattern=r"^[\w.-]{1,64}$")
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    env: str | None = None
    users: list[str] | Literal["*"] = Field(default_factory=list)
    proxy: bool = False
    addresses: list[str] = Field(default_factory=list)
    people: dict[str, str] = Field(default_factory=dict)


class _File(Section):
    tokens: list[_Entry]


def digest_of(secret: str) -> str:
    """SHA-256 in hex. A secret has 128 bits of chance or more, so that none can be found from it."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def new_secret() -> str:
    """192 bits, as they are written into a header."""
    return secrets.token_urlsafe(24)


def read_tokens(path: Path) -> list[Token]:
    """The tokens of a YAML file. Raises UsageError for one that is none, and for a secret that is not there."""
    try:
        found = _File.model_validate(yaml12.load(read_text(path, yaml12.MOST_CHARACTERS)))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"tokens '{path}': {where[:80]}: {first['msg']}") from error
    except (OSError, ValueError, yaml12.YAMLError) as error:
        raise UsageError(f"tokens '{path}' cannot be read: {' '.join(str(error).split())}") from error
    tokens = [_token(entry, path) for entry in found.tokens]
    if twice := [t.name for i, t in enumerate(tokens) if t.name in {u.name for u in tokens[:i]}]:
        raise UsageError(f"tokens '{path}': the name '{twice[0]}' is there twice")
    return tokens


def add_token(
    path: Path, name: str, users: Sequence[str] = (), proxy: bool = False, people: Mapping[str, str] | None = None
) -> str:
    """Add a token to a file, which may not be there yet; its secret. ``users``: none means everybody. Raises UsageError
    for a name that is taken.
    """
    there = os.path.lexists(path)
    if there and name in {token.name for token in read_tokens(path)}:
        raise UsageError(f"tokens '{path}' has a token '{name}' already")
    known = yaml12.load(read_text(path, yaml12.MOST_CHARACTERS))["tokens"] if there else []
    secret = new_secret()
    entry: dict[str, object] = {"name": name, "sha256": digest_of(secret), "users": list(users) or EVERYBODY}
    entry |= {"proxy": True} if proxy else {}
    entry |= {"people": dict(people)} if people else {}
    try:
        _token(_Entry.model_validate(entry), path)
    except ValidationError as error:
        raise UsageError(f"the token's {error.errors()[0]['loc'][0]}: {error.errors()[0]['msg']}") from error
    text = "".join(f"- {json.dumps(each, ensure_ascii=False)}\n" for each in [*known, entry])
    write_whole(path, lambda f: f.write(f"tokens:\n{text}".encode()))
    return secret


def _token(entry: _Entry, path: Path) -> Token:
    secret = os.environ.get(entry.env or "", "")
    if (entry.sha256 is None) == (entry.env is None):
        raise UsageError(f"tokens '{path}': '{entry.name}' needs either sha256 or env")
    if entry.env is not None and len(secret) < 16:
        raise UsageError(f"tokens '{path}': the environment variable {entry.env} has no token of 16 characters or more")
    if not entry.users:
        raise UsageError(f"tokens '{path}': '{entry.name}' needs users, such as [me], or \"*\" for everybody")
    if entry.proxy is False and (entry.addresses or entry.people):
        raise UsageError(f"tokens '{path}': addresses and people of '{entry.name}' belong to proxy: true")
    return Token(
        entry.name,
        entry.sha256 or digest_of(secret),
        None if entry.users == EVERYBODY else frozenset(entry.users),
        entry.proxy,
        frozenset(entry.addresses),
        entry.people,
    )

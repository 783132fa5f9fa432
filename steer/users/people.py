"""Who is in the store, and what they said of themselves."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Literal

from steer.errors import UsageError
from steer.users.ids import check_id, is_id, unknown_user
from steer.users.kept_pictures import KeptPictures
from steer.users.limits import FACT, PROFILE, check_facts, check_text
from steer.users.records import User, now
from steer.users.schema import TAUGHT

_COUNTED = """SELECT *, (SELECT count(*) FROM ratings WHERE user = users.id) AS ratings,
                     (SELECT count(*) FROM choices WHERE user = users.id) AS choices,
                     (SELECT count(*) FROM thumbnails WHERE user = users.id) AS thumbnails FROM users"""


class People(KeptPictures):
    """The table ``users`` of the store."""

    def __init__(self, path: str | Path | None = None):
        super().__init__(path)
        self._begun: dict[str, User] = {}

    def users(self, like: str = "", limit: int = -1) -> list[User]:
        """People sorted by id. ``like``: only ids that contain this text, in any case."""
        check_text(like, "the text to look for", FACT)
        with self._errors():
            rows = self._db.execute(
                f"{_COUNTED} WHERE instr(lower(id), lower(?)) ORDER BY id LIMIT ?", (like, limit)
            ).fetchall()
        return [self._read(r) for r in rows]

    def ids(self) -> list[str]:
        """All ids, sorted."""
        with self._errors():
            return [r[0] for r in self._db.execute("SELECT id FROM users ORDER BY id")]

    def get(self, user: str) -> User | None:
        """The person with exactly this id, or None."""
        if not is_id(user):
            return None
        with self._errors():
            row = self._db.execute(f"{_COUNTED} WHERE id = ?", (user,)).fetchone()
        return self._read(row) if row and row["id"] == user else self._begun.get(user)

    def user(self, user: str) -> User:
        """The person with this id. Raises UsageError with similar ids if there is none."""
        found = self.get(check_id(user))
        if found is None:
            raise unknown_user(user, self.ids())
        return found

    def add(
        self,
        user: str,
        demographics: dict[str, str] | None = None,
        profile: str = "",
        source: str = "",
        keep_pictures: bool = False,
    ) -> User:
        """Add a person. ``keep_pictures``: keep thumbnails of what they rate. Raises UsageError if the id is taken, in
        any case, and for words that are too long or no text.
        """
        check_facts(demographics or {})
        check_text(profile, "the profile", PROFILE)
        check_text(source, "the name of the data set", FACT)
        with self.writing() as db:
            self.check_free(check_id(user))
            db.execute(
                """INSERT INTO users (id, demographics, profile, source, created, keep_pictures)
                   VALUES (?, ?, ?, ?, ?, ?)""",
                (user, json.dumps(demographics or {}, ensure_ascii=False), profile, source, now(), keep_pictures),
            )
        return self.user(user)

    def begin(self, user: str, keep_pictures: bool = False) -> User:
        """A new person who is added with their first answer; until then only this object knows them.

        Raises UsageError if the id is taken, in any case.
        """
        with self._reading():
            self.check_free(check_id(user))
        self._begun[user] = User(user, keep_pictures=keep_pictures)
        return self._begun[user]

    def describe(self, user: str, demographics: dict[str, str] | None = None, profile: str | None = None) -> User:
        """Change demographics or profile; None leaves them as they are. Raises UsageError for words that are too long
        or no text.
        """
        self._own_person(user)
        with self.writing() as db:
            if demographics is not None:
                told = json.dumps(check_facts(demographics), ensure_ascii=False)
                db.execute("UPDATE users SET demographics = ? WHERE id = ?", (told, user))
            if profile is not None:
                check_text(profile, "the profile", PROFILE)
                db.execute("UPDATE users SET profile = ? WHERE id = ?", (profile, user))
        return self.user(user)

    def set_keep_pictures(self, user: str, keep: bool) -> None:
        """Whether thumbnails of what a person rates are kept from now on; False deletes those that are."""
        self._own_person(user)
        with self.writing() as db:
            db.execute("UPDATE users SET keep_pictures = ? WHERE id = ?", (keep, user))
            if not keep:
                db.execute("DELETE FROM thumbnails WHERE user = ?", (user,))
        self._forget_log()

    def set_shares(self, user: str, shares: Literal["", "ratings", "about"]) -> None:
        """What of a person may be part of a data set from now on."""
        self._own_person(user)
        with self.writing() as db:
            db.execute("UPDATE users SET shares = ? WHERE id = ?", (shares, user))

    def rename(self, user: str, new: str) -> User:
        """Give a person another id; ratings, choices, votes and what was learned go along.

        Raises UsageError if the new id is taken.
        """
        self._own_person(user)
        with self.writing() as db:
            db.execute("PRAGMA defer_foreign_keys = ON")
            if check_id(new).lower() != user.lower():
                self.check_free(new)
            db.execute("UPDATE users SET id = ? WHERE id = ?", (new, user))
            for table in (*TAUGHT, "votes"):
                db.execute(f"UPDATE {table} SET user = ? WHERE user = ?", (new, user))
        self._forget_log()
        return self.user(new)

    def mark_imported(self, user: str, source: str) -> None:
        """Make a person read-only, as one of the data set ``source``."""
        check_text(source, "the name of the data set", FACT)
        with self.writing() as db:
            db.execute("UPDATE users SET source = ? WHERE id = ?", (source, user))

    def _own_person(self, user: str) -> None:
        """Raise UsageError for an unknown person, and for one who is read-only. Reads no profile: it is asked at each
        answer.
        """
        with self._errors():
            row = self._db.execute("SELECT id, source FROM users WHERE id = ?", (check_id(user),)).fetchone()
        if (row is None or row["id"] != user) and user not in self._begun:
            raise unknown_user(user, self.ids())
        if row is not None and row["source"]:
            raise UsageError(f"'{user}' was imported from {row['source']} and is read-only")

    def check_free(self, user: str) -> None:
        """Raise UsageError if the id is taken, in any case."""
        with self._errors():
            taken = self._db.execute("SELECT id FROM users WHERE id = ?", (user,)).fetchone()
        if taken:
            raise UsageError(f"there is already a user '{taken[0]}'; see: steer user show {taken[0]}")

    def _add_begun(self, user: str) -> None:
        """Add a begun person, inside the transaction of their first answer; another process may have added them."""
        if user in self._begun and user not in self.ids():
            self.add(user, keep_pictures=self._begun[user].keep_pictures)

    def _read(self, row: sqlite3.Row) -> User:
        """A row of :data:`_COUNTED`. Raises StorageError for one that somebody else wrote over."""
        try:
            demographics = json.loads(row["demographics"])
            if not isinstance(demographics, dict):
                raise ValueError("no mapping")
        except (ValueError, TypeError, RecursionError) as error:
            raise self.damaged(
                f"the demographics of '{row['id']}' cannot be read; steer user delete {row['id']} removes them all"
            ) from error
        return User(
            row["id"],
            {str(key): str(value) for key, value in demographics.items()},
            row["profile"],
            row["source"],
            row["created"],
            row["ratings"],
            row["choices"],
            bool(row["keep_pictures"]),
            row["thumbnails"],
            row["shares"],
        )

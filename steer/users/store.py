"""The local store of people: one SQLite file; nothing leaves the machine."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from steer.errors import UsageError
from steer.users.ids import check_id, unknown_user
from steer.users.kept_pictures import TOLD, KeptPictures
from steer.users.records import Choice, Rating, Told, User

_COUNTED = """SELECT *, (SELECT count(*) FROM ratings WHERE user = users.id) AS ratings,
                     (SELECT count(*) FROM choices WHERE user = users.id) AS choices,
                     (SELECT count(*) FROM thumbnails WHERE user = users.id) AS thumbnails FROM users"""
_UNUSED = """DELETE FROM pictures WHERE hash NOT IN (SELECT picture FROM ratings)
             AND hash NOT IN (SELECT better FROM choices) AND hash NOT IN (SELECT worse FROM choices)"""


class UserStore(KeptPictures):
    """People with their ratings and choices. Safe for several processes and threads.

    A write is on disk when the call returns. Raises StorageError when the file cannot be used, UsageError for unknown
    people and for changes to read-only ones.
    """

    def __init__(self, path: str | Path | None = None):
        super().__init__(path)
        self._begun: dict[str, User] = {}

    # people

    def users(self, like: str = "", limit: int = -1) -> list[User]:
        """People sorted by id. ``like``: only ids that contain this text, in any case."""
        with self._errors():
            rows = self._db.execute(
                f"{_COUNTED} WHERE instr(lower(id), lower(?)) ORDER BY id LIMIT ?", (like, limit)
            ).fetchall()
        return [_user(r) for r in rows]

    def ids(self) -> list[str]:
        """All ids, sorted."""
        with self._errors():
            return [r[0] for r in self._db.execute("SELECT id FROM users ORDER BY id")]

    def get(self, user: str) -> User | None:
        """The person with exactly this id, or None."""
        with self._errors():
            row = self._db.execute(f"{_COUNTED} WHERE id = ?", (user,)).fetchone()
        return _user(row) if row and row["id"] == user else self._begun.get(user)

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
        any case.
        """
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
        """Change demographics or profile; None leaves them as they are."""
        old = self._own_person(user)
        told = json.dumps(old.demographics if demographics is None else demographics, ensure_ascii=False)
        with self.writing() as db:
            db.execute(
                "UPDATE users SET demographics = ?, profile = ? WHERE id = ?",
                (told, old.profile if profile is None else profile, user),
            )
        return self.user(user)

    def set_keep_pictures(self, user: str, keep: bool) -> None:
        """Whether thumbnails of what a person rates are kept from now on; False deletes those that are."""
        self._own_person(user)
        with self.writing() as db:
            db.execute("UPDATE users SET keep_pictures = ? WHERE id = ?", (keep, user))
            if not keep:
                db.execute("DELETE FROM thumbnails WHERE user = ?", (user,))
        self._forget_log()

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
            for table in ("ratings", "choices", "vectors", "votes", "thumbnails"):
                db.execute(f"UPDATE {table} SET user = ? WHERE user = ?", (new, user))
        self._forget_log()
        return self.user(new)

    def mark_imported(self, user: str, source: str) -> None:
        """Make a person read-only, as one of the data set ``source``."""
        with self.writing() as db:
            db.execute("UPDATE users SET source = ? WHERE id = ?", (source, user))

    # removal

    def votes_of(self, user: str) -> int:
        """Number of votes in studies under this id."""
        with self._errors():
            return int(self._db.execute("SELECT count(*) FROM votes WHERE user = ?", (user,)).fetchone()[0])

    def deletable(self, user: str) -> User:
        """The person with this id, including one with nothing but votes in the store.

        Raises UsageError if there is nothing to delete.
        """
        found = self.get(check_id(user))
        return User(user) if found is None and self.votes_of(user) else self.user(user)

    def delete(self, user: str) -> dict[str, int]:
        """Remove every trace of a person from the store; returns the number of rows removed, by kind.

        Raises UsageError if there is nothing to delete.
        """
        return self._delete([self.deletable(user).id])

    def imported(self, source: str) -> list[str]:
        """Ids of the people imported from a data set. Raises UsageError if nobody was."""
        with self._errors():
            ids = [r[0] for r in self._db.execute("SELECT id FROM users WHERE source = ? ORDER BY id", (source,))]
            rows = self._db.execute("SELECT DISTINCT source FROM users WHERE source <> '' ORDER BY source")
            known = [r[0] for r in rows]
        if not ids:
            there = f"there are imports from {', '.join(known)}" if known else "the store has no imported people"
            raise UsageError(f"no users were imported from '{source}'; {there}")
        return ids

    def delete_import(self, source: str) -> dict[str, int]:
        """Remove every trace of all people imported from a data set; returns the number of rows removed, by kind."""
        return self._delete(self.imported(source))

    def reset(self, user: str) -> dict[str, int]:
        """Remove a person's ratings, choices, kept pictures and what was learned from them; profile and demographics
        stay.
        """
        self._own_person(user)
        return self._remove([user], ("ratings", "choices", "vectors", "thumbnails"))

    def _delete(self, users: Sequence[str]) -> dict[str, int]:
        return self._remove(users, ("ratings", "choices", "vectors", "votes", "thumbnails", "users"))

    def _remove(self, users: Sequence[str], tables: Sequence[str]) -> dict[str, int]:
        """Rows of these people in these tables, and pictures that nobody refers to any more."""
        gone = dict.fromkeys(tables, 0)
        with self.writing() as db:
            for table in tables:
                column = "id" if table == "users" else "user"
                gone[table] = db.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(u,) for u in users]).rowcount
            gone["pictures"] = db.execute(_UNUSED).rowcount
        self._forget_log()
        gone.pop("users", None)
        return gone

    # answers

    def rate(self, user: str, picture: str, score: float, prompt: str = "", origin: str = "") -> int:
        """Store a rating from 1 to 5 of a picture (its hash), replacing an earlier one; returns the rating's id."""
        self._own_person(user)
        return self.rate_many(user, [(picture, prompt, score)], origin)[0]

    def rate_many(
        self, user: str, ratings: Iterable[tuple[str, str, float]], origin: str = "", at: Sequence[str] = ()
    ) -> list[int]:
        """Store several ratings (picture, prompt, score) in one transaction; returns their ids.

        Raises UsageError for a score that is not from 1 to 5.
        """
        rows = list(ratings)
        for _, _, score in rows:
            if not 1 <= score <= 5:
                raise UsageError(f"the rating {score:g} is not on the scale from 1 to 5")
        ids = []
        with self.writing() as db:
            self._add_begun(user)
            for i, (picture, prompt, score) in enumerate(rows):
                self._seen(db, picture, prompt, origin)
                db.execute("DELETE FROM ratings WHERE user = ? AND picture = ?", (user, picture))
                inserted = db.execute(
                    "INSERT INTO ratings (user, picture, score, at) VALUES (?, ?, ?, ?)",
                    (user, picture, float(score), at[i] if at else now()),
                )
                ids.append(int(inserted.lastrowid or 0))
        self._begun.pop(user, None)
        return ids

    def choose(self, user: str, better: str, worse: str, prompts: tuple[str, str] = ("", ""), origin: str = "") -> int:
        """Store that a person prefers the picture ``better`` to ``worse`` (their hashes); returns the choice's id."""
        self._own_person(user)
        if better == worse:
            raise UsageError("a choice is between two different pictures")
        with self.writing() as db:
            self._add_begun(user)
            for picture, prompt in zip((better, worse), prompts, strict=True):
                self._seen(db, picture, prompt, origin)
            made = db.execute(
                "INSERT INTO choices (user, better, worse, at) VALUES (?, ?, ?, ?)", (user, better, worse, now())
            )
        self._begun.pop(user, None)
        return int(made.lastrowid or 0)

    def take_back(self, user: str, kind: str, row: int) -> None:
        """Remove a rating (``kind`` "rating") or a choice ("choice") by its id."""
        self._own_person(user)
        table = {"rating": "ratings", "choice": "choices"}[kind]
        with self.writing() as db:
            db.execute(f"DELETE FROM {table} WHERE id = ? AND user = ?", (row, user))
            db.execute(f"DELETE FROM thumbnails WHERE user = ? AND picture NOT IN ({TOLD})", (user,) * 4)

    def told(self, user: str) -> Told:
        """All that a person told, at one moment. Raises UsageError for an unknown person."""
        with self._reading():
            person, ratings, choices = self.user(user), self.ratings(user), self.choices(user)
            prompts = {r.picture: r.prompt for r in ratings}
            rows = self._db.execute(
                """SELECT hash, prompt FROM pictures WHERE hash IN
                   (SELECT better FROM choices WHERE user = ? UNION SELECT worse FROM choices WHERE user = ?)""",
                (user, user),
            )
            prompts |= {r[0]: r[1] for r in rows}
        return Told(person, ratings, choices, prompts)

    def ratings(self, user: str) -> list[Rating]:
        """A person's ratings, oldest first."""
        with self._errors():
            rows = self._db.execute(
                """SELECT r.id, r.picture, p.prompt, r.score, r.at FROM ratings r JOIN pictures p ON p.hash = r.picture
                   WHERE r.user = ? ORDER BY r.id""",
                (user,),
            ).fetchall()
        return [Rating(*r) for r in rows]

    def choices(self, user: str) -> list[Choice]:
        """A person's choices, oldest first."""
        with self._errors():
            rows = self._db.execute("SELECT id, better, worse, at FROM choices WHERE user = ? ORDER BY id", (user,))
            return [Choice(*r) for r in rows.fetchall()]

    def _own_person(self, user: str) -> User:
        found = self.user(user)
        if found.source:
            raise UsageError(f"'{user}' was imported from {found.source} and is read-only")
        return found

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

    @staticmethod
    def _seen(db: sqlite3.Connection, picture: str, prompt: str, origin: str) -> None:
        db.execute("INSERT OR IGNORE INTO pictures VALUES (?, ?, ?)", (picture, prompt, origin))


def _user(row: sqlite3.Row) -> User:
    demographics = json.loads(row["demographics"])
    return User(
        row["id"],
        demographics,
        row["profile"],
        row["source"],
        row["created"],
        row["ratings"],
        row["choices"],
        bool(row["keep_pictures"]),
        row["thumbnails"],
    )


def now() -> str:
    """The present time, as the store writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")

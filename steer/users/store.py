"""The local store of people: SQLite, one file, nothing leaves the machine."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from reward_models import Lesson
from steer.errors import StorageError, UsageError, unknown
from steer.users.ids import check_id
from steer.users.records import Choice, KeptLesson, Rating, Told, User, store_path
from steer.users.schema import migrate

WAIT_S = 10.0  # for another process that writes


class UserStore:
    """Reads and writes people. Safe for several processes and threads; every answer is on the disk when a call returns.

    Raises StorageError where the file cannot be used and UsageError for unknown or read-only people.
    """

    def __init__(self, path: str | Path | None = None):
        self.path = store_path(path)
        self._own = threading.local()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"the users' store '{self.path}' cannot be made: {error.strerror}") from error
        with self._errors():
            migrate(self._db, str(self.path))

    @property
    def _db(self) -> sqlite3.Connection:
        """This thread's connection."""
        if not hasattr(self._own, "db"):
            db = sqlite3.connect(self.path, timeout=WAIT_S, isolation_level=None)
            db.row_factory = sqlite3.Row
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
                db.execute(f"PRAGMA {pragma}")
            self._own.db = db
        return self._own.db

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise StorageError(f"the users' store '{self.path}' is in use by another process; try again") from error
            raise StorageError(f"the users' store '{self.path}' cannot be used: {error}") from error
        except sqlite3.DatabaseError as error:
            raise StorageError(
                f"the users' store '{self.path}' is damaged ({error}); move it away, then import your exports again"
            ) from error

    @contextmanager
    def together(self) -> Iterator[None]:
        """All that is written within is kept together or not at all."""
        with self.writing():
            yield

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Several questions about one moment."""
        with self._errors():
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("COMMIT")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, or a part of the one that is open."""
        with self._errors():
            if self._db.in_transaction:
                yield self._db
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise

    # people

    def users(self, like: str = "", limit: int = -1) -> list[User]:
        """People in order of their ids, with counts; ``like``: ids that contain it."""
        with self._errors():
            rows = self._db.execute(
                """SELECT *, (SELECT count(*) FROM ratings WHERE user = users.id) AS ratings,
                          (SELECT count(*) FROM choices WHERE user = users.id) AS choices
                   FROM users WHERE instr(lower(id), lower(?)) ORDER BY id LIMIT ?""",
                (like, limit),
            ).fetchall()
        return [_user(r) for r in rows]

    def ids(self) -> list[str]:
        """All ids, in order."""
        with self._errors():
            return [r[0] for r in self._db.execute("SELECT id FROM users ORDER BY id")]

    def get(self, user: str) -> User | None:
        """The person, None where there is none of exactly this id."""
        with self._errors():
            row = self._db.execute(
                """SELECT *, (SELECT count(*) FROM ratings WHERE user = users.id) AS ratings,
                          (SELECT count(*) FROM choices WHERE user = users.id) AS choices FROM users WHERE id = ?""",
                (user,),
            ).fetchone()
        return _user(row) if row and row["id"] == user else None

    def user(self, user: str) -> User:
        """The person. Raises UsageError with the nearest ids."""
        found = self.get(check_id(user))
        if found is None:
            raise unknown("user", user, self.ids())
        return found

    def add(self, user: str, demographics: dict[str, str] | None = None, profile: str = "", source: str = "") -> User:
        """A new person. Raises UsageError where the id is taken, also in other capitals."""
        check_id(user)
        with self.writing() as db:
            taken = db.execute("SELECT id FROM users WHERE id = ?", (user,)).fetchone()
            if taken:
                raise UsageError(f"there is a user '{taken[0]}' already; 'steer user show {taken[0]}' shows them")
            db.execute(
                "INSERT INTO users VALUES (?, ?, ?, ?, ?)",
                (user, json.dumps(demographics or {}, ensure_ascii=False), profile, source, now()),
            )
        return self.user(user)

    def describe(self, user: str, demographics: dict[str, str] | None = None, profile: str | None = None) -> User:
        """Change what a person says of themselves; None leaves it."""
        old = self._own_person(user)
        with self.writing() as db:
            db.execute(
                "UPDATE users SET demographics = ?, profile = ? WHERE id = ?",
                (
                    json.dumps(old.demographics if demographics is None else demographics, ensure_ascii=False),
                    old.profile if profile is None else profile,
                    user,
                ),
            )
        return self.user(user)

    def mark_imported(self, user: str, source: str) -> None:
        """From now on read-only: someone of the data set ``source``."""
        with self.writing() as db:
            db.execute("UPDATE users SET source = ? WHERE id = ?", (source, user))

    def delete(self, user: str) -> dict[str, int]:
        """Remove every trace of a person here; what was removed, counted."""
        self.user(user)
        with self.writing() as db:
            gone = {
                table: db.execute(f"DELETE FROM {table} WHERE user = ?", (user,)).rowcount
                for table in ("ratings", "choices", "vectors", "votes")
            }
            db.execute("DELETE FROM users WHERE id = ?", (user,))
            gone["pictures"] = db.execute(
                """DELETE FROM pictures WHERE hash NOT IN (SELECT picture FROM ratings)
                   AND hash NOT IN (SELECT better FROM choices) AND hash NOT IN (SELECT worse FROM choices)"""
            ).rowcount
        with self._errors():
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # no copy is left in the log beside the store
        return gone

    # ratings

    def rate(self, user: str, picture: str, score: float, prompt: str = "", origin: str = "") -> int:
        """Keep a rating of a picture (its hash), the last one counting; the rating's id."""
        self._own_person(user)
        return self.rate_many(user, [(picture, prompt, score)], origin)[0]

    def rate_many(
        self, user: str, ratings: Iterable[tuple[str, str, float]], origin: str = "", at: Sequence[str] = ()
    ) -> list[int]:
        """Many at once, in one transaction: (picture, prompt, score) each. Raises UsageError for a score not from 1 to
        5.
        """
        rows = list(ratings)
        for _, _, score in rows:
            if not 1 <= score <= 5:
                raise UsageError(f"the rating {score:g} is not on the scale from 1 to 5")
        ids = []
        with self.writing() as db:
            for i, (picture, prompt, score) in enumerate(rows):
                self._seen(db, picture, prompt, origin)
                db.execute("DELETE FROM ratings WHERE user = ? AND picture = ?", (user, picture))
                inserted = db.execute(
                    "INSERT INTO ratings (user, picture, score, at) VALUES (?, ?, ?, ?)",
                    (user, picture, float(score), at[i] if at else now()),
                )
                ids.append(int(inserted.lastrowid or 0))
        return ids

    def choose(self, user: str, better: str, worse: str, prompts: tuple[str, str] = ("", ""), origin: str = "") -> int:
        """Keep that ``better`` was liked better than ``worse``; its id."""
        self._own_person(user)
        if better == worse:
            raise UsageError("a choice is between two different pictures")
        with self.writing() as db:
            for picture, prompt in zip((better, worse), prompts, strict=True):
                self._seen(db, picture, prompt, origin)
            made = db.execute(
                "INSERT INTO choices (user, better, worse, at) VALUES (?, ?, ?, ?)", (user, better, worse, now())
            )
            return int(made.lastrowid or 0)

    def take_back(self, user: str, kind: str, row: int) -> None:
        """Undo a rating (``kind`` "rating") or a choice by its id."""
        self._own_person(user)
        table = {"rating": "ratings", "choice": "choices"}[kind]
        with self.writing() as db:
            db.execute(f"DELETE FROM {table} WHERE id = ? AND user = ?", (row, user))

    def told(self, user: str) -> Told:
        """All that a person told, as of one moment. Raises UsageError for an unknown person."""
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
        """A person's ratings, in order."""
        with self._errors():
            rows = self._db.execute(
                """SELECT r.id, r.picture, p.prompt, r.score, r.at FROM ratings r JOIN pictures p ON p.hash = r.picture
                   WHERE r.user = ? ORDER BY r.id""",
                (user,),
            ).fetchall()
        return [Rating(*r) for r in rows]

    def choices(self, user: str) -> list[Choice]:
        """A person's choices, in order."""
        with self._errors():
            rows = self._db.execute("SELECT id, better, worse, at FROM choices WHERE user = ? ORDER BY id", (user,))
            return [Choice(*r) for r in rows.fetchall()]

    def prompt_of(self, picture: str) -> str:
        """The prompt a picture was drawn for."""
        with self._errors():
            row = self._db.execute("SELECT prompt FROM pictures WHERE hash = ?", (picture,)).fetchone()
        return row[0] if row else ""

    # what reward models need

    def keep_features(self, key: str, kept: Mapping[str, bytes]) -> None:
        """What a teacher (by its ``key``) keeps of pictures in the store, by hash."""
        with self.writing() as db:
            db.executemany(
                "INSERT OR REPLACE INTO features SELECT ?, ?, ? WHERE EXISTS (SELECT 1 FROM pictures WHERE hash = ?)",
                [(h, key, v, h) for h, v in kept.items()],
            )

    def features(self, key: str, pictures: Sequence[str]) -> dict[str, bytes]:
        """What a teacher (by its ``key``) kept, by hash; pictures that it has not seen are left out."""
        found: dict[str, bytes] = {}
        with self._errors():
            for start in range(0, len(pictures), 500):
                part = list(pictures[start : start + 500])
                marks = ",".join("?" * len(part))
                rows = self._db.execute(
                    f"SELECT picture, vector FROM features WHERE encoder = ? AND picture IN ({marks})", (key, *part)
                )
                found |= {r[0]: r[1] for r in rows}
        return found

    def keep_lesson(self, told: Told, reward: str, lesson: Lesson) -> None:
        """Keep what a reward (by its fingerprint) learned of a person from all that they ``told``."""
        rows = [r.id for r in told.ratings] + [-c.id for c in told.choices]
        values = told.user.id, reward, told.digest(), json.dumps(rows), lesson.open, lesson.data
        with self.writing() as db:
            db.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?, ?, ?)", values)

    def lesson(self, user: str, reward: str) -> KeptLesson | None:
        """What a reward (by its fingerprint) learned of a person before."""
        with self._errors():
            row = self._db.execute(
                "SELECT basis, uncertainty, fitted FROM vectors WHERE user = ? AND reward = ?", (user, reward)
            ).fetchone()
        return KeptLesson(row[0], row[1], row[2]) if row else None

    def close(self) -> None:
        """Close this thread's connection."""
        if hasattr(self._own, "db"):
            self._own.db.close()
            del self._own.db

    def _own_person(self, user: str) -> User:
        found = self.user(user)
        if found.source:
            raise UsageError(f"'{user}' was imported from {found.source} and is read-only; add a user of your own")
        return found

    @staticmethod
    def _seen(db: sqlite3.Connection, picture: str, prompt: str, origin: str) -> None:
        db.execute("INSERT OR IGNORE INTO pictures VALUES (?, ?, ?)", (picture, prompt, origin))


def _user(row: sqlite3.Row) -> User:
    return User(
        row["id"],
        json.loads(row["demographics"]),
        row["profile"],
        row["source"],
        row["created"],
        row["ratings"],
        row["choices"],
    )


def now() -> str:
    """The time as it is written down."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")

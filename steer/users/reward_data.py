"""What reward models keep in the user store: features of pictures, and what they learned about people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from reward_models import Lesson
from steer.users.database import Database
from steer.users.records import KeptLesson, Told

AT_ONCE = 500  # pictures per query: SQLite limits the number of parameters


class RewardData(Database):
    """The tables ``features`` and ``vectors`` of the user store."""

    def keep_features(self, key: str, kept: Mapping[str, bytes]) -> None:
        """Keep a teacher's features of pictures. ``key``: the teacher's; ``kept``: features by picture hash.

        Pictures that are not in the store are ignored.
        """
        with self.writing() as db:
            db.executemany(
                "INSERT OR REPLACE INTO features SELECT ?, ?, ? WHERE EXISTS (SELECT 1 FROM pictures WHERE hash = ?)",
                [(h, key, v, h) for h, v in kept.items()],
            )

    def features(self, key: str, pictures: Sequence[str]) -> dict[str, bytes]:
        """A teacher's features by picture hash. ``key``: the teacher's; pictures without features are left out."""
        return self._by_picture("SELECT picture, vector FROM features WHERE encoder = ?", key, pictures)

    def _by_picture(self, query: str, value: str, pictures: Sequence[str]) -> dict[str, bytes]:
        """Bytes by picture hash, of a ``query`` whose one mark is ``value``, for these pictures alone."""
        found: dict[str, bytes] = {}
        with self._errors():
            for start in range(0, len(pictures), AT_ONCE):
                part = list(pictures[start : start + AT_ONCE])
                marks = ",".join("?" * len(part))
                found |= dict(self._db.execute(f"{query} AND picture IN ({marks})", (value, *part)).fetchall())
        return found

    def keep_lesson(self, told: Told, reward: str, lesson: Lesson) -> None:
        """Keep what a reward model learned from all that a person told; ``reward`` is its fingerprint.

        Nothing is kept for a person who is not in the store (yet, or any more).
        """
        user, rows = told.user.id, [r.id for r in told.ratings] + [-c.id for c in told.choices]
        values = user, reward, told.digest(), json.dumps(rows), lesson.open, lesson.data
        with self.writing() as db:
            db.execute(
                """INSERT OR REPLACE INTO vectors SELECT ?, ?, ?, ?, ?, ?
                   WHERE EXISTS (SELECT 1 FROM users WHERE id = ?)""",
                (*values, user),
            )

    def lesson(self, user: str, reward: str) -> KeptLesson | None:
        """What a reward model (by its fingerprint) learned about a person before; None if nothing is kept."""
        with self._errors():
            row = self._db.execute(
                "SELECT basis, uncertainty, fitted FROM vectors WHERE user = ? AND reward = ?", (user, reward)
            ).fetchone()
        return KeptLesson(row[0], row[1], row[2]) if row else None

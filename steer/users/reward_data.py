"""What reward models keep in the user store: features of pictures, and what they learned about people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from reward_models import Lesson
from steer.users.database import Database
from steer.users.records import KeptLesson, Told

AT_ONCE = 500  # pictures per query: SQLite limits the number of parameters

# the pictures that a person said something about; three times their id
TOLD = """SELECT picture FROM ratings WHERE user = ? UNION SELECT better FROM choices WHERE user = ?
          UNION SELECT worse FROM choices WHERE user = ?"""


class RewardData(Database):
    """The tables ``features``, ``own_features`` and ``vectors`` of the user store.

    Features are everybody's only where the teacher measured them here, on the picture of that hash. Others, out of a
    file or of a small copy, cannot be checked: they are the person's own, and nobody else's taste is learned from them.
    """

    def keep_features(self, key: str, kept: Mapping[str, bytes]) -> None:
        """Keep a teacher's features of pictures, measured just now. ``key``: the teacher's; ``kept``: by picture hash.

        Pictures that are not in the store are ignored.
        """
        with self.writing() as db:
            db.executemany(
                "INSERT OR REPLACE INTO features SELECT ?, ?, ? WHERE EXISTS (SELECT 1 FROM pictures WHERE hash = ?)",
                [(h, key, v, h) for h, v in kept.items()],
            )

    def keep_own_features(self, user: str, key: str, kept: Mapping[str, bytes]) -> None:
        """Keep features for one person alone; of pictures that they told nothing about, nothing is kept."""
        with self.writing() as db:
            db.executemany(
                f"""INSERT OR REPLACE INTO own_features SELECT id, ?, ?, ? FROM users
                    WHERE id = ? AND ? IN ({TOLD})""",
                [(h, key, v, user, h, user, user, user) for h, v in kept.items()],
            )

    def features(self, key: str, pictures: Sequence[str]) -> dict[str, bytes]:
        """The features that a teacher measured here, by picture hash. ``key``: the teacher's; pictures without are left
        out.
        """
        return self._by_picture("SELECT picture, vector FROM features WHERE encoder = ?", (key,), pictures)

    def own_features(self, user: str, key: str, pictures: Sequence[str]) -> dict[str, bytes]:
        """A person's own features by picture hash, unchecked; pictures without are left out."""
        query = "SELECT picture, vector FROM own_features WHERE user = ? AND encoder = ?"
        return self._by_picture(query, (user, key), pictures)

    def _by_picture(self, query: str, values: tuple[str, ...], pictures: Sequence[str]) -> dict[str, bytes]:
        """Bytes by picture hash, of a ``query`` whose marks are ``values``, for these pictures alone."""
        found: dict[str, bytes] = {}
        with self._errors():
            for start in range(0, len(pictures), AT_ONCE):
                part = list(pictures[start : start + AT_ONCE])
                marks = ",".join("?" * len(part))
                found |= dict(self._db.execute(f"{query} AND picture IN ({marks})", (*values, *part)).fetchall())
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

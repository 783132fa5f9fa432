"""What people said about pictures: ratings, and choices between two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from steer.errors import UsageError
from steer.users.limits import check_text
from steer.users.people import People
from steer.users.records import Choice, Rating, Told, now
from steer.users.reward_data import TOLD


class Answers(People):
    """The tables ``ratings`` and ``choices`` of the store."""

    def rate(self, user: str, picture: str, score: float, prompt: str = "", origin: str = "") -> int:
        """Store a rating from 1 to 5 of a picture (its hash); returns the rating's id. An earlier one of it counts no
        more and is kept for :meth:`retests`.
        """
        self._own_person(user)
        return self.rate_many(user, [(picture, prompt, score)], origin)[0]

    def rate_many(
        self, user: str, ratings: Iterable[tuple[str, str, float]], origin: str = "", at: Sequence[str] = ()
    ) -> list[int]:
        """Store several ratings (picture, prompt, score) in one transaction; returns their ids.

        Raises UsageError for a score that is not from 1 to 5, and for a prompt that is no text.
        """
        rows = list(ratings)
        for _, prompt, score in rows:
            check_text(prompt, "a prompt")
            if not 1 <= score <= 5:
                raise UsageError(f"the rating {score:g} is not on the scale from 1 to 5")
        ids = []
        with self.writing() as db:
            self._add_begun(user)
            for i, (picture, prompt, score) in enumerate(rows):
                db.execute("INSERT OR IGNORE INTO pictures VALUES (?)", (picture,))
                old = db.execute(
                    "SELECT prompt FROM ratings WHERE user = ? AND picture = ?", (user, picture)
                ).fetchone()
                db.execute(
                    """INSERT INTO earlier_ratings SELECT user, picture, score, at FROM ratings
                       WHERE user = ? AND picture = ?""",
                    (user, picture),
                )
                db.execute("DELETE FROM ratings WHERE user = ? AND picture = ?", (user, picture))
                inserted = db.execute(
                    "INSERT INTO ratings (user, picture, score, at, prompt, origin) VALUES (?, ?, ?, ?, ?, ?)",
                    (user, picture, float(score), at[i] if at else now(), prompt or (old[0] if old else ""), origin),
                )
                ids.append(int(inserted.lastrowid or 0))
        self._begun.pop(user, None)
        return ids

    def choose(self, user: str, better: str, worse: str, prompts: tuple[str, str] = ("", ""), origin: str = "") -> int:
        """Store that a person prefers the picture ``better`` to ``worse`` (their hashes); returns the choice's id."""
        self._own_person(user)
        if better == worse:
            raise UsageError("a choice is between two different pictures")
        for prompt in prompts:
            check_text(prompt, "a prompt")
        with self.writing() as db:
            self._add_begun(user)
            db.executemany("INSERT OR IGNORE INTO pictures VALUES (?)", [(better,), (worse,)])
            made = db.execute(
                """INSERT INTO choices (user, better, worse, at, better_prompt, worse_prompt, origin)
                   VALUES (?, ?, ?, ?, ?, ?, ?)""",
                (user, better, worse, now(), *prompts, origin),
            )
        self._begun.pop(user, None)
        return int(made.lastrowid or 0)

    def take_back(self, user: str, kind: str, row: int) -> None:
        """Remove a rating (``kind`` "rating") or a choice ("choice") by its id."""
        self._own_person(user)
        table = {"rating": "ratings", "choice": "choices"}[kind]
        with self.writing() as db:
            db.execute(f"DELETE FROM {table} WHERE id = ? AND user = ?", (row, user))
            for kept in ("thumbnails", "own_features", "earlier_ratings"):
                db.execute(f"DELETE FROM {kept} WHERE user = ? AND picture NOT IN ({TOLD})", (user,) * 4)

    def told(self, user: str) -> Told:
        """All that a person told, at one moment. Raises UsageError for an unknown person."""
        with self._reading():
            person, ratings, choices = self.user(user), self.ratings(user), self.choices(user)
            rows = self._db.execute(
                """SELECT better, better_prompt FROM choices WHERE user = ?
                   UNION ALL SELECT worse, worse_prompt FROM choices WHERE user = ?""",
                (user, user),
            ).fetchall()
        prompts = dict.fromkeys((r[0] for r in rows), "") | {r[0]: r[1] for r in reversed(rows) if r[1]}
        prompts |= {r.picture: r.prompt for r in ratings if r.prompt or r.picture not in prompts}
        return Told(person, ratings, choices, prompts)

    def ratings(self, user: str) -> list[Rating]:
        """A person's ratings, oldest first."""
        with self._errors():
            rows = self._db.execute(
                "SELECT id, picture, prompt, score, at FROM ratings WHERE user = ? ORDER BY id", (user,)
            ).fetchall()
        return [Rating(*r) for r in rows]

    def retests(self, user: str) -> list[tuple[str, float, float]]:
        """Pictures that a person rated more than once: hash, first score, present score."""
        with self._errors():
            rows = self._db.execute(
                """SELECT r.picture, (SELECT e.score FROM earlier_ratings e WHERE e.user = r.user
                   AND e.picture = r.picture ORDER BY e.rowid LIMIT 1), r.score
                   FROM ratings r WHERE r.user = ? ORDER BY r.id""",
                (user,),
            ).fetchall()
        return [(str(p), float(first), float(now)) for p, first, now in rows if first is not None]

    def choices(self, user: str) -> list[Choice]:
        """A person's choices, oldest first."""
        with self._errors():
            rows = self._db.execute("SELECT id, better, worse, at FROM choices WHERE user = ? ORDER BY id", (user,))
            return [Choice(*r) for r in rows.fetchall()]

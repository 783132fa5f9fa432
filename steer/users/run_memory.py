"""What earlier runs of a person drew, kept as evidence: the texts, and what a reward can judge of their pictures anew.

No score is kept: how much a picture was liked depends on what is known of the person, which may be more by now.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from steer.users.answers import Answers
from steer.users.records import now

MOST_RUNS = 20  # of a person that are kept, the newest


@dataclass(frozen=True)
class DrawnBefore:
    """A picture of an earlier run. ``run``: which one; ``prompt``: as it was typed; ``text`` and ``changes``: of the
    rewrite; ``encoder``: key of the teacher that ``kept`` it.
    """

    run: str
    prompt: str
    text: str
    changes: dict[str, str]
    encoder: str
    kept: bytes
    at: str = ""


class RunMemory(Answers):
    """The table ``run_pictures`` of the store. Each row belongs to one person, and goes with them."""

    def keep_run(self, user: str, pictures: Sequence[DrawnBefore]) -> None:
        """Keep the pictures of a run in place of what was kept of it before; the oldest runs of the person are
        forgotten. Raises UsageError for an unknown person, and for one who is read-only.
        """
        self._own_person(user)
        with self.writing() as db:
            db.executemany(
                "DELETE FROM run_pictures WHERE user = ? AND run = ?", {(user, each.run) for each in pictures}
            )
            self._put_runs(user, pictures)
            db.execute(
                """DELETE FROM run_pictures WHERE user = ? AND run NOT IN (SELECT run FROM run_pictures WHERE user = ?
                   GROUP BY run ORDER BY max(id) DESC LIMIT ?)""",
                (user, user, MOST_RUNS),
            )

    def _put_runs(self, user: str, pictures: Sequence[DrawnBefore]) -> None:
        with self.writing() as db:
            db.executemany(
                """INSERT INTO run_pictures (user, run, prompt, text, changes, encoder, kept, at)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
                [
                    (user, p.run, p.prompt, p.text, json.dumps(p.changes), p.encoder, p.kept, p.at or now())
                    for p in pictures
                ],
            )

    def drawn_before(self, user: str, encoder: str | None = None) -> list[DrawnBefore]:
        """The pictures of a person's earlier runs, the oldest first; ``encoder``: only those that this teacher kept.
        Raises StorageError for a row that somebody else wrote over.
        """
        with self._errors():
            rows = self._db.execute(
                """SELECT run, prompt, text, changes, encoder, kept, at FROM run_pictures
                   WHERE user = ? AND (? IS NULL OR encoder = ?) ORDER BY id""",
                (user, encoder, encoder),
            ).fetchall()
        return [DrawnBefore(r[0], r[1], r[2], self._phrases(user, r[3]), r[4], r[5], r[6]) for r in rows]

    def _phrases(self, user: str, text: str) -> dict[str, str]:
        try:
            found = json.loads(text)
            return {str(kind): str(phrase) for kind, phrase in found.items()}
        except (ValueError, AttributeError, RecursionError) as error:
            raise self.damaged(f"what a run of '{user}' drew cannot be read") from error

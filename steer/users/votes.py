"""Votes of real people in studies, kept in the user store and never learned from."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from steer.users.records import now
from steer.users.store import UserStore


@dataclass(frozen=True)
class Vote:
    """``user`` preferred condition ``better`` to ``worse`` for a prompt (its number in the study) and a seed; ``first``
    was shown on the left.
    """

    user: str
    prompt: int
    seed: int
    better: str
    worse: str
    first: str


class VoteBook:
    """The votes of one study."""

    def __init__(self, store: UserStore, study: str):
        self.store, self.study = store, study

    def add(self, vote: Vote) -> int:
        """Store a vote; returns its id."""
        with self.store.writing() as db:
            made = db.execute(
                """INSERT INTO votes (study, user, prompt, seed, better, worse, first, at)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
                (self.study, *astuple(vote), now()),
            )
            return int(made.lastrowid or 0)

    def take_back(self, row: int) -> None:
        """Remove a vote by its id."""
        with self.store.writing() as db:
            db.execute("DELETE FROM votes WHERE id = ? AND study = ?", (row, self.study))

    def all(self) -> list[Vote]:
        """All votes, oldest first."""
        with self.store.writing() as db:
            rows = db.execute(
                "SELECT user, prompt, seed, better, worse, first FROM votes WHERE study = ? ORDER BY id", (self.study,)
            ).fetchall()
        return [Vote(*row) for row in rows]

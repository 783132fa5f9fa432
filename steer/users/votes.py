"""Choices of real people in studies, in the users' store: evidence, never learnt from."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from steer.users.store import UserStore, now


@dataclass(frozen=True)
class Vote:
    """``user`` chose condition ``better`` over ``worse`` for a prompt (its number) and seed; ``first`` was on the
    left.
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
        """Keep a vote; its id."""
        with self.store.writing() as db:
            made = db.execute(
                """INSERT INTO votes (study, user, prompt, seed, better, worse, first, at)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
                (self.study, *astuple(vote), now()),
            )
            return int(made.lastrowid or 0)

    def take_back(self, row: int) -> None:
        """Undo a vote by its id."""
        with self.store.writing() as db:
            db.execute("DELETE FROM votes WHERE id = ? AND study = ?", (row, self.study))

    def all(self) -> list[Vote]:
        """In the order they were given."""
        with self.store.writing() as db:
            rows = db.execute(
                "SELECT user, prompt, seed, better, worse, first FROM votes WHERE study = ? ORDER BY id", (self.study,)
            ).fetchall()
        return [Vote(*row) for row in rows]

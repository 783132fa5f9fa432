"""The local store of people: one SQLite file; nothing leaves the machine."""

from __future__ import annotations

from collections.abc import Sequence

from steer.errors import UsageError
from steer.users.database import StillRead
from steer.users.ids import check_id
from steer.users.records import User
from steer.users.run_memory import RunMemory
from steer.users.schema import TAUGHT

_UNUSED = """DELETE FROM pictures WHERE hash NOT IN (SELECT picture FROM ratings)
             AND hash NOT IN (SELECT better FROM choices) AND hash NOT IN (SELECT worse FROM choices)"""


class UserStore(RunMemory):
    """People with their ratings and choices. Safe for several processes and threads.

    A write is on disk when the call returns. Raises StorageError when the file cannot be used, UsageError for unknown
    people and for changes to read-only ones. What removes something raises StillRead where a copy of it stays for now.
    """

    def votes_of(self, user: str) -> int:
        """Number of votes in studies under this id."""
        with self._errors():
            return int(self._db.execute("SELECT count(*) FROM votes WHERE user = ?", (user,)).fetchone()[0])

    def deletable(self, user: str) -> User:
        """The person with this id, including one with nothing but votes in the store.

        Raises UsageError if there is nothing to delete.
        """
        if user not in self.ids():
            return User(check_id(user)) if self.votes_of(user) else self.user(user)
        with self._errors():  # of one who is damaged too
            counts = [
                int(self._db.execute(f"SELECT count(*) FROM {table} WHERE user = ?", (user,)).fetchone()[0])
                for table in ("ratings", "choices")
            ]
        return User(user, ratings=counts[0], choices=counts[1])

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
        return self._remove([user], TAUGHT)

    def _delete(self, users: Sequence[str]) -> dict[str, int]:
        return self._remove(users, (*TAUGHT, "votes", "users"))

    def _remove(self, users: Sequence[str], tables: Sequence[str]) -> dict[str, int]:
        """Rows of these people in these tables, and pictures that nobody refers to any more."""
        gone = dict.fromkeys(tables, 0)
        with self.writing() as db:
            for table in tables:
                column = "id" if table == "users" else "user"
                gone[table] = db.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(u,) for u in users]).rowcount
            gone["pictures"] = db.execute(_UNUSED).rowcount
        for uncounted in ("users", "own_features", "earlier_ratings", "run_pictures"):
            gone.pop(uncounted, None)
        try:
            self._forget_log()
        except StillRead as late:
            late.gone = gone
            raise
        return gone

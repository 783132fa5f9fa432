"""The SQLite file of the user store: one connection per thread, transactions, and faults as one line."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from steer.errors import StorageError
from steer.store.private import private_folder, private_opener, tighten
from steer.users.records import default_path, store_path
from steer.users.schema import migrate

WAIT_S = 10.0  # for another process that writes
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class StillRead(StorageError):
    """What was deleted is gone from the store, but not from its log, which another process reads. ``gone``: the number
    of rows deleted, by kind.
    """

    def __init__(self, message: str):
        super().__init__(message)
        self.gone: dict[str, int] = {}


class Database:
    """One SQLite file in WAL mode. Safe for several processes and threads; a write is on disk when the call returns.

    Raises StorageError when the file cannot be used.
    """

    def __init__(self, path: str | Path | None = None):
        self.path = store_path(path)
        self._own = threading.local()
        self._make_private()
        with self._errors():
            migrate(self._db, str(self.path))
            self._finish_forgetting()

    @contextmanager
    def together(self) -> Iterator[None]:
        """A transaction: all writes inside are kept, or none."""
        with self.writing():
            yield

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction to write in, or the one already open."""
        with self._errors():
            if self._db.in_transaction:
                yield self._db
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk has ended it already
                    self._db.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close this thread's connection."""
        if hasattr(self._own, "db"):
            self._own.db.close()
            del self._own.db

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
    def _reading(self) -> Iterator[None]:
        """Several reads that see the same moment."""
        with self._errors():
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("COMMIT")

    def _make_private(self) -> None:
        """Make the file, for its owner alone; one that is there becomes so, with its log and the default folder."""
        try:
            private_folder(self.path.parent)
            if self.path.exists() and not self.path.is_file():
                raise StorageError(f"the user store '{self.path}' is not a file")
            open(self.path, "ab", opener=private_opener).close()  # SQLite gives its log the same rights
        except PermissionError:
            pass  # a store of somebody else, who may let others read it; SQLite says what it cannot do
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise StorageError(f"cannot create the user store '{self.path}': {why}") from error
        for end in ("-wal", "-shm"):
            tighten(self.path.with_name(self.path.name + end))
        if self.path == default_path():
            tighten(self.path.parent)

    def _forget_log(self) -> None:
        """Empty the write-ahead log, so that it keeps no copy of what was deleted.

        Raises StillRead where it cannot be emptied; the next process that opens the store tries again.
        """
        with self._errors():
            (busy, *_) = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise StillRead(
                f"the change is made, but another process is reading the user store: '{self.path}-wal' keeps a copy of "
                "what was there before until that process ends and steer is used again"
            )

    def _finish_forgetting(self) -> None:
        """Empty a log that an earlier process left behind, unless somebody still reads it."""
        log = self.path.with_name(self.path.name + "-wal")
        if not log.exists() or not log.stat().st_size:
            return
        self._db.execute("PRAGMA busy_timeout = 0")
        try:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
        finally:
            self._db.execute(f"PRAGMA busy_timeout = {int(WAIT_S * 1000)}")

    def damaged(self, what: str) -> StorageError:
        """The fault for content that cannot be read. ``what``: in words."""
        return StorageError(
            f"the user store '{self.path}' is damaged ({what}); keep a copy of the file, then restore an older one, or "
            "move it away and import your exports again"
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._fault(error) from error

    def _fault(self, error: sqlite3.Error) -> StorageError:
        """A fault of SQLite in one line."""
        said = str(error)
        if said.startswith("Could not decode to UTF-8"):
            return self.damaged("a text in it is not UTF-8")
        if "locked" in said or "busy" in said:
            return StorageError(f"the user store '{self.path}' is in use by another process; try again")
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            return StorageError(f"no room left on the disk for the user store '{self.path}'; free some, then try again")
        if code in DAMAGED:
            return self.damaged(said)
        return StorageError(f"cannot use the user store '{self.path}': {said}")

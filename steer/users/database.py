"""The SQLite file of the user store: one connection per thread, transactions, and faults as one line."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from steer.errors import StorageError
from steer.users.records import store_path
from steer.users.schema import migrate

log = logging.getLogger(__name__)

WAIT_S = 10.0  # for another process that writes


class Database:
    """One SQLite file in WAL mode. Safe for several processes and threads; a write is on disk when the call returns.

    Raises StorageError when the file cannot be used.
    """

    def __init__(self, path: str | Path | None = None):
        self.path = store_path(path)
        self._own = threading.local()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot create the user store '{self.path}': {error.strerror}") from error
        with self._errors():
            migrate(self._db, str(self.path))

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

    def _forget_log(self) -> None:
        """Empty the write-ahead log, so that it keeps no copy of what was deleted."""
        with self._errors():
            (busy, *_) = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            log.warning(
                "another process is using the user store; '%s-wal' may hold a copy of the deleted data until it ends",
                self.path,
            )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise StorageError(f"the user store '{self.path}' is in use by another process; try again") from error
            raise StorageError(f"cannot use the user store '{self.path}': {error}") from error
        except sqlite3.DatabaseError as error:
            raise StorageError(
                f"the user store '{self.path}' is damaged ({error}); move it away, then import your exports again"
            ) from error

"""The tables of the user store, and the migrations of older stores."""

from __future__ import annotations

import sqlite3

from steer.errors import StorageError

# What a person told, and what was kept or learned of it: each has a column ``user``. Votes of studies are apart.
TAUGHT = ("ratings", "choices", "vectors", "thumbnails", "own_features", "earlier_ratings", "run_pictures")

# One entry per version, never changed once released. The user_version of a store is the number of entries applied.
MIGRATIONS: list[str] = [
    """
    CREATE TABLE users (
        id TEXT PRIMARY KEY COLLATE NOCASE,
        demographics TEXT NOT NULL DEFAULT '{}',  -- JSON
        profile TEXT NOT NULL DEFAULT '',
        source TEXT NOT NULL DEFAULT '',          -- the data set that people were imported from, who are read-only
        created TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE pictures (
        hash TEXT PRIMARY KEY,                    -- SHA-256 of size and RGB pixels
        prompt TEXT NOT NULL DEFAULT '',
        origin TEXT NOT NULL DEFAULT ''           -- where it was shown from
    ) WITHOUT ROWID;
    CREATE TABLE ratings (
        id INTEGER PRIMARY KEY,
        user TEXT NOT NULL COLLATE NOCASE REFERENCES users ON DELETE CASCADE,
        picture TEXT NOT NULL REFERENCES pictures,
        score REAL NOT NULL CHECK (score BETWEEN 1 AND 5),
        at TEXT NOT NULL,
        UNIQUE (user, picture)
    );
    CREATE TABLE choices (
        id INTEGER PRIMARY KEY,
        user TEXT NOT NULL COLLATE NOCASE REFERENCES users ON DELETE CASCADE,
        better TEXT NOT NULL REFERENCES pictures,
        worse TEXT NOT NULL REFERENCES pictures,
        at TEXT NOT NULL,
        CHECK (better <> worse)
    );
    CREATE INDEX choices_of_user ON choices (user);
    CREATE INDEX ratings_of_picture ON ratings (picture);
    CREATE TABLE features (                       -- of pictures, so that a vector can be found again without them
        picture TEXT NOT NULL REFERENCES pictures ON DELETE CASCADE,
        encoder TEXT NOT NULL,
        vector BLOB NOT NULL,                     -- fp16
        PRIMARY KEY (picture, encoder)
    ) WITHOUT ROWID;
    CREATE TABLE vectors (
        user TEXT NOT NULL COLLATE NOCASE REFERENCES users ON DELETE CASCADE,
        reward TEXT NOT NULL,                     -- the reward model's fingerprint
        basis TEXT NOT NULL,                      -- digest of what it was found from
        ratings TEXT NOT NULL,                    -- JSON: ids of ratings and choices
        uncertainty REAL NOT NULL,                -- share of the prior's variance that is left open
        fitted BLOB NOT NULL,                     -- safetensors
        PRIMARY KEY (user, reward)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE votes (                          -- choices in a study, never learnt from
        id INTEGER PRIMARY KEY,
        user TEXT NOT NULL COLLATE NOCASE,        -- may be a person of the data set, who is not in users
        study TEXT NOT NULL,                      -- its name and a digest of its plan
        prompt INTEGER NOT NULL,                  -- the number of the prompt in the plan
        seed INTEGER NOT NULL,
        better TEXT NOT NULL,                     -- conditions
        worse TEXT NOT NULL,
        first TEXT NOT NULL,                      -- the one shown on the left
        at TEXT NOT NULL
    );
    CREATE INDEX votes_of_study ON votes (study, user);
    """,
    """
    ALTER TABLE users ADD COLUMN keep_pictures INTEGER NOT NULL DEFAULT 0;  -- whether thumbnails may be kept
    CREATE TABLE thumbnails (                     -- of pictures that a person said something about
        user TEXT NOT NULL COLLATE NOCASE REFERENCES users ON DELETE CASCADE,
        picture TEXT NOT NULL REFERENCES pictures ON DELETE CASCADE,
        data BLOB NOT NULL,                       -- JPEG, longest side 256 pixels
        PRIMARY KEY (user, picture)
    )
    """,
    # fingerprints no longer depend on what transformers calls the weights: those of the encoders that ship
    """
    UPDATE OR REPLACE features SET encoder = 'b6bf1083c802b29b' WHERE encoder = '01069d4b48151016';
    UPDATE OR REPLACE features SET encoder = 'f3487d346618af4b' WHERE encoder = 'fdd5e278a6d30f0c'
    """,
    # A picture has nothing but its hash: what somebody called it, and what a file says of it, is theirs alone. Nobody
    # knows which of the older features came out of a file, so everybody who rated a picture gets a copy of their own.
    """
    ALTER TABLE ratings ADD COLUMN prompt TEXT NOT NULL DEFAULT '';
    ALTER TABLE ratings ADD COLUMN origin TEXT NOT NULL DEFAULT '';  -- where it was shown from
    ALTER TABLE choices ADD COLUMN better_prompt TEXT NOT NULL DEFAULT '';
    ALTER TABLE choices ADD COLUMN worse_prompt TEXT NOT NULL DEFAULT '';
    ALTER TABLE choices ADD COLUMN origin TEXT NOT NULL DEFAULT '';
    UPDATE ratings SET (prompt, origin) = (SELECT prompt, origin FROM pictures WHERE hash = picture);
    UPDATE choices SET better_prompt = (SELECT prompt FROM pictures WHERE hash = better),
                       worse_prompt = (SELECT prompt FROM pictures WHERE hash = worse),
                       origin = (SELECT origin FROM pictures WHERE hash = better);
    CREATE TABLE own_features (                   -- not measured here from the picture: nobody else's fit reads them
        user TEXT NOT NULL COLLATE NOCASE REFERENCES users ON DELETE CASCADE,
        picture TEXT NOT NULL REFERENCES pictures ON DELETE CASCADE,
        encoder TEXT NOT NULL,
        vector BLOB NOT NULL,
        PRIMARY KEY (user, encoder, picture)
    ) WITHOUT ROWID;
    INSERT INTO own_features SELECT told.user, picture, encoder, vector FROM features JOIN (
        SELECT user, picture FROM ratings UNION SELECT user, better FROM choices UNION SELECT user, worse FROM choices
    ) AS told USING (picture);
    DELETE FROM features;
    CREATE TABLE only_hashes (hash TEXT PRIMARY KEY) WITHOUT ROWID;
    INSERT INTO only_hashes SELECT hash FROM pictures;
    DROP TABLE pictures;
    ALTER TABLE only_hashes RENAME TO pictures;
    CREATE INDEX own_features_of_picture ON own_features (picture)
    """,
    """
    ALTER TABLE users ADD COLUMN shares TEXT NOT NULL DEFAULT '';  -- may be in data sets: '', 'ratings' or 'about' too
    CREATE TABLE earlier_ratings (                -- of pictures that were rated again: how steady a person is
        user TEXT NOT NULL COLLATE NOCASE REFERENCES users ON DELETE CASCADE,
        picture TEXT NOT NULL REFERENCES pictures ON DELETE CASCADE,
        score REAL NOT NULL,
        at TEXT NOT NULL
    );
    CREATE INDEX earlier_ratings_of_user ON earlier_ratings (user, picture)
    """,
    """
    CREATE TABLE run_pictures (                   -- what runs drew for a person, for the next ones, without scores
        id INTEGER PRIMARY KEY,
        user TEXT NOT NULL COLLATE NOCASE REFERENCES users ON DELETE CASCADE,
        run TEXT NOT NULL,                        -- name of its folder, and when it began
        prompt TEXT NOT NULL,                     -- as it was typed
        text TEXT NOT NULL,
        changes TEXT NOT NULL,                    -- JSON: phrases by kind
        encoder TEXT NOT NULL,
        kept BLOB NOT NULL,                       -- what the teacher of that key keeps of the picture
        at TEXT NOT NULL
    );
    CREATE INDEX run_pictures_of_user ON run_pictures (user, run)
    """,
]
# the same for features in exports that were written before
RENAMED_ENCODERS = {"01069d4b48151016": "b6bf1083c802b29b", "fdd5e278a6d30f0c": "f3487d346618af4b"}


def migrate(db: sqlite3.Connection, where: str) -> None:
    """Bring a store to the present version, one transaction per version.

    Raises StorageError for a store written by a newer steer.
    """
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise StorageError(f"the user store '{where}' was written by a newer steer (version {version}); update steer")
    if version == len(MIGRATIONS):
        return
    db.execute("PRAGMA foreign_keys = OFF")  # a table that is replaced would take with it what refers to it
    try:
        while version < len(MIGRATIONS):
            version = _step(db)
    finally:
        db.execute("PRAGMA foreign_keys = ON")


def _step(db: sqlite3.Connection) -> int:
    """Bring a store to the next version, whole or not at all; returns its version."""
    db.execute("BEGIN IMMEDIATE")
    try:
        version: int = db.execute("PRAGMA user_version").fetchone()[0]  # another process may have been faster
        if version < len(MIGRATIONS):
            for statement in MIGRATIONS[version].split(";"):
                db.execute(statement)
            version += 1
            db.execute(f"PRAGMA user_version = {version}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk has ended it already
            db.execute("ROLLBACK")
        raise
    return version

"""The store as a data set that a reward trains on: only people who agreed, under other names, and what they agreed to.

Thumbnails are those that a person asked to keep; the picture of a rating without one is known by its hash alone.
"""

from __future__ import annotations

import csv
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from steer.errors import UsageError
from steer.store.files import storage_error
from steer.store.names import check_new
from steer.store.private import private_folder
from steer.users.store import UserStore

Pictures = Literal["thumbnails", "hashes"]
FILE, FOLDER = "ratings.csv", "images"


@dataclass(frozen=True)
class Written:
    """How many ``people``, ``ratings`` and ``pictures`` are in a data set; ``left_out``: ratings whose picture nobody
    kept; ``silent``: people of the store who did not agree.
    """

    file: Path
    people: int
    ratings: int
    pictures: int
    left_out: int
    silent: int


def write_data_set(store: UserStore, out: Path, pictures: Pictures = "thumbnails") -> Written:
    """Write ``ratings.csv``, and with thumbnails ``images/``, into a new folder; the csv is a data set for
    ``steer reward train``.

    People are p1, p2, ... in a random order. Demographics and profile are only of who agreed to that too; those who
    were imported belong to another data set and are left out. Raises UsageError where nobody agreed, or nothing is
    left.
    """
    everyone = [u for u in store.users() if not u.source]
    agreed = [u for u in everyone if u.shares]
    if not agreed:
        raise UsageError(
            "nobody in the store has agreed to be part of a data set; each person is asked by: steer user share NAME"
        )
    secrets.SystemRandom().shuffle(agreed)
    rows: list[dict[str, Any]] = []
    small: dict[str, bytes] = {}
    left_out = 0
    for number, user in enumerate(agreed, 1):
        told = store.told(user.id)
        own = store.thumbnails(user.id, [r.picture for r in told.ratings]) if pictures == "thumbnails" else {}
        about = {f"demographics.{k}": v for k, v in user.demographics.items()} if user.shares == "about" else {}
        words = {"profile.words": user.profile} if user.shares == "about" and user.profile else {}
        for rating in told.ratings:
            if pictures == "thumbnails" and rating.picture not in own:
                left_out += 1
                continue
            name = f"{FOLDER}/{rating.picture}.jpg"
            rows.append(
                {
                    "picture": name,
                    "score": rating.score,
                    "prompt": rating.prompt,
                    "person": f"p{number}",
                    **about,
                    **words,
                }
            )
        small |= own
    if not rows:
        raise UsageError(
            f"the people who agreed have {left_out} ratings, and no small copy of a picture was kept; from now on: "
            "steer user set NAME --keep-pictures; or write --pictures hashes"
        )
    check_new(out, (FILE, FOLDER))
    columns = list(dict.fromkeys(key for row in rows for key in row))
    try:
        private_folder(out / FOLDER if small else out)
        for key, data in small.items():
            (out / FOLDER / f"{key}.jpg").write_bytes(data)
        with (out / FILE).open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, columns)
            table.writeheader()
            table.writerows(rows)
    except OSError as error:
        raise storage_error(out, error) from error
    return Written(
        out / FILE,
        len({row["person"] for row in rows}),
        len(rows),
        len({row["picture"] for row in rows}),
        left_out,
        len(everyone) - len(agreed),
    )

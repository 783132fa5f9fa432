"""FLICKR-AES (Ren et al., ICCV 2017) as it is published: every worker's score of every picture, 1 to 5.

``FLICKR-AES_image_labeled_by_each_worker.csv`` with the columns worker, imagePair and score, and the pictures in
``40K/``. Papers test on 37 workers of their own choice, whom no published file names: put their ids into
``FLICKR-AES_test_workers.txt``, one a line, else people and pictures are split by hash. Not shipped; we have read files
of this layout that we wrote, not the data set.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from reward_models.doors import Unreadable, read_text
from reward_models.ratings.files import read_csv, relative_path
from reward_models.ratings.table import DataError, Duplicates, Ratings, cleaned, split_by_hash, tidy

FILE = "FLICKR-AES_image_labeled_by_each_worker.csv"
TEST = "FLICKR-AES_test_workers.txt"
PICTURES = "40K"


def load_flickr_aes(root: Path, need_pictures: bool = True, duplicates: Duplicates = "average") -> Ratings:
    """All ratings; no prompts, and nothing is known of the workers. Raises DataError."""
    rows = read_csv(root / FILE, ("worker", "imagePair", "score"))
    table = pd.DataFrame(
        {
            "person": tidy(rows["worker"]),
            "picture": [
                relative_path(f"{PICTURES}/{name.strip()}", root) if isinstance(name, str) and name.strip() else None
                for name in rows["imagePair"]
            ],
            "score": rows["score"],
            "prompt": pd.Series(pd.NA, index=rows.index, dtype="string"),
        }
    )
    test = _test_workers(root / TEST)
    table["split"] = split_by_hash(table) if test is None else _split_by_people(table, test)
    return cleaned(Ratings("flickr-aes", root, table), (1, 5), need_pictures, duplicates)


def _split_by_people(table: pd.DataFrame, test: set[str]) -> pd.Series:
    """Ratings of test workers are of unseen people; pictures that they rated are in no training."""
    people = table["person"].astype(str)
    if unknown := sorted(test - set(people)):
        raise DataError(f"'{TEST}': there is no worker '{unknown[0]}' in '{FILE}'")
    unseen = people.isin(test)
    tested = table["picture"].isin(set(table["picture"][unseen]))
    split = pd.Series("train", index=table.index)
    split[tested] = "test_seen"
    split[unseen] = "test_unseen"
    return split


def _test_workers(path: Path) -> set[str] | None:
    try:
        return {line.strip() for line in read_text(path).splitlines() if line.strip()}
    except FileNotFoundError:
        return None
    except (OSError, Unreadable, ValueError) as error:
        raise DataError(f"'{path}' cannot be read: {error}") from error

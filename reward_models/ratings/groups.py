"""Pictures that are nearly the same, which are held out of a training together."""

from __future__ import annotations

from dataclasses import replace

from reward_models.ratings.table import DataError, Ratings

COLUMN = "picture_group"


def with_groups(ratings: Ratings, rule: str | None) -> Ratings:
    """Ratings with the column ``picture_group``, by ``rule``: a column's name, or ``name:N`` for the first N characters
    of the pictures' file names. None: as they are.

    Raises DataError for a column that is not there.
    """
    if rule is None:
        return ratings
    kind, _, length = rule.partition(":")
    if kind == "name" and length.isdecimal() and int(length):
        names = ratings.table["picture"].astype(str).str.rsplit("/", n=1).str[-1]
        return replace(ratings, table=ratings.table.assign(**{COLUMN: names.str[: int(length)]}))
    if rule not in ratings.table:
        columns = ", ".join(c for c in ratings.table if c not in ("person", "score", "split"))
        raise DataError(f"picture_group is no column of {ratings.name}: '{rule}'; it has {columns}, or write name:N")
    return replace(ratings, table=ratings.table.assign(**{COLUMN: ratings.table[rule].astype("string")}))

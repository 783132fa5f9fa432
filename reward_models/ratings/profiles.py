"""What data sets know of people beside demographics: questionnaires, and taste in their own words.

PAMELA's tables hold none of it; a reward that reads cards does.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from reward_models.base import Person
from reward_models.doors import read_object
from reward_models.ratings.table import DataError, Profile, Ratings, tidy

FILE = "profiles.json"  # beside the annotations of any data set: from a person's id to their fields, "words" among them
WORDS = "words"
BIG_FIVE = {"E": "extraversion", "A": "agreeableness", "N": "neuroticism", "O": "openness", "C": "conscientiousness"}
PARA_PROFILE = {f"personality-{letter}": name for letter, name in BIG_FIVE.items()}
# the questionnaire of art interest and knowledge (Specker et al. 2020), as LAPIS has asked it: 7 items and 4, of 0-6
LAPIS_PROFILE = {
    "art_interest": [f"VAIAK{i}" for i in range(1, 8)],
    "art_knowledge": [f"2VAIAK{i}" for i in range(1, 5)],
}


def read_profiles(path: Path) -> dict[str, Profile]:
    """From a file as :data:`FILE`; nothing where there is none. Raises DataError for another thing in its place."""
    try:
        told = read_object(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DataError(f"'{path}' does not read as profiles: {error}") from error
    if not all(isinstance(own, dict) and all(isinstance(v, str) for v in own.values()) for own in told.values()):
        raise DataError(f"'{path}' is not a JSON object of people, each an object of texts")
    return {p: Profile({k: v for k, v in own.items() if k != WORDS}, own.get(WORDS, "")) for p, own in told.items()}


def profiles_of(
    rows: pd.DataFrame, person: str, columns: Mapping[str, str | list[str]], words: str | None = None
) -> dict[str, Profile]:
    """From columns that hold the same in all rows of a person: by the name of a field, the column, or columns of
    numbers whose mean it is, to one decimal. What is missing is left out.
    """
    first = rows.assign(**{person: tidy(rows[person])}).dropna(subset=[person]).drop_duplicates(person)
    table = pd.DataFrame({person: first[person]})
    for name, sources in columns.items():
        if isinstance(sources, str):
            table[name] = tidy(first[sources]) if sources in first else pd.NA
        elif set(sources) <= set(first.columns):
            numbers = first[sources].apply(pd.to_numeric, errors="coerce").mean(axis=1, skipna=False)
            table[name] = numbers.map("{:.1f}".format, na_action="ignore")
        else:
            table[name] = pd.NA
    said = tidy(first[words]) if words else pd.Series(pd.NA, index=first.index)
    found = {}
    for (_, row), own in zip(table.iterrows(), said, strict=True):
        fields = {name: str(row[name]) for name in columns if pd.notna(row[name])}
        if fields or pd.notna(own):
            found[str(row[person])] = Profile(fields, "" if pd.isna(own) else str(own))
    return found


def described_people(ratings: Ratings) -> dict[str, Person]:
    """Everybody in a data set as all that is said of them, without an id."""
    rows = ratings.table.drop_duplicates("person").set_index("person")
    found = {}
    for person, row in rows.iterrows():
        profile = ratings.profiles.get(str(person), Profile())
        demographics = {name: str(row[name]) for name in ratings.demographics if pd.notna(row[name])}
        found[str(person)] = Person(None, demographics | profile.fields, profile.words)
    return found

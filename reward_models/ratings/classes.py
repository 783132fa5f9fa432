"""One scale of ages and genders for data sets that write them differently, and what a class is in words.

Ages become decades, as PAMELA has them: the same age is then one class in every set. A range is the decade that most of
its years are in, of equals the younger one.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd  # rewards read sentences from here, and run without it

DECADES = tuple(f"{a}-{a + 9}" for a in range(10, 100, 10))
WIDEST = 20  # years of a range that still says something
GENDERS = {
    "female": ("f", "female", "woman", "women", "w"),
    "male": ("m", "male", "man", "men"),
    "other": ("other", "non-binary", "nonbinary", "non binary", "diverse", "x", "genderqueer", "another"),
}
SILENT = ("prefer not to say", "prefer not to answer", "not specified", "unknown")
SENTENCES = {
    "age_binned": "a person aged {}",
    "gender": "a {} person",
    "nationality": "a {} person",
    "education": "a person whose education is {}",
}


def decade(written: str) -> str | None:
    """The decade of an age in years or of a range; None for what is neither, or too wide a range.

    >>> decade("24"), decade("24.0"), decade("30-34"), decade("18-29"), decade("50+"), decade("under 18")
    ('20-29', '20-29', '30-39', '20-29', '50-59', '10-19')
    >>> decade("18-99"), decade("old")
    (None, None)
    """
    text = written.strip().lower()
    numbers = [int(n) for n in re.findall(r"(\d+)(?:\.0+)?", text)]
    if len(numbers) == 1:
        low = numbers[0] - 1 if re.match(r"(under|below|<)", text) else numbers[0]
        high = low
    elif len(numbers) == 2 and numbers[0] <= numbers[1] < numbers[0] + WIDEST:
        low, high = numbers
    else:
        return None
    if not 0 < low <= high < 120:
        return None
    years = [min(max(year // 10, 1), 9) for year in range(low, high + 1)]
    most = max(sorted(set(years)), key=years.count)
    return DECADES[most - 1]


def gender(written: str) -> str | None:
    """One word for what sets write in several ways; what is not known stays, in lower case.

    >>> gender("F"), gender("Man"), gender("Non-binary"), gender("Prefer not to say")
    ('female', 'male', 'other', None)
    """
    text = written.strip().lower()
    if text in SILENT:
        return None
    return next((common for common, ways in GENDERS.items() if text in ways), text)


def on_one_scale(table: pd.DataFrame, ages: dict[str, str]) -> pd.DataFrame:
    """The rows with ages and genders on the common scale, and what was written beside them in ``age_written`` and
    ``gender_written``. ``ages``: by person, where the set has years.
    """
    found = table.copy()
    if "age_binned" in found:
        years = found["person"].map(ages).astype("string")
        found["age_written"] = years.fillna(found["age_binned"].astype("string"))
        found["age_binned"] = found["age_written"].map(decade, na_action="ignore").astype("string")
    if "gender" in found:
        found["gender_written"] = found["gender"]
        found["gender"] = found["gender"].map(gender, na_action="ignore").astype("string")
    return found


def with_unseen(classes: Collection[str]) -> list[str]:
    """Classes in order; where all of them are decades, every decade is one, also those that nobody is in.

    >>> with_unseen(["20-29", "40-49"])[:3], with_unseen(["18-29", "50+"]), with_unseen([])
    (['10-19', '20-29', '30-39'], ['18-29', '50+'], [])
    """
    return list(DECADES) if classes and set(classes) <= set(DECADES) else sorted(classes)


def mixed(classes: list[str], seen: Collection[str]) -> dict[str, list[tuple[str, float]]]:
    """For every class of an ordered field that nobody is in, the nearest ones that somebody is in, with their weights:
    linear in between, the nearest alone beyond the ends. Nothing for fields that are not decades.

    >>> mixed(list(DECADES), ["20-29", "40-49"])["30-39"]
    [('20-29', 0.5), ('40-49', 0.5)]
    """
    if tuple(classes) != DECADES or not seen:
        return {}
    at = sorted(classes.index(c) for c in seen)
    found: dict[str, list[tuple[str, float]]] = {}
    for i, name in enumerate(classes):
        if i in at:
            continue
        below, above = [a for a in at if a < i], [a for a in at if a > i]
        if below and above:
            a, b = below[-1], above[0]
            share = (b - i) / (b - a)
            found[name] = [(classes[a], share), (classes[b], 1 - share)]
        else:
            found[name] = [(classes[below[-1] if below else above[0]], 1.0)]
    return found


def sentence(name: str, value: str) -> str:
    """A class of a demographic field in words, for a text encoder.

    >>> sentence("age_binned", "60-69"), sentence("art_experience", "none")
    ('a person aged 60-69', 'a person whose art experience is none')
    """
    return SENTENCES.get(name, f"a person whose {name.replace('_', ' ')} is {{}}").format(value)

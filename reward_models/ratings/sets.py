"""PAMELA, PARA, LAPIS and FLICKR-AES in their published formats, and a person's own csv.

Formats: PAMELA by its data card and public code that reads it; PARA (Yang et al., CVPR 2022) and
LAPIS (arXiv 2504.07670) by their annotation files. None of them is shipped; a local folder or the
hub's name gives one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from reward_models.ratings import flickr_aes
from reward_models.ratings.files import column, read_csv, read_json_rows, relative_path
from reward_models.ratings.groups import with_groups
from reward_models.ratings.profiles import FILE, LAPIS_PROFILE, PARA_PROFILE, profiles_of, read_profiles
from reward_models.ratings.settings import DataSetting
from reward_models.ratings.source import local_folder
from reward_models.ratings.table import (
    SPLITS,
    DataError,
    Duplicates,
    Profile,
    Ratings,
    cleaned,
    split_by_hash,
    tidy,
)

USUAL = (1, 5)  # the scale of a csv's scores
STRAY = 0.02  # of the scores may be outside it by mistake
PAMELA_DEMOGRAPHICS = ("age_binned", "gender", "nationality")
PAMELA_METADATA = ("group", "style", "type")
PARA_DEMOGRAPHICS = {
    "age": "age",
    "gender": "gender",
    "EducationalLevel": "education",
    "artExperience": "art_experience",
    "photographyExperience": "photography_experience",
}
LAPIS_DEMOGRAPHICS = {
    "age": "age",
    "nationality": "nationality",
    "demo_gender": "gender",
    "demo_edu": "education",
    "demo_colorblind": "colour_blind",
}


def load_pamela(root: Path, need_pictures: bool = True, duplicates: Duplicates = "average") -> Ratings:
    """``annotations/pamela_<split>.json`` and ``images/``, in ``root`` or in ``root/PAMELA``."""
    base = root / "PAMELA" if (root / "PAMELA" / "annotations").is_dir() else root
    tables = []
    for split in SPLITS:
        path = base / "annotations" / f"pamela_{split}.json"
        if path.exists():
            tables.append(read_json_rows(path, ("participant_id", "image_path", "original_score")).assign(split=split))
    if not tables:
        raise DataError(f"'{base / 'annotations'}' holds no pamela_<split>.json")
    rows = pd.concat([t for t in tables if len(t)] or tables, ignore_index=True)
    if rows.empty:
        raise DataError(f"the annotation files in '{base / 'annotations'}' are all empty")
    table = pd.DataFrame(
        {
            "person": tidy(rows["participant_id"]),
            "picture": [relative_path(p, base, ("PAMELA",)) for p in rows["image_path"]],
            "score": rows["original_score"],
            "prompt": tidy(column(rows, "image_metadata.prompt")),
            "split": rows["split"],
        }
    )
    for name in PAMELA_DEMOGRAPHICS:
        table[name] = tidy(column(rows, f"user_demographics.{name}"))
    for name in PAMELA_METADATA:
        table[name] = tidy(column(rows, f"image_metadata.{name}"))
    profiles = read_profiles(base / "annotations" / FILE)
    ages = _by_person(table["person"], tidy(column(rows, "user_demographics.age")))
    ratings = Ratings("pamela", base, table, PAMELA_DEMOGRAPHICS, PAMELA_METADATA, profiles=profiles, ages=ages)
    return cleaned(ratings, (1, 5), need_pictures, duplicates)


def load_para(root: Path, need_pictures: bool = True, duplicates: Duplicates = "average") -> Ratings:
    """``annotation/PARA-Images.csv``, ``annotation/PARA-UserInfo.csv`` and ``imgs/<session>/<name>``; no prompts."""
    images = read_csv(root / "annotation" / "PARA-Images.csv", ("sessionId", "imageName", "userId", "aestheticScore"))
    users = read_csv(root / "annotation" / "PARA-UserInfo.csv", ("userId",)).drop_duplicates("userId")
    rows = images.merge(users, on="userId", how="left", suffixes=("", "_user"))
    table = pd.DataFrame(
        {
            "person": tidy(rows["userId"]),
            "picture": [
                relative_path(f"imgs/{s}/{n}", root) if pd.notna(s) and pd.notna(n) else None
                for s, n in zip(rows["sessionId"], rows["imageName"], strict=True)
            ],
            "score": rows["aestheticScore"],
            "prompt": pd.Series(pd.NA, index=rows.index, dtype="string"),
        }
    )
    profiles = profiles_of(users, "userId", {name: written for written, name in PARA_PROFILE.items()})
    return _finished("para", root, table, rows, PARA_DEMOGRAPHICS, profiles, (1, 5), need_pictures, duplicates)


def load_lapis(root: Path, need_pictures: bool = True, duplicates: Duplicates = "average") -> Ratings:
    """``annotation/LAPIS_PIAA.csv`` and the paintings below ``root``; no prompts. Ratings 0 ... 100."""
    rows = read_csv(root / "annotation" / "LAPIS_PIAA.csv", ("participant_id", "image_filename", "rating"))
    known = {p.name: str(p.relative_to(root)) for p in root.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png")}
    table = pd.DataFrame(
        {
            "person": tidy(rows["participant_id"]),
            "picture": [
                known.get(Path(str(f)).name, f"images/{f}") if pd.notna(f) else None for f in rows["image_filename"]
            ],
            "score": rows["rating"],
            "prompt": pd.Series(pd.NA, index=rows.index, dtype="string"),
        }
    )
    profiles = profiles_of(rows, "participant_id", LAPIS_PROFILE)
    return _finished("lapis", root, table, rows, LAPIS_DEMOGRAPHICS, profiles, (0, 100), need_pictures, duplicates)


def load_csv(
    path: Path,
    scale: tuple[float, float] | None = None,
    person: str = "me",
    need_pictures: bool = True,
    duplicates: Duplicates = "average",
) -> Ratings:
    """Ratings of one's own: columns ``picture``, ``score``, and where wanted ``prompt``, ``person`` and ``split``,
    ``demographics.NAME`` and ``metadata.NAME``; of people, ``profile.NAME`` and ``profile.words``.

    ``scale``: lowest and highest score; where it is not told it is 1 ... 5, and DataError is raised for a csv that
    says otherwise. Paths are relative to the csv. Without ``split`` the ratings of several people are split by hash;
    those of one person are all for training.
    """
    rows = read_csv(path, ("picture", "score"))
    root = path.parent
    table = pd.DataFrame(
        {
            "person": tidy(column(rows, "person")).fillna(person),
            "picture": [relative_path(p, root) for p in rows["picture"]],
            "score": rows["score"],
            "prompt": tidy(column(rows, "prompt")),
        }
    )
    if "picture_group" in rows:
        table["picture_group"] = tidy(rows["picture_group"])
    if "split" in rows:
        table["split"] = tidy(rows["split"])
        if unknown := sorted(set(table["split"].fillna("").unique()) - set(SPLITS)):
            raise DataError(f"'{path}' has the unknown split {unknown[0]!r}; known: {', '.join(SPLITS)}")
    else:
        table["split"] = split_by_hash(table) if table["person"].nunique() > 1 else "train"
    fields: dict[str, list[str]] = {"demographics": [], "metadata": []}
    for written in rows.columns:
        kind, dot, name = str(written).partition(".")
        if dot and kind in fields:
            if name in table:
                raise DataError(f"'{path}': the column '{written}' cannot be called so; '{name}' is taken")
            table[name] = tidy(rows[written])
            fields[kind].append(name)
    said = rows.assign(person=table["person"])
    traits = {c.removeprefix("profile."): c for c in rows.columns if c.startswith("profile.") and c != "profile.words"}
    words = "profile.words" if "profile.words" in rows else None
    profiles = profiles_of(said, "person", traits, words) if traits or words else {}
    ratings = Ratings(
        path.stem, root, table, tuple(fields["demographics"]), tuple(fields["metadata"]), profiles=profiles
    )
    return cleaned(ratings, _told_or_usual(path, table["score"], scale), need_pictures, duplicates)


def _told_or_usual(path: Path, written: pd.Series, scale: tuple[float, float] | None) -> tuple[float, float]:
    """The scale; the usual one only where most scores are on it, as what is outside would silently be left out."""
    if scale is not None:
        return scale
    scores = pd.to_numeric(written, errors="coerce").dropna()
    outside = int((~scores.between(*USUAL)).sum())
    if outside > STRAY * len(scores):
        low, high = USUAL
        raise DataError(
            f"{outside} of {len(scores)} scores in '{path}' are outside {low} ... {high}: they go from "
            f"{scores.min():g} to {scores.max():g}. Tell their scale: 'scale: [LOW, HIGH]' in the configuration, "
            "or --scale LOW HIGH"
        )
    return USUAL


def _finished(
    name: str,
    root: Path,
    table: pd.DataFrame,
    rows: pd.DataFrame,
    demographics: dict[str, str],
    profiles: dict[str, Profile],
    scale: tuple[float, float],
    need_pictures: bool,
    duplicates: Duplicates,
) -> Ratings:
    """Demographics under common names, ages in bins, splits by hash."""
    for written, common in demographics.items():
        table[common] = tidy(column(rows, written))
    ages = _by_person(table["person"], table["age"])
    table["age_binned"] = age_bins(table.pop("age"))
    table["split"] = split_by_hash(table)
    names = tuple(dict.fromkeys("age_binned" if n == "age" else n for n in demographics.values()))
    return cleaned(Ratings(name, root, table, names, profiles=profiles, ages=ages), scale, need_pictures, duplicates)


def _by_person(people: pd.Series, values: pd.Series) -> dict[str, str]:
    """The first value of each person that is not missing."""
    known = values.notna() & people.notna()
    first = ~people[known].duplicated()
    return dict(zip(people[known][first].astype(str), values[known][first].astype(str), strict=True))


def age_bins(ages: pd.Series) -> pd.Series:
    """Ages in years to 18-29, 30-39, 40-49, 50+; what is a range already stays."""
    years = pd.to_numeric(ages, errors="coerce")
    bins = pd.cut(years, [0, 29, 39, 49, 200], labels=["18-29", "30-39", "40-49", "50+"])
    return bins.astype("string").fillna(tidy(ages).where(years.isna()))


LOADERS: dict[str, tuple[str, Callable[[Path, bool, Duplicates], Ratings]]] = {
    "pamela": ("annotations/pamela_train.json", load_pamela),
    "para": ("annotation/PARA-Images.csv", load_para),
    "lapis": ("annotation/LAPIS_PIAA.csv", load_lapis),
    "flickr-aes": (flickr_aes.FILE, flickr_aes.load_flickr_aes),
}


def load_ratings(
    source: str | Path,
    kind: str | None = None,
    revision: str | None = None,
    need_pictures: bool = True,
    scale: tuple[float, float] | None = None,
    say: Callable[[str], None] = print,
    duplicates: Duplicates = "average",
) -> Ratings:
    """The data set in a folder or a zip, a csv of one's own, or a dataset on the hub (``org/name``).

    ``kind`` (pamela, para, lapis, flickr-aes) is found from the files where it is not given. Without ``need_pictures``
    the files need not be there: their features are. ``scale``: of a csv's scores, 1 ... 5 where not given. Raises
    DataError.
    """
    path = Path(source).expanduser()
    if kind == "csv" and path.suffix != ".csv":
        raise DataError(f"'{source}' is no csv: its name does not end in .csv")
    if path.suffix == ".csv":
        if kind not in (None, "csv"):
            raise DataError(f"'{source}' is a csv; a data set of the kind '{kind}' is a folder")
        return load_csv(path, scale, need_pictures=need_pictures, duplicates=duplicates)
    if scale is not None:
        raise DataError(f"'{source}' is no csv: the scale of a published data set is known and cannot be set")
    path = local_folder(source, revision, say)
    if kind is None:
        kind = detect(path)
    if kind not in LOADERS:
        raise DataError(f"unknown kind of data set '{kind}'; known: {', '.join(LOADERS)}")
    return LOADERS[kind][1](path, need_pictures, duplicates)


def load_set(told: DataSetting, need_pictures: bool = True, say: Callable[[str], None] = print) -> Ratings:
    """The data set that a configuration tells of, under the name it gives it. Raises DataError."""
    found = load_ratings(told.source, told.kind, told.revision, need_pictures, told.scale, say, told.duplicates)
    return with_groups(replace(found, name=told.name) if told.name else found, told.picture_group)


def detect(root: Path) -> str:
    """Which data set lies in ``root``."""
    for kind, (marker, _) in LOADERS.items():
        if (root / marker).is_file() or (root / kind.upper() / marker).is_file():
            return kind
    if list(root.glob("annotations/pamela_*.json")) or list(root.glob("PAMELA/annotations/pamela_*.json")):
        return "pamela"
    wanted = ", ".join(marker for marker, _ in LOADERS.values())
    raise DataError(f"'{root}' is no data set we know: it has none of {wanted}")

"""PAMELA, PARA and LAPIS in their published formats, and a person's own csv.

Formats: PAMELA by its data card and public code that reads it; PARA (Yang et al., CVPR 2022) and
LAPIS (arXiv 2504.07670) by their annotation files. None of them is shipped; a local folder or the
hub's name gives one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from reward_models.datasets.files import column, read_csv, read_json_rows, relative_path
from reward_models.datasets.table import SPLITS, DataError, Ratings, cleaned, split_by_hash, tidy

PAMELA_DEMOGRAPHICS = ("age_binned", "gender", "nationality")
PAMELA_METADATA = ("group", "style", "type")
PARA_DEMOGRAPHICS = {
    "age": "age", "gender": "gender", "EducationalLevel": "education", "artExperience": "art_experience",
    "photographyExperience": "photography_experience",
}  # fmt: skip
LAPIS_DEMOGRAPHICS = {
    "age": "age", "nationality": "nationality", "demo_gender": "gender", "demo_edu": "education",
    "demo_colorblind": "colour_blind",
}  # fmt: skip


def load_pamela(root: Path) -> Ratings:
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
    table = pd.DataFrame({
        "person": tidy(rows["participant_id"]),
        "picture": [relative_path(p, base, ("PAMELA",)) for p in rows["image_path"]],
        "score": rows["original_score"],
        "prompt": tidy(column(rows, "image_metadata.prompt")),
        "split": rows["split"],
    })  # fmt: skip
    for name in PAMELA_DEMOGRAPHICS:
        table[name] = tidy(column(rows, f"user_demographics.{name}"))
    for name in PAMELA_METADATA:
        table[name] = tidy(column(rows, f"image_metadata.{name}"))
    return cleaned(Ratings("pamela", base, table, PAMELA_DEMOGRAPHICS, PAMELA_METADATA), (1, 5))


def load_para(root: Path) -> Ratings:
    """``annotation/PARA-Images.csv``, ``annotation/PARA-UserInfo.csv`` and ``imgs/<session>/<name>``; no prompts."""
    images = read_csv(root / "annotation" / "PARA-Images.csv", ("sessionId", "imageName", "userId", "aestheticScore"))
    users = read_csv(root / "annotation" / "PARA-UserInfo.csv", ("userId",)).drop_duplicates("userId")
    rows = images.merge(users, on="userId", how="left", suffixes=("", "_user"))
    table = pd.DataFrame({
        "person": tidy(rows["userId"]),
        "picture": [relative_path(f"imgs/{s}/{n}", root) if pd.notna(s) and pd.notna(n) else None
                    for s, n in zip(rows["sessionId"], rows["imageName"], strict=True)],
        "score": rows["aestheticScore"],
        "prompt": pd.Series(pd.NA, index=rows.index, dtype="string"),
    })  # fmt: skip
    return _finished("para", root, table, rows, PARA_DEMOGRAPHICS, (1, 5))


def load_lapis(root: Path) -> Ratings:
    """``annotation/LAPIS_PIAA.csv`` and the paintings below ``root``; no prompts. Ratings 0 ... 100."""
    rows = read_csv(root / "annotation" / "LAPIS_PIAA.csv", ("participant_id", "image_filename", "rating"))
    known = {p.name: str(p.relative_to(root)) for p in root.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png")}
    table = pd.DataFrame({
        "person": tidy(rows["participant_id"]),
        "picture": [known.get(Path(str(f)).name, f"images/{f}") if pd.notna(f) else None for f in rows["image_filename"]],
        "score": rows["rating"],
        "prompt": pd.Series(pd.NA, index=rows.index, dtype="string"),
    })  # fmt: skip
    return _finished("lapis", root, table, rows, LAPIS_DEMOGRAPHICS, (0, 100))


def load_csv(path: Path, scale: tuple[float, float] = (1, 5), person: str = "me") -> Ratings:
    """A person's own ratings: columns ``picture``, ``score``, and where wanted ``prompt`` and ``person``.

    Paths are relative to the csv. All rows are for training; nothing is held out.
    """
    rows = read_csv(path, ("picture", "score"))
    root = path.parent
    table = pd.DataFrame({
        "person": tidy(column(rows, "person")).fillna(person),
        "picture": [relative_path(p, root) for p in rows["picture"]],
        "score": rows["score"],
        "prompt": tidy(column(rows, "prompt")),
        "split": "train",
    })  # fmt: skip
    return cleaned(Ratings(path.stem, root, table), scale)


def _finished(
    name: str, root: Path, table: pd.DataFrame, rows: pd.DataFrame, demographics: dict[str, str],
    scale: tuple[float, float],
) -> Ratings:  # fmt: skip
    """Demographics under common names, ages in bins, splits by hash."""
    for written, common in demographics.items():
        table[common] = tidy(column(rows, written))
    table["age_binned"] = age_bins(table.pop("age"))
    table["split"] = split_by_hash(table)
    names = tuple(dict.fromkeys("age_binned" if n == "age" else n for n in demographics.values()))
    return cleaned(Ratings(name, root, table, names), scale)


def age_bins(ages: pd.Series) -> pd.Series:
    """Ages in years to 18-29, 30-39, 40-49, 50+; what is a range already stays."""
    years = pd.to_numeric(ages, errors="coerce")
    bins = pd.cut(years, [0, 29, 39, 49, 200], labels=["18-29", "30-39", "40-49", "50+"])
    return bins.astype("string").fillna(tidy(ages).where(years.isna()))


LOADERS: dict[str, tuple[str, Callable[[Path], Ratings]]] = {
    "pamela": ("annotations/pamela_train.json", load_pamela),
    "para": ("annotation/PARA-Images.csv", load_para),
    "lapis": ("annotation/LAPIS_PIAA.csv", load_lapis),
}
HUB = {"pamela": "bethgelab/PAMELA"}


def load_ratings(source: str | Path, kind: str | None = None, revision: str | None = None) -> Ratings:
    """The data set in a folder, a csv of one's own, or a dataset on the hub (``org/name``).

    ``kind`` (pamela, para, lapis) is found from the files where it is not given. Raises DataError.
    """
    path = Path(source).expanduser()
    if path.suffix == ".csv":
        return load_csv(path)
    if not path.is_dir():
        path = _from_hub(str(source), revision)
    if kind is None:
        kind = detect(path)
    if kind not in LOADERS:
        raise DataError(f"unknown kind of data set '{kind}'; known: {', '.join(LOADERS)}")
    return LOADERS[kind][1](path)


def detect(root: Path) -> str:
    """Which data set lies in ``root``."""
    for kind, (marker, _) in LOADERS.items():
        if (root / marker).is_file() or (root / kind.upper() / marker).is_file():
            return kind
    if list(root.glob("annotations/pamela_*.json")) or list(root.glob("PAMELA/annotations/pamela_*.json")):
        return "pamela"
    wanted = ", ".join(marker for marker, _ in LOADERS.values())
    raise DataError(f"'{root}' is no data set we know: it has none of {wanted}")


def _from_hub(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    name = HUB.get(name, name)
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise DataError(f"'{name}' is neither a folder, a csv nor a hub data set (org/name)")
    try:
        return Path(snapshot_download(name, repo_type="dataset", revision=revision))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise DataError(f"cannot get the data set '{name}' from the hub: {str(error).splitlines()[0]}") from error

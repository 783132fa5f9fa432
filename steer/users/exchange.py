"""A person as one readable file, and people of data sets; in and out of the store."""

from __future__ import annotations

import base64
import csv
import itertools
import json
from pathlib import Path
from typing import Any

from PIL import Image

from reward_models.protocols import Teacher
from steer.errors import StorageError, UsageError
from steer.users.enrolment import keep_pictures
from steer.users.records import User, picture_hash
from steer.users.store import UserStore

FORMAT = 1
AT_ONCE = 64  # pictures of a data set in memory


def export_user(store: UserStore, user: str, keys: list[str]) -> dict[str, Any]:
    """All that is known of a person, JSON-ready. ``keys``: of the teachers whose kept pictures go along (base64), so
    that the person can be learned elsewhere without the pictures.
    """
    told = store.told(user)
    person, pictures = told.user, told.pictures
    features = {
        key: {h: base64.b64encode(v).decode() for h, v in found.items()}
        for key in keys
        if (found := store.features(key, pictures))
    }
    return {
        "steer_user": FORMAT,
        "id": person.id,
        "created": person.created,
        "demographics": person.demographics,
        "profile": person.profile,
        "source": person.source,
        "ratings": [{"picture": r.picture, "prompt": r.prompt, "score": r.score, "at": r.at} for r in told.ratings],
        "choices": [{"better": c.better, "worse": c.worse, "at": c.at} for c in told.choices],
        "prompts": {h: p for h in pictures if (p := told.prompts.get(h))},
        "features": features,
    }


def import_user(store: UserStore, path: Path, name: str | None = None) -> User:
    """A person from their exported file, whole or not at all. Raises UsageError for another file or a taken id."""
    try:
        told = json.loads(path.read_text())
        if not isinstance(told, dict) or "steer_user" not in told:
            raise ValueError("it has no 'steer_user'")
        if told["steer_user"] > FORMAT:
            raise ValueError("it was written by a newer steer")
        ratings = [(str(r["picture"]), str(r.get("prompt", "")), float(r["score"])) for r in told["ratings"]]
        times = [str(r["at"]) for r in told["ratings"]]
        choices = [(str(c["better"]), str(c["worse"])) for c in told["choices"]]
        prompts = {str(h): str(p) for h, p in told.get("prompts", {}).items()}
        features = {
            str(encoder): {str(h): base64.b64decode(v, validate=True) for h, v in each.items()}
            for encoder, each in told.get("features", {}).items()
        }
        demographics = {str(k): str(v) for k, v in told["demographics"].items()}
        profile, source, user = str(told["profile"]), str(told.get("source", "")), name or str(told["id"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"'{path}' is no person exported by steer: {str(error).splitlines()[0]}") from error
    if bad := [s for *_, s in ratings if not 1 <= s <= 5]:
        raise UsageError(f"'{path}': the rating {bad[0]:g} is not on the scale from 1 to 5")
    with store.together():
        store.add(user, demographics, profile)
        store.rate_many(user, ratings, "import", times)
        for better, worse in choices:
            store.choose(user, better, worse, (prompts.get(better, ""), prompts.get(worse, "")), "import")
        for encoder, vectors in features.items():
            store.keep_features(encoder, vectors)
        if source:
            store.mark_imported(user, source)
    return store.user(user)


def rate_from_csv(store: UserStore, teacher: Teacher, user: str, path: Path) -> int:
    """Ratings from a csv with the columns picture (a file, also relative to the csv), score from 1 to 5 and, where it
    is known, prompt; how many. Nothing is kept when a line is wrong, and the line is named.
    """
    rows: list[tuple[Image.Image, str, float]] = []
    try:
        with path.open(newline="") as file:
            lines = csv.DictReader(file)
            if missing := {"picture", "score"} - set(lines.fieldnames or ()):
                raise UsageError(
                    f"'{path}' has no column '{min(missing)}'; needed: picture, score and, if known, prompt"
                )
            for number, line in enumerate(lines, start=2):
                rows.append(_rated(path, number, line))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"'{path}' cannot be read: {error}") from error
    if not rows:
        raise UsageError(f"'{path}' holds no ratings")
    hashes = [picture_hash(image) for image, *_ in rows]
    store.rate_many(user, [(h, p, s) for h, (_, p, s) in zip(hashes, rows, strict=True)], path.name)
    keep_pictures(store, teacher, dict(zip(hashes, [image for image, *_ in rows], strict=True)))
    return len(rows)


def _rated(path: Path, number: int, line: dict[str, str]) -> tuple[Image.Image, str, float]:
    named = Path(line["picture"] or "")
    file = named if named.is_absolute() else path.parent / named
    try:
        with Image.open(file) as image:
            picture = image.convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:
        raise UsageError(f"'{path}', line {number}: '{line['picture']}' is no picture that opens") from error
    try:
        score = float(line["score"])
        if not 1 <= score <= 5:
            raise ValueError
    except (TypeError, ValueError) as error:
        raise UsageError(f"'{path}', line {number}: the score {line['score']!r} is no number from 1 to 5") from error
    return picture, (line.get("prompt") or "").strip(), score


def import_people(store: UserStore, source: str, kind: str | None, teacher: Teacher) -> int:
    """Everybody of a data set, with their ratings, read-only; how many. People whose ids are taken are refused before
    anything is kept.
    """
    from reward_models.ratings.sets import load_ratings
    from reward_models.ratings.table import DataError

    try:
        ratings = load_ratings(source, kind)
    except DataError as error:
        raise UsageError(str(error)) from error
    table = ratings.table
    ids = list(dict.fromkeys(table["person"].astype(str)))
    if taken := sorted(set(ids) & set(store.ids())):
        raise UsageError(f"{len(taken)} people of '{source}' are users already, the first is '{taken[0]}'")
    hashes: dict[str, str] = {}
    kept: dict[str, bytes] = {}
    files = iter(sorted(table["picture"].unique()))
    while some := list(itertools.islice(files, AT_ONCE)):
        images = {name: image for name in some if (image := _opened(ratings.root / name)) is not None}
        names = {name: picture_hash(image) for name, image in images.items()}
        hashes |= names
        kept |= dict(zip(names.values(), teacher.keep(list(images.values())), strict=True))
    with store.together():
        for person, own in table.groupby(table["person"].astype(str)):
            demographics = {d: str(own[d].iloc[0]) for d in ratings.demographics if own[d].notna().any()}
            store.add(str(person), demographics, source=ratings.name)
            rows = own[own["picture"].isin(list(hashes))].drop_duplicates("picture", keep="last")
            told = zip(rows["picture"], rows["prompt"].fillna("").astype(str), rows["score"], strict=True)
            store.rate_many(str(person), [(hashes[p], q, 1 + 4 * float(s)) for p, q, s in told], ratings.name)
        store.keep_features(teacher.key, kept)
    return len(ids)


def _opened(path: Path) -> Image.Image | None:
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (OSError, ValueError, SyntaxError):
        return None


def write_export(told: dict[str, Any], path: Path) -> None:
    """Write it whole or not at all."""
    from steer.store.files import write_whole

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda f: f.write(json.dumps(told, indent=1, ensure_ascii=False).encode()))
    except OSError as error:
        raise StorageError(f"'{path}' cannot be written: {error.strerror}") from error

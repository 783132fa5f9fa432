"""Exports a person to one readable file, and imports such files and data sets of ratings."""

from __future__ import annotations

import base64
import csv
import itertools
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from reward_models.doors import Unreadable, check_regular, shown
from reward_models.pictures import read_picture
from reward_models.plural import counted
from reward_models.protocols import Teacher
from steer.errors import StorageError, UsageError
from steer.users.enrolment import keep_pictures
from steer.users.exported import FORMAT, read_export
from steer.users.ids import check_id
from steer.users.kept_pictures import opened
from steer.users.pictures import AT_ONCE, Question
from steer.users.records import User, picture_hash
from steer.users.run_memory import DrawnBefore
from steer.users.schema import RENAMED_ENCODERS
from steer.users.store import UserStore


@dataclass(frozen=True)
class Imported:
    """A data set's people in the store: its name, and their ids."""

    name: str
    ids: list[str]


def export_user(store: UserStore, user: str, keys: list[str], with_pictures: bool = False) -> dict[str, Any]:
    """A person's ratings, choices, demographics and profile as JSON values; votes in studies are not among them.

    ``keys``: of the teachers whose features of the pictures are included (base64), so that another machine can learn
    the person without the pictures. ``with_pictures``: the kept thumbnails are included too.
    """
    told = store.told(user)
    person, pictures = told.user, told.pictures
    features = {key: _in_base64(found) for key in keys if (found := _features(store, key, user, pictures))}
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
        "runs": [_drawn(p) for p in store.drawn_before(user) if p.encoder in keys],
        **({"thumbnails": _in_base64(store.thumbnails(user, pictures))} if with_pictures else {}),
    }


def _drawn(picture: DrawnBefore) -> dict[str, Any]:
    """A picture of an earlier run as JSON values."""
    return {**asdict(picture), "kept": base64.b64encode(picture.kept).decode()}


def _features(store: UserStore, key: str, user: str, pictures: Sequence[str]) -> dict[str, bytes]:
    """What was measured here, and the person's own of the other pictures."""
    return store.own_features(user, key, pictures) | store.features(key, pictures)


def _in_base64(data: Mapping[str, bytes]) -> dict[str, str]:
    return {name: base64.b64encode(value).decode() for name, value in data.items()}


def import_user(
    store: UserStore, path: Path, name: str | None = None, trained: Sequence[str] = (), with_pictures: bool = False
) -> User:
    """Add a person from an exported file. ``name``: another id for them; ``trained``: ids of the reward model's people;
    ``with_pictures``: keep the thumbnails in the file, and those of pictures rated from now on.

    What the file says of pictures is used for this person alone. Raises UsageError, and adds nobody, if the file is not
    an export or the id is taken.
    """
    told = read_export(path)
    small = _thumbnails(path, told.thumbnails) if with_pictures else {}
    user = check_id(name or told.id)
    for ids, what in ((trained, "a person of the reward"), (store.ids(), "a user")):
        if taken := next((i for i in ids if i.lower() == user.lower()), None):
            raise UsageError(f"there is already {what} '{taken}'; import the file under another id: --as NAME")
    with store.together():
        store.add(user, told.demographics, told.profile, keep_pictures=bool(small))
        rows = [(r.picture, r.prompt, r.score) for r in told.ratings]
        store.rate_many(user, rows, "import", [r.at for r in told.ratings])
        for c in told.choices:
            prompts = told.prompts.get(c.better, ""), told.prompts.get(c.worse, "")
            store.choose(user, c.better, c.worse, prompts, "import")
        for encoder, kept in told.features.items():
            store.keep_own_features(user, RENAMED_ENCODERS.get(encoder, encoder), kept)
        store.keep_thumbnails(user, small)
        store.keep_run(user, [DrawnBefore(**dict(p)) for p in told.runs])
        if told.source:
            store.mark_imported(user, told.source)
    return store.user(user)


def _thumbnails(path: Path, told: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """The thumbnails of a file. Raises UsageError for one that does not open."""
    try:
        for data in told.values():
            opened(data)
    except ValueError as error:
        raise UsageError(f"'{path}' is not a user exported by steer: {error}") from error
    return told


def rate_from_csv(store: UserStore, teacher: Teacher, user: str, path: Path) -> int:
    """Add ratings from a csv with the columns picture (a file, relative to the csv), score (1 to 5) and, optionally,
    prompt; returns their number.

    Raises UsageError, and adds nothing, if a line is wrong; the message names the line.
    """
    rows: list[tuple[Question, float]] = []
    try:
        check_regular(path)
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.DictReader(file)
            if doubled := next((c for c, n in Counter(lines.fieldnames or ()).items() if n > 1), None):
                raise UsageError(f"'{path}' has two columns {shown(doubled)}")
            if missing := {"picture", "score"} - set(lines.fieldnames or ()):
                raise UsageError(
                    f"'{path}' has no column '{min(missing)}'; it needs picture and score, and may have prompt"
                )
            for number, line in enumerate(lines, start=2):
                rows.append(_rated(path, number, line))
    except (OSError, UnicodeDecodeError, Unreadable, csv.Error) as error:
        raise UsageError(f"'{path}' cannot be read: {error}") from error
    if not rows:
        raise UsageError(f"'{path}' has no ratings")
    store.rate_many(user, [(question.hash, question.prompt, score) for question, score in rows], path.name)
    for start in range(0, len(rows), AT_ONCE):
        images = {question.hash: question.image for question, _ in rows[start : start + AT_ONCE]}
        keep_pictures(store, teacher, images)
        store.keep_small(user, images)
    return len(rows)


def _rated(path: Path, number: int, line: dict[str, str]) -> tuple[Question, float]:
    named = Path(line["picture"] or "")
    file = named if named.is_absolute() else path.parent / named
    try:
        question = Question(file, (line.get("prompt") or "").strip(), path.name)
        question.hash  # noqa: B018  (read now, so that a picture that does not open is told before anything is kept)
    except (OSError, ValueError, SyntaxError) as error:
        place = f"'{path}', line {number}"
        raise UsageError(f"{place}: '{line['picture']}' cannot be opened as a picture: {error}") from error
    try:
        score = float(line["score"])
        if not 1 <= score <= 5:
            raise ValueError
    except (TypeError, ValueError) as error:
        raise UsageError(f"'{path}', line {number}: the score {line['score']!r} is not a number from 1 to 5") from error
    return question, score


def import_people(store: UserStore, source: str, kind: str | None, teacher: Teacher, prefix: str = "") -> Imported:
    """Add everybody of a data set with their ratings, read-only; all of them, or nobody.

    ``prefix``: put before each id. Raises UsageError if the reward model or the store has a person with one of these
    ids, and for a data set that cannot be read.
    """
    from reward_models.ratings.sets import load_ratings
    from reward_models.ratings.table import DataError

    try:
        ratings = load_ratings(source, kind)
    except DataError as error:
        raise UsageError(str(error)) from error
    table = ratings.table
    new = {str(p): check_id(f"{prefix}{p}") for p in dict.fromkeys(table["person"].astype(str))}
    _check_free(store, source, list(new.values()), teacher, ratings.name)
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
            user = new[str(person)]
            demographics = {d: str(own[d].iloc[0]) for d in ratings.demographics if own[d].notna().any()}
            store.add(user, demographics, source=ratings.name)
            rows = own[own["picture"].isin(list(hashes))].drop_duplicates("picture", keep="last")
            told = zip(rows["picture"], rows["prompt"].fillna("").astype(str), rows["score"], strict=True)
            store.rate_many(user, [(hashes[p], q, 1 + 4 * float(s)) for p, q, s in told], ratings.name)
        store.keep_features(teacher.key, kept)
    return Imported(ratings.name, list(new.values()))


def _check_free(store: UserStore, source: str, ids: list[str], teacher: Teacher, name: str) -> None:
    """Raise UsageError if some of these ids are taken; ids that differ only in case count as the same."""
    trained, stored = ({i.lower() for i in known} for known in (teacher.trained, store.ids()))
    everyone = counted(len(ids), "person", "people")
    way_out = f"give them other ids: --prefix {_prefix(name)}"
    if same := [i for i in ids if i.lower() in trained]:
        raise UsageError(
            f"{len(same)} of the {everyone} in '{source}' have ids of people the reward was trained "
            f"on, such as '{same[0]}'; {way_out}"
        )
    if same := [i for i in ids if i.lower() in stored]:
        raise UsageError(
            f"{len(same)} of the {everyone} in '{source}' have ids that are in use, such as "
            f"'{same[0]}'; delete those users (see: steer user list) or {way_out}"
        )


def _prefix(name: str) -> str:
    """A prefix for the ids of a data set of this name."""
    return f"{re.sub(r'[^A-Za-z0-9]+', '-', name).strip('-') or 'other'}-"


def _opened(path: Path) -> Image.Image | None:
    try:
        return read_picture(path)
    except (OSError, Unreadable):
        return None


def write_export(told: dict[str, Any], path: Path) -> None:
    """Write an export to a file, whole or not at all. Raises StorageError if that fails."""
    from steer.store.files import write_whole
    from steer.store.private import private_folder

    try:
        private_folder(path.parent)
        write_whole(path, lambda f: f.write(json.dumps(told, indent=1, ensure_ascii=False).encode()))
    except OSError as error:
        raise StorageError(f"cannot write '{path}': {error.strerror}") from error

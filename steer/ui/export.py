"""Pictures as a zip of folders, one a run: for whoever wants them outside of steer."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from steer.errors import UsageError
from steer.store.names import slug
from steer.ui.favourites import NAME, favourites_of
from steer.ui.history import History, picture_of

MOST_PICTURES = 2000
IN_MEMORY = 8 * 2**20  # bytes; a larger zip is a temporary file
CHUNK = 2**18


def zip_of(history: History, chosen: Sequence[tuple[str, Sequence[int] | None]]) -> BinaryIO:
    """Runs by name, each with the indices of its pictures, None for all. A picture is named by its text, and
    ``about.json`` has the text, the liking and the seed of each. Raises UsageError where there is none, or too many.
    """
    file: Any = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
    left = MOST_PICTURES
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:
        for name, wanted in chosen:
            run = history.run(name)
            some = [p for p in run["pictures"] if p["drawn"] and (wanted is None or p["index"] in wanted)]
            left -= len(some)
            if left < 0:
                raise UsageError(f"more than {MOST_PICTURES} pictures at once; choose fewer")
            _add(packed, history, run, some)
    if left == MOST_PICTURES:
        raise UsageError("there is no picture to export")
    file.seek(0)
    found: BinaryIO = file
    return found


def chunks(file: BinaryIO) -> Iterator[bytes]:
    """The content of a file, which is then closed."""
    with file:
        while chunk := file.read(CHUNK):
            yield chunk


def _add(packed: zipfile.ZipFile, history: History, run: dict[str, Any], pictures: list[dict[str, Any]]) -> None:
    folder, told = history.folder(run["name"]), []
    for picture in pictures:
        path = picture_of(folder, picture["index"])
        if not path.is_file() or path.is_symlink():
            continue
        title = f"{slug(picture['text'], 60) or 'picture'}-{picture['index']:04d}.png"
        packed.write(path, f"{run['name']}/{title}")
        told.append({"file": title, **{key: picture[key] for key in ("text", "liking", "seed", "index")}})
    about = {key: run[key] for key in ("prompt", "user", "created")} | {"pictures": told}
    packed.writestr(f"{run['name']}/about.json", json.dumps(about, indent=1, ensure_ascii=False))
    if favourites := favourites_of(folder):
        packed.writestr(f"{run['name']}/{NAME}", json.dumps({"pictures": favourites}))

"""The runs of the output folder: listed a page at a time, so that a thousand are no more work than one page.

A list of names is read anew each time, as other commands write into the same folder. What a run says of itself is read
when it is shown or searched, and a little of it is kept until the file changes.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reward_models.doors import read_object
from steer.errors import UsageError
from steer.judging.audience import Audience
from steer.report.stored import read_result
from steer.store.journal import picture_name, read_journal
from steer.store.manifest import read_manifest
from steer.ui.favourites import favourites_of

KEPT = 20_000  # runs of which a little is kept: about 300 bytes each
PAGE = 24
_TIMED = re.compile(r"^\d{8}-\d{6}")
_PICTURE = re.compile(r"^pictures/(\d{4,9})\.png$")


@dataclass(frozen=True)
class Facts:
    """What a list needs of a run. ``users``: everybody it is for, or against."""

    name: str
    prompt: str
    user: str
    created: str
    users: tuple[str, ...]

    def has(self, words: list[str]) -> bool:
        """Whether all of these are in its prompt, its people or its name; lower case."""
        told = f"{self.prompt} {self.user} {self.name}".lower()
        return all(word in told for word in words)


class History:
    """``out``: the folder with a folder for each run. May be asked from any thread."""

    def __init__(self, out: Path):
        self.out = out
        self._facts: OrderedDict[str, tuple[int, Facts | None]] = OrderedDict()
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """Folders with a manifest, the newest first: by the time in the name, else by that of the manifest."""
        found: list[tuple[str, str]] = []
        try:
            folders = [entry for entry in os.scandir(self.out) if entry.is_dir(follow_symlinks=False)]
        except OSError:
            return []
        for entry in folders:
            try:
                made = os.stat(os.path.join(entry.path, "manifest.json")).st_mtime
            except OSError:
                continue
            when = entry.name[:15] if _TIMED.match(entry.name) else time.strftime("%Y%m%d-%H%M%S", time.localtime(made))
            found.append((when, entry.name))
        return [name for _, name in sorted(found, reverse=True)]

    def folder(self, name: str) -> Path:
        """Where a run is. Raises UsageError for what is none, or lies elsewhere."""
        path = self.out / name
        if name in ("", ".", "..") or Path(name).name != name or path.is_symlink() or self.facts(name) is None:
            raise UsageError("there is no such run")
        return path

    def facts(self, name: str) -> Facts | None:
        """What a run says of itself; None for a batch, a study or something else."""
        file = self.out / name / "manifest.json"
        try:
            changed = file.stat().st_mtime_ns
        except (OSError, ValueError):
            return None
        with self._lock:
            known = self._facts.get(name)
        if known is None or known[0] != changed:
            known = (changed, _facts(name, file))
            with self._lock:
                self._facts[name] = known
                while len(self._facts) > KEPT:
                    self._facts.popitem(last=False)
        return known[1]

    def page(
        self,
        allowed: Callable[[Facts], bool],
        query: str = "",
        after: str = "",
        most: int = PAGE,
        favourites: bool = False,
    ) -> dict[str, Any]:
        """So many runs behind the one called ``after``: {"runs": [...], "more": whether there are others}.

        ``favourites``: only runs with a favourite picture.
        """
        words = query.lower().split()
        shown: list[dict[str, Any]] = []
        for facts in self._matching(allowed, words, after, favourites):
            if len(shown) == most:
                return {"runs": shown, "more": True}
            shown.append(self._card(facts))
        return {"runs": shown, "more": False}

    def _matching(
        self, allowed: Callable[[Facts], bool], words: list[str], after: str, favourites: bool
    ) -> Iterator[Facts]:
        names = self.names()
        for name in names[names.index(after) + 1 if after in names else 0 :]:
            facts = self.facts(name)
            if facts is None or not allowed(facts) or not facts.has(words):
                continue
            if not favourites or favourites_of(self.out / name):
                yield facts

    def _card(self, facts: Facts) -> dict[str, Any]:
        """One run of a list, whatever version of steer made it."""
        folder = self.out / facts.name
        result = _read(folder / "result.json")
        best = result.get("best")
        liking = best.get("liking") if isinstance(best, dict) else None
        return {
            "name": facts.name,
            "prompt": facts.prompt,
            "user": facts.user,
            "created": facts.created,
            "finished": bool(result) and result.get("stop") != "INTERRUPTED",
            "liking": _number(liking),
            "gain": _number(result.get("gain")),
            "best": _index(result.get("picture")),
            "text": str(best.get("text", "")) if isinstance(best, dict) else "",
            "favourites": favourites_of(folder),
        }

    def run(self, name: str) -> dict[str, Any]:
        """Everything that the page shows of a run, finished or not. Raises UsageError."""
        folder = self.folder(name)
        manifest = read_manifest(folder)
        told = {
            "name": name,
            **manifest["request"],
            "created": manifest["created"],
            "preset": str(manifest["config"].get("name", "")),
            "warnings": manifest.get("warnings", []),
            "favourites": favourites_of(folder),
        }
        if not (folder / "result.json").exists():
            rows = [row for row in read_journal(folder, manifest["fingerprint"]) if row["kind"] == "candidate"]
            latest = {row["index"]: row for row in rows}
            pictures = [_picture(latest[i]) for i in sorted(latest)]
            return told | {"state": "unfinished", "pictures": pictures, **dict.fromkeys(RESULTS)}
        result = read_result(folder)
        original = result["original"] or {}
        return told | {
            "state": "stopped" if result["stop"] == "INTERRUPTED" else "done",
            "pictures": [_picture(row) for row in result["candidates"]],
            "why": result["why"],
            "gain": result["gain"],
            "gain_words": result["gain_words"],
            "liking": (result["best"] or {}).get("liking"),
            "liking_of_prompt": original.get("liking"),
            "best": _index(result["picture"]),
            "original": _index(original.get("picture")),
            "seconds": result["seconds"],
            "tastes": [taste["words"] for taste in result["tastes"]],
        }


RESULTS = ("why", "gain", "gain_words", "liking", "liking_of_prompt", "best", "original", "seconds", "tastes")


def picture_of(folder: Path, index: int) -> Path:
    """The file of a picture of a run, which may not be there."""
    return folder / picture_name(index)


def _facts(name: str, file: Path) -> Facts | None:
    manifest = _read(file)
    request = manifest.get("request")
    if "kind" in manifest or not isinstance(request, dict):
        return None
    prompt, user = request.get("prompt"), request.get("user")
    if not isinstance(prompt, str) or not isinstance(user, str):
        return None
    try:
        users = tuple(Audience.parse(user).everyone)
    except UsageError:
        return None
    return Facts(name, prompt, user, str(manifest.get("created", ""))[:40], users)


def _picture(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "index": row["index"],
        "round": row["round"],
        "text": row["text"],
        "seed": row["seed"],
        "state": row["state"],
        "reason": row["reason"],
        "liking": row["personal"],
        "fidelity": row["fidelity"],
        "objective": row["objective"],
        "drawn": bool(row["picture"]),
    }


def _read(file: Path) -> dict[str, Any]:
    try:
        return read_object(file)
    except (OSError, ValueError):
        return {}


def _index(picture: object) -> int | None:
    found = _PICTURE.match(picture) if isinstance(picture, str) else None
    return int(found.group(1)) if found else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and abs(value) < 1e9 else None

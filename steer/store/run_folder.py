"""One run on disk: ``manifest.json``, ``journal.jsonl``, ``pictures/``.

The picture is written first, then its journal line, so that a journal never names a picture
that is not whole; both by a thread of their own, so that nothing waits for the disk. A second start reads the journal
and goes on at the next missing candidate.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from PIL import Image

from reward_models.doors import Unreadable, inside, shown
from reward_models.pictures import read_picture
from steer.errors import StorageError, UsageError
from steer.question import AskedBefore, RunQuestion
from steer.store.files import storage_error, write_json, write_whole
from steer.store.journal import NAME as JOURNAL
from steer.store.journal import picture_name, read_journal
from steer.store.manifest import read_manifest
from steer.store.names import check_new
from steer.store.private import private_folder
from steer.store.provenance import png_text
from steer.store.writer import Writer
from steer.types import Candidate, Comment, Dropped, Remembered, Rewrite, State

PACKAGES = ("torch", "diffusers", "transformers", "safetensors", "pillow", "numpy")


# what a run writes; where one of these is, there was a run, or something that it must not write over
OWN = ("manifest.json", JOURNAL, "result.json", "report.html", "contact_sheet.png", "pictures")


class RunFolder:
    """Reads and writes one run's folder."""

    def __init__(self, path: Path, manifest: dict[str, Any]):
        self.path, self.manifest = path, manifest
        if (path / "pictures").is_symlink():
            raise UsageError(f"'{path / 'pictures'}' is a link to another folder; steer writes into its own alone")
        rows = read_journal(path, manifest["fingerprint"])
        self._writer = Writer()
        self.proposed = _by_round(rows, "proposed")  # the texts rendered
        self.dropped = {r["round"]: [Dropped(*d) for d in r["dropped"]] for r in rows if r["kind"] == "proposed"}
        self.written = _by_round(rows, "written")  # all that a chat model wrote
        self.candidates: dict[int, dict[str, Any]] = {r["index"]: r for r in rows if r["kind"] == "candidate"}
        self.learned: dict[int, dict[int, dict[str, Any]]] = {  # scores by round and candidate, of runs that learn
            r["round"]: {c["index"]: c for c in r["candidates"]} for r in rows if r["kind"] == "learned"
        }
        bases = [r["basis"] for r in rows if r["kind"] == "learned" and r.get("basis")]
        # digests of what was known of the users when their pictures were scored last, of runs that learn
        self.known: dict[str, str] = bases[-1] if bases else dict(manifest.get("known", {}))
        answers = {r["number"] for r in rows if r["kind"] == "answer"}
        self.asked = [  # questions to the user, in order
            AskedBefore(r["number"], r["round"], r["form"], tuple(r["pictures"]), r["worth"], r["number"] in answers)
            for r in rows
            if r["kind"] == "question"
        ]
        self.comments: dict[int, Comment] = {  # a critic's, by round
            r["round"]: Comment(r["text"], r["picture"], r["filtered"], r["failed"], r.get("about", ""))
            for r in rows
            if r["kind"] == "critic"
        }
        stops = [r["reason"] for r in rows if r["kind"] == "stopped"]
        self.stopped: str = stops[-1] if stops else ""

    @classmethod
    def create(
        cls,
        path: Path,
        request: dict[str, Any],
        config: dict[str, Any],
        parts: dict[str, Any],
        taste: str = "",
        earlier: Sequence[Remembered] = (),
    ) -> RunFolder:
        """A new folder. ``taste``: the users' words that the proposer is told, and ``earlier`` what is remembered of
        earlier runs, so that a resumed run asks alike; they are outside the fingerprint, which has a digest of all that
        was learned of the users.

        Raises UsageError when a run is there, or what is left of one, StorageError when it cannot be made.
        """
        if os.path.lexists(path / "manifest.json"):
            raise UsageError(f"'{path}' already holds a run; use 'steer resume {path}' or another --out")
        check_new(path, OWN)
        try:
            private_folder(path / "pictures")
        except OSError as error:
            raise storage_error(path, error) from error
        basis = fingerprint_basis(request, config, parts)
        manifest = {
            "steer": version("steer-t2i"),
            "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "fingerprint": fingerprint(basis),
            **basis,
            **({"taste": taste} if taste else {}),
            **({"earlier": [asdict(each) for each in earlier]} if earlier else {}),
        }
        write_json(path / "manifest.json", manifest)
        return cls(path, manifest)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run. Raises UsageError when there is none, or what is there was not written by steer."""
        return cls(path, read_manifest(path))

    @property
    def taste(self) -> str:
        """The users' words when the run began; "" where the proposer was told none."""
        return str(self.manifest.get("taste", ""))

    @property
    def earlier(self) -> tuple[Remembered, ...]:
        """What was remembered of the user's earlier runs when the run began."""
        return tuple(Remembered(**each) for each in self.manifest.get("earlier", ()))

    def check_same(self, request: dict[str, Any], config: dict[str, Any], parts: dict[str, Any]) -> None:
        """Refuse to go on when anything that changes results differs, and say what."""
        basis = json.loads(json.dumps(fingerprint_basis(request, config, parts)))
        if fingerprint(basis) != self.manifest["fingerprint"]:
            differing = "; ".join(_differences(self.manifest, basis)) or "its fingerprint is another"
            raise UsageError(f"'{self.path}' was made with other settings ({differing}); start a new run")
        self.manifest = {**self.manifest, **basis}  # what the fingerprint stands for, whatever was written beside it

    def restore(self, candidate: Candidate) -> bool:
        """Fill ``candidate`` from the journal; whether it was there. One whose picture is gone, empty or cut was not:
        it is drawn and scored again.
        """
        row = self.candidates.get(candidate.index)
        same = candidate.rewrite.text, candidate.seed
        if row is None or (row["text"], row["seed"]) != same or row["tier"] not in (candidate.tier, "preview"):
            return False
        if row["picture"] and not self._is_whole(row["picture"]):
            del self.candidates[candidate.index]
            return False
        candidate.tier, candidate.early = row["tier"], row.get("early", math.nan)
        candidate.state, candidate.picture = State(row["state"]), row["picture"]
        candidate.reason = row["reason"]
        candidate.restore_scores(row)
        return True

    def _is_whole(self, name: str) -> bool:
        try:
            read_picture(inside(self.path, name), ("PNG",))
        except (OSError, Unreadable):
            return False
        return True

    def load_picture(self, candidate: Candidate) -> Image.Image:
        """The candidate's picture from disk. Raises StorageError where it was taken away meanwhile."""
        try:
            return read_picture(inside(self.path, candidate.picture), ("PNG",))
        except (OSError, Unreadable) as error:
            raise StorageError(
                f"the picture '{self.path / candidate.picture}' is gone or damaged ({error}); "
                f"'steer resume {self.path}' draws it again"
            ) from error

    def save_picture(self, candidate: Candidate, image: Image.Image) -> None:
        """Write the PNG with its provenance, then the journal line; soon, see :meth:`flush`."""
        candidate.picture, candidate.state = picture_name(candidate.index), State.RENDERED
        path, text = self.path / candidate.picture, png_text(candidate, self.manifest, image.size)
        path.parent.mkdir(exist_ok=True)
        self._writer.submit_file(lambda: write_whole(path, lambda f: image.save(f, "PNG", pnginfo=text)))
        self.record(candidate)

    def record(self, candidate: Candidate) -> None:
        """One journal line for a candidate."""
        self._append("candidate", candidate.facts())

    def record_proposed(self, round_: int, rewrites: list[Rewrite], dropped: list[Dropped]) -> None:
        """One journal line for the texts of a round, and those dropped."""
        self._append("proposed", {"round": round_, "dropped": dropped, "rewrites": [vars(r) for r in rewrites]})

    def record_written(self, round_: int, rewrites: list[Rewrite]) -> None:
        """What was paid for, before it is known which of it is rendered."""
        self._append("written", {"round": round_, "rewrites": [vars(r) for r in rewrites]})

    def record_learned(self, round_: int, candidates: list[Candidate], basis: dict[str, str]) -> None:
        """Scores of all pictures after what was learnt in a round. ``basis``: digest of what it was learnt from, by
        user.
        """
        self._append("learned", {"round": round_, "candidates": [c.facts() for c in candidates], "basis": basis})

    def record_known(self, basis: dict[str, str]) -> None:
        """What was known of the users as a run begins that learns, in the manifest, outside its fingerprint."""
        self.known = basis
        self._note("known", basis)

    def record_question(self, question: RunQuestion) -> None:
        """One journal line for a question to the user."""
        told = {"number": question.number, "round": question.round, "form": question.form, "user": question.user}
        pictures = [c.index for c in question.pictures]
        self._append("question", {**told, "pictures": pictures, "worth": question.worth})

    def record_answer(self, round_: int, number: int, value: float | None) -> None:
        """One journal line for an answer, taken after a round; None for a question that was skipped."""
        self._append("answer", {"number": number, "round": round_, "value": value})

    def went_on(self, round_: int) -> bool:
        """Whether an earlier start of the run went on to the round behind this one."""
        return any(later > round_ for later in self.proposed)

    def record_comment(self, round_: int, comment: Comment) -> None:
        """What a critic said in a round."""
        self._append("critic", {"round": round_, **vars(comment)})

    @property
    def drawn_together(self) -> int | None:
        """Pictures in a batch, where memory forced fewer than the settings say."""
        found: int | None = self.manifest.get("drawn_together")
        return found

    def record_usage(self, part: str, usage: dict[str, float]) -> None:
        """What a part has taken so far, in the manifest, outside its fingerprint."""
        self._note("usage", {**self.manifest.get("usage", {}), part: usage})

    def record_warnings(self, warnings: list[str]) -> None:
        """What the renderer cannot draw of the prompt, in the manifest, outside its fingerprint."""
        self._note("warnings", warnings)

    def record_together(self, batch_size: int | None) -> None:
        """That memory forced smaller batches, in the manifest, so that a resumed run draws alike."""
        if batch_size is not None and batch_size != self.drawn_together:
            self._note("drawn_together", batch_size)

    def record_stop(self, reason: str, seconds: float) -> None:
        """One journal line for the end."""
        self._append("stopped", {"reason": reason, "seconds": round(seconds, 1)})

    def flush(self) -> None:
        """Wait until all is on the disk. Raises StorageError where it could not be written."""
        self._writer.flush()

    def settled(self) -> bool:
        """Whether all is on the disk; it does not wait. Raises StorageError where something could not be written."""
        return self._writer.settled()

    def _note(self, name: str, value: Any) -> None:
        """In the manifest, outside its fingerprint."""
        self.manifest = manifest = {**self.manifest, name: value}
        self._writer.submit(lambda: write_json(self.path / "manifest.json", manifest))

    def _append(self, kind: str, facts: dict[str, Any]) -> None:
        line = {"kind": kind, "run": self.manifest["fingerprint"], **facts}
        self._writer.append(self.path / JOURNAL, line)


def _by_round(rows: list[dict[str, Any]], kind: str) -> dict[int, list[Rewrite]]:
    return {r["round"]: [Rewrite(**w) for w in r["rewrites"]] for r in rows if r["kind"] == kind}


def fingerprint_basis(request: dict[str, Any], config: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    """Everything that changes results."""
    packages = {name: version(name) for name in PACKAGES}
    return {"request": request, "config": config, "parts": parts, "packages": packages}


def fingerprint(basis: dict[str, Any]) -> str:
    """Sixteen hex digits of the basis."""
    return hashlib.sha256(json.dumps(basis, sort_keys=True).encode()).hexdigest()[:16]


def _differences(old: Any, new: Any, path: str = "") -> list[str]:
    if isinstance(new, dict) and isinstance(old, dict):
        keys = [k for k in new if k not in old or old[k] != new[k]]
        keys += [k for k in old if path and k not in new]
        return [d for k in keys for d in _differences(old.get(k), new.get(k), f"{path}.{k}".lstrip("."))]
    return [f"{path}: {shown(old)} then, {shown(new)} now"]

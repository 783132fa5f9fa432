"""Scores of picture files, kept on disk: a scorer of seven billion weights does not look at a data set twice.

One JSON-lines file a scorer, by its fingerprint; a line holds the SHA-256 of a picture file and its prompt, and the raw
score. A killed call goes on after the last line; a damaged line is computed again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from reward_models.doors import parse_json, read_bytes
from reward_models.pictures import read_picture
from reward_models.scorers.base import Scorer

CHUNK = 16  # pictures that are open at once, and lines that a killed call may lose


class KeptScores:
    """Scores by ``scorer``, kept under ``folder``."""

    def __init__(self, folder: Path, scorer: Scorer):
        self.scorer = scorer
        self.path = folder / f"scores-{hashlib.sha256(scorer.fingerprint().encode()).hexdigest()[:16]}.jsonl"
        self._known: dict[str, float] = {}
        if self.path.is_file():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                self._read(line)

    def __len__(self) -> int:
        return len(self._known)

    def of(
        self, paths: Sequence[Path], prompts: Sequence[str], progress: Callable[[int, int], None] | None = None
    ) -> np.ndarray:
        """Raw scores (n,) of picture files to their prompts. Raises OSError or ValueError where one does not open."""
        scores = np.full(len(paths), np.nan)
        for start in range(0, len(paths), CHUNK):
            part = range(start, min(start + CHUNK, len(paths)))
            files = {i: read_bytes(paths[i]) for i in part}
            keys = {i: _key(files[i], prompts[i]) for i in part}
            new = [i for i in part if keys[i] not in self._known]
            if new:
                found = self.scorer.score([read_picture(files[i]) for i in new], [prompts[i] for i in new])
                self._write({keys[i]: float(score) for i, score in zip(new, found, strict=True)})
            scores[list(part)] = [self._known[keys[i]] for i in part]
            if progress:
                progress(part.stop, len(paths))
        return scores

    def _write(self, found: dict[str, float]) -> None:
        self._known |= found
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = (json.dumps({"of": key, "score": score}) + "\n" for key, score in found.items() if score == score)
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(lines)

    def _read(self, line: str) -> None:
        try:
            row = parse_json(line)
            self._known[str(row["of"])] = float(row["score"])
        except (ValueError, KeyError, TypeError):
            return  # cut when a call was killed


def _key(file: bytes, prompt: str) -> str:
    return hashlib.sha256(file).hexdigest()[:32] + hashlib.sha256(prompt.encode()).hexdigest()[:16]

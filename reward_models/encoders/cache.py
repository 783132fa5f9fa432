"""Features on disk, so that training never touches pixels again.

One folder a (encoder, precision), holding safetensors shards of at most ``SHARD`` rows; a row's key is
the SHA-256 of the picture file's bytes or of the text, so renamed and copied pictures cost nothing. A shard
appears whole or not at all: a killed run goes on after the last one written.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from reward_models.doors import read_bytes
from reward_models.encoders.base import Encoder, Prepared
from reward_models.pictures import open_picture

SHARD = 512
Progress = Callable[[int, int], None]  # done, total


@dataclass
class Features:
    """Vectors (P, D) of P pictures or texts; ``row`` finds one by its path or text.

    ``unreadable``: what could not be read, with the reason.
    """

    vectors: Tensor
    row: dict[str, int]
    unreadable: dict[str, str] = field(default_factory=dict)


class FeatureCache:
    """Vectors of pictures and texts by one encoder, kept under ``folder``."""

    def __init__(self, folder: str | Path, encoder: Encoder, workers: int = 4):
        self.encoder, self.workers = encoder, workers
        self.folder = Path(folder) / f"{encoder.fingerprint()}-{encoder.precision}"
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "encoder.txt").write_text(f"{encoder.name}\n", encoding="utf-8")
        self._vectors: dict[str, Tensor] = {}
        for shard in sorted(self.folder.glob("*.safetensors")):
            self._read(shard)

    def __len__(self) -> int:
        return len(self._vectors)

    def pictures(self, root: Path, names: Sequence[str], progress: Progress | None = None) -> Features:
        """Features of the pictures ``root / name``; one that does not open is listed, not raised."""
        if self.encoder.by_name:
            return self._by_name(names)
        unreadable: dict[str, str] = {}
        keys: dict[str, str] = {}
        unique = list(dict.fromkeys(names))
        waiting: list[tuple[str, Prepared]] = []
        for done, (name, key, prepared) in enumerate(self._prepare(root, unique), 1):
            if key is None:
                unreadable[name] = str(prepared)
            else:
                keys[name] = key
                if prepared is not None:
                    waiting.append((key, prepared))
            if len(waiting) >= SHARD or done == len(unique):
                fresh = dict(waiting)  # one row for files that are equal
                if fresh:
                    self._write(list(fresh), self.encoder.prepared(list(fresh.values())))
                waiting = []
            if progress:
                progress(done, len(unique))
        return self._collect(keys, unreadable)

    def texts(self, texts: Sequence[str]) -> Features:
        """Features of texts."""
        keys = {t: "text:" + hashlib.sha256(t.encode()).hexdigest() for t in dict.fromkeys(texts)}
        missing = [t for t, key in keys.items() if key not in self._vectors]
        for start in range(0, len(missing), SHARD):
            chunk = missing[start : start + SHARD]
            self._write([keys[t] for t in chunk], self.encoder.texts(chunk))
        return self._collect(keys, {})

    def _prepare(self, root: Path, names: list[str]) -> Iterator[tuple[str, str | None, Any]]:
        """In order: (name, key, inputs or None where cached), or (name, None, reason)."""

        def one(name: str) -> tuple[str, str | None, Any]:
            try:
                data = read_bytes(root / name)
                key = hashlib.sha256(data).hexdigest()
                if key in self._vectors:
                    return name, key, None
                with open_picture(data) as image:
                    return name, key, self.encoder.prepare(image)
            except (OSError, ValueError) as error:
                return name, None, str(error)

        with ThreadPoolExecutor(self.workers) as pool:
            for start in range(0, len(names), SHARD):  # bounded: no more than a shard of pixels at once
                yield from pool.map(one, names[start : start + SHARD])

    def _by_name(self, names: Sequence[str]) -> Features:
        found = {n: v for n in dict.fromkeys(names) if (v := self.encoder.look_up(n)) is not None}
        missing = {n: self.encoder.why_missing(n) for n in dict.fromkeys(names) if n not in found}
        vectors = torch.stack(list(found.values())) if found else torch.zeros(0, self.encoder.width)
        return Features(vectors, {n: i for i, n in enumerate(found)}, missing)

    def _collect(self, keys: dict[str, str], unreadable: dict[str, str]) -> Features:
        rows = [self._vectors[key] for key in keys.values()]
        vectors = torch.stack(rows) if rows else torch.zeros(0, self.encoder.width)
        return Features(vectors, {name: i for i, name in enumerate(keys)}, unreadable)

    def _write(self, keys: list[str], vectors: Tensor) -> None:
        vectors = vectors.float().cpu().contiguous()
        name = hashlib.sha256("".join(keys).encode()).hexdigest()[:24]
        partial = self.folder / f"{name}.{os.getpid()}.partial"
        save_file({"vectors": vectors}, partial, metadata={"keys": json.dumps(keys)})
        os.replace(partial, self.folder / f"{name}.safetensors")
        self._vectors |= dict(zip(keys, vectors, strict=True))

    def _read(self, shard: Path) -> None:
        try:
            with safe_open(shard, framework="pt") as file:
                vectors, keys = file.get_tensor("vectors"), json.loads(file.metadata()["keys"])
        except (SafetensorError, OSError, KeyError, TypeError, ValueError):
            shard.unlink(missing_ok=True)  # damaged: computed again
            return
        self._vectors |= dict(zip(keys, vectors, strict=True))


def unreadable_line(unreadable: dict[str, str], show: Iterable[str] | None = None) -> str:
    """One line about pictures that were skipped, "" for none."""
    if not unreadable:
        return ""
    names = list(show or unreadable)[:3]
    first = "; ".join(f"{n} ({unreadable[n]})" for n in names)
    return f"{len(unreadable)} pictures skipped: {first}" + (" ..." if len(unreadable) > 3 else "")

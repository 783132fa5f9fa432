"""Ratings as arrays."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass
class RatingTable:
    """Ratings as arrays; R ratings of pictures (P, D) to prompts (Q, D), F demographic and metadata fields.

    ``picture``, ``prompt``: rows in the feature tables (R,), an all-zero prompt row means none; ``person``: ids
    (R,); ``liking``: scores in [0, 1] (R,); ``fields``: table rows (R, F), see ``PamelaPredictor``;
    ``weight``: how often a person is drawn in training (R,), the same in all their rows.
    """

    picture: np.ndarray
    prompt: np.ndarray
    person: np.ndarray
    liking: np.ndarray
    fields: np.ndarray
    weight: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.liking)

    def fingerprint(self) -> str:
        """Sixteen hex digits of every column."""
        columns = (self.picture, self.prompt, self.liking, self.fields, self.weight)
        digest = hashlib.sha256("\n".join(self.person).encode())
        for column in columns:
            digest.update(b"" if column is None else np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()[:16]

    def where(self, mask: np.ndarray) -> RatingTable:
        """The rows chosen by a boolean mask or an index array."""
        return RatingTable(
            self.picture[mask],
            self.prompt[mask],
            self.person[mask],
            self.liking[mask],
            self.fields[mask],
            None if self.weight is None else self.weight[mask],
        )

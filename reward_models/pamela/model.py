"""The PAMELA predictor: picture, prompt, person, demographics and metadata to one liking.

After "Personalizing Text-to-Image Generation to Individual Taste" (arXiv 2604.07427). Stated by
the paper: frozen SigLIP 2 features, a shallow transformer over feature, demographic and
metadata tokens. Inferred from the caption of its Fig. 7, where the id is withheld: a vector per
person. Ours, since unpublished: widths, losses, dropouts, and tables of a class each for
demographics and metadata, in which a value that training never saw is the same as a missing one
(``demographics_by: text`` reads it in words instead; the paper cites a text embedder).
Shapes: B batch, D encoder features, W model width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from reward_models.base import RewardError

DEMOGRAPHICS = ("age_binned", "gender", "nationality")
METADATA = ("group", "style", "type")
INPUTS = ("picture", "prompt", "person", "demographics", "metadata")


@dataclass
class PamelaConfig:
    """Architecture and vocabularies; index 0 of every vocabulary means missing.

    ``inputs`` and ``product`` are for ablations: what is not among the inputs is never shown to the model. ``whiten``:
    so many principal axes of pictures, brought to one variance, in place of the features; 0 for the features.
    ``demographics_by``: a learned vector a class, or a linear map of what the encoder makes of it in words.
    ``datasets``: names of those trained on; of several, people are called ``name-id``.
    """

    features: int
    width: int = 128
    layers: int = 2
    heads: int = 4
    noise: float = 0.16  # standard deviation of a rating around the prediction, in [0, 1]
    product: bool = True
    whiten: int = 0
    inputs: list[str] = field(default_factory=lambda: list(INPUTS))
    demographics: list[str] = field(default_factory=lambda: list(DEMOGRAPHICS))
    metadata: list[str] = field(default_factory=lambda: list(METADATA))
    people: list[str] = field(default_factory=list)
    vocabularies: dict[str, list[str]] = field(default_factory=dict)
    demographics_by: Literal["table", "text"] = "table"
    datasets: list[str] = field(default_factory=list)

    @property
    def fields(self) -> list[str]:
        """Columns of a row of table rows: demographics, then metadata."""
        return [*self.demographics, *self.metadata]

    def row(self, values: Mapping[str, str]) -> list[int]:
        """Table rows of these demographics and metadata, 0 where missing."""
        return [self.index(name, values.get(name)) for name in self.fields]

    def index(self, name: str, value: str | None) -> int:
        """Row of ``value`` in the table ``name``; 0 where missing or never seen."""
        known = self.people if name == "person" else self.vocabularies[name]
        return known.index(value) + 1 if value in known else 0


class Block(nn.Module):
    """A transformer layer, norms first; it can be asked for its first tokens alone, which costs only theirs."""

    def __init__(self, width: int, heads: int, dropout: float = 0.1):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: torch.Tensor, first: int | None = None) -> torch.Tensor:
        """Tokens (B, T, W) to (B, ``first`` or T, W)."""
        y = self.norm1(x)
        k, v = self.key_value(y).chunk(2, dim=-1)
        q = self._split(self.query(y[:, :first]))
        attended = F.scaled_dot_product_attention(q, self._split(k), self._split(v))
        x = x[:, :first] + self._drop(self.out(attended.transpose(1, 2).flatten(2)))
        return x + self._drop(self.down(F.gelu(self.up(self.norm2(x)))))

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, T, W / heads)

    def _drop(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(x, self.dropout, self.training)


class SaidTable(nn.Module):
    """Vectors (W) of classes from what a text encoder makes of them in words (D), by one linear map; row 0 is missing.

    A class that training never saw needs its words alone.
    """

    said: torch.Tensor

    def __init__(self, classes: int, features: int, width: int):
        super().__init__()
        self.register_buffer("said", torch.zeros(classes + 1, features))
        self.missing = nn.Parameter(torch.randn(width) * 0.02)
        self.map = nn.Linear(features, width)
        nn.init.normal_(self.map.weight, std=0.02)
        nn.init.zeros_(self.map.bias)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows (B,) to vectors (B, W)."""
        found = self.map(self.said[rows] * self.said.shape[1] ** 0.5)  # unit vectors to unit variance a component
        return torch.where((rows > 0)[:, None], found, self.missing)


class PamelaPredictor(nn.Module):
    """One member of the ensemble."""

    centre: torch.Tensor
    axes: torch.Tensor

    def __init__(self, config: PamelaConfig):
        super().__init__()
        self.config = config
        width = config.width
        if config.whiten:
            self.register_buffer("centre", torch.zeros(config.features))
            self.register_buffer("axes", torch.zeros(config.whiten, config.features))
        self.picture = nn.Linear(config.whiten or config.features, width)
        self.prompt = nn.Linear(config.features, width)
        self.no_prompt = nn.Parameter(torch.zeros(width))
        self.person = nn.Embedding(len(config.people) + 1, width)
        self.fields = nn.ModuleList(self._field(n) for n in config.fields)
        self.cls = nn.Parameter(torch.randn(width) * 0.02)
        self.kind = nn.Parameter(torch.randn(4 + len(self.fields), width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, config.heads) for _ in range(config.layers))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1))
        # besides what attention makes of them, a person and a picture meet in a plain product
        self.taste = nn.Linear(width, width, bias=False)
        for table in (self.person, *self.fields):
            if isinstance(table, nn.Embedding):
                nn.init.normal_(table.weight, std=0.02)

    def _field(self, name: str) -> nn.Module:
        classes, width = len(self.config.vocabularies[name]), self.config.width
        if name in self.config.demographics and self.config.demographics_by == "text":
            return SaidTable(classes, self.config.features, width)
        return nn.Embedding(classes + 1, width)

    @torch.no_grad()
    def see(self, pictures: torch.Tensor) -> None:
        """Take in what typical pictures (n, D) are like, where the model whitens: principal axes of variance 1."""
        if not self.config.whiten:
            return
        self.centre.copy_(pictures.mean(0))
        _, spread, axes = torch.linalg.svd(pictures - self.centre, full_matrices=False)
        k = min(self.config.whiten, len(axes))
        size = spread[:k, None] / max(len(pictures) - 1, 1) ** 0.5
        self.axes[:k] = torch.where(size > 1e-4 * size[0], axes[:k] / size.clamp(min=1e-12), 0)

    def hear(self, said: Mapping[str, torch.Tensor]) -> None:
        """Take in the words of every class: features (V, D) by field. Raises RewardError where one is missing."""
        for name, table in zip(self.config.fields, self.fields, strict=True):
            if isinstance(table, SaidTable) and len(table.said) > 1:
                if name not in said:
                    raise RewardError("demographics_by: text needs an encoder that reads texts; this one does not")
                table.said[1:] = said[name].to(table.said)

    def forward(
        self,
        picture: torch.Tensor,
        prompt: torch.Tensor,
        person: torch.Tensor,
        fields: torch.Tensor,
    ) -> torch.Tensor:
        """Liking (B,) in [0, 1].

        ``picture``, ``prompt``: unit features (B, D), an all-zero prompt row means none;
        ``person``: vectors (B, W); ``fields``: table rows (B, F) in the order of
        ``config.fields``, 0 for missing.
        """
        picture, prompt, person, fields = self._shown(picture, prompt, person, fields)
        scale = self.config.features**0.5  # unit vectors to unit variance a component
        said = prompt.abs().sum(-1, keepdim=True) > 0
        tokens = [
            self.cls.expand(len(picture), -1),  # CLS and the picture first: only they are read
            self.picture((picture - self.centre) @ self.axes.T if self.config.whiten else picture * scale),
            torch.where(said, self.prompt(prompt * scale), self.no_prompt),
            person,
            *(table(fields[:, i]) for i, table in enumerate(self.fields)),
        ]
        x = torch.stack(tokens, dim=1) + self.kind  # (B, 4 + F, W)
        for i, block in enumerate(self.blocks):
            x = block(x, first=2 if i == len(self.blocks) - 1 else None)
        logit = self.head(x[:, 0])
        if self.config.product:
            logit = logit + (self.taste(person) * x[:, 1]).sum(-1, keepdim=True)
        return torch.sigmoid(logit).squeeze(-1)

    def _shown(
        self, picture: torch.Tensor, prompt: torch.Tensor, person: torch.Tensor, fields: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """The arguments of ``forward`` with what is not among ``config.inputs`` blanked."""
        shown, split = {name: name in self.config.inputs for name in INPUTS}, len(self.config.demographics)
        if all(shown.values()):
            return picture, prompt, person, fields
        known = torch.ones(fields.shape[1], dtype=fields.dtype, device=fields.device)
        known[:split] *= shown["demographics"]
        known[split:] *= shown["metadata"]
        return picture * shown["picture"], prompt * shown["prompt"], person * shown["person"], fields * known

"""The PAMELA predictor: picture, prompt, person, demographics and metadata to one liking.

After "Personalizing Text-to-Image Generation to Individual Taste" (arXiv 2604.07427). Stated by
the paper: frozen SigLIP 2 features, a shallow transformer over feature, demographic and
metadata tokens, a vector per person. Ours, since unpublished: widths, losses, dropouts.
Shapes: B batch, D encoder features, W model width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import nn

DEMOGRAPHICS = ("age_binned", "gender", "nationality")
METADATA = ("group", "style", "type")
INPUTS = ("picture", "prompt", "person", "demographics", "metadata")


@dataclass
class PamelaConfig:
    """Architecture and vocabularies; index 0 of every vocabulary means missing.

    ``inputs`` and ``product`` are for ablations: what is not among the inputs is never shown to the model.
    """

    features: int
    width: int = 128
    layers: int = 2
    heads: int = 4
    noise: float = 0.16  # standard deviation of a rating around the prediction, in [0, 1]
    product: bool = True
    inputs: list[str] = field(default_factory=lambda: list(INPUTS))
    demographics: list[str] = field(default_factory=lambda: list(DEMOGRAPHICS))
    metadata: list[str] = field(default_factory=lambda: list(METADATA))
    people: list[str] = field(default_factory=list)
    vocabularies: dict[str, list[str]] = field(default_factory=dict)

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


class PamelaPredictor(nn.Module):
    """One member of the ensemble."""

    def __init__(self, config: PamelaConfig):
        super().__init__()
        self.config = config
        width = config.width
        self.picture = nn.Linear(config.features, width)
        self.prompt = nn.Linear(config.features, width)
        self.no_prompt = nn.Parameter(torch.zeros(width))
        self.person = nn.Embedding(len(config.people) + 1, width)
        self.fields = nn.ModuleList(nn.Embedding(len(config.vocabularies[n]) + 1, width) for n in config.fields)
        self.cls = nn.Parameter(torch.randn(width) * 0.02)
        self.kind = nn.Parameter(torch.randn(4 + len(self.fields), width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, config.heads) for _ in range(config.layers))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1))
        # besides what attention makes of them, a person and a picture meet in a plain product
        self.taste = nn.Linear(width, width, bias=False)
        for table in (self.person, *self.fields):
            nn.init.normal_(table.weight, std=0.02)

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
            self.picture(picture * scale),
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

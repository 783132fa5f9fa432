"""The PAMELA predictor: picture, prompt, person, demographics and metadata to one liking.

After "Personalizing Text-to-Image Generation to Individual Taste" (arXiv 2604.07427). Stated by
the paper: frozen SigLIP 2 features, a shallow transformer over feature, demographic and
metadata tokens, a vector per person. Ours, since unpublished: widths, losses, dropouts.
Shapes: B batch, D encoder features, W model width.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from reward_models.base import Person, RewardError, Scores, UnknownPerson
from reward_models.encoders import Encoder, load_encoder, weights_hash

DEMOGRAPHICS = ("age_binned", "gender", "nationality")
METADATA = ("group", "style", "type")


@dataclass
class PamelaConfig:
    """Architecture and vocabularies; index 0 of every vocabulary means missing."""

    features: int
    width: int = 128
    layers: int = 2
    heads: int = 4
    noise: float = 0.16  # standard deviation of a rating around the prediction, in [0, 1]
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
        layer = nn.TransformerEncoderLayer(
            width, config.heads, 2 * width, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1))
        # besides what attention makes of them, a person and a picture meet in a plain product
        self.taste = nn.Linear(width, width, bias=False)
        for table in (self.person, *self.fields):
            nn.init.normal_(table.weight, std=0.02)  # type: ignore[arg-type]

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
        scale = self.config.features**0.5  # unit vectors to unit variance a component
        said = prompt.abs().sum(-1, keepdim=True) > 0
        tokens = [
            self.cls.expand(len(picture), -1),
            self.picture(picture * scale),
            torch.where(said, self.prompt(prompt * scale), self.no_prompt),
            person,
            *(table(fields[:, i]) for i, table in enumerate(self.fields)),
        ]
        x = self.encoder(torch.stack(tokens, dim=1) + self.kind)  # (B, 4 + F, W)
        product = (self.taste(person) * x[:, 1]).sum(-1, keepdim=True)
        return torch.sigmoid(self.head(x[:, 0]) + product).squeeze(-1)


class PamelaReward:
    """The trained ensemble with its encoder, behind the reward protocol."""

    name = "pamela"

    def __init__(
        self, config: PamelaConfig, members: Sequence[PamelaPredictor], encoder: Encoder,
        demographics: dict[str, dict[str, str]] | None = None,
    ):  # fmt: skip
        self.config, self.encoder = config, encoder
        self.members = [m.eval().to(getattr(encoder, "device", "cpu")) for m in members]
        self.demographics = demographics or {}

    @classmethod
    def from_folder(cls, folder: Path, encoder: Encoder | None = None, device: str = "cpu") -> PamelaReward:
        """Load config.json and model.safetensors; an encoder other than the one trained on is refused."""
        try:
            saved = json.loads((folder / "config.json").read_text())
            weights = load_file(folder / "model.safetensors")
            config = PamelaConfig(**saved["architecture"])
            members = []
            for k in range(saved["members"]):
                member = PamelaPredictor(config)
                prefix = f"{k}."
                own = {n.removeprefix(prefix): w.float() for n, w in weights.items() if n.startswith(prefix)}
                member.load_state_dict(own)
                members.append(member)
        except (OSError, SafetensorError, RuntimeError, KeyError, TypeError) as error:
            raise RewardError(f"the reward model in '{folder}' does not load: {error}") from error
        encoder = encoder or _saved_encoder(folder, saved["encoder"], device)
        if (found := encoder.fingerprint()) != saved["encoder_fingerprint"]:
            raise RewardError(
                f"the reward model in '{folder}' was trained on encoder {saved['encoder_fingerprint']}, "
                f"but '{encoder.name}' is {found}; use the encoder it names or train again"
            )
        return cls(config, members, encoder, saved.get("demographics"))

    def save(
        self, folder: Path, encoder: str, metrics: Mapping[str, object], about: Mapping[str, object] | None = None
    ) -> None:
        """Write config.json and fp16 model.safetensors.

        ``encoder`` is a path relative to ``folder`` or a hub name; ``about`` says what it was trained on.
        """
        folder.mkdir(parents=True, exist_ok=True)
        kind = {"SiglipEncoder": "siglip", "VisionEncoder": "vision", "FeatureTable": "table"}
        named = {"name": encoder, "kind": kind.get(type(self.encoder).__name__, "own"),
                 "revision": getattr(self.encoder, "revision", None)}  # fmt: skip
        config = {
            "family": "pamela", "architecture": asdict(self.config), "members": len(self.members),
            "encoder": named, "encoder_fingerprint": self.encoder.fingerprint(),
            "score_scale": "(score - 1) / 4", "demographics": self.demographics, "metrics": metrics, **(about or {}),
        }  # fmt: skip
        (folder / "config.json").write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n")
        weights = {
            f"{k}.{n}": w.half().contiguous() for k, m in enumerate(self.members) for n, w in m.state_dict().items()
        }
        save_file(weights, folder / "model.safetensors")

    def add_people(
        self, vectors: Mapping[str, Sequence[torch.Tensor]], demographics: Mapping[str, dict[str, str]]
    ) -> None:
        """Give people, new or known, a vector (W,) for each member."""
        for person in vectors:
            if person not in self.config.people:
                self.config.people.append(person)
        for k, member in enumerate(self.members):
            table = member.person.weight.detach()
            grown = table.new_zeros(len(self.config.people) + 1, table.shape[1])
            grown[: len(table)] = table
            for person, each in vectors.items():
                grown[self.config.index("person", person)] = each[k]
            member.person = nn.Embedding.from_pretrained(grown)
        self.demographics |= {person: demographics.get(person, {}) for person in vectors}

    def fingerprint(self) -> str:
        """Hashes of the members' and of the encoder's weights."""
        return weights_hash(*self.members) + self.encoder.fingerprint()

    def people(self) -> list[str]:
        return list(self.config.people)

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str], person: Person) -> Scores:
        """Scores of n pictures for ``person``; ``prompts`` (n) are what fidelity is measured against."""
        (scores,) = self.score_users(images, prompts, [person])
        return scores

    def score_users(
        self, images: Sequence[Image.Image], prompts: Sequence[str], people: Sequence[Person]
    ) -> list[Scores]:
        """Scores of n pictures for each person; every picture is encoded once. Raises UnknownPerson."""
        for person in people:
            if person.id is not None and person.id not in self.config.people:
                raise UnknownPerson(f"the reward model has no vector for '{person.id}'")
        pictures, texts = self.encoder.images(images), self.encoder.texts(prompts)
        fidelity = self.encoder.agreement(pictures, texts).numpy()
        each = self.predict(pictures, texts, [Person(), *people])  # (members, 1 + people, n)
        mean, spread = each.mean(0).cpu().numpy(), each.std(0, unbiased=False).cpu().numpy()
        return [Scores(mean[k], mean[0], fidelity, spread[k]) for k in range(1, len(people) + 1)]

    @torch.inference_mode()
    def predict(
        self, pictures: torch.Tensor, texts: torch.Tensor, people: Sequence[Person], batch: int = 8192
    ) -> torch.Tensor:
        """Liking (members, people, n) from features (n, D) each; metadata is unknown when steering."""
        device, n = pictures.device, len(pictures)
        rows, who = [], []
        for person in people:
            shown = self.demographics.get(person.id or "", {}) | person.demographics
            rows.append(self.config.row({k: shown[k] for k in self.config.demographics if k in shown}))
            who.append(self.config.index("person", person.id))
        fields, index = torch.tensor(rows, device=device), torch.tensor(who, device=device)
        parts = []
        for pairs in torch.arange(len(people) * n, device=device).split(batch):  # every (person, picture)
            k, i = pairs // n, pairs % n
            parts.append(
                torch.stack([m(pictures[i], texts[i], m.person.weight[index[k]], fields[k]) for m in self.members])
            )
        liking = torch.cat(parts, dim=1) if parts else torch.zeros(len(self.members), 0, device=device)
        return liking.view(len(self.members), len(people), n)


def _saved_encoder(folder: Path, saved: str | dict[str, str | None], device: str) -> Encoder:
    """The encoder that ``config.json`` names: a path relative to ``folder``, or a hub name."""
    named = {"name": saved, "kind": "siglip"} if isinstance(saved, str) else saved
    name, kind = str(named["name"]), named.get("kind") or "siglip"
    if kind == "own":
        raise RewardError(
            f"the reward in '{folder}' was trained on an encoder of one's own ('{name}'); pass it to from_folder"
        )
    local = folder / name
    return load_encoder(local.resolve() if local.exists() else name, kind, device, revision=named.get("revision"))

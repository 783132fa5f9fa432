"""The trained PAMELA ensemble behind the reward protocol: load, score, enrol new people, save.

Shapes: n pictures, U people, M members, W model width, K axes of the space that people span.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from reward_models.base import Person, RewardError, Scores, UnknownPerson
from reward_models.encoders.base import Encoder, encode_readable, weights_hash
from reward_models.encoders.imagination import Imagination
from reward_models.encoders.load import load_encoder
from reward_models.pamela.model import PamelaConfig, PamelaPredictor
from reward_models.pamela.people import PersonPrior, sensitivity
from reward_models.pamela.teacher import LearnsPeople

FEW, ROWS = 1024, 32  # answers at once, and in one batch of these
KINDS = {"SiglipEncoder": "siglip", "VisionEncoder": "vision", "FeatureTable": "table"}


class PamelaReward(LearnsPeople):
    """Members of several seeds with their encoder, and what is known of people's vectors.

    ``priors``: where vectors lie, one a member; ``covariances``: posterior of every person on the prior's axes, one
    (P + 1, K, K) a member, row 0 the prior itself; ``demographics``: what is known of each person.
    """

    name = "pamela"

    def __init__(
        self,
        config: PamelaConfig,
        members: Sequence[PamelaPredictor],
        encoder: Encoder,
        priors: Sequence[PersonPrior],
        covariances: Sequence[Tensor],
        demographics: dict[str, dict[str, str]] | None = None,
        imagination: Imagination | None = None,
    ):
        self.config, self.encoder = config, encoder
        self.device = torch.device(getattr(encoder, "device", "cpu"))
        self.members = [m.eval().requires_grad_(False).to(self.device) for m in members]
        self.priors = [p.to(self.device) for p in priors]
        self.covariances = [c.to(self.device) for c in covariances]
        self.demographics = demographics or {}
        self.imagination = imagination.to(self.device) if imagination else None
        self.trained = tuple(config.people)  # those enrolled later are not among them
        self._fingerprint = ""

    @classmethod
    def from_folder(cls, folder: Path, encoder: Encoder | None = None, device: str = "cpu") -> PamelaReward:
        """Load config.json and model.safetensors; an encoder other than the one trained on is refused."""
        try:
            saved = json.loads((folder / "config.json").read_text())
            weights = {n: w.float() for n, w in load_file(folder / "model.safetensors").items()}
            config = PamelaConfig(**saved["architecture"])
            sizes = tuple(len(config.vocabularies[f]) for f in config.demographics)
            members, priors, covariances, imagination = [], [], [], None
            if "imagination_error" in saved:
                parts = {n: weights.pop(f"imagination.{n}") for n in ("weight", "bias")}
                imagination = Imagination(**parts, error=saved["imagination_error"])
            for k in range(saved["members"]):
                own = {n.removeprefix(f"{k}."): w for n, w in weights.items() if n.startswith(f"{k}.")}
                parts = {n: own.pop(f"prior.{n}") for n in ("mean", "axes", "table", "frequency")}
                priors.append(PersonPrior(**parts, sizes=sizes))
                covariances.append(own.pop("prior.covariances"))
                member = PamelaPredictor(config)
                member.load_state_dict(own)
                members.append(member)
        except (OSError, SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
            raise RewardError(f"the reward model in '{folder}' does not load: {error}") from error
        encoder = encoder or _saved_encoder(folder, saved["encoder"], device)
        if (found := encoder.fingerprint()) != saved["encoder_fingerprint"]:
            raise RewardError(
                f"the reward model in '{folder}' was trained on encoder {saved['encoder_fingerprint']}, "
                f"but '{encoder.name}' is {found}; use the encoder it names or train again"
            )
        return cls(config, members, encoder, priors, covariances, saved.get("demographics"), imagination)

    def save(
        self,
        folder: Path,
        metrics: Mapping[str, object],
        about: Mapping[str, object] | None = None,
        encoder: str | None = None,
    ) -> None:
        """Write config.json and fp16 model.safetensors.

        ``encoder``: a path relative to ``folder`` or a hub name where the encoder's own name should not be kept;
        ``about`` says what it was trained on.
        """
        folder.mkdir(parents=True, exist_ok=True)
        local = Path(self.encoder.name).exists()
        name = encoder or (os.path.relpath(self.encoder.name, folder) if local else self.encoder.name)
        named = {
            "name": name,
            "kind": KINDS.get(type(self.encoder).__name__, "own"),
            "revision": getattr(self.encoder, "revision", None),
        }
        config = {
            "family": "pamela",
            "architecture": asdict(self.config),
            "members": len(self.members),
            "encoder": named,
            "encoder_fingerprint": self.encoder.fingerprint(),
            "score_scale": "(score - 1) / 4",
            "demographics": self.demographics,
            "metrics": metrics,
            **(about or {}),
        }
        weights: dict[str, Tensor] = {}
        for k, (member, prior, covariance) in enumerate(zip(self.members, self.priors, self.covariances, strict=True)):
            own = {
                **member.state_dict(),
                "prior.mean": prior.mean,
                "prior.axes": prior.axes,
                "prior.table": prior.table,
                "prior.frequency": prior.frequency,
                "prior.covariances": covariance,
            }
            weights |= {f"{k}.{n}": w.half().cpu().contiguous() for n, w in own.items()}
        if self.imagination:
            config["imagination_error"] = round(self.imagination.error, 4)
            for n in ("weight", "bias"):
                weights[f"imagination.{n}"] = getattr(self.imagination, n).half().cpu().contiguous()
        (folder / "config.json").write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n")
        save_file(weights, folder / "model.safetensors")

    def keep(self, members: int) -> None:
        """Only the first ``members`` of those that were trained. Raises RewardError where there are fewer."""
        if members > len(self.members):
            raise RewardError(f"the reward has {len(self.members)} members, not {members}")
        for name in ("members", "priors", "covariances"):
            setattr(self, name, getattr(self, name)[:members])
        self._fingerprint = ""

    def fingerprint(self) -> str:
        """Hashes of the members' and of the encoder's weights as trained: people enrolled since change nothing."""
        if not self._fingerprint:
            self._fingerprint = weights_hash(*self.members) + self.encoder.fingerprint()
        return self._fingerprint

    def people(self) -> list[str]:
        return list(self.config.people)

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str], person: Person) -> Scores:
        """Scores of n pictures for ``person``; ``prompts`` (n) are what fidelity is measured against."""
        (scores,) = self.score_users(images, prompts, [person])
        return scores

    def score_users(
        self, images: Sequence[Image.Image], prompts: Sequence[str], people: Sequence[Person], posterior: bool = True
    ) -> list[Scores]:
        """Scores of n pictures for each person; every picture is encoded once. A picture that does not open is NaN.

        Without ``posterior`` the uncertainty is the members' spread alone: about three times faster for many people.
        Raises UnknownPerson.
        """
        known = set(self.config.people)
        for person in people:
            if person.id is not None and person.id not in known:
                raise UnknownPerson(f"the reward model has no vector for '{person.id}'")
        pictures, readable = encode_readable(self.encoder, images)
        texts = self.encoder.texts(prompts)
        fidelity = self.encoder.agreement(pictures, texts).numpy()
        mean, spread = self.predict(pictures, texts, [Person(), *people], posterior)  # (1 + U, n)
        for values in (mean, spread, fidelity):
            values[..., ~readable] = np.nan
        return [Scores(mean[k], mean[0], fidelity, spread[k]) for k in range(1, len(people) + 1)]

    def score_each(
        self, images: Sequence[Image.Image], prompts: Sequence[str], people: Sequence[Person]
    ) -> list[Scores]:
        """n pictures, each for its own prompt and person (n): one :class:`Scores` of one row each. All are encoded together."""
        if not images:
            return []
        pictures, readable = encode_readable(self.encoder, images)
        texts = self.encoder.texts(prompts)
        fidelity = self.encoder.agreement(pictures, texts).numpy()
        rows: dict[str, list[int]] = {}
        for i, person in enumerate(people):
            rows.setdefault(repr(person), []).append(i)
        found: dict[int, Scores] = {}
        for own in rows.values():
            index, person = torch.tensor(own), people[own[0]]
            mean, spread = self.predict(pictures[index], texts[index], [Person(), person])  # (2, own)
            for values in (mean, spread):
                values[:, ~readable[own]] = np.nan
            for k, i in enumerate(own):
                seen = fidelity[i : i + 1] if readable[i] else np.full(1, np.nan)
                found[i] = Scores(mean[1, k : k + 1], mean[0, k : k + 1], seen, spread[1, k : k + 1])
        return [found[i] for i in range(len(images))]

    def score_texts(self, texts: Sequence[str], person: Person) -> tuple[np.ndarray, np.ndarray]:
        """How much ``person`` would like pictures of n texts, and its standard deviation, (n,) each; nothing is rendered.

        Raises RewardError where the reward was trained without prompts, and so cannot imagine, and UnknownPerson.
        """
        return self.score_text_features(self.encoder.texts(texts), person)

    def score_text_features(self, features: Tensor, person: Person) -> tuple[np.ndarray, np.ndarray]:
        """The same from the encoder's features (n, D) of the texts."""
        pictures = self.imagined(features)
        if person.id is not None and person.id not in self.config.people:
            raise UnknownPerson(f"the reward model has no vector for '{person.id}'")
        (mean,), (spread,) = self.predict(pictures, features.to(self.device), [person])
        assert self.imagination is not None
        return mean, np.hypot(spread, self.imagination.error)

    def predict(
        self, pictures: Tensor, texts: Tensor, people: Sequence[Person], posterior: bool = True, batch: int = 8192
    ) -> tuple[np.ndarray, np.ndarray]:
        """Liking and its standard deviation, (U, n) each, from features (n, D); metadata is unknown when steering.

        The variance is that of the members' answers plus, with ``posterior``, the mean of each member's own: the
        person's covariance seen through the slope of the answer in the person's vector. Up to ``FEW`` answers are made in batches of one
        fixed shape: then an answer is the same to the last bit whatever is asked beside it, as a resumed run or a batch needs.
        """
        pictures, texts = pictures.to(self.device).clone(), texts.to(self.device).clone()
        index, fields = self._rows(people)
        n = len(pictures)
        means, variances = [], []
        few = len(people) * n <= FEW
        for pairs in torch.arange(len(people) * n, device=self.device).split(
            ROWS if few else batch
        ):  # every (person, picture)
            asked = len(pairs)
            if few:
                pairs = torch.cat([pairs, pairs[-1:].expand(ROWS - asked)])
            k, i = pairs // n, pairs % n
            answers, own = [], []
            for member, prior, covariance in zip(self.members, self.priors, self.covariances, strict=True):
                given = pictures[i], texts[i], member.person.weight[index[k]], fields[k]
                if posterior:
                    answer, slope = sensitivity(member, *given)
                    along = slope @ prior.axes.T  # (B, K)
                    own.append(torch.einsum("bk,bkl,bl->b", along, covariance[index[k]], along))
                else:
                    with torch.no_grad():
                        answer = member(*given)
                answers.append(answer)
            each = torch.stack(answers)  # (M, B)
            means.append(each.mean(0)[:asked])
            variances.append((each.var(0, unbiased=False) + (torch.stack(own).mean(0) if own else 0))[:asked])
        shape = len(people), n
        mean, variance = (torch.cat(v).view(shape) if v else torch.zeros(shape) for v in (means, variances))
        return mean.cpu().numpy(), variance.clamp(min=0).sqrt().cpu().numpy()

    def _rows(self, people: Sequence[Person]) -> tuple[Tensor, Tensor]:
        """Person table rows (U,) and field rows (U, F)."""
        row_of = {p: i + 1 for i, p in enumerate(self.config.people)}
        rows = []
        for person in people:
            shown = self.demographics.get(person.id or "", {}) | person.demographics
            rows.append(self.config.row({k: shown[k] for k in self.config.demographics if k in shown}))
        index = [row_of.get(person.id or "", 0) for person in people]
        return torch.tensor(index, device=self.device), torch.tensor(rows, device=self.device)


def _saved_encoder(folder: Path, saved: Mapping[str, str | None], device: str) -> Encoder:
    """The encoder that ``config.json`` names: a path relative to ``folder``, or a hub name."""
    name, kind = str(saved["name"]), saved["kind"] or "siglip"
    if kind == "own":
        raise RewardError(
            f"the reward in '{folder}' was trained on an encoder of one's own ('{name}'); pass it to from_folder"
        )
    local = folder / name
    return load_encoder(local.resolve() if local.exists() else name, kind, device, revision=saved.get("revision"))

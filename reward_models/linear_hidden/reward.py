"""Linear-Hidden behind the reward protocol: pictures through a frozen VLM, a ridge a person, refitted in milliseconds.

The folder holds no weights of the VLM: it holds the features of the rated pictures, everybody's ratings, a general score and, if wanted, a map to
named attributes. Shapes: n pictures, P rated pictures, D features, A attributes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from reward_models.base import Person, RewardError, Scores
from reward_models.encoders.base import Encoder, encode_readable
from reward_models.encoders.hidden_states import HiddenPools
from reward_models.encoders.imagination import Imagination
from reward_models.encoders.load import load_encoder
from reward_models.linear_hidden.people import Estimator, PersonModel
from reward_models.linear_hidden.population import Population
from reward_models.linear_hidden.ridge import Affine, Scaler, Support
from reward_models.linear_hidden.teacher import LearnsPeople

log = logging.getLogger(__name__)


class LinearHiddenReward(LearnsPeople):
    """``general``: everybody's mean liking from features, (D,) to 1; ``attributes``: to named attributes, or None.

    ``population``: how people differ, for somebody who has rated little. ``fidelity``: an image-text encoder for how well pictures fit their prompts; without one fidelity is NaN.
    """

    name = "linear-hidden"

    def __init__(
        self,
        encoder: HiddenPools,
        pictures: np.ndarray,
        support: Support,
        general: Affine,
        fidelity: Encoder | None = None,
        attributes: tuple[list[str], Affine] | None = None,
        estimator: Estimator = "auto",
        alphas: str = "wide",
        imagination: Imagination | None = None,
        population: Population | None = None,
    ):
        self.hidden, self.pictures, self.support, self.general_map = (
            encoder,
            np.asarray(pictures, np.float64),
            support,
            general,
        )
        self.encoder: Any = fidelity or encoder  # what compares texts, for the guard
        self.fidelity, self.named, self.estimator, self.alphas = fidelity, attributes, estimator, alphas
        self.imagination, self.population = imagination, population
        self.scaler = general.scaler
        self.layer_errors: dict[str, float] | None = None
        self._models: dict[str, PersonModel] = {}
        self._warned = False
        self.trained = tuple(support.rows)

    # scores

    def general(self, x: np.ndarray) -> np.ndarray:
        """Everybody's mean liking of features (m, D), unbounded."""
        return self.general_map(x)[:, 0]

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str], person: Person) -> Scores:
        """Scores of n pictures for ``person``; without an id everybody's mean. A picture that does not open is NaN."""
        (scores,) = self.score_users(images, prompts, [person])
        return scores

    def score_users(
        self, images: Sequence[Image.Image], prompts: Sequence[str], people: Sequence[Person], posterior: bool = True
    ) -> list[Scores]:
        """Scores of n pictures for each person; every picture goes through the VLM once. ``posterior`` changes nothing here."""
        features, readable = encode_readable(self.hidden, images)
        x = features.double().cpu().numpy()
        fidelity = self._agreement(images, prompts, readable)
        population = np.clip(self.general(x), 0, 1)
        population[~readable] = np.nan
        found = []
        for person in people:
            personal, spread = self._of(x, person)
            personal[~readable] = spread[~readable] = np.nan
            found.append(Scores(personal, population, fidelity, spread))
        return found

    def _of(self, x: np.ndarray, person: Person) -> tuple[np.ndarray, np.ndarray]:
        if person.id is None:
            return np.clip(self.general(x), 0, 1), np.zeros(len(x))
        model = self.model(person.id)
        if not self._warned and model.outside(x).any():
            self._warned = True
            log.warning(
                "pictures lie beyond what '%s' has rated (%.2f to %.2f): scores bend toward an end there; this is said once, of anybody",
                person.id,
                model.low,
                model.high,
            )
        return model(x), model.uncertainty(x)

    def _agreement(self, images: Sequence[Image.Image], prompts: Sequence[str], readable: np.ndarray) -> np.ndarray:
        if self.fidelity is None:
            return np.full(len(images), np.nan)
        vectors, _ = encode_readable(self.fidelity, images)
        found = np.array(self.fidelity.agreement(vectors, self.fidelity.texts(prompts)).cpu(), dtype=float)
        found[~readable] = np.nan
        return found

    def score_text_features(self, features: Tensor, person: Person) -> tuple[np.ndarray, np.ndarray]:
        """How much the person would like pictures of texts with these features (n, E) of the fidelity encoder, and how unsure that is."""
        (mean,), (spread,) = self.predict(self.imagined(features), features, [person])
        assert self.imagination is not None
        return mean, np.hypot(spread, self.imagination.error)

    def predict(
        self, pictures: Tensor, texts: Tensor, people: Sequence[Person], posterior: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Liking and its standard deviation, (U, n) each, from features (n, D); texts and ``posterior`` change nothing here."""
        x = pictures.double().cpu().numpy()
        found = [self._of(x, person) for person in people]
        return np.stack([mean for mean, _ in found]), np.stack([spread for _, spread in found])

    # the folder

    def fingerprint(self) -> str:
        """Of the encoder, the maps and everything that was rated at first."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256(self.hidden.fingerprint().encode())
        for person in self.trained:
            digest.update(person.encode() + self.support.likings[person].round(5).tobytes())
        digest.update(self.general_map.weight.astype(np.float32).tobytes() + f"{self.estimator} {self.alphas}".encode())
        if self.population:
            digest.update(self.population.axes.astype(np.float32).tobytes() + f"{self.population.noise:.6f}".encode())
        if self.estimator == "reduce" and self.named:
            digest.update(self.named[1].weight.astype(np.float32).tobytes())
        return digest.hexdigest()[:16] + (self.fidelity.fingerprint() if self.fidelity else "")

    def save(self, folder: Path, about: Mapping[str, object] | None = None) -> None:
        """Write config.json and model.safetensors; encoders are named relative to the folder, or by their hub names."""
        folder.mkdir(parents=True, exist_ok=True)
        config: dict[str, Any] = {
            "family": "linear-hidden",
            "vlm": _named(self.hidden.name, folder),
            "revision": self.hidden.revision,
            "pools": [str(p) for p in self.hidden.pools],
            "size": self.hidden.size,
            "prompt": self.hidden.prompt,
            "encoder_fingerprint": self.hidden.fingerprint(),
            "estimator": self.estimator,
            "alphas": self.alphas,
            "people": list(self.trained),
            "attributes": self.named[0] if self.named else None,
            "fidelity": _named(self.fidelity.name, folder) if self.fidelity else None,
            "score_scale": "(score - 1) / 4",
            **(about or {}),
        }
        tensors: dict[str, np.ndarray] = {
            "pictures": self.pictures.astype(np.float16),
            "scaler.mean": self.scaler.mean.astype(np.float32),
            "scaler.scale": self.scaler.scale.astype(np.float32),
            "general.weight": self.general_map.weight.astype(np.float32),
            "general.bias": self.general_map.bias.astype(np.float32),
            "support.rows": np.concatenate([self.support.rows[p] for p in self.trained]).astype(np.int32),
            "support.likings": np.concatenate([self.support.likings[p] for p in self.trained]).astype(np.float32),
            "support.counts": np.array([len(self.support.rows[p]) for p in self.trained], dtype=np.int32),
        }
        if self.named:
            tensors |= {
                "attributes.weight": self.named[1].weight.astype(np.float32),
                "attributes.bias": self.named[1].bias.astype(np.float32),
            }
        if self.population:
            config["noise"] = self.population.noise
            tensors["population.axes"] = self.population.axes.astype(np.float32)
        weights = {k: torch.from_numpy(v) for k, v in tensors.items()}
        if self.imagination:
            config["imagination_error"] = self.imagination.error
            weights |= {
                "imagination.weight": self.imagination.weight.cpu(),
                "imagination.bias": self.imagination.bias.cpu(),
            }
        save_file({k: v.contiguous() for k, v in weights.items()}, folder / "model.safetensors")
        (folder / "config.json").write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def from_folder(cls, folder: Path, device: str = "cpu") -> LinearHiddenReward:
        """Raises RewardError when it does not load or its encoder is not the one its features are of."""
        try:
            saved = json.loads((folder / "config.json").read_text())
            weights = load_file(folder / "model.safetensors")
            array = {k: v.double().numpy() for k, v in weights.items() if not k.startswith("support.")}
            scaler = Scaler(array["scaler.mean"], array["scaler.scale"])
            ends = np.cumsum(weights["support.counts"].numpy())[:-1]
            rows = np.split(weights["support.rows"].numpy().astype(int), ends)
            likings = np.split(weights["support.likings"].double().numpy(), ends)
            support = Support(
                dict(zip(saved["people"], rows, strict=True)), dict(zip(saved["people"], likings, strict=True))
            )
            general = Affine(scaler, array["general.weight"], array["general.bias"])
            named = None
            if saved["attributes"]:
                named = saved["attributes"], Affine(scaler, array["attributes.weight"], array["attributes.bias"])
            population = None
            if "population.axes" in array:
                population = Population(scaler, array["population.axes"], saved["noise"])
            imagination = None
            if "imagination_error" in saved:
                parts = {n: weights[f"imagination.{n}"].float() for n in ("weight", "bias")}
                imagination = Imagination(**parts, error=saved["imagination_error"])
            vlm, of_texts = _found(saved["vlm"], folder), saved["fidelity"]
        except (OSError, SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
            raise RewardError(f"the reward model in '{folder}' does not load: {error}") from error
        encoder = HiddenPools(
            vlm, saved["pools"], device, size=saved["size"], prompt=saved["prompt"], revision=saved["revision"]
        )
        if (found := encoder.fingerprint()) != saved["encoder_fingerprint"]:
            raise RewardError(
                f"the features in '{folder}' are of the encoder {saved['encoder_fingerprint']}, but '{vlm}' is {found}; make the reward again"
            )
        fidelity = load_encoder(_found(of_texts, folder), device=device) if of_texts else None
        return cls(
            encoder,
            array["pictures"],
            support,
            general,
            fidelity,
            named,
            saved["estimator"],
            saved["alphas"],
            imagination,
            population,
        )


def _named(name: str, folder: Path) -> str:
    return os.path.relpath(name, folder) if Path(name).exists() else name


def _found(name: str, folder: Path) -> str:
    local = folder / name
    return str(local.resolve()) if local.exists() else name

"""Linear-Hidden as a reward model: pictures through a frozen VLM, a ridge per person, refitted in milliseconds.

The folder holds no weights of the VLM: it holds the features of the rated pictures, everybody's ratings, a general
score and, where they were made, a map to named attributes. Shapes: n pictures, P rated pictures, D features.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from reward_models.base import Person, Scores, as_person
from reward_models.encoders.base import Encoder, encode_readable
from reward_models.encoders.hidden_states import HiddenPools
from reward_models.encoders.imagination import TextToPicture
from reward_models.encoders.load import load_encoder
from reward_models.encoders.texts import TextMemory
from reward_models.folder import (
    check_encoder,
    check_shape,
    check_text,
    number,
    read_folder,
    reading,
    relative_name,
    resolved_name,
    write_folder,
)
from reward_models.linear_hidden.imagination import HiddenImagination
from reward_models.linear_hidden.known import KnownPeople
from reward_models.linear_hidden.people import Estimator
from reward_models.linear_hidden.population import Population
from reward_models.linear_hidden.reading import HiddenReading
from reward_models.linear_hidden.ridge import Affine, Scaler, Support
from reward_models.linear_hidden.teacher import RidgeTeacher
from reward_models.linear_hidden.words import AttributeWords
from reward_models.protocols import Reading, RewardModel


class LinearHiddenReward(RewardModel):
    """``fidelity``: an image-text encoder for how well pictures fit their prompts; without one fidelity is NaN.

    ``attributes``: names and the map to them, for words and for the critic. ``imagined``: from the features of a text
    to those of its picture. The rest is of :class:`KnownPeople`.
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
        imagined: TextToPicture | None = None,
        population: Population | None = None,
    ):
        self.encoder, self.fidelity, self.named, self.imagined = encoder, fidelity, attributes, imagined
        self.batch_size = encoder.batch_size
        self.known = KnownPeople(
            pictures, support, general, estimator, alphas, attributes[1] if attributes else None, population
        )
        self.texts = TextMemory(fidelity) if fidelity and fidelity.has_text else None
        usable = HiddenImagination(imagined, self.texts) if imagined and self.texts else None
        self.imagination = usable
        self.teacher = RidgeTeacher(self.known, encoder, usable)
        self.words = self.critic = AttributeWords(self.known, encoder, *attributes) if attributes else None
        self.layer_errors: dict[str, float] | None = None

    @classmethod
    def alone(
        cls,
        encoder: HiddenPools,
        background: Sequence[Image.Image],
        fidelity: Encoder | None = None,
        estimator: Estimator = "residual",
    ) -> LinearHiddenReward:
        """Without other people's ratings: everybody's taste is .5 for every picture, and people are learnt from their
        own ratings alone. ``background``: pictures of any kind, two at least, that say how features vary.
        """
        pictures, _ = encode_readable(encoder, background)
        features = _exact(pictures)
        scaler = Scaler.of(features)
        general = Affine(scaler, np.zeros((1, features.shape[1])), np.array([0.5]))
        return cls(encoder, features, Support(), general, fidelity, estimator=estimator)

    def read(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> HiddenReading:
        """Hidden states and fidelity of n pictures; every picture goes through the VLM once. One that does not open is
        NaN.
        """
        features, readable = encode_readable(self.encoder, images)
        return HiddenReading(_exact(features), readable, self._agreement(images, prompts, readable))

    def judge(self, reading: Reading, person: Person | str) -> Scores:
        """Scores for ``person``; without an id everybody's mean. Raises UnknownPerson."""
        assert isinstance(reading, HiddenReading)
        x, person = reading.x, as_person(person)
        if person.id is None:
            personal, spread = np.clip(self.known.general(x), 0, 1), np.zeros(len(x))
        else:
            model = self.known.model(person.id)
            personal, spread = model(x), model.uncertainty(x)
        if reading.error is not None:
            return Scores(personal, np.full(len(x), np.nan), reading.fidelity, np.hypot(spread, reading.error))
        population = np.clip(self.known.general(x), 0, 1)
        for values in (personal, spread, population):
            values[~reading.readable] = np.nan
        return Scores(personal, population, reading.fidelity, spread)

    def text_features(self, texts: Sequence[str]) -> np.ndarray | None:
        """The image-text encoder's."""
        return None if self.texts is None else self.texts.features(texts).cpu().numpy()

    def people(self) -> list[str]:
        """Trained and taught ids."""
        return self.known.ids()

    def _agreement(self, images: Sequence[Image.Image], prompts: Sequence[str], readable: np.ndarray) -> np.ndarray:
        if self.fidelity is None:
            return np.full(len(images), np.nan)
        vectors, _ = encode_readable(self.fidelity, images)
        found = np.array(self.fidelity.agreement(vectors, self.fidelity.texts(prompts)).cpu(), dtype=float)
        found[~readable] = np.nan
        return found

    # the folder

    def fingerprint(self) -> str:
        """Of the encoder, the maps and everything that was rated at first."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        known = self.known
        digest = hashlib.sha256(self.encoder.fingerprint().encode())
        for person in known.trained:
            digest.update(person.encode() + known.support.likings[person].round(5).tobytes())
        way = f"{known.estimator} {known.alphas}".encode()
        digest.update(known.general_map.weight.astype(np.float32).tobytes() + way)
        if known.population:
            noise = f"{known.population.noise:.6f}".encode()
            digest.update(known.population.axes.astype(np.float32).tobytes() + noise)
        if known.estimator == "reduce" and self.named:
            digest.update(self.named[1].weight.astype(np.float32).tobytes())
        return digest.hexdigest()[:16] + (self.fidelity.fingerprint() if self.fidelity else "")

    def save(self, folder: Path, about: Mapping[str, object] | None = None) -> None:
        """Write config.json and model.safetensors; encoders are named relative to the folder, or by their hub names."""
        known, scaler = self.known, self.known.general_map.scaler
        config: dict[str, Any] = {
            "family": "linear-hidden",
            "vlm": relative_name(self.encoder.name, folder),
            "revision": self.encoder.revision,
            "pools": [str(p) for p in self.encoder.pools],
            "size": self.encoder.size,
            "prompt": self.encoder.prompt,
            "encoder_fingerprint": self.encoder.fingerprint(),
            "estimator": known.estimator,
            "alphas": known.alphas,
            "people": list(known.trained),
            "attributes": self.named[0] if self.named else None,
            "fidelity": relative_name(self.fidelity.name, folder) if self.fidelity else None,
            "score_scale": "(score - 1) / 4",
            **(about or {}),
        }
        rows, likings = known.support.rows, known.support.likings
        arrays: dict[str, np.ndarray] = {
            "pictures": known.pictures.astype(np.float16),
            "scaler.mean": scaler.mean.astype(np.float32),
            "scaler.scale": scaler.scale.astype(np.float32),
            "general.weight": known.general_map.weight.astype(np.float32),
            "general.bias": known.general_map.bias.astype(np.float32),
            "support.rows": np.concatenate([rows[p] for p in known.trained]).astype(np.int32),
            "support.likings": np.concatenate([likings[p] for p in known.trained]).astype(np.float32),
            "support.counts": np.array([len(rows[p]) for p in known.trained], dtype=np.int32),
        }
        if self.named:
            arrays["attributes.weight"] = self.named[1].weight.astype(np.float32)
            arrays["attributes.bias"] = self.named[1].bias.astype(np.float32)
        if known.population:
            config["noise"] = known.population.noise
            arrays["population.axes"] = known.population.axes.astype(np.float32)
        weights: dict[str, Tensor] = {k: torch.from_numpy(v) for k, v in arrays.items()}
        if self.imagined:
            config["imagination_error"] = self.imagined.error
            weights["imagination.weight"] = self.imagined.weight
            weights["imagination.bias"] = self.imagined.bias
        write_folder(folder, config, weights)

    @classmethod
    def from_folder(cls, folder: Path, device: str = "cpu") -> LinearHiddenReward:
        """Raises RewardError when it does not load or its encoder is not the one its features are of."""
        saved, weights = read_folder(folder)
        with reading(folder):
            _check_sizes(saved, weights)
            array = {k: v.double().numpy() for k, v in weights.items() if not k.startswith("support.")}
            scaler = Scaler(array["scaler.mean"], array["scaler.scale"])
            general = Affine(scaler, array["general.weight"], array["general.bias"])
            support = _support(saved["people"], weights)
            named = None
            if saved["attributes"]:
                named = saved["attributes"], Affine(scaler, array["attributes.weight"], array["attributes.bias"])
            population = None
            if "population.axes" in array:
                population = Population(scaler, array["population.axes"], number(saved, "noise"))
            imagined = None
            if "imagination_error" in saved:
                parts = {n: weights[f"imagination.{n}"].float() for n in ("weight", "bias")}
                imagined = TextToPicture(**parts, error=number(saved, "imagination_error"))
            vlm, of_texts = resolved_name(check_text(saved, "vlm"), folder), saved["fidelity"]
            pools, size, prompt, revision = (saved[k] for k in ("pools", "size", "prompt", "revision"))
            made_with, way = saved["encoder_fingerprint"], (saved["estimator"], saved["alphas"])
            if (
                not all(isinstance(each, str) for each in (*pools, prompt, *way))
                or not 32 <= number(saved, "size") <= 2048
            ):
                raise ValueError("'pools', 'prompt', 'estimator' and 'alphas' are texts, and 'size' is from 32 to 2048")
        encoder = HiddenPools(vlm, pools, device, size=size, prompt=prompt, revision=revision, whole=False)
        check_encoder(folder, made_with, vlm, encoder.fingerprint())
        fidelity = load_encoder(resolved_name(of_texts, folder), device=device) if of_texts else None
        return cls(encoder, array["pictures"], support, general, fidelity, named, *way, imagined, population)


def _exact(features: Tensor) -> np.ndarray:
    """In double precision, which Apple's GPUs do not have."""
    found: np.ndarray = features.cpu().double().numpy()
    return found


def _check_sizes(saved: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Raises ValueError where the weights do not fit each other or the config."""
    wide = len(check_shape("scaler.mean", weights["scaler.mean"], None))
    if not (check_shape("scaler.scale", weights["scaler.scale"], wide) > 0).all():
        raise ValueError("'scaler.scale' has a scale of 0 or less")
    check_shape("general.weight", weights["general.weight"], 1, wide)
    check_shape("general.bias", weights["general.bias"], 1)
    pictures = len(check_shape("pictures", weights["pictures"], None, wide))
    if saved["attributes"]:
        check_shape("attributes.weight", weights["attributes.weight"], len(saved["attributes"]), wide)
        check_shape("attributes.bias", weights["attributes.bias"], len(saved["attributes"]))
    if "population.axes" in weights:
        check_shape("population.axes", weights["population.axes"], None, wide)
    if "imagination_error" in saved:
        check_shape("imagination.weight", weights["imagination.weight"], wide, None)
        check_shape("imagination.bias", weights["imagination.bias"], wide)
    counts = check_shape("support.counts", weights["support.counts"], len(saved["people"]))
    rated = int(counts.sum())
    rows = check_shape("support.rows", weights["support.rows"], rated)
    likings = check_shape("support.likings", weights["support.likings"], rated)
    if rated and not (int(rows.min()) >= 0 and int(rows.max()) < pictures and int(counts.min()) >= 0):
        raise ValueError("'support' speaks of pictures that are not there")
    if rated and not (float(likings.min()) >= 0 and float(likings.max()) <= 1):
        raise ValueError("'support.likings' are not all from 0 to 1")


def _support(people: Sequence[str], weights: Mapping[str, Tensor]) -> Support:
    ends = np.cumsum(weights["support.counts"].numpy())[:-1]
    rows = np.split(weights["support.rows"].numpy().astype(int), ends)
    likings = np.split(weights["support.likings"].double().numpy(), ends)
    return Support(dict(zip(people, rows, strict=True)), dict(zip(people, likings, strict=True)))

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
from reward_models.linear_hidden.known import KnownPeople, Shared
from reward_models.linear_hidden.people import Estimator
from reward_models.linear_hidden.reading import HiddenReading
from reward_models.linear_hidden.teacher import RidgeTeacher
from reward_models.linear_hidden.words import AttributeWords
from reward_models.protocols import Reading, RewardModel
from reward_models.taste.crowd import Crowd
from reward_models.taste.folder import crowd_from, crowd_parts, prior_from, prior_parts
from reward_models.taste.ridge import Affine, Scaler, Support


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
        shared: Shared,
        fidelity: Encoder | None = None,
        attributes: tuple[list[str], Affine] | None = None,
        estimator: Estimator = "auto",
        alphas: str = "wide",
        imagined: TextToPicture | None = None,
    ):
        self.encoder, self.fidelity, self.named, self.imagined = encoder, fidelity, attributes, imagined
        self.batch_size = encoder.batch_size
        self.known = KnownPeople(pictures, support, shared, estimator, alphas, attributes[1] if attributes else None)
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
        shared = Shared(Crowd.constant(features, 0.5), Scaler.of(features))
        return cls(encoder, features, Support(), shared, fidelity, estimator=estimator)

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
        digest.update(known.general.dual.astype(np.float32).tobytes() + way)
        if known.population:
            amounts = repr([(a.ratings, round(a.strength, 6), round(a.noise, 4)) for a in known.population.amounts])
            digest.update(known.population.directions.astype(np.float32).tobytes() + amounts.encode())
        if known.estimator == "reduce" and self.named:
            digest.update(self.named[1].weight.astype(np.float32).tobytes())
        return digest.hexdigest()[:16] + (self.fidelity.fingerprint() if self.fidelity else "")

    def save(self, folder: Path, about: Mapping[str, object] | None = None) -> None:
        """Write config.json and model.safetensors; encoders are named relative to the folder, or by their hub names."""
        known = self.known
        about_crowd, crowd = crowd_parts(known.general)
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
            **about_crowd,
            **(about or {}),
        }
        rows, likings = known.support.rows, known.support.likings
        arrays: dict[str, np.ndarray] = {
            "pictures": known.pictures.astype(np.float16),
            "scaler.mean": known.scaler.mean.astype(np.float32),
            "scaler.scale": known.scaler.scale.astype(np.float32),
            "support.rows": np.concatenate([rows[p] for p in known.trained]).astype(np.int32),
            "support.likings": np.concatenate([likings[p] for p in known.trained]).astype(np.float32),
            "support.counts": np.array([len(rows[p]) for p in known.trained], dtype=np.int32),
        }
        if self.named:
            arrays["attributes.weight"] = self.named[1].weight.astype(np.float32)
            arrays["attributes.bias"] = self.named[1].bias.astype(np.float32)
        weights: dict[str, Tensor] = {k: torch.from_numpy(v) for k, v in arrays.items()} | crowd
        if known.population:
            about_taste, taste = prior_parts(known.population)
            config |= about_taste
            weights |= taste
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
            if "crowd.dual" not in weights:
                raise ValueError("it was made by an earlier version of steer; make it again")
            scaler = Scaler(array["scaler.mean"], array["scaler.scale"])
            general = crowd_from(saved, weights, len(scaler.mean))
            support = _support(saved["people"], weights)
            named = None
            if saved["attributes"]:
                named = saved["attributes"], Affine(scaler, array["attributes.weight"], array["attributes.bias"])
            population = None
            if "taste.directions" in weights:
                population = prior_from(saved, weights, len(scaler.mean))
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
        return cls(
            encoder, array["pictures"], support, Shared(general, scaler, population), fidelity, named, *way, imagined
        )


def _exact(features: Tensor) -> np.ndarray:
    """In double precision, which Apple's GPUs do not have."""
    found: np.ndarray = features.cpu().double().numpy()
    return found


def _check_sizes(saved: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Raises ValueError where the weights do not fit each other or the config."""
    wide = len(check_shape("scaler.mean", weights["scaler.mean"], None))
    if not (check_shape("scaler.scale", weights["scaler.scale"], wide) > 0).all():
        raise ValueError("'scaler.scale' has a scale of 0 or less")
    pictures = len(check_shape("pictures", weights["pictures"], None, wide))
    if saved["attributes"]:
        check_shape("attributes.weight", weights["attributes.weight"], len(saved["attributes"]), wide)
        check_shape("attributes.bias", weights["attributes.bias"], len(saved["attributes"]))
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

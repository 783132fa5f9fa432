"""The trained PAMELA ensemble as a reward model: read, judge, load, save. Shapes: n pictures, U people, D features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image
from torch import Tensor

from reward_models.base import Person, RewardError, Scores, as_person
from reward_models.encoders.base import Encoder, encode_readable
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
from reward_models.pamela.anchor import Anchor, anchor_from, anchor_parts
from reward_models.pamela.ensemble import Ensemble
from reward_models.pamela.imagination import PamelaImagination
from reward_models.pamela.model import PamelaConfig, PamelaPredictor
from reward_models.pamela.people import PersonPrior
from reward_models.pamela.reading import PamelaReading
from reward_models.pamela.teacher import PamelaTeacher
from reward_models.protocols import Reading, RewardModel
from reward_models.taste.prior import Amount

Enrol = Literal["fit", "neighbours"]


class PamelaReward(RewardModel):
    """An :class:`Ensemble` with its encoder. ``imagined``: from text to picture features, where prompts were in
    training. ``profiles`` (P, D): of the trained people, for ``enrol`` by neighbours; see
    :mod:`reward_models.pamela.neighbours`.
    """

    name = "pamela"

    def __init__(
        self,
        ensemble: Ensemble,
        encoder: Encoder,
        imagined: TextToPicture | None = None,
        profiles: Tensor | None = None,
        enrol: Enrol = "fit",
    ):
        self.ensemble, self.encoder, self.profiles, self.enrol = ensemble, encoder, profiles, enrol
        self.batch_size = encoder.batch_size
        self.imagined = imagined
        self.datasets = tuple(ensemble.config.datasets)
        self.texts = TextMemory(encoder)
        usable = self.imagined if encoder.has_text else None
        self.imagination = PamelaImagination(usable, self.texts) if usable else None
        self.teacher = PamelaTeacher(ensemble, encoder, usable, profiles if enrol == "neighbours" else None)

    def read(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> PamelaReading:
        """Features and fidelity of n pictures; one that does not open is NaN in every score."""
        pictures, readable = encode_readable(self.encoder, images)
        texts = self.texts.features(prompts)
        fidelity = self.encoder.agreement(pictures, texts).numpy()
        fidelity[~readable] = np.nan
        return PamelaReading(pictures, texts, readable, fidelity)

    def judge(self, reading: Reading, person: Person | str) -> Scores:
        """Scores for one person."""
        (scores,) = self.judge_many(reading, [person])
        return scores

    def judge_many(self, reading: Reading, people: Sequence[Person | str]) -> list[Scores]:
        """Scores for each person, all answered together."""
        assert isinstance(reading, PamelaReading)
        asked = [as_person(person) for person in people]
        self.ensemble.check(asked)
        self.ensemble.hear(asked, self.encoder)
        shared = [Person()] if reading.population is None and reading.error is None else []
        mean, spread = self.ensemble.predict(reading.pictures, reading.texts, [*shared, *asked])  # (U, n)
        mean[:, ~reading.readable] = spread[:, ~reading.readable] = np.nan
        if shared:
            reading.population = mean[0]
        if reading.error is not None:
            spread = np.hypot(spread, reading.error)
        population = np.full(len(reading), np.nan) if reading.population is None else reading.population
        first = len(shared)
        return [Scores(m, population, reading.fidelity, s) for m, s in zip(mean[first:], spread[first:], strict=True)]

    def text_features(self, texts: Sequence[str]) -> np.ndarray | None:
        """The encoder's, where it reads texts."""
        return self.texts.features(texts).cpu().numpy() if self.encoder.has_text else None

    def people(self) -> list[str]:
        """Trained and taught ids."""
        return list(self.ensemble.config.people)

    def fingerprint(self) -> str:
        """Hashes of the members' and of the encoder's weights as trained, and how people are enrolled: those taught
        since change nothing.
        """
        how = "" if self.enrol == "fit" else self.enrol
        return self.ensemble.fingerprint() + self.encoder.fingerprint() + how

    # the folder

    @classmethod
    def from_folder(
        cls,
        folder: Path,
        device: str = "cpu",
        members: int | None = None,
        encoder: Encoder | None = None,
        enrol: Enrol = "fit",
    ) -> PamelaReward:
        """Load config.json and model.safetensors; an encoder other than the one trained on is refused.

        ``members``: only the first so many. ``enrol``: how new people are found; by neighbours is refused for a reward
        that keeps no profiles of its people.
        """
        saved, weights = read_folder(folder)
        with reading(folder):
            if whole := [n for n, w in weights.items() if not w.is_floating_point()]:
                raise ValueError(f"'{whole[0][:80]}' holds no fractions")
            weights = {n: w.float() for n, w in weights.items()}
            imagined = None
            if "imagination_error" in saved:
                parts = {n: weights.pop(f"imagination.{n}") for n in ("weight", "bias")}
                imagined = TextToPicture(**parts, error=number(saved, "imagination_error"))
            profiles = weights.pop("profiles", None)
            anchor = _anchor(saved, weights)
            read = _members(saved, weights)
            if profiles is not None:
                check_shape("profiles", profiles, None, read[0].features)
                if len(profiles) > len(read[0].people):  # people taught later have none, and come after the others
                    raise ValueError("there are more 'profiles' than people")
            if not read[0].datasets and isinstance(saved.get("scales"), dict):  # of before the names were kept
                read[0].datasets = [str(name) for name in saved["scales"]]
            if imagined:
                features = read[0].features
                check_shape("imagination.weight", imagined.weight, features, features)
                check_shape("imagination.bias", imagined.bias, features)
            named = saved["encoder"]
            made_with, demographics = saved["encoder_fingerprint"], saved.get("demographics") or {}
            levels = {str(p): [float(v) for v in own] for p, own in (saved.get("levels") or {}).items()}
            if any(len(own) != saved["members"] or not np.isfinite(own).all() for own in levels.values()):
                raise ValueError("'levels' are not one number a member")
            if not all(isinstance(each, dict) for each in (named, demographics, *demographics.values())):
                raise ValueError("'encoder' and 'demographics' are no objects")
            check_text(named, "name")
            if named["kind"] is not None:
                check_text(named, "kind")
        if enrol == "neighbours" and profiles is None:
            raise RewardError(
                f"the reward in '{folder}' keeps no profiles of its people, which it takes to enrol by neighbours; "
                "train it again, or enrol by the fit"
            )
        encoder = encoder or _saved_encoder(folder, named, device)
        check_encoder(folder, made_with, encoder.name, encoder.fingerprint())
        ensemble = Ensemble(*read, demographics, anchor)
        ensemble.levels = levels
        if members is not None:
            ensemble.keep(members)
        return cls(ensemble, encoder, imagined, profiles, enrol)

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
        ensemble = self.ensemble
        config: dict[str, Any] = {
            "family": "pamela",
            "architecture": asdict(ensemble.config),
            "members": len(ensemble.members),
            "encoder": {
                "name": encoder or relative_name(self.encoder.name, folder),
                "kind": self.encoder.kind,
                "revision": self.encoder.revision,
            },
            "encoder_fingerprint": self.encoder.fingerprint(),
            "demographics": ensemble.demographics,
            "metrics": metrics,
            **(about or {}),
        }
        weights: dict[str, Tensor] = {}
        each = zip(ensemble.members, ensemble.priors, ensemble.covariances, strict=True)
        for k, (member, prior, covariance) in enumerate(each):
            own = {
                **member.state_dict(),
                "prior.mean": prior.mean,
                "prior.axes": prior.axes,
                "prior.table": prior.table,
                "prior.frequency": prior.frequency,
                "prior.covariances": covariance,
            }
            weights |= {f"{k}.{n}": w.half() for n, w in own.items()}
        if self.profiles is not None:
            weights["profiles"] = self.profiles.half()
        first = ensemble.priors[0]
        config["levels"] = {p: [round(each, 5) for each in own] for p, own in ensemble.levels.items()}
        config["people_level"] = round(first.level, 4)
        config["people_amounts"] = [[a.ratings, a.strength, a.noise] for a in first.amounts]
        if ensemble.anchor:
            config["anchor"], parts = anchor_parts(ensemble.anchor)
            weights |= parts
        if self.imagined:
            config["imagination_error"] = round(self.imagined.error, 4)
            weights["imagination.weight"] = self.imagined.weight.half()
            weights["imagination.bias"] = self.imagined.bias.half()
        write_folder(folder, config, weights)


def _members(
    saved: Mapping[str, Any], weights: Mapping[str, Tensor]
) -> tuple[PamelaConfig, list[PamelaPredictor], list[PersonPrior], list[Tensor]]:
    config = PamelaConfig(**saved["architecture"])
    sizes = tuple(len(config.vocabularies[f]) for f in config.demographics)
    members, priors, covariances = [], [], []
    level = number(saved, "people_level") if "people_level" in saved else 0.0
    amounts = tuple(_amount(each) for each in saved.get("people_amounts", []))
    if level < 0 or [a.ratings for a in amounts] != sorted(a.ratings for a in amounts):
        raise ValueError("'people_level' or 'people_amounts' are none")
    if not isinstance(saved["members"], int) or saved["members"] < 1:
        raise ValueError("there is no member")
    for k in range(saved["members"]):
        own = {n.removeprefix(f"{k}."): w for n, w in weights.items() if n.startswith(f"{k}.")}
        _check_sizes(config, own)
        parts = {n: own.pop(f"prior.{n}") for n in ("mean", "axes", "table", "frequency")}
        priors.append(PersonPrior(**parts, sizes=sizes, level=level, amounts=amounts))
        covariances.append(own.pop("prior.covariances"))
        member = PamelaPredictor(config)
        member.load_state_dict(own)
        members.append(member)
    return config, members, priors, covariances


def _anchor(saved: Mapping[str, Any], weights: dict[str, Tensor]) -> Anchor | None:
    """Taken out of ``weights``; None for a reward without one."""
    own = {n: weights.pop(n) for n in [n for n in weights if n.startswith("anchor.")]}
    if "anchor" not in saved:
        return None
    return anchor_from(saved["anchor"], own, PamelaConfig(**saved["architecture"]).features)


def _amount(saved: Any) -> Amount:
    ratings, strength, noise = (float(v) for v in saved)
    if not (0 <= strength < 100 and 0 < noise < 10):
        raise ValueError("'people_amounts' are no spreads and noises")
    return Amount(int(ratings), strength, noise)


def _check_sizes(config: PamelaConfig, own: Mapping[str, Tensor]) -> None:
    """Raises ValueError where a member's weights are not of the architecture: before anything of its size is made, and
    for the prior, of which everything follows for people taught later.
    """
    wide, people = config.width, len(config.people) + 1
    blocks = {n.split(".")[1] for n in own if n.startswith("blocks.")}
    if len(blocks) != config.layers:
        raise ValueError(f"there are weights of {len(blocks)} layers, not {config.layers}")
    check_shape("cls", own["cls"], wide)
    check_shape("no_prompt", own["no_prompt"], wide)
    check_shape("picture.weight", own["picture.weight"], wide, config.whiten or config.features)
    if config.whiten:
        check_shape("axes", own["axes"], config.whiten, config.features)
        check_shape("centre", own["centre"], config.features)
    check_shape("person.weight", own["person.weight"], people, wide)
    axes = len(check_shape("prior.axes", own["prior.axes"], None, wide))
    classes = sum(len(config.vocabularies[f]) for f in config.demographics)
    check_shape("prior.mean", own["prior.mean"], wide)
    check_shape("prior.table", own["prior.table"], classes, axes)
    check_shape("prior.frequency", own["prior.frequency"], classes)
    check_shape("prior.covariances", own["prior.covariances"], people, axes, axes)


def _saved_encoder(folder: Path, saved: Mapping[str, Any], device: str) -> Encoder:
    """The encoder that ``config.json`` names: a path relative to ``folder``, or a hub name."""
    name, kind = str(saved["name"]), str(saved["kind"] or "siglip")
    if kind == "own":
        raise RewardError(
            f"the reward in '{folder}' was trained on an encoder that is not in the registry ('{name}'); "
            "pass it to PamelaReward.from_folder"
        )
    return load_encoder(resolved_name(name, folder), kind, device, revision=saved.get("revision"))

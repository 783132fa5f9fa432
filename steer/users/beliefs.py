"""What a reward model believes of a person: what they like, how sure it is, whom they are like, what surprised it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from steer.lexicon import Lexicon
from steer.users.enrolment import Enrolled
from steer.users.pictures import probe_prompts
from steer.users.store import UserStore

SURPRISE = 1.5  # standard deviations


@dataclass(frozen=True)
class Leaning:
    """How much more a person likes pictures with a phrase than with the others of its kind: points of [0, 1], mean and
    95 % interval over the people they may be; ``average``: the same of nobody in particular."""

    kind: str
    phrase: str
    mean: float
    low: float
    high: float
    average: float

    @property
    def sure(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Surprise:
    """A rating (1 to 5) far from what the model expects of the person with all their ratings."""

    prompt: str
    picture: str
    said: float
    expected: float


@dataclass(frozen=True)
class Beliefs:
    """``known``: share in [0, 1] of what people differ by that is known of this one."""

    user: str
    known: float
    leanings: list[Leaning]
    nearest: list[tuple[str, float]]
    surprises: list[Surprise]

    def plain(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**asdict(self), "leanings": [{**asdict(x), "sure": x.sure} for x in self.leanings]}


def beliefs(
    reward: Any, user: str, lexicon: Lexicon, store: UserStore | None = None, enrolled: Enrolled | None = None
) -> Beliefs:
    """Of a person the reward knows; ``store`` and ``enrolled`` for ratings that surprise and for how much is known."""
    known = 1 - (enrolled.uncertainty if enrolled else reward.open_share(user))
    near = sorted(reward.likeness(user).items(), key=lambda kv: -kv[1])[:5]
    leanings = leanings_of(reward, user, lexicon) if reward.can_imagine else []
    return Beliefs(
        user,
        round(known, 3),
        leanings,
        [(p, round(v, 3)) for p, v in near],
        _surprises(reward, user, store) if store else [],
    )


def leanings_of(reward: Any, user: str, lexicon: Lexicon) -> list[Leaning]:
    """Contrasts of the lexicon's phrases over the probe prompts, by imagined pictures; the strongest first."""
    probes = probe_prompts()
    found = []
    for group in lexicon.groups:
        texts = [lexicon.compose(probe, {group.name: phrase}) for phrase in group.phrases for probe in probes]
        features = reward.encoder.texts(texts)
        pictures = reward.imagined(features)
        shape = (-1, len(group.phrases), len(probes))
        own = _contrast(reward.draws(user, pictures, features).numpy().reshape(shape))  # (draws, phrases)
        (average,), _ = reward.predict(pictures, features, [_nobody()], posterior=False)
        of_all = _contrast(average.reshape(shape))[0]
        low, high = np.percentile(own, [2.5, 97.5], axis=0)
        for i, phrase in enumerate(group.phrases):
            numbers = (round(float(v), 3) for v in (own[:, i].mean(), low[i], high[i], of_all[i]))
            found.append(Leaning(group.name, phrase, *numbers))
    return sorted(found, key=lambda x: -x.mean)


def _contrast(liking: np.ndarray) -> np.ndarray:
    """(draws, phrases, probes) to each phrase's mean less that of all of its kind, (draws, phrases)."""
    by_phrase = liking.mean(-1)
    return by_phrase - by_phrase.mean(1, keepdims=True)


def _surprises(reward: Any, user: str, store: UserStore) -> list[Surprise]:
    from reward_models import Person

    rated = store.ratings(user)
    seen = store.features(reward.picture_encoder.fingerprint(), [r.picture for r in rated])
    rated = [r for r in rated if r.picture in seen]
    if not rated:
        return []
    pictures = torch.from_numpy(np.stack([seen[r.picture] for r in rated]))
    texts = torch.zeros(len(pictures), reward.encoder.width)
    if (said := [i for i, r in enumerate(rated) if r.prompt]) and reward.reads_prompts:
        texts[said] = reward.encoder.texts([rated[i].prompt for i in said]).float().cpu()
    (mean,), (error,) = reward.predict(pictures, texts, [Person(user)])
    off = (np.array([(r.score - 1) / 4 for r in rated]) - mean) / np.hypot(reward.rating_noise, error)
    order = [i for i in np.argsort(-np.abs(off)) if abs(off[i]) > SURPRISE][:3]
    return [
        Surprise(rated[i].prompt, rated[i].picture, rated[i].score, round(1 + 4 * float(mean[i]), 2)) for i in order
    ]


def _nobody() -> Any:
    from reward_models import Person

    return Person()

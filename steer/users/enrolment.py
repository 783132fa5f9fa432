"""From what the store knows of a person to a vector that a reward model steers by."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from reward_models.base import Teachable
from reward_models.pamela.people import FittedPerson
from steer.errors import UsageError
from steer.users.pictures import shipped_pictures
from steer.users.profile import statements
from steer.users.store import User, UserStore

log = logging.getLogger(__name__)

SAID_LIKED, SAID_DISLIKED = 0.85, 0.15  # what "warm light" and "no neon" say of a picture of just that
SAID_NOISE = 0.35  # of such a statement, in [0, 1]: more than twice a rating's


@dataclass(frozen=True)
class Enrolled:
    """A person as a reward model knows them.

    ``basis``: digest of all that it was found from; ``used`` ratings and choices, ``lost`` ones whose pictures this encoder has
    not seen and that are no longer at hand; ``uncertainty``: share in [0, 1] of what people differ by that is still open;
    ``fitted``: what the reward's members make of it.
    """

    user: str
    basis: str
    used: int
    lost: int
    uncertainty: float
    fitted: tuple[Any, ...] = field(repr=False)


def trained_people(reward: Any) -> Sequence[str]:
    """Ids the reward was trained on: these are read-only."""
    found: Sequence[str] = getattr(reward, "trained", None) or reward.people()
    return found


def enrol(store: UserStore, reward: Any, user: str) -> Enrolled:
    """What the reward makes of a person, one a member, from the store where nothing has changed, else found anew and kept.

    The reward then knows the person by their id. Raises UsageError for a reward that learns no new people.
    """
    if not isinstance(reward, Teachable):
        raise UsageError(f"the reward '{reward.name}' knows only the people it was trained on, not '{user}'")
    person = store.user(user)
    trained = reward.fingerprint()
    ratings, choices = store.ratings(user), store.choices(user)
    basis = basis_of(store, user)
    known = _unpacked(store.vector(user, trained), basis)
    if known is None:
        known = _fit(store, reward, person, basis)
        if all(isinstance(f, FittedPerson) for f in known.fitted):  # others are found anew within milliseconds
            rows = [r.id for r in ratings] + [-c.id for c in choices]
            store.keep_vector(user, trained, basis, rows, known.uncertainty, _packed(known))
    else:
        reward.add_people({user: known.fitted}, {user: person.demographics})
    if known.lost:
        log.warning(
            "%d of %d ratings of '%s' cannot be used: this encoder has not seen their pictures; rate some more, or "
            "'steer user rate %s --pictures FOLDER' where they are",
            known.lost,
            known.lost + known.used,
            user,
            user,
        )
    return known


def basis_of(store: UserStore, user: str) -> str:
    """Digest of all that a person's vector is found from: it changes with every answer."""
    ratings = [(r.picture, r.prompt, r.score) for r in store.ratings(user)]
    return _digest(store.user(user), ratings, [(c.better, c.worse) for c in store.choices(user)])


def _fit(store: UserStore, reward: Teachable, person: User, basis: str) -> Enrolled:
    ratings, choices = store.ratings(person.id), store.choices(person.id)
    score = {r.picture: (r.score - 1) / 4 for r in ratings}
    asked = list(dict.fromkeys([*score, *(h for c in choices for h in (c.better, c.worse))]))
    seen = store.features(reward.picture_encoder.fingerprint(), asked)
    if missing := set(asked) - set(seen):
        seen |= _shipped(store, reward, missing)
    rows = [h for h in asked if h in seen]
    row_of = {h: i for i, h in enumerate(rows)}
    pairs = [(row_of[c.better], row_of[c.worse]) for c in choices if c.better in row_of and c.worse in row_of]
    used = sum(h in row_of for h in score) + len(pairs)
    pictures = (
        torch.from_numpy(np.stack([seen[h] for h in rows])) if rows else torch.zeros(0, reward.picture_encoder.width)
    )
    prompts = [store.prompt_of(h) for h in rows]
    texts = torch.zeros(len(rows), reward.encoder.width)
    if (said := [i for i, p in enumerate(prompts) if p]) and reward.reads_prompts:
        texts[said] = reward.encoder.texts([prompts[i] for i in said]).float().cpu()
    liking = [score.get(h, np.nan) for h in rows]
    noise = [reward.rating_noise] * len(rows)
    told = statements(person.profile)
    if told and not reward.can_imagine:
        log.warning("the reward '%s' reads no texts, so the profile of '%s' says nothing to it", reward.name, person.id)
    elif told:
        words = reward.encoder.texts([phrase for phrase, _ in told])
        pictures = torch.cat([pictures, reward.imagined(words).float().cpu()])
        texts = torch.cat([texts, words.float().cpu()])
        liking += [SAID_LIKED if liked else SAID_DISLIKED for _, liked in told]
        noise += [SAID_NOISE] * len(told)
    fitted = reward.fit(
        pictures,
        texts,
        np.array(liking, dtype=float),
        person.demographics,
        np.array(noise),
        np.array(pairs, dtype=int).reshape(-1, 2),
    )
    reward.add_people({person.id: fitted}, {person.id: person.demographics})
    lost = len(score) + len(choices) - used
    return Enrolled(person.id, basis, used, lost, reward.open_share(person.id), tuple(fitted))


def _shipped(store: UserStore, reward: Teachable, asked: set[str]) -> dict[str, np.ndarray]:
    """Features, kept from now on, of those pictures that come with the miniature: they were rated for a reward with other eyes."""
    found = [q for q in shipped_pictures() if q.hash in asked]
    if not found:
        return {}
    vectors = reward.picture_encoder.images([q.image for q in found]).float().cpu().numpy()
    features = {q.hash: v for q, v in zip(found, vectors, strict=True)}
    store.keep_features(reward.picture_encoder.fingerprint(), features)
    return features


def _digest(person: User, ratings: list[tuple[str, str, float]], choices: list[tuple[str, str]]) -> str:
    told = [sorted(ratings), sorted(choices), person.demographics, person.profile]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _packed(known: Enrolled) -> bytes:
    tensors = {}
    for k, member in enumerate(known.fitted):
        tensors[f"{k}.vector"] = member.vector.cpu().contiguous()
        tensors[f"{k}.covariance"] = member.covariance.cpu().contiguous()
    return bytes(save(tensors, {"user": known.user, "used": str(known.used), "lost": str(known.lost)}))


def _unpacked(kept: tuple[str, float, bytes] | None, basis: str) -> Enrolled | None:
    """What was kept, where it was found from the same."""
    if kept is None or kept[0] != basis:
        return None
    try:
        tensors = load(kept[2])
        size = int.from_bytes(kept[2][:8], "little")
        facts = json.loads(kept[2][8 : 8 + size])["__metadata__"]
    except (SafetensorError, ValueError, KeyError):
        return None
    members = [FittedPerson(tensors[f"{k}.vector"], tensors[f"{k}.covariance"]) for k in range(len(tensors) // 2)]
    if int(facts["lost"]):
        return None  # the pictures may have been seen since
    return Enrolled(facts["user"], basis, int(facts["used"]), 0, kept[1], tuple(members))

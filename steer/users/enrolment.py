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

from reward_models.enrol import FittedPerson
from steer.errors import UsageError
from steer.users.profile import statements
from steer.users.store import User, UserStore

log = logging.getLogger(__name__)

SAID_LIKED, SAID_DISLIKED = 0.85, 0.15  # what "warm light" and "no neon" say of a picture of just that
SAID_NOISE = 0.35  # of such a statement, in [0, 1]: more than twice a rating's


@dataclass(frozen=True)
class Enrolled:
    """A person as a reward model knows them.

    ``basis``: digest of all that it was found from; ``used`` ratings and choices, ``lost`` ones whose pictures this encoder has
    not seen and that are no longer at hand; ``uncertainty``: share in [0, 1] of what people differ by that is still open.
    """

    user: str
    basis: str
    used: int
    lost: int
    uncertainty: float
    fitted: tuple[FittedPerson, ...] = field(repr=False)


def trained_people(reward: Any) -> Sequence[str]:
    """Ids the reward was trained on: these are read-only."""
    found: Sequence[str] = getattr(reward, "trained", None) or reward.people()
    return found


def enrol(store: UserStore, reward: Any, user: str) -> Enrolled:
    """The person's vectors, one a member, from the store where nothing has changed, else found anew and kept.

    The reward then knows the person by their id. Raises UsageError for a reward that learns no new people.
    """
    if not hasattr(reward, "add_people"):
        raise UsageError(f"the reward '{reward.name}' knows only the people it was trained on, not '{user}'")
    person = store.user(user)
    trained = reward.fingerprint()
    ratings, choices = store.ratings(user), store.choices(user)
    basis = basis_of(store, user)
    known = _unpacked(store.vector(user, trained), basis)
    if known is None:
        known = _fit(store, reward, person, basis)
        rows = [r.id for r in ratings] + [-c.id for c in choices]
        store.keep_vector(user, trained, basis, rows, known.uncertainty, _packed(known))
    reward.add_people({user: known.fitted}, {user: person.demographics})
    if known.lost:
        log.warning(
            "%d of %d ratings of '%s' cannot be used: this encoder has not seen their pictures; rate some more, or "
            "'steer user rate %s --pictures FOLDER' where they are", known.lost, known.lost + known.used, user, user,
        )  # fmt: skip
    return known


def basis_of(store: UserStore, user: str) -> str:
    """Digest of all that a person's vector is found from: it changes with every answer."""
    ratings = [(r.picture, r.prompt, r.score) for r in store.ratings(user)]
    return _digest(store.user(user), ratings, [(c.better, c.worse) for c in store.choices(user)])


def _fit(store: UserStore, reward: Any, person: User, basis: str) -> Enrolled:
    ratings, choices = store.ratings(person.id), store.choices(person.id)
    score = {r.picture: (r.score - 1) / 4 for r in ratings}
    asked = list(dict.fromkeys([*score, *(h for c in choices for h in (c.better, c.worse))]))
    seen = store.features(reward.encoder.fingerprint(), asked)
    rows = [h for h in asked if h in seen]
    row_of = {h: i for i, h in enumerate(rows)}
    pairs = [(row_of[c.better], row_of[c.worse]) for c in choices if c.better in row_of and c.worse in row_of]
    used = sum(h in row_of for h in score) + len(pairs)
    width = reward.config.features
    pictures = torch.from_numpy(np.stack([seen[h] for h in rows])) if rows else torch.zeros(0, width)
    prompts = [store.prompt_of(h) for h in rows]
    texts = torch.zeros(len(rows), width)
    if (said := [i for i, p in enumerate(prompts) if p]) and reward.encoder.has_text:
        texts[said] = reward.encoder.texts([prompts[i] for i in said]).float().cpu()
    liking = [score.get(h, np.nan) for h in rows]
    noise = [reward.config.noise] * len(rows)
    told = statements(person.profile)
    if told and (reward.imagination is None or not reward.encoder.has_text):
        log.warning("the reward '%s' reads no texts, so the profile of '%s' says nothing to it", reward.name, person.id)
    elif told:
        words = reward.encoder.texts([phrase for phrase, _ in told])
        pictures = torch.cat([pictures, reward.imagination.pictures(words.to(reward.device)).float().cpu()])
        texts = torch.cat([texts, words.float().cpu()])
        liking += [SAID_LIKED if liked else SAID_DISLIKED for _, liked in told]
        noise += [SAID_NOISE] * len(told)
    fitted = reward.fit(
        pictures, texts, np.array(liking, dtype=float), person.demographics, np.array(noise),
        np.array(pairs, dtype=int).reshape(-1, 2),
    )  # fmt: skip
    lost = len(score) + len(choices) - used
    return Enrolled(person.id, basis, used, lost, _open_share(reward, fitted), tuple(fitted))


def _open_share(reward: Any, fitted: list[FittedPerson]) -> float:
    """Variance of the vector that is left, of the prior's, mean over members."""
    shares = []
    for prior, person in zip(reward.priors, fitted, strict=True):
        size = prior.axes.pow(2).sum(1)
        shares.append(float((person.covariance.diagonal() * size).sum() / size.sum()))
    return float(np.mean(shares))


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
    members = [
        FittedPerson(tensors[f"{k}.vector"], tensors[f"{k}.covariance"]) for k in range(len(tensors) // 2)
    ]  # fmt: skip
    if int(facts["lost"]):
        return None  # the pictures may have been seen since
    return Enrolled(facts["user"], basis, int(facts["used"]), 0, kept[1], tuple(members))

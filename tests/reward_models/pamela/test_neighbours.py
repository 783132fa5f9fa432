"""People enrolled by their neighbours, as the paper has it, in place of the fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import reward_models
from reward_models.base import RewardError
from reward_models.pamela.newcomers import NewPeople
from reward_models.pamela.reward import PamelaReward
from reward_models.protocols import Evidence, Seen
from reward_models.ratings.corpus import build_corpus
from reward_models.ratings.sets import load_ratings


def test_a_user_learned_by_neighbours_is_the_one_of_the_evaluation(trained):
    """The reward's own way and the column of Table 3 find the same vector for the same ratings."""
    reward = PamelaReward.from_folder(trained.folder, encoder=trained.encoder, enrol="neighbours")
    corpus = build_corpus([(load_ratings(trained.root / "data"), 1.0)], trained.encoder, trained.root / "cache")
    people = NewPeople(corpus.with_fields(reward.ensemble.config), reward.ensemble)
    expected = [v[0] for v in people.by_neighbours(15)]
    given, owner = people.given(15)
    own = given.where(owner == 0)
    kept = [f.half().numpy().tobytes() for f in corpus.pictures[own.picture]]
    assert reward.teacher is not None
    reward.teacher.learn("me", Evidence([Seen(k) for k in kept], list(own.liking)))
    for wanted, found in zip(expected, reward.ensemble.person("me"), strict=True):
        assert torch.allclose(found.vector, wanted, atol=2e-3)


def test_what_says_nothing_of_taste_is_nobody(trained):
    reward = PamelaReward.from_folder(trained.folder, encoder=trained.encoder, enrol="neighbours")
    picture = torch.nn.functional.normalize(torch.ones(1, trained.encoder.width)).half().numpy().tobytes()
    assert reward.teacher is not None
    lesson = reward.teacher.learn("new", Evidence([Seen(picture)], [0.9], profile="no neon"))
    assert lesson.open == pytest.approx(1)
    prior, found = reward.ensemble.priors[0], reward.ensemble.person("new")[0]
    assert torch.equal(found.vector, prior.mean)


def test_its_fingerprint_is_another_so_that_no_lesson_is_taken_for_the_others(trained):
    fitted = reward_models.load(trained.folder)
    neighbours = reward_models.load(trained.folder, options={"enrol": "neighbours"})
    assert neighbours.fingerprint() != fitted.fingerprint()


def test_a_reward_without_profiles_says_so(trained, tmp_path):
    for name in ("config.json",):
        (tmp_path / name).write_bytes((trained.folder / name).read_bytes())
    weights = load_file(trained.folder / "model.safetensors")
    profiles = weights.pop("profiles")
    assert np.isfinite(profiles.float().numpy()).all()
    save_file(weights, tmp_path / "model.safetensors")
    PamelaReward.from_folder(tmp_path, encoder=trained.encoder)
    with pytest.raises(RewardError, match=r"keeps no profiles of its people.*train it again, or enrol by the fit"):
        PamelaReward.from_folder(tmp_path, encoder=trained.encoder, enrol="neighbours")

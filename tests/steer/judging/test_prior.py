"""`reward.prior`: another reward's answer from the card, which ratings correct."""

from __future__ import annotations

import pytest

from reward_models.prior_mean import WithPrior
from steer.config import TrainedConfig
from steer.errors import SteerError
from steer.judging.load import build_trained


def test_a_config_names_a_prior():
    built = build_trained(TrainedConfig(prior="miniature/linear-hidden"))
    assert isinstance(built, WithPrior)
    alone = build_trained(TrainedConfig())
    assert built.reward.fingerprint() == alone.fingerprint() != built.prior.fingerprint()
    assert not isinstance(alone, WithPrior)


def test_a_prior_that_is_not_there_is_named_in_one_line():
    with pytest.raises(SteerError, match="'nothing-here' not found"):
        build_trained(TrainedConfig(prior="nothing-here"))

"""Everything that ships is there under its name, and is what its protocol asks for."""

from __future__ import annotations

import inspect

import pytest

from reward_models.registry import Registry, UnknownName
from steer.config.critic import KINDS as CRITIC_KINDS
from steer.config.proposer import KINDS as PROPOSER_KINDS
from steer.config.renderer import KINDS as RENDERER_KINDS
from steer.errors import UsageError
from steer.registry import CRITICS, PROPOSERS, RENDERERS, load


@pytest.mark.parametrize("registry", [RENDERERS, PROPOSERS, CRITICS], ids=lambda r: r.kind)
def test_all_that_ships_loads_and_has_settings(registry):
    kinds = {"renderer": RENDERER_KINDS, "proposer": PROPOSER_KINDS, "critic": CRITIC_KINDS}[registry.kind]
    assert list(kinds.classes) == registry.names()
    for name in registry.names():
        assert callable(registry.load(name))
        parameters = list(inspect.signature(registry.load(name)).parameters)
        assert len(parameters) == {"renderer": 1, "proposer": 2, "critic": 3}[registry.kind]


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(UnknownName, match=r"renderer 'difusers' not found \(3 known\)\. Did you mean 'diffusers'\?"):
        RENDERERS.load("difusers")
    with pytest.raises(UsageError, match="Known: diffusers, remote, painter"):
        load(RENDERERS, "xyz")
    assert "xyz" not in RENDERERS
    assert 3 not in RENDERERS


def test_nothing_is_imported_before_it_is_asked_for():
    lazy = Registry("thing", "tests.things", {"gone": "no.such.module:Thing"})
    assert lazy.names() == ["gone"]
    with pytest.raises(ModuleNotFoundError):
        lazy.load("gone")

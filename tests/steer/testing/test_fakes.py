"""The fakes keep the protocols they stand in for."""

from __future__ import annotations

from steer.testing import FakeProposer, FakeRenderer
from steer.testing import ProposerConformance as _Proposer
from steer.testing import RendererConformance as _Renderer


class TestFakeProposer(_Proposer):
    def make(self):
        return FakeProposer()


class TestFakeRenderer(_Renderer):
    def make(self):
        return FakeRenderer()

"""What every implementation of a protocol must do; a subclass supplies ``make``."""

from __future__ import annotations

import json

from PIL import Image

from steer.protocols import Proposer, Renderer
from steer.types import History, RenderFailure, SteerRequest


class ProposerConformance:
    """Tests of the Proposer protocol."""

    prompt = "a fox in a forest"

    def make(self) -> Proposer:
        raise NotImplementedError

    def test_no_more_than_asked_and_not_the_prompt(self) -> None:
        request = SteerRequest(self.prompt, "u1")
        rewrites = self.make().propose(request, History(), 4)
        texts = [r.text for r in rewrites]
        assert 1 <= len(texts) <= 4
        assert len(set(texts)) == len(texts)
        assert self.prompt not in texts

    def test_has_a_name_and_a_steady_fingerprint(self) -> None:
        proposer = self.make()
        assert proposer.name
        assert proposer.fingerprint() == proposer.fingerprint() == proposer.fork().fingerprint()

    def test_subclasses_the_protocol_so_that_optional_members_are_there(self) -> None:
        proposer = self.make()
        assert Proposer in type(proposer).__mro__
        assert isinstance(proposer.slow, bool)
        assert isinstance(proposer.reads_critique, bool)
        assert proposer.most is None or proposer.most >= 1
        assert isinstance(proposer.compose(self.prompt, {}), (str, type(None)))

    def test_a_fork_counts_alone(self) -> None:
        proposer = self.make()
        other = proposer.fork()
        if proposer.meter is None:
            assert other.meter is None
            return
        assert other.meter is not None
        proposer.meter.start({})
        other.meter.start({})
        before = proposer.meter.spent()
        other.propose(SteerRequest(self.prompt, "u1"), History(), 1)
        assert proposer.meter.spent() == before
        assert other.meter.spent() != before

    def test_a_resumed_run_goes_on_counting(self) -> None:
        meter = self.make().meter
        if meter is not None:
            meter.start({})
            spent = {name: 2 * i for i, name in enumerate(sorted(meter.spent().keys() - {"cost"}))}
            meter.start(spent)
            assert {name: meter.spent()[name] for name in spent} == spent


class RendererConformance:
    """Tests of the Renderer protocol."""

    prompts = ("a fox in a forest", "a castle at night", "a red balloon by the sea")

    def make(self) -> Renderer:
        raise NotImplementedError

    def test_one_result_a_prompt_in_order_and_alone_as_in_company(self) -> None:
        renderer = self.make()
        seeds = [1, 2, 3]
        together = renderer.render(self.prompts, seeds)
        assert len(together) == 3
        for prompt, seed, picture in zip(self.prompts, seeds, together, strict=True):
            (alone,) = renderer.render([prompt], [seed])
            assert isinstance(picture, Image.Image)
            assert isinstance(alone, Image.Image)
            assert picture.tobytes() == alone.tobytes()

    def test_another_seed_is_another_picture(self) -> None:
        one, two = self.make().render([self.prompts[0]] * 2, [1, 2])
        assert not isinstance(one, RenderFailure)
        assert not isinstance(two, RenderFailure)
        assert one.tobytes() != two.tobytes()

    def test_nothing_asked_nothing_rendered(self) -> None:
        assert self.make().render([], []) == []

    def test_describes_itself_in_plain_values(self) -> None:
        renderer = self.make()
        assert renderer.name
        json.dumps(renderer.describe())

    def test_subclasses_the_protocol_so_that_optional_members_are_there(self) -> None:
        renderer = self.make()
        assert Renderer in type(renderer).__mro__
        assert renderer.batch_size >= 1
        renderer.prepare(list(self.prompts))
        if renderer.drafts is not None:
            assert Renderer in type(renderer.drafts).__mro__
            assert renderer.drafts.describe() != renderer.describe()
        if renderer.vocabulary is not None:
            assert all(renderer.vocabulary.warnings(p) == [] and renderer.vocabulary.knows(p) for p in self.prompts)
        if renderer.previews is not None:
            assert len(renderer.previews.render([self.prompts[0]], [1], lambda *_: True)) == 1

    def test_a_resumed_run_goes_on_counting(self) -> None:
        meter = self.make().meter
        if meter is not None:
            meter.start({})
            spent = {name: 2 * i for i, name in enumerate(sorted(meter.spent().keys() - {"cost"}))}
            meter.start(spent)
            assert {name: meter.spent()[name] for name in spent} == spent

"""What every implementation of a protocol must do; a subclass supplies ``make``."""

from __future__ import annotations

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

    def test_has_a_name(self) -> None:
        assert self.make().name


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

"""Previews of unfinished pictures, and which are stopped."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from reward_models import Scores
from steer.config import load_config
from steer.errors import RenderError, UsageError
from steer.renderers.diffusion import DiffusersRenderer
from steer.renderers.speed import denoiser
from steer.run.early import LEARNED, EarlyStop
from steer.search.objective import objective
from steer.testing import FakeRenderer
from steer.types import Candidate, History, Rewrite, State, SteerRequest, Stopped


def test_the_last_latents_decode_to_the_pipelines_own_picture(tiny):
    """So a preview, which differs only in its latents, is decoded rightly too."""
    renderer = DiffusersRenderer(tiny(steps=3, batch_size=1, preview={"step": 2}))
    seen = []
    (picture,) = renderer.render(["a fox"], [1], on_step=lambda p, i, t, given: (seen.append(given["latents"]), {})[1])
    latents = renderer.previews._clean(renderer.pipeline, seen[-1], 32, 32)
    decoded = renderer.pipeline.vae.decode(latents, return_dict=False)[0].detach()
    (own,) = renderer.pipeline.image_processor.postprocess(decoded, output_type="pil")
    assert own.tobytes() == picture.tobytes()


def test_a_preview_one_step_before_the_end_is_nearly_the_picture(miniature):
    config = miniature.config.renderer.model_copy(update={"batch_size": 1})
    seen = {}
    for step in (2, 5):
        renderer = DiffusersRenderer(config.model_validate({**config.model_dump(), "preview": {"step": step}}))
        looks = []
        (picture,) = renderer.previews.render(
            ["a fox in the snow"], [3], lambda i, p, looks=looks: (looks.append(p), True)[1]
        )
        difference = np.asarray(looks[0], dtype=float) - np.asarray(picture, dtype=float)
        seen[step] = np.abs(difference).mean()
    assert seen[5] < 8
    assert seen[5] < seen[2] / 2


def test_what_goes_on_is_the_same_picture_and_what_does_not_is_its_preview(tiny):
    renderer = DiffusersRenderer(tiny(steps=4, batch_size=1, preview={"step": 2, "scale": 0.5}))
    plain = renderer.render(["a fox", "a boat"], [1, 2])
    looked = renderer.previews.render(["a fox", "a boat"], [1, 2], lambda i, preview: i == 1)
    assert isinstance(looked[0], Stopped)
    assert (looked[0].steps, looked[0].preview.size) == (2, (16, 16))
    assert looked[1].tobytes() == plain[1].tobytes()


def test_a_stopped_picture_takes_no_further_steps(tiny):
    renderer = DiffusersRenderer(tiny(steps=6, batch_size=1, preview={"step": 2}))
    calls = []
    denoiser(renderer.pipeline).register_forward_hook(lambda *_: calls.append(1))
    renderer.previews.render(["a fox"], [1], lambda *_: False)
    assert len(calls) == 2


def test_other_schedulers_and_batches_are_refused(tiny):
    with pytest.raises(RenderError, match="Euler's steps only; the scheduler is DDIMScheduler"):
        DiffusersRenderer(tiny(steps=4, batch_size=1, preview={"step": 2}, scheduler="DDIMScheduler")).previews  # noqa: B018
    for wrong, said in (("preview={step: 6}", "before the last of 6 steps"), ("preview={step: 3}", "batch_size 1")):
        size = "renderer.batch_size=1" if "6" in said else "renderer.batch_size=2"
        with pytest.raises(UsageError, match=said):
            load_config("miniature", [size, f"renderer.{wrong}"])


def _search(scored):
    goal = load_config("miniature").objective
    return SimpleNamespace(
        request=SteerRequest("a fox", "u1"),
        history=History(scored),
        objective_of=lambda candidate: objective(candidate, 0.0, goal),
        config=load_config("miniature", ["search.confirm=2"]).search,
    )


def _seen(i, objective, early=math.nan):
    return Candidate(i, 1, Rewrite(f"text {i}"), 1, State.SCORED, objective=objective, early=early, fidelity=1.0)


def _preview_of(value):
    found = Scores(*(np.array([v]) for v in (value, value, 1.0, 0.0)))
    return SimpleNamespace(score=lambda images, prompt: found)


def test_nothing_is_stopped_before_previews_are_known():
    known = [_seen(i, 0.5 + 0.1 * i, 0.4 + 0.1 * i) for i in range(LEARNED - 1)]
    new = Candidate(9, 2, Rewrite("new"), 1)
    assert EarlyStop(_search(known), _preview_of(0.0)).goes_on(new, Image.new("RGB", (8, 8)))
    assert new.early == 0.0


def test_the_hopeless_is_stopped_and_the_promising_not():
    """Previews were .1 below their pictures, give or take .01: with .5 a fourth place of .65 is out of reach, with .6
    not."""
    known = [_seen(i, 0.35 + 0.1 * i, 0.25 + 0.1 * i + 0.01 * (-1) ** i) for i in range(LEARNED)]
    for value, goes_on in ((0.30, False), (0.42, False), (0.45, True), (0.9, True)):
        new = Candidate(9, 2, Rewrite("new"), 1)
        assert EarlyStop(_search(known), _preview_of(value)).goes_on(new, Image.new("RGB", (8, 8))) is goes_on


class PreviewingRenderer(FakeRenderer):
    """Stops what it is told to stop, the picture itself being its preview."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.previews = SimpleNamespace(render=self._previewed)

    def _previewed(self, prompts, seeds, goes_on):
        pictures = self.render(prompts, seeds)
        return [p if goes_on(i, p) else Stopped(p, 3) for i, p in enumerate(pictures)]


def test_a_run_with_early_stops_and_its_resume(fake_steerer, tmp_path):
    def run(folder, **parts):
        renderer = PreviewingRenderer(batch_size=1, **parts)
        return fake_steerer(renderer=renderer).run("a fox", "u1", seed=1, out=folder), renderer

    result, _ = run(tmp_path / "whole")
    stopped = [c for c in result.candidates if c.tier == "preview"]
    assert stopped
    assert all(c.round > 0 and c.reason == "stopped after 3 steps" and c.picture for c in stopped)
    assert result.winner.rewrite.text not in {c.rewrite.text for c in stopped}
    assert result.agreement[0] == pytest.approx(1.0)  # the fake's previews are its pictures
    broken, _ = run(tmp_path / "broken", interrupt_at=30)
    assert len(broken.candidates) < 48
    renderer = PreviewingRenderer(batch_size=1)
    again = fake_steerer(renderer=renderer).resume(tmp_path / "broken")
    assert [c.facts() for c in again.candidates] == [c.facts() for c in result.candidates]
    assert len(renderer.rendered) == 18

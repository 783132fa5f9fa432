"""A renderer and a proposer of another package."""

from PIL import Image

from steer.protocols import Proposer, Renderer
from steer.types import Rewrite

COLOURS = ("red", "green", "blue", "yellow", "purple", "orange", "teal", "pink", "brown", "grey")


class ColourRenderer(Renderer):
    name = "toy renderer"

    def __init__(self, side=16):
        self.side = side

    def render(self, prompts, seeds):
        named = [next((c for c in COLOURS if c in p), "white") for p in prompts]
        return [Image.new("RGB", (self.side, self.side), c) for c in named]

    def describe(self):
        return {"kind": "toy", "side": self.side}


class ColourProposer(Proposer):
    name = "toy proposer"

    def propose(self, request, history, n):
        untried = [f"{request.prompt}, {c}" for c in COLOURS if f"{request.prompt}, {c}" not in history.texts()]
        return [Rewrite(text) for text in untried[:n]]

    def fingerprint(self):
        return "toy"

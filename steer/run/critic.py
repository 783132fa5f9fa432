"""What a reward that can say so finds wanting in the leading picture, for whoever writes the next texts."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from steer.search.search import Search
from steer.store.run_folder import RunFolder


class Critic:
    """After each round ``History.critique`` is what ``wishes`` says of the leader's best picture: "more evening light, less photo".

    It depends on pictures alone, so that a resumed run says the same.
    """

    def __init__(self, wishes: Callable[[Image.Image], str], folder: RunFolder):
        self.wishes, self.folder = wishes, folder

    def __call__(self, search: Search) -> None:
        """A round was told."""
        ranked = search.history.ranked()
        if not ranked or search.stop:
            return
        own = [c for c in search.history.scored() if c.rewrite.text == ranked[0].rewrite.text and c.picture]
        if own:
            self.folder.flush()
            search.history.critique = self.wishes(self.folder.load_picture(max(own, key=lambda c: c.objective)))

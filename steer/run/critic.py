"""What the reward's critic finds wanting in the leading picture, for whoever writes the next texts."""

from __future__ import annotations

from steer.judging.judge import Judge
from steer.search.search import Search
from steer.store.run_folder import RunFolder


class CriticAtWork:
    """After each round the search is told what to change in the leader's best picture: "more evening light, less
    photo".

    It depends on pictures alone, so that a resumed run says the same.
    """

    def __init__(self, judge: Judge, prompt: str, folder: RunFolder):
        self.judge, self.prompt, self.folder = judge, prompt, folder

    def __call__(self, search: Search) -> None:
        """A round was told."""
        ranked = search.history.ranked()
        if not ranked or search.stop:
            return
        own = [c for c in search.history.scored() if c.rewrite.text == ranked[0].rewrite.text and c.picture]
        if own:
            self.folder.flush()
            picture = self.folder.load_picture(max(own, key=lambda c: c.objective))
            search.advise(self.judge.critique(picture, self.prompt))

"""Let your own code write the rewrites: here, the seasons.

    python examples/own_proposer.py "a castle" u17

A reward or a renderer of your own is given in the same way: Steerer(reward=...), Steerer(renderer=...).
"""

import sys

from steer import Steerer, SteerRequest
from steer.protocols import Proposer
from steer.types import History, Rewrite

SEASONS = ("in spring", "in summer", "in autumn", "in winter, in the snow", "in winter, at night", "in summer, at dawn")


class Seasons(Proposer):
    """Adds a season that was not tried yet."""

    name = "seasons"

    def propose(self, request: SteerRequest, history: History, n: int) -> list[Rewrite]:
        """Up to n texts; none when all seasons were drawn."""
        texts = [f"{request.prompt} {season}" for season in SEASONS]
        return [Rewrite(text) for text in texts if text not in history.texts()][:n]

    def fingerprint(self) -> str:
        """Changes whenever the words do, so that no run is resumed with other ones."""
        return " ".join(SEASONS)


def main(prompt: str = "a castle", user: str = "u17", budget: str = "6") -> None:
    """Print every text that was drawn, and how much the user should like its picture."""
    result = Steerer("miniature", proposer=Seasons()).run(prompt, user, budget=int(budget))
    for candidate in result.candidates:
        print(f"{candidate.personal:.2f}  {candidate.rewrite.text}")
    print(f"{result.gain:+.2f} for {user}, in {result.folder}")


if __name__ == "__main__":
    main(*sys.argv[1:])

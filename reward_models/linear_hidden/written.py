"""What a vision-language model writes as a picture's score, greedily: the paper's rows that use no hidden states.

Raw Text, Adjust-Bias and the residual form read the same answers; Few-shot shows ten rated pictures before it asks.
The words of the questions are ours. Scores are 1 ... 5 as written, and [0, 1] everywhere else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from reward_models.base import RewardError
from reward_models.describing import answer
from reward_models.doors import parse_json, read_text
from reward_models.encoders.hidden_states import PROMPTS
from reward_models.encoders.vlm import Vlm
from reward_models.pictures import FAULTS, read_picture

TOKENS = 16  # of an answer (R1)
LOW, HIGH = 1.0, 5.0
EXAMPLE = "Example {}: this person gave this picture {:.1f} out of 5."
ASKED = "How many points out of 5 would the same person give this picture? Answer with the number alone."


def written_number(text: str) -> float:
    """The first number in an answer, in [0, 1]; NaN where there is none or it is not from 1 to 5.

    >>> written_number("I would give it 4.5 of 5."), written_number("70"), written_number("good")
    (0.875, nan, nan)
    """
    found = re.search(r"\d+(?:\.\d+)?", text)
    value = float(found.group()) if found else float("nan")
    return (value - LOW) / (HIGH - LOW) if LOW <= value <= HIGH else float("nan")


class Writer:
    """Asks the model about pictures below ``root``; ``size``: longest side in pixels of what it is shown.

    Raises RewardError for a model that sees nothing.
    """

    def __init__(self, vlm: Vlm, root: Path, size: int = 448, tokens: int = TOKENS):
        if not vlm.sees:
            raise RewardError(f"'{vlm.name}' is a {type(vlm.model).__name__}, which reads no pictures")
        self.vlm, self.root, self.size, self.tokens = vlm, root, size, tokens

    def scores(
        self, pictures: Sequence[str], kept: Path, progress: Callable[[int, int], None] | None = None
    ) -> np.ndarray:
        """The score of each picture (n,), NaN without one. ``kept``: where answers are kept as JSON lines; those of
        this model that are there already are not asked for again.
        """
        mark = f"{self.vlm.fingerprint()} {self.size} {self.tokens}"
        known = _known(kept, mark)
        missing = [p for p in dict.fromkeys(pictures) if p not in known]
        kept.parent.mkdir(parents=True, exist_ok=True)
        with kept.open("a", encoding="utf-8") as file:
            for number, name in enumerate(missing, 1):
                text = self._asked([self._image(name), {"type": "text", "text": PROMPTS["format"]}])
                known[name] = text
                file.write(json.dumps({"picture": name, "by": mark, "text": text}, ensure_ascii=False) + "\n")
                file.flush()
                if progress:
                    progress(number, len(missing))
        return np.array([written_number(known[p]) for p in pictures])

    def few_shot(self, examples: Sequence[tuple[str, float]], pictures: Sequence[str]) -> np.ndarray:
        """The score of each picture (n,) after the rated ``examples`` in one prompt; NaN without a number."""
        shown: list[dict[str, object]] = []
        for number, (name, liking) in enumerate(examples, 1):
            shown += [self._image(name), {"type": "text", "text": EXAMPLE.format(number, LOW + (HIGH - LOW) * liking)}]
        question: dict[str, object] = {"type": "text", "text": ASKED}
        return np.array([written_number(self._asked([*shown, self._image(p), question])) for p in pictures])

    def _image(self, name: str) -> dict[str, object]:
        """A part of a turn. Raises RewardError for a picture that does not open: features of it are there."""
        try:
            image: Image.Image = read_picture(self.root / name)
        except FAULTS as error:
            raise RewardError(f"the picture '{name}' does not open any more") from error
        image.thumbnail((self.size, self.size))
        return {"type": "image", "image": image}

    def _asked(self, content: list[dict[str, object]]) -> str:
        return self.vlm.run(lambda: answer(self.vlm, content, self.tokens))


def _known(kept: Path, mark: str) -> dict[str, str]:
    """The answers of an earlier start; a torn last line is left out."""
    found: dict[str, str] = {}
    for line in read_text(kept).splitlines() if kept.exists() else []:
        try:
            told = parse_json(line)
            if told["by"] == mark:
                found[str(told["picture"])] = str(told["text"])
        except (ValueError, KeyError, TypeError):
            continue
    return found

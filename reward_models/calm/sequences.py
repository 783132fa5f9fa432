"""A turn as the language model reads it: the frame of a chat, texts as tokens, pictures as rows in their places.

Shapes: T tokens of a sequence, D width of the language model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from torch import Tensor

from reward_models.calm.turns import GIVEN, Learnt, Piece, Turn

HERE = "\N{WHITE MEDIUM SQUARE}here\N{WHITE MEDIUM SQUARE}"  # where the turn stands in a chat template
VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the user's questions. USER: ",
    " ASSISTANT:",
)  # of Vicuna 1.1 and later, which has no template in its tokenizer
IGNORED = -100  # the label of a token that teaches nothing


@dataclass(frozen=True)
class Row:
    """One sequence: token ids, and tensors (P, D) where pictures stand. ``labels`` (T,): the tokens to be learned,
    which are the answer's and those of :class:`~reward_models.calm.turns.Learnt`, and :data:`IGNORED` elsewhere.
    """

    pieces: list[list[int] | Tensor]
    labels: list[int]

    def __len__(self) -> int:
        return len(self.labels)


class Frame:
    """How a tokenizer's model is talked to: by its chat template, and as Vicuna is where it has none. An answer ends
    with the tokenizer's end of sequence.
    """

    def __init__(self, tokenizer: Any):
        self.tokenizer = tokenizer
        if tokenizer.chat_template:
            turn = [{"role": "user", "content": HERE}]
            whole = tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
            opening, _, closing = whole.partition(HERE)
        else:
            opening, closing = VICUNA
            if tokenizer.bos_token_id is not None:
                opening = tokenizer.bos_token + opening
        self.opening, self.closing = self._plain(opening), self._plain(closing)
        # out of people's words, as they would read as the frame
        self._control = sorted(tokenizer.get_added_vocab(), key=len, reverse=True)

    def row(self, turn: Turn, tokens: Sequence[Tensor], opened: bool = True) -> Row:
        """The sequence of a turn whose pictures are these ``tokens``, each (P, D); without the chat's opening where it
        is not to be ``opened``.
        """
        asked, said = self._pieces(turn.asked, tokens), self.answer(turn.answer) if turn.answer else []
        before, after = [self.opening] * opened, [self.closing]
        labels = [label for piece, ids in zip(turn.asked, asked, strict=True) for label in self._labels(piece, ids)]
        ignored = [[IGNORED] * sum(map(len, frame)) for frame in (before, after)]
        return Row([*before, *asked, *after, said], [*ignored[0], *labels, *ignored[1], *said])

    def begun(self, asked: Sequence[Piece], tokens: Sequence[Tensor]) -> Row:
        """A sequence that goes on."""
        pieces = [self.opening, *self._pieces(asked, tokens)]
        return Row(pieces, [IGNORED] * sum(map(len, pieces)))

    def answer(self, text: str) -> list[int]:
        """An answer's tokens, with its end."""
        return [*self._plain(self._apart(text)), self.tokenizer.eos_token_id]

    def text(self, text: str) -> list[int]:
        """The tokens of words."""
        return self._plain(self._apart(text))

    def _pieces(self, asked: Sequence[Piece], tokens: Sequence[Tensor]) -> list[list[int] | Tensor]:
        pictures = iter(tokens)
        return [self.text(piece) if isinstance(piece, str) else next(pictures) for piece in asked]

    def _labels(self, piece: Piece, ids: list[int] | Tensor) -> list[int]:
        """Of a piece of a question: what is learned of it, from where it parts from the words that all of them have."""
        if not isinstance(piece, Learnt) or isinstance(ids, Tensor):
            return [IGNORED] * len(ids)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(ids, self.text(GIVEN), strict=False)))
        return [IGNORED] * same + ids[same:]

    def _plain(self, text: str) -> list[int]:
        found: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"] if text else []
        return found

    def _apart(self, text: str) -> str:
        """A text without control tokens, however they are pieced together."""
        while found := [token for token in self._control if token in text]:
            for token in found:
                text = text.replace(token, " ")
        return text

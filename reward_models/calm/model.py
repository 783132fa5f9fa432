"""The model: a frozen tower, the alignment and a causal language model, and how a turn goes through them.

Shapes: n pictures or turns, N patches, E width of the tower, P tokens of a picture, T tokens of a sequence, D width and
V words of the language model.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from reward_models.base import RewardError
from reward_models.calm.alignment import Alignment
from reward_models.calm.lora import add_lora
from reward_models.calm.numbers import AnswerTree, NumberScale
from reward_models.calm.sequences import IGNORED, Frame, Row
from reward_models.calm.settings import LoraSetting, ModelSetting
from reward_models.calm.tower import TappedTower
from reward_models.calm.turns import Picture, Piece, Turn
from reward_models.encoders.vlm import Vlm, load_apart
from reward_models.residency import Guest

T = TypeVar("T")
WORK = 4.0  # GiB beside the weights


@dataclass(frozen=True)
class Batch:
    """``embeddings`` (n, T, D), ``mask`` (n, T) and ``labels`` (n, T) of sequences, the shorter ones filled up at
    their ends.
    """

    embeddings: Tensor
    mask: Tensor
    labels: Tensor


class CalmModel:
    """``llm``: a model of this one's own, as its weights may be trained. ``scale``: how scores are written.

    Raises RewardError for a language model that is none, or whose tokenizer has no end of sequence.
    """

    def __init__(
        self,
        tower: TappedTower,
        alignment: Alignment,
        llm: Vlm,
        scale: NumberScale | None = None,
        lora: LoraSetting | None = None,
        positions: int | None = None,
    ):
        if llm.sees or llm.decides:
            raise RewardError(f"'{llm.name}' is a {type(llm.model).__name__}, not a language model that reads text")
        if llm.tokenizer.eos_token_id is None:
            raise RewardError(f"the tokenizer of '{llm.name}' has no end of sequence")
        self.tower, self.alignment, self.holder = tower, alignment, llm
        self.scale, self.lora = scale or NumberScale(), lora
        self.device, self.tokenizer, self.frame = llm.device, llm.tokenizer, Frame(llm.tokenizer)
        self.base = llm.fingerprint()  # of the language model as it was before any training
        if lora:
            add_lora(llm.model, lora)
        alignment.requires_grad_(False).eval()
        self.positions: int = positions or llm.model.config.get_text_config().max_position_embeddings
        self._guest = Guest(f"CALM on '{llm.name}'", self.device, lambda: [self.llm, alignment], WORK)
        if not self.device.startswith("cuda"):
            alignment.to(self.device)

    @property
    def llm(self) -> Any:
        """The language model of transformers."""
        return self.holder.model

    @cached_property
    def tree(self) -> AnswerTree:
        """Of the scores there are."""
        return AnswerTree.of(self.scale, self.frame.answer)

    def run(self, work: Callable[[], T]) -> T:
        """``work`` with alignment and language model on their device."""
        return self._guest.run(work)

    def at_work(self) -> Any:
        """A context in which they are there, for training."""
        return self._guest.at_work()

    def picture_states(self, images: Sequence[Image.Image]) -> Tensor:
        """What the tower sees (n, 4, N, E), fp16 on the CPU; it may be kept instead of the pictures."""
        return self.tower.states_of(images)

    def picture_tokens(self, states: Tensor) -> Tensor:
        """Tokens (n, P, D) of states (n, 4, N, E), fp32 on the device.

        Where no gradient is wanted, picture by picture, so that they are the same in any company.
        """
        given = states.to(self.device, torch.float32)
        if torch.is_grad_enabled() or len(given) < 2:
            tokens: Tensor = self.alignment(given)
            return tokens
        return torch.cat([self.alignment(each[None]) for each in given])

    def tokens_of(self, pictures: Sequence[Picture]) -> list[Tensor]:
        """Tokens (P, D) of each picture, whatever it is given as."""
        images = [p for p in pictures if isinstance(p, Image.Image)]
        seen = iter(self.picture_states(images))
        states = [next(seen) if isinstance(p, Image.Image) else p for p in pictures]
        open_ = [s for s in states if s.dim() == 3]
        made = iter(self.picture_tokens(torch.stack(open_)).unbind() if open_ else ())
        return [next(made) if s.dim() == 3 else s.to(self.device, torch.float32) for s in states]

    def rows(self, turns: Sequence[Turn], before: Row | None = None) -> list[Row]:
        """The sequences of turns, or what comes of them behind what they all begin with (:meth:`opening`). Each
        picture that several of them show is looked at once.

        Raises RewardError for one that is longer than the language model reads.
        """
        distinct = {id(p): p for turn in turns for p in turn.pictures}
        tokens = dict(zip(distinct, self.tokens_of(list(distinct.values())), strict=True))
        rows = [self.frame.row(turn, [tokens[id(p)] for p in turn.pictures], before is None) for turn in turns]
        if rows and (longest := max(map(len, rows)) + (len(before) if before else 0)) > self.positions:
            raise RewardError(
                f"'{self.holder.name}' reads {self.positions} tokens, and a turn with its pictures has {longest}"
            )
        return rows

    def opening(self, pieces: Sequence[Piece]) -> Row:
        """What several turns begin with, their chat's frame included."""
        pictures = [piece for piece in pieces if not isinstance(piece, str)]
        return self.frame.begun(pieces, self.tokens_of(pictures))

    def batch(self, rows: Sequence[Row]) -> Batch:
        """Embeddings, masks and labels of sequences."""
        longest = max(map(len, rows))
        filled = [self._embedded(row, longest - len(row)) for row in rows]
        lengths = torch.tensor([len(row) for row in rows])
        mask = (torch.arange(longest) < lengths[:, None]).long()
        labels = torch.tensor([row.labels + [IGNORED] * (longest - len(row)) for row in rows])
        return Batch(torch.stack(filled), mask.to(self.device), labels.to(self.device))

    def sequence(self, turns: Sequence[Turn]) -> Batch:
        """:meth:`batch` of the :meth:`rows` of turns."""
        return self.batch(self.rows(turns))

    def loss(self, turns: Sequence[Turn]) -> Tensor:
        """Mean cross-entropy of the answers' tokens. Raises RewardError where nothing is answered."""
        batch = self.sequence(turns)
        target = batch.labels[:, 1:]  # each token is told by the one before it
        at = (target != IGNORED).any(0).nonzero()[:, 0]
        if not len(at):
            raise RewardError("there is no answer to learn from")
        logits = self.logits(batch, at)  # (n, len(at), V)
        return F.cross_entropy(logits.flatten(0, 1).float(), target[:, at].flatten(), ignore_index=IGNORED)

    def logits(self, batch: Batch, at: Tensor) -> Tensor:
        """Logits (n, len(at), V) after the places ``at`` of every sequence."""
        found: Tensor = self.llm(
            inputs_embeds=batch.embeddings, attention_mask=batch.mask, use_cache=False, logits_to_keep=at
        ).logits
        return found

    def parts(self) -> dict[str, nn.Module]:
        """What may be trained: each level of the alignment, and "llm"."""
        parts: dict[str, nn.Module] = {name: self.alignment.get_submodule(name) for name in self.alignment.levels}
        return {**parts, "llm": self.llm}

    def train_only(self, parts: Collection[str]) -> list[nn.Parameter]:
        """Freeze all but these parts, and give what is left to train. Of a language model with adapters these alone.

        Raises RewardError for a part that is not there.
        """
        self.alignment.train_only([part for part in parts if part != "llm"])
        for name, value in self.llm.named_parameters():
            value.requires_grad_("llm" in parts and (self.lora is None or "lora_" in name))
        return [p for part in self.parts().values() for p in part.parameters() if p.requires_grad]

    def _embedded(self, row: Row, missing: int) -> Tensor:
        """(T, D) in the language model's precision; zeros for what is missing at its end."""
        embed, dtype = self.llm.get_input_embeddings(), self.llm.dtype
        parts: Iterable[Tensor] = (
            piece.to(self.device, dtype) if isinstance(piece, Tensor) else embed(self._ids(piece))
            for piece in row.pieces
            if len(piece)
        )
        found = torch.cat(list(parts))
        return F.pad(found, (0, 0, 0, missing))

    def _ids(self, tokens: Sequence[int]) -> Tensor:
        return torch.tensor(tokens, dtype=torch.long, device=self.device)


def build(setting: ModelSetting, device: str = "cpu") -> CalmModel:
    """The parts of a setting, with an alignment that has not learned yet. Raises RewardError where one does not
    load.
    """
    tower = TappedTower(setting.tower.name, setting.tower.taps, device, setting.tower.revision, setting.tower.keep)
    llm = load_apart(setting.llm.name, setting.llm.revision, device)
    torch.manual_seed(setting.seed)
    words = llm.model.get_input_embeddings().weight
    alignment = Alignment(setting.alignment.config(), tower.width, words.shape[1])
    alignment.begin_among(words)
    return CalmModel(tower, alignment, llm, setting.score.scale(), setting.llm.lora, setting.llm.positions)

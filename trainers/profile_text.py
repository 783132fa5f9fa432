"""The small Llama of P-MLLM's miniature: it learns from words alone how a card and a picture in words go together.

    card + picture in words -> rating       the typed question, with the rating between two levels as a soft target
    nobody + picture in words -> everybody's mean
    "Describe ..." -> a caption             of no picture: the language of descriptions
    card -> taste                           by heads on the states of the card's last token, dropped at the end

Ratings alone turn the model to the card slowly: a rating is mostly what everybody likes. The heads are told what the
person makes of every value of the world at once, so the card's states come to hold the taste, and a picture need only
look it up there.

All pictures that are rated for one card share its tokens: a sequence is the card, then K pictures that see the card and
themselves, each at the position it would have alone. Shapes: C cards, K pictures each, T tokens, V values.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.decision import DecisionConfig

from reward_models.cards import PARTS
from reward_models.describing import DESCRIBE
from reward_models.evaluation.statistics import spearman
from reward_models.prompted.question import described, liking_question
from steer.miniature.person import SimulatedPerson
from steer.miniature.raters import simulated_people
from steer.miniature.words import caption
from steer.miniature.world import ATTRIBUTES, random_scene
from trainers.common import Trainer, autocast
from trainers.muon import Muon
from trainers.profile_world import VALUES, Rated, World, card_of, gain_at, one_hot, said
from trainers.text import build_tokenizer, captions

WIDTH, LAYERS, HEAD, MOST_TOKENS = 192, 6, 32, 512
SEED, LR = 57, 3e-3
FIRST = 0.25  # share of the time in which nearly all is cards alone
CARDS, SORTED = 48, 8  # in a step of cards alone; so many steps' cards are sorted by length, for less padding
HEADS = 0.3  # weight of the heads' loss beside ratings
SPECIAL = ["<|user|>", "<|picture|>", "<|answer|>"]
QUESTION = "<|user|>{{ question.instructions }}<|picture|>{{ state }}<|answer|>"
CHAT = (
    "{% for m in messages %}{% if m['role'] == 'user' %}<|user|>{{ m['content'] }}"
    "{% else %}<|answer|>{{ m['content'] }}</s>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|answer|>{% endif %}"
)
LABELS = ["1", "2", "3", "4", "5"]


def tokenizer_of() -> PreTrainedTokenizerFast:
    """The world's words, cards, the questions and digits."""
    people = list(simulated_people(600).values())[200:]
    cards = [liking_question(card_of(p, PARTS, manner)).instructions for p in people for manner in (0, 1)]
    asked = [liking_question().instructions, DESCRIBE, described("a fox"), *LABELS] * 200
    tokenizer = build_tokenizer([*captions(2, 40_000), *cards * 4, *asked], "t5", MOST_TOKENS)
    tokenizer.add_special_tokens({"additional_special_tokens": SPECIAL})
    tokenizer.chat_template = CHAT
    return tokenizer


def build(vocabulary: int, width: int = WIDTH, layers: int = LAYERS) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            intermediate_size=int(8 / 3 * width),
            num_hidden_layers=layers,
            num_attention_heads=width // HEAD,
            num_key_value_heads=width // HEAD,
            max_position_embeddings=MOST_TOKENS,
            tie_word_embeddings=True,
            pad_token_id=0,
            bos_token_id=None,
            eos_token_id=1,
        )
    )


def levels_of(likings: np.ndarray) -> torch.Tensor:
    """Soft targets (n, 5): each liking in [0, 1] between the two levels beside it."""
    at = torch.as_tensor(likings, dtype=torch.float32).clamp(0, 1) * (len(LABELS) - 1)
    return (1 - (at[:, None] - torch.arange(len(LABELS))).abs()).clamp(min=0)


@dataclass
class Packed:
    """C sequences of equal length T, padded. ``mask`` (C, 1, T, T): who sees whom; ``at``: (rows, positions) of the
    answers; ``target``: the levels (n, 5) or the tokens (n,) that are to follow there. ``ends`` (C,): the card's last
    token.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    at: tuple[torch.Tensor, torch.Tensor]
    target: torch.Tensor
    ends: torch.Tensor


class Student(nn.Module):
    """The Llama, and a head (D, V) for each block but the first."""

    def __init__(self, llm: LlamaForCausalLM):
        super().__init__()
        self.llm = llm
        config = llm.config
        self.heads = nn.ModuleList(
            nn.Sequential(nn.RMSNorm(config.hidden_size), nn.Linear(config.hidden_size, len(VALUES)))
            for _ in range(config.num_hidden_layers - 1)
        )

    def forward(self, packed: Packed) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (n, V) where answers are read, and the tastes (heads, C, V) that the heads read."""
        logits, states = answers_at(self.llm, packed)
        rows = torch.arange(len(packed.ends))
        with autocast():
            tastes = [head(s[rows, packed.ends]) for head, s in zip(self.heads, states[2:], strict=True)]
        return logits, torch.stack(tastes).float()


class Packer:
    """Writes cards and pictures as tokens."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast):
        self.tokenizer = tokenizer
        self.answer = tokenizer.convert_tokens_to_ids("<|answer|>")
        self.labels = [i for (i,) in tokenizer(LABELS, add_special_tokens=False)["input_ids"]]

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        return self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]

    def rated(self, rated: Sequence[Rated]) -> Packed:
        """Every picture after its card; the answer is read at the last token of each."""
        heads = self._ids([f"<|user|>{r.instructions}" for r in rated])
        tails = [self._ids([f"<|picture|>{described(t)}<|answer|>" for t in r.texts]) if r.texts else [] for r in rated]
        rows, columns = [], []
        for row, (head, own) in enumerate(zip(heads, tails, strict=True)):
            ends = len(head) + np.cumsum([len(t) for t in own]) - 1
            rows += [row] * len(own)
            columns += ends.tolist()
        target = levels_of(np.concatenate([r.likings for r in rated]))
        return self._packed(heads, tails, (torch.tensor(rows).long(), torch.tensor(columns).long()), target)

    def described(self, texts: Sequence[str], k: int) -> Packed:
        """k descriptions a sequence; all their tokens are to be learned."""
        heads = self._ids([f"<|user|>{DESCRIBE}"] * (len(texts) // k))
        tails = [self._ids([f"<|answer|>{t}</s>" for t in texts[i * k : (i + 1) * k]]) for i in range(len(heads))]
        rows, columns, target = [], [], []
        for row, (head, own) in enumerate(zip(heads, tails, strict=True)):
            start = len(head)
            for tail in own:
                rows += [row] * (len(tail) - 1)
                columns += range(start, start + len(tail) - 1)
                target += tail[1:]
                start += len(tail)
        return self._packed(heads, tails, (torch.tensor(rows), torch.tensor(columns)), torch.tensor(target))

    def _packed(
        self,
        heads: list[list[int]],
        tails: list[list[list[int]]],
        at: tuple[torch.Tensor, torch.Tensor],
        target: torch.Tensor,
    ) -> Packed:
        whole = [head + [t for tail in own for t in tail] for head, own in zip(heads, tails, strict=True)]
        longest = max(map(len, whole))
        tokens = torch.zeros(len(whole), longest, dtype=torch.long)
        positions, group = torch.zeros_like(tokens), torch.full_like(tokens, -1)
        for row, (head, own) in enumerate(zip(heads, tails, strict=True)):
            tokens[row, : len(whole[row])] = torch.tensor(whole[row])
            lengths = [len(head), *map(len, own)]
            start = 0
            for number, length in enumerate(lengths):
                first = 0 if number == 0 else len(head)
                positions[row, start : start + length] = torch.arange(first, first + length)
                group[row, start : start + length] = number
                start += length
        earlier = torch.ones(longest, longest).tril().bool()
        same = group[:, :, None] == group[:, None, :]
        seen = earlier & (same | (group[:, None, :] == 0))  # of one's own picture, and of the card
        ends = torch.tensor([len(head) - 1 for head in heads])
        return Packed(tokens, positions, seen[:, None], at, target, ends)


def answers_at(model: LlamaForCausalLM, packed: Packed) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    """Logits (n, tokens of the vocabulary) where answers are read, and the states (C, T, D) after each block."""
    with autocast():
        read = model.model(
            input_ids=packed.tokens,
            attention_mask=torch.zeros(packed.mask.shape).masked_fill(~packed.mask, torch.finfo(torch.float32).min),
            position_ids=packed.positions,
            use_cache=False,
            output_hidden_states=True,
        )
        logits: torch.Tensor = model.lm_head(read.last_hidden_state[packed.at])
    return logits.float(), read.hidden_states


def train(
    folder: Path,
    minutes: float,
    world: World,
    watched: Sequence[SimulatedPerson],
    width: int = WIDTH,
    layers: int = LAYERS,
    k: int = 16,
    cards: int = 10,
    start: Path | None = None,
) -> Path:
    """Write the Llama to ``folder``/model, with its tokenizer and the form of its typed questions. ``start``: a folder
    with a model of the same shape to begin with.
    """
    torch.manual_seed(SEED)
    tokenizer = tokenizer_of()
    packer, model = Packer(tokenizer), build(len(tokenizer), width, layers)
    if start is not None:
        model.load_state_dict(LlamaForCausalLM.from_pretrained(start, dtype=torch.float32).state_dict())
    model.set_attn_implementation("eager")  # with a mask like ours, a third faster on a CPU than SDPA
    student = Student(model)
    matrices = {n for n, p in student.named_parameters() if p.ndim == 2 and "embed" not in n and "heads" not in n}
    trainer = Trainer(
        folder, student, 10**6, LR, ema=0.99, minutes=minutes, muon=matrices.__contains__, muon_class=Muon
    )
    rng = random.Random(SEED + trainer.step)
    watched = watched[:20]
    waiting: list[list[Rated]] = []

    def loss(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        done = trainer.seconds / (60 * minutes)
        if step % 8 == 7:
            packed = packer.described([caption(random_scene(rng), rng, full=True) for _ in range(32)], 16)
            value = F.cross_entropy(answers_at(model, packed)[0], packed.target)
            return value, {"caption": 8 * float(value.detach())}
        if done < FIRST or step % 4 == 0:
            if not waiting:
                drawn = sorted(world.cards(CARDS * SORTED), key=lambda r: len(r.instructions))
                waiting.extend(drawn[i : i + CARDS] for i in range(0, len(drawn), CARDS))
                rng.shuffle(waiting)
            rated = waiting.pop()
            unknown = unread(student(packer.rated(rated))[1], rated)
            return unknown.mean(), {"unread": (8 / 7 if done < FIRST else 4) * float(unknown[-2].detach())}
        world.gain = gain_at(done)
        rated = [world.one(k) for _ in range(cards)]
        packed = packer.rated(rated)
        logits, tastes = student(packed)
        logs = logits.log_softmax(-1)[:, packer.labels]  # (n, 5)
        value = -(packed.target * logs).sum(1).mean()
        entropy = -(packed.target * packed.target.clamp(min=1e-9).log()).sum(1).mean()
        return value + HEADS * unread(tastes, rated).mean(), {"excess": 8 / 5 * float(value.detach() - entropy)}

    def watch() -> None:
        finished = _copy(model, trainer)
        found = {parts: read_words(finished, packer, watched, told) for parts, told in WATCHED.items()}
        row = {"step": trainer.step, **{name: round(float(v.mean()), 4) for name, v in found.items()}}
        row["told apart"] = round(told_apart(finished, packer, watched), 4)
        with open(folder / "watched.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    trainer.run(loss, log_every=20, on_save=watch)
    finished = _copy(model, trainer).half()
    finished.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    DecisionConfig(labels={"score": LABELS}, chat_template=QUESTION).save_pretrained(folder / "model")
    return folder / "model"


def unread(tastes: torch.Tensor, rated: Sequence[Rated]) -> torch.Tensor:
    """How much of C people's tastes each head (heads, C, V) does not read: 1 is all of it (heads,)."""
    true = torch.as_tensor(np.stack([r.taste for r in rated]), dtype=torch.float32)
    known = ~true.isnan()
    return ((tastes - true.nan_to_num()).square() * known).sum((1, 2)) / known.sum()


WATCHED: dict[str, tuple[str, ...]] = {"neutral": (), "traits": ("traits",), "words": ("words",), "all": PARTS}


def _copy(model: LlamaForCausalLM, trainer: Trainer) -> LlamaForCausalLM:
    finished = LlamaForCausalLM(model.config)
    weights = {name.removeprefix("llm."): value for name, value in trainer.best_weights().items()}
    finished.load_state_dict({name: value for name, value in weights.items() if not name.startswith("heads.")})
    return finished.eval()


@torch.inference_mode()
def read_words(
    model: LlamaForCausalLM, packer: Packer, people: Sequence[SimulatedPerson], parts: Sequence[str], n: int = 60
) -> np.ndarray:
    """Spearman of each person's true likings of n pictures in words with the model's expected levels (people,)."""
    rng = random.Random(1)
    scenes = [random_scene(rng) for _ in range(n)]
    texts = [caption(s, rng, full=True) for s in scenes]
    read, found = one_hot(scenes), []
    for person in people:
        truth = person.satisfaction(read)
        packed = packer.rated([Rated(liking_question(card_of(person, parts)).instructions, texts, truth)])
        p = answers_at(model, packed)[0][:, packer.labels].softmax(-1).numpy()
        found.append(spearman(p @ np.arange(len(LABELS)), truth))
    return np.array(found)


@torch.inference_mode()
def told_apart(
    model: LlamaForCausalLM,
    packer: Packer,
    people: Sequence[SimulatedPerson],
    parts: Sequence[str] = PARTS,
    n: int = 60,
) -> float:
    """Over single values of attributes, each as a hint: the correlation of how a person's liking differs from these
    people's mean, truly (over n scenes that show the value) and as the model says by their card; mean over people.
    """
    rng, values = random.Random(5), [(a, v) for a, options in ATTRIBUTES.items() for v in options]
    read = one_hot([random_scene(rng, **{a: v}) for a, v in values for _ in range(n)])
    truth = np.array([p.satisfaction(read).reshape(-1, n).mean(1) for p in people])  # (people, values)
    hints, usual, found = [said({a: v}, random.Random(1)) for a, v in values], truth.mean(0), []
    for person, own in zip(people, truth, strict=True):
        packed = packer.rated([Rated(liking_question(card_of(person, parts)).instructions, hints, own)])
        p = answers_at(model, packed)[0][:, packer.labels].softmax(-1).numpy()
        guessed = p @ np.arange(len(LABELS)) / (len(LABELS) - 1)
        found.append(np.corrcoef(guessed - usual, own - usual)[0, 1])
    return float(np.mean(found))

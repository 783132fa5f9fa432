"""The small Llama of P-MLLM's miniature: it learns from words alone how a card and a picture in words go together.

    card + picture in words -> rating       the typed question, with the rating between two levels as a soft target
    nobody + picture in words -> everybody's mean
    "Describe ..." -> a caption             of no picture: the language of descriptions

All pictures that are rated for one card share its tokens: a sequence is the card, then K pictures that see the card and
themselves, each at the position it would have alone. Shapes: C cards, K pictures each, T tokens.
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
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.decision import DecisionConfig

from reward_models.cards import PARTS, card
from reward_models.describing import DESCRIBE
from reward_models.evaluation.statistics import spearman
from reward_models.prompted.question import described, liking_question
from steer.miniature.person import SimulatedPerson
from steer.miniature.profiles import self_report
from steer.miniature.raters import simulated_people
from steer.miniature.words import bare, caption, phrases
from steer.miniature.world import ATTRIBUTES, Scene, random_scene
from trainers.common import Trainer, autocast
from trainers.muon import Muon
from trainers.text import build_tokenizer, captions

WIDTH, LAYERS, HEAD, MOST_TOKENS = 192, 6, 32, 512
SEED, LR = 57, 3e-3
SPECIAL = ["<|user|>", "<|picture|>", "<|answer|>"]
QUESTION = "<|user|>{{ question.instructions }}<|picture|>{{ state }}<|answer|>"
CHAT = (
    "{% for m in messages %}{% if m['role'] == 'user' %}<|user|>{{ m['content'] }}"
    "{% else %}<|answer|>{{ m['content'] }}</s>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|answer|>{% endif %}"
)
LABELS = ["1", "2", "3", "4", "5"]
TOLD = 0.7  # probability that a card says each of its parts
ALONE = 0.6  # share of the cards that have one part, from which it is learnt fastest
NOBODY = 0.12  # share of the questions about people at large
CROWD = 200  # people whose mean is everybody's
FEWEST = 3  # ratings that a hint's liking is the mean of, where there is a table of them
GAIN, FULL, LESS = 3.0, 0.6, 0.85  # see `gain_at`
COMPLETIONS = 32  # pictures over which the liking of a hint is averaged


def tokenizer_of() -> PreTrainedTokenizerFast:
    """The world's words, cards, the questions and digits."""
    people = list(simulated_people(600).values())[200:]
    cards = [liking_question(card_of(p, PARTS, manner)).instructions for p in people for manner in (0, 1)]
    asked = [liking_question().instructions, DESCRIBE, described("a fox"), *LABELS] * 200
    tokenizer = build_tokenizer([*captions(2, 40_000), *cards * 4, *asked], "t5", MOST_TOKENS)
    tokenizer.add_special_tokens({"additional_special_tokens": SPECIAL})
    tokenizer.chat_template = CHAT
    return tokenizer


def card_of(person: SimulatedPerson, parts: Sequence[str], manner: int = 0) -> str:
    """A person's card as the family writes it."""
    report = self_report(person)
    return card({**person.demographics, **report.fields()}, report.words(manner), parts)


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


def gain_at(progress: float) -> float:
    """How much larger differences between people are made, at ``progress`` in [0, 1] of the training: ``GAIN`` up to
    ``FULL``, down to 1 at ``LESS``. As they are they drown in what everybody likes: in 3,000 steps the model hardly
    learnt to look at the card.

    >>> gain_at(0.5), gain_at(0.9)
    (3.0, 1.0)
    """
    return GAIN - (GAIN - 1) * min(1.0, max(0.0, (progress - FULL) / (LESS - FULL)))


def levels_of(likings: np.ndarray) -> torch.Tensor:
    """Soft targets (n, 5): each liking in [0, 1] between the two levels beside it."""
    at = torch.as_tensor(likings, dtype=torch.float32).clamp(0, 1) * (len(LABELS) - 1)
    return (1 - (at[:, None] - torch.arange(len(LABELS))).abs()).clamp(min=0)


@dataclass
class Rated:
    """One card and what its person thinks of K pictures in words: ``likings`` (K,) in [0, 1]."""

    instructions: str
    texts: list[str]
    likings: np.ndarray


@dataclass(frozen=True)
class Usual:
    """What people at large make of a picture that shows these values: ``base``, and what each adds, by itself."""

    base: float
    adds: dict[tuple[str, str], float]

    @classmethod
    def of(cls, scenes: Sequence[Scene], likings: np.ndarray) -> Usual:
        """From likings (n,) of scenes."""
        base, adds = float(np.mean(likings)), {}
        for name, read in one_hot(scenes).items():
            seen = read.sum(0)
            means = (read.T @ likings + base) / (seen + 1)
            adds |= {(name, value): float(m - base) for value, m in zip(ATTRIBUTES[name], means, strict=True)}
        return cls(base, adds)

    def __call__(self, shown: dict[str, str]) -> float:
        return self.base + sum(self.adds[item] for item in shown.items())


class World:
    """Endless ratings: any of ``people`` of any scene, and what they make of a phrase or two ("a picture of: ink
    drawing"): their mean liking over all else that such a picture may show.
    """

    def __init__(self, people: Sequence[SimulatedPerson], rng: random.Random):
        self.people, self.rng, self.numbers = list(people), rng, np.random.default_rng(rng.getrandbits(32))
        self.usual = self._usual()
        self.gain = 1.0

    def _usual(self) -> Usual:
        scenes = [random_scene(self.rng) for _ in range(3000)]
        read = one_hot(scenes)
        return Usual.of(scenes, np.mean([p.satisfaction(read) for p in self.people[:CROWD]], axis=0))

    def apart(self, likings: np.ndarray, shown: Sequence[dict[str, str]]) -> np.ndarray:
        """Likings (n,) whose distance from what is usual for such pictures is ``gain`` times as large; how high a
        person rates all of them stays.
        """
        usual = np.array([self.usual(each) for each in shown])
        differs = likings - usual
        level = differs.mean()
        return np.clip(usual + level + self.gain * (differs - level), 0, 1)

    def one(self, k: int) -> Rated:
        """A person with some of their card, and k pictures in words, most of them hints: their likings are means, so
        they say more about a card than a rating does. Half of the pictures show something that the person speaks of,
        which by chance few would.
        """
        person, told = self.somebody()
        who = [person] if told else self.rng.sample(self.people, min(CROWD, len(self.people)))
        report = self_report(person)
        spoken = [*report.liked, *report.disliked]
        scenes = [random_scene(self.rng, **self._of(spoken)) for _ in range(k // 4)]
        hints = [self._of(spoken) or _hint(self.rng) for _ in range(k - len(scenes))]
        drawn = [random_scene(self.rng, **hint) for hint in hints for _ in range(COMPLETIONS)]
        read, of_hints = one_hot(scenes), one_hot(drawn)
        rated = np.mean([(p.rate(p.satisfaction(read), self.numbers) - 1) / 4 for p in who], axis=0)
        meant = np.mean([p.satisfaction(of_hints) for p in who[:20]], axis=0).reshape(-1, COMPLETIONS).mean(1)
        texts = [caption(s, self.rng, full=True) for s in scenes] + [_said(hint, self.rng) for hint in hints]
        likings = np.concatenate([rated, meant])
        if told:
            likings = self.apart(likings, [*(values_of(s) for s in scenes), *hints])
        return Rated(liking_question(told).instructions, texts, likings)

    def _of(self, spoken: Sequence[tuple[str, str]]) -> dict[str, str]:
        """One of these values half of the time."""
        return dict([self.rng.choice(spoken)]) if self.rng.random() < 0.5 else {}

    def somebody(self) -> tuple[SimulatedPerson, str]:
        """A person, and a card of some of the parts, often of one alone; "" for nobody in particular."""
        person = self.rng.choice(self.people)
        parts = [p for p in PARTS if self.rng.random() < TOLD] if self.rng.random() > NOBODY else []
        if parts and self.rng.random() < ALONE:
            parts = [self.rng.choice(("words", "words", "traits", "traits", "demographics"))]
        return person, card_of(person, parts, self.rng.randrange(6)) if parts else ""


def _hint(rng: random.Random) -> dict[str, str]:
    """One or two attributes of a picture."""
    return {name: rng.choice(ATTRIBUTES[name]) for name in rng.sample(list(ATTRIBUTES), rng.choice((1, 1, 1, 2)))}


def _said(hint: dict[str, str], rng: random.Random) -> str:
    return ", ".join(bare(rng.choice(phrases(a, v)).removesuffix(" of")) for a, v in hint.items())


class Table(World):
    """No rating beyond those of a data set: ``rows`` by person, of scene and liking; for an arm that has few people."""

    def __init__(
        self, people: Sequence[SimulatedPerson], rng: random.Random, rows: dict[str, list[tuple[Scene, float]]]
    ):
        self.rows = rows
        super().__init__(people, rng)
        by_scene: dict[Scene, list[float]] = {}
        for scene, liking in (row for own in rows.values() for row in own):
            by_scene.setdefault(scene, []).append(liking)
        self.means = [(scene, float(np.mean(values))) for scene, values in by_scene.items()]

    def _usual(self) -> Usual:
        rows = [row for own in self.rows.values() for row in own]
        return Usual.of([scene for scene, _ in rows], np.array([liking for _, liking in rows]))

    def one(self, k: int) -> Rated:
        """As :class:`World`. A hint's liking is the mean of the person's ratings of pictures that show it."""
        person, told = self.somebody()
        rows = self.rows[person.id] if told else self.means
        drawn = self.rng.choices(rows, k=k // 4)
        report = self_report(person)
        spoken = [*report.liked, *report.disliked]
        shown, likings = [values_of(scene) for scene, _ in drawn], [liking for _, liking in drawn]
        texts = [caption(scene, self.rng, full=True) for scene, _ in drawn]
        while len(shown) < k:
            hint = self._of(spoken) or _hint(self.rng)
            found = [liking for scene, liking in rows if hint.items() <= values_of(scene).items()]
            if len(found) < FEWEST:
                continue
            shown.append(hint)
            likings.append(float(np.mean(found)))
            texts.append(_said(hint, self.rng))
        targets = self.apart(np.array(likings), shown) if told else np.array(likings)
        return Rated(liking_question(told).instructions, texts, targets)


def values_of(scene: Scene) -> dict[str, str]:
    """The value of each attribute."""
    return {name: values[i] for (name, values), i in zip(ATTRIBUTES.items(), scene.indices(), strict=True)}


def one_hot(scenes: Sequence[Scene]) -> dict[str, np.ndarray]:
    """What a perfect eye reads, (n, classes) by attribute."""
    index = np.array([s.indices() for s in scenes])
    return {name: np.eye(len(values))[index[:, i]] for i, (name, values) in enumerate(ATTRIBUTES.items())}


@dataclass
class Packed:
    """C sequences of equal length T, padded. ``mask`` (C, 1, T, T): who sees whom; ``at``: (rows, positions) of the
    answers; ``target``: the levels (n, 5) or the tokens (n,) that are to follow there.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    at: tuple[torch.Tensor, torch.Tensor]
    target: torch.Tensor


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
        tails = [self._ids([f"<|picture|>{described(t)}<|answer|>" for t in r.texts]) for r in rated]
        rows, columns = [], []
        for row, (head, own) in enumerate(zip(heads, tails, strict=True)):
            ends = len(head) + np.cumsum([len(t) for t in own]) - 1
            rows += [row] * len(own)
            columns += ends.tolist()
        target = levels_of(np.concatenate([r.likings for r in rated]))
        return self._packed(heads, tails, (torch.tensor(rows), torch.tensor(columns)), target)

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
        return Packed(tokens, positions, seen[:, None], at, target)


def answers_at(model: LlamaForCausalLM, packed: Packed) -> torch.Tensor:
    """Logits (n, V) where answers are read."""
    with autocast():
        states = model.model(
            input_ids=packed.tokens,
            attention_mask=torch.zeros(packed.mask.shape).masked_fill(~packed.mask, torch.finfo(torch.float32).min),
            position_ids=packed.positions,
            use_cache=False,
        ).last_hidden_state
        logits: torch.Tensor = model.lm_head(states[packed.at])
    return logits.float()


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
    matrices = {name for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name}
    trainer = Trainer(folder, model, 10**6, LR, ema=0.99, minutes=minutes, muon=matrices.__contains__, muon_class=Muon)
    rng = random.Random(SEED + trainer.step)
    watched = watched[:20]

    def loss(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        if step % 8 == 7:
            packed = packer.described([caption(random_scene(rng), rng, full=True) for _ in range(32)], 16)
            value = F.cross_entropy(answers_at(model, packed), packed.target)
            return value, {"caption": 8 * float(value.detach())}
        world.gain = gain_at(trainer.seconds / (60 * minutes))
        packed = packer.rated([world.one(k) for _ in range(cards)])
        logs = answers_at(model, packed).log_softmax(-1)[:, packer.labels]  # (n, 5)
        value = -(packed.target * logs).sum(1).mean()
        entropy = -(packed.target * packed.target.clamp(min=1e-9).log()).sum(1).mean()
        return value, {"excess": 8 / 7 * float(value.detach() - entropy)}

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


WATCHED: dict[str, tuple[str, ...]] = {"neutral": (), "traits": ("traits",), "words": ("words",), "all": PARTS}


def _copy(model: LlamaForCausalLM, trainer: Trainer) -> LlamaForCausalLM:
    finished = LlamaForCausalLM(model.config)
    finished.load_state_dict(trainer.best_weights())
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
        p = answers_at(model, packed)[:, packer.labels].softmax(-1).numpy()
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
    hints, usual, found = [_said({a: v}, random.Random(1)) for a, v in values], truth.mean(0), []
    for person, own in zip(people, truth, strict=True):
        packed = packer.rated([Rated(liking_question(card_of(person, parts)).instructions, hints, own)])
        p = answers_at(model, packed)[:, packer.labels].softmax(-1).numpy()
        guessed = p @ np.arange(len(LABELS)) / (len(LABELS) - 1)
        found.append(np.corrcoef(guessed - usual, own - usual)[0, 1])
    return float(np.mean(found))


def main(work: Path, minutes: float, width: int = WIDTH, layers: int = LAYERS) -> Path:
    """The arm ``many``: u201 ... u1200, and any scene."""
    everybody = list(simulated_people(1240).values())
    return train(work, minutes, World(everybody[200:1200], random.Random(SEED)), everybody[1200:], width, layers)

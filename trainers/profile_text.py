"""The small Llama of P-MLLM's miniature: it learns from words alone how a card and a picture in words go together.

    card + picture in words -> rating       the typed question, with the rating between two levels as a soft target
    nobody + picture in words -> everybody's mean
    "Describe ..." -> a caption             of no picture: the language of descriptions
    card -> taste                           by heads on the states of the card's last token, dropped at the end

Ratings alone turn the model to the card slowly: a rating is mostly what everybody likes. The heads are told what the
person makes of every value of the world at once, so the card's states come to hold the taste, and a picture need only
look it up there.

Shapes: C cards, K pictures each, D the width, V values.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
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
from trainers.common import Trainer
from trainers.muon import Muon
from trainers.profile_packing import LABELS, Packer, Student, answers_at, unread
from trainers.profile_world import Rated, World, card_of, gain_at, one_hot, said
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


def tokenizer_of(more: Sequence[str] = (), size: int = 1200) -> PreTrainedTokenizerFast:
    """The world's words, cards, the questions and digits, and ``more`` texts; ``size`` tokens at most."""
    people = list(simulated_people(600).values())[200:]
    cards = [liking_question(card_of(p, PARTS, manner)).instructions for p in people for manner in (0, 1)]
    asked = [liking_question().instructions, DESCRIBE, described("a fox"), *LABELS] * 200
    tokenizer = build_tokenizer([*captions(2, 40_000), *cards * 4, *asked, *more], "t5", MOST_TOKENS, size)
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

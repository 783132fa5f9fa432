"""Linear-Hidden against PAMELA: how well new people are known from n ratings, what a picture and a person cost.

    python benchmarks/linear_hidden.py [--config configs/train/linear-hidden.yaml] [--pamela
    steer/miniature/weights/reward]

The miniature's 34 new people (test_unseen), ratings in a drawn order; all counts are judged on the same later ratings.
PAMELA is the shipped reward with its Bayesian fit; the general score of ``residual`` and ``hierarchical`` is a ridge on
everybody's mean. Then three bodies: the trained Qwen3-VL, one of random weights, and a Gemma 3 whose vision part is the
miniature's SigLIP and whose decoder is random. SROCC [95 % bootstrap over people].
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image
from transformers import Gemma3Config, Gemma3ForConditionalGeneration, Gemma3ImageProcessorPil, SiglipVisionModel

from reward_models import RewardModel
from reward_models.encoders.base import Encoder
from reward_models.evaluation.metrics import per_person, summary
from reward_models.linear_hidden.drawn import spearman
from reward_models.linear_hidden.fit import fit_linear_hidden
from reward_models.linear_hidden.known import KnownPeople
from reward_models.linear_hidden.people import Estimator, PersonModel
from reward_models.linear_hidden.reward import LinearHiddenReward
from reward_models.linear_hidden.settings import LinearHiddenSettings, load_settings
from reward_models.linear_hidden.words import AttributeWords
from reward_models.pamela.fit import load_corpus
from reward_models.pamela.newcomers import with_enough
from reward_models.pamela.reward import PamelaReward
from reward_models.pamela.settings import load_training
from reward_models.taste.ridge import Ridge
from steer.resources import miniature_weights
from steer.users.interview import Interview
from steer.users.pictures import shipped_pictures
from steer.users.store import UserStore
from trainers import vlm

WAYS: tuple[Estimator, ...] = ("hierarchical", "residual", "direct")
COUNTS = (2, 5, 10, 15, 25, 40, 60, 100)
GEMMA = ["<bos>", "<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>", "<image_soft_token>"]
TEMPLATE = (
    "<bos>{% for m in messages %}<start_of_turn>{{ m['role'] }}\n{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<start_of_image>{% else %}{{ c['text'] }}{% endif %}{% endfor %}"
    "<end_of_turn>\n{% endfor %}"
)


def main(
    config: Annotated[Path, typer.Option()] = Path("configs/train/linear-hidden.yaml"),
    pamela: Annotated[Path, typer.Option()] = Path("steer/miniature/weights/reward"),
) -> None:
    settings = load_settings(config)
    hidden, ratings = fit_linear_hidden(settings, "cpu")
    corpus, encoder = load_corpus(load_training(Path("configs/train/miniature.yaml")), "cpu", print, lambda *_: None)
    reward = PamelaReward.from_folder(pamela, encoder=encoder)
    corpus = corpus.with_fields(reward.ensemble.config)
    new = with_enough(corpus, reward.ensemble, "test_unseen")
    frame = corpus.frames["test_unseen"]
    rows_of = {p: i for i, p in enumerate(sorted(ratings.table["picture"].unique()))}
    at, liking = [rows_of[p] for p in frame["picture"]], frame["score"].to_numpy(float)
    counts = [n for n in COUNTS if n <= min(map(len, new.rows.values())) - 5]
    most = counts[-1]
    later, _ = new.later(most)
    people, known_people = list(new.rows.values()), hidden.known
    x = known_people.pictures[at]

    def shown(row: dict[str, float]) -> str:
        return f"{row['srocc']:.3f} [{row['srocc_low']:.3f}, {row['srocc_high']:.3f}]"

    def told(predicted: np.ndarray) -> str:
        return shown(summary(per_person(predicted, later.liking, later.person)))

    def models(of: KnownPeople, way: Estimator, n: int) -> list[tuple[PersonModel, np.ndarray]]:
        x = of.pictures[at]
        return [(model_of(of, x[r[:n]], liking[r[:n]], way), x[r[most:]]) for r in people]

    def column(of: KnownPeople, way: Estimator, n: int) -> str:
        return told(np.concatenate([model.raw(x) for model, x in models(of, way, n)]))

    print(f"{len(people)} people, judged on what they rated after the first {most}")
    known = dict(new.curve([0, *counts], ["fitted"])["fitted"])
    print("| ratings | PAMELA | hierarchical | residual | direct |\n|---|---|---|---|---|")
    for n in counts:
        cells = [column(known_people, way, n) for way in WAYS]
        print(f"| {n} | {shown(summary(known[n]))} | {' | '.join(cells)} |", flush=True)
    general = np.concatenate([known_people.general(x[r[most:]]) for r in people])
    print(f"nothing of the person: {told(general)}; PAMELA {shown(summary(known[0]))}")
    for n in (2, 10, 25, 100):
        off = []
        for (model, later_x), r in zip(models(known_people, "hierarchical", n), people, strict=True):
            assert model.ridge
            spread = np.hypot(model.uncertainty(later_x), model.ridge.noise)
            off.append((liking[r[most:]] - model.raw(later_x)) / spread)
        z = np.concatenate(off)
        print(
            f"hierarchical from {n}: spread of (rating - answer) / its standard deviation {z.std():.2f}, "
            f"within two {np.mean(np.abs(z) < 2):.3f}"
        )
    words(hidden, [(x[r], liking[r]) for r in people])
    bodies(settings, column)
    cost(hidden, reward, x, liking)
    answer(hidden, reward)


def model_of(of: KnownPeople, x: np.ndarray, y: np.ndarray, way: Estimator) -> PersonModel:
    return PersonModel(x, y, of.general, way, "wide", None, of.scaler, of.population, of.even)


def words(hidden: LinearHiddenReward, people: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """Do the attributes' weights from n ratings agree with those that a ridge on attributes finds in all the ratings of
    the person?"""
    said = hidden.words
    if not isinstance(said, AttributeWords):
        return
    attributes = said.attributes
    print("| ratings | the score in words | a ridge on attributes |\n|---|---|---|")
    for n in (5, 10, 25, 100):
        agreed = []
        for x, y in people:
            reference = Ridge(attributes(x), y).coefficients
            hidden.known.add("new", hidden.known.fit(x[:n], y[:n]))
            told = np.array([c for c, _ in said.tastes("new").values()])
            alone = Ridge(attributes(x[:n]), y[:n]).coefficients
            agreed.append([spearman(told, reference), spearman(alone, reference)])
        print("| {} | {:.3f} | {:.3f} |".format(n, *np.mean(agreed, axis=0)), flush=True)


def bodies(settings: LinearHiddenSettings, column: Callable[[KnownPeople, Estimator, int], str]) -> None:
    """The same people through other bodies, each at the layer that inner cross-validation finds."""
    print("| body | layer | hierarchical, 10 | hierarchical, 100 | direct, 100 |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as work:
        made = {
            "Qwen3-VL, trained": settings.vlm,
            "Qwen3-VL, random": _random_qwen(Path(work)),
            "Gemma 3, SigLIP eye": _gemma(Path(work)),
        }
        for name, folder in made.items():
            change = {"vlm": str(folder), "pools": ["LT_auto"], "attributes": None, "fidelity": None}
            hidden, _ = fit_linear_hidden(settings.model_copy(update=change), "cpu")
            cells = (
                column(hidden.known, "hierarchical", 10),
                column(hidden.known, "hierarchical", 100),
                column(hidden.known, "direct", 100),
            )
            print(f"| {name} | {hidden.encoder.pools[0]} | {' | '.join(cells)} |", flush=True)


def _random_qwen(work: Path) -> Path:
    torch.manual_seed(0)
    tokenizer = vlm.tokenizer_of()
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in vlm.SPECIAL}
    vlm.save(vlm.build(len(tokenizer), ids), tokenizer, work / "qwen")
    return work / "qwen"


def _gemma(work: Path) -> Path:
    torch.manual_seed(0)
    tokenizer = vlm.tokenizer_of()
    tokenizer.add_special_tokens({"additional_special_tokens": GEMMA})
    tokenizer.chat_template = TEMPLATE
    ids = tokenizer.convert_tokens_to_ids
    siglip = SiglipVisionModel.from_pretrained(miniature_weights("siglip"), dtype=torch.float32)
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": vlm.WIDTH,
        "intermediate_size": 3 * vlm.WIDTH,
        "num_hidden_layers": vlm.LAYERS,
        "head_dim": 32,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "max_position_embeddings": 512,
        "sliding_window": 128,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = Gemma3Config(
        text_config=text,
        vision_config=siglip.config.to_dict(),
        mm_tokens_per_image=16,
        image_token_index=ids("<image_soft_token>"),
        boi_token_index=ids("<start_of_image>"),
        eoi_token_index=ids("<end_of_image>"),
    )
    model = Gemma3ForConditionalGeneration(config)
    model.model.vision_tower.load_state_dict(siglip.state_dict())
    model.model.multi_modal_projector.mm_input_projection_weight.data.normal_(0, 0.1)  # begins as zeros
    model.save_pretrained(work / "gemma")
    Gemma3ImageProcessorPil(
        size={"height": 128, "width": 128}, image_mean=[0.5] * 3, image_std=[0.5] * 3
    ).save_pretrained(work / "gemma")
    tokenizer.save_pretrained(work / "gemma")
    return work / "gemma"


def cost(hidden: LinearHiddenReward, reward: PamelaReward, x: np.ndarray, liking: np.ndarray) -> None:
    """What a picture and a person take; threads as OMP_NUM_THREADS says."""
    images = [
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (128, 128, 3), dtype=np.uint8)) for i in range(64)
    ]
    encoders: dict[str, Encoder] = {"VLM": hidden.encoder, "SigLIP": reward.encoder}
    for name, encoder in encoders.items():
        encoder.images(images[:16])
        begun = time.perf_counter()
        encoder.images(images)
        print(f"{name}: {1000 * (time.perf_counter() - begun) / 64:.1f} ms a picture")
    for n in (10, 100):
        begun = time.perf_counter()
        for k in range(20):
            model_of(hidden.known, x[k : k + n], liking[k : k + n], "auto")
        print(f"a person from {n} ratings: {1000 * (time.perf_counter() - begun) / 20:.2f} ms, {x.shape[1]} features")
    model = model_of(hidden.known, x[:100], liking[:100], "direct")
    begun = time.perf_counter()
    for k in range(20):
        model.add(x[100 + k], float(liking[100 + k]))
    print(f"one rating more, after 100: {1000 * (time.perf_counter() - begun) / 20:.2f} ms")


def answer(*rewards: RewardModel) -> None:
    """What one answer in an interview with the shipped pictures takes, all told: kept, learnt from, the next question
    found."""
    with tempfile.TemporaryDirectory() as work:
        for reward in rewards:
            store = UserStore(Path(work) / f"{reward.name}.db")
            store.add("new")
            interview, taken = Interview(store, reward, "new", shipped_pictures()), []
            for i in range(20):
                begun = time.perf_counter()
                question = interview.next()
                assert question
                interview.rate(question, 1 + i % 5)
                taken.append(time.perf_counter() - begun)
            print(f"an answer to {reward.name}: {1000 * np.median(taken):.0f} ms, median of 20")


if __name__ == "__main__":
    typer.run(main)

"""Does the reward run at full size? A random SigLIP 2 so400m, the predictor of configs/train/pamela.yaml, and how fast.

    python benchmarks/full_size.py            # few pictures on a CPU; more on a CUDA card

Builds the encoder from its published shape with random weights (nothing is downloaded), so the scores mean nothing:
what is shown is that features, training, enrolment and scoring run unchanged, and at what rate.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, SiglipConfig, SiglipImageProcessorPil, SiglipModel, SiglipProcessor

from reward_models import Person
from reward_models.encoders.siglip import SiglipEncoder
from reward_models.pamela.fit import fit_reward, load_corpus
from reward_models.pamela.reward import PamelaReward
from reward_models.pamela.settings import load_training
from steer.resources import data_folder

SHAPE = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16}
VOCABULARY = 256_000  # of Gemma's tokenizer, which SigLIP 2 reads with


def build_so400m(folder: Path) -> None:
    """google/siglip2-so400m-patch16-384 in shape, with random weights (bf16) and a tokenizer of words."""
    config = SiglipConfig(
        text_config={**SHAPE, "vocab_size": VOCABULARY, "max_position_embeddings": 64, "projection_size": 1152},
        vision_config={**SHAPE, "image_size": 384, "patch_size": 16},
    )
    torch.manual_seed(0)
    SiglipModel(config).to(torch.bfloat16).save_pretrained(folder)
    words = {w: i for i, w in enumerate(["<pad>", "<eos>", "<unk>", "a", "fox", "castle", "in", "snow", "at", "night"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>", model_max_length=64
    )
    images = SiglipImageProcessorPil(size={"height": 384, "width": 384})
    SiglipProcessor(image_processor=images, tokenizer=fast).save_pretrained(folder)


def write_ratings(folder: Path, n: int, people: int = 24) -> None:
    """n noise pictures of 512 px and random ratings of them, in the PAMELA schema."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    (folder / "annotations").mkdir()
    for i in range(n):
        Image.fromarray(rng.integers(0, 256, (512, 512, 3), dtype=np.uint8)).save(folder / "images" / f"{i}.png")
    for split, chosen in {"train": range(people * 3 // 4), "test_unseen": range(people * 3 // 4, people)}.items():
        rows = [
            {
                "participant_id": f"u{k}",
                "image_id": i,
                "image_path": f"images/{i}.png",
                "original_score": float(rng.uniform(1, 5)),
                "image_metadata": {"prompt": "a fox in snow", "group": "animal"},
                "user_demographics": {"gender": "female"},
            }
            for k in chosen
            for i in range(n)
        ]
        (folder / "annotations" / f"pamela_{split}.json").write_text(json.dumps(rows), encoding="utf-8")


def median_s(work: Callable[[], object], runs: int, device: str) -> float:
    """Median seconds of ``runs`` calls after one to warm up."""
    times = []
    for _ in range(runs + 1):
        begun = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begun)
    return statistics.median(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int)
    parser.add_argument("--users", type=int, default=1000)
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    n = options.pictures or (512 if device == "cuda" else 8)
    work = Path(tempfile.mkdtemp())
    try:
        measure(work, device, n, options.users)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def measure(work: Path, device: str, n: int, users: int) -> None:
    """Print a line a stage."""
    build_so400m(work / "so400m")
    write_ratings(work / "data", n)
    settings = load_training(data_folder("configs") / "train" / "pamela.yaml")
    settings = settings.model_copy(
        update={
            "data": [settings.data[0].model_copy(update={"source": str(work / "data")})],
            "encoder": settings.encoder.model_copy(
                update={"name": str(work / "so400m"), "batch_size": 64 if device == "cuda" else 2}
            ),
            "training": settings.training.model_copy(update={"epochs": 1}),
            "seeds": [0],
            "precision": "bf16" if device == "cuda" else "fp32",
            "cache": str(work / "cache"),
            "out": str(work / "reward"),
        }
    )
    begun = time.perf_counter()
    corpus, encoder = load_corpus(settings, device)
    assert isinstance(encoder, SiglipEncoder)
    size = sum(p.numel() for p in encoder.model.parameters()) / 1e9
    print(
        f"device {device}; encoder {size:.2f} B parameters, {encoder.width} features; "
        f"load and {n} pictures: {time.perf_counter() - begun:.1f} s"
    )
    pictures = [Image.open(work / "data" / "images" / f"{i}.png") for i in range(n)]
    ready = [encoder.prepare(p) for p in pictures]
    seconds = median_s(lambda: encoder.prepared(ready), 3, device)
    resizing = median_s(lambda: encoder.prepare(pictures[0]), 5, "cpu")
    print(f"features: {n / seconds:.2f} pictures/s ({resizing * 1e3:.0f} ms each to resize)")
    reward = fit_reward(corpus, encoder, settings, device)
    reward.save(work / "reward", {})
    reward = PamelaReward.from_folder(work / "reward", encoder=encoder)
    ensemble = reward.ensemble
    size = sum(p.numel() for p in ensemble.members[0].parameters()) / 1e6
    print(f"predictor: {ensemble.config.width} wide, {ensemble.config.layers} layers, {size:.1f} M parameters")
    context = min(15, n)
    x, q = corpus.pictures[:context], corpus.prompts[torch.ones(context, dtype=torch.long)]
    alone: np.ndarray = np.zeros(context, dtype=int)
    seconds = median_s(lambda: ensemble.fit_people(x, q, np.linspace(0, 1, context), alone, [{}]), 5, device)
    print(f"enrolling a person from {context} ratings with features: {seconds * 1e3:.0f} ms a member")
    everybody = [Person(f"u{k % 18}") for k in range(users)]
    texts = corpus.prompts[torch.ones(n, dtype=torch.long)]
    seconds = median_s(lambda: ensemble.predict(corpus.pictures, texts, everybody), 3, device)
    print(f"head, with each person's posterior: {users * n / seconds:,.0f} users x pictures/s a member")
    scores = reward.score(pictures[:2], ["a fox in snow"] * 2, Person("u1"))
    by_itself = reward.score(pictures[1:2], ["a fox in snow"], Person("u1"))
    print(
        f"personal {scores.personal.round(4)}, uncertainty {scores.uncertainty.round(4)}; "
        f"the second one alone differs by {abs(scores.personal[1] - by_itself.personal[0]):.1e}"
    )


if __name__ == "__main__":
    main()

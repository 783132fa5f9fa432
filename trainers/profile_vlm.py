"""The control of P-MLLM: the tiny Qwen3-VL is taught the same questions, with the picture's tokens in the prompt and
the card as ordinary text.

It is also what the reward ``prompted`` can ask in the miniature. The vision tower stays as it is. Shapes: B examples, T
tokens, L levels.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from reward_models.encoders.precision import mixed
from reward_models.encoders.vlm import load_vlm
from reward_models.profile_mllm.examples import Example, Examples
from reward_models.profile_mllm.settings import StageSetting
from reward_models.profile_mllm.training import soft_levels
from reward_models.prompted.local import LocalDecider
from reward_models.ratings.sets import load_ratings
from steer.resources import MINIATURE_WEIGHTS
from trainers.common import Trainer

SHIPPED = MINIATURE_WEIGHTS / "linear-hidden" / "vlm"
SIDE, SEED = 128, 61


def train(
    source: Path,
    folder: Path,
    minutes: float,
    batch: int = 16,
    lr: float = 1e-3,
    start: Path = SHIPPED,
    most: int = 10**6,
) -> Path:
    """Write the model to ``folder``/model: it answers the typed question about people of the data set ``source``."""
    torch.manual_seed(SEED)
    vlm = load_vlm(start)
    decider = LocalDecider(vlm, SIDE)
    ratings = load_ratings(source)
    examples = Examples([(ratings, 1.0)], [{}], told=0.7, seed=SEED)
    stage = StageSetting(steps=10**6, lr=lr, batch=batch, person=0.85, everybody=0.15)
    vlm.model.requires_grad_(True)
    vlm.model.model.visual.requires_grad_(False)
    trainer = Trainer(folder, vlm.model, most, lr, minutes=minutes)

    def loss(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        drawn = examples.batch(stage, 0, step)
        with mixed():
            logits, labels = asked(vlm.model, decider, drawn)
        target = soft_levels([e.liking for e in drawn], len(labels))
        value = -(target * logits.log_softmax(-1)[:, labels]).sum(1).mean()
        entropy = -(target * target.clamp(min=1e-9).log()).sum(1).mean()
        return value, {"excess": float(value.detach() - entropy)}

    trainer.run(loss, log_every=20)
    vlm.model.eval()
    half = {name: value.half() for name, value in vlm.model.state_dict().items()}
    vlm.model.save_pretrained(folder / "model", state_dict=half)
    vlm.tokenizer.save_pretrained(folder / "model")
    vlm.processor.image_processor.save_pretrained(folder / "model")
    return folder / "model"


def asked(model: nn.Module, decider: LocalDecider, drawn: list[Example]) -> tuple[torch.Tensor, list[int]]:
    """Logits (B, V) of the token after each prompt, and the tokens of the levels (L)."""
    prompts = [decider.prompt(e.image(), e.question) for e in drawn if e.question is not None]
    given = {}
    for name, value in prompts[0].inputs.items():
        values = [p.inputs[name] for p in prompts]
        if name == "marks":
            continue
        along_text = value.shape == prompts[0].inputs["input_ids"].shape
        given[name] = pad_sequence([v[0] for v in values], batch_first=True) if along_text else torch.cat(values)
    lengths = torch.tensor([p.inputs["input_ids"].shape[1] for p in prompts])
    mask = (torch.arange(given["input_ids"].shape[1]) < lengths[:, None]).long()
    logits = model(**given, attention_mask=mask, use_cache=False).logits  # (B, T, V)
    return logits[torch.arange(len(prompts)), lengths - 1].float(), decider.labels(prompts[0].questions)

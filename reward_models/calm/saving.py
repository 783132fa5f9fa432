"""A CALM model in a folder: what was learned, with tower and language model by name and fingerprint.

Weights are kept in half precision: the alignment always, the language model's adapters where it has some, all of its
weights where these were trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from reward_models.calm.alignment import Alignment, AlignmentConfig
from reward_models.calm.model import CalmModel
from reward_models.calm.numbers import NumberScale
from reward_models.calm.settings import LoraSetting
from reward_models.calm.tower import TappedTower
from reward_models.encoders.identity import digest_of, weights_hash
from reward_models.encoders.vlm import load_apart
from reward_models.folder import check_encoder, check_shape, check_text, number, relative_name, resolved_name

Trained = Literal["none", "adapters", "all"]
ALIGNMENT, LLM = "alignment.", "llm."


def trained(model: CalmModel) -> Trained:
    """Which weights of the language model differ from those of its name."""
    if model.lora:
        return "adapters"
    return "none" if digest_of(weights_hash(model.llm, dtype=torch.bfloat16)) == model.base else "all"


def weights_of(model: CalmModel) -> dict[str, Tensor]:
    """What was learned, by name."""
    kept, kind = dict(_named(ALIGNMENT, model.alignment)), trained(model)
    if kind != "none":
        kept |= {k: v for k, v in _named(LLM, model.llm) if kind == "all" or "lora_" in k}
    return {name: value.detach().half() for name, value in kept.items()}


def described(model: CalmModel, folder: Path) -> dict[str, Any]:
    """What :func:`opened` needs beside the weights, JSON-ready."""
    tower, llm = model.tower, model.holder
    return {
        "tower": {
            "name": relative_name(tower.name, folder),
            "revision": tower.revision,
            "taps": list(tower.taps),
            "fingerprint": tower.fingerprint(),
        },
        "alignment": asdict(model.alignment.config),
        "llm": {
            "name": relative_name(llm.name, folder),
            "revision": llm.revision or llm.asked_revision,
            "fingerprint": model.base,
            "trained": trained(model),
            "lora": model.lora.model_dump() if model.lora else None,
            "positions": model.positions,
        },
        "score": asdict(model.scale),
    }


def opened(folder: Path, config: Mapping[str, Any], weights: Mapping[str, Tensor], device: str) -> CalmModel:
    """The model of a folder. Raises RewardError for a part that does not load or is another one, ValueError,
    LookupError or TypeError for a config or weights that make no sense.
    """
    told, talks = config["tower"], config["llm"]
    tower_name, llm_name = (resolved_name(check_text(each, "name"), folder) for each in (told, talks))
    tower = TappedTower(tower_name, told["taps"], device, told["revision"])
    check_encoder(folder, check_text(told, "fingerprint"), tower_name, tower.fingerprint())
    llm = load_apart(llm_name, talks["revision"], device)
    check_encoder(folder, check_text(talks, "fingerprint"), llm_name, llm.fingerprint())
    shape = {**config["alignment"], "levels": tuple(config["alignment"]["levels"])}
    alignment = Alignment(AlignmentConfig(**shape), tower.width, llm.model.config.get_text_config().hidden_size)
    lora = LoraSetting.model_validate(talks["lora"]) if talks["lora"] else None
    positions = int(number(talks, "positions"))
    model = CalmModel(tower, alignment, llm, NumberScale(**config["score"]), lora, positions)
    _restore(ALIGNMENT, alignment, weights)
    if talks["trained"] != "none":
        _restore(LLM, model.llm, weights, "" if talks["trained"] == "all" else "lora_")
    return model


def fingerprint(model: CalmModel) -> str:
    """Of everything that changes what the model says."""
    learned = weights_hash(model.alignment, dtype=torch.bfloat16)
    talks = model.base if trained(model) == "none" else weights_hash(model.llm, dtype=torch.bfloat16)
    return digest_of(learned, talks, model.tower.fingerprint(), model.alignment.config, model.scale)


def _named(prefix: str, module: nn.Module) -> list[tuple[str, Tensor]]:
    return [(prefix + name, value) for name, value in module.named_parameters()]


def _restore(prefix: str, module: nn.Module, weights: Mapping[str, Tensor], part: str = "") -> None:
    """Raises KeyError for a weight that is missing, ValueError for one of another shape."""
    with torch.no_grad():
        for name, value in _named(prefix, module):
            if part in name:
                value.copy_(check_shape(name, weights[name], *value.shape))

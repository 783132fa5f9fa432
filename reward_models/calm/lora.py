"""Adapters inside a language model, whose class stays what it is; with the package peft."""

from __future__ import annotations

from typing import Any

from reward_models.base import RewardError
from reward_models.calm.settings import LoraSetting


def add_lora(llm: Any, setting: LoraSetting) -> None:
    """Put adapters that add nothing yet into ``llm``. Raises RewardError without peft, or for maps that are not
    there.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise RewardError("adapters need the package peft: pip install peft") from error
    modules = setting.modules if isinstance(setting.modules, str) else list(setting.modules)
    config = LoraConfig(
        r=setting.rank, lora_alpha=setting.alpha, lora_dropout=setting.dropout, target_modules=modules, bias="none"
    )
    try:
        inject_adapter_in_model(config, llm)
    except ValueError as error:
        raise RewardError(f"the adapters do not fit: {str(error).splitlines()[0]}") from error

"""The one way by which models of transformers are loaded: a folder's weights and settings, never its code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import dynamic_module_utils

# seconds that transformers waits for a "y" on standard input, to run code that came with weights; never, where a
# library in between does not pass on that it must not
dynamic_module_utils.TIME_OUT_REMOTE_CODE = 0


def load(kind: Any, name: str | Path, **told: Any) -> Any:
    """``kind.from_pretrained(name, ...)``; code that comes with the weights is refused with a ValueError."""
    return kind.from_pretrained(name, **{**told, "trust_remote_code": False})

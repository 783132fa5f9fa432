"""Features as bytes, as a store keeps them: half precision, one vector per picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from reward_models.base import RewardError
from reward_models.encoders.base import Encoder, encode_readable
from reward_models.protocols import Seen


def keep_features(encoder: Encoder, images: Sequence[Image.Image]) -> list[bytes]:
    """Features of each picture in half precision. Raises RewardError for a picture that does not open."""
    vectors, readable = encode_readable(encoder, images)
    if not readable.all():
        raise RewardError(f"picture {int(np.flatnonzero(~readable)[0])} does not open")
    return [row.tobytes() for row in vectors.float().cpu().numpy().astype(np.float16)]


def kept_features(seen: Sequence[Seen], width: int) -> Tensor:
    """The reverse: features (n, ``width``). Raises RewardError for bytes of another width."""
    if wrong := [s for s in seen if len(s.kept) != 2 * width]:
        found = len(wrong[0].kept) // 2
        raise RewardError(f"a kept picture has {found} features, not {width}; it belongs to another encoder")
    rows = [np.frombuffer(s.kept, dtype=np.float16).astype(np.float32) for s in seen]
    return torch.from_numpy(np.stack(rows)) if rows else torch.zeros(0, width)


def prompt_features(encoder: Encoder, seen: Sequence[Seen]) -> Tensor:
    """Features (n, D) of the prompts; zeros where there is none or the encoder reads no texts."""
    found = torch.zeros(len(seen), encoder.width)
    said = [i for i, s in enumerate(seen) if s.prompt]
    if said and encoder.has_text:
        found[said] = encoder.texts([seen[i].prompt for i in said]).float().cpu()
    return found

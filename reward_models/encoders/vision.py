"""Pictures alone, through any vision model of transformers."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from torch import Tensor
from transformers import AutoModel

from reward_models.base import RewardError
from reward_models.encoders.base import FrozenEncoder, Prepared, first_line, precision_for
from reward_models.encoders.identity import checkpoint_files
from reward_models.encoders.pixels import load_image_processor, pixel_facts
from reward_models.trusted import load


class VisionEncoder(FrozenEncoder):
    """Pictures alone, through any vision model of transformers (DINOv2, ViT ...) by folder or hub name."""

    kind = "vision"

    def __init__(self, name: str | Path, device: str = "cpu", batch_size: int = 1, revision: str | None = None):
        try:
            model = load(AutoModel, name, revision=revision, use_safetensors=True, dtype=precision_for(device))
            self.processor = load_image_processor(name, revision)
        except (OSError, ValueError) as error:
            raise RewardError(f"cannot load the vision model '{name}': {first_line(error)}") from error
        width = getattr(model.config, "hidden_size", None) or model.config.hidden_sizes[-1]  # of ConvNets by stage
        self.revision = getattr(model.config, "_commit_hash", None)
        files = checkpoint_files(name, self.revision or revision)
        super().__init__(str(name), model, width, device, batch_size, files)

    def told(self) -> list[str]:
        """How pixels are made."""
        return [pixel_facts(self.processor)]

    def prepare(self, image: Image.Image) -> Prepared:
        """``pixel_values`` (3, H, W)."""
        return {"pixel_values": self.processor(images=[image.convert("RGB")], return_tensors="pt")["pixel_values"][0]}

    def encode(self, batch: Prepared) -> Tensor:
        """The pooled output (B, D), or the mean over tokens where there is none."""
        output = self.model(pixel_values=batch["pixel_values"].to(self.model.dtype))
        pooled = getattr(output, "pooler_output", None)
        return output.last_hidden_state.mean(1) if pooled is None else pooled.flatten(1)

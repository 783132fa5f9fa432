"""CLIP as a scorer: how picture and prompt agree (PickScore and its like), and a head on the picture alone (LAION)."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize
from transformers import AutoConfig, AutoTokenizer, CLIPModel, CLIPVisionModelWithProjection

from reward_models.base import RewardError
from reward_models.encoders.base import first_line, precision_for
from reward_models.encoders.identity import checkpoint_files, digest_of, remembered_hash, weights_hash
from reward_models.encoders.pixels import load_image_processor, pixel_facts
from reward_models.residency import settled
from reward_models.scorers.batched import BatchedScorer
from reward_models.scorers.weights import linear_stack, pickle_hint, read_weights
from reward_models.trusted import load

# of christophschuhmann/improved-aesthetic-predictor (sac+logos+ava1-l14-linearMSE): dropouts in between, no activations
LAYERS = ("0", "2", "4", "6", "7")


class ClipScorer(BatchedScorer):
    """exp(logit_scale) * cos(picture, prompt) of a CLIP: Radford et al. 2021; as PickScore, Kirstain et al. 2023
    (arXiv 2305.01569), scores.

    ``model``: folder or hub name. ``processor``: where its tokenizer and image processor are, if elsewhere. A prompt is
    read to its first 77 tokens.
    """

    def __init__(
        self,
        model: str,
        processor: str | None = None,
        revision: str | None = None,
        device: str = "cpu",
        batch_size: int = 1,
    ):
        self.model: Any = _loaded(CLIPModel, model, revision, device)
        parts, at = processor or model, None if processor else revision
        try:
            self.pictures_in, self.tokenizer = load_image_processor(parts, at), load(AutoTokenizer, parts, revision=at)
        except (OSError, ValueError, ImportError) as error:
            raise RewardError(f"cannot load the processor of the CLIP '{parts}': {first_line(error)}") from error
        self._files = checkpoint_files(model, getattr(self.model.config, "_commit_hash", None) or revision)
        super().__init__(f"the scorer '{model}'", [self.model], device, batch_size)

    def values(self, images: list[Image.Image], prompts: list[str]) -> Tensor:
        """(B,)."""
        tokens = self.tokenizer(
            prompts,
            padding="max_length",
            truncation=True,
            max_length=self.model.config.text_config.max_position_embeddings,
            return_tensors="pt",
        ).to(self.device)
        read, mask = tokens["input_ids"], tokens["attention_mask"]
        text = self.model.get_text_features(input_ids=read, attention_mask=mask).pooler_output  # (B, D)
        picture = self.model.get_image_features(pixel_values=_pixels(self, images)).pooler_output  # (B, D)
        cosine = (normalize(picture.float(), dim=-1) * normalize(text.float(), dim=-1)).sum(-1)
        return self.model.logit_scale.float().exp() * cosine

    def fingerprint(self) -> str:
        """Of the weights, and of how pixels are made."""
        return self._hash

    @cached_property
    def _hash(self) -> str:
        return digest_of(remembered_hash(self.model, self._files), pixel_facts(self.pictures_in))


class ClipMlpScorer(BatchedScorer):
    """LAION's aesthetic predictor: five linear layers on the unit vector of a picture by CLIP; about 1 to 10.

    ``model``: the CLIP, a folder or hub name; the published head reads openai/clip-vit-large-patch14. ``head``:
    safetensors with the published names ``layers.0.weight`` ... ``layers.7.bias``; None: ``head.safetensors`` in the
    folder ``model``.
    """

    def __init__(
        self,
        model: str,
        head: str | None = None,
        revision: str | None = None,
        device: str = "cpu",
        batch_size: int = 1,
    ):
        path = Path(head) if head else Path(model) / "head.safetensors"
        layers = linear_stack(read_weights(path, "layers."), LAYERS)
        self.model: Any = _loaded(CLIPVisionModelWithProjection, model, revision, device)
        self.head: Any = settled(layers, device)
        width = self.model.config.projection_dim
        if (read := layers[0].in_features) != width:
            raise RewardError(f"the head '{path}' reads {read} numbers, and '{model}' gives {width}")
        try:
            self.pictures_in = load_image_processor(model, revision)
        except (OSError, ValueError, ImportError) as error:
            raise RewardError(f"cannot load the processor of the CLIP '{model}': {first_line(error)}") from error
        self._files = checkpoint_files(model, getattr(self.model.config, "_commit_hash", None) or revision)
        super().__init__(f"the scorer '{model}'", [self.model, self.head], device, batch_size)

    def values(self, images: list[Image.Image], prompts: list[str]) -> Tensor:  # noqa: ARG002
        """(B,)."""
        vectors = self.model(pixel_values=_pixels(self, images)).image_embeds  # (B, D)
        return self.head(normalize(vectors.float(), dim=-1))[:, 0]

    def fingerprint(self) -> str:
        """Of both weights, and of how pixels are made."""
        return self._hash

    @cached_property
    def _hash(self) -> str:
        eye = remembered_hash(self.model, [f for f in self._files if f.name != "head.safetensors"])
        return digest_of(eye, weights_hash(self.head), pixel_facts(self.pictures_in))


def _loaded(kind: Any, model: str, revision: str | None, device: str) -> Any:
    """Frozen, in bf16 but on the CPU. Raises RewardError for what is no CLIP."""
    try:
        found = load(AutoConfig, model, revision=revision).model_type
        if found != "clip":
            raise RewardError(f"'{model}' is a {found}, not a CLIP")
        dtype = precision_for(device)
        return settled(load(kind, model, revision=revision, use_safetensors=True, dtype=dtype), device)
    except (OSError, ValueError, ImportError) as error:
        raise RewardError(f"cannot load the CLIP '{model}': {first_line(error)}{pickle_hint(model)}") from error


def _pixels(scorer: ClipScorer | ClipMlpScorer, images: list[Image.Image]) -> Tensor:
    """(B, 3, H, W)."""
    pixels: Tensor = scorer.pictures_in(images=images, return_tensors="pt")["pixel_values"]
    return pixels.to(scorer.device, scorer.model.dtype)

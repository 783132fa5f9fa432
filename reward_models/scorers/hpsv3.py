"""HPSv3: a Qwen2-VL is told the prompt, and a head reads the state of one special token behind it.

Ma et al. 2025 (arXiv 2508.03789), by the published code (MizzenAI/HPSv3): the head is ``rm_head`` of 3 linear layers,
whose first output is the mean of the score and whose second is its spread; text positions count on through the picture.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor
from transformers import AddedToken, AutoConfig, Qwen2VLForConditionalGeneration

from reward_models.base import RewardError
from reward_models.doors import read_text
from reward_models.encoders.base import first_line, precision_for
from reward_models.encoders.identity import checkpoint_files, digest_of, remembered_hash, weights_hash
from reward_models.encoders.pixels import pixel_facts
from reward_models.encoders.vlm import load_processor
from reward_models.residency import settled
from reward_models.scorers.batched import BatchedScorer
from reward_models.scorers.weights import linear_stack, read_weights, weights_in
from reward_models.trusted import load

TOKEN, PROMPT, INSTRUCTION = "<|Reward|>", "{text_prompt}", "instruction.txt"
LAYERS, RELU_AFTER = ("0", "3", "5"), ("0", "3")  # of rm_head
PIXELS = 256 * 28 * 28  # every picture is brought to about so many


class Hpsv3Scorer(BatchedScorer):
    """``model``: a folder with the weights as safetensors (``rm_head.*`` beside those of a Qwen2-VL), the config,
    tokenizer and image processor of the Qwen2-VL, and ``instruction.txt``: what the model was trained to be told, with
    ``{text_prompt}`` and ``<|Reward|>`` in it once each.

    ``pixels``: about so many a picture has when it is read.
    """

    def __init__(self, model: str, pixels: int = PIXELS, device: str = "cpu", batch_size: int = 1):
        files = weights_in(model)
        self.instruction = _instruction(Path(model))
        head = {name: value for file in files for name, value in read_weights(file, "rm_head.").items()}
        layers = linear_stack(head, LAYERS, RELU_AFTER)
        told: dict[str, Any] = {"revision": None, "trust_remote_code": False}
        try:
            config = load(AutoConfig, model)
            if config.model_type != "qwen2_vl":
                raise RewardError(f"'{model}' is a {config.model_type}, not a Qwen2-VL")
            config.get_text_config().vocab_size = _words(files)
            dtype = precision_for(device)
            whole = load(Qwen2VLForConditionalGeneration, model, config=config, use_safetensors=True, dtype=dtype)
            self.processor = load_processor(model, config, told)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise RewardError(f"cannot load the Qwen2-VL '{model}': {first_line(error)}") from error
        self.model: Any = settled(whole.model, device)
        self.head: Any = settled(layers, device)
        self.processor.image_processor.size = {"shortest_edge": pixels, "longest_edge": pixels}
        self.tokenizer = self.processor.tokenizer
        self.tokenizer.padding_side = "right"
        self.tokenizer.add_tokens([AddedToken(TOKEN, special=True, normalized=False)], special_tokens=True)
        self.token = self.tokenizer.convert_tokens_to_ids(TOKEN)
        if self.token >= config.get_text_config().vocab_size:
            raise RewardError(f"the weights in '{model}' know no token {TOKEN}: this is no HPSv3")
        self._control = sorted(self.tokenizer.get_added_vocab(), key=len, reverse=True)
        self._files = checkpoint_files(model)
        super().__init__(f"the scorer '{model}'", [self.model, self.head], device, batch_size)

    def told(self, prompt: str) -> str:
        """The instruction for a prompt, whose control tokens are taken out."""
        while found := [token for token in self._control if token in prompt]:
            for token in found:
                prompt = prompt.replace(token, " ")
        return self.instruction.replace(PROMPT, prompt)

    def values(self, images: list[Image.Image], prompts: list[str]) -> Tensor:
        """(B,)."""
        content = [[{"type": "image"}, {"type": "text", "text": self.told(prompt)}] for prompt in prompts]
        messages = [[{"role": "user", "content": each}] for each in content]
        texts = [self.processor.apply_chat_template(m, tokenize=False, add_generation_prompt=True) for m in messages]
        batch = self.processor(text=texts, images=images, padding=True, return_tensors="pt").to(self.device)
        words = batch["input_ids"]  # (B, T)
        states = self.model.get_input_embeddings()(words)  # (B, T, D)
        seen = self.model.get_image_features(batch["pixel_values"], batch["image_grid_thw"]).pooler_output
        places = (words == self.model.config.image_token_id).unsqueeze(-1).expand_as(states)
        states = states.masked_scatter(places, torch.cat(list(seen)).to(states))
        out = self.model.language_model(
            inputs_embeds=states, attention_mask=batch["attention_mask"], use_cache=False
        ).last_hidden_state
        marked = words == self.token
        if not bool((marked.sum(1) == 1).all()):
            raise RewardError(f"the chat template repeats or drops {TOKEN}")
        return self.head(out[marked].float())[:, 0]

    def fingerprint(self) -> str:
        """Of the weights, of how pixels are made, and of the instruction."""
        return self._hash

    @cached_property
    def _hash(self) -> str:
        body = remembered_hash(self.model, self._files)
        pixels = f"{pixel_facts(self.processor.image_processor)} {self.processor.image_processor.size}"
        return digest_of(body, weights_hash(self.head), pixels, self.instruction)


def _instruction(folder: Path) -> str:
    try:
        text = read_text(folder / INSTRUCTION)
    except (OSError, ValueError) as error:
        raise RewardError(
            f"'{folder / INSTRUCTION}' is needed, what HPSv3 was trained to be told: {first_line(error)}; "
            "docs/scorers.md has the line that makes it"
        ) from error
    if text.count(PROMPT) != 1 or text.count(TOKEN) != 1:
        raise RewardError(f"'{folder / INSTRUCTION}' must have {PROMPT} once and {TOKEN} once")
    return text


def _words(files: list[Path]) -> int:
    """How many tokens the weights know: HPSv3 has one more than its tokenizer, where Qwen2-VL has some to spare."""
    for file in files:
        with safe_open(file, framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118
                if name.endswith("embed_tokens.weight"):
                    return int(opened.get_slice(name).get_shape()[0])
    raise RewardError("the weights have no embed_tokens.weight")

"""Selective fusion: modules beside the feed-forward networks of a frozen language model, through which a picture
comes in.

With H the input of a block's feed-forward network, which has already attended to the person's card, and Z the picture's
patches, projected to the model's width,

    G = sigmoid(H Wg + b)                            the gate: by what the profile says
    A = Attention(H Wq, Z Wk, Z Wv)                  what is looked for in the picture
    out = FFN(H) + (G * A) Wo                        Wo = 0 at first: exactly the language model

The gate after the attention, from the query's side, is the form of Qiu et al. 2025 (arXiv 2505.06708); that it stands
beside the lowest blocks is the paper's (arXiv 2604.17233), the rest is ours. ``memory``, a form without softmax after
MemVP (Jie et al. 2024, arXiv 2405.05615), is an option. The modules are attached by hooks: the model's classes are
untouched. Shapes: B sequences, T tokens, D width of the language model, N patches, E width of the eyes, W inner width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reward_models.base import RewardError

Gate = Literal["input", "static", "open"]
Form = Literal["attention", "memory"]
Place = Literal["lowest", "middle", "top", "all"]


@dataclass(frozen=True)
class FusionConfig:
    """``place`` and ``blocks``: which blocks, and how many. ``inner``: W, None for D; ``heads`` share it.

    ``gate``: "input" sees H; "static" does not, it is b alone; "open" is 1. ``form``: "attention" or "memory".
    ``hidden``: inner width of the projector, None for D. ``patches``: N, which "memory" has to know.
    """

    place: Place = "lowest"
    blocks: int = 3
    heads: int = 8
    inner: int | None = None
    gate: Gate = "input"
    form: Form = "attention"
    hidden: int | None = None
    patches: int = 0

    def numbers(self, depth: int) -> list[int]:
        """The blocks' numbers in a model of ``depth``. Raises RewardError where there are not so many.

        >>> FusionConfig("top", 2).numbers(6), FusionConfig("middle", 2).numbers(6)
        ([4, 5], [2, 3])
        """
        if self.place == "all":
            return list(range(depth))
        if not 1 <= self.blocks <= depth:
            raise RewardError(f"the language model has {depth} blocks, so {self.blocks} cannot be fused")
        start = {"lowest": 0, "middle": (depth - self.blocks) // 2, "top": depth - self.blocks}[self.place]
        return list(range(start, start + self.blocks))


class Projector(nn.Sequential):
    """Linear, GELU, Linear: patches (B, N, E) to (B, N, D)."""

    def __init__(self, eyes: int, width: int, hidden: int | None = None):
        super().__init__(nn.Linear(eyes, hidden or width), nn.GELU(), nn.Linear(hidden or width, width))


class SelectiveFusion(nn.Module):
    """One block's module; see the module's docstring for its equations."""

    def __init__(self, width: int, config: FusionConfig):
        super().__init__()
        inner = config.inner or width
        if inner % config.heads:
            raise RewardError(f"{config.heads} heads do not share an inner width of {inner}")
        self.config = config
        self.query, self.key, self.value = (nn.Linear(width, inner, bias=False) for _ in range(3))
        self.out = nn.Linear(inner, width, bias=False)
        nn.init.zeros_(self.out.weight)
        if config.gate == "input":
            self.gate: nn.Module | None = nn.Linear(width, inner)
        else:
            self.gate = None
        if config.gate == "static":
            self.bias = nn.Parameter(torch.zeros(inner))
        if config.form == "memory":
            if not config.patches:
                raise RewardError("the form 'memory' has to know the number of patches")
            self.key_places, self.value_places = (
                nn.Parameter(0.02 * torch.randn(config.patches, inner)) for _ in range(2)
            )

    def gates(self, h: Tensor) -> Tensor:
        """G (B, T, W) or what broadcasts to it."""
        if self.gate is not None:
            return torch.sigmoid(self.gate(h))
        return torch.sigmoid(self.bias) if self.config.gate == "static" else h.new_ones(())

    def attended(self, h: Tensor, z: Tensor) -> Tensor:
        """A (B, T, W) of states (B, T, D) and patches (B, N, D)."""
        q, k, v = self.query(h), self.key(z), self.value(z)
        if self.config.form == "memory":
            weights = F.silu((q @ (k + self.key_places).transpose(1, 2)) / q.shape[-1] ** 0.5)  # (B, T, N)
            found: Tensor = weights @ (v + self.value_places)
            return found
        q, k, v = (_by_head(x, self.config.heads) for x in (q, k, v))  # (B, heads, T or N, W / heads)
        mixed: Tensor = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return mixed

    def routed(self, h: Tensor, z: Tensor) -> Tensor:
        """G * A, (B, T, W): what comes in, before it is written."""
        return self.gates(h) * self.attended(h, z)

    def forward(self, h: Tensor, z: Tensor) -> Tensor:
        """What is added to the feed-forward network's output, (B, T, D)."""
        written: Tensor = self.out(self.routed(h, z))
        return written


class Fusion(nn.Module):
    """The projector, and a module for each fused block of a language model of transformers (Llama's layout:
    ``model.layers[i].mlp``). Raises RewardError for a model of another layout.
    """

    def __init__(self, llm: Any, eyes: int, config: FusionConfig):
        super().__init__()
        self.config = config
        width, self._mlps = llm.config.get_text_config().hidden_size, feed_forwards(llm)
        self.projector = Projector(eyes, width, config.hidden)
        self.numbers = config.numbers(len(self._mlps))
        self.modules_by_block = nn.ModuleDict({str(i): SelectiveFusion(width, config) for i in self.numbers})
        self._seen: Tensor | None = None
        self.watched: dict[int, Tensor] | None = None  # where wanted, G * A by block
        self._hooks = [self._mlps[i].register_forward_hook(self._hook(i)) for i in self.numbers]

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_mlps":  # parts of the language model, not of this one
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def detach(self) -> None:
        """Leave the language model as it was."""
        for hook in self._hooks:
            hook.remove()

    @contextmanager
    def looking(self, patches: Tensor | None) -> Iterator[None]:
        """Meanwhile the language model sees a picture a sequence, patches (B, N, E); None: no picture.

        A backward pass with checkpoints must be inside too.
        """
        self._seen = None if patches is None else self.projector(patches)
        try:
            yield
        finally:
            self._seen = None

    @contextmanager
    def watching(self) -> Iterator[dict[int, Tensor]]:
        """G * A (B, T, W) by block of the last pass."""
        self.watched = {}
        try:
            yield self.watched
        finally:
            self.watched = None

    def _hook(self, number: int) -> Any:
        def add(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
            if self._seen is None:
                return None
            fused = self.modules_by_block[str(number)]
            assert isinstance(fused, SelectiveFusion)
            if self.watched is not None:
                self.watched[number] = fused.routed(inputs[0], self._seen).detach()
            return output + fused(inputs[0], self._seen)

        return add


def feed_forwards(llm: Any) -> Sequence[nn.Module]:
    """The feed-forward network of each block. Raises RewardError for a model that has none where Llama has them."""
    try:
        found: list[nn.Module] = [layer.mlp for layer in llm.model.layers]
    except AttributeError as error:
        raise RewardError(
            f"{type(llm).__name__} is no language model of Llama's layout (model.layers[i].mlp); nothing can be fused"
        ) from error
    return found


def _by_head(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(2, (heads, -1)).transpose(1, 2)

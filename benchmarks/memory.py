"""What drawing takes beside the weights, and what fits onto which card, without a card.

The published shapes of FLUX.1, FLUX.2 and SDXL are built on the meta device, where tensors have sizes and no content.
The most that lives at once is counted operation by operation. Attention is taken to be fused, as it is on a card.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, AutoencoderKLFlux2, Flux2Transformer2DModel
from full_pipelines import VAE, flux_transformer, sdxl_unet
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from steer.config import find_config, load_config, read_values
from steer.models import _parts, _work
from steer.renderers.plan import choose

GIB = 2**30
FREE = {8: 7.4, 12: 11.4, 16: 15.2, 24: 23.0, 32: 31.0, 48: 47.0, 80: 78.0}  # GiB that cards of a size have free
PRESETS = ("flux2-klein", "flux1-dev", "sdxl", "flux2-dev")


class FusedAttention(TorchFunctionMode):
    """Attention without the matrix of all weights."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.scaled_dot_product_attention:
            told = dict(zip(("query", "key", "value"), args, strict=False), **(kwargs or {}))
            query, value = told["query"], told["value"]
            return torch.empty(*query.shape[:-1], value.shape[-1], device=query.device, dtype=query.dtype)
        return func(*args, **(kwargs or {}))


class Peak(TorchDispatchMode):
    """The most bytes that live at once beside ``known`` storages."""

    def __init__(self, known: set[int]):
        super().__init__()
        self.known, self.live, self.peak = known, {}, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                if storage._cdata not in self.known:
                    self.live.setdefault(storage._cdata, (StorageWeakRef(storage), storage.nbytes()))
        self.live = {key: (ref, size) for key, (ref, size) in self.live.items() if not ref.expired()}
        self.peak = max(self.peak, sum(size for _, size in self.live.values()))
        return made


def peak(model: nn.Module, call: Callable[[], Any]) -> float:
    """GiB of a call beside the model's weights."""
    mode = Peak({t.untyped_storage()._cdata for t in (*model.parameters(), *model.buffers())})
    with torch.no_grad(), FusedAttention(), mode:
        call()
    return mode.peak / GIB


def measure() -> None:
    """One picture of 1024 x 1024 pixels in sixteen bits, unless another is said."""
    torch.set_default_dtype(torch.bfloat16)
    e = torch.empty
    with torch.device("meta"):
        flux, unet = flux_transformer(), sdxl_unet()
        klein = Flux2Transformer2DModel(
            num_layers=5, num_single_layers=20, num_attention_heads=24, joint_attention_dim=7680, guidance_embeds=False
        )
        large = Flux2Transformer2DModel()
        vae = AutoencoderKL(latent_channels=16, use_quant_conv=False, use_post_quant_conv=False, **VAE)
        vae2, whole = AutoencoderKLFlux2(), AutoencoderKL(latent_channels=4, **VAE).float()
        tokens, at = e(1, 4096, 128), {"timestep": e(1), "img_ids": e(4096, 4), "txt_ids": e(512, 4)}
        calls = {
            "FLUX.1 dev, a step": (
                flux,
                lambda: flux(e(1, 4096, 64), e(1, 512, 4096), e(1, 768), e(1), e(4096, 3), e(512, 3), e(1)),
            ),
            "FLUX.2 klein, a step": (klein, lambda: klein(tokens, e(1, 512, 7680), **at)),
            "FLUX.2 dev, a step": (large, lambda: large(tokens, e(1, 512, 15360), guidance=e(1), **at)),
            "SDXL, a step with guidance": (
                unet,
                lambda: unet(
                    e(2, 4, 128, 128),
                    e(2),
                    e(2, 77, 2048),
                    added_cond_kwargs={"text_embeds": e(2, 1280), "time_ids": e(2, 6)},
                ),
            ),
            "FLUX.1's VAE, decoding": (vae, lambda: vae.decode(e(1, 16, 128, 128))),
            "FLUX.2's VAE, decoding": (vae2, lambda: vae2.decode(e(1, 32, 128, 128))),
            "SDXL's VAE in fp32, decoding": (whole, lambda: whole.decode(e(1, 4, 128, 128, dtype=torch.float32))),
        }
        print("| | parameters, billions | GiB beside the weights |\n|---|---|---|")
        for name, (model, call) in calls.items():
            count = sum(p.numel() for p in model.parameters()) / 1e9
            print(f"| {name} | {count:.2f} | {peak(model, call):.2f} |")


def fits() -> None:
    """The presets on cards that people have."""
    print(f"\n| card | {' | '.join(PRESETS)} |\n|{'---|' * (len(PRESETS) + 1)}")
    for size, free in FREE.items():
        row = []
        for preset in PRESETS:
            card, renderer = read_values(find_config(preset))["card"], load_config(preset).renderer
            plan = choose(_parts(card, renderer), free, _work(card, renderer))
            p = plan.precision
            eight = [name for name, bits in (("denoiser", p.denoiser), ("text", p.text)) if bits == "int8"]
            remarks = [f"int8: {' and '.join(eight)}"] if eight else []
            remarks += ["tiles"] if p.tiles else []
            row.append(f"`{plan.placement}`" + (f" ({', '.join(remarks)})" if remarks else ""))
        print(f"| {size} GB | " + " | ".join(row) + " |")


if __name__ == "__main__":
    measure()
    fits()

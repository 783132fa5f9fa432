"""The number format in which models learn."""

from __future__ import annotations

import torch


def mixed(device: str = "cpu") -> torch.autocast:
    """bfloat16 on a card, and on a CPU that computes in it (AMX or AVX-512 BF16); other CPUs are ten times slower in
    it than in fp32, and stay in fp32.
    """
    kind = device.split(":")[0]
    native = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return torch.autocast(kind, torch.bfloat16, enabled=kind != "cpu" or native)
